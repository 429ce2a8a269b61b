"""An exec step by step: which checks stand before the point of no return, which after it, and who is told."""

from collections.abc import Iterator
from itertools import groupby

from vmteach.figures.data import Group, Words
from vmteach.figures.scene import Box, Bracket, Cell, Edge, Outline, Scene, axis, grid, row, script
from vmteach.figures.story import Ask, Frame, Story
from vmteach.kernel.binfmt import ARCHS, INTERPRETER, Checked
from vmteach.kernel.elf import MAGIC
from vmteach.patches import elf_interp as model
from vmteach.patches.elf_interp import PATCHED, POLICIES, UNPATCHED, Event, Scenario, simulate
from vmteach.run import Record, Run, of_kind

STATES = {
    "C": (["check passed", "passed"], "done"),
    "X": (["check failed", "failed"], "attention"),
    "A": ("opened or mapped", "other"),
    "T": (["the caller is told", "told"], "data"),
    "R": (["the program runs", "runs"], "in use"),
    "K": (["the caller is killed", "killed"], "promised"),
}
OPENED: dict[type[Event], str] = {model.Opened: "open", model.Mapped: "map"}
SAID: dict[type[Event], str] = {**OPENED, model.Crossed: "give up", model.Started: "runs", model.Oops: "oops"}
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
        more=lambda: _header(run),
        end=_end(steps[-1]),
    )


def _shown(run: Run) -> Iterator[Event]:
    return (event for event in run.events if not isinstance(event, model.Closed))


def _clause(run: Run) -> list[str]:
    """What becomes of the caller."""
    last = run.events[-1]
    if isinstance(last, model.Started):
        return ["runs the program"]
    if isinstance(last, model.Returned):
        return [
            f"tells the caller {last.error}, and it lives on",
            f"tells the caller {last.error}",
            f"answers {last.error}",
        ]
    how = "an oops" if isinstance(last, model.Oops) else "SIGSEGV"
    return [
        f"kills the caller with {how}, past the point of no return",
        f"kills the caller with {how}",
        "kills the caller",
    ]


def _state(event: Event) -> str:
    if isinstance(event, Checked):
        return "C" if event.ok else "X"
    return {model.Returned: "T", model.Killed: "K", model.Oops: "K", model.Started: "R"}.get(type(event), "A")


def _words(event: Event) -> list[str]:
    """What happened, long to short."""
    match event:
        case Checked(_, check, found, ok):
            return [f"{check} {found}", check] if ok else [f"{check}: {found}", check]
        case model.Returned(error):
            return [error]
        case model.Killed(signal):
            return [signal]
    return [SAID[type(event)]]


def _edges(steps: list[Event]) -> list[Edge]:
    return [Edge(n, NO_RETURN, "alert") for n, event in enumerate(steps) if isinstance(event, model.Crossed)]


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
    state, starts = _read_bytes(run), range(0, len(data), 16)
    rows = [
        (f"{start:02x}", [Box(state.get(at, ""), data[at : at + 1].hex()) for at in range(start, start + 16)])
        for start in starts
    ]
    outlines = _outlines(len(data)) if data[:4] == MAGIC else []
    return [grid("the interpreter's first bytes", [f"{at:x}" for at in range(16)], rows, outlines, mono=True)]


def _read_bytes(run: Run) -> dict[int, str]:
    """The bytes that a check of the interpreter read, and whether it passed."""
    checks = [e for e in of_kind(run.events, Checked) if e.file == INTERPRETER and e.check in LOOKED_AT]
    return {at: _state(event) for event in checks for at in range(*LOOKED_AT[event.check])}


