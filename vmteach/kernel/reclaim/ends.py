"""Both ends of the inactive list, and the active tail, as plain integers beside the machine's own.

source      lists.py and memory.py, which hold the machine; `Ends` takes them out of it and puts them back
left out    what a request does: sprint.py
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from vmteach.kernel.reclaim.fates import Fate, refilled, searched, visit, written
from vmteach.kernel.reclaim.lists import ACTIVE, AHEAD, Lists
from vmteach.kernel.reclaim.memory import Memory
from vmteach.kernel.reclaim.page import Absent, Kind, Page
from vmteach.kernel.reclaim.runs import Run, Stripe

FREE, PASS, IN_USE, CONVERT, WRITE, ODD = "free", "pass", "in use", "convert", "write", "odd"
new = tuple.__new__  # of a NamedTuple, in half the time
Changes = tuple[tuple[str, int], ...]  # of counters
VISITED: Changes = (("visits", 1),)
CONVERTED: Changes = (*VISITED, ("slots_used", 1), ("conversions", 1), ("swapcache", 1), ("pagecache", -1))
UNROLLED = 16  # repetitions of a stripe that are written out at once


@dataclass(slots=True)
class Known:
    """Ids from `low` to below `high` that are alike, and what a scan does with them."""

    low: int
    high: int
    kind: str
    page: Page
    fate: Fate


Piece = tuple[Known, int, int, int]  # a stretch of a list: what it is, first page, how many, how many more runs


class Pending:
    """States of pages that are written to the intervals late, as one run."""

    def __init__(self, memory: Memory) -> None:
        self.set = memory.lists.set
        self.low = self.high = 0
        self.state: Page | Absent = Absent.FREED

    def add(self, first: int, n: int, state: Page | Absent) -> None:
        """Pages from `first` up are in this state from now on."""
        if first != self.high or state is not self.state:
            self.flush()
            self.low, self.state = first, state
        self.high = first + n

    def flush(self) -> None:
        """Write it down."""
        if self.low < self.high:
            self.set(self.low, self.high - self.low, self.state)
        self.low = self.high


class ActiveTail:
    """The run at the active tail, as far as its pages are alike and not referenced."""

    def __init__(self, lists: Lists) -> None:
        self.lists, self.queue = lists, lists.queues[ACTIVE]
        self.began = self.moving = self.alike = 0  # its first page, the first that has not moved, how many follow

    def load(self) -> None:
        """Look at the tail."""
        self.began = self.moving = self.alike = 0
        if self.queue:
            self.began, count = self.queue.peek()
            self.moving, (self.alike, self.after) = self.began, self._unreferenced(self.began, count)

    def store(self) -> None:
        """Take what has moved off the list."""
        if self.moving > self.began:
            self.queue.take(self.moving - self.began)

    def _unreferenced(self, first: int, count: int) -> tuple[int, Page]:
        """How many of these pages refill_inactive moves as one, and what they are then."""
        page, end = self.lists.pages.at(first)
        assert isinstance(page, Page)
        fate = refilled(page)
        plain = fate.rule == "deactivated" and not page.state.outside
        assert isinstance(fate.page, Page)
        return min(count, end - first) if plain else 0, fate.page

    def can_give(self, n: int) -> bool:
        """Whether none of the next `n` pages is referenced, as far as that is seen at once."""
        n -= self.alike
        items = self.queue.items
        if n > 0 and items and self.moving + self.alike == self.began + items[0].count:
            for item in islice(items, 1, None):
                alike = 0 if isinstance(item, Stripe) else self._unreferenced(*item)[0]
                n -= alike
                if n <= 0 or alike < item.count:
                    break
        return n <= 0


class Ends:
    """The ends of the lists, while nobody else looks."""

    def __init__(self, memory: Memory, taken: str, cost: int) -> None:
        setup = memory.setup
        self.memory, self.lists, self.count, self.setup = memory, memory.lists, memory.count, setup
        self.taken, self.cost, self.visit, self.need = taken, cost, setup.costs.visit, setup.batch
        self.searches = memory.rules.clean_pass
        self.visits = "clean_visits" if self.searches else "visits"
        convert = self.visit + setup.costs.convert  # the most that a page takes, ns, but for waiting
        plain = dict.fromkeys((FREE, PASS, IN_USE, ODD), self.visit)
        self.most = {**plain, CONVERT: convert, WRITE: convert + setup.costs.submit}
        self.active = ActiveTail(memory.lists)
        self.refilling, self.freeing, self.reading = Pending(memory), Pending(memory), Pending(memory)

    def _load(self) -> None:
        """Take the ends of the lists out of the machine."""
        queue = self.lists.queues[AHEAD]
        self.owed = 0  # writes that are done, and not completed
        self.known: list[Known] = []
        self.items, self.beside = queue.items, queue.length - self.lists.inactive
        self.head = self.head_n = 0
        self._next_run()
        last = self.items[-1] if self.items else None
        if isinstance(last, Run):
            self.head, self.head_n = last
            self.items.pop()
        self.active.load()

    def _next_run(self) -> None:
        """The next run at the tail."""
        self.tail = self.tail_n = 0
        if self.items:
            item = self.items[0]
            self.tail, self.tail_n = item if isinstance(item, Run) else self._run(0)
            self.items.popleft()

    def _run(self, i: int) -> Run:
        """The run at place `i`; of a stripe some repetitions are written out."""
        item = self.items[i]
        if isinstance(item, Run):
            return item
        self.items.rotate(-i)
        self.items.popleft()
        times = min(UNROLLED, item.times)
        if times < item.times:
            self.items.appendleft(item.rest(times))
        self.items.extendleft(reversed(list(Stripe(item.segments, times).unrolled())))
        self.items.rotate(i)
        return self._run(i)

    def _store(self) -> None:
        """Put everything back; the machine is as if rules.py had done it."""
        for pending in (self.refilling, self.freeing, self.reading):
            pending.flush()
        if self.tail_n:
            self.items.appendleft(Run(self.tail, self.tail_n))
        if self.head_n:
            self.items.append(Run(self.head, self.head_n))
        self.lists.queues[AHEAD].length = self.lists.inactive + self.beside
        self.active.store()
        self._settle()

    # ---- what a scan finds

    def _stretches(self) -> Iterator[Piece]:
        """What a scan meets from the tail on, as long as nothing moves; runs that are passed over alike are one."""
        items, i, first, count = self.items, 0, self.tail, self.tail_n
        while count:
            known = self._look(first)
            low, high, kind = known.low, known.high, known.kind
            n = count if first + count <= high else high - first
            start, runs = first, 0
            first, count = first + n, count - n
            joins = kind is PASS or kind is IN_USE
            if not joins:
                yield known, start, n, 0
            while not count and i < len(items):
                item = items[i]
                first, count = item if isinstance(item, Run) else self._run(i)
                i += 1
                if joins and low <= first and first + count <= high:
                    n, count, runs = n + count, 0, runs + 1
            if joins:
                yield known, start, n, runs

    def _look(self, first: int) -> Known:
        """What a scan does with the page, and with those behind it that are alike."""
        for known in self.known:
            if known.low <= first < known.high:
                return known
        for pending in (self.refilling, self.reading):
            if pending.low <= first < pending.high:
                pending.flush()
        end, page, mapcount = self.lists.stretch(first)
        if page.writing:
            self._settle()
            end, page, mapcount = self.lists.stretch(first)
        kind, fate = self._kind(page, mapcount > 0)
        known = Known(first, end, kind, page, fate)
        if kind is not ODD:  # what is odd may become plain by itself
            self.known = [known, *(other for other in self.known if not first <= other.low < end)][:4]
        return known

    def _settle(self) -> None:
        """Complete the writes that are done by now."""
        self.lists.complete(self.owed + self.memory.disk.settle(self.memory.now))
        self.owed = 0

    def _kind(self, page: Page, mapped: bool) -> tuple[str, Fate]:
        """What the scan, or the search if there is one, does with such a page."""
        fate = searched(page, mapped) if self.searches else visit(page, mapped, self.setup.fs)
        if page.writing or page.state.outside or page.state.kind is Kind.ANON:
            return ODD, fate
        if fate.rule == "writepage":
            fate = written(page, True, self.memory.rules)
            return {"file write": ODD, "converted": CONVERT}.get(fate.rule, WRITE), fate
        plain = {"found clean": FREE, "freed": FREE, "not clean": PASS, "in use": IN_USE}.get(fate.rule, ODD)
        return (plain if plain is FREE or fate.page is page else ODD), fate

    # ---- pages that move

    def _refill(self, n: int) -> None:
        """Move `n` pages from the active tail to the inactive head."""
        lists, active = self.lists, self.active
        while n > active.alike:
            n -= active.alike
            self._refill(active.alike)
            active.store()
            active.load()
        if not n:
            return
        first = active.moving
        self.refilling.add(first, n, active.after)
        self._push(first, n)
        active.moving = first + n
        active.alike -= n
        lists.active -= n
        lists.inactive += n
        self.count["refilled"] += n
        self.memory.now += n * self.visit

    def _free(self, first: int, n: int, after: Page | Absent) -> None:
        """Free `n` pages at the tail."""
        count = self.count
        if n < self.tail_n:
            self.tail += n
            self.tail_n -= n
        else:
            self._next_run()
        self.freeing.add(first, n, after)
        self.lists.inactive -= n
        count["free"] += n
        count["frees"] += n
        count[self.visits] += n
        count["swapcache" if after is Absent.SWAPPED else "pagecache"] -= n
        self.memory.now += n * self.visit

    def _write(self, known: Known, first: int, n: int, strikes: bool) -> None:
        """Convert `n` pages at the tail, send them to the disk, or both; the latter while seconds may strike."""
        costs, shared = self.setup.costs, known.page.state.kind is Kind.SHM
        cost, each = self.visit + (costs.convert if shared else 0), CONVERTED if shared else VISITED
        if known.kind is CONVERT:
            self.memory.now += n * cost
            self._add(each, n)
        else:
            self._submit(n, cost + costs.submit, each, strikes)
            self.lists.flight.put(first, n)
        self.lists.set(first, n, known.fate.page)
        for other in self.known:
            if other.low <= first < other.high:  # what is known of the pages behind stays true
                other.low = first + n

    def _submit(self, n: int, cost: int, each: Changes, strikes: bool) -> None:
        """Send `n` pages to the disk, `cost` ns of work and these changes of the counters each."""
        memory, count, disk = self.memory, self.count, self.memory.disk
        self.owed += disk.settle(memory.now)
        memory.before_write = memory.before_write or dict(count)
        while n:
            began, before = memory.now, tuple(count.values()) if strikes else ()
            some = disk.submit_some(began, n, cost, memory.stop) if strikes else disk.submit_all(began, n, cost)
            steps, memory.now, sleeps, slept, done = some
            self._add(each, steps)
            count["writes"] += steps
            count["sleeps"] += sleeps
            count["slept"] += slept
            self.owed += done
            n -= steps
            if memory.now >= memory.next_second:
                memory.sample(began, steps, before)

    def _add(self, each: Changes, n: int) -> None:
        """Count `n` such changes."""
        for name, change in each:
            self.count[name] += n * change

    def _latest_end(self, pieces: list[Piece]) -> int:
        """A time that dealing with these surely does not take us to."""
        now, written, costs = self.memory.now, 0, self.most
        end = now
        for known, _, n, _ in pieces:
            end += n * costs[known.kind]
            if known.kind is WRITE:
                written += n
        disk = self.memory.disk
        if written and disk.n + written > disk.depth:  # then it waits for room
            end += max(0, disk.due - now) + written * disk.service
        return end

    def _keep(self, known: Known, first: int, n: int, runs: int, strikes: bool) -> None:
        """Pass over `n` pages at the tail, convert them or write them, which may take seconds: they go to the head.

        With what is passed over so many whole runs behind it go there.
        """
        kind = known.kind
        if kind is PASS or kind is IN_USE:
            self.memory.now += n * self.visit
            self.count[self.visits] += n
        else:
            self._write(known, first, n, strikes)
        if n < self.tail_n:
            self._push(first, n)
            self.tail += n
            self.tail_n -= n
            return
        self._push(first, self.tail_n)
        if runs:
            self.items.append(new(Run, (self.head, self.head_n)))
            self.items.rotate(-runs)
            self.head, self.head_n = self.items.pop()  # type: ignore[assignment]  # a run, as all of these
        self._next_run()

    def _push(self, first: int, n: int) -> None:
        """Put `n` pages at the head."""
        head, head_n = self.head, self.head_n
        if head + head_n == first:
            self.head_n = head_n + n
            return
        if head_n:
            self.items.append(new(Run, (head, head_n)))
        self.head, self.head_n = first, n
