"""A schedule as a score: a column is one step, a rail is one thing that the steps change.

The rails: who takes the step, who holds the two locks, what M has mapped, what M knows of the source entry,
and what the old and the new entry hold.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from vmteach.figures import Drawing
from vmteach.figures.style import (
    INK,
    PAPER,
    PREDICTION_COLOUR,
    PREDICTION_LINE,
    QUIET,
    SMALL,
    Look,
    Picture,
    Span,
    Strips,
    number,
)
from vmteach.kernel.threads import State, Stepped
from vmteach.patches.mremap_race import MMAP_SEM, NO_POINTER, NONE, NULL, OOPS, PTL, Clearer, states_of
from vmteach.run import Run

COLUMNS = 30  # the longest schedule has 22 steps; the rest is for words
ROWS = 2  # runs that are shown, one below the other
RAILS = ("step", MMAP_SEM, PTL, "atomic maps", "M's pointer", "old entry", "new entry")
ROOM = 2.4  # inches for one run
ABOVE = len(RAILS) + 0.35  # where the prediction is written
BAD = "#B3261E"
LOOKS = {
    "M": Look("#D9D9D9"),
    "C": Look("#E69F00"),
    "D": Look("#F0E442"),
    "map": Look("#009E73", "", PAPER),
    "good": Look("#56B4E9"),
    "swap": Look("#CC79A7", ".."),
    "empty": Look("#FFFFFF"),
    "bad": Look(BAD, "", PAPER),
}
CLEARED = {Clearer.TRUNCATE: "truncate", Clearer.FILE: "swap_out, file page", Clearer.ANON: "swap_out, anonymous"}


def layout(run: Run) -> Picture:
    """Two scores, one above the other, each with the same rails and columns."""
    picture = Picture(9.6, ROWS * ROOM)
    share = 1 / ROWS
    for row in range(ROWS):
        axes = picture.panel(
            f"score {row}",
            (0.1, (ROWS - 1 - row) * share + 0.055, 0.885, share - 0.14),
            xlim=(0, COLUMNS),
            ylim=(-0.5, len(RAILS) - 0.5),
            xticks={step - 0.5: f"step {step}" if step == 1 else str(step) for step in (1, 5, 10, 15, 20)},
            yticks={len(RAILS) - 1 - i: rail for i, rail in enumerate(RAILS)},
            spines="",
        )
        picture.parts[f"row {row}"] = _Score(picture, axes)
    picture.parts["prediction"] = _Prediction(picture, picture.axes["score 0"])
    return picture


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw the first two runs; the prediction is a number of steps. The alt text tells both schedules."""
    shown = list(runs.items())[:ROWS]
    for row in range(ROWS):
        picture.parts[f"row {row}"].show(*(shown[row] if row < len(shown) else ("", None)))
    picture.parts["prediction"].show(prediction)
    finding = "; ".join(_verdict(label, run) for label, run in runs.items()) + "."
    if len(runs) > ROWS:
        finding += f" Drawn: {' and '.join(label for label, _ in shown)}."
    picture.finding = finding[0].upper() + finding[1:]
    return " ".join([picture.finding, *(_told(label, run) for label, run in shown)])


def _verdict(label: str, run: Run) -> str:
    """The finding about one run."""
    n = run.numbers
    if _safe(run):
        return f"{label}: nothing bad in {number(n['states explored'])} states"
    return f"{label}: {n['what can happen'][3:]} after {n['shortest way there (steps)']} steps"


def _safe(run: Run) -> bool:
    return bool(run.numbers["shortest way there (steps)"] == "none")


def _told(label: str, run: Run) -> str:
    """The schedule in words."""
    steps = [event for event in run.events if isinstance(event, Stepped)]
    told = "; ".join(f"{step.at} {step.does}" for step in steps)
    own = run.numbers["own reclaim reaches swap_out"]
    last = states_of(run)[-1].data
    ends = f"in the end the old entry is {_entry(last.old)} and the new one {_entry(last.new)}"
    way = "one run" if _safe(run) else "shortest way"
    return f"{label}, {way}: {told}; {ends}; own reclaim reaches swap_out: {own}."


def _entry(entry: str) -> str:
    return f"a {entry}" if entry not in (NONE, "present") else entry


class _Prediction:
    """A line at the number of steps that the reader expects, in the first score."""

    def __init__(self, picture: Picture, axes: Any) -> None:
        self._line = picture.moving(axes.axvline(0, **PREDICTION_LINE))
        self._words = picture.words(axes, 0, ABOVE, color=PREDICTION_COLOUR, size=SMALL, va="bottom")

    def show(self, prediction: Any) -> None:
        """Draw it if it is a number; one beyond the last column stands at the edge."""
        given = isinstance(prediction, int | float) and not isinstance(prediction, bool)
        for artist in (self._line, self._words):
            artist.set_visible(given)
        if given:
            x = min(max(float(prediction), 0.0), COLUMNS - 0.05)
            self._line.set_xdata([x, x])
            self._words.set(position=(x, ABOVE), text=f"your prediction: {number(prediction)} steps")
            self._words.set_horizontalalignment("left" if x < COLUMNS * 0.7 else "right")


