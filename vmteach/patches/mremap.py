"""One boundary value and one thrown-away result corrupt the list of mappings.

changelog   00_mremap-1: "Various mremap fixes"
source      2.4.22, 2.4.27 and 2.4.32 mm/mremap.c and mm/mmap.c (read); what the -aa file held is inferred;
            today: mm/mremap.c of 6.16, its patches for 6.17, mremap(2) (read); compared with a live 6.18.44
unpatched   a length of zero may move, and an unmapping that fails inside mremap goes unnoticed
patched     a move of length zero is refused (2.4.24), the failed unmapping is returned (2.4.25)
left out    files, shared mappings, locked memory, huge pages, swap, page tables as memory, threads
"""

import errno
import random
from bisect import insort
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from vmteach.machine import PRESETS, Machine, check_sysctl
from vmteach.run import Control, Run, between, inputs, one_of

MAYMOVE, FIXED = 1, 2  # the flags of mremap: may move; move exactly to new_addr
MAX_MAP_COUNT = 65536  # mappings a process may have in 2.4
DESCRIPTOR_WORDS = 17  # of a vm_area_struct in 2.4: 6 + 4 (tree) + 7
SPARE = 3  # today: mappings that must be left below the limit before anything is moved
PLENTY = 1 << 20  # descriptors: more than any call takes
EINVAL, EFAULT, ENOMEM = -errno.EINVAL, -errno.EFAULT, -errno.ENOMEM


class Vma(NamedTuple):
    """One mapping: [start, end) with one protection. `end` is the first byte after it."""

    start: int
    end: int
    prot: str


class Call(NamedTuple):
    """The five arguments of mremap, in bytes.

    >>> Call(0x10000, 0x4000, 0x1000)
    Call(addr=65536, old_len=16384, new_len=4096, flags=0, new_addr=0)
    """

    addr: int
    old_len: int
    new_len: int
    flags: int = 0
    new_addr: int = 0

    @property
    def fixed(self) -> bool:
        return bool(self.flags & FIXED)

    @property
    def elsewhere(self) -> bool:
        """Whether the call names a place other than the old one."""
        return self.fixed and self.new_addr != self.addr


# What happened, in the past tense.


class Found(NamedTuple):
    """The address space as the call found it: its mappings, and (address, content) of its present pages."""

    vmas: tuple[Vma, ...]
    pages: tuple[tuple[int, str], ...]


class Called(NamedTuple):
    addr: int
    old_len: int
    new_len: int
    flags: int
    new_addr: int


class Unmapped(NamedTuple):
    """do_munmap of [start, end) gave `result`: 0, or an errno below 0."""

    start: int
    end: int
    result: int


class Ignored(NamedTuple):
    """An unmapping failed with `result`, and `step` went on as if it had not."""

    step: str
    result: int


class Moved(NamedTuple):
    """`pages` page-table entries went from `source` to `target`; `overwritten` fell on present ones."""

    source: int
    target: int
    pages: int
    overwritten: int


class Mapped(NamedTuple):
    """[start, end) became part of the list, as a new mapping or `joined` to a neighbour."""

    start: int
    end: int
    joined: bool


class Asserted(NamedTuple):
    """An assertion of the kernel found the damage: the real kernel stops here, the model goes on."""

    where: str


class Returned(NamedTuple):
    result: int


class Left(NamedTuple):
    """The address space as the call left it."""

    vmas: tuple[Vma, ...]
    pages: tuple[tuple[int, str], ...]


class Broke(NamedTuple):
    """An invariant that held before the call and does not hold after it."""

    invariant: str
    what: str


Event = Found | Called | Unmapped | Ignored | Moved | Mapped | Asserted | Returned | Left | Broke


