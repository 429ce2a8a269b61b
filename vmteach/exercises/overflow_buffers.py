"""Exercises of overflow_buffers: what a word keeps, how large a unit may be, and a wrap that is reached."""

from collections.abc import Mapping
from typing import Any

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, misfit, not_yet, right
from vmteach.machine import GIB, KIB, PRESETS
from vmteach.patches.overflow_buffers import PATCHED, POLICIES, UNPATCHED, WAITS, Listed, Policy, Scenario, simulate

NEEDS = """\
from vmteach.machine import PRESETS
from vmteach.patches.overflow_buffers import NEVER_WAITS, Policy, Scenario
"""

WORD = 1 << 32
UNSEEN, PRINTED = "dirty, not seen, at most (MiB)", "CLEAN printed at the start (MiB)"
PAGE = 4 * KIB


# ---- seen


def check_seen(seen: Any, given: Mapping[str, Any]) -> Verdict:
    unit = given["unit"]
    some = [0, 1, 7, 1000, 68813, (WORD * unit // PAGE) - 1]
    for pages in some:
        got = seen(pages * PAGE)
        if problem := misfit(got, int, float):
            return not_yet(problem)
        if got == pages * PAGE and pages:
            return not_yet(f"For {pages} pages you give {got}: those are bytes. How many pages are they?")
        if got != pages:
            return not_yet(f"{pages} pages are dirty, and your counter shows {got}; nothing has wrapped there yet.")
    for wraps, beyond in ((1, 0), (1, 5), (7, 5)):
        true = wraps * WORD * unit + beyond * PAGE
        got = seen(true)
        if got == true // PAGE:
            return not_yet(f"With {true} bytes your counter goes on growing. It is a word of 32 bits.")
        if got == (WORD * unit) // PAGE - 1:
            return not_yet("Your counter stops at its largest value. A word that is full does something else.")
        if got != beyond:
            return not_yet(f"With {true} bytes your counter shows {got} pages.")
    return right("As the machine does it, before the wrap and after it.")


SEEN = Task(
    name="seen",
    rung="fill one line",
    minutes=5,
    asks="A total counts in units of $size, in a word of 32 bits. Give the **pages** of 4096 bytes that it shows "
    "when `true` bytes are dirty (a whole number of pages).",
    stub="""\
def seen(true):
    return ...  # the pages that the counter shows
""",
    answer="seen",
    solution="""\
def seen(true):
    return true // $unit % 2**32 * $unit // 4096
""",
    hints=(
        "Three steps: from bytes to units, what a word keeps of them, and from units to pages.",
        "What a word of 32 bits keeps of a number is its remainder.",
        "With a word of 4 bits and units of 8 bytes, 136 bytes are 17 units; the word keeps 1, and it stands for 8 "
        "bytes.",
    ),
    reason="The counter is the remainder of the units by 2 to the power 32. Reading it as pages undoes the unit, and "
    "cannot bring back what the word let go.",
    wrong_turn="To let the counter stop at its largest value. Counters of this kind start again from zero.",
    kernel="Before the patch the unit was 1 byte and the wrap at 4 GiB, after it 512 bytes and 2 TiB.",
    check=check_seen,
    variants=tuple(
        {"unit": unit, "size": size} for unit, size in ((1, "1 byte"), (512, "512 bytes"), (64, "64 bytes"))
    ),
)


# ---- unit


def check_unit(mine: Any, given: Mapping[str, Any]) -> Verdict:
    least = given["least"]
    if not isinstance(mine, Policy):
        return not_yet("Hand in a `Policy(...)` with a shift.")
    if misfit(mine.shift, int) or not 0 <= mine.shift <= 32:
        return not_yet("The shift is a whole number from 0 to 32.")
    counted = mine.amount(least) << mine.shift
    if counted != least:
        return not_yet(f"A buffer of {least} bytes counts as {counted} bytes. Many small ones are lost from sight.")
    wraps = 2 ** (32 + mine.shift) // GIB
    if mine.shift + 1 <= 32 and (least >> mine.shift + 1) << mine.shift + 1 == least:
        return not_yet(f"Every buffer is counted, and the counter wraps at {wraps} GiB. It can be made to wrap later.")
    return right(f"Every buffer is counted exactly, and the counter wraps at {wraps} GiB.")


UNIT = Task(
    name="unit",
    rung="change one rule",
    minutes=5,
    asks="In a kernel whose smallest buffer has $least bytes (all others are multiples of it), choose the unit of the "
    "totals: every buffer is to be counted **exactly**, and the counter is to wrap **as late as possible**.",
    stub="""\
mine = Policy(shift=0)  # units of 2**shift bytes
""",
    answer="mine",
    solution="""\
mine = Policy(shift=$shift)
""",
    hints=(
        "What happens to a buffer that is smaller than the unit?",
        "`Policy(shift=12).amount(512)` says what a small buffer adds to a total of pages.",
        "A buffer of 24 bytes is exact in units of 8 bytes (3 of them), and not in units of 16.",
    ),
    reason="The largest unit of which each buffer is a whole number is the smallest buffer itself, 2 to the power "
    "$shift bytes.",
    wrong_turn="To count in pages because the decision is made in pages. A file system with small blocks has buffers "
    "that are parts of a page, and each of them would count as nothing.",
    kernel="The smallest buffer is a sector, and the patch counts sectors. It could not have gone further.",
    check=check_unit,
    variants=({"least": 512, "shift": 9}, {"least": 2048, "shift": 11}, {"least": 1024, "shift": 10}),
)


# ---- forget


def check_forget(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Scenario):
        return not_yet("Hand in a `Scenario(...)`.")
    if mine.machine not in PRESETS.values():
        return not_yet("Take a machine of the panel: larger ones did not exist with 32 bits.")
    lost = simulate(mine, POLICIES[UNPATCHED]).numbers[UNSEEN]
    if lost:
        return right(f"The counter before does not see {lost / KIB:.4g} GiB of dirty data.", round(lost / KIB, 2))
    if mine.machine.word == 64:
        return not_yet("A word of 64 bits does not wrap in this world.", 0)
    if mine.writers == WAITS:
        return not_yet("Everything dirty is seen: the writer is stopped long before the wrap. What stops it?", 0)
    return not_yet(f"Nobody is stopped, but only {mine.cache * mine.machine.page / GIB:.3g} GiB can be dirty here.", 0)


FORGET = Task(
    name="forget",
    rung="break it",
    minutes=6,
    asks="Make the kernel **before** forget dirty data. Your score is what its counter does not see, in GiB. The model "
    "lets you take a rule away that the real kernel had.",
    stub="""\
mine = Scenario()  # your machine and its writers
""",
    answer="mine",
    solution="""\
mine = Scenario(machine=PRESETS["64 GB"], writers=NEVER_WAITS)
""",
    hints=(
        "Two things keep the wrap away: one is a rule, the other is the memory that there is.",
        "Which field of the scenario says what writers do above 60 %?",
        "With a counter that wraps at 4 GiB, 9 GiB of dirty data show as 1 GiB: 8 GiB are not seen.",
    ),
    reason="Writers who never wait fill all memory with dirty data, and the counter keeps the remainder by 4 GiB. "
    "On 64 GB that hides fourteen times 4 GiB.",
    wrong_turn="To take a large machine alone. The limit of 60 % is a share of the low memory, which does not grow "
    "beyond 896 MiB.",
    kernel="Nobody ever got there. The check is paranoid, as its author says: it guards against the day on which "
    "somebody changes the rule. And a real machine with 64 GB would run out of low memory for the buffers' heads "
    "first: a second guard.",
    check=check_forget,
)

EXERCISES = (SEEN, UNIT, FORGET)


# ---- the explorer


def check_truth(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    before, after = numbers[UNPATCHED][PRINTED], numbers[PATCHED][PRINTED]
    if before != after:
        return not_yet(f"Before prints {before} MiB for the clean buffers, and there are {after} MiB.")
    names = [name for name, machine in PRESETS.items() if machine.word == 32]
    if state["machine"] not in names:
        return not_yet("The words are to have 32 bits.")
    larger = simulate(Scenario(PRESETS[names[names.index(state["machine"]) + 1]]), POLICIES[UNPATCHED])
    if larger.numbers[PRINTED] * KIB == next(e for e in larger.events if isinstance(e, Listed)).kib // KIB * KIB:
        return not_yet(f"Both print {before} MiB here. There is a larger machine on which they do.")
    return right(f"Both print {before} MiB; on the next larger machine they do not agree.")


def check_smallest(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    lost = numbers[UNPATCHED][UNSEEN]
    if not lost:
        return not_yet("The kernel before sees all that is dirty here.")
    names = list(PRESETS)
    for name in names[: names.index(state["machine"])]:
        smaller = Scenario(PRESETS[name], writers=state["writers"], block=state["block"])
        if simulate(smaller, POLICIES[UNPATCHED]).numbers[UNSEEN]:
            return not_yet(f"{lost} MiB are not seen here. There is a smaller machine on which some are not seen.")
    return right(f"{lost} MiB of dirty data are not seen; on the next smaller machine all are.")


GOALS = (
    Goal(
        name="truth",
        asks="The largest machine with words of 32 bits on which the kernel before prints the truth about its "
        "clean buffers.",
        check=check_truth,
        hints=(
            "The totals of the other lists have no limit of 60 %.",
            "Clean buffers may fill nine tenths of RAM in this model. Up to which RAM is that less than 4 GiB?",
        ),
        reason="4 GB. From 8 GB on the total of the CLEAN list wraps. It is only printed, and nobody is harmed.",
        needs=(UNPATCHED, PATCHED),
    ),
    Goal(
        name="smallest",
        asks="The smallest machine on the panel on which dirty data can be lost from the sight of the kernel before.",
        check=check_smallest,
        hints=(
            "First make it possible at all: what must the writers do?",
            "More than 4 GiB must be able to be dirty. Nine tenths of RAM can be.",
        ),
        reason="Writers who never wait, and 8 GB: nine tenths of 4 GB are less than 4 GiB.",
        needs=(UNPATCHED,),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "Why could the total of the DIRTY list never reach 4 GiB on a 32-bit machine?",
        (
            Option(
                "Because there was not that much memory.",
                "Machines of 32 GB were in use; the announcement names them.",
            ),
            Option(
                "Because writers are stopped at 60 % of the low memory, which has 896 MiB at most.",
                "About 538 MiB, far below. That rule, and not the counter, was the guard.",
                True,
            ),
            Option(
                "Because the counter had 64 bits.",
                "It is an unsigned long: 32 bits on these machines.",
            ),
        ),
    ),
    Question(
        "Why do both kernels see the same number of pages below 4 GiB?",
        (
            Option(
                "Each size is a multiple of 512, and dividing by 4096 bytes is dividing by 8 sectors.",
                "Nothing is lost by the larger unit, and neither counter has wrapped.",
                True,
            ),
            Option("Because pages are counted separately.", "They are not: pages are computed from the total."),
            Option(
                "They do not quite: the sectors round down.",
                "A sum of whole sectors has nothing to round. Only the division into pages does, in both alike.",
            ),
        ),
    ),
    Question(
        "What is a fix good for that changes nothing?",
        (
            Option("Nothing. It should not have been merged.", "Then the next change of the rule would open the bug."),
            Option(
                "It makes the counter faster.",
                "A shift costs as good as nothing, and gains nothing either.",
            ),
            Option(
                "It takes away the dependence on a rule that stands somewhere else.",
                "The counter is right by itself now, up to 2 TiB, whatever the limit for writers becomes.",
                True,
            ),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "wait": Guesses(
        537.6,
        {
            19660.8: "That is 60 % of all memory. The rule counts low pages only, and there are 896 MiB of them.",
            896: "That is what the rule counts. It makes a writer wait at 60 % of it.",
            268.8: "At 30 % the kernel begins to write, in the background. Nobody waits yet.",
            4096: "There the total would wrap. The writer has been stopped long before.",
        },
    ),
}
