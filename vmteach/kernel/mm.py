"""An address space of Linux 2.4: a sorted list of mappings, page-table entries, and the rules that change them.

source      mm/mmap.c of 2.4.22 and 2.4.27, lib/rbtree.c's order (read);
            compared with the same files, compiled and run: docs/cases.md
left out    files, shared and locked mappings, growing stacks, limits on memory, threads
"""

import errno
from bisect import insort_right
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

    def joins(self, behind: "Vma") -> bool:
        """Whether the other begins where this one ends, with the same rights: then one mapping can be both.

        >>> Vma(0, 4096, "rw-").joins(Vma(4096, 8192, "rw-")), Vma(0, 4096, "rw-").joins(Vma(4096, 8192, "r--"))
        (True, False)
        """
        return self.end == behind.start and self.prot == behind.prot


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
        """Whether new_addr is where the mapping must go; without FIXED it is not read."""
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

    def has_room_at(self, addr: int, length: int) -> bool:
        """Whether `length` bytes from a page's border on are something, and lie in user space.

        >>> [AddressSpace().has_room_at(addr, length) for addr, length in ((0, 1), (0, 0), (1, 1), (0xBFFF_F000, 4097))]
        [True, False, False, False]
        """
        return addr % self.page == 0 and 0 < length <= self.task_size - addr

    def table_of(self, addr: int) -> int:
        """The number of the page table that holds the entry of `addr`: on i386 one for 4 MiB.

        >>> AddressSpace().table_of(0x3F_FFFF), AddressSpace().table_of(0x40_0000)
        (0, 1)
        """
        entry = 4 if self.task_size < 1 << 32 else 8
        return addr // (self.page * (self.page // entry))

    def find_vma(self, addr: int) -> Vma | None:
        """The first mapping that ends after `addr`; it need not contain it. None where there is none.

        >>> AddressSpace(vmas=[Vma(4096, 8192, "rw-")]).find_vma(0)
        Vma(start=4096, end=8192, prot='rw-')
        """
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
        """Put a mapping into its place of the list, and count it; whether it overlaps another is not asked."""
        insort_right(self.vmas, vma, key=lambda other: other[:2])
        self.map_count += 1

    def remove(self, vma: Vma) -> None:
        """Take a mapping out of the list and of the count."""
        self.vmas.remove(vma)
        self.map_count -= 1

    def change(self, vma: Vma, new: Vma) -> Vma:
        """Move the ends of a mapping, as the kernel does it in place: no descriptor, no count; the new one."""
        self.vmas[self.vmas.index(vma)] = new
        return new

    def swallow(self, vma: Vma, behind: Vma) -> Vma:
        """A mapping takes in the one behind it, whose descriptor is free again; the joined one."""
        self.remove(behind)
        self.descriptors += 1
        return self.change(vma, vma._replace(end=behind.end))

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
    """Unmap [addr, addr + length): 0, or EINVAL or ENOMEM below 0. Nothing there is no error, a length of zero is one.

    >>> space = AddressSpace(vmas=[Vma(0x10000, 0x13000, "rw-")], map_count=1)
    >>> do_munmap(space, 0x11000, 4096), [(hex(vma.start), hex(vma.end)) for vma in space.vmas]
    (0, [('0x10000', '0x11000'), ('0x12000', '0x13000')])
    >>> do_munmap(space, 0x11000, 0) == EINVAL
    True
    """
    result = check_munmap(space, addr, length)
    end = addr + space.align(length)
    if result == 0:
        unmap_region(space, addr, end)
    space.log.append(Unmapped(addr, end, result))
    return result


def check_munmap(space: AddressSpace, addr: int, length: int) -> int:
    """0, or why the range cannot be unmapped. Only a hole inside one mapping needs room in the list.

    >>> full = AddressSpace(vmas=[Vma(0x10000, 0x13000, "rw-")], map_count=1, limit=1)
    >>> check_munmap(full, 0x11000, 4096) == ENOMEM, check_munmap(full, 0x12000, 4096)
    (True, 0)
    """
    if not space.has_room_at(addr, length):
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

    >>> space = AddressSpace()
    >>> [do_mmap(space, addr, 4096, "rw-") for addr in (0x1000, 0x2000)], space.vmas
    ([4096, 8192], [Vma(start=4096, end=12288, prot='rw-')])
    """
    length = space.align(length)
    if not space.has_room_at(addr, length):
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
    """Let a direct neighbour of the same rights take the new range in, and its other neighbour too; whether one did.

    >>> space = AddressSpace(vmas=[Vma(0x1000, 0x2000, "rw-"), Vma(0x3000, 0x4000, "rw-")], map_count=2)
    >>> vma_merge(space, Vma(0x2000, 0x3000, "rw-")), space.vmas, space.map_count
    (True, [Vma(start=4096, end=16384, prot='rw-')], 1)
    """
    prev, behind = space.find_vma_prev(new.start)
    if behind is None:  # at the end of the list the kernel looks up the byte below
        prev = space.find_vma(new.start - 1)
    if prev and prev.joins(new):
        prev = space.change(prev, prev._replace(end=new.end))
        if behind and prev.joins(behind):
            space.swallow(prev, behind)
    elif behind and new.joins(behind):
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
    """The lowest free place of `length` bytes from a third of the address space upwards, or ENOMEM.

    >>> hex(get_unmapped_area(AddressSpace(), 4096)), get_unmapped_area(AddressSpace(), 0xC000_0000) == ENOMEM
    ('0x40000000', True)
    """
    addr = -(-(space.task_size // 3) // space.page) * space.page
    for vma in space.vmas:
        if vma.end > addr:
            if addr + length <= vma.start:
                break
            addr = vma.end
    return addr if addr + length <= space.task_size else ENOMEM
