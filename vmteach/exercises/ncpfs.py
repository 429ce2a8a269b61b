"""Exercises of ncpfs: how long a name a stack bears, a limit that fits it, and a lawful name that is refused."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, misfit, not_yet, right
from vmteach.patches.ncpfs import (
    CONTROLS,
    MAINLINE,
    NAME_MAX,
    PATCHED,
    POLICIES,
    UNPATCHED,
    Policy,
    Scenario,
    longest_safe,
    simulate,
)

NEEDS = "from vmteach.patches.ncpfs import Policy, Scenario\n"

OVERRUN = "overrun (B)"


# ---- longest


def check_longest(longest: Any, _: Mapping[str, Any]) -> Verdict:
    for stack, task, depth, arrays in (
        (8192, 1700, 1500, 2),
        (8192, 1700, 1500, 1),
        (4096, 1000, 96, 2),
        (8192, 0, 0, 3),
    ):
        got, expected = longest(stack, task, depth, arrays), (stack - task - depth) // arrays - 1
        if problem := misfit(got, int):
            return not_yet(problem)
        where = f"With {stack} bytes of stack, {task} of descriptor, {depth} used and {arrays} array(s)"
        if got == expected + 1:
            return not_yet(f"{where} your name fills the array to its last byte. What does a string end with?")
        if got == (stack - depth) // arrays - 1 != expected:
            return not_yet(f"{where} yours reaches to address 0. What lies at the low end of the area?")
        if got == stack - task - depth - 1 != expected:
            return not_yet(f"{where} yours is right for one array.")
        if got > expected:
            return not_yet(f"{where} a name of {got} bytes is too long.")
        if got < expected:
            return not_yet(f"{where} a longer name than {got} bytes fits too.")
    return right("To the byte, for any stack.")


LONGEST = Task(
    name="longest",
    rung="fill one line",
    minutes=5,
    asks="Give the longest name, in bytes, that does not overrun: a stack area of `stack` bytes with a "
    "descriptor of `task` at "
    "its low end, `depth` bytes used so far, and so many `arrays`, one for a name of that length each.",
    stub="""\
def longest(stack, task, depth, arrays):
    return ...  # bytes of the name
""",
    answer="longest",
    solution="""\
def longest(stack, task, depth, arrays):
    return (stack - task - depth) // arrays - 1
""",
    hints=(
        "How many bytes are there for all arrays together?",
        "Divide the room among the arrays. What is in an array besides the name?",
        "With 100 bytes of room and two arrays each has 50 bytes: 49 for the name, and one more.",
    ),
    reason="The room is what lies between the descriptor and the calls so far. Each array takes an equal "
    "part of it, with one "
    "byte for the end mark.",
    wrong_turn="To forget the end mark. One byte too long, and the array that was to be safe ends in the descriptor.",
    kernel="The kernel before does not do this sum. The arrays were as long as the name, and the name as "
    "long as the caller liked.",
    check=check_longest,
)


# ---- limit


def check_limit(mine: Any, given: Mapping[str, Any]) -> Verdict:
    depth = given["depth"]
    if not isinstance(mine, Policy):
        return not_yet("Hand in a `Policy(longest=...)`.")
    if mine.buffer:
        return not_yet("Keep the arrays as they are: this kernel has the length test only.")
    if misfit(mine.longest, int) or mine.longest < 1:
        return not_yet("A limit is a whole number from 1 up; 0 is no test at all.")
    at_limit = Scenario(operation="rename", length=min(mine.longest, 4095), depth=depth)
    if over := simulate(at_limit, mine).numbers[OVERRUN]:
        return not_yet(f"`rename` with two names at your limit is {over} bytes too deep.")
    one_more = replace(at_limit, length=min(mine.longest + 1, 4095))
    if not simulate(one_more, POLICIES[UNPATCHED]).numbers[OVERRUN]:
        return not_yet("No overrun; but names that are longer than your limit would not overrun either.")
    return right("As long as may be, and not a byte longer.")


LIMIT = Task(
    name="limit",
    rung="change one rule",
    minutes=5,
    asks="Is any limit good enough? On the stack of 8 KiB (the model's descriptor of 1700 bytes), with "
    "calls that have used "
    "$depth bytes already: choose the **largest** limit of the length test with which no operation overruns.",
    stub="""\
mine = Policy(longest=2600)  # your limit
""",
    answer="mine",
    solution="""\
