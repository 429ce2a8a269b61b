"""A page-table entry that is moved while other threads clear it: the data, the clearers, and what must hold.

source      vmtruncate_list and try_to_swap_out of 2.4.22 and 2.4.27 (read; run: docs/cases.md says for which rows)
left out    TLB flushes, what else swap_out looks at, a clearer that sleeps
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from vmteach.kernel.threads import Step, Thread

NONE, PRESENT, SWAP = "none", "present", "swap entry"  # what a page table entry holds
NO_POINTER = "-"  # what M, the mover, knows of the source entry before it has looked
OOPS = "oops"  # where M stands when it has read through a null pointer
PTL, LIST = "PTL", "i_shared_lock"  # the page-table lock; the lock of a file's list of mappings


class Clearer(Enum):
    """Who clears the entry of the page without mmap_sem, and what stays behind.

    TRUNCATE clears the entry wherever it is. The real truncate, LISTED, goes through the file's list of mappings, and
    the new place enters that list only after the entries have moved.
    """

    TRUNCATE = "truncate"
    LISTED = "truncate, by the file's list"
    FILE = "swap_out of a file page"
    ANON = "swap_out of dirty anonymous memory"


class Tables(NamedTuple):
    """The data that the threads share: what both entries hold. And what M, who moves one, has in its hands."""

    old: str
    new: str
    table: bool  # the target's page table is there
    freed: bool  # the page went back to the free list
    src: str = NO_POINTER
    kept: str = NONE  # what M read at M3
    src_map: bool = False  # atomic maps that M holds
    dst_map: bool = False
    listed: bool = False  # the new place is in the file's list of mappings
    cut: bool = False  # truncate has been through that list
    returned: bool = False  # mremap said 0


Change = Callable[[Tables], Tables]


def clearing(clearer: Clearer) -> Change:
    """What the clearer does to the entry, wherever the page is mapped now; LISTED finds it in the list's places only.

    >>> tables = Tables(PRESENT, NONE, table=True, freed=False)
    >>> clearing(Clearer.ANON)(tables).old, clearing(Clearer.TRUNCATE)(tables).freed
    ('swap entry', True)
    """
    left = SWAP if clearer is Clearer.ANON else NONE

    def clear(tables: Tables) -> Tables:
        if clearer is Clearer.LISTED:
            new = NONE if tables.listed else tables.new
            return tables._replace(old=NONE, new=new, freed=new != PRESENT, cut=True)
        old, new = (left if entry == PRESENT else entry for entry in tables[:2])
        return tables._replace(old=old, new=new, freed=tables.freed or clearer is Clearer.TRUNCATE)

    return clear


def clearer_thread(name: str, clearer: Clearer) -> Thread:
    """The other thread: it needs the page-table lock, and if it goes by the file's list, that list's lock around it.

    Of mmap_sem it knows nothing: that is what makes the race.

    >>> [step.says for step in clearer_thread("C", Clearer.FILE).steps]
    ['lock PTL', 'clear the entry', 'unlock PTL']
    """
    listed = clearer is Clearer.LISTED
    clears = Step(f"{name}2", "clear the listed entries" if listed else "clear the entry", do=clearing(clearer))
    rows = (Step(f"{name}1", take=PTL), clears, Step(f"{name}3", give=PTL))
    return Thread(name, (Step(f"{name}0", take=LIST), *rows, Step(f"{name}4", give=LIST)) if listed else rows)


INVARIANTS = {
    "I1": "null dereference",
    "I2": "two entries for one page",
    "I3": "freed page still mapped",
    "I4": "sleeps with a map or PTL",
    "I5": "lock kept",
    "I6": "entry left behind",
    "I7": "swapped page lost or doubled",
    "I8": "not moved",
    "I9": "mapped after truncate",
}


class Judged(NamedTuple):
    """A state as the invariants see it: what M and all others have in their hands."""

    tables: Tables
    at: str  # where M stands; at M6 it allocates, and may sleep
    mine: tuple[str, ...]  # the locks of M
    held: frozenset[str]  # of anybody
    ended: bool
    entry: str  # of the source, at the beginning
    alone: bool  # nobody clears the entry
    anonymous: bool  # the page is anonymous memory: it exists once, in RAM or in swap

    @property
    def entries(self) -> list[str]:
        """What the two entries hold that is not nothing."""
        return [entry for entry in self.tables[:2] if entry != NONE]

    @property
    def undisturbed(self) -> bool:
        """Whether nobody clears the entry, and the move was not refused."""
        return self.alone and (self.tables.returned or self.entry == NONE)


BREAKS: dict[str, Callable[[Judged], bool]] = {
    "I1": lambda s: s.at == OOPS,
    "I2": lambda s: len(s.entries) > 1,
    "I3": lambda s: s.tables.freed and PRESENT in s.entries and PTL not in s.held,
    "I4": lambda s: s.at == "M6" and (PTL in s.mine or s.tables.src_map or s.tables.dst_map),
    "I5": lambda s: s.ended and bool(s.held),
    "I6": lambda s: s.tables.returned and s.tables.old != NONE,
    "I7": lambda s: s.ended and s.anonymous and len(s.entries) != 1,
    "I8": lambda s: s.ended and s.undisturbed and s.tables.new != s.entry,
    "I9": lambda s: s.tables.cut and s.tables.new == PRESENT and PTL not in s.held,
}
