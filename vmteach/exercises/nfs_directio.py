"""Exercises of nfs_directio: what a word keeps, what a limit leaves, and the most harm."""

from collections.abc import Mapping
from typing import Any

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, misfit, not_yet, right
from vmteach.machine import GIB
from vmteach.patches.nfs_directio import (
    PATCHED,
    POLICIES,
    UNPATCHED,
    Policy,
    Scenario,
    right_below,
    simulate,
    wire_offset,
)

NEEDS = "from vmteach.patches.nfs_directio import Policy, Scenario\n"

DESTROYED, KEPT = "destroyed elsewhere (KiB)", "written where it belongs (KiB)"


# ---- wire


def check_wire(wire: Any, given: Mapping[str, Any]) -> Verdict:
    bits = given["bits"]
    places = [0, 3 << bits, 4 * GIB - (1 << bits), 4 * GIB, 4 * GIB + (2 << bits), 11 * GIB + (5 << bits)]
    for offset in places:
        got, expected = wire(offset), wire_offset(offset, bits, 32, POLICIES[UNPATCHED])
        if problem := misfit(got, int):
            return not_yet(problem)
        if got == expected:
            continue
        if got == offset >> bits:
            return not_yet(f"For offset {offset} you give {got}: that is the block number. The wire carries bytes.")
        if got == offset:
            return not_yet(f"You send offset {offset} as it is. The kernel before cannot: its result has 32 bits.")
        if got == 2**32 - 1 or got == 2**32 - (1 << bits):
            return not_yet("Your word stops at its largest value. One that overflows starts again from zero.")
        return not_yet(f"Offset {offset} comes out as {got}.")
    return right("As the kernel before does it, below 4 GiB and beyond.")


WIRE = Task(
    name="wire",
    rung="fill one line",
    minutes=5,
    asks="Blocks have 2 to the power $bits bytes. Give the offset that the kernel **before** sends for a byte offset "
    "(a whole number of blocks), on a machine with words of 32 bits.",
    stub="""\
def wire(offset):
    return ...  # the offset on the wire, blocks of 2**$bits bytes
""",
    answer="wire",
    solution="""\
def wire(offset):
    return (offset >> $bits << $bits) & 2**32 - 1
""",
    hints=(
        "The offset becomes a block number and an offset again. In which of the two steps is something lost?",
        "A mask of 32 ones keeps what a word keeps: the lowest 32 bits.",
        "With words of 4 bits and blocks of 2 bytes, offset 18 is block 9; 9 times 2 is 18, and 4 bits keep 18 - 16.",
    ),
    reason="The shift back is done in the word, so that the result is the remainder by 4 GiB.",
    wrong_turn="To think that a number that is too large stays at the largest value, or gives an error. It "
    "does neither.",
    kernel="C calls the type `unsigned long`, and the variable that the result goes to has 64 bits. The "
    "loss comes before.",
    check=check_wire,
    variants=({"bits": 12}, {"bits": 9}, {"bits": 15}),
)


# ---- rule


def check_rule(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Policy):
        return not_yet("Hand in a `Policy(...)`.")
    if not mine.by_block:
        return not_yet("Keep the block number: the file layer of that kernel has no other way down.")
    for offset_mib in (0, 4095, 4096, 8193):
        harm = simulate(Scenario(offset_mib=offset_mib), mine).numbers
        if harm[DESTROYED]:
            return not_yet(f"At {offset_mib} MiB {harm[DESTROYED]} KiB of other data are destroyed.")
        if harm[KEPT] < 2048:
            return not_yet(f"At {offset_mib} MiB {2048 - harm[KEPT]} KiB are not written, and there is room for them.")
    for bits in (9, 12, 15):
        below = (1 << 32 + bits - 20) - 2  # MiB: the last request that a block number can say
        kept = simulate(Scenario(offset_mib=below, block_bits=bits), mine).numbers[KEPT]
        if kept < 2048:
            return not_yet(
                f"At {below} MiB, in blocks of {1 << bits} bytes, {2048 - kept} KiB are not written, "
                "and a block number can say the place."
            )
    beyond = simulate(Scenario(offset_mib=2 << 20, block_bits=9), mine).numbers
    if beyond[DESTROYED]:
        return not_yet(f"At 2 TiB, in blocks of 512 bytes, {beyond[DESTROYED]} KiB of other data are destroyed.")
    return right("Right wherever a block number can say it, and an error where it cannot.")


RULE = Task(
    name="rule",
    rung="change one rule",
    minutes=5,
    asks="The repair leaves a second limit: where the block **number** no longer fits. Write the policy of "
    "a client that is "
    "right wherever it can be, and **never** destroys anything. Keep `by_block`: the offset goes down as a block "
    "number, whatever you do.",
    stub="""\
mine = Policy()  # your policy: its fields are shift_bits, by_block and refuses
""",
    answer="mine",
    solution="""\
mine = Policy(shift_bits=64, refuses=True)
""",
    hints=(
        "Two things are wanted: a wider shift, and an answer for what cannot be said.",
        "`help(Policy)` has a line for each field. Which one is the repair?",
        "A client that only refuses stops at the limit that its own shift has; a wider shift moves that limit up.",
    ),
    reason="Widening moves the limit from 4 GiB to the block number's. Beyond that an error is the only honest answer.",
    wrong_turn="To take the repair alone. It is right for every file of its time, and goes astray in the "
    "same way as before "
    "once files reach the second limit.",
    kernel="The patch has the wider shift only. The file layer had a refusal of its own, at 8 TiB: for larger blocks "
    "it came first. Today the offset itself goes down, and no block number is in the way.",
    check=check_rule,
)


