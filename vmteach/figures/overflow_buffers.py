"""What each counter sees of the dirty data, and what is decided there: a saw or a straight line, over strips.

Upwards is what the counter says, to the right what is true. Below stands a strip for each kernel: what
balance_dirty_state answers at that place, and where no writer ever gets.
"""

from collections.abc import Hashable, Iterator, Mapping
from itertools import groupby
from typing import Any

from vmteach.figures.style import (
    OVER_LINES,
    PREDICTION_COLOUR,
    PREDICTION_LINE,
    QUIET,
    SMALL,
    EndLabels,
    Look,
    Picture,
    Span,
    Strips,
    number,
    strokes,
)
from vmteach.machine import GIB, MIB
from vmteach.patches.overflow_buffers import (
    NOTHING,
    PATCHED,
    SYNCHRONOUS,
    UNPATCHED,
    WAIT,
    WRITE,
    Dirtied,
    Scenario,
    nr_free_buffer_pages,
)
from vmteach.run import Run

ROWS = 4
SHOWN = 11  # GiB of dirty data that a picture shows at least, where there is so much memory
WORDS = {NOTHING: "nothing", WRITE: "write back", WAIT: "wait"}
LOOKS: dict[str, Look] = {
    "nothing": Look("#F4F4F4"),
    "write back": Look("#F0E442", "//"),
    "wait": Look("#0072B2", "", "#FFFFFF"),
    "never reached": Look("#FFFFFF", ".."),
}


def frame_key(run: Run) -> Hashable:
    """The machine: it sets the scale and the limit of 60 %."""
    return str(run.scenario.machine.name)


def _reach(scenario: Scenario) -> float:
    """GiB on both axes: all memory for buffers, or as much of it as is worth seeing."""
    page = scenario.machine.page
    low = nr_free_buffer_pages(scenario.machine) * page / GIB
    return min(scenario.cache * page / GIB, max(SHOWN, low))


def _limit(scenario: Scenario) -> float:
    """GiB from which writers are to wait."""
    return nr_free_buffer_pages(scenario.machine) * SYNCHRONOUS / 100 * scenario.machine.page / GIB


def _ticks(top: float) -> dict[float, str]:
    """Few ticks: whole multiples of 4 GiB where there are some, else the two ends, in MiB."""
    if top < 4:
        return {0: "0", top / 2: f"{top * 512:,.0f} MiB", top: f"{top * 1024:,.0f} MiB"}
    step = 4 if top <= 16 else 16
    return {at: f"{at} GiB" if at else "0" for at in range(0, int(top) + 1, step)}


def layout(run: Run) -> Picture:
    """The two axes on one scale, the line of 60 %, and room for the strips and their counters."""
    top, limit = _reach(run.scenario), _limit(run.scenario)
    picture = Picture(8.8, 4.6)
    axes = picture.panel(
        "seen",
        (0.135, 0.5, 0.585, 0.47),
        xlim=(0, top),
        ylim=(0, top * 1.04),
        xlabel="truly dirty, and what is decided there",
        ylabel="what the counter says",
        xticks=_ticks(top),
        yticks=_ticks(top),
    )
    axes.axhline(limit, color=QUIET, lw=0.9, ls=(0, (2, 2)), zorder=1)
    picture.figure.text(
        0.727, _height(picture, "seen", limit), f"{SYNCHRONOUS} % of lowmem", size=SMALL, color=QUIET, va="center"
    )
    lines = [picture.moving(axes.plot([], [], lw=2, zorder=3 + i)[0]) for i in range(ROWS)]
    ends = [picture.moving(axes.plot([], [], ls="", ms=6, zorder=7)[0]) for _ in range(ROWS)]
    picture.parts["lines"], picture.parts["ends"] = lines, ends
    picture.parts["labels"] = EndLabels(picture, axes)
    below = picture.panel("decided", (0.135, 0.1, 0.585, 0.25), xlim=(0, top), ylim=(ROWS - 0.5, -0.5), spines="")
    picture.parts["strips"] = Strips(picture, below, LOOKS, thickness=0.72, edge=QUIET, edge_width=0.5)
    picture.parts["names"] = [picture.words(None, 0.008, 0, va="center", size=SMALL) for _ in range(ROWS)]
    picture.parts["counters"] = [picture.words(None, 0.727, 0, va="center", size=SMALL) for _ in range(ROWS)]
    key = "; ".join(("pale: nothing", "striped: write back", "dark: the writer is to wait", "dotted: never reached"))
    picture.figure.text(0.135, 0.03, key, size=SMALL, color=QUIET)
    mark = axes.axvline(0, **PREDICTION_LINE)
    word = picture.words(axes, 0, top * 0.96, color=PREDICTION_COLOUR, size=SMALL, bbox=OVER_LINES)
    picture.parts["prediction"] = picture.moving(mark), word
    return picture


