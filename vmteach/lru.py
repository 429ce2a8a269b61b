"""The two LRU lists of 2.4.23-2.4.27 as runs of pages in one state, and the reclaim that works on them.

source      docs/reclaim-rules.md says each rule and where it was read
left out    kswapd (the allocating tasks reclaim), slab caches, more than one shared object, swap-in read-ahead

A page-at-a-time program would touch every page of a 32 GB machine several times. This one moves whole
runs: 1.2 million pages that are converted one after another are one step here. Where the same request
repeats (reclaim 32 pages, read 32 pages of a file, and again), the requests are written down; when two
in a row did the same thing and nothing that they depend on is about to change, the next K are taken in
one leap. `tests/naive.py` follows the same rules page by page, and both must agree on everything.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from vmteach.extents import FOREVER, Intervals, PageQueue, Run, Segment, Stripe
from vmteach.machine import Sysctls
from vmteach.run import between

SECOND = 1_000_000_000  # ns


# ---------------------------------------------------------------------------------------------
# What goes in


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
    outside: bool = False  # its zone is not in the class that the request may use


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
    """Everything that the reclaim starts from."""

    shm: int  # pages of the shared memory object
    inactive: tuple[PageRun, ...] = ()  # tail first
    active: tuple[PageRun, ...] = ()  # tail first
    processes: int = 1
    ptes: tuple[PteRun, ...] = ()  # of every process alike; the rest is NONE
    hot: int = 0  # the first pages of the object, touched every second
    slots: int = 0
    slots_used: int = 0  # counts the initial SWAPCACHE pages and those swapped out
    free: int = 0
    min: int = 0
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


@dataclass(frozen=True)
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


COUNTERS = Snapshot._fields[1:]


# ---------------------------------------------------------------------------------------------
# The swap disk


class Disk:
    """First in, first out, `service` ns a page, at most `depth` pages in flight.

    Pages in flight complete exactly `service` apart, so the queue is two numbers: how many, and when
    the oldest is done.
    """

    def __init__(self, service: int, depth: int) -> None:
        self.service, self.depth = service, depth
        self.n = 0  # pages in flight
        self.due = 0  # completion time of the oldest
        self.last = 0  # completion time of the newest ever submitted

    def settle(self, now: int) -> int:
        """Complete what is due; how many pages that is."""
        if not self.n or self.due > now:
            return 0
        done = min(self.n, (now - self.due) // self.service + 1)
        self.n -= done
        self.due += done * self.service
        return done

    def submit(self, now: int) -> None:
        """Queue one page; there must be room."""
        if not self.n:
            self.due = max(now, self.last) + self.service
        self.n += 1
        self.last = self.due + (self.n - 1) * self.service

    def read(self, now: int) -> int:
        """The time at which a page asked for now has been read."""
        self.last = max(now, self.last) + self.service
        return self.last

    def submit_many(self, now: int, n: int, cost: int, until: int) -> tuple[int, int, int, int, int]:
        """Submit up to `n` pages, `cost` ns of work after each, until the clock reaches `until`.

        Steps taken, the clock, sleeps for room in the queue, ns slept, pages completed meanwhile.
        """
        steps = sleeps = slept = done = 0
        while steps < n and now < until:
            if self.n == self.depth and cost < self.service:  # full, and it stays full: in closed form
                k = min(n - steps, max(1, -(-(until - cost - self.due) // self.service) + 1))
                slept += self.due - now + (k - 1) * (self.service - cost)
                now = self.due + (k - 1) * self.service + cost
                self.due += k * self.service
                self.last += k * self.service
                steps, sleeps, done = steps + k, sleeps + k, done + k
                continue
            if not self.n and self.last <= now and cost >= self.service:  # each is done before the next
                k = min(n - steps, -(-(until - now) // cost))
                self.last = now + (k - 1) * cost + self.service
                now += k * cost
                steps, done = steps + k, done + k
                continue
            if self.n == self.depth:
                sleeps, slept, now = sleeps + 1, slept + self.due - now, self.due
                done += self.settle(now)
            self.submit(now)
            steps += 1
            now += cost
            done += self.settle(now)
        return steps, now, sleeps, slept, done


# ---------------------------------------------------------------------------------------------
# A page's place


class Where(Enum):
    """The list that a page is on."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    NOWHERE = "nowhere"  # in memory, off both lists: on its way to the disk under rotate_written


class Page(NamedTuple):
    """A page in memory: its flags, its list, and whether it is being written."""

    state: PageState
    where: Where
    writing: bool = False


class Absent(Enum):
    """A page that is not in memory."""

    GONE = "gone"
    SWAPPED = "swapped out"  # a slot holds it


@lru_cache(maxsize=4096)
def changed_page(page: Page, where: Where | None, writing: bool | None, **flags: Any) -> Page:
    """The page with some fields changed; equal pages are one object, which makes comparing them cheap."""
    return Page(
        page.state._replace(**flags),
        page.where if where is None else where,
        page.writing if writing is None else writing,
    )


def become(page: Page, where: Where | None = None, writing: bool | None = None, **flags: Any) -> Page:
    return changed_page(page, where, writing, **flags)


