"""Exercises of overflow_buffers: what a word keeps, how large a unit may be, and a wrap that is reached."""

from collections.abc import Mapping
from typing import Any

from vmteach.exercises import Verdict, misfit, not_yet, right, written
from vmteach.machine import GIB, KIB, PRESETS
from vmteach.patches.overflow_buffers import PATCHED, POLICIES, UNPATCHED, WAITS, Listed, Policy, Scenario, simulate

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


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "overflow_buffers",
    checks={
        "seen": check_seen,
        "unit": check_unit,
        "forget": check_forget,
        "truth": check_truth,
        "smallest": check_smallest,
    },
    variants={
        "seen": tuple(
            {"unit": unit, "size": size} for unit, size in ((1, "1 byte"), (512, "512 bytes"), (64, "64 bytes"))
        ),
        "unit": ({"least": 512, "shift": 9}, {"least": 2048, "shift": 11}, {"least": 1024, "shift": 10}),
    },
)