class _Score:
    """The artists of one run."""

    def __init__(self, picture: Picture, axes: Any) -> None:
        self._strips = Strips(picture, axes, LOOKS, thickness=0.82, edge=QUIET, edge_width=0.5)
        self._title = picture.words(axes, 0, len(RAILS) - 0.35, weight="bold", size=SMALL + 1, va="bottom")
        self._end = picture.words(axes, 0, 0, size=SMALL + 1, va="center", zorder=5)

    def show(self, label: str, run: Run | None) -> None:
        """Draw the run, or nothing."""
        for words in (self._title, self._end):
            words.set_visible(run is not None)
        if run is None:
            self._strips.show([])
            return
        self._strips.show(_spans(run))
        machine, scenario = run.scenario.machine, run.scenario
        threads = f"M and {scenario.clearers} more ({CLEARED[scenario.clearer]})" if scenario.clearers else "M alone"
        reaches = run.numbers["own reclaim reaches swap_out"]
        cpus = f"{machine.cpus} CPU{'s' * (machine.cpus > 1)}"
        self._title.set_text(f"{label}   {cpus}; {threads}; own reclaim reaches swap_out: {reaches}")
        steps = sum(isinstance(event, Stepped) for event in run.events)
        safe = _safe(run)
        self._end.set(text="returns 0, all locks free" if safe else run.numbers["what can happen"])
        self._end.set(color=INK if safe else BAD, weight="normal" if safe else "bold", position=(steps + 0.25, 4))


def _spans(run: Run) -> Iterator[Span]:
    """Every rail as stretches of equal content; a column shows the state after its step."""
    steps = [event for event in run.events if isinstance(event, Stepped)]
    after = states_of(run)[1:]
    top = len(RAILS) - 1
    for column, step in enumerate(steps):
        yield Span(top, column, column + 1, step.thread, step.at)
    names = list("MCD"[: run.scenario.clearers + 1])
    for rail in range(1, len(RAILS)):
        contents = [_content(rail, state, names) for state in after]
        column = 0
        for content, stretch in groupby(contents):
            end = column + len(list(stretch))
            if content:
                yield Span(top - rail, column, end, *content)
            column = end


def _content(rail: int, state: State, names: list[str]) -> tuple[str, str] | None:
    """The look and the word of one rail in one state; None where there is nothing to draw."""
    tables = state.data
    if rail in (1, 2):
        lock = RAILS[rail]
        return next(((name, name) for name, held in zip(names, state.held, strict=True) if lock in held), None)
    if rail == 3:
        maps = [word for word, there in (("src", tables.src_map), ("dst", tables.dst_map)) if there]
        return ("map", "+".join(maps)) if maps else None
    if rail == 4:
        if state.at[0] == OOPS or tables.src == NULL:
            return "bad", "null"
        return None if tables.src == NO_POINTER else ("good", "ok")
    entry = tables.old if rail == 5 else tables.new
    return {NONE: ("empty", "none"), "present": ("good", "page")}.get(entry, ("swap", "swap"))


# ---- the map ----

MAP_LOOKS = {"bad": Look("#E69F00", "//"), "none": Look("#F4F4F4")}


def reach(runs: Mapping[str, Mapping[tuple[str, int], Run]]) -> Drawing:
    """The map: for each policy, over machine and vm_cache_scan_ratio, whether M alone can crash.

    `runs` maps a policy's label to {(machine, ratio): run}, as `mremap_race.over_machines` makes it.
    """
    machines = list(dict.fromkeys(where[0] for cells in runs.values() for where in cells))
    ratios = sorted({where[1] for cells in runs.values() for where in cells})
    picture = Picture(9.6, 3.0)
    share = 0.87 / len(runs)
    for column, (label, cells) in enumerate(runs.items()):
        axes = picture.panel(
            label,
            (0.125 + column * share, 0.17, share - 0.02, 0.74),
            xlim=(0, len(ratios)),
            ylim=(len(machines) - 0.5, -0.5),
            xlabel="vm_cache_scan_ratio",
            xticks={i + 0.5: str(ratio) for i, ratio in enumerate(ratios)},
            yticks={} if column else dict(enumerate(machines)),
            heading=label,
            spines="",
        )
        Strips(picture, axes, MAP_LOOKS, thickness=0.92).show(
            Span(machines.index(m), ratios.index(r), ratios.index(r) + 1, *_cell(run)) for (m, r), run in cells.items()
        )
    counts = {label: sum(not _safe(run) for run in cells.values()) for label, cells in runs.items()}
    sizes = {label: len(cells) for label, cells in runs.items()}
    found = "; ".join(f"{label}, in {counts[label]} of {sizes[label]} cells" for label in runs)
    picture.finding = f"One thread alone can crash: {found}."
    where = [f"{m} at {r}" for cells in runs.values() for (m, r), run in cells.items() if not _safe(run)]
    numbers = {
        label: {f"{m}, ratio {r}": "safe" if _safe(run) else "can crash" for (m, r), run in cells.items()}
        for label, cells in runs.items()
    }
    return Drawing(picture, f"{picture.finding} The cells: {', '.join(where) or 'none'}.", numbers)


def _cell(run: Run) -> tuple[str, str]:
    return ("none", "") if _safe(run) else ("bad", "crash")
