"""The two LRU lists of 2.4.23-2.4.27 as runs of pages in one state, and the reclaim that works on them.

source      docs/reclaim-rules.md says each rule and where it was read
left out    kswapd beside the tasks (it goes on where they stop), slab caches, a second object, swap-in read-ahead

A page-at-a-time program would touch every page of a 32 GB machine several times. This one moves whole
runs: 1.2 million pages that are converted one after another are one step here. Where the same request
repeats (reclaim 32 pages, read 32 pages of a file, and again), the requests are written down; when two
in a row did the same thing (or up to sixteen the same as the sixteen before) and nothing that they depend
on is about to change, the next K are taken in one leap (leap.py). `tests/naive.py` follows the same
rules page by page, and both must agree on everything.
"""

from collections import deque
from collections.abc import Callable, Iterator

from vmteach.kernel.reclaim.disk import Disk
from vmteach.kernel.reclaim.leap import (
    ACTIVE,
    AHEAD,
    BEHIND,
    INACTIVE,
    IRREGULAR,
    LONGEST_CYCLE,
    LONGEST_DIARY,
    ROTATED,
    Decision,
    Leap,
    Moment,
    Request,
    Shift,
    Visit,
    shift,
)
from vmteach.kernel.reclaim.page import (
    COUNTERS,
    SECOND,
    Absent,
    Buffers,
    Kind,
    Page,
    PageState,
    Pte,
    Rules,
    Setup,
    Snapshot,
    Where,
    become,
)
from vmteach.kernel.reclaim.ptes import Processes
from vmteach.kernel.reclaim.runs import FOREVER, Intervals, PageQueue, PageStack, Run, Segment, Stripe
from vmteach.run import between

STOCK = Rules()


class Stopped(Exception):
    """The workload ends here: at its horizon, or out of memory."""