def _outlines(length: int) -> list[Outline]:
    """A line around each field that a check reads, as far as the file goes."""
    fields = [(*LOOKED_AT[name], words) for name, words in FIELDS_SHOWN.items()]
    return [
        Outline(first // 16, first % 16, first // 16, (after - 1) % 16, words)
        for first, after, words in fields
        if after <= length
    ]


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
    return Story(
        f"an exec with an interpreter {kind}" if kind.startswith("of") else f"an exec with a {kind} interpreter",
        {},
        RULES,
        tracks,
    )


def frames(run: Run) -> list[Frame]:
    """One step of the exec a frame."""
    steps, crossed, seen = list(_shown(run)), False, set()
    lines: list[tuple[str, Words]] = [(f"{n}", _line(event)) for n, event in enumerate(steps, 1)]
    made = []
    for n, event in enumerate(steps):
        crossed |= isinstance(event, model.Crossed)
        key = "" if crossed or _moved(event) else _key(event)
        more = _more(event, run) | ({"end": _end(event), "mark": "the end"} if event is steps[-1] else {})
        head = "the caller is gone" if crossed else "the caller can be told"
        groups = {"exec": script("exec", lines[: n + 1], n, head=head)}  # what is to come stays hidden
        rule = [_rule(event, crossed)]
        made.append(Frame(_sentence(event), groups, "" if key in seen else key, rule, **more))
        seen.add(key)
    return made


def _more(event: Event, run: Run) -> Record:
    """A mark at the point of no return; a question when the interpreter has turned out to be ELF."""
    if isinstance(event, model.Crossed):
        return {"mark": "no return"}
    is_elf = isinstance(event, Checked) and event.file == INTERPRETER and event.check == "magic" and event.ok
    return {"ask": _ask(run)} if is_elf else {}


def _end(event: Event) -> str:
    return "bad" if isinstance(event, model.Killed | model.Oops) else "good"


def _ask(run: Run) -> Ask:
    after = simulate(run.scenario, POLICIES[UNPATCHED]).numbers["outcome"]
    outcomes = ["ELIBBAD", "SIGSEGV", "runs"]
    return Ask(
        "The interpreter is ELF. What happens to the caller of the unpatched kernel in the end?",
        ["it gets ELIBBAD", "it is killed (SIGSEGV)", "the program runs"],
        outcomes.index(str(after)),
        "Type and machine are compared when the interpreter is mapped, and then nobody is left who could be told.",
    )


def _moved(event: Event) -> bool:
    """A check that the patch moved, or could move: from here on the kernels go side by side."""
    return isinstance(event, Checked) and event.file == INTERPRETER and event.check != "magic"


def _key(event: Event) -> str:
    return " ".join((type(event).__name__, getattr(event, "file", ""), getattr(event, "check", "")))


def _rule(event: Event, crossed: bool) -> str:
    if isinstance(event, model.Crossed):
        return "flush_old_exec"
    if isinstance(event, Checked) and event.check == "machine":
        return "elf_check_arch"
    late = crossed and getattr(event, "file", INTERPRETER) == INTERPRETER
    return "load_elf_interp" if late and isinstance(event, Checked | model.Mapped) else "load_elf_binary"


TYPES = {1: "a relocatable file", 2: "an executable", 3: "a shared object"}
KNOWN = {
    **{("type", str(kind)): words for kind, words in TYPES.items()},
    **{("machine", str(arch.machine)): name for name, arch in ARCHS.items()},
}


def _line(event: Event) -> list[str]:
    """A step as a line of a program."""
    match event:
        case Checked(file, check):
            return [f"{file}: check the {check}", f"{file}: {check}"]
        case model.Opened(file) | model.Mapped(file):
            return [f"{OPENED[type(event)]} the {file}"]
        case model.Crossed():
            return ["give up the old address space", "give up the caller"]
        case model.Returned(error):
            return [f"return {error}", error]
        case model.Started():
            return ["start the program", "start"]
    return ["kill the caller", "kill"]


def _sentence(event: Event) -> str:
    match event:
        case Checked(file, check, found, ok):
            known = f", {KNOWN[check, found]}" if (check, found) in KNOWN else ""
            return f"The {file}'s {check} is {found}{known}: " + ("that fits." if ok else "that does not fit.")
        case model.Opened(file):
            return f"The {file} is opened."
        case model.Mapped(file):
            return f"The {file} is mapped."
        case model.Crossed():
            return "The caller's address space is given up. From here on nobody can be told of an error."
        case model.Returned(error):
            return f"The caller gets {error} and lives on."
        case model.Started(file):
            return f"The program starts, from the entry of the {file}."
    return "The caller is killed: it is too late for an answer."
