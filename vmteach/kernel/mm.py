"""An address space of Linux 2.4: a sorted list of mappings, page-table entries, and the rules that change them.

source      mm/mmap.c and the shared half of mm/mremap.c of 2.4.22 and 2.4.27, lib/rbtree.c's order (read);
            compared with the same files, compiled and run: tests/test_mremap.py
left out    files, shared and locked mappings, growing stacks, limits on memory, threads
"""

import errno
from bisect import insort_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, NoReturn

MAYMOVE, FIXED, DONTUNMAP = 1, 2, 4  # may move; move exactly to new_addr; keep the old range mapped (not in 2.4)
MAX_MAP_COUNT = 65536  # mappings a process may have in 2.4
PLENTY = 1 << 20  # descriptors or page tables: more than any call takes
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


class MovedBack(NamedTuple):
    """There was no page table for `target`: the entries moved so far went back, and [start, end) was cleared."""

    target: int
    start: int
    end: int


class Mapped(NamedTuple):
    """[start, end) became part of the list, as a new mapping or `joined` to a neighbour."""

    start: int
    end: int
    joined: bool


class Asserted(NamedTuple):
    """An assertion of the kernel found the damage: the real kernel stops here, the model goes on."""

    where: str


class Followed(NamedTuple):
    """A pointer that nobody had set was followed: the kernel dies here, with its locks held."""

    where: str


class Stopped(Exception):
    """The call does not return: nothing that the model could say about what comes next would be true."""


Step = Unmapped | Ignored | Moved | MovedBack | Mapped | Asserted | Followed


@dataclass
class AddressSpace:
    """Sorted mappings, present page-table entries (address -> content) and the limits that apply to them.

    `stops` makes an assertion of the kernel end the call, as it does on a real machine.

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
    log: list[Step] = field(default_factory=list)
    page_tables: int = PLENTY  # that can still be had
    tables: set[int] = field(default_factory=set)  # the page tables there are, by number
    stops: bool = False

    def __post_init__(self) -> None:
        self.tables |= {self.table_of(addr) for addr in self.pages}

    def copy(self) -> "AddressSpace":
        """The same address space, free to change, with an empty log."""
        vmas, pages, tables = list(self.vmas), dict(self.pages), set(self.tables)
        return replace(self, vmas=vmas, pages=pages, tables=tables, leaked=list(self.leaked), log=[])

    @property
    def wrap(self) -> int:
        """The first number that an address of this machine cannot hold."""
        return 1 << (32 if self.task_size < 1 << 32 else 64)

    def align(self, length: int) -> int:
        """`length` rounded up to whole pages, in a word of the machine: the last page wraps to 0.

        >>> AddressSpace().align(4097), AddressSpace().align(0xFFFF_F001)
        (8192, 0)
        """
        return -(-length // self.page) * self.page % self.wrap

    def table_of(self, addr: int) -> int:
        """The number of the page table that holds the entry of `addr`: on i386 one for 4 MiB."""
        entry = 4 if self.task_size < 1 << 32 else 8
        return addr // (self.page * (self.page // entry))

    def find_vma(self, addr: int) -> Vma | None:
        """The first mapping that ends after `addr`; it need not contain it."""
        return next((vma for vma in self.vmas if vma.end > addr), None)

    def find_vma_prev(self, addr: int) -> tuple[Vma | None, Vma | None]:
        """The last mapping that ends at or before `addr`, and the one behind it in the list."""
        prev = next((vma for vma in reversed(self.vmas) if vma.end <= addr), None)
        return prev, self.behind(prev)

    def behind(self, vma: Vma | None) -> Vma | None:
        """The next mapping of the list; the first one behind nothing."""
        index = self.vmas.index(vma) + 1 if vma else 0
        return self.vmas[index] if index < len(self.vmas) else None

    def at(self, addr: int) -> Vma | None:
        """The mapping that contains `addr`."""
        vma = self.find_vma(addr)
        return vma if vma and vma.start <= addr else None

    def insert(self, vma: Vma) -> None:
        insort_right(self.vmas, vma, key=lambda other: other[:2])
        self.map_count += 1

    def remove(self, vma: Vma) -> None:
        self.vmas.remove(vma)
        self.map_count -= 1

    def change(self, vma: Vma, new: Vma) -> Vma:
        """Move the ends of a mapping, as the kernel does it in place: no descriptor, no count; the new one."""
        self.vmas[self.vmas.index(vma)] = new
        return new

    def assertion(self, where: str) -> None:
        """Note that the kernel's own check failed; raise Stopped where the call is to end there."""
        self.log.append(Asserted(where))
        if self.stops:
            raise Stopped(where)

    def wild(self, where: str) -> NoReturn:
        """Note that an unset pointer was followed, and raise Stopped."""
        self.log.append(Followed(where))
        raise Stopped(where)


