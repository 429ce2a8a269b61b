"""An exec step by step: which checks stand before the point of no return, which after it, and who is told."""

from typing import NamedTuple

from vmteach.figures.data import Group, Words, stretches
from vmteach.figures.scene import Box, Bracket, Cell, Edge, Outline, Scene, axis, grid, row, script
from vmteach.figures.story import Ask, Frame, Story, tracks
from vmteach.kernel.binfmt import ARCHS, INTERPRETER, Checked
from vmteach.kernel.elf import MAGIC
from vmteach.patches import elf_interp as model
from vmteach.patches.elf_interp import POLICIES, UNPATCHED, Event, Scenario, simulate
from vmteach.run import Record, Run, of_kind

STATES = {
    "C": (["check passed", "passed"], "done"),
    "X": (["check failed", "failed"], "attention"),
    "A": ("opened or mapped", "other"),
    "T": (["the caller is told", "told"], "data"),
    "R": (["the program runs", "runs"], "in use"),
    "K": (["the caller is killed", "killed"], "promised"),
}


class Said(NamedTuple):
    """A step in words: its state, and what stands in a cell, in a line of a script and in a sentence."""

    state: str
    words: list[str]
    line: list[str]
    sentence: str


LATE = "The caller is killed: it is too late for an answer."
SAID: dict[type[Event], Said] = {
    model.Opened: Said("A", ["open"], ["open the {file}"], "The {file} is opened."),
    model.Mapped: Said("A", ["map"], ["map the {file}"], "The {file} is mapped."),
    model.Crossed: Said(
        "A",
        ["give up"],
        ["give up the old address space", "give up the caller"],
        "The caller's address space is given up. From here on nobody can be told of an error.",
    ),
    model.Returned: Said("T", ["{error}"], ["return {error}", "{error}"], "The caller gets {error} and lives on."),
    model.Started: Said(
        "R", ["runs"], ["start the program", "start"], "The program starts, from the entry of the {file}."
    ),
    model.Killed: Said("K", ["{signal}"], ["kill the caller", "kill"], LATE),
    model.Oops: Said("K", ["oops"], ["kill the caller", "kill"], LATE),
}
NO_RETURN = ["point of no return", "no return"]
FIELDS_SHOWN = {"magic": "magic", "type": "e_type", "machine": "e_machine"}
LOOKED_AT = {"magic": (0, 4), "type": (16, 18), "machine": (18, 20)}  # bytes of the header


def scene(run: Run) -> Scene:
    """The steps of the exec along one axis; below, the two rows of the interpreter's header that matter."""
    steps, n = _shown(run), run.numbers
    cells = [Cell(_said(event).state, at, 1, _said(event).words) for at, event in enumerate(steps)]
    edges = [Edge(at, NO_RETURN, "alert") for at, event in enumerate(steps) if isinstance(event, model.Crossed)]
    files = stretches(getattr(event, "file", "") for event in steps)
    brackets = [Bracket(at, at + length, [file, file[0].upper()]) for file, at, length in files if file]
    numbers = {
        "the caller": n["the caller"],
        "gets": n["outcome"],
        "checks in time": n["checks before the point of no return"],
        "checks too late": n["checks after it"],
    }
    return Scene(
        _clause(run),
        [row("exec", cells, axis("step", 0, len(steps), "step"), edges, brackets)],
        _alt(run, steps),
        STATES,
        {name: str(value) for name, value in numbers.items()},
        more=lambda: _header(run),
        end=_end(steps[-1]),
    )


def _shown(run: Run) -> list[Event]:
    return [event for event in run.events if not isinstance(event, model.Closed)]


def _said(event: Event) -> Said:
    """A step in words, long to short."""
    if isinstance(event, Checked):
        _, check, found, ok = event
        known = f", {KNOWN[check, found]}" if (check, found) in KNOWN else ""
        sentence = f"The {event.file}'s {check} is {found}{known}: that {'fits' if ok else 'does not fit'}."
        words = [f"{check} {found}" if ok else f"{check}: {found}", check]
        return Said("C" if ok else "X", words, [f"{event.file}: check the {check}", f"{event.file}: {check}"], sentence)
    state, words, line, sentence = SAID[type(event)]
    of = event._asdict()
    return Said(state, [w.format(**of) for w in words], [w.format(**of) for w in line], sentence.format(**of))


def _clause(run: Run) -> list[str]:
    """What becomes of the caller."""
    last = run.events[-1]
    if isinstance(last, model.Started):
        return ["runs the program"]
    if isinstance(last, model.Returned):
        tells = f"tells the caller {last.error}"
        return [f"{tells}, and it lives on", tells, f"answers {last.error}"]
    how = "an oops" if isinstance(last, model.Oops) else "SIGSEGV"
    kills = f"kills the caller with {how}"
    return [f"{kills}, past the point of no return", kills, "kills the caller"]


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
    return {at: _said(event).state for event in checks for at in range(*LOOKED_AT[event.check])}


def _outlines(length: int) -> list[Outline]:
    """A line around each field that a check reads, as far as the file goes."""
    fields = [(*LOOKED_AT[name], words) for name, words in FIELDS_SHOWN.items()]
    return [Outline(at // 16, at % 16, at // 16, (end - 1) % 16, words) for at, end, words in fields if end <= length]


def _alt(run: Run, steps: list[Event]) -> str:
    s, n = run.scenario, run.numbers
    told = "; ".join(_said(event).sentence.rstrip(".") for event in steps)
    reads = f"An exec on {s.arch}, which reads {ARCHS[s.arch].order}-endian"
    return (
        f"{reads}: program {s.program}, interpreter {s.interpreter}. {told}. "
        f"Checks before the point of no return: {n['checks before the point of no return']}, "
        f"after it: {n['checks after it']}. The caller {n['the caller']}."
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
    kind = f"a {case.interpreter} interpreter"
    title = "an exec with " + ("an interpreter of another machine" if case.interpreter in ARCHS else kind)
    return Story(title, {}, RULES, tracks(model, frames, case))


def frames(run: Run) -> list[Frame]:
    """One step of the exec a frame."""
    steps, crossed, keys = _shown(run), False, {""}
    lines: list[tuple[str, Words]] = [(f"{n}", _said(event).line) for n, event in enumerate(steps, 1)]
    made = []
    for n, event in enumerate(steps):
        crossed |= isinstance(event, model.Crossed)
        key = "" if crossed or _moved(event) else _key(event)
        head = "the caller is gone" if crossed else "the caller can be told"
        groups = {"exec": script("exec", lines[: n + 1], n, head=head)}  # what is to come stays hidden
        more = {"end": _end(event), "mark": "the end"} if event is steps[-1] else _more(event, run)
        made.append(Frame(_said(event).sentence, groups, "" if key in keys else key, [_rule(event, crossed)], **more))
        keys.add(key)
    return made


def _more(event: Event, run: Run) -> Record:
    """A mark at the point of no return; a question when the interpreter has turned out to be ELF."""
    if isinstance(event, model.Crossed):
        return {"mark": "no return"}
    is_elf = isinstance(event, Checked) and event[:2] == (INTERPRETER, "magic") and event.ok
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
