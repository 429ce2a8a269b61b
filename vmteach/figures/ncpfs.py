"""The stack of one task and what the server gets of a name: one call, and the call step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vmteach.figures.data import Group
from vmteach.figures.scene import Bracket, Cell, Line, Link, Scene, axis, chart, row
from vmteach.figures.story import Ask, Frame, Story, tracks
from vmteach.figures.words import number, size
from vmteach.kernel.stack import Overran, TookArray
from vmteach.machine import PRESETS
from vmteach.patches import ncpfs as model
from vmteach.patches.ncpfs import POLICIES, UNPATCHED, Event, Scenario
from vmteach.run import Record, Run, of_kind

STATES = {
    "T": (["task descriptor", "descriptor", "task"], "attention"),
    "F": ("free", "nothing"),
    "C": (["functions of the call", "functions", "calls"], "other"),
    "A": (["array for a name", "array"], "data"),
    "O": (["overwritten", "overrun"], "promised"),
    "W": (["sent to the server", "sent"], "moving"),
}
RULES = {
    "ncp_lookup": "an array as long as the name, then the question: is there such a file?",
    "ncp_add_pstring": "the length on the wire is one byte: at most 255 bytes go out",
    "ncp_rename": "an array for each of the two names, both at once",
    "the length test": "more than 255 bytes: ENAMETOOLONG, before there is an array",
}


# ---- the two rows ----


def stack_row(scenario: Scenario, arrays: Sequence[TookArray], frames: int) -> Group:
    """The stack area: the descriptor at its low end, functions at its high end, the arrays between them."""
    area, task = scenario.machine.stack, scenario.task
    top = area - model.SAVED - scenario.extra_depth - frames
    low = arrays[-1].low if arrays else top
    over = low < task
    cells = [
        Cell("F", task, low - task, "free", "free"),
        *(_array(which, each, task) for which, each in zip(("old name", "new name"), arrays)),
        Cell("C", top, area - top, ["functions", "calls"], "calls"),
        Cell("O", low, task - low, "overwritten", "overrun"),
    ]
    there = [Cell("T", 0, task, ["task descriptor", "descriptor", "task"], "task")] * (not over)
    brackets = [Bracket(0, task, ["here was the task descriptor", "task descriptor"], "alert")] * over
    brackets += [Bracket(low, 0, ["beyond the stack area", "beyond"], "alert", 1)] * (low < 0)
    x = axis("address", min(0, low), area, "byte", ticks=[0, task, area])
    return row("stack", [*there, *(cell for cell in cells if cell.length > 0)], x, brackets=brackets)


def _array(which: str, array: TookArray, task: int) -> Cell:
    """What lies of an array above the descriptor."""
    start = max(array.low, task)
    return Cell("A", start, array.low + array.size - start, [f"{which}, {number(array.size)} B", which], which)


def name_row(scenario: Scenario, sent: bool = True) -> Group:
    """A name, and how much of it the server gets."""
    out = scenario.converted(scenario.length)
    wire = min(out, model.NAME_MAX)
    x = axis("byte of the name", 0, out)
    if not sent:
        return row("old name", [Cell("A", 0, out, f"{number(out)} B", "wire")], x)
    cells = [Cell("W", 0, wire, [f"{wire} B sent", f"{wire}"], "wire")]
    if out > wire:
        cells.append(Cell("A", wire, out - wire, ["the server never sees this", "never sent"], "rest"))
    return row("old name", cells, x, brackets=[Bracket(0, wire, ["what the server looks for", "looked for"], "blue")])


# ---- the picture of a run ----


def scene(run: Run) -> Scene:
    """The stack at its deepest, and how much of the old name the server got."""
    s, n = run.scenario, run.numbers
    arrays, frames_used = deepest(run)
    asked = any(isinstance(event, model.Sent) for event in run.events)
    groups = [stack_row(s, arrays, frames_used)] + ([name_row(s)] if asked else [])
    top = s.machine.stack - model.SAVED - s.extra_depth
    grows = Link(f"stack@{top}", "meant", f"stack@{top - s.machine.stack // 4}", ["the stack grows this way", "grows"])
    return Scene(
        clause=_clause(run),
        groups=groups,
        states=STATES,
        links=[grows],
        numbers={
            "answer": str(n["answer"]),
            "sent to the server": f"{n['sent (B)']} B" if asked else "nothing",
            "stack used": f"{number(n['stack used (B)'])} of {number(n['room (B)'])} B",
            "overrun": f"{number(n['overrun (B)'])} B",
        },
        end="bad" if n["overrun (B)"] else "good",
        alt=_alt(run, arrays),
    )


def deepest(run: Run) -> tuple[list[TookArray], int]:
    """The arrays that lay on the stack at once when it was deepest, and the bytes of functions above them."""
    taken = of_kind(run.events, TookArray)
    looked = sum(isinstance(event, model.LookedUp) for event in run.events)
    looking, acting = run.scenario.frames
    ways = [([event], looking) for event in taken[:looked] or taken]
    ways += [(taken[looked:], acting)] * (len(taken) > looked)
    return min(ways, key=lambda way: way[0][-1].low, default=([], 0))


def _clause(run: Run) -> list[str]:
    n, operation = run.numbers, run.scenario.operation
    if over := n["overrun (B)"]:
        return [f"overruns its stack by {number(over)} bytes", f"overruns by {number(over)} B"]
    if n["answer"] == "success":
        return [f"does the {operation}, within its stack", f"does the {operation}"]
    return [f"returns {n['answer']}"]


def _alt(run: Run, arrays: Sequence[TookArray]) -> str:
    s, n = run.scenario, run.numbers
    sizes = " and ".join(f"{number(each.size)} B" for each in arrays) or "no array"
    names = " and ".join(f"{number(length)} B" for length in s.lengths)
    return (
        f"A stack area of {number(s.machine.stack)} B with a descriptor of {number(s.task)} B at its low end. "
        f"{s.operation} with names of {names}. At the deepest: {sizes}. Used: {number(n['stack used (B)'])} B of "
        f"{number(n['room (B)'])} B, {number(n['overrun (B)'])} B too deep. Sent: {n['sent (B)']} B. "
        f"Answer: {n['answer']}."
    )


# ---- the map ----

STACKS = {4096: "alert", 8192: "ink", 16384: "done"}  # a stack's bytes -> the tone of its line
DEEPEST = 4000  # bytes of other calls that are drawn


def safe_names(operation: str = "rename") -> dict[str, Scene]:
    """The longest name without an overrun, over what other calls have on the stack: 4, 8 and 16 KiB, unpatched."""
    lines = [Line(tone, _safe(operation, area), f"{size(area)} stack") for area, tone in STACKS.items()]
    bound = [(0, model.NAME_MAX), (DEEPEST, model.NAME_MAX)]
    lawful = Line("quiet", bound, "255 B, which both repairs allow", dashed=True)
    x = axis("used by other calls", 0, DEEPEST, "byte")
    y = axis("longest name", 0, model.PATH_MAX, "byte")
    safe = number(model.longest_safe(Scenario(operation=operation), POLICIES[UNPATCHED]))
    scene = Scene(
        clause=[f"is safe up to names of {safe} B, and 4,095 are allowed", f"is safe up to {safe} B"],
        groups=[chart("safe names", x, y, [*lines, lawful])],
        alt=f"The longest safe name of {operation} over the bytes that other calls use, for three stacks. On 8 KiB "
        f"with no other call it is {safe} B.",
    )
    return {UNPATCHED: scene}


def _safe(operation: str, area: int) -> list[tuple[float, float]]:
    machine = replace(PRESETS["256 MB"], stack=area)
    start = Scenario(machine, operation=operation)
    depths = range(0, min(DEEPEST, start.room) + 1, 100)
    return [(depth, model.longest_safe(replace(start, extra_depth=depth), POLICIES[UNPATCHED])) for depth in depths]


# ---- step by step ----

STORIES = {
    "Two names of 4,095 bytes": Scenario(),
    "No such file": Scenario(on_server=False),
}


def frames(run: Run) -> list[Frame]:
    """One frame a step of the call, with the stack as it was then."""
    return list(_frames(run))


def _frames(run: Run) -> Iterator[Frame]:
    """The state is the arrays that lie on the stack, and how many names were looked up."""
    s, arrays, looked, sent = run.scenario, list[TookArray](), 0, False
    has = f"The server has {'a' if s.on_server else 'no'} file with the first 255 bytes of the old one."
    groups = {"stack": stack_row(s, [], 0), "name": name_row(s, sent=False)}
    yield Frame(f"Both names have {number(s.length)} bytes. {has}", groups, "start")
    for event in run.events:
        acting = looked == len(s.lengths)
        match event:
            case TookArray():
                arrays = [*arrays, event] if acting else [event]
            case model.LookedUp():
                arrays, looked = [], looked + 1
            case model.Sent():
                sent = True
        used = s.frames[acting] * bool(arrays)  # of looking, or of acting
        groups = {"stack": stack_row(s, arrays, used), "name": name_row(s, sent)}
        if isinstance(event, model.Answered):
            yield _end(run, groups, event.answer)
        elif said := _acting(event, len(arrays)) if acting else _looking(event, looked):
            say, key, rule, more = said
            yield Frame(say, groups, key, [rule], **more)


Told = tuple[str, str, str, Record] | None  # sentence, key, rule, and what else the frame has


def _looking(event: Event, looked: int) -> Told:
    match event:
        case TookArray(size, _):
            name = f"the {'new' if looked else 'old'} name"
            say = f"`ncp_lookup` lays an array of {number(size)} bytes on the stack for {name}. It fits."
            return say, f"array {looked}", "ncp_lookup", {}
        case model.Sent(_, wire):
            say = f"{wire} bytes of the name go to the server: the length on the wire is one byte."
            more = {} if looked else {"mark": "255 bytes on the wire", "ask": ASK}
            return say, f"sent {looked}", "ncp_add_pstring", more
        case model.LookedUp(_, found):
            say = "The server has such a file. The array is gone again." if found else "There is no such file."
            return say, f"looked {looked}", "ncp_lookup", {}
        case model.Refused(_, by) if by in RULES:
            return "The length test refuses the name before there is an array.", "", by, {"mark": "refused"}
    return None


def _acting(event: Event, arrays: int) -> Told:
    match event:
        case TookArray(size, _):
            name, more = ("new", {"mark": "the second array"}) if arrays == 2 else ("old", {})
            say = f"`ncp_rename` lays an array of {number(size)} bytes on the stack for the {name} name."
            return say, f"act {arrays}", "ncp_rename", more
        case Overran(task, beyond):
            say = f"It reaches {number(task + beyond)} bytes too far. The descriptor, {number(task)} bytes, lies in it."
            return say, "over", "ncp_rename", {}
    return None


ASK = Ask(
    "How many bytes of the old name does the server get?",
    ["255", "4,095", "none"],
    0,
    "So a file with a name of 255 bytes answers for every longer name that begins with it.",
    ["", "A request has one byte for the length of a name.", "The look-up asks the server at every call."],
)


def _end(run: Run, groups: dict[str, Group], answer: str) -> Frame:
    if run.numbers["overrun (B)"]:
        say = "Both names are written, over the task's own data. The server renames, and the call reports success."
        return Frame(say, groups, rule=["ncp_rename"], end="bad", mark="the end")
    say = "succeeds" if answer == "success" else f"returns {answer}. Nothing was written outside the stack"
    return Frame(f"The call {say}.", groups, end="good")


def story(case: Scenario) -> Story:
    """The rename on the unpatched and the patched kernel, side by side."""
    return Story("a rename with two names of 4,095 bytes", STATES, RULES, tracks(model, frames, case))
