"""The end of a disk in sectors: its blocks, and what each way to read and write them gives."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from vmteach.figures import Drawing
from vmteach.figures.scene import Cell, Edge, Group, Scene, axis, row
from vmteach.figures.story import Ask, Frame, Story
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
)
from vmteach.figures.words import number, size
from vmteach.machine import PRESETS
from vmteach.patches.blkdev_eof import (
    ANSWERS,
    OLD,
    PATCHED,
    POLICIES,
    SECTOR,
    UNPATCHED,
    Device,
    FoundHole,
    Lookup,
    Rounding,
    Scenario,
    lost,
    simulate,
)
from vmteach.run import Run

STATES = {
    "B": ("block", "other"),
    "X": (["block that straddles the end", "straddles"], "attention"),
    "D": (["true data", "data"], "data"),
    "E": (["refused with an error", "EIO"], "promised"),
    "S": (["old memory, no error", "old memory", "old"], "promised"),
    "Z": (["zeros, no error", "zeros"], "nothing"),
    "F": (["end of file", "EOF"], "other"),
    "W": ("written", "done"),
}


def scene(run: Run) -> Scene:
    """The last page of the disk and a block before it, in five rows."""
    device = Device(run.scenario, run.policy)
    x, lost = _axis(device), run.numbers["bytes lost (B)"]
    edge = [Edge(device.sectors, "end of the disk")]
    groups = [row("blocks", _blocks(device), x, edge)]
    groups.append(row("read", _joined(_read(device), x["from"]), x))
    groups.append(row("write", _written(device, run.numbers["write of the last block"]), x))
    direct = _written(device, run.numbers["direct write of the last block"])
    more = [row("O_DIRECT read", _joined(_directly(device), x["from"]), x), row("O_DIRECT write", direct, x)]
    numbers = {"refused": size(lost), "of it in good blocks": size(run.numbers["of them in good blocks (B)"])}
    numbers |= {"read as zeros": size(run.numbers["bytes read as zeros (B)"])}
    numbers |= {"old memory": size(run.numbers["bytes of old memory (B)"])}
    shown = {name: value for name, value in numbers.items() if value != "0 B" or name == "refused"}
    return Scene(_clause(run), groups, _alt(run), STATES, shown, more=more)


def _clause(run: Run) -> list[str]:
    """What this kernel does with the end of the disk."""
    n = run.numbers
    odd = max(run.scenario.sectors * SECTOR - n["size (B)"], 0)
    for name, words in (
        ("bytes of old memory (B)", ["returns {} of old memory as data", "returns {} of old memory"]),
        ("bytes read as zeros (B)", ["returns zeros for the last {} of the disk", "returns {} of zeros"]),
    ):
        if n[name]:
            return [text.format(size(n[name])) for text in words]
    if n["bytes lost (B)"] > odd:
        lost = size(n["bytes lost (B)"])
        return [f"refuses to read the last {lost} of the disk", f"refuses the last {lost}"]
    return ["misses the odd last sector"] if odd else ["returns every byte of the disk"]


def _axis(device: Device) -> Group:
    """Sectors, from a block before the last page to the end of that page."""
    page, block = (unit // SECTOR for unit in (device.page, device.block))
    start = max(device.size - 1, 0) // device.page * page
    low, high = max(0, start - max(block, 8)), max(start + page, device.sectors)
    return axis("sector", low, high, "sector", ticks=sorted({low, start, device.sectors, high}))


def _blocks(device: Device) -> list[Cell]:
    x, per = _axis(device), device.block // SECTOR
    last = Rounding.UP.of(device.sectors * SECTOR, device.block)
    return [
        Cell("X" if (n + 1) * device.block > device.size else "B", n * per, per, [f"block {n}", f"{n}"], f"b{n}")
        for n in range(x["from"] // per, min(last, x["to"] // per))
    ]


def _read(device: Device) -> str:
    """What a buffered read gives for each sector of the axis: a letter each."""
    x = _axis(device)
    return "".join(
        letter
        for start in range(x["from"] * SECTOR // device.page * device.page, x["to"] * SECTOR, device.page)
        for at, letter in enumerate(_of_page(device, start), start // SECTOR)
        if at >= x["from"] and at < device.sectors
    )


def _of_page(device: Device, start: int) -> Iterator[str]:
    data = device.block_read_full_page(start // device.page)
    for at in range(0, device.page, SECTOR):
        kinds = {device.disk[start + at : start + at + SECTOR]: "D", bytes(SECTOR): "Z", bytes([OLD]) * SECTOR: "S"}
        yield "F" if start + at >= device.size else "E" if data is None else kinds[data[at : at + SECTOR]]


def _directly(device: Device) -> str:
    x = _axis(device)
    letters = []
    for at in range(x["from"], device.sectors):
        block = at * SECTOR // device.block * device.block
        got = device.direct_read(block, device.block)
        hole = device.blkdev_get_block(block // device.block, "read") is Lookup.HOLE
        letters.append("E" if got < 0 else ("Z" if hole else "D") if at * SECTOR - block < got else "F")
    return "".join(letters)


def _joined(letters: str, start: int) -> list[Cell]:
    """Sectors with the same fate as one cell."""
    cells, at = [], start
    for letter, same in groupby(letters):
        length = len(list(same))
        cells.append(Cell(letter, at, length, STATES[letter][0]))
        at += length
    return cells


def _written(device: Device, answer: str) -> list[Cell]:
    """The last block, as a write leaves it."""
    per, taken = device.block // SECTOR, answer.endswith("B")
    last = max(device.size - 1, 0) // device.block
    length = min(per, device.sectors - last * per)
    return [Cell("W" if taken else "E", last * per, length, ["written"] if taken else [f"refused: {answer}", answer])]


def _alt(run: Run) -> str:
    s, n = run.scenario, run.numbers
    of = ", ".join(f"{size(n[f'bytes {what} (B)'])} {what}" for what in ("lost", "read as zeros", "of old memory"))
    direct = n["direct read of the last block (B)"]
    directly = f"O_DIRECT read: {ANSWERS.get(direct) or size(direct)}; write: {n['direct write of the last block']}"
    return (
        f"The end of a disk of {number(s.sectors)} sectors, in blocks of {size(s.block)} and pages of "
        f"{size(s.machine.page)}. Read: {of}; {size(n['of them in good blocks (B)'])} in good blocks. "
        f"Write of the last block: {n['write of the last block']}. {directly}."
    )


# ---- layer by layer ----

STORIES = {
    "One block straddles": Scenario(),
    "A page of four blocks": Scenario(PRESETS["64-bit 64 GB"], sectors=2004),
}
RULES = {
    "blkdev_size": "The size is kept in KiB; an odd last sector is lost.",
    "max_block": "Counts the blocks. A block that is not counted does not exist.",
    "block_read_full_page": "Asks for every block of the page. One that is refused spoils all.",
    "generic_make_request": "Refuses what ends beyond twice the KiB and one sector.",
    "generic_file_direct_IO": "Cuts at the end, and takes whole blocks only.",
}


def story(case: Scenario) -> Story:
    runs = {label: simulate(case, POLICIES[label]) for label in (UNPATCHED, PATCHED)}
    title = f"the end of a disk of {number(case.sectors)} sectors"
    return Story(title, STATES_OF_STORY, RULES, {label: frames(run) for label, run in runs.items()})


STATES_OF_STORY = {letter: STATES[letter] for letter in "BXDEZF"}


def frames(run: Run) -> list[Frame]:
    """The last block asked of layer after layer, then written, then read past the cache."""
    device = Device(run.scenario, run.policy)
    x, hot = _axis(device), [f"b{max(device.size - 1, 0) // device.block}"]
    blocks = row("asked for", _blocks(device), x, [Edge(device.sectors, "end of the disk")])
    seen = {"": "", "read": _read(device), "O_DIRECT read": _directly(device)}
    rows = {label: row("read", _joined(letters, x["from"]), x) for label, letters in seen.items()}
    return [
        Frame(say, {"blocks": blocks, "read": rows[shown]}, key, [rule], hot, **more)
        for key, rule, say, shown, more in _steps(run, device)
    ]


def _steps(run: Run, device: Device) -> Iterator[tuple[str, str, str, str, dict[str, Any]]]:
    """Key, rule, sentence, what is read by now, and what else the frame has."""
    hole, n = any(isinstance(event, FoundHole) for event in run.events), run.numbers
    block, limit = max(device.size - 1, 0) // device.block, device.limit
    ends, page = (block + 1) * device.block // SECTOR, device.page // device.block
    good = n["of them in good blocks (B)"]
    kib, count = number(device.size // 1024), device.max_block("read")

    def say(both: str, unpatched: str, patched: str) -> str:
        return f"{both} {patched if hole else unpatched}".strip()

    up = f"It rounds up: {count}, so block {block} exists."
    down = f"It rounds down: {count}, so block {block} is a hole."
    bad = f"It is bad: EIO for {size(n['bytes lost (B)'])}" + (f", {size(good)} of it in good blocks." if good else ".")
    zeros = f"It is good: the reader gets {size(n['bytes read as zeros (B)'])} of zeros."
    ask = Ask(
        f"Block {block} ends at sector {ends}. What does the unpatched kernel's last check do with the request?",
        ["It lets it pass", "It refuses it", "It cuts it at the end"],
        1,
        f"The block ends beyond sector {limit}, and the check refuses a request as a whole.",
    )
    yield "size", "blkdev_size", f"The size is kept in KiB: {number(device.sectors)} sectors are {kib} KiB.", "", {}
    yield "count", "max_block", say(f"The look-up counts blocks of {size(device.block)}.", up, down), "", {}
    fill = say(
        f"The read of the page has {page} block{'s' * (page > 1)} to fill.",
        f"It asks the disk for block {block}.",
        f"It fills block {block} with zeros.",
    )
    yield "page", "block_read_full_page", fill, "", {}
    refused = f"Block {block} ends at sector {ends}, the limit is {limit}: refused."
    check = say("The last check stands before the driver.", refused, "For the hole it is not asked.")
    yield "check", "generic_make_request", check, "", {"mark": "the last check", "ask": ask}
    yield "done", "block_read_full_page", say("The page is done.", bad, zeros), "read", {"mark": "the page"}
    layer = say("", "The last check", "The look-up")
    rule = "max_block" if hole else "generic_make_request"
    yield "write", rule, f"A program writes block {block}. {layer} refuses it: EIO.", "read", {"mark": "the write"}
    whole = "A program reads block {} with `O_DIRECT`. Of whole blocks 0 bytes are left: the end of the file."
    end = {"mark": "O_DIRECT", "end": "good" if hole else "bad"}
    yield "direct", "generic_file_direct_IO", whole.format(block), "O_DIRECT read", end


# ---- the bitmap, until the explorer draws scenes ----

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
    yield from _strips(buffered, read)
    yield from _strips(unbuffered, direct)


def _strips(looks: Sequence[str], row: float) -> Iterator[Span]:
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