def _height(picture: Picture, name: str, value: float) -> float:
    """Where a value of a panel lies on the whole figure."""
    box, (low, high) = picture.axes[name].get_position(), picture.axes[name].get_ylim()
    return float(box.y0 + (value - low) / (high - low) * box.height)


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw what each counter saw; a prediction is the MiB at which the writer is first told to wait."""
    shown = list(runs.items())[:ROWS]
    top = picture.axes["seen"].get_xlim()[1]
    looks = strokes(runs, UNPATCHED, PATCHED)
    labels = []
    for i, (line, end) in enumerate(zip(picture.parts["lines"], picture.parts["ends"])):
        points = _points(shown[i][1], top) if i < len(shown) else []
        line.set_data([x for x, _ in points], [y for _, y in points])
        end.set_data([x for x, _ in points[-1:]], [y for _, y in points[-1:]])
        if points:
            stroke = looks[shown[i][0]]
            line.set(color=stroke.colour, linestyle=stroke.dash, linewidth=3.4 - i)
            end.set(color=stroke.colour, marker=stroke.marker, markersize=9 - 3 * i if i < 2 else 5)
            labels.append((*points[-1], f"  {shown[i][0]}", stroke.colour))
    picture.parts["labels"].show(labels)
    picture.parts["strips"].show([span for row, (_, run) in enumerate(shown) for span in _spans(row, run, top)])
    _say(picture, shown)
    _predict(picture, prediction, top)
    picture.finding = _finding(shown)
    return _alt(shown, prediction)


def _looks(run: Run) -> list[Dirtied]:
    return [event for event in run.events if isinstance(event, Dirtied)]


def _points(run: Run, top: float) -> list[tuple[float, float]]:
    """(true, said) in GiB. A wrap is a drop at one place."""
    unit = run.scenario.machine.page / GIB
    points: list[tuple[float, float]] = []
    for look in _looks(run):
        true, said = look.pages * unit, look.seen * unit
        if true > top * 1.0001:
            break
        if points and said < points[-1][1]:
            fall = true - said  # where the counter came to 0
            points += [(fall, points[-1][1] + fall - points[-1][0]), (fall, 0.0)]
        points.append((true, said))
    return points


def _spans(row: int, run: Run, top: float) -> Iterator[Span]:
    """One stretch for each answer, from the page at which it is first given."""
    unit = run.scenario.machine.page / GIB
    begun = [next(stretch) for _, stretch in groupby(_looks(run), key=lambda look: look.state)]
    last = _looks(run)[-1].pages * unit
    ends = [*(look.pages * unit for look in begun[1:]), last]
    for look, end in zip(begun, ends):
        word = WORDS[look.state]
        if look.pages * unit < top:
            yield Span(row, look.pages * unit, min(end, top), word, word)
    if last < top:
        yield Span(row, last, top, "never reached", "never reached")


def _say(picture: Picture, shown: list[tuple[str, Run]]) -> None:
    """The kernel's name left of its strip, its counter at the end to the right."""
    for row, (name, counter) in enumerate(zip(picture.parts["names"], picture.parts["counters"])):
        height = _height(picture, "decided", row)
        label, run = shown[row] if row < len(shown) else ("", None)
        name.set(text=label.replace("what if: ", "what if:\n"), position=(0.008, height))
        counter.set(text=f"ends at {_counter(run)}" if run else "", position=(0.727, height))


def _counter(run: Run) -> str:
    unit = {0: "bytes", 9: "sectors", 12: "pages"}.get(run.policy.shift, f"units of {1 << run.policy.shift} bytes")
    return f"{number(run.numbers['counter at the end'])} {unit}"


def _predict(picture: Picture, prediction: Any, top: float) -> None:
    mark, word = picture.parts["prediction"]
    given = isinstance(prediction, int | float) and not isinstance(prediction, bool)
    mark.set_visible(given)
    word.set_visible(given)
    if given:
        at = min(max(prediction * MIB / GIB, 0), top)
        right = at > top / 2
        mark.set_xdata([at, at])
        word.set(text=f" your prediction: {number(prediction)} MiB ", ha="right" if right else "left")
        word.set_x(at)


def _finding(shown: list[tuple[str, Run]]) -> str:
    """What the counters miss, or that they miss nothing and why."""
    missed = {label: run.numbers["dirty, not seen, at most (MiB)"] for label, run in shown}
    first = shown[0][1]
    most = number(first.numbers["dirty at most (MiB)"])
    name = first.scenario.machine.name
    if any(missed.values()):
        told = ", ".join(f"{label} {number(value)} MiB" for label, value in missed.items())
        return f"{name}, up to {most} MiB dirty. Not seen, at most: {told}"
    wraps = ", ".join(f"{label} at {number(run.numbers['counter wraps at (GiB)'])} GiB" for label, run in shown)
    return f"{name}: never more than {most} MiB dirty. A wrap would come, {wraps}"


def _alt(shown: list[tuple[str, Run]], prediction: Any) -> str:
    """The picture in words: for every kernel its answers in order, its counter and what it missed."""
    told = []
    for label, run in shown:
        n, unit = run.numbers, run.scenario.machine.page / MIB
        begun = [next(stretch) for _, stretch in groupby(_looks(run), key=lambda look: look.state)]
        answers = ", ".join(f"{WORDS[look.state]} from {number(round(look.pages * unit, 1))} MiB" for look in begun[:6])
        more = " and so on" if len(begun) > 6 else ""
        told.append(
            f"{label}: {answers}{more}; at most {number(n['dirty at most (MiB)'])} MiB dirty, of which"
            f" {number(n['dirty, not seen, at most (MiB)'])} MiB were not seen; the counter ends at {_counter(run)}."
        )
    return " ".join(told) + ("" if prediction is None else f" Your prediction: wait at {number(prediction)} MiB.")
