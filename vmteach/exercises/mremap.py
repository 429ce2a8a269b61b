"""Exercises of mremap: a check of the arguments, a rule that refuses early, an error that destroys."""

import errno
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product

from vmteach.exercises import Answer, Given, Numbers, Position, Verdict, misfit, not_yet, right, written
from vmteach.kernel.mm import AddressSpace, Call
from vmteach.kernel.mmap import do_mmap
from vmteach.kernel.sound import name_of
from vmteach.patches import mremap
from vmteach.patches.mremap import CASES, PATCHED, POLICIES, TODAY, UNPATCHED, Policy, Scenario, simulate

KERNELS = {UNPATCHED: "The unpatched kernel", TODAY: "Today's kernel"}
MIDDLE, ONTO = "move out of the middle", "move into a mapping"


S, D, LEN = 0x10000, 0x40000, 0x4000
CALLS = {  # in the order in which they are asked
    "an ordinary move of 4 pages": Call(S, LEN, LEN, 3, D),
    "a move of 4 pages that cuts them down to 1": Call(S, LEN, 0x1000, 3, D),
    "a move of 4 pages that cuts them down to 100 bytes, so to one page": Call(S, LEN, 100, 3, D),
    "a move of nothing that is to become 4 pages": Call(S, 0, LEN, 3, D),
    "emptying 4 pages in place (no `FIXED`)": Call(S, LEN, 0, 0),
    "emptying 4 pages with `MAYMOVE` alone, with some number in `new_addr`": Call(S, LEN, 0, 1, D),
    "emptying 4 pages onto their own place (`FIXED`)": Call(S, LEN, 0, 3, S),
    "a move of nothing, both lengths zero": Call(S, 0, 0, 3, D),
    "a move of 4 pages as none": Call(S, LEN, 0, 3, D),
}


def check_refuse(refuse: Answer, _: Given) -> Verdict:
    answers = {what: refuse(call) for what, call in CALLS.items()}
    if wrong := next(filter(None, (misfit(answer, bool, int) for answer in answers.values())), ""):
        return not_yet(wrong)
    refused = {what for what, answer in answers.items() if answer}
    if not refused:
        return not_yet("That refuses nothing. The call that makes a mapping without a byte goes through.")
    bad = _bad()
    for what in filter((refused - bad).__contains__, CALLS):
        return not_yet(f"That refuses {what}, which has to go on working.")
    for what in filter((bad - refused).__contains__, CALLS):
        how_long, what_left = "How long is the mapping that it makes?", "What is left when step 4 looks?"
        return not_yet(f"That lets {what} through. {what_left if CALLS[what].old_len else how_long}")
    return right("It needs the arguments alone, and it comes before anything is unmapped.")


def _bad() -> set[str]:
    """The calls that the fix of the zero length, and nothing else, refuses."""
    space, kernels = Scenario(call="move", below_limit=8).space, (UNPATCHED, "fix of the zero length")

    def results(call: Call) -> set[int]:
        return {mremap.do_mremap(space.copy(), call, POLICIES[label]) for label in kernels}

    return {what for what, call in CALLS.items() if len(results(call)) > 1}


class Unfit(Exception):
    """What the learner's rule did that no call may do."""


def check_careful(careful: Answer, _: Given) -> Verdict:
    def procedure(space: AddressSpace, call: Call, policy: Policy) -> int:
        limit = space.limit
        result = careful(space, call, POLICIES[PATCHED])
        wrong = misfit(result, int)
        if not wrong and result < 0 and -result not in errno.errorcode:
            wrong = f"{result} is no error that the kernel has."
        if not wrong and result > 0 and result % space.page:
            wrong = f"{result} is no address of a page, and errors are below 0."
        if wrong or space.limit != limit:
            raise Unfit(wrong or "Your rule has changed the limit itself. It may only refuse.")
        return int(result)

    try:
        mine = _tried(replace(POLICIES[PATCHED], procedure=procedure))
    except Unfit as unfit:
        return not_yet(str(unfit))
    as_after = _tried(POLICIES[PATCHED])
    for room in range(8):
        numbers, usual = mine[MIDDLE, room], as_after[MIDDLE, room]
        if "I3" in numbers["broken"]:
            return not_yet(f"With room for {room} more it gives an error, and something has been done by then.")
        if numbers["broken"] != "none":
            return not_yet(f"With room for {room} more {numbers['broken']} is still broken.")
        if usual["broken"] == "none" and numbers["returned"] != usual["returned"]:
            return not_yet(f"With room for {room} more nothing would break, and yours gives {numbers['returned']}.")
    for (name, room), numbers in mine.items():
        stays = as_after[name, 7]["returned"] == hex(Scenario(call=name).arguments.addr)
        if stays and numbers["returned"] != as_after[name, room]["returned"]:
            return not_yet(f"`{name}` moves nothing. With room for {room} more yours gives {numbers['returned']}.")
    return right("Refused while nothing has happened yet, and only where the last unmapping would fail.")


def _tried(policy: Policy) -> Mapping[tuple[str, int], Given]:
    calls = product(CASES, range(8))
    return {(name, n): simulate(Scenario(call=name, below_limit=n), policy).numbers for name, n in calls}


def check_lost(mine: Answer, given: Given) -> Verdict:
    if any(misfit(value, int) for value in mine):
        return not_yet("Hand in a `Call(...)` of whole numbers: addr, old_len, new_len, flags, new_addr.")
    if min(mine) < 0 or max(mine) > 0x100000:
        return not_yet("Keep addresses and lengths between 0 and 0x100000. Everything of interest is there.")
    space = AddressSpace()
    do_mmap(space, S, given["s"] << 12, "rw-", fill="s")
    do_mmap(space, given["at"], given["d"] << 12, "r--", fill="d")
    result = mremap.do_mremap(space, mine, POLICIES[PATCHED])
    lost = given["s"] + given["d"] - len(space.pages)
    if result >= 0:
        return not_yet("The call succeeds. It is to give an error.")
    if not lost:
        return not_yet(f"{name_of(result)}, and no page is gone: here it is refused in time.")
    return right(f"{name_of(result)}, and yet pages are gone. The score counts them.", lost)


def least(label: str, number: str, short: str, praise: str) -> Callable[..., Verdict]:
    """The check for the least room with which this number of this kernel is no longer `short`."""

    def check(state: Position, numbers: Numbers) -> Verdict:
        if state["call"] != ONTO:
            return not_yet(f"The call is to be `{ONTO}`.")
        if numbers[label][number] == short:
            return not_yet(f"{KERNELS[label]}: {number} {short}.")
        less = Scenario(call=ONTO, below_limit=state["below_limit"] - 1)
        if simulate(less, POLICIES[label]).numbers[number] != short:
            return not_yet("That is so here. But with less room it is so too.")
        return right(praise)

    return check


check_sound = least(UNPATCHED, "broken", "I2, I5", "There is a place for the second half of `d`.")
check_today = least(TODAY, "returned", "ENOMEM", "It wants room for all that the whole call might add.")

NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "mremap",
    globals(),
    lost=tuple(
        {"s": s, "d": d, "at": at, "where": hex(at), "old": hex(at - 0x8000), "new": hex(d << 12)}
        for s, d, at in ((4, 8, 0x40000), (6, 3, 0x20000), (5, 10, 0x60000))
    ),
)
