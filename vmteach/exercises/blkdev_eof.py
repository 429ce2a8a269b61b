"""Exercises of blkdev_eof: two roundings, half of a repair, and an error that was better than none."""

from collections.abc import Mapping
from typing import Any

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, misfit, not_yet, right
from vmteach.machine import PRESETS
from vmteach.patches.blkdev_eof import (
    CONTROLS,
    PATCHED,
    POLICIES,
    UNPATCHED,
    Policy,
    Rounding,
    Scenario,
    lost,
    simulate,
)

NEEDS = """\
from dataclasses import replace
from vmteach.patches import blkdev_eof
from vmteach.patches.blkdev_eof import UNPATCHED, POLICIES, Rounding, Scenario
"""

LOST, ZEROS = "bytes lost (B)", "bytes read as zeros (B)"


# ---- roundings


def check_roundings(count: Any, _: Mapping[str, Any]) -> Verdict:
    for up in (True, False):
        rounding = Rounding.UP if up else Rounding.DOWN
        way = "up" if up else "down"
        for kib, per in ((8, 4), (1001, 4), (1000, 4), (3, 4), (7, 2), (5, 1)):
            got, expected = count(kib, per, up), rounding.of(kib, per)
            if problem := misfit(got, int):
                return not_yet(problem)
            if got == expected:
                continue
            where = f"{kib} KiB in blocks of {per} KiB, rounded {way}: {got} blocks"
            if got == expected + 1 and kib % per == 0:
                return not_yet(f"{where}. Nothing straddles the end there.")
            if got == rounding.of(kib, per) - 1:
                return not_yet(f"{where}. Look at the last KiB.")
            return not_yet(f"{where}.")
    return right("Both ways, for every size.")


ROUNDINGS = Task(
    name="roundings",
    rung="fill one line",
    minutes=4,
    asks="`count(kib, per, up)` is to say how many blocks of `per` KiB a device of `kib` KiB has. With `up` "
    "true the block "
    "that straddles the end counts, else it does not.",
    stub="""\
def count(kib, per, up):
    return ...  # blocks
""",
    answer="count",
    solution="""\
def count(kib, per, up):
    return -(-kib // per) if up else kib // per
""",
    hints=(
        "`//` divides and rounds down. When is there one block more that it does not count?",
        "There is one more exactly if the division has a remainder.",
        "Minus seven divided by four and rounded down is minus two; so rounding down can round up, too.",
    ),
    reason="Rounding down leaves out the part of a block at the end; rounding up takes it for a whole one.",
    wrong_turn="To add one to the quotient, always. That invents a block whenever the size is a whole number of them.",
    kernel="Before, the look-up rounded up, for blocks larger than 1 KiB, and the last check did not know.",
    check=check_roundings,
)


# ---- half


def check_half(mine: Any, given: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Policy):
        return not_yet("Hand in a policy, made with `replace(...)`.")
    if mine.unit != 1024 or mine.shortens or mine.read_blocks is not Rounding.DOWN:
        return not_yet("Keep the rest as it is: the sizes in KiB, reads rounded down, and nothing shortened.")
    device = Scenario(sectors=given["sectors"], block=4096)
    if gone := simulate(device, mine).numbers[LOST]:
        return not_yet(f"{gone} bytes still give EIO. Which layer says so now?")
    if mine.write_blocks is not Rounding.DOWN:
        return not_yet("All is read. But what do the two counts say to a write of the last block?")
    return right("The page can be read, and the block in it that is not all inside cannot be written.")


HALF = Task(
    name="half",
    rung="change one rule",
    minutes=5,
    asks="Somebody rounds down in the look-up and leaves the rest; on a device of $sectors sectors the tail "
    "is as lost as "
    "before. Change **one more thing** in `mine`, so that the last page can be read.",
    stub="""\
half = replace(POLICIES[UNPATCHED], read_blocks=Rounding.DOWN, write_blocks=Rounding.DOWN)
mine = replace(half)  # change one more thing
""",
    answer="mine",
    solution="""\
half = replace(POLICIES[UNPATCHED], read_blocks=Rounding.DOWN, write_blocks=Rounding.DOWN)
mine = replace(half, behind=blkdev_eof.Lookup.HOLE)
""",
    hints=(
        "A block that does not count is asked for all the same. What does it get for an answer?",
        "`help(blkdev_eof.Policy)` has a line for each field; change one with `replace(half, field=...)`. "
        "`blkdev_eof.Lookup` has three answers.",
        "In the list of layers: a refused buffer spoils its page. A buffer of zeros does not.",
    ),
    reason="With rounding alone the block gets its `EIO` from layer 2 instead of layer 4. It is the answer "
    "that has to change.",
    wrong_turn="To think that the layers only had to agree. They agree now, on the wrong answer.",
    kernel="Linux 2.6 took just this in March 2004: rounded down, and a hole for reads. Until then its look-up "
    "answered `EIO`, as `half` does; that it rounded down before is inferred from later trees.",
    check=check_half,
    variants=({"sectors": 2002}, {"sectors": 2004}, {"sectors": 2006}),
)


# ---- silent


