"""Exercises of csum_trail: what a load touches, a tail that stays within its buffer, and what the fix costs."""

from collections.abc import Callable
from itertools import product

from vmteach.exercises import Answer, Faults, Given, Numbers, Position, are, check, misfit, not_yet, right, written
from vmteach.machine import PRESETS
from vmteach.patches.csum_trail import PATCHED, POLICIES, UNPATCHED, Loaded, schedule, simulate

PAGE = 4096
BEYOND = "bytes touched in the next page (B)"


def _bytes(count: int) -> str:
    return f"{count} byte{'' if count == 1 else 's'}"


def _span(load: Loaded) -> tuple[int, int]:
    return load.address, load.address + load.width - 1


def _loads(start: int, length: int, label: str = UNPATCHED) -> list[Loaded]:
    return list(schedule(start, length, POLICIES[label]))


@check
def check_touched(touched: Answer, given: Given) -> Faults:
    if not are(touched, 2, int):
        yield "Write two whole numbers: the first byte that the load touches, and the last one."
    mine = first, last = int(touched[0]), int(touched[1])
    yield first > last, "The first of the two is to be the lower one."
    loads, (*_, patched) = (_loads(given["start"], given["length"], label) for label in (UNPATCHED, PATCHED))
    final = loads[-1]
    if mine == _span(final):
        return right(f"A load of {_bytes(final.width)}, {max(0, last + 1 - PAGE)} of them in the next page.")
    yield mine in map(_span, loads), "This kernel makes that load, but it is not its last one."
    if mine == (final.address, final.address + final.kept - 1):
        yield "Those bytes are added to the sum. Which ones are loaded?"
    count = last + 1 - first
    yield count not in (1, 2, 4), f"You name {count} bytes. A load has 1, 2 or 4."
    if mine == _span(patched):
        yield "The patched kernel ends with that load. The unpatched prologue looks at fewer bits."
    return not_yet("No load of this kernel is like that. Go through the prologue first: how many bytes does it use up?")


def _numbers(start: int, length: int) -> dict[str, int]:
    """A buffer, and the bytes of the last load as the model makes it."""
    first, last = _span(_loads(start, length)[-1])
    return {"start": start, "length": length, "first": first, "last": last}


def _walked(width: Callable[[int, int], Answer], at: int, end: int) -> tuple[int, int, str]:
    """How many loads the rule makes, and the byte that they reach; or why they cannot be made."""
    loads = 0
    while at < end:
        got = width(at, end - at)
        if wrong := misfit(got, int) or ("" if got in (1, 2, 4) else _no_load(got)):
            return loads, at, wrong
        loads, at = loads + 1, at + got
    return loads, at, ""


def _no_load(got: int) -> str:
    return f"A load has 1, 2 or 4 bytes, and your rule asks for {got}."


@check
def check_tail(width: Answer, _: Given) -> Faults:
    made = []
    for end, left in product((100, 101, 102, 103, *range(PAGE - 3, PAGE + 1)), (1, 2, 3)):
        loads, reached, wrong = _walked(width, end - left, end)
        yield wrong
        where = f"{_bytes(left)} left from byte {end - left} on"
        made.append((where, loads if loads > left.bit_count() else 0, reached - end, reached - PAGE))
    for where, _vain, _behind, beyond in made:
        yield beyond > 0, f"With {where}, you touch {_bytes(beyond)} of the next page."
    for where, _vain, behind, _beyond in made:
        yield behind, f"No load leaves the page. But with {where}, you touch {_bytes(behind)} past the buffer."
    for where, in_vain, _behind, _beyond in made:
        yield in_vain, f"Nothing past the buffer is touched. But with {where}, you make {in_vain} loads: too many."
    return right("No byte past the buffer is touched, and no load is made in vain. The address does not matter.")


@check
def check_cost(mine: Answer, _: Given) -> Faults:
    yield mine.machine not in PRESETS.values(), "Take a machine of the panel, as it is."
    before, after = (simulate(mine, POLICIES[label]).numbers for label in (UNPATCHED, PATCHED))
    old, new = int(before["loads"]), int(after["loads"])
    if before["oops"] == "yes":
        return not_yet("The unpatched kernel has an oops there. No saving in loads makes up for an oops.", 0)
    if new > old:
        return right(f"No oops in either, and {new} loads in place of {old}.", round(100 * (new - old) / old, 1))
    if mine.offset % 2 == 0:
        return not_yet(f"The buffer begins at byte {mine.offset}, and both prologues do the same there.", 0)
    return not_yet(f"Both make equally many loads, even with an odd start, as byte {mine.offset} is.", 0)


@check
def check_earlier(state: Position, numbers: Numbers) -> Faults:
    here = numbers[UNPATCHED]
    if here["oops"] == "yes" and state["behind"]:
        return right(f"{_bytes(state['behind'])} left in the page, and still the last load leaves it.")
    yield here["oops"] == "yes", "An oops, but the buffer ends where its page does."
    yield here[BEYOND], "The next page is touched, and on this machine it is there."
    return not_yet("No load of the unpatched kernel leaves the page here.")


@check
def check_unharmed(_: Position, numbers: Numbers) -> Faults:
    here = numbers[UNPATCHED]
    yield not here[BEYOND], "No load of the unpatched kernel leaves the page here."
    yield here["oops"] == "yes", "The next page is touched, and it is not there: an oops."
    return right("A byte of somebody else's is loaded and masked off, and nobody notices.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "csum_trail",
    globals(),
    touched=(_numbers(4091, 5), _numbers(4073, 10), _numbers(4086, 9), _numbers(4087, 6)),
)