@dataclass
class AddressSpace:
    """Sorted mappings, present page-table entries (address -> content) and the limits that apply to them.

    >>> space = AddressSpace()
    >>> do_mmap(space, 0x10000, 0x2000, "rw-", fill="s") == 0x10000
    True
    >>> space.vmas, space.pages
    ([Vma(start=65536, end=73728, prot='rw-')], {65536: 's0', 69632: 's1'})
    """

    page: int = 4096
    task_size: int = 0xC000_0000
    limit: int = MAX_MAP_COUNT
    descriptors: int = PLENTY  # that can still be had
    vmas: list[Vma] = field(default_factory=list)
    pages: dict[int, str] = field(default_factory=dict)
    map_count: int = 0
    leaked: list[str] = field(default_factory=list)  # pages that nothing refers to any more, and nobody freed
    log: list[Event] = field(default_factory=list)

    def copy(self) -> "AddressSpace":
        """The same address space, free to change, with an empty log."""
        return replace(self, vmas=list(self.vmas), pages=dict(self.pages), leaked=list(self.leaked), log=[])

    def align(self, length: int) -> int:
        """`length` rounded up to whole pages."""
        return -(-length // self.page) * self.page

    def find_vma(self, addr: int) -> Vma | None:
        """The first mapping that ends after `addr`; it need not contain it."""
        return next((vma for vma in self.vmas if vma.end > addr), None)

    def at(self, addr: int) -> Vma | None:
        """The mapping that contains `addr`."""
        vma = self.find_vma(addr)
        return vma if vma and vma.start <= addr else None

    def insert(self, vma: Vma) -> None:
        insort(self.vmas, vma)
        self.map_count += 1

    def remove(self, vma: Vma) -> None:
        self.vmas.remove(vma)
        self.map_count -= 1

    def change(self, vma: Vma, new: Vma) -> None:
        """Move the ends of a mapping, as the kernel does it in place: no descriptor, no count."""
        self.vmas.remove(vma)
        insort(self.vmas, new)


# mm/mmap.c


def do_munmap(space: AddressSpace, addr: int, length: int) -> int:
    """Unmap [addr, addr + length): 0, or EINVAL or ENOMEM below 0. Nothing there is no error.

    >>> do_munmap(AddressSpace(), 0x10000, 0) == EINVAL
    True
    """
    result = check_munmap(space, addr, length)
    end = addr + space.align(length)
    if result == 0:
        for vma in [vma for vma in space.vmas if vma.start < end and vma.end > addr]:
            unmap_fixup(space, vma, max(addr, vma.start), min(end, vma.end))
    space.log.append(Unmapped(addr, end, result))
    return result


def check_munmap(space: AddressSpace, addr: int, length: int) -> int:
    """0, or why the range cannot be unmapped. Only a hole inside one mapping needs room in the list."""
    if addr % space.page or addr > space.task_size or length > space.task_size - addr or length <= 0:
        return EINVAL
    end, first = addr + space.align(length), space.find_vma(addr)
    if first is None or first.start >= end:
        return 0
    if first.start < addr and first.end > end and space.map_count >= space.limit:
        return ENOMEM
    return 0 if space.descriptors else ENOMEM  # one is taken in advance, needed or not


def unmap_fixup(space: AddressSpace, vma: Vma, start: int, end: int) -> None:
    """Take [start, end) out of one mapping: free its pages, keep what is left of it on either side."""
    if start == end:
        space.log.append(Asserted("zap_page_range: an empty range"))
    space.remove(vma)
    for addr in range(start, end, space.page):
        space.pages.pop(addr, None)
    rest = [Vma(vma.start, start, vma.prot), Vma(end, vma.end, vma.prot)]
    kept = [piece for piece in rest if piece.start < piece.end]
    for piece in kept:
        space.insert(piece)
    space.descriptors -= len(kept) - 1


def do_mmap(space: AddressSpace, addr: int, length: int, prot: str, fill: str = "") -> int:
    """Map [addr, addr + length) anew, over whatever was there; the address, or an errno below 0.

    `fill` writes a content into every page: fill "s" gives "s0", "s1", ...
    """
    length = space.align(length)
    if length <= 0 or addr % space.page or length > space.task_size or addr > space.task_size - length:
        return EINVAL
    covered = space.find_vma(addr)
    if covered and covered.start < addr + length and do_munmap(space, addr, length):
        return ENOMEM
    if space.map_count > space.limit:  # the limit is soft: one more than it says
        return ENOMEM
    new = Vma(addr, addr + length, prot)
    if not vma_merge(space, new):
        if not space.descriptors:
            return ENOMEM
        insert_vm_struct(space, new)
    if fill:
        space.pages.update((addr + i * space.page, f"{fill}{i}") for i in range(length // space.page))
    return addr


def vma_merge(space: AddressSpace, new: Vma) -> bool:
    """Let neighbours of the same rights take the new range in; whether one did."""
    before = next((vma for vma in space.vmas if vma.end == new.start and can_vma_merge(vma, new)), None)
    after = space.find_vma(new.start)
    if after and not (after.start == new.end and can_vma_merge(after, new)):
        after = None
    if before and after:
        space.remove(after)
        space.descriptors += 1
        space.change(before, before._replace(end=after.end))
    elif before:
        space.change(before, before._replace(end=new.end))
    elif after:
        space.change(after, after._replace(start=new.start))
    else:
        return False
    space.log.append(Mapped(new.start, new.end, joined=True))
    return True


def can_vma_merge(vma: Vma, new: Vma) -> bool:
    """Anonymous neighbours with the same rights become one mapping; an empty one joins nobody."""
    return vma.prot == new.prot and vma.start < vma.end


def insert_vm_struct(space: AddressSpace, new: Vma) -> None:
    """Put a new mapping into the list; 2.4 asserts here that nothing is in its way."""
    behind = space.find_vma(new.start)
    if behind and behind.start < new.end:
        space.log.append(Asserted("insert_vm_struct: the place is taken"))
    space.insert(new)
    space.descriptors -= 1
    space.log.append(Mapped(new.start, new.end, joined=False))


def get_unmapped_area(space: AddressSpace, length: int) -> int:
    """The lowest free place of `length` bytes from a third of the address space upwards, or ENOMEM."""
    addr = -(-(space.task_size // 3) // space.page) * space.page
    for vma in space.vmas:
        if vma.end > addr:
            if addr + length <= vma.start:
                break
            addr = vma.end
    return addr if addr + length <= space.task_size else ENOMEM


# mm/mremap.c, 2.4


class ZeroLength(StrEnum):
    """When a new length of zero is accepted."""

    ALWAYS = "always"
    IN_PLACE = "in place only"
    NEVER = "never"


class UnmapResult(StrEnum):
    """What mremap does with an error of do_munmap."""

    IGNORED = "ignored"
    RETURNED = "returned"


Procedure = Callable[[AddressSpace, Call, "Policy"], int]


def do_mremap(space: AddressSpace, call: Call, policy: "Policy") -> int:
    """Shrink, grow or move a mapping as 2.4 does; the new address, or an errno below 0.

    >>> space = AddressSpace()
    >>> s = do_mmap(space, 0x10000, 0x4000, "rw-")
    >>> do_mremap(space, Call(s, 0x4000, 0x1000), POLICIES[PATCHED]) == s, space.vmas
    (True, [Vma(start=65536, end=69632, prot='rw-')])
    """
    call = call._replace(old_len=space.align(call.old_len), new_len=space.align(call.new_len))
    addr, old_len, new_len, flags, new_addr = call
    if flags & ~(MAYMOVE | FIXED) or addr % space.page:  # facts: step 1
        return EINVAL
    if call.fixed:  # facts: step 2
        error = check_target(space, call, policy)
        error = error or heed(space, policy, "clearing the target", new_addr, new_len)
        if error:
            return error
    if old_len >= new_len:  # facts: step 3
        if error := heed(space, policy, "shrinking", addr + new_len, old_len - new_len):
            return error
        if not call.elsewhere:
            return addr
    vma = space.at(addr)  # facts: step 4
    if vma is None or old_len > vma.end - addr:
        return EFAULT
    if old_len == vma.end - addr and not call.elsewhere and grow_in_place(space, vma, new_len - old_len):
        return addr  # facts: step 5
    if not flags & MAYMOVE:
        return ENOMEM
    target = new_addr if call.fixed else get_unmapped_area(space, new_len)
    return target if target < 0 else move_vma(space, vma, call._replace(new_addr=target))  # facts: step 6


def check_target(space: AddressSpace, call: Call, policy: "Policy") -> int:
    """0, or EINVAL if the place asked for is not a place, or overlaps the old one."""
    addr, old_len, new_len, flags, new_addr = call
    if new_addr % space.page or not flags & MAYMOVE:
        return EINVAL
    if new_len > space.task_size or new_addr > space.task_size - new_len:
        return EINVAL
    if not new_len and policy.zero_length is ZeroLength.IN_PLACE and call.elsewhere:
        return EINVAL
    if new_addr <= addr < new_addr + new_len or addr <= new_addr < addr + old_len:
        return EINVAL
    return 0


def heed(space: AddressSpace, policy: "Policy", step: str, addr: int, length: int) -> int:
    """Unmap, and let the policy say what becomes of an error; unmapping nothing is never one.

    do_munmap is called with a length of zero too, and answers EINVAL.
    """
    result = do_munmap(space, addr, length)
    if not result or not length:
        return 0
    if policy.unmap_result is UnmapResult.IGNORED:
        space.log.append(Ignored(step, result))
        return 0
    return result


def grow_in_place(space: AddressSpace, vma: Vma, more: int) -> bool:
    """Move the end of a mapping up, if nothing is in the way; whether that was done."""
    behind = next((other.start for other in space.vmas if other.start >= vma.end), space.task_size)
    if vma.end + more > behind:
        return False
    space.change(vma, vma._replace(end=vma.end + more))
    space.log.append(Mapped(vma.end, vma.end + more, joined=True))
    return True


def move_vma(space: AddressSpace, vma: Vma, call: Call) -> int:
    """Join a neighbour or take a descriptor, carry the entries over, unmap the old range; the new address.

    The result of the last unmapping is looked at by nobody: in 2.4.22, in 2.4.32, and in 6.16.
    """
    new = Vma(call.new_addr, call.new_addr + call.new_len, vma.prot)
    joined = vma_merge(space, new)
    if not joined and not space.descriptors:
        return ENOMEM
    move_page_tables(space, call.new_addr, call.addr, call.old_len)
    if not joined:
        insert_vm_struct(space, new)
    if call.old_len and (result := do_munmap(space, call.addr, call.old_len)):
        space.log.append(Ignored("unmapping the old place", result))
    return call.new_addr


def move_page_tables(space: AddressSpace, new_addr: int, old_addr: int, length: int) -> None:
    """Carry each present entry over, top down. One that it falls on is lost, and its page never freed."""
    moved = 0
    overwritten = []
    for offset in range(length - space.page, -1, -space.page):
        if old_addr + offset in space.pages:
            if new_addr + offset in space.pages:
                overwritten.append(space.pages[new_addr + offset])
            space.pages[new_addr + offset] = space.pages.pop(old_addr + offset)
            moved += 1
    space.leaked += overwritten
    space.log.append(Moved(old_addr, new_addr, moved, len(overwritten)))


# mm/mremap.c, 6.17 and later: other steps, in another order


def do_mremap_today(space: AddressSpace, call: Call, policy: "Policy") -> int:
    """Shrink, grow or move as 6.17 does: refuse first, then act. The new address, or an errno below 0."""
    call = call._replace(old_len=space.align(call.old_len), new_len=space.align(call.new_len))
    if error := check_mremap_params(space, call, policy):
        return error
    if call.fixed and call.old_len == call.new_len:
        return remap_move(space, call)
    if error := check_prep_vma(space, call):
        return error
    return mremap_to(space, call) if call.fixed else mremap_at(space, call)


def check_mremap_params(space: AddressSpace, call: Call, policy: "Policy") -> int:
    """0, or why the arguments alone, or a list that is nearly full, forbid the call."""
    addr, old_len, new_len, flags, new_addr = call
    if flags & ~(MAYMOVE | FIXED) or addr % space.page or new_len > space.task_size:
        return EINVAL
    if not new_len and policy.zero_length is ZeroLength.NEVER:
        return EINVAL
    if not call.fixed:
        return 0
    if new_addr % space.page or not flags & MAYMOVE or new_addr > space.task_size - new_len:
        return EINVAL
    if addr + old_len > new_addr and new_addr + new_len > addr:
        return EINVAL
    # clearing the target may add a mapping, shrinking another: what move_vma asks for must still be there
    return ENOMEM if space.map_count + 2 >= space.limit - SPARE else 0


def check_prep_vma(space: AddressSpace, call: Call) -> int:
    """0, or why the source is not what the call says. What is to be cut off may be anything."""
    vma = space.at(call.addr)
    if vma is None:
        return EFAULT
    if not call.fixed and call.new_len <= call.old_len:
        return 0
    if not call.old_len:  # a second mapping of private memory: not since 4.14
        return EINVAL
    return EFAULT if min(call.old_len, call.new_len) > vma.end - call.addr else 0


def remap_move(space: AddressSpace, call: Call) -> int:
    """Move every mapping in the range, gaps and all; the new address of the first."""
    end = call.addr + call.old_len
    if space.at(call.addr) is None:
        return EFAULT
    for vma in [vma for vma in space.vmas if vma.start < end and vma.end > call.addr]:
        start, length = max(vma.start, call.addr), min(vma.end, end) - max(vma.start, call.addr)
        target = call.new_addr + start - call.addr
        if (result := mremap_to(space, Call(start, length, length, call.flags, target))) < 0:
            return result
    return call.new_addr


def mremap_to(space: AddressSpace, call: Call) -> int:
    """Clear the target, shrink, and move what is left: then the old length is the new one."""
    if error := do_munmap(space, call.new_addr, call.new_len):
        return error
    if call.old_len > call.new_len:
        if error := shrink_vma(space, call):
            return error
        call = call._replace(old_len=call.new_len)
    return move_vma_today(space, call)


def mremap_at(space: AddressSpace, call: Call) -> int:
    """Resize without a place to go to: nothing, shrink, or grow (in place if possible)."""
    if call.new_len > call.old_len:
        return expand_vma(space, call)
    return (shrink_vma(space, call) if call.new_len < call.old_len else 0) or call.addr


def shrink_vma(space: AddressSpace, call: Call) -> int:
    """Unmap what is too much: 0, or the error of do_munmap."""
    return do_munmap(space, call.addr + call.new_len, call.old_len - call.new_len)


def expand_vma(space: AddressSpace, call: Call) -> int:
    """Grow in place and join a neighbour that is reached; else move, if that is allowed."""
    vma, more = space.at(call.addr), call.new_len - call.old_len
    if vma and vma.end - call.addr == call.old_len and grow_in_place(space, vma, more):
        grown, behind = vma._replace(end=vma.end + more), space.at(vma.end + more)
        if behind and can_vma_merge(behind, grown):
            space.remove(behind)
            space.descriptors += 1
            space.change(grown, grown._replace(end=behind.end))
        return call.addr
    if not call.flags & MAYMOVE:
        return ENOMEM
    target = get_unmapped_area(space, call.new_len)
    return target if target < 0 else move_vma_today(space, call._replace(new_addr=target))


def move_vma_today(space: AddressSpace, call: Call) -> int:
    """As move_vma, but not with a list so full that the last unmapping could fail."""
    vma = space.at(call.addr)
    if vma is None:
        return EFAULT
    return ENOMEM if space.map_count >= space.limit - SPARE else move_vma(space, vma, call)


# What the patch changed


@dataclass(frozen=True)
@inputs
class Policy:
    """What a kernel does with a length of zero and with a failed unmapping; today's has other steps."""

    zero_length: ZeroLength = ZeroLength.ALWAYS
    unmap_result: UnmapResult = UnmapResult.IGNORED
    procedure: Procedure = field(default=do_mremap, repr=False)


UNPATCHED, PATCHED, TODAY = "unpatched", "patched", "today"
POLICIES: dict[str, Policy] = {
    UNPATCHED: Policy(),
    "fix of the unmap result": Policy(unmap_result=UnmapResult.RETURNED),
    "fix of the zero length": Policy(zero_length=ZeroLength.IN_PLACE),
    PATCHED: Policy(ZeroLength.IN_PLACE, UnmapResult.RETURNED),
    TODAY: Policy(ZeroLength.NEVER, UnmapResult.RETURNED, do_mremap_today),  # compared with 6.18.44, x86_64
}


# The invariants: each gives "" while it holds, else a sentence that says what broke it


def mappings_are_proper(before: AddressSpace, call: Call, result: int, after: AddressSpace) -> str:
    """I1: every mapping has 0 <= start < end <= TASK_SIZE, both on page borders."""
    for vma in after.vmas:
        if not 0 <= vma.start < vma.end <= after.task_size or vma.start % after.page or vma.end % after.page:
            return f"a mapping [{vma.start:#x}, {vma.end:#x}) of {(vma.end - vma.start) // after.page} pages"
    return ""


def mappings_are_disjoint(before: AddressSpace, call: Call, result: int, after: AddressSpace) -> str:
    """I2: the mappings are sorted, no two overlap, and the count is their number."""
    for vma, other in zip(after.vmas, after.vmas[1:]):
        if vma.end > other.start:
            return f"[{vma.start:#x}, {vma.end:#x}) and [{other.start:#x}, {other.end:#x}) overlap"
    return "" if after.map_count == len(after.vmas) else f"map_count says {after.map_count}"


def an_error_changes_nothing(before: AddressSpace, call: Call, result: int, after: AddressSpace) -> str:
    """I3: a call that fails leaves the address space as it was."""
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
    """I5: every present page lies inside a mapping, and a page that lost its place was freed."""
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


def run_call(space: AddressSpace, call: Call, policy: Policy) -> tuple[Event, ...]:
    """Everything that one call did to `space`, from Found to Left and the invariants it Broke."""
    before = space.copy()
    space.log = []
    result = policy.procedure(space, call, policy)
    found, left = ((tuple(s.vmas), tuple(sorted(s.pages.items()))) for s in (before, space))
    broken = ((name, holds(before, call, result, space)) for name, holds in INVARIANTS.items())
    return (
        Found(*found),
        Called(*call),
        *space.log,
        Returned(result),
        Left(*left),
        *(Broke(name, what) for name, what in broken if what),
    )


def story(run: Run) -> tuple[str, ...]:
    """What one call did, a sentence a step, addresses as a reader knows them.

    >>> for line in story(simulate(Scenario(call="shrink in the middle"), POLICIES[UNPATCHED])):
    ...     print(line)
    do_munmap [0x42000, 0x44000): ENOMEM
    ENOMEM ignored: shrinking
    returned 0x40000
    I4 broken: success, and yet 2 pages are still mapped at 0x42000
    """
    return tuple(line for event in run.events if (line := told(event)))


def told(event: Event) -> str:
    """One step as a sentence; nothing for the states before and after."""
    match event:
        case Unmapped(start, end, result):
            return f"do_munmap [{start:#x}, {end:#x}): {name_of(result) if result else 'done'}"
        case Ignored(step, result):
            return f"{name_of(result)} ignored: {step}"
        case Moved(source, target, pages, overwritten):
            lost = f", onto present ones: {overwritten}" if overwritten else ""
            return f"page-table entries carried from {source:#x} to {target:#x}: {pages}{lost}"
        case Mapped(start, end, joined):
            return f"[{start:#x}, {end:#x}) {'joined to a neighbour' if joined else 'entered into the list'}"
        case Asserted(where):
            return f"assertion in {where}"
        case Returned(result):
            return f"returned {name_of(result)}"
        case Broke(invariant, what):
            return f"{invariant} broken: {what}"
        case _:
            return ""


# The calls of the chapter


class Case(NamedTuple):
    """A named call: which mappings stand before it, and its arguments in pages."""

    row: int  # of the facts table; 19 is ours
    mappings: str  # "s": 4 pages at page 16; "d": 8 pages at page 64
    addr: int
    old: int
    new: int
    flags: int = MAYMOVE | FIXED
    new_addr: int = 0
    border: bool = False  # the target is TASK_SIZE


SOURCE, DEST, FREE = 16, 64, 128  # page numbers: where s and d stand, and a free place
CASES: dict[str, Case] = {
    "move nothing": Case(1, "s", SOURCE, 0, 0, new_addr=DEST),
    "move nothing to the border": Case(2, "s", SOURCE, 0, 0, border=True),
    "move 4 pages as none": Case(3, "s", SOURCE, 4, 0, new_addr=DEST),
    "empty onto itself": Case(4, "s", SOURCE, 4, 0, new_addr=SOURCE),
    "nothing onto itself": Case(5, "s", SOURCE, 0, 0, new_addr=SOURCE),
    "empty in place": Case(6, "s", SOURCE, 4, 0, 0),
    "shrink": Case(7, "s", SOURCE, 4, 1, 0),
    "move": Case(8, "s", SOURCE, 4, 4, new_addr=DEST),
    "duplicate": Case(9, "s", SOURCE, 0, 4, MAYMOVE),
    "move into a mapping": Case(10, "sd", SOURCE, 1, 1, new_addr=DEST + 4),
    "shrink in the middle": Case(13, "d", DEST, 4, 2, 0),
    "cut and move": Case(15, "d", DEST, 4, 2, new_addr=FREE),
    "move out of the middle": Case(16, "d", DEST + 4, 1, 1, new_addr=FREE),
    "shrink and move": Case(18, "s", SOURCE, 4, 2, new_addr=DEST),
    "move from nowhere": Case(19, "d", SOURCE, 1, 1, new_addr=DEST),
}


@dataclass(frozen=True)
@inputs
class Scenario:
    """One call of the list, in an address space with `below_limit` mappings still to be had."""

    machine: Machine = PRESETS["1 GB"]
    vm_cache_scan_ratio: int = 6
    call: str = "move into a mapping"
    below_limit: int = 0  # mappings
    descriptors: int = PLENTY  # that memory still has room for

    def __post_init__(self) -> None:
        one_of("call", self.call, tuple(CASES))
        between("below_limit", self.below_limit, 0, MAX_MAP_COUNT, "mappings")
        between("descriptors", self.descriptors, 0, PLENTY)
        check_sysctl("vm_cache_scan_ratio", self.vm_cache_scan_ratio)

    @property
    def space(self) -> AddressSpace:
        """The address space before the call: s is rw-, d is r--, every page of them present."""
        case, machine = CASES[self.call], self.machine
        space = AddressSpace(machine.page, machine.task_size)
        if "s" in case.mappings:
            do_mmap(space, SOURCE * machine.page, 4 * machine.page, "rw-", fill="s")
        if "d" in case.mappings:
            do_mmap(space, DEST * machine.page, 8 * machine.page, "r--", fill="d")
        space.limit = space.map_count + self.below_limit
        space.descriptors = self.descriptors
        return space

    @property
    def arguments(self) -> Call:
        """The arguments of the call, in bytes."""
        case, page = CASES[self.call], self.machine.page
        target = self.machine.task_size if case.border else case.new_addr * page
        return Call(case.addr * page, case.old * page, case.new * page, case.flags, target)


def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """What the call did, step by step, and which invariants it broke.

    >>> simulate(policy=POLICIES[UNPATCHED]).numbers["broken"]
    'I2, I5'
    >>> simulate(policy=POLICIES[PATCHED]).numbers["returned"]
    'ENOMEM'
    """
    space = scenario.space
    events = run_call(space, scenario.arguments, policy)
    return Run(scenario, policy, events, numbers_of(scenario, space, events))


def numbers_of(scenario: Scenario, space: AddressSpace, events: Iterable[Event]) -> Mapping[str, int | float | str]:
    """The figures that the chapter talks about."""
    events = tuple(events)
    result = next(e.result for e in events if isinstance(e, Returned))
    broken = [e.invariant for e in events if isinstance(e, Broke)]
    both = sum(max(0, min(a.end, b.end) - b.start) for a, b in zip(space.vmas, space.vmas[1:]))
    machine = scenario.machine
    lowmem = sum(zone.pages for zone in machine.zones if zone.name != "HIGHMEM") * machine.page
    return {
        "returned": name_of(result),
        "broken": ", ".join(broken) or "none",
        "assertion": "yes" if any(isinstance(e, Asserted) for e in events) else "no",
        "mappings": space.map_count,
        "bytes in two mappings (B)": both,
        "orphan pages": sum(1 for a in space.pages if not any(v.start <= a < v.end for v in space.vmas)),
        "ignored errors": sum(isinstance(e, Ignored) for e in events),
        "descriptors of 65536 mappings (% of lowmem)": round(
            100 * MAX_MAP_COUNT * DESCRIPTOR_WORDS * machine.word // 8 / lowmem, 2
        ),
    }


CONTROLS = (
    Control("machine", "machine size", tuple(PRESETS)),
    Control(
        "vm_cache_scan_ratio",
        "vm_cache_scan_ratio",
        (1, 2, 3, 6, 10, 20, 60),
        why_not="Nothing is reclaimed, because mremap moves page-table entries and not pages; no list is scanned. "
        "Only the search for a descriptor's memory could scan: that delays the result, no more.",
    ),
    Control(
        "call",
        "call",
        (
            "move nothing",
            "move 4 pages as none",
            "move",
            "move into a mapping",
            "shrink in the middle",
            "cut and move",
            "move out of the middle",
            "shrink and move",
        ),
    ),
    Control("below_limit", "mappings below the limit", (0, 1, 2, 4, 5, 6, 8)),
)


# Searching instead of thinking


class Hit(NamedTuple):
    """The first of many random calls that broke an invariant."""

    tries: int
    call: Call
    what: str


def random_case(rng: random.Random) -> tuple[AddressSpace, Call]:
    """A small address space, often short of room or of descriptors, and a call that may or may not fit it."""
    space = AddressSpace()
    for _ in range(rng.randint(1, 3)):
        do_mmap(space, rng.randrange(24) << 12, rng.randint(1, 8) << 12, rng.choice(("rw-", "r--")), fill="p")
    space.limit = space.map_count + rng.choice((0, 0, 1, 2, 6, 9))
    space.descriptors = rng.choice((0, 1, PLENTY, PLENTY, PLENTY))
    flags = rng.choice((0, MAYMOVE, MAYMOVE | FIXED, MAYMOVE | FIXED, FIXED))
    old, new = rng.randrange(7) << 12, rng.randrange(7) << 12
    return space, Call(rng.randrange(32) << 12, old, new, flags, rng.randrange(40) << 12)


def search(policy: Policy, tries: int = 5000, seed: int = 2004) -> dict[str, Hit]:
    """The first hit on each invariant among `tries` random calls.

    >>> sorted(search(POLICIES[PATCHED], tries=200))
    ['I3', 'I4']
    """
    rng, hits = random.Random(seed), dict[str, Hit]()
    for number in range(1, tries + 1):
        space, call = random_case(rng)
        for event in run_call(space, call, policy):
            if isinstance(event, Broke):
                hits.setdefault(event.invariant, Hit(number, call, event.what))
    return hits
