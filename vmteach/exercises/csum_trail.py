"""Exercises of csum_trail: what a load touches, a tail that stays within its buffer, and what the fix costs."""

from collections.abc import Callable

from vmteach.exercises import Answer, Given, Numbers, Position, Verdict, are, misfit, not_yet, right, written
from vmteach.machine import PRESETS
from vmteach.patches.csum_trail import PATCHED, POLICIES, UNPATCHED, Loaded, schedule, simulate

PAGE = 4096
BEYOND = "bytes touched in the next page (B)"


def _bytes(count: int) -> str:
    return f"{count} byte{'s' * (count != 1)}"


def _span(load: Loaded) -> tuple[int, int]:
    return load.address, load.address + load.width - 1


def check_touched(touched: Answer, given: Given) -> Verdict:
    if not are(touched, 2, int):
        return not_yet("Write two whole numbers: the first byte that the load touches, and the last one.")
    first, last = map(int, touched)
    if first > last:
        return not_yet("The first of the two is to be the lower one.")
    loads = list(schedule(given["start"], given["length"], POLICIES[UNPATCHED]))
    final = loads[-1]
    if (first, last) == _span(final):
        return right(f"A load of {_bytes(final.width)}, {max(0, last + 1 - PAGE)} of them in the next page.")
    if (first, last) in map(_span, loads):
        return not_yet("This kernel makes that load, but it is not its last one.")
    if (first, last) == (final.address, final.address + final.kept - 1):
        return not_yet("Those bytes are added to the sum. Which ones are loaded?")
    if (count := last + 1 - first) not in (1, 2, 4):
        return not_yet(f"You name {count} bytes. A load has 1, 2 or 4.")
    if (first, last) == _span(list(schedule(given["start"], given["length"], POLICIES[PATCHED]))[-1]):
        return not_yet("The patched kernel ends with that load. The unpatched prologue looks at fewer bits.")
    return not_yet("No load of this kernel is like that. Go through the prologue first: how many bytes does it use up?")


def _numbers(start: int, length: int) -> dict[str, int]:
    """A buffer, and the bytes of the last load as the model makes it."""
    first, last = _span(list(schedule(start, length, POLICIES[UNPATCHED]))[-1])
    return {"start": start, "length": length, "first": first, "last": last}


def _walked(width: Callable[[int, int], Answer], address: int, left: int) -> tuple[int, int] | str:
    """How many loads the rule makes, and the byte that they reach; or why they cannot be made."""
    loads, at, end = 0, address, address + left
    while at < end:
        got = width(at, end - at)
        if problem := misfit(got, int):
            return problem
        if got not in (1, 2, 4):
            return f"A load has 1, 2 or 4 bytes, and your rule asks for {got}."
        loads, at = loads + 1, at + got
    return loads, at


def check_tail(width: Answer, _: Given) -> Verdict:
    made = []
    for end in (100, 101, 102, 103, *range(PAGE - 3, PAGE + 1)):
        for left in (1, 2, 3):
            walked = _walked(width, end - left, left)
            if isinstance(walked, str):
                return not_yet(walked)
            made.append((end, f"{_bytes(left)} left from byte {end - left} on", *walked, left.bit_count()))
    for _end, where, _loads, reached, _fewest in made:
        if reached > PAGE:
            return not_yet(f"With {where}, you touch {_bytes(reached - PAGE)} of the next page.")
    for end, where, _loads, reached, _fewest in made:
        if reached > end:
            behind = _bytes(reached - end)
            return not_yet(f"No load leaves the page. But with {where}, you touch {behind} past the buffer.")
    for _end, where, loads, _reached, fewest in made:
        if loads > fewest:
            return not_yet(f"Nothing past the buffer is touched. But with {where}, you make {loads} loads: too many.")
    return right("No byte past the buffer is touched, and no load is made in vain. The address does not matter.")


def check_cost(mine: Answer, _: Given) -> Verdict:
    if mine.machine not in PRESETS.values():
        return not_yet("Take a machine of the panel, as it is.")
    before, after = (simulate(mine, POLICIES[label]).numbers for label in (UNPATCHED, PATCHED))
    if before["oops"] == "yes":
        return not_yet("The unpatched kernel has an oops there. No saving in loads makes up for an oops.", 0)
    old, new = int(before["loads"]), int(after["loads"])
    if new > old:
        return right(f"No oops in either, and {new} loads in place of {old}.", round(100 * (new - old) / old, 1))
    if mine.offset % 2 == 0:
        return not_yet(f"The buffer begins at byte {mine.offset}, and both prologues do the same there.", 0)
    return not_yet(f"Both make equally many loads, even with an odd start, as byte {mine.offset} is.", 0)


def check_earlier(state: Position, numbers: Numbers) -> Verdict:
    here = numbers[UNPATCHED]
    if here["oops"] == "yes" and state["behind"]:
        return right(f"{_bytes(state['behind'])} left in the page, and still the last load leaves it.")
    if here["oops"] == "yes":
        return not_yet("An oops, but the buffer ends where its page does.")
    if here[BEYOND]:
        return not_yet("The next page is touched, and on this machine it is there.")
    return not_yet("No load of the unpatched kernel leaves the page here.")


def check_unharmed(_: Position, numbers: Numbers) -> Verdict:
    here = numbers[UNPATCHED]
    if not here[BEYOND]:
        return not_yet("No load of the unpatched kernel leaves the page here.")
    if here["oops"] == "yes":
        return not_yet("The next page is touched, and it is not there: an oops.")
    return right("A byte of somebody else's is loaded and masked off, and nobody notices.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "csum_trail",
    globals(),
    touched=(_numbers(4091, 5), _numbers(4073, 10), _numbers(4086, 9), _numbers(4087, 6)),
)
