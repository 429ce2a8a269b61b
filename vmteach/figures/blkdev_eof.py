"""The end of a disk in sectors: its blocks, and what each way to read and write them gives."""

from collections.abc import Iterator
from dataclasses import replace

from vmteach.figures.data import Group, stretches
from vmteach.figures.scene import Cell, Edge, Scene, axis, row
from vmteach.figures.story import Ask, Frame, Story, tracks
from vmteach.figures.words import number, size
from vmteach.kernel.blkdev import OLD, SECTOR, Device, FoundHole, Lookup, Rounding
from vmteach.machine import PRESETS
from vmteach.patches import blkdev_eof as model
from vmteach.patches.blkdev_eof import ANSWERS, PATCHED, POLICIES, UNPATCHED, Scenario, simulate
from vmteach.run import Record, Run

STATES = {
    "B": ("block", "other"),
    "X": (["block that straddles the end", "straddles"], "attention"),
    "D": (["true data", "data"], "data"),
    "E": (["refused with an error", "EIO"], "promised"),
    "S": (["old memory, no error", "old memory", "old"], "promised"),
    "Z": (["zeros, no error", "zeros", "0"], "nothing"),
    "F": (["end of file", "EOF"], "other"),
    "W": ("written", "done"),
}
READ_OUT = {
    "refused": "bytes lost (B)",
    "of it in good blocks": "of them in good blocks (B)",
    "read as zeros": "bytes read as zeros (B)",
    "old memory": "bytes of old memory (B)",
}


def scene(run: Run) -> Scene:
    """The last page of the disk and a block before it, in five rows."""
    device, n = Device(run.scenario, run.policy), run.numbers
    x = _axis(device)
    blocks = row("blocks", _blocks(device), x, [Edge(device.sectors, "end of the disk")])
    read, directly = (_joined(letters(device), x["from"]) for letters in (_read, _directly))
    write, direct = (_written(device, n[f"{way} of the last block"]) for way in ("write", "direct write"))
    more = [row("O_DIRECT read", directly, x), row("O_DIRECT write", direct, x)]
    numbers = {words: size(n[name]) for words, name in READ_OUT.items() if n[name] or words == "refused"}
    groups = [blocks, row("read", read, x), row("write", write, x)]
    return Scene(_clause(run), groups, _alt(run), STATES, numbers, more=lambda: more)


def hook() -> list[tuple[str, Scene]]:
    """The chapter's first picture: the two rows that disagree."""
    panels = [(label, scene(simulate(policy=POLICIES[label]))) for label in (UNPATCHED, PATCHED)]
    return [(label, replace(panel, groups=panel.groups[:2], more=tuple)) for label, panel in panels]


def _clause(run: Run) -> list[str]:
    """What this kernel does with the end of the disk."""
    lost, zeros, old = (run.numbers[READ_OUT[name]] for name in ("refused", "read as zeros", "old memory"))
    odd = max(run.scenario.sectors * SECTOR - run.numbers["size (B)"], 0)
    if old:
        return [f"returns {size(old)} of old memory as data", f"returns {size(old)} of old memory"]
    if zeros:
        words = size(zeros)
        return [
            f"returns zeros for the last {words} of the disk",
            f"returns {words} of zeros",
            f"reads {words} as zeros",
        ]
    if lost > odd:
        words = size(lost)
        return [f"refuses to read the last {words} of the disk", f"refuses the last {words}", f"refuses {words}"]
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
    return "".join(_of_block(device, at * SECTOR) for at in range(x["from"], device.sectors))


def _of_block(device: Device, at: int) -> str:
    """What a read of its whole block, past the cache, gives for a sector."""
    block = at // device.block * device.block
    got = device.direct_read(block, device.block)
    if got < 0 or at - block >= got:
        return "E" if got < 0 else "F"
    return "Z" if device.blkdev_get_block(block // device.block, "read") is Lookup.HOLE else "D"


def _joined(letters: str, start: int) -> list[Cell]:
    """Sectors with the same fate as one cell."""
    return [Cell(letter, at, length, STATES[letter][0]) for letter, at, length in stretches(letters, start)]


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
    title = f"the end of a disk of {number(case.sectors)} sectors"
    return Story(title, STATES_OF_STORY, RULES, tracks(model, frames, case))


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


def _steps(run: Run, device: Device) -> Iterator[tuple[str, str, str, str, Record]]:
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