# mm/mmap.c


def do_munmap(space: AddressSpace, addr: int, length: int) -> int:
    """Unmap [addr, addr + length): 0, or EINVAL or ENOMEM below 0. Nothing there is no error.

    >>> do_munmap(AddressSpace(), 0x10000, 0) == EINVAL
    True
    """
    result = check_munmap(space, addr, length)
    end = addr + space.align(length)
    if result == 0:
        unmap_region(space, addr, end)
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


def unmap_region(space: AddressSpace, addr: int, end: int) -> None:
    """Take all mappings of the range out of the list, then handle them from the top down, then drop page tables."""
    prev, vma = space.find_vma_prev(addr)
    free = []
    while vma and vma.start < end:
        free.append(vma)
        space.vmas.remove(vma)
        vma = space.behind(prev)
    for vma in reversed(free):
        unmap_fixup(space, vma, max(addr, vma.start), min(end, vma.end))
    if free:
        free_pgtables(space, addr, end)


def unmap_fixup(space: AddressSpace, vma: Vma, start: int, end: int) -> None:
    """Free the pages of [start, end) of one mapping, and keep what is left of it on either side."""
    space.map_count -= 1
    if start == end:
        space.assertion("zap_page_range: an empty range")
    zap_page_range(space, start, end)
    rest = [Vma(vma.start, start, vma.prot), Vma(end, vma.end, vma.prot)]
    kept = [piece for piece in rest if piece.start < piece.end]
    for piece in kept:
        space.insert(piece)
    space.descriptors -= len(kept) - 1


def zap_page_range(space: AddressSpace, start: int, end: int) -> None:
    """Free every present page of the range."""
    for addr in range(start, end, space.page):
        space.pages.pop(addr, None)


