"""The list of page pointers, from the first page of the read to the last: what was got, and what was walked.

Each run has two strips. The upper one says what became of each page that was wanted, the lower one which
pointers were walked, and which of those were never set.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from vmteach.figures.style import (
    INK,
    OVER_LINES,
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
    size,
)
from vmteach.patches.rawio import Flushed, Mapped, Pinned, Released, pages_wanted
from vmteach.run import Run

ROWS = 3  # runs that are shown
ROOM = 0.95  # inches for one run
LOOKS = {
    "handed on": Look("#56B4E9"),
    "released": Look("#F0E442", "\\\\"),
    "held": Look("#CC79A7", ".."),
    "not got": Look("#F4F4F4"),
    "not asked for": Look("#FFFFFF"),
    "walked": Look("#009E73", "", PAPER),
    "stale": Look("#D55E00", "xx"),
}


def layout(run: Run) -> Picture:
    """Two strips for each of three runs, over one axis: the share of the read."""
    picture = Picture(9.6, ROWS * ROOM + 0.45)
    axes = picture.panel(
        "list",
        (0.085, 0.13, 0.895, 0.84),
        ylim=(-0.5, ROWS * 3 - 0.5),
        xticks={0: "first byte of the read", 0.25: "1/4", 0.5: "1/2", 0.75: "3/4", 1: "last"},
        spines="",
    )
    picture.parts["strips"] = Strips(picture, axes, LOOKS, thickness=0.8, edge=QUIET, edge_width=0.5)
    how: dict[str, Any] = {"size": SMALL + 1, "va": "center", "color": INK, "bbox": OVER_LINES}
    picture.parts["words"] = [picture.words(axes, 0, 3 * (ROWS - row) - 1, **how) for row in range(ROWS)]
    how = {"size": SMALL, "va": "center", "ha": "right", "color": QUIET}
    picture.parts["strip words"] = [
        [
            picture.words(axes, -0.008, 3 * (ROWS - row) - below, name, **how)
            for below, name in ((2, "pages"), (3, "pointers"))
        ]
        for row in range(ROWS)
    ]
    picture.parts["line"] = picture.moving(axes.axvline(0, **PREDICTION_LINE))
    picture.parts["guess"] = picture.words(axes, 1, ROWS * 3 - 0.55, color=PREDICTION_COLOUR, size=SMALL, ha="right")
    return picture


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw the first three runs; the prediction is a number of pages handed on. The alt text says every number."""
    shown = list(runs.items())[:ROWS]
    spans: list[Span] = []
    for row, words in enumerate(picture.parts["words"]):
        for text in (words, *picture.parts["strip words"][row]):
            text.set_visible(row < len(shown))
        if row < len(shown):
            label, run = shown[row]
            words.set_text(f"{label}:  {_outcome(run)}")
            spans += _spans(run, 3 * (ROWS - 1 - row))
    picture.parts["strips"].show(spans)
    _predict(picture, next(iter(runs.values())), prediction)
    finding = "; ".join(_verdict(label, run) for label, run in runs.items()) + "."
    if len(runs) > ROWS:
        finding += f" Drawn: {', '.join(label for label, _ in shown)}."
    picture.finding = finding[0].upper() + finding[1:]
    return " ".join([picture.finding, *(f"{label}: {_told(run)}." for label, run in shown)])


def _verdict(label: str, run: Run) -> str:
    stale = run.numbers["stale pointers walked"]
    return f"{label}, {number(stale)} stale pointers walked" if stale else f"{label}, none"


def _outcome(run: Run) -> str:
    n = run.numbers
    recorded, covered = n["bytes recorded (B)"], n["bytes covered (B)"]
    over = f", {size(recorded)} recorded" if recorded != covered else ""
    return f"{n['last chunk']}; {size(covered)} covered{over}"


def _told(run: Run) -> str:
    """The run in words."""
    n = run.numbers
    pages = f"{number(n['pages got'])} of {number(n['pages wanted'])} pages wanted were got"
    walked = f"{number(n['pointers walked'])} pointers walked, {number(n['stale pointers walked'])} of them stale"
    return f"{pages}, {walked}; {_outcome(run)}"


def _total(run: Run) -> int:
    """Pages of the whole read."""
    s = run.scenario
    return pages_wanted(s.va, s.length_kib * 1024, s.machine.page)


def _predict(picture: Picture, run: Run, prediction: Any) -> None:
    given = isinstance(prediction, int | float) and not isinstance(prediction, bool)
    line, words = picture.parts["line"], picture.parts["guess"]
    line.set_visible(given)
    words.set_visible(given)
    if given:
        x = min(max(prediction / _total(run), 0.0), 1.0)
        line.set_xdata([x, x])
        words.set_text(f"dashed: your prediction, {number(prediction)} pages handed on")


def _spans(run: Run, low: int) -> Iterator[Span]:
    """The two strips of one run, in shares of the read; chunks one after another."""
    total, first = _total(run), 0
    for pinned in (event for event in run.events if isinstance(event, Pinned)):
        mine = [event for event in run.events if event.chunk == pinned.chunk]
        fate = "handed on" if any(isinstance(e, Mapped) for e in mine) else "held"
        if fate == "held" and any(isinstance(e, Released) for e in mine):
            fate = "released"
        walked = next((e for e in mine if isinstance(e, Flushed)), Flushed(pinned.chunk, 0, 0))
        parts = (
            (low + 1, 0, pinned.got, fate),
            (low + 1, pinned.got, pinned.wanted, "not got"),
            (low, 0, walked.walked - walked.stale, "walked"),
            (low, walked.walked - walked.stale, walked.walked, "stale"),
        )
        for row, start, end, look in parts:
            if start < end:
                yield Span(row, (first + start) / total, (first + end) / total, look, f"{end - start} {look}")
        first += pinned.wanted
    if first < total:
        yield Span(low + 1, first / total, 1, "not asked for", f"{total - first} not asked for")
