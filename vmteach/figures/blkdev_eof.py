"""The device ruler: the last two pages of a device in sectors, blocks and pages, and what each kernel gives of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vmteach.figures import Drawing
from vmteach.figures.style import (
    DATA_LOOKS,
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
from vmteach.patches.blkdev_eof import SECTOR, Device, lost
from vmteach.run import Run

KERNELS = 3  # that are drawn
RULER = ("sectors", "size units", "blocks", "pages")
EVEN, ODD, STRADDLING = "even", "odd", "straddling"
LOOKS = {
    EVEN: Look("#E4E4E4"),
    ODD: Look("#C9C9C9"),
    STRADDLING: Look("#F0E442", "\\\\"),
    "true data": DATA_LOOKS["true data"],
    "zeros": DATA_LOOKS["zeros"],
    "EIO": DATA_LOOKS["lost"],
    "end of file": Look("#CC79A7", "--"),
}
WORDS = {"end of file": "EOF"}  # in a strip as narrow as a block


def frame_key(run: Run) -> int:
    """The picture's axis is two pages long."""
    return int(run.scenario.machine.page)


def layout(run: Run) -> Picture:
    """Four rows of ruler on top, and below them two strips for each of three kernels."""
    picture = Picture(9.6, 3.9)
    rows = _rows()
    axes = picture.panel(
        "ruler",
        (0.1, 0.02, 0.88, 0.96),
        xlim=(0, 2 * run.scenario.machine.page / 1024),
        ylim=(rows["bottom"], -0.6),
        yticks={rows[name]: name for name in RULER},
        spines="",
    )
    picture.parts["strips"] = Strips(picture, axes, LOOKS, thickness=0.78, edge=PAPER, edge_width=0.6)
    picture.parts["words"] = [
        picture.words(axes, 0, rows[f"{kernel}:read"] - 0.78, size=SMALL + 1, va="center", bbox=OVER_LINES)
        for kernel in range(KERNELS)
    ]
    how: dict[str, Any] = {"size": SMALL, "color": QUIET, "ha": "right", "va": "center"}
    picture.parts["names"] = [
        [
            picture.words(None, 0.093, _share(picture, rows[f"{kernel}:{way}"]), way, **how)
            for way in ("read", "O_DIRECT")
        ]
        for kernel in range(KERNELS)
    ]
    picture.parts["end"] = picture.moving(axes.axvline(0, 0.02, 0.98, color=INK, linewidth=1.6, zorder=6))
    picture.parts["end word"] = picture.words(axes, 0, -0.1, "end of the device ", size=SMALL, va="center")
    picture.parts["guess"] = picture.moving(axes.axvline(0, 0.02, 0.98, **PREDICTION_LINE))
    picture.parts["guess word"] = picture.words(
        axes, 0, rows["bottom"] - 0.35, color=PREDICTION_COLOUR, size=SMALL, va="center"
    )
    return picture


def _rows() -> dict[str, float]:
    """Where each row stands: the ruler's, then a line of words and two strips a kernel."""
    rows = {name: float(y) for y, name in enumerate(RULER)}
    for kernel in range(KERNELS):
        top = len(RULER) + 1.0 + 3.05 * kernel
        rows |= {f"{kernel}:read": top, f"{kernel}:O_DIRECT": top + 1}
    return rows | {"bottom": len(RULER) + 3.05 * KERNELS + 0.1}