def free_pgtables(space: AddressSpace, start: int, end: int) -> None:
    """Give back the page tables of the range in which no mapping lies; an entry that stands in one is lost with it."""
    first, last = space.table_of(start), space.table_of(end - 1)
    prev, behind = space.find_vma_prev(start)
    if prev:
        first = max(first, space.table_of(prev.end - 1) + 1)
    if behind:
        last = min(last, space.table_of(behind.start) - 1)
    for table in [table for table in space.tables if first <= table <= last]:
        space.tables.remove(table)
        for addr in [addr for addr in space.pages if space.table_of(addr) == table]:
            space.leaked.append(space.pages.pop(addr))


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
        put_pages(space, {addr + i * space.page: f"{fill}{i}" for i in range(length // space.page)})
    return addr


def put_pages(space: AddressSpace, pages: dict[int, str]) -> None:
    """Make pages present, with page tables for them."""
    space.pages |= pages
    space.tables |= {space.table_of(addr) for addr in pages}


def vma_merge(space: AddressSpace, new: Vma) -> bool:
    """Let a direct neighbour of the same rights take the new range in; whether one did."""
    prev, behind = space.find_vma_prev(new.start)
    if behind is None:  # at the end of the list the kernel looks up the byte below
        prev = space.find_vma(new.start - 1)
    if prev and prev.end == new.start and prev.prot == new.prot:
        prev = space.change(prev, prev._replace(end=new.end))
        if behind and prev.end == behind.start and behind.prot == new.prot:
            space.remove(behind)
            space.descriptors += 1
            space.change(prev, prev._replace(end=behind.end))
    elif behind and behind.start == new.end and behind.prot == new.prot:
        space.change(behind, behind._replace(start=new.start))
    else:
        return False
    space.log.append(Mapped(new.start, new.end, joined=True))
    return True


def insert_vm_struct(space: AddressSpace, new: Vma) -> None:
    """Put a new mapping into the list; 2.4 asserts here that nothing is in its way.

    The search for the place ends early where a mapping contains the first byte. If the new one is empty and that
    mapping begins there, the assertion does not see it, and three pointers that the search never set are followed.
    """
    behind = space.find_vma(new.start)
    if behind and behind.start < new.end:
        space.assertion("insert_vm_struct: the place is taken")
    elif behind and behind.start == new.start:
        space.wild("insert_vm_struct: a mapping begins where the empty one is to go")
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


# mm/mremap.c: what 2.4 and today have in common


def grow_in_place(space: AddressSpace, vma: Vma, more: int) -> bool:
    """Move the end of a mapping up, if nothing is in the way; whether that was done."""
    behind = space.behind(vma)
    if vma.end + more > (behind.start if behind else space.task_size):
        return False
    space.change(vma, vma._replace(end=vma.end + more))
    space.log.append(Mapped(vma.end, vma.end + more, joined=True))
    return True


def move_vma(space: AddressSpace, vma: Vma, call: Call) -> int:
    """Put the mapping into its new place and unmap the old range; the new address, or ENOMEM.

    The result of that unmapping is ignored: in 2.4.22, in 2.4.32, and in 6.16.
    """
    if not copy_vma(space, vma, call):
        return ENOMEM
    if call.old_len and (result := do_munmap(space, call.addr, call.old_len)):
        space.log.append(Ignored("unmapping the old place", result))
    return call.new_addr


def copy_vma(space: AddressSpace, vma: Vma, call: Call) -> bool:
    """Join a neighbour or take a descriptor, carry the entries over; whether memory sufficed.

    A neighbour that was extended stays extended where it did not.
    """
    new = Vma(call.new_addr, call.new_addr + call.new_len, vma.prot)
    joined = vma_merge(space, new)
    if not joined and not space.descriptors:
        return False
    if not move_page_tables(space, call.new_addr, call.addr, call.old_len):
        return False
    if not joined:
        insert_vm_struct(space, new)
    return True


def move_page_tables(space: AddressSpace, new_addr: int, old_addr: int, length: int) -> bool:
    """Carry each present entry over, top down; whether there was a page table for each.

    An entry that one falls on is lost, and its page never freed.
    """
    leaked, moved = len(space.leaked), 0
    for offset in range(length - space.page, -1, -space.page):
        if old_addr + offset in space.pages:
            if not move_one_page(space, old_addr + offset, new_addr + offset):
                move_back(space, new_addr, old_addr, range(offset + space.page, length, space.page), length)
                return False
            moved += 1
    space.log.append(Moved(old_addr, new_addr, moved, len(space.leaked) - leaked))
    return True


def move_one_page(space: AddressSpace, old: int, new: int) -> bool:
    """Move one present entry; False, and nothing moved, if there is no page table for it."""
    table = space.table_of(new)
    if table not in space.tables:
        if not space.page_tables:
            return False
        space.page_tables -= 1
        space.tables.add(table)
    if new in space.pages:
        space.leaked.append(space.pages[new])
    space.pages[new] = space.pages.pop(old)
    return True


def move_back(space: AddressSpace, new_addr: int, old_addr: int, offsets: Iterable[int], length: int) -> None:
    """Undo a move halfway: whatever stands at the new place goes to the old one, and the new place is cleared."""
    for offset in offsets:
        if new_addr + offset in space.pages:
            move_one_page(space, new_addr + offset, old_addr + offset)
    zap_page_range(space, new_addr, new_addr + length)
    space.log.append(MovedBack(new_addr, new_addr, new_addr + length))
