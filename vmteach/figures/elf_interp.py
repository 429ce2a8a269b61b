"""The interpreter's header as a hex dump with its fields named, and below what exec did, step by step.

Bytes that a check reads are violet. In the lower part each kernel has a row, and each of its steps a box; the black
box is the point of no return. Left of it an error can be returned, right of it nobody is left to get it.
"""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from vmteach.figures.style import FONT, PREDICTION_COLOUR, QUIET, RULE, SMALL, Look, Picture, Span, Strips, number
from vmteach.patches.elf_interp import (
    ARCHS,
    MAGIC,
    NATIVE,
    Checked,
    Closed,
    Crossed,
    Event,
    Field,
    Killed,
    Mapped,
    Oops,
    Opened,
    Returned,
    Started,
    header_fields,
)
from vmteach.run import Run

ROWS, COLUMNS, BYTES = 3, 14, 16
FIELDS = len(header_fields(64))
LINES = 4  # of the dump: a 64-bit header has 64 bytes
TINY = 6.8  # points: two words in a box
FIELD_LOOKS: dict[str, Look] = {
    "checked": Look("#DCC6EA"),
    "field": Look("#F4F4F4"),
    "other field": Look("#E0E0E0"),
}
CHECKED = ("magic", "e_type", "e_machine")
STEP_LOOKS: dict[str, Look] = {
    "done": Look("#F4F4F4"),
    "passed": Look("#56B4E9"),
    "failed": Look("#E69F00", "//"),
    "no return": Look("#222222", "", "#FFFFFF"),
    "told": Look("#F0E442"),
    "killed": Look("#D55E00", "xx"),
    "runs": Look("#009E73", "--"),
}


def frame_key(run: Run) -> Hashable:
    """One layout serves every run."""
    return None


