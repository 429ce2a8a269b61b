"""A page, its page table entry, and what a run of equal ones is.

source      docs/reclaim-rules.md
left out    what 2.4 keeps of a page beside what reclaim looks at
"""

from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple


class Name(Enum):
    """A closed set of words; hashing one costs no more than hashing an object."""

    __hash__ = object.__hash__  # Enum's own is written in Python, and pages are looked up all the time


class Kind(Name):
    """What a page belongs to."""

    SHM = "shm"  # the page cache of the shared memory object; it has no place on a disk
    SWAPCACHE = "swapcache"  # shared memory with a slot: a place on the swap disk, reserved or written
    FILE = "file"
    ANON = "anon"  # no mapping: nothing knows how to write it


class Buffers(Name):
    """Buffer heads on a page: its blocks, for the disk's driver."""

    NONE = "none"
    DROPPABLE = "droppable"  # the disk has what they say; they can go
    BUSY = "busy"  # dirty, or under I/O


class PageState(NamedTuple):
    """The flags of a page in memory that reclaim looks at."""

    kind: Kind
    dirty: bool = False
    referenced: bool = False
    pinned: bool = False  # somebody beside its mapping and page tables holds it, and must not lose it
    locked: bool = False  # somebody works on it just now
    buffers: Buffers = Buffers.NONE
    outside: bool = False  # its zone is not in the class that the request may use


class PageRun(NamedTuple):
    """`count` pages with ids from `first` up, in one state."""

    first: int
    count: int  # type: ignore[assignment]
    state: PageState


class Pte(Name):
    """A page table entry, as far as reclaim cares."""

    NONE = 0
    OLD = 1
    YOUNG = 2


class PteRun(NamedTuple):
    """`count` page table entries from page `first` up, in one state."""

    first: int
    count: int  # type: ignore[assignment]
    pte: Pte


class Where(Name):
    """The list that a page is on."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    NOWHERE = "nowhere"  # in memory, off both lists: on its way to the disk under rotate_written


class Page(NamedTuple):
    """A page in memory: its flags, its list, and whether it is being written."""

    state: PageState
    where: Where
    writing: bool = False

    @property
    def busy(self) -> bool:
        """Whether one more access would change nothing (mark_page_accessed)."""
        return self.state.referenced and self.where is not Where.INACTIVE


class Absent(Name):
    """A page that is not in memory."""

    FREED = "freed"  # nothing is left of it
    SWAPPED = "swapped out"  # a slot holds it


@lru_cache(maxsize=4096)
def changed_page(page: Page, where: Where | None, writing: bool | None, **flags: Any) -> Page:
    """The page with some fields changed; equal pages are one object, which makes comparing them cheap."""
    return Page(
        page.state._replace(**flags),
        page.where if where is None else where,
        page.writing if writing is None else writing,
    )


def become(page: Page, where: Where | None = None, writing: bool | None = None, **flags: object) -> Page:
    return changed_page(page, where, writing, **flags)
