"""Exercises of mremap: a check of the arguments, a rule that refuses early, an error that destroys."""

import errno
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, misfit, not_yet, right
from vmteach.patches import mremap
from vmteach.patches.mremap import (
    CASES,
    PATCHED,
    POLICIES,
    TODAY,
    UNPATCHED,
    AddressSpace,
    Call,
    Policy,
    Scenario,
    simulate,
)

NEEDS = "from vmteach.patches import mremap\nfrom vmteach.patches.mremap import Call\n"

MIDDLE, ONTO = "move out of the middle", "move into a mapping"


# ---- refuse

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


def check_refuse(refuse: Any, _: Mapping[str, Any]) -> Verdict:
    answers = {what: refuse(call) for what, call in CALLS.items()}
    if wrong := next(filter(None, (misfit(answer, bool, int) for answer in answers.values())), ""):
        return not_yet(wrong)
    if not any(answers.values()):
        return not_yet("That refuses nothing. The call that makes a mapping without a byte goes through.")
    for what, call in CALLS.items():
        if answers[what] and not _cured(call):
            return not_yet(f"That refuses {what}, which has to go on working.")
    missed = next((what for what, call in CALLS.items() if _cured(call) and not answers[what]), "")
    if missed:
        asks = (
            "How long is the mapping that it makes?" if not CALLS[missed].old_len else "What is left when step 4 looks?"
        )
        return not_yet(f"That lets {missed} through. {asks}")
    return right("It needs the arguments alone, and it comes before anything is unmapped.")


def _cured(call: Call) -> bool:
    """Whether the fix of the zero length, and nothing else, refuses this call."""
    space = Scenario(call="move", below_limit=8).space
    results = [mremap.do_mremap(space.copy(), call, POLICIES[label]) for label in (UNPATCHED, "fix of the zero length")]
    return results[0] != results[1]


REFUSE = Task(
    name="refuse",
    rung="fill one line",
    minutes=4,
    asks="Write the condition of the first fix: true for a `FIXED` call that would move a length of zero somewhere "
    "else, false for every other call. A call has `addr`, `old_len`, `new_len`, `flags`, `new_addr`, and `fixed` "
    "(true or false).",
    stub='''\
def refuse(call):
    """Whether the first fix refuses a call with these arguments."""
    return ...
''',
    answer="refuse",
    solution='''\
def refuse(call):
    """Whether the first fix refuses a call with these arguments."""
    return call.fixed and call.new_len == 0 and call.new_addr != call.addr
''',
    hints=(
        "Which of the two lengths is the length of the mapping that is made?",
        "The length alone is too much: `empty in place` and `empty onto itself` must go on working. Where do they end?",
        "In `empty onto itself` the flag `FIXED` is set, and the place that is named is where the mapping stands "
        "already. So neither the length nor the flag decides it.",
    ),
    reason="Three things must come together: a place is named, it is another place, and what is to stand there has no "
    "length.",
    wrong_turn="To look at `old_len`. With an old length of zero and a new one of four pages a proper mapping is made, "
    "and 2.4 allows that. It is the new mapping that must not be empty.",
    kernel="2.4.24 has this condition in step 2. Today a new length of zero is refused in every call.",
    check=check_refuse,
)


# ---- careful


class Unfit(Exception):
    """What the learner's rule did that no call may do."""


def check_careful(careful: Any, _: Mapping[str, Any]) -> Verdict:
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
            return not_yet(f"With {room} below the limit it gives an error, and something has been done by then.")
        if numbers["broken"] != "none":
            return not_yet(f"With {room} below the limit {numbers['broken']} is still broken.")
        if usual["broken"] == "none" and numbers["returned"] != usual["returned"]:
            return not_yet(f"With {room} below the limit nothing would break, and yours gives {numbers['returned']}.")
    for (name, room), numbers in mine.items():
        stays = as_after[name, 7]["returned"] == hex(Scenario(call=name).arguments.addr)
        if stays and numbers["returned"] != as_after[name, room]["returned"]:
            return not_yet(f"`{name}` moves nothing. With {room} below the limit yours gives {numbers['returned']}.")
    return right("Refused while nothing has happened yet, and only where the last unmapping would fail.")


