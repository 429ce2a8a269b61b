"""Taking many requests in one step: what a request did, and the proof that the next ones do the same.

source      warping cache simulation (Morelli and Reineke, PLDI 2022): recognise a state that recurs but
            for names, and go on from its last recurrence
left out    cycles of more than sixteen requests; those are worked through one by one
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from vmteach.kernel.reclaim.page import COUNTERS, SECOND, Absent, Page, Snapshot, Where, become
from vmteach.kernel.reclaim.runs import FOREVER, PageStack, Run, Segment, Stripe, shortest

if TYPE_CHECKING:
    from vmteach.kernel.reclaim.memory import Reclaim

# Queues of page ids. The inactive list is `rotated` + `behind` + `ahead`, tail first: `rotated` is what
# came back from the disk under rotate_written, `behind` what the anchored search has passed. Both are
# empty for everybody else.
ACTIVE, ROTATED, BEHIND, AHEAD = "active", "rotated", "behind", "ahead"
INACTIVE = (ROTATED, BEHIND, AHEAD)


class Visit(NamedTuple):
    """A line of the log: `count` pages in one state taken from one queue, and where they went."""

    source: str
    target: str  # a queue, or "" for freed or on the way to the disk
    page: Page | None  # None: new pages
    after: Page | Absent
    mapcount: int
    count: int  # type: ignore[assignment]
    first: int


class Decision(NamedTuple):
    """A line of the log: a number that was computed from the lengths of the lists."""

    rule: str
    need: int
    result: int
    active: int
    inactive: int


IRREGULAR = Decision("irregular", 0, 0, 0, 0)
LONGEST_CYCLE = 16  # requests: how long a repeated pattern may be to be found
LONGEST_DIARY = 4096  # moments of one request, beyond which seconds are not leapt over
NOW = len(COUNTERS) + 3  # where the clock stands in a position: behind the counters, both lists and the ids
AT_ONCE = frozenset(COUNTERS.index(name) for name in ("passes", "requests", "swap_outs"))
Shift = tuple[int, int]  # by how much a line of the log moves on from one cycle to the next


class Moment(NamedTuple):
    """The end of `steps` equal steps: when it was, and the counters then."""

    time: int
    steps: int
    counts: tuple[int, ...]


class Request(NamedTuple):
    """What was written down from the start of one request to the start of the next."""

    log: list[Visit | Decision]
    delta: tuple[int, ...]  # what it changed
    rotated: tuple[Run, ...]  # the pages that have come back from the disk by its end
    base: tuple[int, ...]  # where it began
    diary: list[Moment]  # what happened when in it
    waits: list[tuple[int, int]]  # of a second or more

    @property
    def told(self) -> bool:
        """Whether the diary is whole."""
        return len(self.diary) <= LONGEST_DIARY


def shift(old: Visit | Decision, new: Visit | Decision) -> Shift | None:
    """By how much a line of the log moved on since the request before; None if it did something else."""
    if isinstance(old, Visit) and isinstance(new, Visit) and old[:6] == new[:6]:
        return new.first - old.first, 0
    if isinstance(old, Decision) and isinstance(new, Decision) and old[:3] == new[:3] and new != IRREGULAR:
        return new.active - old.active, new.inactive - old.inactive
    return None


def shifted(line: Visit | Decision, by: Shift, k: int) -> Visit | Decision:
    """The line of the log `k` cycles later."""
    if isinstance(line, Visit):
        return line._replace(first=line.first + k * by[0])
    return line._replace(active=line.active + k * by[0], inactive=line.inactive + k * by[1])


class Leap:
    """The next requests, if they are the last cycle moved on by its shifts: how many are, and taking them."""

    def __init__(self, model: Reclaim, cycle: int, shifts: list[list[Shift]]) -> None:
        self.model, self.cycle, self.shifts = model, cycle, shifts
        self.gone = 0  # cycles that have been taken
        self.requests = [model.history[i] for i in range(-cycle, 0)]
        delta: list[int] = [sum(changes) for changes in zip(*(request.delta for request in self.requests))]
        *counters, self.active, self.inactive, self.ids, self.time, queue, due = delta
        self.counters = dict(zip(COUNTERS, counters))
        self.steady = not (queue or due or self.counters["free"])

    @cached_property
    def lines(self) -> list[tuple[Visit | Decision, Shift]]:
        """The log of the cycle, and how each line moves on."""
        return [line for request, moved in zip(self.requests, self.shifts) for line in zip(request.log, moved)]

    @cached_property
    def visits(self) -> list[tuple[Visit, int]]:
        return [(line, by[0]) for line, by in self.lines if isinstance(line, Visit)]

    @cached_property
    def changes(self) -> list[tuple[Visit, int]]:
        """The visits; those with neighbouring ids and the same effect are one."""
        lines: dict[tuple[object, ...], tuple[Visit, int]] = {}  # by what the next neighbour would look like
        for visit, by in self.visits:
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
        """What is taken from each queue: the shortest pattern, and how often it comes in a cycle."""
        return {
            name: shortest(_segments(line for line in self.visits if line[0].source == name))
            for name in (*INACTIVE, ACTIVE)
        }

    @cached_property
    def put(self) -> dict[str, list[Segment]]:
        """What is put on each queue."""
        names = (*INACTIVE, ACTIVE)
        return {name: _segments(line for line in self.visits if line[0].target == name) for name in names}

    @property
    def told(self) -> bool:
        """Whether it is known what happens when in the cycle."""
        return all(request.told for request in self.requests)

    @cached_property
    def diary(self) -> list[Moment]:
        """What happens when in the cycle, counted from its start; at first nothing."""
        time, counts, whole = 0, (0,) * len(COUNTERS), [Moment(0, 1, (0,) * len(COUNTERS))]
        for request in self.requests:
            start, base = request.base[NOW], request.base
            for moment in request.diary:
                so_far = tuple([now - then + old for now, then, old in zip(moment.counts, base, counts)])
                whole.append(Moment(moment.time - start + time, moment.steps, so_far))
            time += request.delta[NOW]
            counts = tuple(a + b for a, b in zip(counts, request.delta))
        return whole

    @cached_property
    def waits(self) -> list[tuple[int, int]]:
        """The requests of a second or more, counted from the start of the cycle."""
        time, whole = 0, []
        for request in self.requests:
            ago = time - request.base[NOW]
            whole += [(began + ago, ended + ago) for began, ended in request.waits]
            time += request.delta[NOW]
        return whole

    def longest(self, end: int) -> int:
        """How many more cycles must do what the last two did, and do not reach the time `end`."""
        if not self.steady or not self.counters[self.model.goal_of]:
            return 0
        k = min(self.before(min(end, self.model.horizon)), self._by_goal())
        if k <= 0:
            return 0
        for visit, by in self.changes:
            k = min(k, self._by_pages(visit, by))
        for name in self.model.queues:
            k = min(k, self._by_queue(name))
        for line, moved in self.lines:
            if isinstance(line, Decision):
                k = min(k, self._by_decision(line, moved, k))
        return k

    def before(self, end: int) -> int:
        """How many cycles do not reach the time `end`."""
        return (end - 1 - self.model.now) // self.time if self.time else FOREVER

    def _by_goal(self) -> int:
        model, slots = self.model, self.counters["slots_used"]
        k = (model.goal - model.count[model.goal_of]) // self.counters[model.goal_of]
        return min(k, (model.setup.slots - model.count["slots_used"]) // slots) if slots > 0 else k

    def _by_pages(self, visit: Visit, by: int) -> int:
        """The pages that come must be in the state of those that were visited."""
        if visit.page is None:
            return FOREVER if by == visit.count else 0
        if visit.source == ROTATED:  # what comes back from the disk is what is on its way there now
            on_its_way = become(visit.page, Where.NOWHERE, True)
            return FOREVER if all(page == on_its_way for page in self.model.in_flight()) else 0
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

    def _by_queue(self, name: str) -> int:
        """What is taken must come from one long run, or from a stripe of the same pattern."""
        taken, repeats = self.taken[name]
        queue = self.model.queues[name]
        if name == ROTATED:  # as many as are sent off, and the same ones left over, so much further on
            was, now = (self.model.history[i].rotated for i in (-1 - self.cycle, -1))
            on = tuple(Run(first + self.submitted, count) for first, count in was)
            alike = now == on and all(s.stride * repeats == self.submitted for s in taken) and self._in_line(now)
            return FOREVER if alike and sum(s.count for s in taken) * repeats == self.submitted * bool(taken) else 0
        if not taken:
            return FOREVER
        if not queue.items:
            return 0
        if len(taken) > 1 and isinstance(queue.items[0], Run):
            queue.rephase()
        item, ahead = queue.items[0], tuple(s.shifted(repeats) for s in taken)
        if isinstance(item, Stripe):
            return item.times // repeats if item.segments == ahead else 0
        first, count, stride = ahead[0]
        if len(ahead) > 1 or stride != count or item.first != first:
            return 0
        return item.count // (count * repeats)

    def _in_line(self, rotated: tuple[Run, ...]) -> bool:
        """Whether what came back, what is on its way and what will be sent have neighbouring ids, in this order."""
        if not rotated:
            return True
        line = [rotated[-1], *self.model.flight.runs(), *(Run(*s.shifted(1)[:2]) for s in self.written)]
        return all(a.first + a.count == b.first for a, b in zip(line, line[1:]))

    def _by_decision(self, decision: Decision, by: Shift, most: int) -> int:
        """Quotas and budgets must come out the same although the lists grow and shrink."""
        sysctls = self.model.setup.sysctls
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

        low, high = 0, most
        if holds(high):
            return high
        while low < high - 1:  # it holds up to `low` and not at `high`: each rule changes sides but once
            middle = (low + high) // 2
            low, high = (middle, high) if holds(middle) else (low, middle)
        return low

    def take(self, k: int) -> None:
        """Take `k` cycles at once. After the last, `settle`."""
        model = self.model
        for name, queue in model.queues.items():
            taken, repeats = self.taken[name]
            if name != ROTATED and taken:
                if isinstance(queue.items[0], Stripe):
                    queue.skip(k * repeats)
                else:
                    queue.take(k * repeats * taken[0].count)
        for name, queue in model.queues.items():
            queue.put_stripe([s.shifted(self.gone + 1) for s in self.put[name]], k)
        for visit, by in self.changes:
            if visit.page is not visit.after and visit.source != ROTATED:
                self._change(visit, by, k)
        self._sample(k)
        for m in range(k if self.waits else 0):
            model.waits += [(model.now + m * self.time + a, model.now + m * self.time + b) for a, b in self.waits]
        for name, change in self.counters.items():
            model.count[name] += k * change
        model.active += k * self.active
        model.inactive += k * self.inactive
        model.next_id += k * self.ids
        model.now += k * self.time
        model.disk.due += k * self.time
        model.disk.last += k * self.time
        model.flight.put_stripe([s.shifted(self.gone + 1) for s in self.written], k)
        if freed := [visit for visit, _ in self.visits if visit.source == ROTATED]:
            self._return(k, freed[0])
        else:
            model.complete(k * self.submitted)
        model.steps += 1
        self.gone += k

    def settle(self) -> None:
        """Move the history on by as many cycles as were taken."""
        for i in range(-2 * self.cycle, 0):
            request, moved = self.model.history[i], self.shifts[i % self.cycle]
            self.model.history[i] = Request(
                [shifted(line, by, self.gone) for line, by in zip(request.log, moved)],
                request.delta,
                tuple(Run(first + self.gone * self.submitted, count) for first, count in request.rotated),
                request.base,
                request.diary,
                request.waits,
            )

    def _sample(self, k: int) -> None:
        """The samples of the seconds that `k` cycles go over: each as it is taken after the step that reaches it."""
        model, end = self.model, self.model.now + k * self.time
        if model.next_second > end:
            return
        diary = self.diary
        base, times = tuple(model.count.values()), [moment.time for moment in diary]
        rows = list(zip(*(moment.counts for moment in diary)))
        moving = [(i, change, rows[i]) for i, change in enumerate(self.counters.values()) if change or any(rows[i])]
        while model.next_second <= end:
            cycles, within = divmod(model.next_second - model.now, self.time)
            if not within:
                cycles, within = cycles - 1, self.time
            m = bisect_left(times, within, 1)
            steps = diary[m].steps
            done = -(-(within - times[m - 1]) * steps // (times[m] - times[m - 1])) if steps > 1 else 1
            values = [model.next_second // SECOND, *base]
            for i, change, counts in moving:
                old, new = counts[m - 1], counts[m]
                part = new if i in AT_ONCE else old + (new - old) * done // steps
                values[i + 1] += cycles * change + part
            model.samples.append(Snapshot._make(values))
            model.next_second += SECOND

    def _return(self, k: int, freed: Visit) -> None:
        """What came back from the disk in `k` cycles is free again, but for as many as there were before."""
        model, gone, rotated = self.model, freed.after, list(self.model.queues[ROTATED].runs())
        for run in rotated:
            model._set(*run, gone)
        left = k * self.submitted
        while left:
            first, count = model.flight.peek()
            n = min(count, left)
            model.flight.take(n)
            model._set(first, n, gone)
            left -= n
        assert freed.page is not None
        back = PageStack()
        for first, count in rotated:
            back.put(first + k * self.submitted, count)
            model._set(first + k * self.submitted, count, freed.page)
        model.queues[ROTATED] = back

    def _change(self, visit: Visit, by: int, k: int) -> None:
        first, count = visit.first + (self.gone + 1) * by, visit.count
        if by == count:
            self.model._set(first, k * count, visit.after)
        else:
            for m in range(k):
                self.model._set(first + m * by, count, visit.after)


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