class Reclaim:
    """A machine's lists, page tables and swap disk, and the workload that runs on them.

    >>> from vmteach.kernel.reclaim.page import PageRun
    >>> clean = PageRun(100, 64, PageState(Kind.FILE))
    >>> dirty = PageRun(0, 100, PageState(Kind.SHM, dirty=True))
    >>> stock = Reclaim(Setup(shm=100, inactive=(dirty, clean), slots=100), Rules())
    >>> stock.reclaim(), stock.count["conversions"], stock.count["writes"]
    (32, 100, 0)
    """

    def __init__(
        self,
        setup: Setup,
        rules: Rules = STOCK,
        leaps: bool = True,
        observe: "Callable[[Reclaim], None] | None" = None,
    ) -> None:
        self.setup, self.rules, self.leaps, self.observe = setup, rules, leaps, observe
        self.now = 0
        self.next_second = SECOND
        self.goal_of, self.goal, self.horizon = "copied", 0, FOREVER  # of the workload: a counter, pages, ns
        self.workload: object = None  # what its requests depend on
        self.samples: list[Snapshot] = []
        self.oom_at: int | None = None  # when it ran out of memory, ns
        self.wanted: deque[int] = deque()
        self.count = dict.fromkeys(COUNTERS, 0)
        self.count["free"] = setup.free
        self.count["slots_used"] = setup.slots_used
        self.longest = 0  # ns of the longest request
        self.waits: list[tuple[int, int]] = []  # start and end of each request of a second or more, ns
        self.noted = 0  # waits before the base
        self.before_write: dict[str, int] = {}  # the counters just before the first write of swap
        self.steps = 0  # steps and leaps taken: what a run costs us
        self.leapt = 0
        self.disk = Disk(setup.service, setup.depth)
        self.flight = PageQueue()  # ids in flight, oldest first
        self.processes = Processes(setup)
        self.pages: Intervals[Page | Absent] = Intervals(Absent.GONE)
        self.pages.set(0, setup.shm, Absent.SWAPPED)
        self.queues = {name: PageStack() if name == ROTATED else PageQueue() for name in (ACTIVE, *INACTIVE)}
        self.active = self.inactive = 0  # pages of the class on each list
        self.next_id = setup.shm
        for name, where, runs in (
            (AHEAD, Where.INACTIVE, setup.inactive),
            (ACTIVE, Where.ACTIVE, setup.active),
        ):
            for first, count, state in runs:
                self.queues[name].put(first, count)
                self._set(first, count, Page(state, where))
                self._enlist(where, state, count)
                self._census(state.kind, count)
                self.next_id = max(self.next_id, first + count)
        self.log: list[Visit | Decision] = []
        self.base = self._position()
        self.from_here: tuple[int, ...] = ()  # the counters before a step of many that goes over seconds
        self.diary: list[Moment] = []  # what happened when since the base
        self.still = not setup.hot  # whether the next touch will change nothing
        self.look_every = 1  # seconds from one call of `observe` to the next
        self.history: deque[Request] = deque(maxlen=2 * LONGEST_CYCLE)
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

    def _limit(self, n: int, cost: int, scan: bool = True) -> int:
        """Of `n` equal steps, how many until somebody looks or, where it matters to a scan, a write is done."""
        if not cost:
            return n
        n = min(n, -(-(self.stop - self.now) // cost))
        if scan and self.rules.rotate_written and self.disk.n:
            n = min(n, -(-(self.disk.due - self.now) // cost))
        if self.now + (n - 1) * cost >= self.next_second:
            self.from_here = tuple(self.count.values())
        return n

    @property
    def stop(self) -> int:
        """The second that no step goes over; ns. Nothing but a sample happens at the others."""
        return self.next_look if self.still else self.next_second

    def _tick(self, time: int, n: int = 1) -> None:
        """Let time pass in `n` equal steps, complete what is due, take the samples that are due."""
        began = self.now
        self.now += time
        if self.leaps and len(self.diary) <= LONGEST_DIARY:
            self.diary.append(Moment(self.now, n, tuple(self.count.values())))
        if self.disk.n and self.disk.due <= self.now:
            self.complete(self.disk.settle(self.now))
        if self.now >= self.next_second:
            self._sample(began, n)

    def complete(self, done: int) -> None:
        """End the write of the oldest pages in flight."""
        while done:
            item = self.flight.items[0]
            if isinstance(item, Stripe) and item.pages <= done and not self.rules.rotate_written:
                self.flight.skip(item.times)
                for s in item.segments:
                    self._complete_segment(s, item.times)
                done -= item.pages
                continue
            first, count = self.flight.peek()
            n = min(count, done)
            self.flight.take(n)
            done -= n
            self._complete_run(first, n)

    def in_flight(self) -> Iterator["Page | Absent"]:
        """The states of the pages in flight."""
        for first, count in self.flight.runs():
            yield from (page for _, _, page in self.pages.runs(first, first + count))

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
                self.queues[ROTATED].put(low, high - low)
            else:
                self._set(low, high - low, become(page, None, False))

    def _sample(self, began: int, n: int) -> None:
        """The samples of the seconds that `n` equal steps reach: each as it is after the step that reaches it."""
        then, now = self.from_here, tuple(self.count.values())
        moving = [(i, a, b - a) for i, (a, b) in enumerate(zip(then, now), 1) if a != b] if n > 1 else []
        while self.now >= self.next_second:
            values = [self.next_second // SECOND, *now]
            if moving:
                steps = -(-(self.next_second - began) * n // (self.now - began))
                for i, old, change in moving:
                    values[i] = old + change * steps // n
            self.samples.append(Snapshot._make(values))
            if self.observe and self.next_second == self.next_look:
                self.observe(self)
            self.next_second += SECOND
            if not self.still:
                self.touch()
                now, moving = tuple(self.count.values()), []

    @property
    def next_look(self) -> int:
        """When `observe` is to be called next; ns."""
        return self.look_from(self.next_second)

    def look_from(self, time: int) -> int:
        """When `observe` is to be called, at `time` or later; ns."""
        stride = self.look_every * SECOND
        return -(-time // stride) * stride if self.observe else FOREVER

    def _tail_name(self) -> str:
        return next((name for name in INACTIVE if self.queues[name].length), AHEAD)

    def _tail(self, queue: PageQueue, most: int) -> tuple[int, int, Page, int]:
        """The pages at the tail that are alike: first id, how many, their state, and how many processes map each.

        Of what came back from the disk the last ids are at the tail: no more than `most`, that are free for the
        taking, or one.
        """
        first, count = queue.peek()
        behind = first + count
        if isinstance(queue, PageStack):
            first = max(first, behind - self._limit(most, self.setup.costs.visit), self.pages.start(behind - 1))
        page, end = self.pages.at(first)
        assert isinstance(page, Page)
        mapcount, same = self.processes.mapcount(first) if first < self.setup.shm else (0, FOREVER)
        n = min(behind, end, same) - first
        if isinstance(queue, PageStack) and (first + n < behind or not freeable(page, mapcount)) and behind - first > 1:
            return self._tail(queue, 1)
        return first, n, page, mapcount

    # ---- reclaim

    def reclaim(self) -> int:
        """Free up to a batch of pages; how many were freed. (try_to_free_pages_zone)"""
        need, began, frees = self.setup.batch, self.now, self.count["frees"]
        self.swap_failed = False
        for _ in range(self.setup.sysctls.vm_passes):
            self.count["passes"] += 1
            self.refill_inactive(need)
            need = self.shrink_cache(need)
            if not need:
                break
            self._try_swap_out()
        self.count["requests"] += 1
        self.longest = max(self.longest, self.now - began)
        if self.now - began >= SECOND:
            self.waits.append((began, self.now))
        return self.count["frees"] - frees

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
            n = self._limit(min(count, end - first), visit, scan=False)
            if page.state.referenced:
                target, after = ACTIVE, become(page, referenced=False)
            else:
                n = min(n, quota)
                quota -= n
                target, after = AHEAD, become(page, Where.INACTIVE, referenced=True)
                self.count["refilled"] += n
            alone = queue.length == 1 and page.state.referenced
            queue.take(n)
            self._move(Visit(ACTIVE, target, page, after, -1, n, first))
            self._tick(n * visit, n)
            if alone:  # the kernel notes the next page before it moves this one: here that is the list's end
                self.log.append(IRREGULAR)
                break

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
        fs = self.setup.fs
        while max_scan and self.inactive and need:
            source = self._tail_name()
            queue = self.queues[source]
            first, n, page, mapcount = self._tail(queue, min(need, max_scan))
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
            self._tick(n * visit, n)
            max_scan -= n
            need -= n
        self._note(Decision("scan", -1 if max_scan else full, full - max_scan, *lengths))
        return need

    def _rotate(self, source: str, page: Page, after: Page, mapcount: int, n: int, first: int) -> None:
        """Visit `n` pages that end at the head and are not freed."""
        self.queues[source].take(n)
        self._move(Visit(source, AHEAD, page, after, mapcount, n, first))
        self.count["visits"] += n
        self._tick(n * self.setup.costs.visit, n)

    def _mapped(
        self,
        source: str,
        page: Page,
        after: Page,
        mapcount: int,
        n: int,
        first: int,
        need: int,
        max_mapped: int,
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
        for first, count in self.flight.runs():
            if first <= page < first + count:
                return self.disk.due + (ahead + page - first) * self.disk.service
            ahead += count
        raise AssertionError(f"page {page} is not in flight")

    def _sleep_until(self, time: int) -> None:
        """Sleep for the disk: time passes, writes complete; samples wait for the end of the step."""
        self.count["sleeps"] += 1
        self.count["slept"] += time - self.now
        self.now = time
        self.complete(self.disk.settle(self.now))

    def _free(self, source: str, page: Page, n: int, first: int) -> None:
        self.queues[source].take(n)
        after = Absent.SWAPPED if page.state.kind is Kind.SWAPCACHE else Absent.GONE
        self._move(Visit(source, "", page, after, 0, n, first))
        if not page.state.pinned:  # else it is off the list, and its memory stays with who pinned it
            self.count["free"] += n
            self.count["frees"] += n

    def clean_pass(self, need: int) -> int:
        """Free clean pages within inactive / vm_cache_scan_ratio visits; how many are still wanted."""
        ratio, visit = self.setup.sysctls.vm_cache_scan_ratio, self.setup.costs.visit
        budget = full = self.inactive // ratio
        lengths = self.active, self.inactive
        anchored = self.rules.anchored
        target = BEHIND if anchored else AHEAD
        while budget and self.inactive and need:
            source = AHEAD if anchored else self._tail_name()
            queue = self.queues[source]
            if not queue.length:  # the anchored search has come to the head: back to the tail
                self.queues[AHEAD], self.queues[BEHIND] = self.queues[BEHIND], queue
                self.log.append(IRREGULAR)
                continue
            first, n, page, mapcount = self._tail(queue, min(need, budget))
            n = self._limit(n, visit)
            if not page.state.outside:
                n = min(n, budget)
            if freeable(page, mapcount):
                n = min(n, need)
                self._free(source, page, n, first)
                need -= n
            else:
                queue.take(n)
                self._move(Visit(source, target, page, page, mapcount, n, first))
            if not page.state.outside:
                budget -= n
            self.count["clean_visits"] += n
            self._tick(n * visit, n)
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
        if not self.before_write:
            self.before_write = dict(self.count)
        self.from_here = tuple(self.count.values())
        n, now, sleeps, slept, done = self.disk.submit_some(self.now, n, cost, self.stop, rules.rotate_written)
        self.queues[source].take(n)
        where = Where.NOWHERE if rules.rotate_written else Where.INACTIVE
        target = "" if rules.rotate_written else AHEAD
        self._move(Visit(source, target, page, become(page, where, True, dirty=False, **flags), 0, n, first))
        if shm:
            self._converted(n)
        self.flight.put(first, n)
        self.complete(done)
        self.count["sleeps"] += sleeps
        self.count["slept"] += slept
        self.count["file_writes" if page.state.kind is Kind.FILE else "writes"] += n
        self.count["visits"] += n
        self._tick(now - self.now, n)
        return n

    def _visited(self, n: int, cost: int) -> int:
        self.count["visits"] += n
        self._tick(n * cost, n)
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
                if not self.setup.area_behind:  # the place is thrown away with the last area
                    self.processes.next_process()
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
        alike = processes.ring[0].n
        start = self._walked()
        table = processes.split_current()
        quiet, spare = True, FOREVER
        while processes.address < self.setup.shm:
            address = processes.address
            pte, end = table.at(address)
            end = min(end, self.setup.shm)
            if pte is Pte.NONE:
                processes.address = end
                continue
            stop = self.stop
            want, calm, others = self._walk_run(table, address, end - address, pte, want)
            quiet = quiet and calm and stop == self.stop
            spare = min(spare, others)
            if not want:
                return 1, 0
            if turned := self._stroll(turns):
                return turned - 1, want
        processes.next_process()
        if not (whole and quiet and self.leaps):
            return 1, want
        time, walked, destroyed = (now - then for now, then in zip(self._walked(), start))
        more = min(alike - 1, turns - 1, spare - 1)
        if time:
            end = self.next_second if destroyed else self.stop  # within a process not every pte is destroyed
            more = min(more, (end - 1 - self.now) // time)
        if more > 0:
            self.from_here = tuple(self.count.values())
            processes.walked(more, processes.ring[-1].ptes.copy())
            self.count["ptes"] += more * walked
            self.count["ptes_destroyed"] += more * destroyed
            self.steps += 1
            self._tick(more * time, max(1, more * walked))
        return 1 + max(more, 0), want

    def _stroll(self, turns: int) -> int:
        """One more than the turns that a walk takes in whole seconds at once; 0 when it cannot.

        At a second all ptes have just become young again. When they are those of hot pages that are active and
        referenced, the walk makes ptes old and changes no page, and at the next second all are young again: only
        its place has moved on.
        """
        setup, processes, cost = self.setup, self.processes, self.setup.costs.pte
        hot, young = setup.hot, Intervals(Pte.NONE)
        young.set(0, hot, Pte.YOUNG)
        if not (self.leaps and self.still and hot and cost) or (self.rules.rotate_written and self.disk.n):
            return 0
        if any(group.ptes != young for group in processes.ring):
            return 0
        if not all(isinstance(page, Page) and page.busy for _, _, page in self.pages.runs(0, hot)):
            return 0
        begun = min(processes.address, hot)  # behind the hot pages nothing is mapped
        left = turns * hot - begun - 1
        seconds = (self.now + left * cost - self.next_second) // SECOND
        if seconds < 0:
            return 0
        n = -(-(self.next_second + seconds * SECOND - self.now) // cost)
        self.from_here = tuple(self.count.values())
        turned, address = divmod(begun + n - 1, hot)
        processes.stroll(turned, address + 1)
        self.count["ptes"] += n
        self.steps += 1
        self._tick(n * cost, n)
        return turned + 1

    def _walked(self) -> tuple[int, int, int]:
        """The clock, and what the walks have done so far."""
        return self.now, self.count["ptes"], self.count["ptes_destroyed"]

    def _walk_run(self, table: Intervals[Pte], first: int, n: int, pte: Pte, want: int) -> tuple[int, bool, int]:
        """try_to_swap_out for up to `n` equal ptes from page `first`.

        Pages still wanted; whether no page changed; how many other processes map what was unmapped.
        """
        self.still = not self.setup.hot
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
                for group in self.processes.ring:
                    group.ptes.set(first, first + n, Pte.NONE)
                quiet = False
            else:
                table.set(first, first + n, Pte.NONE)
                others = mapcount - 1
            want -= n if gains else 0
        self.steps += 1
        self.processes.address = first + n
        self.count["ptes"] += n
        self.count["ptes_destroyed"] += n * destroyed
        self._tick(n * cost, n)
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
            removed = sum(self.queues[name].remove(first, first + n) for name in INACTIVE)
            assert removed == n
            self._enlist(page.where, page.state, -n)
            self._enlist(after.where, after.state, n)
            self.queues[ACTIVE].put(first, n)
            self.count["activations"] += n
        self._set(first, n, after)
        return True

    def touch(self) -> None:
        """The processes touch the hot pages: young ptes, minor faults, and wishes for what is swapped out."""
        first, everybody, self.still = 0, self.processes.count, True
        before = self.count["minor_faults"], len(self.wanted)
        while first < self.setup.hot:
            page, end = self.pages.at(first)
            mapcount, same = self.processes.mapcount(first)
            n = min(end, same, self.setup.hot) - first
            faults = everybody - mapcount
            self.still = self.still and isinstance(page, Page) and not faults
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

    @property
    def oom(self) -> bool:
        """Whether it ran out of memory."""
        return self.oom_at is not None

    @property
    def snapshots(self) -> list[Snapshot]:
        """The samples, and one more at the end of the run unless that is at the last sample's second."""
        ended = divmod(self.now, SECOND)
        end = Snapshot(ended[0] if not ended[1] else self.now / SECOND, *self.count.values())
        return [*self.samples, end] if ended[1] or not self.samples else [*self.samples]

    def run(self, copy: int, anon: bool = False, horizon: int | None = None) -> "Reclaim":
        """Read a file of `copy` pages; with `anon`, into fresh anonymous memory. Stops at `horizon` ns."""
        return self._work("copied", copy, anon, self.setup.costs.read, horizon)

    def demand(self, pages: int, cost: int, horizon: int | None = None) -> "Reclaim":
        """Take `pages` of memory that join no list, `cost` ns after each. Stops at `horizon` ns.

        >>> from vmteach.kernel.reclaim.page import PageRun
        >>> file = PageRun(0, 64, PageState(Kind.FILE))
        >>> model = Reclaim(Setup(shm=0, inactive=(file,))).demand(32, cost=1_000)
        >>> model.count["taken"], model.inactive, model.now
        (32, 32, 35200)
        """
        return self._work("taken", pages, False, cost, horizon)

    def _work(self, goal_of: str, pages: int, anon: bool, cost: int, horizon: int | None) -> "Reclaim":
        between("pages", pages, 0, FOREVER)
        if self.workload != (goal_of, anon, cost):  # what its requests do is not what the next ones will do
            self.workload = goal_of, anon, cost
            self.history.clear()
            self._new_page()
        self.goal_of, self.goal = goal_of, self.count[goal_of] + pages
        self.horizon = FOREVER if horizon is None else horizon
        try:
            while self.count[goal_of] < self.goal:
                if self.wanted:
                    self._room()
                    self.count["free"] -= 1
                    self._swap_in(self.wanted[0])
                    continue
                if self.leaps and self.count["free"] <= self.setup.min:
                    self._leap()
                    if self.count[goal_of] >= self.goal:
                        break
                if anon:
                    self._room()
                    self.count["free"] -= 1
                    self.count["taken"] += 1
                self._take_pages(1 if anon else self.goal - self.count[goal_of], cost)
        except Stopped:
            pass
        return self

    def _room(self) -> int:
        """How many pages may be taken before the next request; reclaims first when there are none."""
        setup, count = self.setup, self.count
        if count["free"] <= setup.min:
            if self.now >= self.horizon:
                raise Stopped
            while not self.reclaim():
                if not self.disk.n:
                    self.oom_at = self.now
                    raise Stopped
                self.log.append(IRREGULAR)
                self._sleep_until(self.disk.due)
                self._tick(0)
            while setup.band and count["free"] <= setup.min + setup.band and self.reclaim():
                pass  # kswapd goes on, until a request of its own frees nothing
        return max(1, count["free"] - setup.min)

    def _take_pages(self, most: int, cost: int) -> None:
        """Take pages for the workload: of a file (add_to_page_cache), or such as join no list."""
        n = min(most, self._room())
        n = self._limit(1 if self.wanted else n, cost, scan=False)  # what is wanted comes before the next page
        self.count["free"] -= n
        self.count[self.goal_of] += n
        if self.goal_of == "copied":
            fresh = Page(PageState(Kind.FILE), Where.INACTIVE)
            self._move(Visit("", AHEAD, None, fresh, 0, n, self.next_id))
            self.next_id += n
            self.count["reading"] += n * cost
        else:
            self.steps += 1
        self._tick(n * cost, n)

    def _swap_in(self, page: int) -> None:
        """Read one page back from swap for the processes that wait for it."""
        done = self.disk.read(self.now)
        self.count["slept"] += done - self.now
        self.now = done
        self.complete(self.disk.settle(self.now))
        self.wanted.popleft()
        self.log.append(IRREGULAR)
        self.still = not self.setup.hot
        if self.pages.at(page)[0] is Absent.SWAPPED:
            self.count["slots_used"] -= 1
        self.count["swap_ins"] += 1
        self.count["major_faults"] += self.processes.count
        here = Page(PageState(Kind.SHM, dirty=True), Where.INACTIVE)
        self._move(Visit("", AHEAD, None, here, 0, 1, page))
        self._mark_accessed(here, page, 1, self.processes.count)
        self.processes.set_all(page, page + 1, Pte.YOUNG)
        self._tick(0)

    def places(self, where: Where) -> Iterator[tuple[int, Page, int]]:
        """A list from tail to head as (pages, their state, processes that map them).

        Close enough for a picture, and no dearer for a long list than for a short one: runs of less than 1/500 of
        the list are told as part of what follows them, and the repetitions of a stripe in at most eight groups, in
        fewer where these would be less than 1/40 of the list; each has its parts in proportion.
        """
        queues = [self.queues[name] for name in (INACTIVE if where is Where.INACTIVE else (ACTIVE,))]
        items = [item for queue in queues for item in queue.items]
        whole, owed = sum(len(queue) for queue in queues), 0
        for item in items:
            pages = item.count if isinstance(item, Run) else item.pages
            if owed + pages < whole // 500 and item is not items[-1]:
                owed += pages
                continue
            for n, page, mapcount in (
                self._of_run(item) if isinstance(item, Run) else self._of_stripe(item, 1 + whole // 40)
            ):
                yield n + owed, page, mapcount
                owed = 0

    def _of_run(self, run: Run) -> Iterator[tuple[int, Page, int]]:
        first, behind = run.first, run.first + run.count
        while first < behind:
            end, page, mapcount = self._stretch(first)
            yield min(end, behind) - first, page, mapcount
            first = end

    def _of_stripe(self, stripe: Stripe, grain: int) -> Iterator[tuple[int, Page, int]]:
        groups = max(1, min(8, stripe.times, stripe.pages // grain))
        known, done = [self._stretch(s.first) for s in stripe.segments], 0
        for g in range(1, groups + 1):
            n = stripe.times * g // groups - done
            for i, (first, count, stride) in enumerate(stripe.segments):
                first += done * stride
                if first >= known[i][0]:
                    known[i] = self._stretch(first)
                yield n * count, known[i][1], known[i][2]
            done += n

    def _stretch(self, first: int) -> tuple[int, Page, int]:
        """The first id behind `first` that differs, the state of page `first`, and how many processes map it."""
        page, end = self.pages.at(first)
        assert isinstance(page, Page)
        if first >= self.setup.shm:
            return end, page, 0
        mapcount, same = self.processes.mapcount(first)
        return min(end, same), page, mapcount

    # ---- leaps

    def _position(self) -> tuple[int, ...]:
        """Everything that a request changes by an amount: counters, clock, lists, ids, the disk's queue."""
        queue = (self.disk.n, self.disk.due - self.now if self.disk.n else 0)
        return (*self.count.values(), self.active, self.inactive, self.next_id, self.now, *queue)

    def _leap(self) -> None:
        """At the start of a request: if the last few repeat the few before, take all repetitions at once."""
        here = self._position()
        delta = tuple(b - a for a, b in zip(self.base, here))
        rotated = tuple(self.queues[ROTATED].runs())
        self.history.append(Request(self.log, delta, rotated, self.base, self.diary, self.waits[self.noted :]))
        self._new_page()
        for cycle in range(1, len(self.history) // 2 + 1):
            shifts = self._shifts(cycle)
            if shifts is None:
                continue
            leap = Leap(self, cycle, shifts)
            if k := leap.longest(FOREVER if self.still and leap.told else self.next_second):
                self.leapt += k * cycle
                self._take(leap, k)
                self._new_page()
            return

    def _new_page(self) -> None:
        """From here on the next request is written down."""
        self.log, self.base, self.diary, self.noted = [], self._position(), [], len(self.waits)

    def _take(self, leap: Leap, k: int) -> None:
        """Take `k` cycles. What is due to be looked at in one of them is looked at before it."""
        n = min(k, leap.before(self.next_look))
        while k:
            if n:
                leap.take(n)
                k -= n
            if k:
                look = self.next_look
                while look <= self.now + leap.time:
                    self.observe(self)  # type: ignore[misc]  # without it the next look is never
                    look = self.look_from(look + 1)
                n = min(k, max(1, leap.before(look)))
        leap.settle()

    def _shifts(self, cycle: int) -> list[list[Shift]] | None:
        """How far each line of the last `cycle` requests moved on since a cycle before; None if unlike."""
        history, shifts = self.history, []
        for i in range(-1, -1 - cycle, -1):
            new, old = history[i], history[i - cycle]
            if new.delta != old.delta or len(new.log) != len(old.log):
                return None
        for i in range(-cycle, 0):
            moved = [shift(a, b) for a, b in zip(history[i - cycle].log, history[i].log)]
            if None in moved:
                return None
            shifts.append(moved)
        return shifts  # type: ignore[return-value]


def freeable(page: Page, mapcount: int) -> bool:
    """Whether the clean pass may free the page at once."""
    state = page.state
    if page.writing or mapcount or state.dirty or state.pinned or state.locked or state.outside:
        return False
    if state.kind is Kind.ANON:
        return state.buffers is Buffers.DROPPABLE
    return state.buffers is not Buffers.BUSY
