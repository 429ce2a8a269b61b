"""What the reclaim starts from: the machine, its costs, what the patch changed; and what is counted.

source      docs/reclaim-rules.md
left out    zones: a page is in the wanted class or outside it
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from vmteach.kernel.reclaim.page import PageRun, PteRun
from vmteach.kernel.reclaim.runs import FOREVER
from vmteach.machine import Sysctls
from vmteach.run import between, inputs

SECOND = 1_000_000_000  # ns


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
    """Everything that the reclaim starts from."""

    shm: int  # pages of the shared memory object
    inactive: tuple[PageRun, ...] = ()  # tail first
    active: tuple[PageRun, ...] = ()  # tail first
    processes: int = 1
    ptes: tuple[PteRun, ...] = ()  # of every process alike; the rest is NONE
    area_behind: bool = True  # another area lies behind the object in each address space: the stack does
    hot: int = 0  # the first pages of the object, touched every second
    slots: int = 0
    slots_used: int = 0  # counts the initial SWAPCACHE pages and those swapped out
    free: int = 0
    min: int = 0
    band: int = 0  # pages above `min` up to which kswapd goes on freeing; 0: no kswapd
    batch: int = 32  # SWAP_CLUSTER_MAX
    sysctls: Sysctls = field(default_factory=Sysctls)
    costs: Costs = field(default_factory=Costs)
    service: int = 65_000  # ns a page of the swap disk
    depth: int = 1024  # pages in flight
    fs: bool = True  # the caller may enter the file system

    def __post_init__(self) -> None:
        between("processes", self.processes, 1, 1_000_000)
        between("hot", self.hot, 0, self.shm, "pages")
        between("slots_used", self.slots_used, 0, self.slots, "pages")
        between("batch", self.batch, 1, 1 << 20, "pages")
        between("depth", self.depth, 1, 1 << 30, "pages")
        between("free", self.free, 0, FOREVER, "pages")
        between("band", self.band, 0, FOREVER, "pages")
        for run in (*self.inactive, *self.active):
            between(f"the run of pages from {run.first}", run.count, 1, FOREVER, "pages")


@dataclass(frozen=True)
@inputs
class Rules:
    """What the patch and its what-ifs change in the reclaim."""

    objrmap: bool = False  # a pte that goes takes the page's other ptes with it
    starts_io: bool = False  # shmem_writepage writes the swapcache page at once
    clean_pass: bool = False  # a search for clean pages before any writepage
    anchored: bool = False  # ... that leaves the list as it is
    rotate_written: bool = False  # a written page goes to the tail

    def __post_init__(self) -> None:
        if self.anchored and (self.rotate_written or not self.clean_pass):
            raise ValueError("anchored needs clean_pass and excludes rotate_written, got " + repr(self))


STOCK = Rules()


class Snapshot(NamedTuple):
    """The counters at a whole second, or at the end of a run."""

    second: float
    free: int
    slots_used: int
    swapcache: int  # pages in memory of kind SWAPCACHE
    pagecache: int  # pages in memory of kind SHM or FILE
    writes: int
    file_writes: int
    swap_ins: int
    copied: int
    taken: int  # pages that joined no list
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


COUNTERS = Snapshot._fields[1:]