# Queues of page ids. The inactive list is `behind` + `ahead`, tail first; `behind` is what the anchored
# search has passed, and is empty for everybody else.
ACTIVE, BEHIND, AHEAD = "active", "behind", "ahead"


class Visit(NamedTuple):
    """A line of the log: `count` pages in one state taken from one queue, and where they went."""

    source: str
    target: str  # a queue, or "" for freed or on the way to the disk
    page: Page | None  # None: new pages
    after: Page | Absent
    mapcount: int
    count: int
    first: int


class Decision(NamedTuple):
    """A line of the log: a number that was computed from the lengths of the lists."""

    rule: str
    need: int
    result: int
    active: int
    inactive: int


IRREGULAR = Decision("irregular", 0, 0, 0, 0)


class Processes:
    """The page tables of M processes: those that are equal are one group.

    `ring` holds [how many, their ptes] in the order in which swap_out will come to them, from the current
    process on. Only the current process can be in the middle of its walk.
    """

    def __init__(self, setup: Setup) -> None:
        ptes: Intervals[Pte] = Intervals(Pte.NONE)
        for first, count, pte in setup.ptes:
            ptes.set(first, first + count, pte)
        self.count = setup.processes
        self.ring: deque[list[Any]] = deque([[setup.processes, ptes]])
        self.current = 0
        self.address = 0

    def mapcount(self, page: int) -> tuple[int, int]:
        """How many processes map the page, and the first id behind it for which that may differ."""
        count, end = 0, FOREVER
        for n, ptes in self.ring:
            pte, behind = ptes.at(page)
            if pte is not Pte.NONE:
                count += n
            if behind < end:
                end = behind
        return count, end

    def split_current(self) -> Intervals[Pte]:
        """The ptes of the current process alone."""
        n, ptes = self.ring[0]
        if n > 1:
            self.ring[0] = [n - 1, ptes]
            self.ring.appendleft([1, ptes.copy()])
        return self.ring[0][1]

    def next_process(self, processes: int = 1) -> None:
        """Go on to the next process: the group of `processes` at the front has been walked."""
        n, ptes = self.ring.popleft()
        assert n == processes
        self.address = 0
        self._append(n, ptes)
        self.current = (self.current + processes) % self.count

    def _append(self, n: int, ptes: Intervals[Pte]) -> None:
        """Put a group at the end of the ring, joined to its equal unless that is in the middle of its walk."""
        if self.ring and self.ring[-1][1] == ptes and (len(self.ring) > 1 or not self.address):
            self.ring[-1][0] += n
        else:
            self.ring.append([n, ptes])

    def set_all(self, low: int, high: int, pte: Pte) -> None:
        """The same pte in every process; groups that have become equal are joined."""
        for _, ptes in self.ring:
            ptes.set(low, high, pte)
        groups, self.ring = self.ring, deque()
        for n, ptes in groups:
            self._append(n, ptes)

    def tables(self) -> list[Intervals[Pte]]:
        """One table a process, in the order of the processes."""
        ahead = [ptes for n, ptes in self.ring for _ in range(n)]
        turn = self.count - self.current
        return ahead[turn:] + ahead[:turn]


class Stopped(Exception):
    """The workload ends here: at its horizon, or out of memory."""


