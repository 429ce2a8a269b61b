"""Taking many requests in one step: what a request did, and the proof that the next ones do the same.

source      warping cache simulation (Morelli and Reineke, PLDI 2022): recognise a state that recurs but
            for names, and go on from its last recurrence
left out    requests that repeat not the one before but an earlier one: none was ever seen
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from vmteach.kernel.reclaim.lists import ACTIVE, AHEAD, BEHIND, INACTIVE, ROTATED, Visit
from vmteach.kernel.reclaim.memory import IRREGULAR, LONGEST_DIARY, Decision, Memory, Moment
from vmteach.kernel.reclaim.page import Page, Where, become
from vmteach.kernel.reclaim.runs import FOREVER, PageQueue, PageStack, Run, Segment, Stripe, shortest
from vmteach.kernel.reclaim.setup import COUNTERS, SECOND, Snapshot

NOW = len(COUNTERS) + 3  # where the clock stands in a position: behind the counters, both lists and the ids
AT_ONCE = frozenset(COUNTERS.index(name) for name in ("passes", "requests", "swap_outs"))
PLAIN = (BEHIND, AHEAD, ACTIVE)  # the queues at whose tail nothing arrives
Shift = tuple[int, int]  # by how much a line of the log moves on from one request to the next


class Request(NamedTuple):
    """What was written down from the start of one request to the start of the next."""

    log: list[Visit | Decision]
    delta: tuple[int, ...]  # what it changed
    rotated: tuple[Run, ...]  # the pages that have come back from the disk by its end
    base: tuple[int, ...]  # where it began
    diary: list[Moment]  # what happened when in it
    waits: list[tuple[int, int]]  # of a second or more


class Leaps:
    """The requests of the workload as they are written down, and the leaps that follow from them."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.history: deque[Request] = deque(maxlen=2)
        self.taken = self.leapt = 0  # leaps, and the requests in them
        self._new_page()

    def _new_page(self) -> None:
        """From here on the next request is written down."""
        memory = self.memory
        memory.log, memory.diary = [], []
        self.base, self.noted = memory.position(), len(memory.waits)

    def forget(self) -> None:
        """What was done so far is no guide to what comes."""
        self.history.clear()
        self._new_page()

    def at_request(self, counter: str, goal: int, horizon: int) -> None:
        """At the start of a request: if the last one repeats the one before, take all repetitions at once.

        As long as `counter` does not go over `goal`, and the time not over `horizon`.
        """
        memory, here = self.memory, self.memory.position()
        delta = tuple(b - a for a, b in zip(self.base, here))
        rotated = tuple(memory.lists.queues[ROTATED].runs())
        waits = memory.waits[self.noted :]
        self.history.append(Request(memory.log, delta, rotated, self.base, memory.diary, waits))
        self._new_page()
        before, last = self.history[0], self.history[-1]
        if before is last or not (shifts := self._shifts(before, last)):
            return
        leap = Leap(memory, before, last, shifts)
        if k := leap.longest(counter, goal, min(horizon, FOREVER if leap.timing.timeless else memory.next_second)):
            self.leapt += k
            self.taken += 1
            self._take(leap, k)
            self._new_page()

    def _take(self, leap: "Leap", k: int) -> None:
        """Take `k` requests. What is due to be observed in one of them is observed before it."""
        memory, n = self.memory, min(k, leap.before(self.memory.next_observation))
        while True:
            if n:
                leap.take(n)
                self.history.extend(leap.moved_on(n))
                leap = Leap(memory, self.history[0], self.history[-1], leap.shifts)
            k -= n
            if not k:
                return
            due = memory.next_observation
            while due <= memory.now + leap.time:
                memory.observe(memory)  # type: ignore[misc]  # without it none is ever due
                due = memory.observation_from(due + 1)
            n = min(k, max(1, leap.before(due)))

    @staticmethod
    def _shifts(old: Request, new: Request) -> list[Shift]:
        """How far each line of the last request moved on since the one before; none if unlike."""
        if new.delta != old.delta or len(new.log) != len(old.log):
            return []
        moved = [shift(a, b) for a, b in zip(old.log, new.log)]
        return [] if None in moved else moved  # type: ignore[return-value]


