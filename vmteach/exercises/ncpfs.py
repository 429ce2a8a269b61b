"""Exercises of ncpfs: how long a name a stack bears, a limit that fits it, and a lawful name that is refused."""

from dataclasses import replace

from vmteach.exercises import Answer, Faults, Given, Numbers, Position, Verdict, check, misfit, not_yet, right, written
from vmteach.patches import ncpfs as patch
from vmteach.patches.ncpfs import MAINLINE, PATCHED, POLICIES, UNPATCHED, Scenario, simulate

OVERRUN = "overrun (B)"
LENGTHS = next(control.stops for control in patch.CONTROLS if control.field == "length")


STACKS = (8192, 1440, 496, 2), (8192, 1440, 736, 1), (4096, 1000, 96, 2), (8192, 0, 0, 3)


@check
def check_longest(longest: Answer, _: Given) -> Faults:
    for stack, task, depth, arrays in STACKS:
        room = stack - task - depth
        got, expected = longest(stack, task, depth, arrays), _fits(room // arrays)
        yield misfit(got, int)
        where = f"With {stack} bytes of stack, {task} of descriptor, {depth} used and {arrays} array(s)"
        if got == room // arrays - 1 != expected:
            yield f"{where} your array does not end on a word of 4 bytes."
        if got in (expected + 1, room // arrays):
            yield f"{where} your name fills the array to its last byte. What does a string end with?"
        if got == _fits((stack - depth) // arrays) != expected:
            yield f"{where} yours reaches to address 0. What lies at the low end of the area?"
        yield got == _fits(room) != expected, f"{where} yours is right for one array."
        yield got > expected, f"{where} a name of {got} bytes is too long."
        yield got < expected, f"{where} a longer name than {got} bytes fits too."
    return right("To the byte, for any stack.")


def _fits(room: int) -> int:
    """The longest name whose array, in words of 4 bytes, has this room."""
    return room // 4 * 4 - 1


@check
def check_limit(mine: Answer, given: Given) -> Faults:
    yield mine.buffer, "Keep the arrays as they are: this kernel has the length test only."
    if misfit(mine.longest, int) or mine.longest < 1:
        yield "A limit is a whole number from 1 up; 0 is no test at all."
    at_limit = Scenario(operation="rename", length=min(mine.longest, 4095), extra_depth=given["extra"])
    over = simulate(at_limit, mine).numbers[OVERRUN]
    yield over, f"`rename` with two names at your limit is {over} bytes too deep."
    one_more = replace(at_limit, length=min(mine.longest + 1, 4095))
    if not simulate(one_more, POLICIES[UNPATCHED]).numbers[OVERRUN]:
        yield "No overrun; but names that are longer than your limit would not overrun either."
    return right("As long as may be, and not a byte longer.")


def check_lawful(mine: Answer, _: Given) -> Verdict:
    if max(mine.lengths) > patch.NAME_MAX:
        return not_yet("That name has more than 255 bytes: it is refused rightly.", 0)
    ours, theirs = (simulate(mine, POLICIES[label]).numbers for label in (PATCHED, MAINLINE))
    if ours[OVERRUN] or theirs[OVERRUN]:
        return not_yet("So deep in calls, the stack is overrun whatever the name. Leave the depth as it is.", 0)
    if ours["answer"] == "success":
        return not_yet("The kernel with the length test takes this name.", 0)
    if theirs["answer"] != "success":
        return not_yet(f"Mainline's kernel answers {theirs['answer']} too. See what its buffer and the server have.", 0)
    return right(f"A lawful name gets {ours['answer']}, and mainline takes it.", 256 - max(mine.lengths))


NO_FILE = "The call ended at the look-up: no file answers for the old name."


@check
def check_deepest(state: Position, numbers: Numbers) -> Faults:
    room, over = (numbers[UNPATCHED][name] for name in ("room (B)", OVERRUN))
    yield room > 8192, "This stack is larger than 8 KiB."
    yield over, f"This name is {over:,} bytes too deep."
    yield not state["on_server"], NO_FILE
    longest = patch.longest_safe(Scenario(), POLICIES[UNPATCHED])
    if any(state["length"] < stop <= longest for stop in LENGTHS):
        yield "This name fits, and so does a longer one of the panel."
    return right("It fills the stack to the last byte.")


@check
def check_roomy(state: Position, numbers: Numbers) -> Faults:
    room, over = (numbers[UNPATCHED][name] for name in ("room (B)", OVERRUN))
    yield state["length"] != 4095, "Try the worst: names of 4,095 bytes."
    yield not state["on_server"], NO_FILE
    yield over, f"{over:,} bytes too deep."
    return right(f"{room:,} bytes of room are enough for any name.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "ncpfs",
    globals(),
    limit=({"extra": 0, "limit": 3127}, {"extra": 1500, "limit": 2375}, {"extra": 3000, "limit": 1627}),
)
