"""An address space of Linux 2.4: a sorted list of mappings, page-table entries, and what can be had of either.

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

    >>> space = AddressSpace(vmas=[Vma(65536, 73728, "rw-")], pages={65536: "s0"}, map_count=1)
    >>> space.at(69632), space.at(73728), space.tables
    (Vma(start=65536, end=73728, prot='rw-'), None, {0})
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