def _tried(policy: Policy) -> Mapping[tuple[str, int], Mapping[str, Any]]:
    calls = product(CASES, range(8))
    return {(name, n): simulate(Scenario(call=name, below_limit=n), policy).numbers for name, n in calls}


CAREFUL = Task(
    name="careful",
    rung="change one rule",
    minutes=7,
    asks="With both fixes in, `move out of the middle` still breaks I4 when the list is nearly full. Write a rule that "
    "refuses with `mremap.ENOMEM` before anything has happened, so that I4 is never broken by that call. Where it does "
    "no harm today it must still succeed, and calls that move nothing must not notice your rule. `space.limit` and "
    "`space.map_count` say how full the list is.",
    stub="""\
def careful(space, call, policy):
    # your rule
    return mremap.do_mremap(space, call, policy)
""",
    answer="careful",
    solution="""\
def careful(space, call, policy):
    if call.elsewhere and space.limit - space.map_count < 2:
        return mremap.ENOMEM
    return mremap.do_mremap(space, call, policy)
""",
    hints=(
        "Count the mappings through step 6: what is entered, and what does the last unmapping leave?",
        "`do_munmap` wants the count to be below the limit **before** it makes the hole, and by then the new range is "
        "in the list. As for calls that move nothing: `call.elsewhere` tells them.",
        "`shrink in the middle` enters no range. It makes one hole, so it works as soon as there is room for one more.",
    ),
    reason="Two mappings are added: the new range, and the second half of the old one. With room for both, the last "
    "unmapping cannot fail for want of a place.",
    wrong_turn="To look at the answer of the last unmapping and to return it. By then the entries have been carried "
    "over: the call would fail with half its work done, which breaks I3.",
    kernel="Today's kernel asks for more, since its target may need a hole too: a `FIXED` call is refused unless six "
    "mappings may still be made. It still does not look at that last answer.",
    check=check_careful,
)


# ---- lost


def check_lost(mine: Any, given: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Call) or any(misfit(value, int) for value in mine):
        return not_yet("Hand in a `Call(...)` of whole numbers: addr, old_len, new_len, flags, new_addr.")
    if min(mine) < 0 or max(mine) > 0x100000:
        return not_yet("Keep addresses and lengths between 0 and 0x100000. Everything of interest is there.")
    space = AddressSpace()
    mremap.do_mmap(space, S, given["s"] << 12, "rw-", fill="s")
    mremap.do_mmap(space, given["at"], given["d"] << 12, "r--", fill="d")
    result = mremap.do_mremap(space, mine, POLICIES[PATCHED])
    lost = given["s"] + given["d"] - len(space.pages)
    if result >= 0:
        return not_yet("The call succeeds. It is to give an error.")
    if not lost:
        return not_yet(f"{mremap.name_of(result)}, and no page is gone: here it is refused in time.")
    return right(f"{mremap.name_of(result)}, and yet pages are gone. The score counts them.", lost)


LOST = Task(
    name="lost",
    rung="break it",
    minutes=7,
    asks="Both fixes are in. Find a call that gives an **error** and yet takes pages away, as many as you can. The "
    "address space holds `s`, $s pages from 0x10000 on, and `d`, $d pages from $where on; a page has 0x1000 bytes, and "
    "the list has room. The score is how many pages are gone.",
    stub="""\
mine = Call(addr=0x10000, old_len=0x4000, new_len=0x4000, flags=3, new_addr=0x80000)  # change me
""",
    answer="mine",
    solution="""\
mine = Call(addr=0x8000, old_len=$old, new_len=$new, flags=3, new_addr=$where)
""",
    hints=(
        "Two steps unmap something before step 4 can say no. Which two, and what do they unmap?",
        "The target is emptied whatever the source is. The tail may be far longer than any mapping.",
        "An `addr` with nothing mapped at it makes step 4 say no in any case: `addr=0x30000`, one page, moved onto "
        "`d`, gives EFAULT, and one page of `d` is gone. Now let the tail reach over `s` as well.",
    ),
    reason="Step 2 clears all of `d`. Step 3 unmaps the tail, from 0x10000 on, and with it all of `s`. Step 4 "
    "finds no mapping at 0x8000: EFAULT, with nothing left.",
    wrong_turn="To make the arguments senseless, so that an error is certain. The arguments are checked first, and "
    "then nothing is lost.",
    kernel="The fixes check results, one by one. What was missing is an order: look at everything first, then act. "
    "Since 6.17 the source is looked at first.",
    check=check_lost,
    variants=tuple(
        {"s": s, "d": d, "at": at, "where": hex(at), "old": hex(at - 0x8000), "new": hex(d << 12)}
        for s, d, at in ((4, 8, 0x40000), (6, 3, 0x20000), (5, 10, 0x60000))
    ),
)

