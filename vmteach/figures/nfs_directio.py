"""Where a direct write was meant to go in the file, and where it went: two windows of a large file, side by side.

The story follows one offset, digit by digit, through the block number and back.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from vmteach.figures.data import Group, joined
from vmteach.figures.scene import Bracket, Cell, Edge, Link, Scene, axis, guess, row
from vmteach.figures.story import Ask, Frame, Story, tracks
from vmteach.figures.words import number, size
from vmteach.machine import GIB, KIB, MIB, TIB
from vmteach.patches import nfs_directio as model
from vmteach.patches.nfs_directio import POLICIES, Scenario
from vmteach.run import Record, Run, of_kind

STATES = {
    "A": (["arrives", ""], "done"),
    "D": (["other data destroyed", "destroyed"], "promised"),
    "M": (["nothing arrives here", "missing"], "nothing"),
    "R": (["refused with an error", "refused"], "attention"),
    "F": (["other data of the file", "other data"], "other"),
    "K": (["kept by the word", "kept"], "data"),
}


def scene(run: Run) -> Scene:
    """The file around the request and around the place where a word of 32 bits puts it."""
    n, pieces = run.numbers, list(stretches(run))
    links = [
        Link(f"file@{offset + length / 2}", "moves", f"file@{wire + length / 2}", _moved(offset, wire))
        for offset, wire, length in pieces
        if wire is not None and wire != offset
    ]
    start, end = run.scenario.offset, run.scenario.offset + run.scenario.length
    meant = Bracket(start, end, [f"{size(run.scenario.length)}, meant for here", "meant for here", "meant"])
    return Scene(
        clause=_clauses(run),
        groups=[row("file", _cells(run, pieces), _offsets(run), brackets=[meant])],
        states=STATES,
        links=links,
        numbers={
            "written where it belongs": size(n["written where it belongs (KiB)"] * KIB),
            "destroyed elsewhere": size(n["destroyed elsewhere (KiB)"] * KIB),
            "right below": _limit(n["right below (GiB)"]),
        },
        alt=f"A file; {size(run.scenario.length)} meant for {place(start)}. {_words(run)}.",
    )


def predicted(value: float) -> Record:
    """A predicted offset on the wire, in MiB, as a line."""
    return guess("offset", value * MIB, f"{number(value)} MiB")


def _windows(run: Run) -> list[tuple[float, float]]:
    """The pieces of the file that are shown, the same for every kernel: where any of them puts a part of it."""
    scenario = run.scenario
    places = {
        model.wire_offset(at, scenario.block_bits, scenario.machine.word, policy)
        for policy in POLICIES.values()
        for at in (scenario.offset, scenario.offset + scenario.length - (32 << 10))
    } | {scenario.offset}
    around = joined((max(0, at - scenario.length // 2), at + 3 * scenario.length // 2) for at in places)
    return [(float(low), float(high)) for low, high in around]


def _offsets(run: Run) -> Group:
    windows = _windows(run)
    return axis("offset", 0, windows[-1][1], "B", windows=windows)


def _cells(run: Run, pieces: Sequence["Piece"]) -> list[Cell]:
    """What lies in the windows: what arrived, what is missing, what was destroyed, and the rest of the file."""
    cells = []
    for offset, wire, length in pieces:
        state = "R" if wire is None else "A" if wire == offset else "M"
        cells.append(Cell(state, offset, length, STATES[state][0]))
        if wire is not None and wire != offset:
            cells.append(Cell("D", wire, length, STATES["D"][0]))
    return _with_the_rest(cells, _windows(run))


def _with_the_rest(cells: Sequence[Cell], windows: Sequence[tuple[float, float]]) -> list[Cell]:
    """The cells, and what lies between them in the windows."""
    found = list(cells)
    for low, high in windows:
        inside = sorted((cell.at, cell.at + cell.length) for cell in cells if low <= cell.at < high)
        gaps = zip([low, *(end for _, end in inside)], [*(at for at, _ in inside), high])
        found += [Cell("F", begin, end - begin) for begin, end in gaps if end > begin]
    return found


def _moved(offset: int, wire: int) -> list[str]:
    return [f"{size(abs(offset - wire))} too {'low' if wire < offset else 'high'}", size(abs(offset - wire))]


def _clauses(run: Run) -> list[str]:
    destroyed = run.numbers["destroyed elsewhere (KiB)"] * KIB
    if destroyed:
        return [f"writes {size(destroyed)} over other data", f"misplaces {size(destroyed)}"]
    if any(isinstance(event, model.Refused) for event in run.events):
        return ["refuses what it cannot place"]
    return ["writes all where it belongs"]


def _limit(gib: int) -> str:
    """The limit; from 4 EiB on it is that of the offset itself."""
    return size(gib * GIB) if gib < 1 << 32 else "any offset"


Piece = tuple[int, int | None, int]


def stretches(run: Run) -> Iterator[Piece]:
    """The written request as (offset, offset on the wire or None, length): chunks that moved alike are one."""
    parts = list[Piece]()
    for event in run.events:
        if event.operation == "write":
            wire = event.wire if isinstance(event, model.Sent) else None
            goes_on = parts and _goes_on(parts[-1], event.offset, wire)
            start, there, length = parts.pop() if goes_on else (event.offset, wire, 0)
            parts.append((start, there, length + event.length))
    yield from parts


def _goes_on(part: Piece, offset: int, wire: int | None) -> bool:
    start, there, length = part
    return start + length == offset and wire == (None if there is None else there + length)


def place(offset: int) -> str:
    """An offset in the largest unit that says it exactly.

    >>> place(5 << 30), place((4 << 30) - (1 << 20)), place(0)
    ('5 GiB', '4,095 MiB', 'byte 0')
    """
    unit = next((unit for unit in (TIB, GIB, MIB, KIB) if offset and offset % unit == 0), 1)
    if offset > MIB and offset // unit > 99_999:
        return f"{place(offset // MIB * MIB)} + {place(offset % MIB)}"
    return f"{offset // unit:,} {size(unit).split()[1]}" if offset else "byte 0"


def _words(run: Run) -> str:
    n = run.numbers
    wrong, kept = number(n["read from a wrong place (KiB)"]), number(n["written where it belongs (KiB)"])
    gone = number(n["destroyed elsewhere (KiB)"])
    return f"{wrong} KiB read from a wrong place, {kept} KiB written where they belong, {gone} KiB destroyed elsewhere"


# ---- the story ----

STORIES = {"2 MiB across 4 GiB": Scenario()}
STORY_STATES = {**{key: STATES[key] for key in "ADFK"}, "X": (["cut off", ""], "promised")}
RULES = {
    "generic_file_direct_IO": "cuts the request into chunks, and divides each offset by the block size",
    "nfs_direct_IO": "multiplies the block number by the block size again",
    "nfs3_xdr_writeargs": "puts the offset on the wire, in 64 bits",
}
ASK = Ask(
    "The unpatched client multiplies in a word of 32 bits. Where will this chunk go?",
    ["where it belongs", "to the beginning of the file", "nowhere: there is an error"],
    1,
    "The product is 2 to the power 32. The lowest 32 bits of it are zero.",
    ["The product needs 33 bits.", "", "Arithmetic in a word gives no error. It drops what does not fit."],
)


class Part(NamedTuple):
    """One chunk of a written request: its number, where it was meant to go and where it goes."""

    number: int
    offset: int
    wire: int
    length: int

    @property
    def astray(self) -> bool:
        return self.wire != self.offset


def story(case: Scenario) -> Story:
    """Both kernels, chunk by chunk."""
    title = f"{size(case.length)} written at {place(case.offset)}"
    return Story(title, STORY_STATES, RULES, tracks(model, frames, case))


def frames(run: Run) -> list[Frame]:
    """The first chunk and the first that goes astray step by step; each other chunk as one frame.

    >>> frames(model.simulate(Scenario(), POLICIES[model.UNPATCHED]))[-1].say
    '1 MiB is in a wrong place, over other data. Nobody reports an error.'
    """
    return list(_frames(run))


def _frames(run: Run) -> Iterator[Frame]:
    sent = [event for event in of_kind(run.events, model.Sent) if event.operation == "write"]
    parts = [Part(n, event.offset, event.wire, event.length) for n, event in enumerate(sent, 1)]
    scenario, wide = run.scenario, [part.number for part in parts if part.offset >> run.scenario.machine.word]
    words = f"A program writes {size(scenario.length)} at {place(scenario.offset)}. The file layer makes"
    groups = {"file": _file(run, []), "number": _digits(run, scenario.offset, 0)}
    yield Frame(f"{words} {len(parts)} chunks of it.", groups, "start", ["generic_file_direct_IO"])
    for n, part in enumerate(parts):
        slow = part.number in (1, *wide[:1])
        if slow:
            yield from _slowly(run, part, parts[:n])
        yield _written(run, parts[: n + 1], slow)
    yield _end(run, parts)


def _end(run: Run, parts: Sequence[Part]) -> Frame:
    lost = sum(part.length for part in parts if part.astray)
    say = f"{size(lost)} is in a wrong place, over other data. Nobody reports an error."
    groups = {"file": _file(run, parts), "number": _digits(run, parts[-1].wire, 0)}
    return Frame(say if lost else "Every chunk is where it belongs.", groups, "end", end="bad" if lost else "good")


def _written(run: Run, done: Sequence[Part], slow: bool) -> Frame:
    """The last of these chunks arrives; where it is one that is followed slowly, going astray has a mark."""
    part, name = done[-1], f"chunk {done[-1].number}"
    say = f"{name.capitalize()}: the server writes {size(part.length)} at {place(part.wire)}."
    groups = {"file": _file(run, done), "number": _digits(run, part.wire, 0)}
    note = f"It belongs at {place(part.offset)}." if part.astray else ""
    mark = f"{name} goes astray" if part.astray and slow else ""
    return Frame(say, groups, f"{name} written", ["nfs3_xdr_writeargs"], note=note, mark=mark)


def _slowly(run: Run, part: Part, before: Sequence[Part]) -> Iterator[Frame]:
    """A chunk's offset, its block number, and the offset again."""
    bits, narrow = run.scenario.block_bits, 1 << run.scenario.machine.word
    name, file = f"chunk {part.number}", _file(run, before)

    def frame(say: str, value: int, key: str, rule: str, shift: int = 0, **more: Any) -> Frame:
        return Frame(say, {"file": file, "number": _digits(run, value, shift)}, f"{name} {key}", [rule], **more)

    block, back = part.offset >> bits, part.offset >> bits << bits
    yield frame(f"Chunk {part.number} begins at {place(part.offset)}.", part.offset, "offset", "generic_file_direct_IO")
    ask = ASK if part.offset >= narrow and part.offset % narrow == 0 else None
    divided = f"The file layer divides by {1 << bits:,}. The block number fits in the word."
    yield frame(divided, block, "block", "generic_file_direct_IO", bits, ask=ask)
    wide = part.wire == part.offset
    how = "All digits stay." if wide else "What does not fit in the word is **cut off**."
    yield frame(
        f"The client multiplies by {1 << bits:,}. {how}", back, "shifted", "nfs_direct_IO", hot=[] if wide else ["cut"]
    )


def _file(run: Run, done: Sequence[Part]) -> Group:
    cells = [
        Cell("D" if part.astray else "A", part.wire, part.length, [name, str(part.number)], name)
        for part, name in ((part, f"chunk {part.number}") for part in done)
    ]
    return row("file", _with_the_rest(cells, _windows(run)), _offsets(run))


def _digits(run: Run, value: int, shift: int) -> Group:
    """A number in hexadecimal digits; a digit keeps its id while it moves. Left of the edge the word has no room."""
    word, width = run.scenario.machine.word // 4, len(f"{run.scenario.offset + run.scenario.length:x}") + 1
    width = max(width, word + 2)
    moved = shift // 4 if shift % 4 == 0 else 0
    fits = run.policy.shift_bits == 64 or value < 1 << run.scenario.machine.word
    text = f"{value:x}".rjust(width)
    cells = [
        Cell("K" if fits or n >= width - word else "X", n, 1, digit, f"digit {n - moved}")
        for n, digit in enumerate(text)
        if digit != " "
    ]
    edge = Edge(width - word, [f"a {4 * word}-bit word ends here", "no room"])
    return row("number, in hexadecimal digits", cells, axis("digit", 0, width, "", ticks=[(0, "")]), [edge])
