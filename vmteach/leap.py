"""Taking many requests in one step: what a request did, and the proof that the next ones do the same.

source      warping cache simulation (Morelli and Reineke, PLDI 2022): recognise a state that recurs but
            for names, and go on from its last recurrence
left out    cycles of more than sixteen requests; those are worked through one by one
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from vmteach.extents import FOREVER, PageQueue, Run, Segment, Stripe
from vmteach.pages import COUNTERS, SECOND, Absent, Page, Snapshot, Where, become

if TYPE_CHECKING:
    from vmteach.lru import Reclaim

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
    rotated: tuple[int, ...]  # the pages that have come back from the disk by its end
    diary: tuple[Moment, ...] | None = None  # what happened when, counted from its start


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
        requests = [model.history[i] for i in range(-cycle, 0)]
        lines = [(line, by) for request, moved in zip(requests, shifts) for line, by in zip(request.log, moved)]
        self.visits = [(line, by[0]) for line, by in lines if isinstance(line, Visit)]
        self.changes = [line for name in ("", *model.queues) for line in self._joined(name)]
        self.decisions = [(line, *by) for line, by in lines if isinstance(line, Decision)]
        delta: list[int] = [sum(changes) for changes in zip(*(request.delta for request in requests))]
        *counters, self.active, self.inactive, self.ids, self.time, queue, due = delta
        self.counters = dict(zip(COUNTERS, counters))
        self.steady = not (queue or due or self.counters["free"])
        self.submitted = sum(v.count for v, _ in self.visits if isinstance(v.after, Page) and v.after.writing)
        self.diary = self._whole_diary(requests)

    def _whole_diary(self, requests: list[Request]) -> list[Moment] | None:
        """The diaries of the cycle's requests in one, counted from the start of the cycle."""
        time, counts, whole = 0, (0,) * len(COUNTERS), []
        for request in requests:
            if request.diary is None:
                return None
            for moment in request.diary:
                so_far = tuple(a + b for a, b in zip(counts, moment.counts))
                whole.append(Moment(time + moment.time, moment.steps, so_far))
            time += request.delta[NOW]
            counts = tuple(a + b for a, b in zip(counts, request.delta))
        return whole

    def _joined(self, source: str) -> list[tuple[Visit, int]]:
        """The visits to one queue; those with neighbouring ids and the same effect are one."""
        lines: list[tuple[Visit, int]] = []
        for visit, by in (line for line in self.visits if line[0].source == source):
            for i, (old, old_by) in enumerate(lines):
                if old[:5] == visit[:5] and by == old_by and old.first + old.count == visit.first:
                    lines[i] = old._replace(count=old.count + visit.count), by
                    break
            else:
                lines.append((visit, by))
        return lines

    def meets(self, end: int, k: int) -> bool:
        """Whether it is the clock, at `end`, that lets no more than `k` cycles be taken."""
        return bool(self.time) and self.steady and k == self._by_clock(end)

    def longest(self, end: int) -> int:
        """How many more cycles must do what the last two did, and do not reach the time `end`."""
        if not self.steady or not self.counters["copied"]:
            return 0
        k = min(self._by_clock(end), self._by_goal())
        for visit, by in self.changes:
            k = min(k, self._by_pages(visit, by))
        for name in self.model.queues:
            k = min(k, self._by_queue(name))
        for decision, active, inactive in self.decisions:
            k = min(k, self._by_decision(decision, active, inactive, k))
        while k > 0 and not self._apart(k):
            k //= 2
        return k

    def _by_clock(self, end: int) -> int:
        """No cycle may reach `end`, nor the horizon: the requests within it must still begin before."""
        if not self.time:
            return FOREVER
        return (min(end, self.model.horizon) - 1 - self.model.now) // self.time

    def _by_goal(self) -> int:
        model, slots = self.model, self.counters["slots_used"]
        k = (model.goal - model.count["copied"]) // self.counters["copied"]
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
        queue = self.model.queues[name]
        items = queue.items
        if name == ROTATED:  # as many as are sent off, and the same ones left over, so much further on
            was, now = (self.model.history[i].rotated for i in (-1 - self.cycle, -1))
            alike = now == tuple(page + self.submitted for page in was) and all(
                s.stride == self.submitted for s in taken
            )
            return FOREVER if alike and sum(s.count for s in taken) == self.submitted * bool(taken) else 0
        if not taken:
            return FOREVER
        if not items:
            return 0
        if len(taken) > 1 and isinstance(items[0], Run):
            queue.rephase()
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
        spans = [
            (v.first + by, v.first + k * by + v.count, v.page is not v.after)
            for v, by in self.changes
            if v.source != ROTATED
        ]
        spans.sort()
        reach, changes = -1, False
        for first, end, change in spans:
            if first < reach and (change or changes):
                return False
            changes = change or (changes and first < reach)
            reach = max(reach, end)
        return True

    def take(self, k: int) -> None:
        """Take `k` cycles at once, and move the history on by as much."""
        model = self.model
        for name, queue in model.queues.items():
            if name != ROTATED and (taken := self._segments(name, "source")):
                if isinstance(queue.items[0], Stripe):
                    queue.skip(k)
                else:
                    queue.take(k * taken[0].count)
        for name, queue in model.queues.items():
            queue.put_stripe([s.shifted(1) for s in self._segments(name, "target")], k)
        submitted = []
        for visit, by in self.changes:
            if visit.page is not visit.after and visit.source != ROTATED:
                self._change(visit, by, k)
            if isinstance(visit.after, Page) and visit.after.writing:
                submitted.append(Segment(visit.first + by, visit.count, by))
        self._sample(k)
        for name, change in self.counters.items():
            model.count[name] += k * change
        model.active += k * self.active
        model.inactive += k * self.inactive
        model.next_id += k * self.ids
        model.now += k * self.time
        model.disk.due += k * self.time
        model.disk.last += k * self.time
        model.flight.put_stripe(submitted, k)
        if freed := [visit for visit, _ in self.visits if visit.source == ROTATED]:
            self._return(k, freed[0])
        else:
            model.complete(k * self.submitted)
        model.steps += 1
        for i in range(-2 * self.cycle, 0):
            request, moved = model.history[i], self.shifts[i % self.cycle]
            model.history[i] = Request(
                [shifted(line, by, k) for line, by in zip(request.log, moved)],
                request.delta,
                tuple(page + k * self.submitted for page in request.rotated),
                request.diary,
            )

    def _sample(self, k: int) -> None:
        """The samples of the seconds that `k` cycles go over: each as it is taken after the step that reaches it."""
        model, end = self.model, self.model.now + k * self.time
        if model.next_second > end:
            return
        diary = [Moment(0, 1, (0,) * len(COUNTERS)), *(self.diary or ())]
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
        model, gone, rotated = self.model, freed.after, self.model.history[-1].rotated
        for page in rotated:
            model._set(page, 1, gone)
        left = k * self.submitted
        while left:
            first, count = model.flight.peek()
            n = min(count, left)
            model.flight.take(n)
            model._set(first, n, gone)
            left -= n
        rotated = tuple(page + k * self.submitted for page in rotated)
        model.queues[ROTATED] = PageQueue(Run(page, 1) for page in rotated)
        assert freed.page is not None
        for page in rotated:
            model._set(page, 1, freed.page)

    def _change(self, visit: Visit, by: int, k: int) -> None:
        first, count = visit.first + by, visit.count
        if by == count:
            self.model._set(first, k * count, visit.after)
        else:
            for m in range(k):
                self.model._set(first + m * by, count, visit.after)
