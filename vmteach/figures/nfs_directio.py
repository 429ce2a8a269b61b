"""The whole file as a ruler, twice for each kernel: where the request was meant to go, and where it went."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from vmteach.figures import Drawing
from vmteach.figures.style import (
    AFTER_COLOUR,
    BEFORE_COLOUR,
    DATA_LOOKS,
    INK,
    OVER_LINES,
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
from vmteach.machine import GIB, KIB, MIB, TIB
from vmteach.patches.nfs_directio import PATCHED, POLICIES, UNPATCHED, Sent, right_below
from vmteach.run import Run

KERNELS = 3  # that are drawn
PARTS = 4  # stretches of a request that can be told apart
STEP, BELOW = 3.6, 1.5  # rows from one kernel to the next, from the upper strip to the lower
THIN = 0.012  # of the axis: the least width of a mark
LOOKS = {
    "file": Look("#F4F4F4"),
    "meant": Look("#56B4E9"),
    "right": Look("#009E73", "--"),
    "wrong": DATA_LOOKS["lost"],
    "refused": DATA_LOOKS["refused"],
}


def frame_key(run: Run) -> Hashable:
    """The picture's axis is the file, as far as the next multiple of 4 GiB."""
    return _top(run)


def _top(run: Run) -> int:
    end = run.scenario.offset + run.scenario.length
    return int(-(-end // (4 * GIB)) * 4 * GIB)


def layout(run: Run) -> Picture:
    """Two strips for each of three kernels, over one axis."""
    picture, top = Picture(9.6, 3.7), _top(run)
    steps = range(0, top + 1, max(top // 4 // (4 * GIB), 1) * 4 * GIB)
    axes = picture.panel(
        "file",
        (0.09, 0.1, 0.87, 0.88),
        xlim=(0, top),
        ylim=(KERNELS * STEP, -0.3),
        xticks={at: size(at) if at else "0" for at in steps},
        spines="bottom",
    )
    picture.parts["strips"] = Strips(picture, axes, LOOKS, thickness=0.8, edge=QUIET, edge_width=0.5)
    how: dict[str, Any] = {"size": SMALL, "color": QUIET, "va": "center"}
    picture.parts["words"], picture.parts["names"], picture.parts["lines"] = [], [], []
    for kernel in range(KERNELS):
        y = kernel * STEP
        picture.parts["words"].append(picture.words(axes, 0, y + 0.1, size=SMALL + 1, va="center", bbox=OVER_LINES))
        names = [picture.words(axes, -0.006 * top, y + 0.85 + i * BELOW, ha="right", **how) for i in range(2)]
        picture.parts["names"].append(names)
        lines = [picture.moving(axes.plot([], [], color=INK, lw=1.2, zorder=5)[0]) for _ in range(PARTS)]
        picture.parts["lines"].append(lines)
    picture.parts["guess"] = picture.moving(axes.axvline(0, **PREDICTION_LINE))
    picture.parts["guess word"] = picture.words(
        axes, 0, KERNELS * STEP - 0.35, color=PREDICTION_COLOUR, size=SMALL, va="center"
    )
    return picture


def stretches(run: Run) -> Iterator[tuple[int, int | None, int]]:
    """The written request as (offset, offset on the wire or None, length): chunks that moved alike are one."""
    open_: tuple[int, int | None, int] | None = None
    for event in run.events:
        if event.operation != "write":
            continue
        wire = event.wire if isinstance(event, Sent) else None
        if open_ and _goes_on(open_, event.offset, wire):
            open_ = (open_[0], open_[1], open_[2] + event.length)
        else:
            if open_:
                yield open_
            open_ = (event.offset, wire, event.length)
    if open_:
        yield open_


def _goes_on(part: tuple[int, int | None, int], offset: int, wire: int | None) -> bool:
    start, there, length = part
    if (there is None) != (wire is None) or start + length != offset:
        return False
    return there is None or wire is None or there + length == wire


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw the first three kernels; a prediction is an offset on the wire in MiB. The alt text says every number."""
    shown, top = list(runs.items())[:KERNELS], picture.axes["file"].get_xlim()[1]
    spans: list[Span] = []
    for kernel in range(KERNELS):
        there = kernel < len(shown)
        for artist in (picture.parts["words"][kernel], *picture.parts["names"][kernel]):
            artist.set_visible(there)
        lines = picture.parts["lines"][kernel]
        for line in lines:
            line.set_visible(False)
        if there:
            label, run = shown[kernel]
            picture.parts["words"][kernel].set_text(f"{label}:  {_outcome(run)}")
            for text, name in zip(picture.parts["names"][kernel], ("meant", "went"), strict=True):
                text.set_text(name)
            spans += _spans(run, kernel * STEP + 0.85, top, lines)
    picture.parts["strips"].show(spans)
    _predict(picture, prediction, top)
    picture.finding = "; ".join(_verdict(label, run) for label, run in shown) + "."
    picture.finding = picture.finding[0].upper() + picture.finding[1:]
    if len(runs) > len(shown):
        picture.finding += f" Drawn: {', '.join(label for label, _ in shown)}."
    s = shown[0][1].scenario
    place = f"A request of {size(s.length)} at {number(s.offset_mib)} MiB, word of {s.machine.word} bits."
    return " ".join([place, *(f"{label}: {_told(run)}." for label, run in shown)])


def _spans(run: Run, row: float, top: float, lines: Sequence[Any]) -> Iterator[Span]:
    """The file twice, the request on the first, where it went on the second, and lines between."""
    yield Span(row, 0, top, "file")
    yield Span(row + BELOW, 0, top, "file")
    for line, (offset, wire, length) in zip(lines, stretches(run), strict=False):
        yield _mark(row, offset, length, top, "meant" if wire is not None else "refused")
        if wire is None:
            continue
        yield _mark(row + BELOW, wire, length, top, "right" if wire == offset else "wrong")
        line.set_visible(True)
        line.set_data([_middle(offset, length, top), _middle(wire, length, top)], [row + 0.4, row + BELOW - 0.4])


def _mark(row: float, start: int, length: int, top: float, look: str) -> Span:
    middle, half = _middle(start, length, top), max(length, THIN * top) / 2
    return Span(row, middle - half, middle + half, look)


def _middle(start: int, length: int, top: float) -> float:
    """The middle of a mark, kept off the ends of the axis."""
    half = max(length, THIN * top) / 2
    return min(max(start + length / 2, half), top - half)


def place(offset: int) -> str:
    """An offset in the largest unit that says it exactly.

    >>> place(5 << 30), place((4 << 30) - (1 << 20)), place(0)
    ('5 GiB', '4,095 MiB', 'byte 0')
    """
    unit = next((unit for unit in (TIB, GIB, MIB, KIB) if offset and offset % unit == 0), 1)
    return f"{offset // unit:,} {size(unit).split()[1]}" if offset else "byte 0"


def _outcome(run: Run) -> str:
    parts = []
    for offset, wire, length in stretches(run):
        if wire is None:
            parts.append(f"refused at {place(offset)}, the rest not sent")
        elif wire == offset:
            parts.append(f"{size(length)} where it belongs")
        else:
            parts.append(f"{size(length)} at {place(wire)} instead of {place(offset)}")
    return ", ".join(parts)


def _verdict(label: str, run: Run) -> str:
    destroyed = run.numbers["destroyed elsewhere (KiB)"] * KIB
    if destroyed:
        return f"{label}, {size(destroyed)} of other data destroyed"
    whole = run.numbers["written where it belongs (KiB)"] * KIB
    if not whole:
        return f"{label}, nothing written, nothing touched"
    return f"{label}, {size(whole)} written, nothing else touched"


def _told(run: Run) -> str:
    n = run.numbers
    wrong, kept = number(n["read from a wrong place (KiB)"]), number(n["written where it belongs (KiB)"])
    gone = number(n["destroyed elsewhere (KiB)"])
    return f"{wrong} KiB read from a wrong place, {kept} KiB written where they belong, {gone} KiB destroyed elsewhere"


def _predict(picture: Picture, prediction: Any, top: float) -> None:
    given = isinstance(prediction, int | float) and not isinstance(prediction, bool)
    line, words = picture.parts["guess"], picture.parts["guess word"]
    line.set_visible(given)
    words.set_visible(given)
    if given:
        x = min(max(prediction * MIB, 0), top)
        line.set_xdata([x, x])
        words.set(text=f" your prediction: {number(prediction)} MiB ", ha="left" if x < top / 2 else "right")
        words.set_position((x, words.get_position()[1]))


def limits(word: int = 32) -> Drawing:
    """Up to which offset direct I/O is right, by the size of a block: the kernel before, and after."""
    bits = (9, 10, 11, 12, 13, 14, 15)
    picture = Picture(9.6, 2.6)
    axes = picture.panel(
        "limits",
        (0.16, 0.2, 0.8, 0.76),
        xlim=(29, 52),
        ylim=(len(bits) - 0.4, -0.6),
        xticks={e: size(1 << e) for e in (30, 32, 36, 40, 44, 48)},
        yticks={y: f"blocks of {size(1 << b)}" for y, b in enumerate(bits)},
        xlabel=f"file offset, a word of {word} bits",
    )
    numbers: dict[str, dict[str, int]] = {UNPATCHED: {}, PATCHED: {}}
    for y, b in enumerate(bits):
        ends = [right_below(b, word, POLICIES[label]) for label in (UNPATCHED, PATCHED)]
        for end, label, colour, half in zip(ends, (UNPATCHED, PATCHED), (BEFORE_COLOUR, AFTER_COLOUR), (0.36, 0.16)):
            numbers[label][f"blocks of {size(1 << b)}: right below (GiB)"] = end >> 30
            left, right = 29, min(end.bit_length() - 1, 52)
            axes.barh(y, right - left, left=left, height=2 * half, color=colour, zorder=3 if label == PATCHED else 2)
        axes.text(min(ends[1].bit_length() - 0.8, 50), y, size(ends[1]), va="center", size=SMALL, color=INK)
    first, last = (right_below(b, word, POLICIES[PATCHED]) for b in (bits[0], bits[-1]))
    low = right_below(bits[0], word, POLICIES[UNPATCHED])
    picture.finding = (
        f"Right below {size(low)} before (wide bar), below {size(first)} to {size(last)} after (narrow bar)."
    )
    return Drawing(picture, picture.finding, numbers)