def shift(old: Visit | Decision, new: Visit | Decision) -> Shift | None:
    """By how much a line of the log moved on since the request before; None if it did something else."""
    if isinstance(old, Visit) and isinstance(new, Visit) and old[:6] == new[:6]:
        return new.first - old.first, 0
    if isinstance(old, Decision) and isinstance(new, Decision) and old[:3] == new[:3] and new != IRREGULAR:
        return new.active - old.active, new.inactive - old.inactive
    return None


def shifted(line: Visit | Decision, by: Shift, k: int) -> Visit | Decision:
    """The line of the log `k` requests later."""
    if isinstance(line, Visit):
        return line._replace(first=line.first + k * by[0])
    return line._replace(active=line.active + k * by[0], inactive=line.inactive + k * by[1])


class Timing:
    """When what happens in a request: for the samples and the waits of those that are leapt over."""

    def __init__(self, memory: Memory, request: Request) -> None:
        self.memory, self.request, self.time = memory, request, request.delta[NOW]

    @property
    def timeless(self) -> bool:
        """Whether seconds may strike in it: touches change nothing, and it is known what happens when."""
        return self.memory.idle_touch and len(self.request.diary) <= LONGEST_DIARY  # else it is not whole

    @cached_property
    def diary(self) -> list[Moment]:
        """What happens when in the request, counted from its start; at first nothing."""
        base, whole = self.request.base, [Moment(0, 1, (0,) * len(COUNTERS))]
        for time, steps, counts in self.request.diary:
            whole.append(Moment(time - base[NOW], steps, tuple([now - then for now, then in zip(counts, base)])))
        return whole

    def pass_over(self, k: int, changes: dict[str, int]) -> None:
        """Take the samples, and note the waits, of the next `k` requests, each of which makes these changes."""
        memory, request, end = self.memory, self.request, self.memory.now + k * self.time
        if request.waits:
            later = range(memory.now - request.base[NOW], end - request.base[NOW], self.time)
            memory.waits += [(began + by, ended + by) for by in later for began, ended in request.waits]
        if memory.next_second <= end:
            self._sample(end, list(changes.values()))

    def _sample(self, end: int, changes: list[int]) -> None:
        """The samples up to the time `end`: each as it is taken after the step that reaches it."""
        memory, diary = self.memory, self.diary
        base, times = tuple(memory.count.values()), [moment.time for moment in diary]
        rows = list(zip(*(moment.counts for moment in diary)))
        moving = [(i, change, rows[i]) for i, change in enumerate(changes) if change or any(rows[i])]
        while memory.next_second <= end:
            requests, within = divmod(memory.next_second - memory.now, self.time)
            if not within:
                requests, within = requests - 1, self.time
            m = bisect_left(times, within, 1)
            steps = diary[m].steps
            done = -(-(within - times[m - 1]) * steps // (times[m] - times[m - 1]))
            values = [memory.next_second // SECOND, *base]
            for i, change, counts in moving:
                old, new = counts[m - 1], counts[m]
                part = new if i in AT_ONCE else old + (new - old) * done // steps
                values[i + 1] += requests * change + part
            memory.samples.append(Snapshot._make(values))
            memory.next_second += SECOND


class Leap:
    """The next requests, if they are the last one moved on by its shifts: how many are, and taking them."""

    def __init__(self, memory: Memory, before: Request, request: Request, shifts: list[Shift]) -> None:
        self.memory, self.before_that, self.request, self.shifts = memory, before, request, shifts
        self.timing = Timing(memory, request)
        self.lists = memory.lists
        *counters, self.active, self.inactive, self.ids, self.time, queue, due = request.delta
        self.counters = dict(zip(COUNTERS, counters))
        self.steady = not (queue or due or self.counters["free"])

    @cached_property
    def lines(self) -> list[tuple[Visit | Decision, Shift]]:
        """The log of the request, and how each line moves on."""
        return [*zip(self.request.log, self.shifts)]

    @cached_property
    def visits(self) -> list[tuple[Visit, int]]:
        return [(line, by[0]) for line, by in self.lines if isinstance(line, Visit)]

    @cached_property
    def returned(self) -> list[Visit]:
        """Those to pages that have come back from the disk."""
        return [visit for visit, _ in self.visits if visit.source == ROTATED]

    @cached_property
    def changes(self) -> list[tuple[Visit, int]]:
        """The others; those with neighbouring ids and the same effect are one."""
        lines: dict[tuple[object, ...], tuple[Visit, int]] = {}  # by what the next neighbour would look like
        for visit, by in self.visits:
            if visit.source == ROTATED:
                continue
            old, _ = lines.pop((*visit[:5], by, visit.first), (None, by))
            if old:
                visit = visit._replace(first=old.first, count=old.count + visit.count)
            lines[*visit[:5], by, visit.first + visit.count] = visit, by
        return list(lines.values())

    @cached_property
    def written(self) -> list[Segment]:
        """The pages that are sent to the disk, in the order in which they go."""
        return _segments(line for line in self.visits if isinstance(line[0].after, Page) and line[0].after.writing)

    @cached_property
    def submitted(self) -> int:
        """How many those are."""
        return sum(segment.count for segment in self.written)

    @cached_property
    def taken(self) -> dict[str, tuple[tuple[Segment, ...], int]]:
        """What is taken from each queue: the shortest pattern, and how often it comes in a request."""
        return {
            name: shortest(_segments(line for line in self.visits if line[0].source == name))
            for name in (*INACTIVE, ACTIVE)
        }

    @cached_property
    def put(self) -> dict[str, list[Segment]]:
        """What is put on each queue."""
        names = (*INACTIVE, ACTIVE)
        return {name: _segments(line for line in self.visits if line[0].target == name) for name in names}

    def longest(self, counter: str, goal: int, end: int) -> int:
        """How many more requests must do what the last two did, do not go over the goal nor reach the time `end`."""
        if not self.steady or not self.counters[counter]:
            return 0
        k = min(self.before(end), (goal - self.memory.count[counter]) // self.counters[counter], self._by_slots())
        if k <= 0 or not self._comes_back():
            return 0
        for visit, by in self.changes:
            k = min(k, self._by_pages(visit, by))
        for name in PLAIN:
            k = min(k, self._by_queue(name))
        for line, moved in self.lines:
            if isinstance(line, Decision):
                k = min(k, self._by_decision(line, moved, k))
        return k

    def before(self, end: int) -> int:
        """How many requests do not reach the time `end`."""
        return (end - 1 - self.memory.now) // self.time if self.time else FOREVER

    def _by_slots(self) -> int:
        memory, slots = self.memory, self.counters["slots_used"]
        return (memory.setup.slots - memory.count["slots_used"]) // slots if slots > 0 else FOREVER

    def _by_pages(self, visit: Visit, by: int) -> int:
        """The pages that come must be in the state of those that were visited."""
        if visit.page is None:
            return FOREVER if by == visit.count else 0
        ahead, mapcount = visit.first + by, visit.mapcount
        page, end = self.lists.pages.at(ahead)
        if visit.first < self.memory.setup.shm and mapcount >= 0:
            mapcount, same = self.lists.processes.mapcount(ahead)
            end = min(end, same)
        alike = by > 0 and page == visit.page and mapcount == visit.mapcount
        return (end - visit.first - visit.count) // by if alike else 0

    def _by_queue(self, name: str) -> int:
        """What is taken must come from one long run, or from a stripe of the same pattern."""
        taken, repeats = self.taken[name]
        if not taken:
            return FOREVER
        queue = self.lists.queues[name]
        if not queue.items:
            return 0
        if len(taken) > 1 and isinstance(queue.items[0], Run):
            queue.rephase(len(taken) + 1)
        item, ahead = queue.items[0], tuple(s.shifted(repeats) for s in taken)
        if isinstance(item, Stripe):
            return item.times // repeats if item.segments == ahead else 0
        count = taken[0].count
        return item.count // (count * repeats) if ahead == (Segment(item.first, count, count),) else 0

    def _comes_back(self) -> bool:
        """Whether as many pages are freed as are sent off, and the same ones are left over, so much further on."""
        taken, repeats = self.taken[ROTATED]
        was, now = self.before_that.rotated, self.request.rotated
        on = tuple(Run(first + self.submitted, count) for first, count in was)
        alike = now == on and all(s.stride * repeats == self.submitted for s in taken) and self._in_line(now)
        return alike and sum(s.count for s in taken) * repeats == self.submitted * bool(taken) and self._as_before()

    def _as_before(self) -> bool:
        """Whether what is on its way to the disk now is what has come back."""
        pages = {become(visit.page, Where.NOWHERE, True) for visit in self.returned if visit.page}
        return all({page} == pages for page in self.lists.in_flight()) if pages else True

    def _in_line(self, rotated: tuple[Run, ...]) -> bool:
        """Whether what came back, what is on its way and what will be sent have neighbouring ids, in this order."""
        if not rotated:
            return True
        line = [rotated[-1], *self.lists.flight.runs(), *(s.run(1) for s in self.written)]
        return all(a.first + a.count == b.first for a, b in zip(line, line[1:]))

    def _by_decision(self, decision: Decision, by: Shift, most: int) -> int:
        """Quotas and budgets must come out the same although the lists grow and shrink."""
        sysctls = self.memory.setup.sysctls
        rule, need, result, a, i = decision

        def holds(m: int) -> bool:
            now_active, now_inactive = a + m * by[0], i + m * by[1]
            if now_active < 0 or now_inactive < 0:
                return False
            if rule == "quota":
                return need * now_active // (now_inactive * sysctls.vm_lru_balance_ratio + 1) == result
            lists = now_inactive + (now_active if rule == "scan" else 0)
            budget = lists // sysctls.vm_cache_scan_ratio
            return budget >= result if need < 0 else rule == "clean" and budget == need

        # each rule changes sides but once
        return bisect_left(range(1, most + 1), True, key=lambda m: not holds(m))

    def take(self, k: int) -> None:
        """Take `k` requests at once; after them the history is to be moved on."""
        memory, lists = self.memory, self.lists
        for name in PLAIN:
            if self.taken[name][0]:
                self._take_from(lists.queues[name], k, *self.taken[name])
        for name, queue in lists.queues.items():
            queue.put_stripe([s.shifted(1) for s in self.put[name]], k)
        for visit, by in self.changes:
            if visit.page is not visit.after:
                for run in Stripe((Segment(visit.first + by, visit.count, by),), k).runs():
                    lists.set(*run, visit.after)
        self._count(k)
        memory.disk.due += k * self.time
        memory.disk.last += k * self.time
        lists.flight.put_stripe([s.shifted(1) for s in self.written], k)
        if self.returned:
            self._return(k, self.returned[0])
        else:
            lists.complete(k * self.submitted)
        memory.steps += 1

    @staticmethod
    def _take_from(queue: PageQueue, k: int, taken: tuple[Segment, ...], repeats: int) -> None:
        """Take what goes from this queue in `k` requests."""
        if isinstance(queue.items[0], Stripe):
            queue.skip(k * repeats)
        else:
            queue.take(k * repeats * taken[0].count)

    def _count(self, k: int) -> None:
        """Move counters, lengths and the clock on by `k` requests, with the samples and waits that fall into them."""
        memory = self.memory
        self.timing.pass_over(k, self.counters)
        for name, change in self.counters.items():
            memory.count[name] += k * change
        self.lists.active += k * self.active
        self.lists.inactive += k * self.inactive
        self.lists.next_id += k * self.ids
        memory.now += k * self.time

    def moved_on(self, k: int) -> Iterator[Request]:
        """The last two requests, `k` later."""
        for request in (self.before_that, self.request):
            log = [shifted(line, by, k) for line, by in zip(request.log, self.shifts)]
            rotated = tuple(Run(first + k * self.submitted, count) for first, count in request.rotated)
            yield request._replace(log=log, rotated=rotated)

    def _return(self, k: int, freed: Visit) -> None:
        """What came back from the disk in `k` requests is free again, but for as many as there were before."""
        lists, after, rotated = self.lists, freed.after, list(self.lists.queues[ROTATED].runs())
        for run in rotated:
            lists.set(*run, after)
        left = k * self.submitted
        while left:
            first, count = lists.flight.peek()
            n = min(count, left)
            lists.flight.take(n)
            lists.set(first, n, after)
            left -= n
        assert freed.page is not None
        back = PageStack()
        for first, count in rotated:
            back.put(first + k * self.submitted, count)
            lists.set(first + k * self.submitted, count, freed.page)
        lists.queues[ROTATED] = back


def _segments(visits: Iterable[tuple[Visit, int]]) -> list[Segment]:
    """The pages of these visits in their order; parts with neighbouring ids are one."""
    segments: list[Segment] = []
    for visit, by in visits:
        last = segments[-1] if segments else None
        if last and last.first + last.count == visit.first and last.stride == by:
            segments[-1] = last._replace(count=last.count + visit.count)
        else:
            segments.append(Segment(visit.first, visit.count, by))
    return segments
