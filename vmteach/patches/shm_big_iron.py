"""Swapping shared memory on a big machine: one request for 32 pages that moves gigabytes.

changelog   05_vm_28-shmem-big-iron-1: "Make it possible to swap efficiently huge amounts of shm."
source      2.4.27 mm/vmscan.c, mm/shmem.c (read); the patch itself is not in any stored copy, so that how its
            three parts were wired is inferred from the announcement (docs/reclaim-rules.md)
unpatched   page tables are walked until the last process lets go; writepage converts a page into swapcache
            and starts no I/O; dirty pages in front of clean ones are all dealt with first
patched     the other processes' ptes go with the first (objrmap); writepage starts the I/O; a pass over
            1/vm_cache_scan_ratio of the inactive list takes clean pages before any writepage
left out    kswapd, user code, read-ahead, page tables that share pages unevenly, more than one swap disk
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from vmteach.kernel.reclaim import (
    SECOND,
    Costs,
    Kind,
    Page,
    PageRun,
    PageState,
    Pte,
    PteRun,
    Reclaim,
    Rules,
    Setup,
    Snapshot,
    Where,
)
from vmteach.machine import GIB, KIB, MIB, PRESETS, Machine, Sysctls, check_sysctl
from vmteach.run import Control, Run, between, inputs

# CPU time of one step in ns, divided among the processors, which all reclaim at once when one has to.
# `convert` is the one calibrated figure: rows 11-20 of the trace, where 8 processors did nothing else
# (`calibrated` below; tests/test_shm_big_iron.py works it out again from the data). It holds whatever else
# the kernel did for each page then, and is charged under every policy. The rest are stated, not measured.
CONVERT = 204_900
VISIT = 400
PTE = 200
SUBMIT = 4_000

OTHER_SHARE = 8  # 1/8 of RAM is anonymous memory and the kernel's own, and on neither list
TASKS_PER_CPU = 3  # tasks that want memory at once: r is 16-33 on the 8 processors of the trace
MOST_LISTS = 200  # of a run that are kept for its picture, which is 300 columns wide
HORIZON = 1_800  # s: what has not happened in half an hour is called hung


class Start(Enum):
    """What the shared pages that nobody touches look like at the beginning."""

    UNMAPPED = "all unmapped"  # the announcement: "basically all shm is already freeable but dirty"
    RUN = "100,000 unmapped"  # the announcement: "an hundred thousand shm pages"
    MAPPED = "all mapped"  # what the rules give when nothing else has happened


UNMAPPED_RUN = 100_000  # pages


@dataclass(frozen=True)
@inputs
class Scenario:
    """A machine whose memory is mostly one shared segment, and a file being copied beside it."""

    machine: Machine = PRESETS["32 GB"]
    vm_cache_scan_ratio: int = 6
    shm_percent: int = 75  # shared memory, % of RAM
    processes: int = 100  # each maps all of it
    touched_percent: int = 65  # of the shared memory, touched by all of them every second
    copy: int | None = None  # bytes of the file; None: 1/8 of RAM
    start: Start = Start.UNMAPPED

    def __post_init__(self) -> None:
        check_sysctl("vm_cache_scan_ratio", self.vm_cache_scan_ratio)
        between("shm_percent", self.shm_percent, 1, 1000, "% of RAM")
        between("processes", self.processes, 1, 100_000)
        between("touched_percent", self.touched_percent, 0, 100, "% of the shared memory")
        if self.copy is not None:
            between("copy", self.copy, self.machine.page, 64 * self.machine.ram, "bytes")
        room = (self.lists + self.machine.swap // self.machine.page) * 100 // self.machine.pages
        if self.shm_percent > room:
            raise ValueError(
                f"shm_percent must be at most {room} here (RAM and swap hold no more), got {self.shm_percent}"
            )

    @property
    def reserve(self) -> int:
        """Pages that allocators keep free: the low edge of the machine's band."""
        return self.machine.free_band[0] * KIB // self.machine.page

    @property
    def lists(self) -> int:
        """Pages on the two lists: RAM less the reserve, the page descriptors and the other memory."""
        machine = self.machine
        other = machine.mem_map // machine.page + machine.pages // OTHER_SHARE
        return machine.pages - self.reserve - other

    @property
    def shm(self) -> int:
        """Pages of the shared segment."""
        return self.machine.pages * self.shm_percent // 100

    @property
    def copy_pages(self) -> int:
        return max(1, (self.machine.ram // 8 if self.copy is None else self.copy) // self.machine.page)

    @property
    def costs(self) -> Costs:
        """Time of each step on this machine, ns."""
        cpus = self.machine.cpus
        read = self.machine.page * SECOND // self.machine.disk_rate
        return Costs(VISIT // cpus, PTE // cpus, CONVERT // cpus, SUBMIT // cpus, read)

    @property
    def setup(self) -> Setup:
        """The lists, page tables and swap that the reclaim starts from.

        The inactive list from its tail: the unmapped shared pages, clean file pages, the mapped shared pages
        that nobody touches. The active list: the touched ones. What does not fit begins in swap.
        """
        swapped = max(0, self.shm - self.lists)
        present = self.shm - swapped
        hot = min(present, self.shm * self.touched_percent // 100)
        cold = present - hot
        unmapped = {Start.UNMAPPED: cold, Start.RUN: min(cold, UNMAPPED_RUN), Start.MAPPED: 0}[self.start]
        shm, file = PageState(Kind.SHM, dirty=True), PageState(Kind.FILE)
        runs = (
            PageRun(hot, unmapped, shm),
            PageRun(self.shm, self.lists - present, file),
            PageRun(hot + unmapped, cold - unmapped, shm),
        )
        ptes = (PteRun(0, hot, Pte.YOUNG), PteRun(hot + unmapped, cold - unmapped, Pte.OLD))
        return Setup(
            shm=self.shm,
            inactive=tuple(run for run in runs if run.count),
            active=(PageRun(0, hot, shm._replace(referenced=True)),) if hot else (),
            processes=self.processes,
            ptes=tuple(run for run in ptes if run.count),
            hot=hot,
            slots=self.machine.swap // self.machine.page,
            slots_used=swapped,
            free=self.reserve,
            min=self.reserve,
            sysctls=Sysctls(vm_cache_scan_ratio=self.vm_cache_scan_ratio),
            costs=self.costs,
            service=self.machine.page * SECOND // self.machine.swap_rate,
            depth=max(1, 4 * MIB // self.machine.page),
        )


Policy = Rules  # what the patch changed: a yes or no for each fix

POLICIES: dict[str, Policy] = {
    "unpatched": Policy(),
    "fix 1": Policy(objrmap=True),
    "fixes 1+2": Policy(objrmap=True, starts_io=True),
    "patched": Policy(objrmap=True, starts_io=True, clean_pass=True),
    "what if: anchored search": Policy(objrmap=True, starts_io=True, clean_pass=True, anchored=True),
    "what if: rotation as in 2.6": Policy(objrmap=True, starts_io=True, rotate_written=True),
    "what if: fix 2 alone": Policy(starts_io=True),
    "what if: fix 3 alone": Policy(clean_pass=True),
}
UNPATCHED, PATCHED = "unpatched", "patched"

CONTROLS = (
    Control("machine", "machine size", tuple(PRESETS)),
    Control("vm_cache_scan_ratio", "vm_cache_scan_ratio", (1, 2, 3, 6, 10, 20, 60)),
    Control("shm_percent", "shared memory", (10, 25, 40, 50, 60, 70, 75, 80, 90), "% of RAM"),
    Control("processes", "processes that map it", (1, 2, 10, 50, 100, 300, 500)),
)


class Sampled(NamedTuple):
    """One line of vmstat: the state at a whole second and what happened in the second before it.

    Memory in KiB, si so bi bo in KiB a second, us sy id wa in percent of all processors. r, b, in and cs
    are only what the model's own reclaim causes.
    """

    r: int
    b: int
    swpd: int
    free: int
    buff: int
    cache: int
    si: int
    so: int
    bi: int
    bo: int
    in_: int
    cs: int
    us: int
    sy: int
    id: int
    wa: int


VMSTAT = tuple(name.rstrip("_") for name in Sampled._fields)


class Place(NamedTuple):
    """A stretch of a list at one moment: pages in one state."""

    state: str
    pages: int


@dataclass(frozen=True)
class StormRun(Run):
    """A Run whose `frame` has vmstat's sixteen columns, with the inactive list as it was every `every` seconds."""

    lists: tuple[tuple[Place, ...], ...] = field(default=(), repr=False)  # inactive, tail first; [0] at the start
    every: int = 1
    counters: tuple[Snapshot, ...] = field(default=(), repr=False)

    @property
    def frame(self):  # type: ignore[no-untyped-def]
        frame = super().frame
        return frame.rename(columns={"in_": "in"})


def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> StormRun:
    """Ask for memory once, then copy the file: a StormRun of one row a simulated second.

    >>> small = Scenario(machine=PRESETS["256 MB"])
    >>> run = simulate(small, POLICIES[UNPATCHED])
    >>> run.numbers["written before the first page was free (MiB)"]
    0
    """
    lists: list[tuple[Place, ...]] = []

    def look(model: Reclaim) -> None:
        lists.append(inactive_list(model))
        if len(lists) == MOST_LISTS:  # keep every second one, and look half as often from now on
            lists[:] = lists[1::2]
            model.observe_every *= 2

    model = Reclaim(scenario.setup, policy, observe=look)
    start = inactive_list(model)
    first = first_request(model)
    model.run(scenario.copy_pages - model.count["copied"], horizon=HORIZON * SECOND)
    numbers = {**first, **whole_run(scenario, model)}
    rows = tuple(vmstat(scenario, [first_snapshot(scenario), *model.samples]))
    return StormRun(scenario, policy, rows, numbers, (start, *lists), model.observe_every, tuple(model.samples))


def first_request(model: Reclaim) -> dict[str, float]:
    """What the first request for 32 pages did."""
    model.run(1)
    count, page = model.count, model_page(model)
    return {
        "converted by the first request (GiB)": round(count["conversions"] * page / GIB, 2),
        "written before the first page was free (MiB)": round(count["writes"] * page / MIB),
        "first request (s)": round(model.longest / SECOND, 2),
    }


def model_page(model: Reclaim) -> int:
    """Bytes of a page: the queue of the disk holds 4 MiB of them."""
    return 4 * MIB // model.setup.depth


def whole_run(scenario: Scenario, model: Reclaim) -> dict[str, float]:
    """The figures of the whole copy."""
    count, page = model.count, scenario.machine.page
    searched = count["visits"] + count["clean_visits"]
    return {
        "copy speed (MiB/s)": round(count["copied"] * page / MIB / (model.now / SECOND), 1),
        "swapped out meanwhile (GiB)": round(count["writes"] * page / GIB, 2),
        "pages searched per page freed": round(searched / max(1, count["frees"]), 1),
        "page table entries walked (millions)": round(count["ptes"] / 1e6, 1),
        "longest request (s)": round(model.longest / SECOND, 2),
        "free (KiB)": count["free"] * page // KIB,
    }


def first_snapshot(scenario: Scenario) -> Snapshot:
    """The counters before anything has happened."""
    model = Reclaim(scenario.setup, Rules())
    return Snapshot(0, *model.count.values())


def vmstat(scenario: Scenario, samples: list[Snapshot]) -> list[Sampled]:
    """What vmstat would have printed: one line for each sample after the first."""
    machine, rows = scenario.machine, []
    unit, tasks = machine.page // KIB, TASKS_PER_CPU * machine.cpus
    buff = machine.ram // KIB // 560  # as in the trace, 30 MB on 16 GB; nothing in the model touches it
    for old, new in zip(samples, samples[1:]):
        counters = ("swap_ins", "writes", "copied", "file_writes")
        si, so, read, file = ((getattr(new, name) - getattr(old, name)) * unit for name in counters)
        asleep = min(1.0, (new.slept - old.slept + new.reading - old.reading) / SECOND)
        on_disk = min(1.0, (new.slept - old.slept) / SECOND)
        io = (si + so + read + file) // unit
        busy = 1 - asleep
        rows.append(
            Sampled(
                r=round(tasks * busy),
                b=round(tasks * on_disk),
                swpd=new.slots_used * unit,
                free=new.free * unit,
                buff=buff,
                cache=new.pagecache * unit,
                si=si,
                so=so,
                bi=read + si,
                bo=so + file,
                in_=100 + io // 8,
                cs=2 * (new.sleeps - old.sleeps) + io // 8,
                us=0,
                sy=round(100 * busy),
                id=100 - round(100 * busy),
                wa=0,
            )
        )
    return rows


def inactive_list(model: Reclaim) -> tuple[Place, ...]:
    """The inactive list from its tail, neighbours in one state joined."""
    states: list[str] = []
    counts: list[int] = []
    for pages, page, mapcount in model.places(Where.INACTIVE):
        state = page_state(page, mapcount > 0)
        if states and states[-1] == state:
            counts[-1] += pages
        else:
            states.append(state)
            counts.append(pages)
    return tuple(map(Place, states, counts))


def page_state(page: Page, mapped: bool) -> str:
    """The word for a page in the pictures."""
    if page.writing:
        return "writing"
    if mapped:
        return "mapped"
    if page.state.kind is Kind.SWAPCACHE:
        return "swapcache dirty" if page.state.dirty else "swapcache clean"
    return "dirty" if page.state.dirty else "clean"


def calibrated(swpd: list[int], cpus: int = 8, page: int = 4 * KIB) -> float:
    """CPU time of one conversion, ns: from `swpd` in KiB, read once a second while nothing else went on.

    The least-squares slope over the rows given, on all processors.

    >>> calibrated([0, 40_000, 80_000])
    800000.0
    """
    n = len(swpd)
    middle, mean = (n - 1) / 2, sum(swpd) / n
    away = [i - middle for i in range(n)]
    slope = sum(a * (kib - mean) for a, kib in zip(away, swpd)) / sum(a * a for a in away)
    return cpus * SECOND / (slope * KIB / page)