def check_silent(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Scenario):
        return not_yet("Hand in a `Scenario(...)`.")
    if mine.sectors > 4096:
        return not_yet("Take a device of at most 4096 sectors.")
    numbers = simulate(mine, POLICIES[PATCHED]).numbers
    if not numbers[ZEROS]:
        missing = " Its odd last sector is missing, as under every kernel of 2.4." if mine.sectors % 2 else ""
        return not_yet(f"Every byte that was read is true: no block of this device straddles its end.{missing}", 0)
    return right(f"{numbers[ZEROS]} bytes of the backup are wrong, and nobody is told.", numbers[ZEROS])


SILENT = Task(
    name="silent",
    rung="break it",
    minutes=6,
    asks="A backup program reads the whole device. Before, it stops with an error, and somebody notices. "
    "Find a device of at "
    "most 4096 sectors on which the backup made under **after: hole** has zeros in place of bytes that the disk "
    "holds, with no error at all. The score is the number of those bytes.",
    stub="""\
mine = Scenario(sectors=2000, block=4096)  # your device
""",
    answer="mine",
    solution="""\
mine = Scenario(sectors=2006, block=4096)
""",
    hints=(
        "The wrong bytes are the part of the last block that lies on the disk.",
        "How long can that part be, if it is not the whole block?",
        "With blocks of 2 KiB the most is 1 KiB: the size is kept in KiB.",
    ),
    reason="Three of the last block's four KiB are on the disk, and all three read as zeros, when 6 or 7 "
    "sectors are left "
    "beyond a multiple of 8.",
    wrong_turn="To look for larger pages. After the patch a page is no longer spoiled as a whole.",
    kernel="This is what the words `(write not)` guard against: zeros that were changed and written back "
    "would destroy the "
    "disk's last bytes. The other reading of the patch, **tail**, has no such price.",
    check=check_silent,
)

EXERCISES = (ROUNDINGS, HALF, SILENT)


# ---- the explorer


def check_straddle(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if state["block"] != 2048:
        return not_yet("The blocks are to have 2048 bytes.")
    if PRESETS[state["machine"]].page != 4096:
        return not_yet("The pages are to have 4 KiB.")
    if not numbers[UNPATCHED][LOST]:
        return not_yet("Nothing is lost: the blocks fill this device exactly.")
    return right(f"{numbers[UNPATCHED][LOST]} bytes are lost: an odd number of KiB.")


def check_most(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    here = numbers[UNPATCHED][LOST]
    stops = {control.field: control.stops for control in CONTROLS}
    pages = {machine.page for machine in PRESETS.values()}
    every = (lost(s, b, p) for s in stops["sectors"] for b in stops["block"] for p in pages)
    if here < max(every):
        return not_yet(f"{here} bytes are lost here. It can cost more.")
    return right(f"One block costs {here} bytes, most of them in good blocks.")


GOALS = (
    Goal(
        name="straddle",
        asks="With blocks of 2048 bytes and pages of 4 KiB: a device of which the kernel before loses bytes.",
        check=check_straddle,
        hints=(
            "A block of 2 KiB straddles the end of which sizes?",
            "The size counts in whole KiB. Which of them are odd?",
        ),
        reason="2002, 2003 or 2006 sectors: 1001 or 1003 KiB.",
        needs=(UNPATCHED,),
    ),
    Goal(
        name="most",
        asks="The most bytes that one straddling block can cost on this panel.",
        check=check_most,
        hints=("What is lost with the block?", "Which machine has larger pages? And where in its page is the end?"),
        reason="The 64-bit machine, whose pages have 16 KiB, with 2006 sectors: 11 KiB, of which 8 are good.",
        needs=(UNPATCHED,),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "Why can a device in blocks of 1 KiB never be hit?",
        (
            Option("Small blocks are not checked.", "They pass the same four layers."),
            Option(
                "The size is a whole number of KiB, so that no block straddles the end.",
                "And so the layers agree.",
                True,
            ),
            Option("The spare sector of the last check rescues them.", "It never has to: they end at the size."),
        ),
    ),
    Question(
        "Why does the spare sector never rescue a block that straddles?",
        (
            Option(
                "Such a block ends a whole KiB, two sectors, or more beyond the size.", "And one is forgiven.", True
            ),
            Option("It is only for writes.", "The last check does not ask what a request is for."),
            Option("There is none on even sizes.", "The limit is one sector beyond the size on every device."),
        ),
    ),
    Question(
        "What do both readings of the patch promise?",
        (
            Option("That the tail is true data.", "One of them gives zeros."),
            Option("That the device is one block longer.", "Nothing beyond the end is ever read or written."),
            Option(
                "The last page can be read, and a block that is not all inside cannot be written.",
                "That is all that its one line says.",
                True,
            ),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "lost": Guesses(
        10_240,
        {
            0: "2004 sectors are 250 blocks and a half: the last one sticks out.",
            1024: "That is what the disk before lost. This one ends 1 KiB later, and the pages are larger.",
            2048: (
                "That is what the disk has of the block that sticks out. But a block is read as part of its page, "
                "and two whole blocks of this disk stand in that page."
            ),
            4096: "A whole block. Only half of it is on the disk; and the page that it stands in has two more.",
            8192: "Those are the two good blocks of the page. What the disk has of the third is lost with them.",
            12_288: "Three whole blocks. Of the third only half is on the disk.",
            16_384: "A whole page. The disk ends inside it.",
        },
    ),
}
