"""Swapping shared memory on a big machine: one request for 32 pages that moves gigabytes.

changelog   05_vm_28-shmem-big-iron-1: "Make it possible to swap efficiently huge amounts of shm."
source      READ: 2.4.27 mm/vmscan.c, mm/shmem.c, mm/memory.c. RUN: their functions in user space (data/cases).
            INFERRED: how the three fixes were wired, for no stored copy of the patch is known
unpatched   page tables are walked until the last process lets go; writepage converts a page into swapcache
            and starts no I/O; dirty pages in front of clean ones are all dealt with first
patched     the other processes' ptes go with the first (objrmap); writepage starts the I/O; a pass over
            1/vm_cache_scan_ratio of the inactive list takes clean pages before any writepage
left out    user code, read-ahead, page tables that share pages unevenly, more than one swap disk; reading and
            reclaiming at the same time
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Annotated, NamedTuple

from vmteach.kernel.reclaim import Costs, Kind, PageRun, PageState, Pte, PteRun, Reclaim, Rules, Setup, Snapshot
from vmteach.kernel.reclaim.setup import SECOND
from vmteach.kernel.reclaim.view import View
from vmteach.kernel.stretches import Kept, in_stretches, inactive_list
from vmteach.kernel.vmstat import vmstat
from vmteach.machine import GIB, KIB, MIB, PRESETS, Machine, Sysctl, Sysctls, panel
from vmteach.run import Control, Preset, Run, Values, between, inputs, takes_inputs, within

# Time of one step, ns. Visits, ptes and submissions are CPU time, divided among the processors, which all reclaim
# at once when one has to. A conversion works under the segment's one lock (read), so that conversions of one segment
# come one after another on every machine: CONVERT is wall time, calibrated on rows 11-20 of the trace (`calibrated` in
# kernel/vmstat.py; a test works it out again) and held for every policy. The other costs are stated, not measured.
VISIT, PTE, SUBMIT = 400, 200, 4_000
CONVERT = 25_600

OTHER_SHARE = 8  # 1/8 of RAM is anonymous memory and the kernel's own, and on neither list
PROCESSES = 100  # that use the segment
WINDOW = 0.9  # of its address space is what a process can map of it: 2.7 of 3 GiB (the author's own figure)
A_PAGE_TAKEN = 33_898  # ns from one page of the application's demand to the next: rows 1 to 6 of the trace
HORIZON = 3_600  # s: no request begins later
STRETCH = 1_000  # pages
SLOWEST = 20  # s over which the slowest part of a copy is reckoned


class Wants(Enum):
    """Who wants memory, in which order."""

    BACKUP = "backup"  # copies a file through the page cache
    APPLICATION = "application"  # takes anonymous memory
    BACKUP_FIRST = "backup first"
    APPLICATION_FIRST = "application first"


PHASES = {
    Wants.BACKUP: ("backup",),
    Wants.APPLICATION: ("application",),
    Wants.BACKUP_FIRST: ("backup", "application"),
    Wants.APPLICATION_FIRST: ("application", "backup"),
}


class Order(Enum):
    """The order of the shared pages on the active list, from its tail."""

    ROW = "in a row, hot first"
    STRETCHES = "in stretches of 1,000"  # hot and cold by turns


@dataclass(frozen=True)
@inputs
class Scenario:
    """A machine whose memory is mostly one shared segment, and those who want memory beside it.

    At the start all shared memory is on the active list, where two faults of each page put it. What a process maps
    is touched every second; `unmapped_percent` is mapped by nobody.

    >>> start = Scenario()
    >>> start.shm, start.cold, start.processes
    (6899278, 2552732, 17)
    """

    machine: Machine = PRESETS["32 GB"]
    vm_cache_scan_ratio: Sysctl = 6
    wants: Wants = Wants.BACKUP
    file_percent: Annotated[int, within(1, 95, "% of the lists")] = 3  # clean file pages; the rest is shared memory
    unmapped_percent: Annotated[int, within(0, 100, "% of the shared memory")] = 37  # mapped by nobody
    swap: Annotated[int, within(1, 10_000, "MiB/s")] = 10  # of the swap disk
    order: Order = Order.ROW
    copy: int | None = None  # bytes that the backup reads; None: 1/8 of RAM
    application: int | None = None  # bytes that the application takes; None: the file pages and 1/80 of RAM more

    def __post_init__(self) -> None:
        for name, value in (("copy", self.copy), ("application", self.application)):
            if value is not None:
                between(name, value, self.machine.page, 64 * self.machine.ram, "bytes")

    @property
    def reserve(self) -> int:
        """Pages that allocators keep free: the low edge of the machine's band."""
        return self.machine.free_band[0] * KIB // self.machine.page

    @cached_property
    def lists(self) -> int:
        """Pages on the two lists: RAM less the reserve, the page descriptors and the other memory.

        >>> start = Scenario()
        >>> start.lists == start.files + start.shm, start.shm == start.hot + start.cold
        (True, True)
        """
        machine = self.machine
        other = machine.mem_map // machine.page + machine.pages // OTHER_SHARE
        return machine.pages - self.reserve - other

    @property
    def files(self) -> int:
        """Clean file pages at the start."""
        return self.lists * self.file_percent // 100

    @property
    def shm(self) -> int:
        """Pages of the shared segment."""
        return self.lists - self.files

    @property
    def cold(self) -> int:
        """Shared pages that nobody maps."""
        return self.shm * self.unmapped_percent // 100

    @property
    def hot(self) -> int:
        """Shared pages that processes map and touch."""
        return self.shm - self.cold

    @property
    def processes(self) -> int:
        """Processes that map each hot page, on average: a process maps a window of its address space at most.

        Three at least: then their faults have left each page active and referenced, as `setup` has it.
        """
        window = -(-int(self.machine.task_size * WINDOW) // self.machine.page)
        return max(3, min(PROCESSES, -(-PROCESSES * window // max(1, self.hot))))

    @property
    def copy_pages(self) -> int:
        """Pages of the file that the backup reads."""
        return max(1, (self.machine.ram // 8 if self.copy is None else self.copy) // self.machine.page)

    @property
    def application_pages(self) -> int:
        """Pages of anonymous memory that the application takes."""
        if self.application is None:
            return self.files + self.machine.pages // 80
        return max(1, self.application // self.machine.page)

    @property
    def costs(self) -> Costs:
        """Time of each step on this machine, ns."""
        cpus = self.machine.cpus
        read = self.machine.page * SECOND // self.machine.disk_rate
        return Costs(VISIT // cpus, PTE // cpus, CONVERT, SUBMIT // cpus, read)

    @property
    def setup(self) -> Setup:
        """The lists, page tables and swap that the reclaim starts from.

        With three processes or more the faults have left each page active and referenced (mark_page_accessed).
        """
        page = self.machine.page
        return Setup(
            shm=self.shm,
            inactive=(PageRun(self.shm, self.files, PageState(Kind.FILE)),),
            active=tuple(self.active()),
            processes=self.processes,
            ptes=(PteRun(0, self.hot, Pte.YOUNG),) if self.hot else (),
            hot=self.hot,
            slots=self.machine.swap // page,
            free=self.reserve,
            min=self.reserve,
            band=band(self.machine),
            sysctls=Sysctls(vm_cache_scan_ratio=self.vm_cache_scan_ratio),
            costs=self.costs,
            service=page * SECOND // (self.swap * MIB),
            depth=max(1, 4 * MIB // page),
        )

    def active(self) -> list[PageRun]:
        """The active list from its tail: the pages that are mapped, then the others; or both by turns.

        >>> [len(Scenario(PRESETS["256 MB"], order=order).active()) for order in Order]
        [2, 56]
        """
        state = PageState(Kind.SHM, dirty=True, referenced=True)
        turns = -(-self.shm // (2 * STRETCH)) if self.order is Order.STRETCHES else 1
        return [PageRun(first, pages, state) for first, pages in in_stretches(self.hot, self.cold, turns) if pages]


def band(machine: Machine) -> int:
    """Pages that kswapd frees beyond the low watermark of the top zone, up to its high one.

    >>> band(PRESETS["32 GB"]), band(PRESETS["32 MB"])
    (255, 32)
    """
    marks = machine.watermarks(machine.zones[-1].name)
    return marks.high - marks.low


Policy = Rules  # what the patch changed: a yes or no for each fix

POLICIES: dict[str, Policy] = {
    "unpatched": Policy(),
    "fix 1 only": Policy(objrmap=True),
    "fixes 1 and 2": Policy(objrmap=True, starts_io=True),
    "patched": Policy(objrmap=True, starts_io=True, clean_pass=True),
    "what if: anchored search": Policy(objrmap=True, starts_io=True, clean_pass=True, anchored=True),
    "what if: fix 2 only": Policy(starts_io=True),
    "what if: fix 3 only": Policy(clean_pass=True),
}
UNPATCHED, PATCHED = "unpatched", "patched"
ROTATION = Policy(objrmap=True, starts_io=True, rotate_written=True)  # as in 2.6: a written page goes to the tail

CONTROLS = (
    *panel(),
    Control("wants", "who wants memory", tuple(Wants)),
    Control("file_percent", "file cache", (1, 2, 3, 4, 5, 6, 10, 40), "% of the lists"),
    Control("unmapped_percent", "shared, not mapped", (0, 10, 20, 37, 50), "%"),
    Control("swap", "swap disk", (10, 25, 60), "MiB/s"),
)
TRY = (
    Preset("An application asks", {"wants": Wants.APPLICATION}),
    Preset("Who pays?", {"machine": "16 GB", "wants": Wants.BACKUP_FIRST}),
    Preset("256 MB laptop", {"machine": "256 MB"}),
    Preset("A mixed list", {"file_percent": 10}),
)


class Phase(NamedTuple):
    """Who wanted memory, from when to when (s), and the pages written to swap meanwhile."""

    who: str
    start: float
    end: float
    written: int

    @property
    def took(self) -> float:
        """Its length, s."""
        return self.end - self.start


@dataclass(frozen=True)
class StormRun(Run):
    """A Run whose `frame` has vmstat's sixteen columns, with views of the inactive list every `every` seconds."""

    views: tuple[View, ...] = field(default=(), repr=False)  # of the inactive list; [0] at the start
    every: int = 1
    counters: tuple[Snapshot, ...] = field(default=(), repr=False)  # of every second, and of the end
    waits: tuple[tuple[float, float], ...] = ()  # start and end of each request of a second or more, s
    phases: tuple[Phase, ...] = ()
    oom: float | None = None  # when it ran out of memory, s

    @property
    def frame(self):  # type: ignore[no-untyped-def]
        return super().frame.rename(columns={"in_": "in"})

    @cached_property
    def lists(self) -> list[list[tuple[str, int]]]:
        """The inactive list as each view has it, tail first: words for the states of pages, and how many."""
        return [inactive_list(view) for view in self.views]

    @property
    def end(self) -> float:
        """When all was over, s."""
        return self.phases[-1].end


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> StormRun:
    """Those who want memory take it, one after the other: a StormRun of one row a simulated second.

    >>> small = Scenario(machine=PRESETS["256 MB"])
    >>> simulate(small, POLICIES[UNPATCHED]).numbers["converted before the first write (GiB)"]
    0.03
    """
    kept = Kept()
    model = Reclaim(scenario.setup, policy, observe=kept.observe)
    start, first = kept.recorder.view(model.lists), Snapshot(0, *model.count.values())
    phases = tuple(play(model, who, scenario) for who in PHASES[scenario.wants] if not model.oom)
    counters = (first, *model.snapshots)
    return StormRun(
        scenario,
        policy,
        tuple(vmstat(scenario.machine, counters)),
        numbers_of(scenario, model, counters, phases),
        (start, *kept.views),
        model.observe_every,
        counters[1:],
        tuple((begin / SECOND, end / SECOND) for begin, end in model.waits),
        phases,
        None if model.oom_at is None else model.oom_at / SECOND,
    )


def play(model: Reclaim, who: str, scenario: Scenario) -> Phase:
    """Let one of them, "backup" or "application", take what it wants on this model; when, and what was written."""
    start, written = model.now, model.count["writes"]
    if who == "backup":
        model.run(scenario.copy_pages, horizon=HORIZON * SECOND)
    else:
        model.demand(scenario.application_pages, A_PAGE_TAKEN, horizon=HORIZON * SECOND)
    return Phase(who, start / SECOND, model.now / SECOND, model.count["writes"] - written)


def numbers_of(scenario: Scenario, model: Reclaim, counters: Sequence[Snapshot], phases: Sequence[Phase]) -> Values:
    """The figures of a run that the chapter talks about, by name with its unit; words where there was no such part."""
    count, page = model.count, scenario.machine.page
    searched = count["visits"] + count["clean_visits"]
    took = {phase.who: phase.took for phase in phases}
    return {
        **numbers_of_copy(counters, phases, page),
        "application (s)": round(took["application"], 1) if "application" in took else "not there",
        "longest wait (s)": round(model.longest / SECOND, 2),
        "converted before the first write (GiB)": round((model.before_write or count)["conversions"] * page / GIB, 2),
        "written to swap (GiB)": round(count["writes"] * page / GIB, 2),
        "pages searched per page freed": round(searched / max(1, count["frees"]), 1),
        "page table entries walked (millions)": round(count["ptes"] / 1e6, 1),
        "free (KiB)": count["free"] * page // KIB,
        "out of memory": "no" if model.oom_at is None else f"after {model.oom_at / SECOND:.1f} s",
    }


def numbers_of_copy(counters: Sequence[Snapshot], phases: Sequence[Phase], page: int) -> Values:
    """How the backup fared: its speed, the slowest part of it, what was swapped for it."""
    names = "copy speed (MiB/s)", f"slowest {SLOWEST} s of the copy (MiB/s)", "swapped per byte copied"
    it = next((phase for phase in phases if phase.who == "backup"), None)
    if not it or not (copied := counters[-1].copied):
        return dict.fromkeys(names, "no copy")
    speed = copied * page / MIB / it.took
    seen = [s.copied for s in counters if it.start <= s.second <= it.end and s.second == int(s.second)]
    slowest = min(((b - a) * page / MIB / SLOWEST for a, b in zip(seen, seen[SLOWEST:])), default=speed)
    return dict(zip(names, (round(speed, 1), round(slowest, 2), round(it.written / copied, 2))))


def copy_share(place: tuple[str, int], label: str = UNPATCHED) -> float:
    """Speed of the copy, % of what the file disk gives, on a machine (its name) with so many % file pages.

    >>> round(copy_share(("256 MB", 3))), round(copy_share(("256 MB", 4)))
    (47, 98)
    """
    scenario = Scenario(machine=PRESETS[place[0]], file_percent=place[1])
    speed = float(simulate(scenario, POLICIES[label]).numbers["copy speed (MiB/s)"])
    return 100 * speed * MIB / scenario.machine.disk_rate
