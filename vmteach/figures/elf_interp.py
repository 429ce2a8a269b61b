"""An exec step by step: which checks stand before the point of no return, which after it, and who is told."""

from collections.abc import Hashable, Iterator, Mapping
from itertools import groupby
from typing import Any

from vmteach.figures.scene import Box, Bracket, Cell, Edge, Group, Outline, Scene, Words, axis, grid, row, script
from vmteach.figures.story import Ask, Frame, Story
from vmteach.figures.style import FONT, PREDICTION_COLOUR, QUIET, RULE, SMALL, Look, Picture, Span, Strips, number
from vmteach.patches.elf_interp import (
    ARCHS,
    INTERPRETER,
    MAGIC,
    NATIVE,
    PATCHED,
    POLICIES,
    UNPATCHED,
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
    Scenario,
    Started,
    header_fields,
    simulate,
)
from vmteach.run import Run

STATES = {
    "C": (["check passed", "passed"], "done"),
    "X": (["check failed", "failed"], "attention"),
    "A": ("opened or mapped", "other"),
    "T": (["the caller is told", "told"], "data"),
    "R": (["the program runs", "runs"], "in use"),
    "K": (["the caller is killed", "killed"], "promised"),
}
NO_RETURN = ["point of no return", "no return"]
FIELDS_SHOWN = {"magic": "magic", "type": "e_type", "machine": "e_machine"}
LOOKED_AT = {"magic": (0, 4), "type": (16, 18), "machine": (18, 20)}  # bytes of the header


def scene(run: Run) -> Scene:
    """The steps of the exec along one axis; below, the two rows of the interpreter's header that matter."""
    steps = list(_shown(run))
    x = axis("step", 0, len(steps), "step")
    cells = [Cell(_state(event), n, 1, _words(event)) for n, event in enumerate(steps)]
    return Scene(
        _clause(run),
        [row("exec", cells, x, _edges(steps), _brackets(steps))],
        _alt(run, steps),
        STATES,
        {
            "the caller": str(run.numbers["the caller"]),
            "gets": str(run.numbers["outcome"]),
            "checks in time": str(run.numbers["checks before the point of no return"]),
            "checks too late": str(run.numbers["checks after it"]),
        },
        more=_header(run),
        end="bad" if isinstance(steps[-1], Killed | Oops) else "good",
    )


def _shown(run: Run) -> Iterator[Event]:
    return (event for event in run.events if not isinstance(event, Closed))


def _clause(run: Run) -> list[str]:
    """What becomes of the caller."""
    last = run.events[-1]
    if isinstance(last, Started):
        return ["runs the program"]
    if isinstance(last, Returned):
        return [
            f"tells the caller {last.error}, and it lives on",
            f"tells the caller {last.error}",
            f"answers {last.error}",
        ]
    how = "an oops" if isinstance(last, Oops) else "SIGSEGV"
    return [
        f"kills the caller with {how}, past the point of no return",
        f"kills the caller with {how}",
        "kills the caller",
    ]


def _state(event: Event) -> str:
    if isinstance(event, Checked):
        return "C" if event.ok else "X"
    return {Returned: "T", Killed: "K", Oops: "K", Started: "R"}.get(type(event), "A")


def _words(event: Event) -> list[str]:
    """What happened, long to short."""
    match event:
        case Checked(_, check, found, ok):
            return [f"{check} {found}", check] if ok else [f"{check}: {found}", check]
        case Returned(error):
            return [error]
        case Killed(signal):
            return [signal]
    return [{Opened: "open", Mapped: "map", Crossed: "give up", Started: "runs", Oops: "oops"}[type(event)]]


def _edges(steps: list[Event]) -> list[Edge]:
    return [Edge(n, NO_RETURN, "alert") for n, event in enumerate(steps) if isinstance(event, Crossed)]


def _brackets(steps: list[Event]) -> list[Bracket]:
    """Which file the steps are about."""
    files = [getattr(event, "file", "") for event in steps]
    made, at = [], 0
    for file, same in groupby(files):
        length = len(list(same))
        if file:
            made.append(Bracket(at, at + length, [file, file[0].upper()]))
        at += length
    return made