def layout(run: Run) -> Picture:
    """Sixteen columns of bytes, and three rows of steps."""
    picture = Picture(9.2, 4.6)
    dump = picture.panel("dump", (0.14, 0.5, 0.85, 0.46), xlim=(0, BYTES), ylim=(LINES, 0), spines="")
    picture.parts["fields"] = Strips(picture, dump, FIELD_LOOKS, thickness=0.96, edge=RULE)
    picture.parts["bytes"] = [
        picture.words(dump, i % BYTES + 0.5, i // BYTES + 0.3, ha="center", va="center", zorder=5)
        for i in range(BYTES * LINES)
    ]
    picture.parts["names"] = [
        picture.words(dump, 0, 0, ha="center", va="center", size=TINY, zorder=5) for _ in range(FIELDS)
    ]
    picture.parts["offsets"] = [
        picture.words(dump, -0.15, line + 0.5, f"byte {line * BYTES}", ha="right", va="center", size=SMALL, color=QUIET)
        for line in range(LINES)
    ]
    picture.parts["no dump"] = picture.words(dump, BYTES / 2, LINES / 2, ha="center", va="center")
    steps = picture.panel("steps", (0.14, 0.1, 0.85, 0.34), xlim=(0, COLUMNS), ylim=(ROWS, 0), spines="")
    picture.parts["boxes"] = Strips(picture, steps, STEP_LOOKS, thickness=0.8, edge=QUIET, edge_width=0.6)
    picture.parts["said"] = [
        picture.words(steps, i % COLUMNS + 0.5, i // COLUMNS + 0.5, ha="center", va="center", size=TINY, zorder=5)
        for i in range(ROWS * COLUMNS)
    ]
    picture.parts["labels"] = [
        picture.words(steps, -0.1, row + 0.5, ha="right", va="center", size=SMALL) for row in range(ROWS)
    ]
    key = "violet: bytes that a check reads.  P the program, I the interpreter.  blue: passed,  striped: failed,"
    picture.figure.text(0.14, 0.055, f"{key}  black: point of no return", size=SMALL, color=QUIET, family=FONT)
    picture.parts["prediction"] = picture.words(None, 0.14, 0.015, size=SMALL, color=PREDICTION_COLOUR)
    return picture


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw the header and the steps; a prediction is an outcome, such as "ELIBBAD" or "SIGSEGV"."""
    shown = list(runs.items())[:ROWS]
    said = _dump(picture, shown[0][1])
    _steps(picture, shown)
    picture.parts["prediction"].set_text("" if prediction is None else f"your prediction: {prediction}")
    picture.finding = f"{_who(shown[0][1])}. {'; '.join(_endings(shown))}."
    told = [f"{label}: {_told(run)}." for label, run in shown]
    mine = [] if prediction is None else [f"Your prediction: {prediction}."]
    return " ".join([picture.finding, said, *told, *mine])


def _who(run: Run) -> str:
    s = run.scenario
    program = "" if s.program == NATIVE else f" program {s.program},"
    return f"{s.arch} kernel,{program} interpreter {s.interpreter}"


def _endings(shown: list[tuple[str, Run]]) -> list[str]:
    """What came of the exec; kernels that do the same are named together."""
    together: dict[str, list[str]] = {}
    for label, run in shown:
        ending = f"{run.numbers['outcome']}, the caller {run.numbers['the caller']}"
        together.setdefault(ending, []).append(label.removeprefix("what if: "))
    return [f"{', '.join(labels)}: {ending}" for ending, labels in together.items()]


def _told(run: Run) -> str:
    n = run.numbers
    early, late = n["checks before the point of no return"], n["checks after it"]
    checks = f"{number(early)} checks before the point of no return, {number(late)} after it"
    return f"{checks}, outcome {n['outcome']}, and the caller {n['the caller']}"


def _dump(picture: Picture, run: Run) -> str:
    """The header's bytes, and its fields in words for the alt text."""
    data, kind = run.scenario.interpreter_file, run.scenario.interpreter
    fields = _fields(data, kind)
    length = fields[-1].offset + fields[-1].width if fields else 0
    spans, names = [], []
    for place, field in enumerate(fields):
        look = "checked" if field.name in CHECKED else ("field", "other field")[place % 2]
        pieces = list(_pieces(field.offset, field.offset + field.width))
        spans += [Span(a // BYTES + 0.5, a % BYTES, (b - 1) % BYTES + 1, look) for a, b in pieces]
        a, b = max(pieces, key=lambda piece: piece[1] - piece[0])
        names.append((a % BYTES + (b - a) / 2, a // BYTES + 0.72, field.name.removeprefix("ident ")))
    picture.parts["fields"].show(spans)
    for i, word in enumerate(picture.parts["bytes"]):
        word.set_text(f"{data[i]:02x}" if i < length else "")
    for i, word in enumerate(picture.parts["names"]):
        x, y, text = names[i] if i < len(names) else (0, 0, "")
        word.set(text=text, position=(x, y))
    for line, word in enumerate(picture.parts["offsets"]):
        word.set_visible(line * BYTES < length)
    picture.parts["no dump"].set_text("" if data else f"no bytes to show: the interpreter is {kind}")
    if data[:4] != MAGIC:
        return f"The interpreter ({kind}) has {length} bytes to show and no ELF header."
    order, machine = ARCHS[run.scenario.arch].order, run.numbers["interpreter's machine, as read"]
    return (
        f"A hex dump of the interpreter's header of {length} bytes, its fields named. Checks read the magic, e_type and"
        f" e_machine. In e_machine stand the bytes {data[18]:02x} {data[19]:02x}: a kernel that reads {order}-endian"
        f" takes them for {machine}."
    )


def _fields(data: bytes, kind: str) -> tuple[Field, ...]:
    """What the bytes mean: an ELF header, or a magic that is none and the rest."""
    if data[:4] == MAGIC:
        return header_fields(32 * data[4])
    return (Field("magic", 0, 4), Field(kind, 4, len(data) - 4)) if data else ()


def _pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    """A stretch of bytes, cut where a line of the dump ends."""
    while start < end:
        cut = min(end, (start // BYTES + 1) * BYTES)
        yield start, cut
        start = cut


def _steps(picture: Picture, shown: list[tuple[str, Run]]) -> None:
    spans = []
    texts = {}
    for row, (_, run) in enumerate(shown):
        events = [event for event in run.events if not isinstance(event, Closed)]
        for column, event in enumerate(events):
            look, words = _box(event)
            spans.append(Span(row + 0.5, column + 0.03, column + 0.97, look))
            texts[row * COLUMNS + column] = words, STEP_LOOKS[look]
    picture.parts["boxes"].show(spans)
    for i, word in enumerate(picture.parts["said"]):
        text, how = texts.get(i, ("", Look("")))
        word.set(text=text, color=how.ink)
        word.set_bbox({"facecolor": how.colour, "edgecolor": "none", "pad": 0.8} if how.hatch else None)
    for row, word in enumerate(picture.parts["labels"]):
        label = shown[row][0] if row < len(shown) else ""
        word.set_text(label.replace("what if: ", "what if:\n"))


def _box(event: Event) -> tuple[str, str]:
    """How one step is drawn, and its two words."""
    if isinstance(event, Crossed):
        return "no return", "no\nreturn"
    if isinstance(event, Checked):
        return ("passed" if event.ok else "failed"), f"{event.file[0].upper()}\n{event.check}"
    if isinstance(event, Returned):
        return "told", event.error
    if isinstance(event, Killed | Oops):
        return "killed", getattr(event, "signal", "oops")
    if isinstance(event, Started):
        return "runs", "runs"
    return "done", f"{event.file[0].upper()}\n{ {Opened: 'open', Mapped: 'map'}[type(event)] }"
