"""Exercises of mremap: a check of the arguments, a rule that refuses early, an error that destroys."""

import errno
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product

from vmteach.exercises import Answer, Faults, Given, Numbers, Position, Verdict, check, misfit, not_yet, right, written
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


@check
def check_refuse(refuse: Answer, _: Given) -> Faults:
    answers = {what: refuse(call) for what, call in CALLS.items()}
    for answer in answers.values():
        yield misfit(answer, bool, int)
    refused, bad = {what for what, answer in answers.items() if answer}, _bad()
    yield not refused, "That refuses nothing. The call that makes a mapping without a byte goes through."
    for what in CALLS:
        yield what in refused - bad, f"That refuses {what}, which has to go on working."
    for what, call in CALLS.items():
        ask = "What is left when step 4 looks?" if call.old_len else "How long is the mapping that it makes?"
        yield what in bad - refused, f"That lets {what} through. {ask}"
    return right("It needs the arguments alone, and it comes before anything is unmapped.")


def _bad() -> set[str]:
    """The calls that the fix of the zero length, and nothing else, refuses."""
    space, kernels = Scenario(call="move", below_limit=8).space, (UNPATCHED, "fix of the zero length")

    def results(call: Call) -> set[int]:
        return {mremap.do_mremap(space.copy(), call, POLICIES[label]) for label in kernels}

    return {what for what, call in CALLS.items() if len(results(call)) > 1}


class Unfit(Exception):
    """What the learner's rule did that no call may do."""


@check
def check_careful(careful: Answer, _: Given) -> Faults:
    def procedure(space: AddressSpace, call: Call, policy: Policy) -> int:
        limit = space.limit
        result = careful(space, call, POLICIES[PATCHED])
        if wrong := misfit(result, int) or _no_result(result, space.page):
            raise Unfit(wrong)
        if space.limit != limit:
            raise Unfit("Your rule has changed the limit itself. It may only refuse.")
        return int(result)

    as_after = _tried(POLICIES[PATCHED])
    try:
        mine = _tried(replace(POLICIES[PATCHED], procedure=procedure))
    except Unfit as unfit:
        return not_yet(str(unfit))
    for room in range(8):
        numbers, usual, where = mine[MIDDLE, room], as_after[MIDDLE, room], f"With room for {room} more"
        yield "I3" in numbers["broken"], f"{where} it gives an error, and something has been done by then."
        yield numbers["broken"] != "none", f"{where} {numbers['broken']} is still broken."
        if usual["broken"] == "none" and numbers["returned"] != usual["returned"]:
            yield f"{where} nothing would break, and yours gives {numbers['returned']}."
    for (name, room), numbers in mine.items():
        stays = as_after[name, 7]["returned"] == hex(Scenario(call=name).arguments.addr)
        if stays and numbers["returned"] != as_after[name, room]["returned"]:
            yield f"`{name}` moves nothing. With room for {room} more yours gives {numbers['returned']}."
    return right("Refused while nothing has happened yet, and only where the last unmapping would fail.")


def _no_result(result: int, page: int) -> str:
    """Why no call returns such a number; empty for an error or an address."""
    if result < 0:
        return "" if -result in errno.errorcode else f"{result} is no error that the kernel has."
    return f"{result} is no address of a page, and errors are below 0." if result % page else ""


def _tried(policy: Policy) -> Mapping[tuple[str, int], Given]:
    calls = product(CASES, range(8))
    return {(name, n): simulate(Scenario(call=name, below_limit=n), policy).numbers for name, n in calls}


@check
def check_lost(mine: Answer, given: Given) -> Faults:
    if any(misfit(value, int) for value in mine):
        yield "Hand in a `Call(...)` of whole numbers: addr, old_len, new_len, flags, new_addr."
    if min(mine) < 0 or max(mine) > 0x100000:
        yield "Keep addresses and lengths between 0 and 0x100000. Everything of interest is there."
    space = AddressSpace()
    do_mmap(space, S, given["s"] << 12, "rw-", fill="s")
    do_mmap(space, given["at"], given["d"] << 12, "r--", fill="d")
    result = mremap.do_mremap(space, mine, POLICIES[PATCHED])
    lost = given["s"] + given["d"] - len(space.pages)
    yield result >= 0, "The call succeeds. It is to give an error."
    yield not lost, f"{name_of(result)}, and no page is gone: here it is refused in time."
    return right(f"{name_of(result)}, and yet pages are gone. The score counts them.", lost)


def least(label: str, number: str, short: str, praise: str) -> Callable[..., Verdict]:
    """The check for the least room with which this number of this kernel is no longer `short`."""

    @check
    def enough(state: Position, numbers: Numbers) -> Faults:
        yield state["call"] != ONTO, f"The call is to be `{ONTO}`."
        yield numbers[label][number] == short, f"{KERNELS[label]}: {number} {short}."
        less = simulate(Scenario(call=ONTO, below_limit=state["below_limit"] - 1), POLICIES[label])
        yield less.numbers[number] != short, "That is so here. But with less room it is so too."
        return right(praise)

    return enough


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
