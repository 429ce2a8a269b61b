"""Placeholder while types settle."""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from vmteach.machine import Sysctls

SECOND = 1_000_000_000  # ns


class Kind(Enum):
    """What a page belongs to."""

    SHM = "shm"  # the page cache of the shared memory object
    SWAPCACHE = "swapcache"
    FILE = "file"
    ANON = "anon"  # no mapping


class Buffers(Enum):
    """Buffer heads on a page."""

    NONE = "none"
    DROPPABLE = "droppable"
    BUSY = "busy"


class PageState(NamedTuple):
    """The flags of a page in memory that reclaim looks at."""

    kind: Kind
    dirty: bool = False
    referenced: bool = False
    pinned: bool = False
    locked: bool = False
    buffers: Buffers = Buffers.NONE
    outside: bool = False


class PageRun(NamedTuple):
    """`count` pages with ids from `first` up, in one state."""

    first: int
    count: int
    state: PageState


class Pte(Enum):
    """A page table entry, as far as reclaim cares."""

    NONE = 0
    OLD = 1
    YOUNG = 2


class PteRun(NamedTuple):
    """`count` page table entries from page `first` up, in one state."""

    first: int
    count: int
    pte: Pte


@dataclass(frozen=True)
class Costs:
    """Time of one step, ns."""

    visit: int = 100
    pte: int = 50
    convert: int = 1000
    submit: int = 500
    read: int = 50_000


@dataclass(frozen=True)
class Setup:
    """Everything that the reclaim model starts from."""

    shm: int  # pages of the shared memory object
    inactive: tuple[PageRun, ...] = ()  # tail first
    active: tuple[PageRun, ...] = ()  # tail first
    processes: int = 1
    ptes: tuple[PteRun, ...] = ()  # of every process alike; the rest is NONE
    hot: int = 0  # the first pages of the object, touched every second
    slots: int = 0
    slots_used: int = 0  # must count the initial SWAPCACHE pages and those swapped out
    free: int = 0
    min: int = 0
    batch: int = 32  # SWAP_CLUSTER_MAX
    sysctls: Sysctls = field(default_factory=Sysctls)
    costs: Costs = field(default_factory=Costs)
    service: int = 65_000  # ns a page of the swap disk
    depth: int = 1024  # pages in flight
    fs: bool = True  # the caller may enter the file system


@dataclass(frozen=True)
class Rules:
    """What the patch and its what-ifs change in the reclaim."""

    objrmap: bool = False
    starts_io: bool = False
    clean_pass: bool = False
    anchored: bool = False
    rotate_written: bool = False


class Snapshot(NamedTuple):
    """The counters at a whole second."""

    second: int
    free: int
    slots_used: int
    swapcache: int  # pages in memory of kind SWAPCACHE
    pagecache: int  # pages in memory of kind SHM or FILE
    writes: int
    file_writes: int
    swap_ins: int
    copied: int
    visits: int
    clean_visits: int
    conversions: int
    frees: int
    ptes: int
    ptes_destroyed: int
    minor_faults: int
    major_faults: int
    undone: int
    activations: int
    refilled: int
    sleeps: int
    slept: int
    reading: int
    swap_outs: int
    passes: int
    requests: int