EXERCISES = (REFUSE, CAREFUL, LOST)


# ---- the explorer


def least(label: str, number: str, short: str, praise: str) -> Callable[..., Verdict]:
    """The check for the least room with which this number of this kernel is no longer `short`."""

    def check(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
        if state["call"] != ONTO:
            return not_yet(f"The call is to be `{ONTO}`.")
        if numbers[label][number] == short:
            return not_yet(f"The kernel {label}: {number} {short}.")
        less = Scenario(call=ONTO, below_limit=state["below_limit"] - 1)
        if simulate(less, POLICIES[label]).numbers[number] != short:
            return not_yet("That is so here. But with less room it is so too.")
        return right(praise)

    return check


GOALS = (
    Goal(
        name="sound",
        asks=f"With `{ONTO}`: the smallest number below the limit at which the kernel before breaks nothing.",
        check=least(UNPATCHED, "broken", "I2, I5", "There is a place for the second half of `d`."),
        hints=("Start at 0 and go up.", "What has step 2 to make at the target, and what does that take?"),
        reason="One. The target lies inside `d`, so a hole is needed, and a hole adds one mapping. The limit is soft, "
        "so that the new range itself still goes in.",
        needs=(UNPATCHED,),
    ),
    Goal(
        name="today",
        asks=f"With `{ONTO}`: the smallest number below the limit at which today's kernel moves at all.",
        check=least(TODAY, "returned", "ENOMEM", "It wants room for all that the whole call might add."),
        hints=("Today's kernel counts before it acts, and counts what might be needed.", "Go up from 0, stop by stop."),
        reason="Six. Clearing the target and cutting the source may add two, and then there must still be more than "
        "three places left.",
        needs=(TODAY,),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "Why does the second fix look at the answer of `do_munmap` only if there was something to unmap?",
        (
            Option("To save time.", "It costs a comparison more. What does `do_munmap` answer to a length of zero?"),
            Option(
                "An ordinary move unmaps an empty tail.", "That gives `EINVAL`, and the move would fail with it.", True
            ),
            Option("An empty range is the first flaw.", "That is an empty **mapping**. An empty tail is ordinary."),
        ),
    ),
    Question(
        "Which unmapping needs a place in the list?",
        (
            Option("Every one.", "Unmapping a whole mapping gives a place back."),
            Option("One that cuts off an end.", "One mapping stays one mapping; only its border moves."),
            Option("One that makes a hole.", "One mapping becomes two, and only then is there one more.", True),
        ),
    ),
    Question(
        "Which step still throws an answer away, after both fixes and today?",
        (
            Option("The unmapping of the old range.", "Today's kernel makes sure beforehand that it has room.", True),
            Option("The one that clears the target.", "Its answer has been returned since the second fix."),
            Option("The one that unmaps the tail.", "Not any more: the second fix looks at it, unless it is empty."),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "cut-and-move": Guesses(
        "I5",
        {
            "I1": "Both mappings that are left begin and end where a mapping may.",
            "I2": "The two mappings that are left lie apart, and the count says two.",
            "I3": (
                "That is about calls that fail. This one reports success: nobody looked at the failure in the middle."
            ),
            "I4": "What the caller asked for did happen. It is what came along that breaks a rule.",
            "none": "Four pages came along into a mapping of two.",
        },
    ),
}
