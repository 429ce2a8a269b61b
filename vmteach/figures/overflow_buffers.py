"""What each counter shows of the dirty data: a saw or a straight line, up to where the writer is told to wait."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from vmteach.figures.style import (
    OVER_LINES,
    PREDICTION_COLOUR,
    PREDICTION_LINE,
    SMALL,
    EndLabels,
    Picture,
    number,
    strokes,
)
from vmteach.machine import GIB
from vmteach.patches.overflow_buffers import NOTHING, PATCHED, UNPATCHED, WAIT, WRITE, Asked, Ended
from vmteach.run import Run

ROWS = 4
WORDS = {NOTHING: "nothing", WRITE: "background writing", WAIT: "wait"}


def frame_key(run: Run) -> Any:
    """The machine and its free memory: they set the scale."""
    return run.scenario.start


def layout(run: Run) -> Picture:
    """Two axes on one scale, up to what was free."""
    memory = run.scenario.start.memory
    top = (memory.dma + memory.normal + memory.high) * run.scenario.machine.page / GIB
    ticks = {round(top * part, 2): f"{top * part:.3g} GiB" if part else "0" for part in (0, 0.25, 0.5, 0.75, 1)}
    picture = Picture(8.8, 3.4)
    axes = picture.panel(
        "seen",
        (0.1, 0.16, 0.6, 0.74),
        xlim=(0, top),
        ylim=(0, top),
        xlabel="truly dirty",
        ylabel="shown by the counter",
        xticks=ticks,
        yticks=ticks,
    )
    picture.parts["lines"] = [picture.moving(axes.plot([], [], lw=2, zorder=3 + i)[0]) for i in range(ROWS)]
    picture.parts["labels"] = EndLabels(picture, axes)
    mark = picture.moving(axes.axvline(0, **PREDICTION_LINE))
    picture.parts["prediction"] = (
        mark,
        picture.words(axes, 0, top * 0.94, color=PREDICTION_COLOUR, size=SMALL, bbox=OVER_LINES),
    )
    return picture


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw what each counter showed; a prediction is the GiB at which the writer is told to wait."""
    shown = list(runs.items())[:ROWS]
    looks = strokes(runs, UNPATCHED, PATCHED)
    labels = []
    for i, line in enumerate(picture.parts["lines"]):
        points = points_of(shown[i][1]) if i < len(shown) else []
        line.set_data([x for x, _ in points], [y for _, y in points])
        if points:
            stroke = looks[shown[i][0]]
            line.set(color=stroke.colour, linestyle=stroke.dash, linewidth=3.4 - i)
            labels.append((*points[-1], f"  {shown[i][0]}", stroke.colour))
    picture.parts["labels"].show(labels)
    mark, word = picture.parts["prediction"]
    given = isinstance(prediction, int | float) and not isinstance(prediction, bool)
    for part in (mark, word):
        part.set_visible(given)
    if given:
        at = min(max(prediction, 0), picture.axes["seen"].get_xlim()[1])
        mark.set_xdata([at, at])
        word.set(text=f" your prediction: {number(prediction)} GiB ", x=at)
    picture.finding = "; ".join(f"{label}: {_told(run)}" for label, run in shown)
    return " ".join(_alt(label, run) for label, run in shown)


def points_of(run: Run) -> list[tuple[float, float]]:
    """(dirty, shown) in GiB; a wrap is a drop at one place."""
    unit = run.scenario.machine.page / GIB
    points: list[tuple[float, float]] = []
    for event in run.events:
        if isinstance(event, Asked):
            dirty, shown = event.pages * unit, event.seen * unit
            if points and shown < points[-1][1]:
                points.append((dirty, points[-1][1]))
            points.append((dirty, shown))
    return points


def _told(run: Run) -> str:
    wait = run.numbers["told to wait from (GiB)"]
    return "never told to wait" if wait == "never" else f"told to wait at {number(wait)} GiB"


def _alt(label: str, run: Run) -> str:
    """A kernel in words: its answers in order, where it ended and what it lost."""
    asked = [event for event in run.events if isinstance(event, Asked)]
    begun = [next(stretch) for _, stretch in groupby(asked, key=lambda event: event.answer)]
    unit = run.scenario.machine.page / GIB
    answers = ", ".join(f"{WORDS[event.answer]} from {number(round(event.pages * unit, 2))} GiB" for event in begun[:6])
    end = run.events[-1]
    lacks = {"memory": "no page is left for data", "lowmem": "no page is left for buffer heads"}
    why = f" There {lacks[end.lacks]}." if isinstance(end, Ended) else ""
    lost, dirty = (number(run.numbers[f"{name} at the end (GiB)"]) for name in ("not seen", "dirty"))
    return f"{label}: {answers}. {dirty} GiB are dirty at the end, of which the counter does not show {lost}.{why}"