def _share(picture: Picture, row: float) -> float:
    """The height of a row as a share of the whole figure."""
    low, high = picture.axes["ruler"].get_ylim()
    box = picture.axes["ruler"].get_position()
    return float(box.y0 + (row - low) / (high - low) * box.height)


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw the ends of the first three devices; a predicted number of lost bytes is a dashed line.

    The alt text says every number.
    """
    shown, rows = list(runs.items())[:KERNELS], _rows()
    spans = list(_ruler(shown[0][1], rows))
    for kernel, words in enumerate(picture.parts["words"]):
        for word in (words, *picture.parts["names"][kernel]):
            word.set_visible(kernel < len(shown))
        if kernel < len(shown):
            label, run = shown[kernel]
            words.set_text(f"{label}:  write of the last block {run.numbers['write of the last block']}")
            spans += _given(run, rows[f"{kernel}:read"], rows[f"{kernel}:O_DIRECT"])
    picture.parts["strips"].show(spans)
    _mark_the_end(picture, shown[0][1])
    _predict(picture, shown[0][1], prediction)
    picture.finding = "; ".join(_verdict(label, run) for label, run in shown)
    picture.finding = picture.finding[0].upper() + picture.finding[1:] + "."
    if len(runs) > len(shown):
        picture.finding += f" Drawn: {', '.join(label for label, _ in shown)}."
    s = shown[0][1].scenario
    place = f"A device of {number(s.sectors)} sectors in blocks of {size(s.block)} and pages of {size(s.machine.page)}."
    return " ".join([place, *(f"{label}: {_told(run)}." for label, run in shown)])


def _verdict(label: str, run: Run) -> str:
    n = run.numbers
    if n["bytes lost (B)"]:
        return f"{label}, the last {size(n['bytes lost (B)'])} give EIO"
    zeros = n["bytes read as zeros (B)"]
    return f"{label}, {size(zeros)} read as zeros" if zeros else f"{label}, all is read"


def _told(run: Run) -> str:
    n = run.numbers
    gone, good, zeros = (
        number(n[name]) for name in ("bytes lost (B)", "of them in good blocks (B)", "bytes read as zeros (B)")
    )
    direct = number(n["direct read of the last block (B)"])
    return (
        f"{gone} B lost, {good} B of them in good blocks; {zeros} B read as zeros; "
        f"O_DIRECT gives {direct} B of the last block; its write: {n['write of the last block']}"
    )


def _start(run: Run) -> int:
    """The byte at which the picture begins: one page before the last."""
    page = run.scenario.machine.page
    return int(max((run.numbers["size (B)"] - 1) // page - 1, 0) * page)


def _in_units(run: Run, row: float, width: int, end: int) -> Iterator[tuple[int, Span]]:
    """Steps of `width` bytes from the picture's left edge as far as `end`, each with its number."""
    start, kib = _start(run), 1024
    for unit in range(start // width, -(-end // width)):
        left, right = max(unit * width - start, 0), min((unit + 1) * width, start + 2 * run.scenario.machine.page)
        if left < right - start:
            yield unit, Span(row, left / kib, (right - start) / kib, ODD if unit % 2 else EVEN, str(unit))


def _ruler(run: Run, rows: Mapping[str, float]) -> Iterator[Span]:
    """Sectors, the 1 KiB units of the size, blocks and pages, each with its number."""
    s, bytes_ = run.scenario, run.numbers["size (B)"]
    yield from (span for _, span in _in_units(run, rows["sectors"], SECTOR, s.sectors * SECTOR))
    yield from (span for _, span in _in_units(run, rows["size units"], run.policy.unit, bytes_))
    for block, span in _in_units(run, rows["blocks"], s.block, bytes_):
        yield span._replace(look=STRADDLING) if (block + 1) * s.block > bytes_ else span
    yield from (span for _, span in _in_units(run, rows["pages"], s.machine.page, bytes_))


def _given(run: Run, read: float, direct: float) -> Iterator[Span]:
    """What the kernel gives for each byte, sector by sector, joined where it is the same."""
    device = Device(run.scenario, run.policy)
    start, page = _start(run), device.page
    buffered: list[str] = []
    unbuffered: list[str] = []
    for first in range(start, device.size, page):
        data = device.block_read_full_page(first // page)
        for at in range(first, min(first + page, device.size), SECTOR):
            same = data is not None and data[at - first] == device.disk[at : at + 1][0]
            buffered.append("EIO" if data is None else "true data" if same else "zeros")
            block = at // device.block * device.block
            unbuffered.append("true data" if at - block < device.direct_read(block, device.block) else "end of file")
    yield from _joined(buffered, read)
    yield from _joined(unbuffered, direct)


def _joined(looks: Sequence[str], row: float) -> Iterator[Span]:
    start, per = 0, 1024 // SECTOR
    for end in range(1, len(looks) + 1):
        if end == len(looks) or looks[end] != looks[start]:
            yield Span(row, start / per, end / per, looks[start], WORDS.get(looks[start], looks[start]))
            start = end


def _mark_the_end(picture: Picture, run: Run) -> None:
    x = (run.scenario.sectors * SECTOR - _start(run)) / 1024
    picture.parts["end"].set_xdata([x, x])
    width = picture.axes["ruler"].get_xlim()[1]
    picture.parts["end word"].set(ha="right" if x > 0.8 * width else "left")
    picture.parts["end word"].set_position((x, -0.5))
    picture.parts["end word"].set_text("end of the device " if x > 0.8 * width else " end of the device")


def _predict(picture: Picture, run: Run, prediction: Any) -> None:
    given = isinstance(prediction, int | float) and not isinstance(prediction, bool)
    line, words = picture.parts["guess"], picture.parts["guess word"]
    line.set_visible(given)
    words.set_visible(given)
    if given:
        x = max((run.numbers["size (B)"] - prediction - _start(run)) / 1024, 0)
        right = x > 0.5 * picture.axes["ruler"].get_xlim()[1]
        line.set_xdata([x, x])
        words.set(text=f" your prediction: {number(prediction)} B lost ", ha="right" if right else "left")
        words.set_position((x, words.get_position()[1]))


def map_of(pages: Sequence[int] = (4096, 16384), base: int = 2000) -> Drawing:
    """Bytes lost before the patch, over the sectors beyond a whole number of pages, soft block and page size."""
    blocks, over = (1024, 2048, 4096), range(0, 32, 2)
    base = base // 32 * 32  # a whole number of 16 KiB pages
    picture = Picture(9.6, 2.5)
    most, kib = max(pages), 1024
    numbers: dict[str, dict[str, int]] = {}
    for panel, page in enumerate(pages):
        axes = picture.panel(
            str(page),
            (0.1, 0.62 - 0.46 * panel, 0.88, 0.26),
            xlim=(-0.5, len(over) - 0.5),
            ylim=(-0.5, len(blocks) - 0.5),
            xticks={x: str(sectors) for x, sectors in enumerate(over)},
            yticks={y: f"{size(block)} blocks" for y, block in enumerate(blocks)},
            xlabel="sectors beyond a multiple of 16 KiB" if page == pages[-1] else "",
            heading=f"pages of {size(page)}: KiB lost",
            spines="",
        )
        cells = numbers.setdefault(f"{size(page)} pages", {})
        for (y, block), (x, sectors) in ((b, s) for b in enumerate(blocks) for s in enumerate(over)):
            gone = lost(base + sectors, block, page)
            cells[f"{sectors} sectors over, {size(block)} blocks (B)"] = gone
            shade = 1 - 0.75 * gone / most
            axes.barh(y, 0.96, height=0.92, left=x - 0.48, color=(1, shade, shade * 0.9), zorder=1)
            word = f"{gone / kib:g}" if gone else "·"
            axes.text(x, y, word, ha="center", va="center", size=SMALL, color=INK, zorder=2)
    bad = {name: [gone for gone in cells.values() if gone] for name, cells in numbers.items()}
    parts = [
        f"{name}: {len(gone)} of {len(numbers[name])} lose, {size(max(gone))} at most" for name, gone in bad.items()
    ]
    picture.finding = "Device sizes that lose their tail. " + "; ".join(parts) + "."
    return Drawing(picture, picture.finding, numbers)