mine = Policy(longest=$limit)
""",
    hints=(
        "Which operation needs the most?",
        "It has two names, and both may be at the limit.",
        "With 1000 bytes of room, two arrays of 500 bytes fit, and names of 499.",
    ),
    reason="Two arrays share what 8192 bytes leave after the descriptor and $depth bytes of calls. The "
    "largest limit is $limit.",
    wrong_turn="To reckon with one name. `lookup` would be safe at that limit, and `rename` far too deep.",
    kernel="255 was chosen because other file systems have it. With it `rename` takes 512 bytes.",
    check=check_limit,
    variants=({"depth": 1500, "limit": 2495}, {"depth": 3000, "limit": 1745}, {"depth": 4092, "limit": 1199}),
)


# ---- lawful


def check_lawful(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Scenario):
        return not_yet("Hand in a `Scenario(...)`.")
    if max(mine.lengths) > NAME_MAX:
        return not_yet("That name has more than 255 bytes: it is refused rightly.", 0)
    ours, theirs = (simulate(mine, POLICIES[label]).numbers["answer"] for label in (PATCHED, MAINLINE))
    if "overrun" in f"{ours} {theirs}":
        return not_yet("So deep in calls, the stack is overrun whatever the name. Leave the depth as it is.", 0)
    if ours == "goes on":
        return not_yet("The kernel with the length test takes this name.", 0)
    if theirs != "goes on":
        return not_yet("Mainline refuses this name too: what comes out of the conversion is too long for it.", 0)
    return right("A lawful name is refused, and mainline takes it.", 256 - max(mine.lengths))


LAWFUL = Task(
    name="lawful",
    rung="break it",
    minutes=6,
    asks="The length test is in. Find a **lawful** name (up to 255 bytes) that this kernel refuses all the "
    "same and mainline's "
    "takes. The shorter the name, the higher the score. (`length`, `operation`, `expansion`: how many times "
    "a name grows in "
    "the conversion, up to 3.)",
    stub="""\
mine = Scenario(operation="lookup", length=255)  # your scenario
""",
    answer="mine",
    solution="""\
mine = Scenario(operation="lookup", length=1, expansion=2)
""",
    hints=(
        "The array has room for the name as it comes in. What is written into it?",
        "Which field makes the two differ?",
        "A name of 10 bytes that grows three times needs 30 bytes and the end mark, and its array has 11.",
    ),
    reason="The array is one byte longer than the name as it came in. Any name that grows does not fit, "
    "however short it is.",
    wrong_turn="To take a long name. Long names that grow are too long for mainline's buffer as well.",
    kernel="The code before had this flaw too. Mainline's fixed buffer mended it on the way, which is why "
    "the two are not the same.",
    check=check_lawful,
)

EXERCISES = (LONGEST, LIMIT, LAWFUL)


# ---- the explorer


def check_deepest(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if state["operation"] != "rename":
        return not_yet("The operation is to be `rename`.")
    room, used = numbers[UNPATCHED]["room (B)"], numbers[UNPATCHED][OVERRUN]
    if room > 8192:
        return not_yet("This stack is larger than 8 KiB.")
    if used:
        return not_yet(f"This name is {used} bytes too deep.")
    longest = longest_safe(Scenario(), POLICIES[UNPATCHED])
    if any(state["length"] < stop <= longest for stop in CONTROLS[3].stops):
        return not_yet("This name fits, and so does a longer one of the panel.")
    return right("It fills the stack to the last byte.")


def check_roomy(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if (state["operation"], state["length"]) != ("rename", 4095):
        return not_yet("Try the worst: `rename` with names of 4095 bytes.")
    if over := numbers[UNPATCHED][OVERRUN]:
        return not_yet(f"{over} bytes too deep.")
    return right(f"{numbers[UNPATCHED]['room (B)']} bytes of room are enough for any name.")


GOALS = (
    Goal(
        name="deepest",
        asks="With `rename` on a stack of 8 KiB: the longest name of the panel that the kernel before can bear.",
        check=check_deepest,
        hints=("The stack must bear two arrays.", "Look at what is used of the room, and go up a stop at a time."),
        reason="2495 bytes: two arrays of 2496 and the 1500 bytes of the calls are 6492, all the room there is.",
        needs=(UNPATCHED,),
    ),
    Goal(
        name="roomy",
        asks="A machine on which no name at all overruns the stack, even before.",
        check=check_roomy,
        hints=("Memory does not help: 64 GB have the same stack as 32 MB.", "Which machine has a larger stack area?"),
        reason="The 64-bit machine with its stack of 32 KiB. The bug is there, and nothing comes of it.",
        needs=(UNPATCHED,),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "Why is `rename` worse than `lookup`?",
        (
            Option("It writes to the disk.", "What goes to the server comes later; the stack is overrun before."),
            Option("It has two names, and so two arrays.", "At 4095 bytes each they take 8192: the whole area.", True),
            Option("Its names may be longer.", "They have the same limit: what a path allows."),
        ),
    ),
    Question(
        "Why did nothing stop the stack at the task descriptor?",
        (
            Option(
                "Both lie in one area, and the processor checks pages, not what lies within.",
                "Today an unmapped guard page lies below a stack, and the check is the processor's.",
                True,
            ),
            Option("Interrupts were off.", "They were not, and they would not look either."),
            Option("The descriptor is read-only.", "It is written all the time: it says what the task is doing."),
        ),
    ),
    Question(
        "Which repair also takes names that grow when converted?",
        (
            Option("The length test.", "It looks at the name as it comes in; the arrays stay as short as before."),
            Option("Both.", "One keeps arrays of the name's own length."),
            Option("The fixed buffer.", "Its 256 bytes do not depend on the length of the name.", True),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "lookup": Guesses(
        0,
        {
            3200: "That is for two arrays. A lookup has one of them, and needs 4,096 bytes less.",
            1600: (
                "Half of what two arrays took too much. But the stack does not shrink with the arrays: one array "
                "less is 4,096 bytes less."
            ),
            4096: "That is the array. There is room for it, below 1,500 bytes of calls.",
            896: "That is what is left over.",
        },
    ),
}