def _header(run: Run) -> list[Group]:
    """Bytes 0 to 31 of the interpreter, with the three fields that a check reads."""
    data = run.scenario.interpreter_file[:32]
    if not data:
        return []
    checked = {e.check: e.ok for e in run.events if isinstance(e, Checked) and e.file == INTERPRETER}
    state = {
        at: "C" if ok else "X" for name, ok in checked.items() if name in LOOKED_AT for at in range(*LOOKED_AT[name])
    }
    rows = [
        (f"{start:02x}", [Box(state.get(at, ""), data[at : at + 1].hex()) for at in range(start, start + 16)])
        for start in range(0, len(data), 16)
    ]
    named = [(LOOKED_AT[name], words) for name, words in FIELDS_SHOWN.items() if data[:4] == MAGIC]
    outlines = [
        Outline(first // 16, first % 16, first // 16, (after - 1) % 16, words)
        for (first, after), words in named
        if after <= len(data)
    ]
    return [grid("the interpreter's first bytes", [f"{at:x}" for at in range(16)], rows, outlines, mono=True)]


def _alt(run: Run, steps: list[Event]) -> str:
    s = run.scenario
    told = "; ".join(_sentence(event).rstrip(".") for event in steps)
    arch = ARCHS[s.arch]
    return (
        f"An exec on {s.arch}, which reads {arch.order}-endian: program {s.program}, interpreter {s.interpreter}. "
        f"{told}. "
        f"Checks before the point of no return: {run.numbers['checks before the point of no return']}, "
        f"after it: {run.numbers['checks after it']}. The caller {run.numbers['the caller']}."
    )


# ---- check by check ----

STORIES = {"A foreign interpreter": Scenario(), "A relocatable one": Scenario(interpreter="relocatable")}
RULES = {
    "load_elf_binary": "Checks the program, opens its interpreter, gives up the old address space, maps.",
    "elf_check_arch": "Compares the machine in a header with those of this kernel.",
    "flush_old_exec": "The point of no return: the caller's address space goes.",
    "load_elf_interp": "Checks and maps the interpreter, in every kernel.",
}


def story(case: Scenario) -> Story:
    tracks = {label: frames(simulate(case, POLICIES[label])) for label in (UNPATCHED, PATCHED)}
    kind = "of another machine" if case.interpreter in ARCHS else case.interpreter
    return Story(f"an exec with an interpreter {kind}", {}, RULES, tracks)


def frames(run: Run) -> list[Frame]:
    """One step of the exec a frame."""
    steps, crossed, seen = list(_shown(run)), False, set()
    lines: list[tuple[str, Words]] = [(f"{n}", _line(event)) for n, event in enumerate(steps, 1)]
    made = []
    for n, event in enumerate(steps):
        crossed |= isinstance(event, Crossed)
        key = _key(event)
        more: dict[str, Any] = {"key": "" if key in seen else key}
        seen.add(key)
        if isinstance(event, Crossed):
            more["mark"] = "no return"
        if n == len(steps) - 1:
            more |= {"end": "bad" if isinstance(event, Killed | Oops) else "good", "mark": "the end"}
        if isinstance(event, Checked) and (event.file, event.check) == (INTERPRETER, "magic") and event.ok:
            more["ask"] = _ask(run)
        head = "the caller is gone" if crossed else "the caller can be told"
        groups = {"exec": script("exec", lines[: n + 1], n, head=head)}  # what is to come stays hidden
        made.append(Frame(_sentence(event), groups, rule=[_rule(event, crossed)], **more))
    return made


def _ask(run: Run) -> Ask:
    after = simulate(run.scenario, POLICIES[UNPATCHED]).numbers["outcome"]
    choices = ["ELIBBAD", "SIGSEGV", "runs"]
    return Ask(
        "The interpreter is ELF. What does the unpatched kernel answer in the end?",
        choices,
        choices.index(str(after)),
        "Type and machine are compared when the interpreter is mapped, and then nobody is left who could be told.",
    )


def _key(event: Event) -> str:
    return " ".join((type(event).__name__, getattr(event, "file", ""), getattr(event, "check", "")))


def _rule(event: Event, crossed: bool) -> str:
    if isinstance(event, Crossed):
        return "flush_old_exec"
    if isinstance(event, Checked) and event.check == "machine":
        return "elf_check_arch"
    late = crossed and getattr(event, "file", INTERPRETER) == INTERPRETER
    return "load_elf_interp" if late and isinstance(event, Checked | Mapped) else "load_elf_binary"


def _line(event: Event) -> list[str]:
    """A step as a line of a program."""
    match event:
        case Checked(file, check):
            return [f"check the {file}'s {check}", f"{file}: {check}", check]
        case Opened(file) | Mapped(file):
            return [f"{'open' if isinstance(event, Opened) else 'map'} the {file}"]
        case Crossed():
            return ["give up the old address space", "give up the caller"]
        case Returned(error):
            return [f"return {error}", error]
        case Started():
            return ["start the program", "start"]
    return ["kill the caller", "kill"]


def _sentence(event: Event) -> str:
    match event:
        case Checked(file, check, found, ok):
            return f"The {file}'s {check} is {found}: " + ("that fits." if ok else "that does not fit.")
        case Opened(file):
            return f"The {file} is opened."
        case Mapped(file):
            return f"The {file} is mapped."
        case Crossed():
            return "The caller's address space is given up. From here on nobody can be told of an error."
        case Returned(error):
            return f"The caller gets {error} and lives on."
        case Started(file):
            return f"The program starts, from the entry of the {file}."
    return "The caller is killed: it is too late for an answer."


# ---- the bitmap, until the explorer draws scenes ----


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
        picture.words(steps, -0.1, line + 0.5, ha="right", va="center", size=SMALL) for line in range(ROWS)
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
    for line, (_, run) in enumerate(shown):
        events = [event for event in run.events if not isinstance(event, Closed)]
        for column, event in enumerate(events):
            look, words = _box(event)
            spans.append(Span(line + 0.5, column + 0.03, column + 0.97, look))
            texts[line * COLUMNS + column] = words, STEP_LOOKS[look]
    picture.parts["boxes"].show(spans)
    for i, word in enumerate(picture.parts["said"]):
        text, how = texts.get(i, ("", Look("")))
        word.set(text=text, color=how.ink)
        word.set_bbox({"facecolor": how.colour, "edgecolor": "none", "pad": 0.8} if how.hatch else None)
    for line, word in enumerate(picture.parts["labels"]):
        label = shown[line][0] if line < len(shown) else ""
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
