"""What makes an address space sound: five invariants, each asked of the state before and after a call."""

import errno
from collections.abc import Callable, Collection
from typing import NamedTuple

from vmteach.kernel.mm import AddressSpace, Call


class Broke(NamedTuple):
    """An invariant that held before the call and does not hold after it."""

    invariant: str
    what: str


# Each gives "" while it holds, else a sentence that says what broke it: before the call, the call, its result, after


def mappings_are_proper(before: AddressSpace, call: Call, result: int, after: AddressSpace) -> str:
    """I1: every mapping has 0 <= start < end <= TASK_SIZE, both on page borders.

    >>> from vmteach.kernel.mm import Vma
    >>> after = AddressSpace(vmas=[Vma(0x1000, 0x1000, "rw-")], map_count=1)
    >>> mappings_are_proper(AddressSpace(), Call(0, 0, 0), 0, after)
    'a mapping [0x1000, 0x1000) of 0 pages'
    """
    for vma in after.vmas:
        if not 0 <= vma.start < vma.end <= after.task_size or vma.start % after.page or vma.end % after.page:
            return f"a mapping [{vma.start:#x}, {vma.end:#x}) of {(vma.end - vma.start) // after.page} pages"
    return ""


def mappings_are_disjoint(before: AddressSpace, call: Call, result: int, after: AddressSpace) -> str:
    """I2: the mappings are sorted, no two overlap, and the count is their number.

    >>> mappings_are_disjoint(AddressSpace(), Call(0, 0, 0), 0, AddressSpace(map_count=1))
    'map_count says 1'
    """
    for vma, other in zip(after.vmas, after.vmas[1:]):
        if vma.end > other.start:
            return f"[{vma.start:#x}, {vma.end:#x}) and [{other.start:#x}, {other.end:#x}) overlap"
    return "" if after.map_count == len(after.vmas) else f"map_count says {after.map_count}"


def an_error_changes_nothing(before: AddressSpace, call: Call, result: int, after: AddressSpace) -> str:
    """I3: a call that fails leaves the address space as it was.

    >>> from vmteach.kernel.mm import Vma
    >>> before = AddressSpace(vmas=[Vma(0x1000, 0x2000, "rw-")], map_count=1)
    >>> an_error_changes_nothing(before, Call(0x1000, 4096, 0), -12, AddressSpace())
    'ENOMEM, and yet 1 page is gone'
    """
    if result >= 0 or (before.vmas, before.pages) == (after.vmas, after.pages):
        return ""
    lost = _covered(before, 0, before.task_size) - _covered(after, 0, after.task_size)
    return f"{name_of(result)}, and yet " + (f"{_pages(lost)} gone" if lost else "the list changed")


def success_has_its_effect(before: AddressSpace, call: Call, result: int, after: AddressSpace) -> str:
    """I4: after success what was cut off or moved away is gone, and what was moved or added is there."""
    if result < 0:
        return ""
    old_len, new_len = before.align(call.old_len), before.align(call.new_len)
    gone = call.addr if result != call.addr else call.addr + new_len
    if old_len and (left := _covered(after, gone, call.addr + old_len)):
        return f"success, and yet {_pages(left)} still mapped at {gone:#x}"
    kept = {a - call.addr for a in _covered(before, call.addr, call.addr + min(old_len, new_len))}
    added = set(range(old_len, new_len, after.page))
    if missing := (kept | added) - {a - result for a in _covered(after, result, result + new_len)}:
        return f"success, and yet {_pages(missing)} not mapped at {result:#x}"
    return ""


def every_page_has_its_mapping(before: AddressSpace, call: Call, result: int, after: AddressSpace) -> str:
    """I5: every present page lies inside a mapping, and a page that lost its place was freed.

    >>> every_page_has_its_mapping(AddressSpace(), Call(0, 0, 0), 0, AddressSpace(pages={0x1000: "s0"}))
    'from 0x1000 on 1 page is in no mapping'
    """
    orphans = [addr for addr in after.pages if not any(v.start <= addr < v.end for v in after.vmas)]
    if orphans:
        return f"from {min(orphans):#x} on {_pages(orphans)} in no mapping"
    leaked = after.leaked[len(before.leaked) :]
    return f"{_pages(leaked)} overwritten and never freed" if leaked else ""


Invariant = Callable[[AddressSpace, Call, int, AddressSpace], str]
INVARIANTS: dict[str, Invariant] = {
    "I1": mappings_are_proper,
    "I2": mappings_are_disjoint,
    "I3": an_error_changes_nothing,
    "I4": success_has_its_effect,
    "I5": every_page_has_its_mapping,
}


def _covered(space: AddressSpace, start: int, end: int) -> set[int]:
    """The page addresses in [start, end) that some mapping contains."""
    parts = ((max(start, vma.start), min(end, vma.end)) for vma in space.vmas)
    return {addr for low, high in parts for addr in range(low, high, space.page)}


def _pages(which: Collection[object]) -> str:
    return "1 page is" if len(which) == 1 else f"{len(which)} pages are"


def name_of(result: int) -> str:
    """A result as a reader knows it: an address or the name of an error.

    >>> name_of(0x40000), name_of(-22)
    ('0x40000', 'EINVAL')
    """
    return hex(result) if result >= 0 else errno.errorcode[-result]