class Reclaim:
    """A machine's lists, page tables and swap disk, and the workload that runs on them.

    >>> clean = PageRun(100, 64, PageState(Kind.FILE))
    >>> dirty = PageRun(0, 100, PageState(Kind.SHM, dirty=True))
    >>> stock = Reclaim(Setup(shm=100, inactive=(dirty, clean), slots=100), Rules())
    >>> stock.reclaim(), stock.count["conversions"], stock.count["writes"]
    (32, 100, 0)
    """

    def __init__(self, setup: Setup, rules: Rules = Rules(), leaps: bool = True) -> None:
        self.setup, self.rules, self.leaps = setup, rules, leaps
        self.now = 0
        self.next_second = SECOND
        self.samples: list[Snapshot] = []
        self.oom = False
        self.wanted: deque[int] = deque()
        self.count = dict.fromkeys(COUNTERS, 0)
        self.count["free"] = setup.free
        self.count["slots_used"] = setup.slots_used
        self.steps = 0  # steps and leaps taken: what a run costs us
        self.leapt = 0
        self.disk = Disk(setup.service, setup.depth)
        self.flight = PageQueue()  # ids in flight, oldest first
        self.processes = Processes(setup)
        self.pages: Intervals[Page | Absent] = Intervals(Absent.GONE)
        self.pages.set(0, setup.shm, Absent.SWAPPED)
        self.queues = {name: PageQueue() for name in (ACTIVE, BEHIND, AHEAD)}
        self.active = self.inactive = 0  # pages of the class on each list
        self.next_id = setup.shm
        for name, where, runs in ((AHEAD, Where.INACTIVE, setup.inactive), (ACTIVE, Where.ACTIVE, setup.active)):
            for first, count, state in runs:
                self.queues[name].put(first, count)
                self._set(first, count, Page(state, where))
                self._enlist(where, state, count)
                self._census(state.kind, count)
                self.next_id = max(self.next_id, first + count)
        self.log: list[Visit | Decision] = []
        self.last_log: list[Visit | Decision] = []
        self.base = self._position()
        self.last_delta: tuple[int, ...] = ()
        self.swap_failed = False

    # ---- bookkeeping

    def _set(self, first: int, count: int, value: Page | Absent) -> None:
        self.pages.set(first, first + count, value)

    def _enlist(self, where: Where, state: PageState, count: int) -> None:
        if state.outside:
            return
        if where is Where.INACTIVE:
            self.inactive += count
        elif where is Where.ACTIVE:
            self.active += count

    def _census(self, kind: Kind, count: int) -> None:
        if kind is Kind.SWAPCACHE:
            self.count["swapcache"] += count
        elif kind is not Kind.ANON:
            self.count["pagecache"] += count

    def _move(self, visit: Visit) -> None:
        """Change the state and the place of pages that were just taken off `source`, and log it."""
        _, target, page, after, _, count, first = visit
        if page is not None:
            self._enlist(page.where, page.state, -count)
            if page.state.kind is not (after.state.kind if isinstance(after, Page) else None):
                self._census(page.state.kind, -count)
                if isinstance(after, Page):
                    self._census(after.state.kind, count)
        elif isinstance(after, Page):
            self._census(after.state.kind, count)
        if isinstance(after, Page):
            self._enlist(after.where, after.state, count)
        if page is not after:
            self._set(first, count, after)
        if target:
            self.queues[target].put(first, count)
        self._note(visit)

    def _note(self, line: Visit | Decision) -> None:
        """Write a line of the log; what continues the last line is joined to it."""
        self.steps += 1
        if not self.leaps:
            return
        if isinstance(line, Visit) and self.log:
            last = self.log[-1]
            if isinstance(last, Visit) and last[:5] == line[:5] and last.first + last.count == line.first:
                self.log[-1] = last._replace(count=last.count + line.count)
                return
        self.log.append(line)

    def _limit(self, n: int, cost: int) -> int:
        """Of `n` equal steps, how many until the clock strikes or, where it matters, a write is done."""
        if not cost:
            return n
        n = min(n, -(-(self.next_second - self.now) // cost))
        if self.rules.rotate_written and self.disk.n:
            n = min(n, -(-(self.disk.due - self.now) // cost))
        return n

    def _tick(self, time: int) -> None:
        """Let time pass, complete what is due, take the samples that are due."""
        self.now += time
        if self.disk.n and self.disk.due <= self.now:
            self._complete(self.disk.settle(self.now))
        if self.now >= self.next_second:
            self._sample()

    def _complete(self, done: int) -> None:
        """End the write of the oldest pages in flight."""
        while done:
            item = self.flight.items[0]
            if isinstance(item, Stripe) and item.count <= done and not self.rules.rotate_written:
                self.flight.skip(item.times)
                for s in item.segments:
                    self._complete_segment(s, item.times)
                done -= item.count
                continue
            first, count = self.flight.peek()
            n = 1 if self.rules.rotate_written else min(count, done)
            self.flight.take(n)
            done -= n
            self._complete_run(first, n)

    def _complete_segment(self, segment: Segment, times: int) -> None:
        if segment.stride == segment.count:
            self._complete_run(segment.first, times * segment.count)
        else:
            for k in range(times):
                self._complete_run(segment.first + k * segment.stride, segment.count)

    def _complete_run(self, first: int, count: int) -> None:
        for low, high, page in list(self.pages.runs(first, first + count)):
            assert isinstance(page, Page)
            if page.where is Where.NOWHERE:
                self._set(low, high - low, become(page, Where.INACTIVE, False))
                self._enlist(Where.INACTIVE, page.state, high - low)
                self._tail_queue().put_tail(low)
            else:
                self._set(low, high - low, become(page, None, False))

    def _sample(self) -> None:
        while self.now >= self.next_second:
            values = (self.count[name] for name in COUNTERS)
            self.samples.append(Snapshot(self.next_second // SECOND, *values))
            self.next_second += SECOND
            self.touch()

    def _tail_queue(self) -> PageQueue:
        return self.queues[self._tail_name()]

    def _tail_name(self) -> str:
        return BEHIND if self.queues[BEHIND].length else AHEAD

    # ---- reclaim

    def reclaim(self) -> int:
        """Free up to a batch of pages; how many were freed. (try_to_free_pages_zone)"""
        need = self.setup.batch
        self.swap_failed = False
        for _ in range(self.setup.sysctls.vm_passes):
            self.count["passes"] += 1
            self.refill_inactive(need)
            need = self.shrink_cache(need)
            if not need:
                break
            self._try_swap_out()
        self.count["requests"] += 1
        return self.setup.batch - need

    def _try_swap_out(self) -> None:
        if not self.swap_failed:
            self.swap_failed = not self.swap_out()

    def refill_inactive(self, need: int) -> None:
        """Move pages from the active tail to the inactive head, in proportion to the lists' lengths."""
        balance = self.setup.sysctls.vm_lru_balance_ratio
        quota = need * self.active // (self.inactive * balance + 1)
        self._note(Decision("quota", need, quota, self.active, self.inactive))
        queue, visit = self.queues[ACTIVE], self.setup.costs.visit
        while quota and queue.length:
            first, count = queue.peek()
            page, end = self.pages.at(first)
            assert isinstance(page, Page)
            n = self._limit(min(count, end - first), visit)
            if page.state.referenced:
                target, after = ACTIVE, become(page, referenced=False)
            else:
                n = min(n, quota)
                quota -= n
                target, after = AHEAD, become(page, Where.INACTIVE, referenced=True)
                self.count["refilled"] += n
            queue.take(n)
            self._move(Visit(ACTIVE, target, page, after, -1, n, first))
            self._tick(n * visit)

    def shrink_cache(self, need: int) -> int:
        """Scan the inactive list from its tail within both budgets; how many pages are still wanted."""
        if self.rules.clean_pass:
            need = self.clean_pass(need)
            if not need:
                return 0
        sysctls, visit = self.setup.sysctls, self.setup.costs.visit
        max_scan = full = (self.inactive + self.active) // sysctls.vm_cache_scan_ratio
        lengths = self.active, self.inactive
        max_mapped = sysctls.vm_mapped_ratio * need
        shm, fs = self.setup.shm, self.setup.fs
        while max_scan and self.inactive and need:
            source = self._tail_name()
            queue = self.queues[source]
            first, count = queue.peek()
            page, end = self.pages.at(first)
            assert isinstance(page, Page)
            mapcount, same = self.processes.mapcount(first) if first < shm else (0, FOREVER)
            n = min(count, end - first, same - first)
            state = page.state
            if state.outside:  # rule 2: free of charge
                self._rotate(source, page, page, mapcount, self._limit(n, visit), first)
                continue
            n = min(n, max_scan)
            used = state.pinned or mapcount > 0
            if state.buffers is Buffers.NONE and (used or state.kind is Kind.ANON):  # rule 3
                n = self._limit(min(n, max_mapped + 1), visit)
                max_scan -= n
                max_mapped = self._mapped(source, page, page, mapcount, n, first, need, max_mapped)
                continue
            if page.writing or state.locked:  # rule 4
                n = 1 if page.writing and fs else self._limit(n, visit)
                max_scan -= n
                self._locked(source, page, mapcount, n, first)
                continue
            if state.dirty and state.kind is not Kind.ANON and not used and fs:  # rule 5
                max_scan -= self.writepage(source, page, n, first)
                continue
            if state.buffers is Buffers.BUSY:  # rule 6
                n = self._limit(n, visit)
                max_scan -= n
                self._rotate(source, page, page, mapcount, n, first)
                continue
            bare = become(page, buffers=Buffers.NONE) if state.buffers is Buffers.DROPPABLE else page
            if state.kind is Kind.ANON:  # rule 6: dropped, no mapping: freed
                n = self._limit(min(n, need), visit)
                self._free(source, page, n, first)
            elif used:  # rule 7
                n = self._limit(min(n, max_mapped + 1), visit)
                max_mapped = self._mapped(source, page, bare, mapcount, n, first, need, max_mapped)
                max_scan -= n
                continue
            elif state.dirty:  # rule 8
                n = self._limit(n, visit)
                self._rotate(source, page, bare, mapcount, n, first)
                max_scan -= n
                continue
            else:  # rules 9 and 10
                n = self._limit(min(n, need), visit)
                self._free(source, page, n, first)
            self.count["visits"] += n
            self._tick(n * visit)
            max_scan -= n
            need -= n
        self._note(Decision("scan", -1 if max_scan else full, full - max_scan, *lengths))
        return need

    def _rotate(self, source: str, page: Page, after: Page, mapcount: int, n: int, first: int) -> None:
        """Visit `n` pages that end at the head and are not freed."""
        self.queues[source].take(n)
        self._move(Visit(source, AHEAD, page, after, mapcount, n, first))
        self.count["visits"] += n
        self._tick(n * self.setup.costs.visit)

    def _mapped(
        self, source: str, page: Page, after: Page, mapcount: int, n: int, first: int, need: int, max_mapped: int
    ) -> int:
        """The path of pages in use; what is left of max_mapped. When it is spent: swap_out and refill."""
        self._rotate(source, page, after, mapcount, n, first)
        max_mapped -= n
        if max_mapped < 0:
            self._try_swap_out()
            max_mapped = need * self.setup.sysctls.vm_mapped_ratio
            self.refill_inactive(need)
        return max_mapped

    def _locked(self, source: str, page: Page, mapcount: int, n: int, first: int) -> None:
        if page.writing and self.setup.fs:
            self._sleep_until(self._completion_time(first))
            self.log.append(IRREGULAR)
            page, _ = self.pages.at(first)  # type: ignore[assignment]
        self._rotate(source, page, page, mapcount, n, first)

    def _completion_time(self, page: int) -> int:
        """When the write of a page in flight will be done."""
        ahead = 0
        for item in self.flight.items:
            for first, count in item.unrolled() if isinstance(item, Stripe) else (item,):
                if first <= page < first + count:
                    return self.disk.due + (ahead + page - first) * self.disk.service
                ahead += count
        raise AssertionError(f"page {page} is not in flight")

    def _sleep_until(self, time: int) -> None:
        """Sleep for the disk: time passes, writes complete; samples wait for the end of the step."""
        self.count["sleeps"] += 1
        self.count["slept"] += time - self.now
        self.now = time
        self._complete(self.disk.settle(self.now))

    def _free(self, source: str, page: Page, n: int, first: int) -> None:
        self.queues[source].take(n)
        after = Absent.SWAPPED if page.state.kind is Kind.SWAPCACHE else Absent.GONE
        self._move(Visit(source, "", page, after, 0, n, first))
        self.count["free"] += n
        self.count["frees"] += n

    def clean_pass(self, need: int) -> int:
        """Free clean pages within inactive / vm_cache_scan_ratio visits; how many are still wanted."""
        ratio, visit = self.setup.sysctls.vm_cache_scan_ratio, self.setup.costs.visit
        budget = full = self.inactive // ratio
        lengths = self.active, self.inactive
        shm, anchored = self.setup.shm, self.rules.anchored
        target = BEHIND if anchored else AHEAD
        while budget and self.inactive and need:
            queue = self.queues[AHEAD]
            if not queue.length:  # the anchored search has come to the head: back to the tail
                self.queues[AHEAD], self.queues[BEHIND] = self.queues[BEHIND], queue
                self.log.append(IRREGULAR)
                continue
            first, count = queue.peek()
            page, end = self.pages.at(first)
            assert isinstance(page, Page)
            mapcount, same = self.processes.mapcount(first) if first < shm else (0, FOREVER)
            n = self._limit(min(count, end - first, same - first), visit)
            if not page.state.outside:
                n = min(n, budget)
            if freeable(page, mapcount):
                n = min(n, need)
                self._free(AHEAD, page, n, first)
                need -= n
            else:
                queue.take(n)
                self._move(Visit(AHEAD, target, page, page, mapcount, n, first))
            if not page.state.outside:
                budget -= n
            self.count["clean_visits"] += n
            self._tick(n * visit)
        self._note(Decision("clean", -1 if budget else full, full - budget, *lengths))
        return need

    # ---- writing

    def writepage(self, source: str, page: Page, n: int, first: int) -> int:
        """Call the mapping's writepage for up to `n` pages at the tail; how many steps that took."""
        costs, rules = self.setup.costs, self.rules
        shm = page.state.kind is Kind.SHM
        if shm:
            room = self.setup.slots - self.count["slots_used"]
            if not room:
                n = self._limit(n, costs.visit)
                self.queues[source].take(n)
                self._move(Visit(source, ACTIVE, page, become(page, Where.ACTIVE, referenced=True), 0, n, first))
                return self._visited(n, costs.visit)
            n = min(n, room)
            if not rules.starts_io:
                n = self._limit(n, costs.visit + costs.convert)
                self.queues[source].take(n)
                after = become(page, kind=Kind.SWAPCACHE, referenced=False)
                self._move(Visit(source, AHEAD, page, after, 0, n, first))
                self._converted(n)
                return self._visited(n, costs.visit + costs.convert)
        cost = costs.visit + costs.submit + (costs.convert if shm else 0)
        flags = {"kind": Kind.SWAPCACHE, "referenced": False} if shm else {}
        if rules.rotate_written:
            n = 1
        n, now, sleeps, slept, done = self.disk.submit_many(self.now, n, cost, self.next_second)
        self.queues[source].take(n)
        where = Where.NOWHERE if rules.rotate_written else Where.INACTIVE
        target = "" if rules.rotate_written else AHEAD
        self._move(Visit(source, target, page, become(page, where, True, dirty=False, **flags), 0, n, first))
        if shm:
            self._converted(n)
        self.flight.put(first, n)
        self._complete(done)
        self.count["sleeps"] += sleeps
        self.count["slept"] += slept
        self.count["file_writes" if page.state.kind is Kind.FILE else "writes"] += n
        self.count["visits"] += n
        self.now = now
        self._tick(0)
        return n

    def _visited(self, n: int, cost: int) -> int:
        self.count["visits"] += n
        self._tick(n * cost)
        return n

    def _converted(self, n: int) -> None:
        self.count["slots_used"] += n
        self.count["conversions"] += n

    # ---- page tables

    def swap_out(self) -> bool:
        """Walk page tables until a batch of pages has become freeable; False when the turns run out."""
        self.log.append(IRREGULAR)
        self.count["swap_outs"] += 1
        want = self.setup.batch
        turns = 2 * self.processes.count + 1
        while turns:
            walked, want = self._walk(want, turns)
            if not want:
                return True
            turns -= walked
        return False

    def _walk(self, want: int, turns: int) -> tuple[int, int]:
        """Walk the current process from its address; turns used, pages still wanted.

        When the walk of one whole process changed no page, its equals behind it will do the same, as long as
        none of them is the last to map a page: they are walked in one leap.
        """
        processes = self.processes
        whole = processes.address == 0
        alike = processes.ring[0][0]
        start = self.now, self.count["ptes"], self.count["ptes_destroyed"], self.steps
        table = processes.split_current()
        quiet, spare = True, FOREVER
        while processes.address < self.setup.shm:
            address = processes.address
            pte, end = table.at(address)
            end = min(end, self.setup.shm)
            if pte is Pte.NONE:
                processes.address = end
                continue
            second = self.next_second
            want, calm, others = self._walk_run(table, address, end - address, pte, want)
            quiet = quiet and calm and second == self.next_second
            spare = min(spare, others)
            if not want:
                return 1, 0
        processes.next_process()
        if not (whole and quiet and self.leaps):
            return 1, want
        time = self.now - start[0]
        more = min(alike - 1, turns - 1, spare - 1)
        if time:
            more = min(more, (self.next_second - 1 - self.now) // time)
        if more > 0:
            n, ptes = processes.ring[0]
            after = processes.ring[-1][1].copy()
            if n > more:
                processes.ring[0] = [n - more, ptes]
                processes.ring.appendleft([more, after])
            else:
                processes.ring[0] = [n, after]
            processes.next_process(more)
            self.count["ptes"] += more * (self.count["ptes"] - start[1])
            self.count["ptes_destroyed"] += more * (self.count["ptes_destroyed"] - start[2])
            self.steps += 1
            self._tick(more * time)
        return 1 + max(more, 0), want

    def _walk_run(
        self, table: Intervals[Pte], first: int, n: int, pte: Pte, want: int
    ) -> tuple[int, bool, int]:
        """try_to_swap_out for up to `n` equal ptes from page `first`.

        Pages still wanted; whether no page changed; how many other processes map what was unmapped.
        """
        page, end = self.pages.at(first)
        assert isinstance(page, Page)
        mapcount, same = self.processes.mapcount(first)
        n = min(n, end - first, same - first)
        cost = self.setup.costs.pte
        quiet, others, destroyed = True, FOREVER, 0
        if pte is Pte.YOUNG:
            n = self._limit(n, cost)
            table.set(first, first + n, Pte.OLD)
            quiet = not self._mark_accessed(page, first, n)
        elif page.where is not Where.INACTIVE or page.state.outside or page.state.locked or page.writing:
            n = self._limit(n, cost)
        else:
            mine_only = mapcount == 1 or self.rules.objrmap
            gains = mine_only and not page.state.pinned
            destroyed = mapcount if mine_only else 1
            cost *= destroyed
            n = self._limit(min(n, want) if gains else n, cost)
            if mine_only:
                for _, ptes in self.processes.ring:
                    ptes.set(first, first + n, Pte.NONE)
                quiet = False
            else:
                table.set(first, first + n, Pte.NONE)
                others = mapcount - 1
            want -= n if gains else 0
        self.steps += 1
        self.processes.address = first + n
        self.count["ptes"] += n
        self.count["ptes_destroyed"] += n * destroyed
        self._tick(n * cost)
        return want, quiet, others

    def _mark_accessed(self, page: Page, first: int, n: int, times: int = 1) -> bool:
        """mark_page_accessed, `times` times for each of `n` equal pages; whether anything changed."""
        after = page
        for _ in range(min(times, 3)):
            if after.where is Where.INACTIVE and after.state.referenced:
                after = become(after, Where.ACTIVE, referenced=False)
            else:
                after = become(after, referenced=True)
        if after == page:
            return False
        if after.where is not page.where:
            removed = sum(self.queues[name].remove(first, first + n) for name in (BEHIND, AHEAD))
            assert removed == n
            self._enlist(page.where, page.state, -n)
            self._enlist(after.where, after.state, n)
            self.queues[ACTIVE].put(first, n)
            self.count["activations"] += n
        self._set(first, n, after)
        return True

    def touch(self) -> None:
        """The processes touch the hot pages: young ptes, minor faults, and wishes for what is swapped out."""
        first, everybody = 0, self.processes.count
        before = self.count["minor_faults"], len(self.wanted)
        while first < self.setup.hot:
            page, end = self.pages.at(first)
            mapcount, same = self.processes.mapcount(first)
            n = min(end, same, self.setup.hot) - first
            faults = everybody - mapcount
            if not isinstance(page, Page):
                self.wanted.extend(i for i in range(first, first + n) if i not in self.wanted)
            elif not faults:
                self.processes.set_all(first, first + n, Pte.YOUNG)
            elif not (page.writing or page.state.locked):
                self._minor_fault(page, first, n, faults)
            first += n
        if before != (self.count["minor_faults"], len(self.wanted)):
            self.log.append(IRREGULAR)

    def _minor_fault(self, page: Page, first: int, n: int, faults: int) -> None:
        self.count["minor_faults"] += n * faults
        if page.state.kind is Kind.SWAPCACHE:  # the inverse of the conversion
            after = become(page, kind=Kind.SHM, dirty=True, referenced=False)
            self._set(first, n, after)
            self._census(Kind.SWAPCACHE, -n)
            self._census(Kind.SHM, n)
            self.count["slots_used"] -= n
            self.count["undone"] += n
            page = after
        self._mark_accessed(page, first, n, faults)
        self.processes.set_all(first, first + n, Pte.YOUNG)

    # ---- the workload

    def run(self, copy: int, anon: bool = False, horizon: int | None = None) -> "Reclaim":
        """Read a file of `copy` pages; with `anon`, into fresh anonymous memory. Stops at `horizon` ns."""
        self.goal = self.count["copied"] + copy
        self.horizon = FOREVER if horizon is None else horizon
        try:
            while self.count["copied"] < self.goal:
                if self.wanted:
                    self._room()
                    self.count["free"] -= 1
                    self._swap_in(self.wanted[0])
                    continue
                if self.leaps and self.count["free"] <= self.setup.min:
                    self._leap()
                    if self.count["copied"] >= self.goal:
                        break
                if anon:
                    self._room()
                    self.count["free"] -= 1
                self._add_pages(1 if anon else self.goal - self.count["copied"])
        except Stopped:
            pass
        return self

    def _room(self) -> int:
        """How many pages may be taken before the next request; reclaims first when there are none."""
        if self.count["free"] <= self.setup.min:
            if self.now >= self.horizon:
                raise Stopped
            while not self.reclaim():
                if not self.disk.n:
                    self.oom = True
                    raise Stopped
                self.log.append(IRREGULAR)
                self._sleep_until(self.disk.due)
                self._tick(0)
        return max(1, self.count["free"] - self.setup.min)

    def _add_pages(self, most: int) -> None:
        """add_to_page_cache for pages that a read brings in."""
        read = self.setup.costs.read
        n = min(most, self._room())
        n = self._limit(1 if self.wanted else n, read)  # what is wanted comes before the next page
        self.count["free"] -= n
        fresh = Page(PageState(Kind.FILE), Where.INACTIVE)
        self._move(Visit("", AHEAD, None, fresh, 0, n, self.next_id))
        self.next_id += n
        self.count["copied"] += n
        self.count["reading"] += n * read
        self._tick(n * read)

    def _swap_in(self, page: int) -> None:
        """Read one page back from swap for the processes that wait for it."""
        done = self.disk.read(self.now)
        self.count["slept"] += done - self.now
        self.now = done
        self._complete(self.disk.settle(self.now))
        self.wanted.popleft()
        self.log.append(IRREGULAR)
        if self.pages.at(page)[0] is Absent.SWAPPED:
            self.count["slots_used"] -= 1
        self.count["swap_ins"] += 1
        self.count["major_faults"] += self.processes.count
        here = Page(PageState(Kind.SHM, dirty=True), Where.INACTIVE)
        self._move(Visit("", AHEAD, None, here, 0, 1, page))
        self._mark_accessed(here, page, 1, self.processes.count)
        self.processes.set_all(page, page + 1, Pte.YOUNG)
        self._tick(0)

    # ---- leaps

    def _position(self) -> tuple[int, ...]:
        """Everything that a request changes by an amount: counters, clock, lists, ids; and the disk's queue."""
        queue = (self.disk.n, self.disk.due - self.now if self.disk.n else 0)
        return (*self.count.values(), self.active, self.inactive, self.next_id, self.now, *queue)

    def _leap(self) -> None:
        """At the start of a request: if the last two were alike, take all that will be alike at once."""
        log, before = self.log, self.last_log
        here = self._position()
        delta = tuple(b - a for a, b in zip(self.base, here))
        same = delta == self.last_delta
        self.log, self.last_log, self.last_delta, self.base = [], log, delta, here
        if not same or len(log) != len(before):
            return
        shifts = [shift(old, new) for old, new in zip(before, log)]
        if None in shifts:
            return
        k = Leap(self, log, shifts, delta).longest()  # type: ignore[arg-type]
        if k > 0:
            self.leapt += k
            Leap(self, log, shifts, delta).take(k)  # type: ignore[arg-type]
            self.base = self._position()
            self.last_log = [shifted(line, by, k) for line, by in zip(log, shifts)]  # type: ignore[arg-type]


def freeable(page: Page, mapcount: int) -> bool:
    """Whether the clean pass may free the page at once."""
    state = page.state
    if page.writing or mapcount or state.dirty or state.pinned or state.locked or state.outside:
        return False
    if state.kind is Kind.ANON:
        return state.buffers is Buffers.DROPPABLE
    return state.buffers is not Buffers.BUSY


def shift(old: Visit | Decision, new: Visit | Decision) -> tuple[int, int] | None:
    """By how much a line of the log moved on since the request before; None if it did something else."""
    if isinstance(old, Visit) and isinstance(new, Visit) and old[:6] == new[:6]:
        return new.first - old.first, 0
    if isinstance(old, Decision) and isinstance(new, Decision) and old[:3] == new[:3] and new != IRREGULAR:
        return new.active - old.active, new.inactive - old.inactive
    return None


def shifted(line: Visit | Decision, by: tuple[int, int], k: int) -> Visit | Decision:
    """The line of the log `k` requests later."""
    if isinstance(line, Visit):
        return line._replace(first=line.first + k * by[0])
    return line._replace(active=line.active + k * by[0], inactive=line.inactive + k * by[1])


class Leap:
    """The next requests, taken to be like the last one moved on by its shifts: how many are, and taking them."""

    def __init__(
        self, model: Reclaim, log: list[Visit | Decision], shifts: list[tuple[int, int]], delta: tuple[int, ...]
    ) -> None:
        self.model, self.delta = model, delta
        self.visits = [(v, by[0]) for v, by in zip(log, shifts) if isinstance(v, Visit)]
        self.decisions = [(d, *by) for d, by in zip(log, shifts) if isinstance(d, Decision)]
        *counters, self.active, self.inactive, self.ids, self.time, queue, due = delta
        self.counters = dict(zip(COUNTERS, counters))
        self.steady = not (queue or due or self.counters["free"])

    def longest(self) -> int:
        """How many more requests must do what the last two did."""
        if not self.steady or not self.counters["copied"]:
            return 0
        if self.model.rules.rotate_written and self.counters["writes"] + self.counters["file_writes"]:
            return 0
        k = min(self._by_clock(), self._by_goal())
        for visit, by in self.visits:
            k = min(k, self._by_pages(visit, by))
        for name in self.model.queues:
            k = min(k, self._by_queue(name))
        for decision, active, inactive in self.decisions:
            k = min(k, self._by_decision(decision, active, inactive, k))
        while k > 0 and not self._apart(k):
            k //= 2
        return k

    def _by_clock(self) -> int:
        model = self.model
        if not self.time:
            return FOREVER
        return min((model.next_second - 1 - model.now) // self.time, -(-(model.horizon - model.now) // self.time))

    def _by_goal(self) -> int:
        model, slots = self.model, self.counters["slots_used"]
        k = (model.goal - model.count["copied"]) // self.counters["copied"]
        return min(k, (model.setup.slots - model.count["slots_used"]) // slots) if slots > 0 else k

    def _by_pages(self, visit: Visit, by: int) -> int:
        """The pages that come must be in the state of those that were visited."""
        if visit.page is None:
            return FOREVER if by == visit.count else 0
        if by <= 0:
            return 0
        page, end = self.model.pages.at(visit.first + by)
        if page != visit.page:
            return 0
        if visit.first < self.model.setup.shm and visit.mapcount >= 0:
            mapcount, same = self.model.processes.mapcount(visit.first + by)
            end = min(end, same)
            if mapcount != visit.mapcount:
                return 0
        return (end - visit.first - visit.count) // by

    def _segments(self, name: str, end: str) -> list[Segment]:
        """What one request takes from, or puts on, a queue; parts with neighbouring ids are one."""
        segments: list[Segment] = []
        for visit, by in self.visits:
            if getattr(visit, end) != name:
                continue
            last = segments[-1] if segments else None
            if last and last.first + last.count == visit.first and last.stride == by:
                segments[-1] = last._replace(count=last.count + visit.count)
            else:
                segments.append(Segment(visit.first, visit.count, by))
        return segments

    def _by_queue(self, name: str) -> int:
        """What is taken must come from one long run, or from a stripe of the same pattern."""
        taken = self._segments(name, "source")
        if not taken:
            return FOREVER
        items = self.model.queues[name].items
        if not items:
            return 0
        item = items[0]
        if isinstance(item, Stripe):
            return item.times if tuple(s.shifted(1) for s in taken) == item.segments else 0
        first, count, stride = taken[0]
        if len(taken) > 1 or stride != count or item.first != first + count:
            return 0
        return item.count // count

    def _by_decision(self, decision: Decision, active: int, inactive: int, most: int) -> int:
        """Quotas and budgets must come out the same although the lists grow and shrink."""
        sysctls = self.model.setup.sysctls
        rule, need, result, a, i = decision

        def holds(m: int) -> bool:
            now_active, now_inactive = a + m * active, i + m * inactive
            if now_active < 0 or now_inactive < 0:
                return False
            if rule == "quota":
                return need * now_active // (now_inactive * sysctls.vm_lru_balance_ratio + 1) == result
            lists = now_inactive + (now_active if rule == "scan" else 0)
            budget = lists // sysctls.vm_cache_scan_ratio
            return budget >= result if need < 0 else rule == "clean" and budget == need

        low, high = 0, most
        if holds(high):
            return high
        while low < high - 1:  # it holds up to `low` and not at `high`: each rule changes sides but once
            middle = (low + high) // 2
            low, high = (middle, high) if holds(middle) else (low, middle)
        return low

    def _apart(self, k: int) -> bool:
        """Pages that one line of the request changes must not be met by another line."""
        spans = [(v.first + by, v.first + k * by + v.count, v.page is not v.after) for v, by in self.visits]
        spans.sort()
        reach, changes = -1, False
        for first, end, change in spans:
            if first < reach and (change or changes):
                return False
            changes = change or (changes and first < reach)
            reach = max(reach, end)
        return True

    def take(self, k: int) -> None:
        """Take `k` requests at once."""
        model = self.model
        for name, queue in model.queues.items():
            if taken := self._segments(name, "source"):
                if isinstance(queue.items[0], Stripe):
                    queue.skip(k)
                else:
                    queue.take(k * taken[0].count)
        for name, queue in model.queues.items():
            queue.put_stripe([s.shifted(1) for s in self._segments(name, "target")], k)
        submitted = []
        for visit, by in self.visits:
            if visit.page is not visit.after:
                self._change(visit, by, k)
            if isinstance(visit.after, Page) and visit.after.writing:
                submitted.append(Segment(visit.first + by, visit.count, by))
        for name, change in self.counters.items():
            model.count[name] += k * change
        model.active += k * self.active
        model.inactive += k * self.inactive
        model.next_id += k * self.ids
        model.now += k * self.time
        model.disk.due += k * self.time
        model.disk.last += k * self.time
        model.flight.put_stripe(submitted, k)
        model._complete(k * sum(s.count for s in submitted))
        model.steps += 1

    def _change(self, visit: Visit, by: int, k: int) -> None:
        first, count = visit.first + by, visit.count
        if by == count:
            self.model._set(first, k * count, visit.after)
        else:
            for m in range(k):
                self.model._set(first + m * by, count, visit.after)