# ---- harm


def check_harm(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Scenario):
        return not_yet("Hand in a `Scenario(...)`.")
    if mine.machine.word != 32:
        return not_yet("The machine is to have words of 32 bits.")
    harm = simulate(mine, POLICIES[PATCHED]).numbers
    if not harm[DESTROYED]:
        limit = right_below(mine.block_bits, 32, POLICIES[PATCHED])
        return not_yet(
            f"The kernel after writes {harm[KEPT]} KiB where they belong; its limit is {limit // GIB} GiB here.", 0
        )
    score = 100 * harm[DESTROYED] / mine.length_kib
    if harm[KEPT]:
        return right("It goes astray from the middle of the request on.", round(score))
    return right("All of the request goes to a place where other data stood.", round(score))


HARM = Task(
    name="harm",
    rung="break it",
    minutes=6,
    asks="The patch is in. Find a request on a 32-bit machine with which the kernel **after** still "
    "destroys other data. The "
    "score is the share of your request that does, in %. (`offset_mib`, `block_bits` from 9 to 15, `length_kib`.)",
    stub="""\
mine = Scenario()  # your request
""",
    answer="mine",
    solution="""\
mine = Scenario(offset_mib=2 * 1024 * 1024, block_bits=9)
""",
    hints=(
        "The map of the chapter has the limit for each size of a block.",
        "The smallest blocks have the lowest limit. How many MiB is it?",
        "A request that begins 1 MiB below a limit and has 2 MiB goes half astray: a score of 50.",
    ),
    reason="At 2 to the power 32 blocks the block number starts again from zero. With blocks of 512 bytes "
    "that is at 2 TiB.",
    wrong_turn="To try larger blocks. They move the limit up.",
    kernel="Files of 2 TiB on NFS were far away in 2004. The same sentence had been said of 4 GiB. On NFS a block has "
    "1 KiB at least, whose second limit is at 4 TiB, and the client itself refuses a file of 8 TiB or more.",
    check=check_harm,
)

EXERCISES = (WIRE, RULE, HARM)


# ---- the explorer


def check_immune(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if state["offset_mib"] != 5120:
        return not_yet("The request is to begin at 5120 MiB.")
    if gone := numbers[UNPATCHED][DESTROYED]:
        return not_yet(f"The kernel before destroys {gone} KiB of other data here.")
    return right("Words of 64 bits: nothing of the offset is lost, with no patch at all.")


def check_second(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if gone := numbers[PATCHED][DESTROYED]:
        return right(f"The kernel after destroys {gone} KiB: the second limit.")
    return not_yet(f"The kernel after is right here; its limit is {numbers[PATCHED]['right below (GiB)']} GiB.")


GOALS = (
    Goal(
        name="immune",
        asks="A machine on which the kernel before is right at 5120 MiB.",
        check=check_immune,
        hints=("It is not a matter of memory or processors.", "What is it that a word of 32 bits cannot hold?"),
        reason="The 64-bit machine: its block number and its shift have 64 bits.",
        needs=(UNPATCHED,),
    ),
    Goal(
        name="second",
        asks="A state in which the kernel after destroys data.",
        check=check_second,
        hints=(
            "The repair moved a limit. To where?",
            "The limit is the number of blocks that a word can count, times the size of a block.",
        ),
        reason="On a 32-bit machine: 2097152 MiB with blocks of 9 bits, or 16777216 MiB with blocks of 9, "
        "10 or 12 bits.",
        needs=(PATCHED,),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "The result is stored in a variable of 64 bits. Why is it cut to 32?",
        (
            Option(
                "The shift is done in the type of what is shifted, and only its result is widened.",
                "The upper bits are gone before the variable sees them.",
                True,
            ),
            Option("The wire carries 32 bits.", "It carries 64 bits, and all 64 say the wrong place."),
            Option(
                "The file layer cuts the offset.", "It divides, and the quotient fits a word up to the second limit."
            ),
        ),
    ),
    Question(
        "A program writes beyond 4 GiB and reads the place back, both directly. What does it see?",
        (
            Option("An error.", "There is none: the place that is hit exists, in the same file."),
            Option("What it wrote.", "Both go astray in the same way. Only another way in shows the damage.", True),
            Option("The beginning of the file as it was.", "That is what has just been overwritten."),
        ),
    ),
    Question(
        "Which request of 2 MiB is wrong from its middle on?",
        (
            Option("One that begins at 4096 MiB.", "All of its chunks are beyond the border."),
            Option(
                "One that begins at 4095 MiB.",
                "Each chunk has a block number of its own, and the later half of them overflow.",
                True,
            ),
            Option("None: a request goes to one place.", "It goes out in chunks of 512 KiB, each divided and shifted."),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "place": Guesses(
        1024,
        {
            5120: "There it belongs, and there the kernel after puts it. Before, the place goes through 32 bits.",
            0: "At 4096 MiB the count begins again. This request lies beyond that.",
            3072: "That is 2 GiB lower, as if the border were that of a number with a sign. What is lost is a "
            "multiple of 4096 MiB.",
            4096: "At 4096 MiB the count begins again with 0.",
        },
    ),
}
