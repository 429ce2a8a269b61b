"""Where every page is: both lists, the page tables, what is being written, as runs of equal pages; no time passes here.

source      docs/reclaim-rules.md
left out    a page's place within a run: lists are used at their ends only
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from vmteach.kernel.reclaim.fates import accessed, faulted, searched
from vmteach.kernel.reclaim.page import Absent, Kind, Page, PageState, Pte, Where, become
from vmteach.kernel.reclaim.ptes import Processes
from vmteach.kernel.reclaim.runs import Intervals, PageQueue, PageStack, Stripe
from vmteach.kernel.reclaim.setup import COUNTERS, STOCK, Rules, Setup

# Queues of page ids. The inactive list is `rotated` + `behind` + `ahead`, tail first: `rotated` is what
# came back from the disk under rotate_written, `behind` what the anchored search has passed. Both are
# empty for everybody else.
ACTIVE, ROTATED, BEHIND, AHEAD = "active", "rotated", "behind", "ahead"
INACTIVE = (ROTATED, BEHIND, AHEAD)


class Tail(NamedTuple):
    """`n` pages at the tail of a queue that are alike, ids from `first` up, each mapped by `mapcount` processes."""

    queue: str
    first: int
    n: int
    page: Page
    mapcount: int


class Visit(NamedTuple):
    """`count` pages in one state taken from one queue, and where they went."""

    source: str
    target: str  # a queue, or "" for freed or on the way to the disk
    page: Page | None  # None: new pages
    after: Page | Absent
    mapcount: int
    count: int  # type: ignore[assignment]
    first: int


class Lists:
    """The pages of a machine, its two lists and its page tables.

    >>> from vmteach.kernel.reclaim.page import PageRun
    >>> lists = Lists(Setup(shm=0, inactive=(PageRun(0, 64, PageState(Kind.FILE)),)))
    >>> lists.inactive, lists.tail(AHEAD).n
    (64, 64)
    """

    def __init__(self, setup: Setup, rules: Rules = STOCK) -> None:
        self.setup, self.rules = setup, rules
        self.count = dict.fromkeys(COUNTERS, 0) | {"free": setup.free, "slots_used": setup.slots_used}
        self.processes = Processes(setup)
        self.pages: Intervals[Page | Absent] = Intervals(Absent.FREED)
        self.pages.set(0, setup.shm, Absent.SWAPPED)
        self.queues = {name: PageStack() if name == ROTATED else PageQueue() for name in (ACTIVE, *INACTIVE)}
        self.active = self.inactive = 0  # pages of the class on each list
        self.flight = PageQueue()  # ids being written, oldest first
        self.wanted: deque[int] = deque()  # pages of the object that processes wait for
        self.next_id = setup.shm
        for name, where, runs in ((AHEAD, Where.INACTIVE, setup.inactive), (ACTIVE, Where.ACTIVE, setup.active)):
            for first, count, state in runs:
                self.move(Visit("", name, None, Page(state, where), 0, count, first))
                self.next_id = max(self.next_id, first + count)

    def set(self, first: int, count: int, value: Page | Absent) -> None:
        """Give `count` pages from `first` up one state."""
        self.pages.set(first, first + count, value)

    def move(self, visit: Visit) -> None:
        """Change the state and the place of pages that were just taken off `source`."""
        _, target, page, after, _, count, first = visit
        old = page.state.kind if page is not None else None
        new = after.state.kind if isinstance(after, Page) else None
        if page is not None:
            self._enlist(page, -count)
        if isinstance(after, Page):
            self._enlist(after, count)
        if old is not new:
            self._census(old, -count)
            self._census(new, count)
        if page is not after:
            self.set(first, count, after)
        if target:
            self.queues[target].put(first, count)

    def _enlist(self, page: Page, count: int) -> None:
        if page.state.outside:
            return
        if page.where is Where.INACTIVE:
            self.inactive += count
        elif page.where is Where.ACTIVE:
            self.active += count

    def _census(self, kind: Kind | None, count: int) -> None:
        if kind is Kind.SWAPCACHE:
            self.count["swapcache"] += count
        elif kind in (Kind.SHM, Kind.FILE):
            self.count["pagecache"] += count

    def page(self, page: int) -> Page:
        """The state of a page that is in memory."""
        found, _ = self.pages.at(page)
        assert isinstance(found, Page)
        return found

    def stretch(self, first: int) -> tuple[int, Page, int]:
        """The first id behind `first` that differs, the state of page `first`, and how many processes map it."""
        page, end = self.pages.at(first)
        assert isinstance(page, Page)
        if first >= self.setup.shm:
            return end, page, 0
        mapcount, same = self.processes.mapcount(first)
        return (end if end < same else same), page, mapcount

    # ---- tails

    def inactive_tail(self) -> Tail:
        """The pages at the tail of the inactive list that are alike."""
        for name in INACTIVE:
            if self.queues[name].length:
                return self.tail(name)
        raise AssertionError("the inactive list is empty")

    def tail(self, name: str) -> Tail:
        """The pages at the tail of a queue that are alike; on the active list whether they are mapped is no matter."""
        if name == ROTATED:
            return self._rotated_tail()
        first, count = self.queues[name].peek()
        if name == ACTIVE:
            page, end = self.pages.at(first)
            assert isinstance(page, Page)
            return Tail(name, first, min(count, end - first), page, -1)
        end, page, mapcount = self.stretch(first)
        return Tail(name, first, min(count, end - first), page, mapcount)

    def _rotated_tail(self) -> Tail:
        """Of what came back from the disk the last ids are at the tail: as many as can be freed at once, or one."""
        low, count = self.queues[ROTATED].peek()
        behind = low + count
        first = max(low, self.pages.start(behind - 1))
        end, page, mapcount = self.stretch(first)
        if end < behind or searched(page, mapcount > 0).rule != "found clean":
            first = behind - 1
            _, page, mapcount = self.stretch(first)
        return Tail(ROTATED, first, behind - first, page, mapcount)

    # ---- writes that are done

    def complete(self, done: int) -> None:
        """End the write of the oldest pages in flight."""
        while done:
            item = self.flight.items[0]
            if isinstance(item, Stripe) and item.count <= done and not self.rules.rotate_written:
                self.flight.skip(item.times)
                for run in item.runs():
                    self._complete_run(*run)
                done -= item.count
                continue
            first, count = self.flight.peek()
            n = min(count, done)
            self.flight.take(n)
            done -= n
            self._complete_run(first, n)

    def _complete_run(self, first: int, count: int) -> None:
        for low, high, page in list(self.pages.runs(first, first + count)):
            assert isinstance(page, Page)
            if page.where is Where.NOWHERE:
                self.move(Visit("", ROTATED, page, become(page, Where.INACTIVE, False), 0, high - low, low))
            else:
                self.set(low, high - low, become(page, None, False))

    def in_flight(self) -> Iterator[Page | Absent]:
        """The states of the pages in flight."""
        for first, count in self.flight.runs():
            yield from (page for _, _, page in self.pages.runs(first, first + count))

    # ---- accesses

    def access(self, page: Page, after: Page, first: int, n: int) -> bool:
        """Pages that were accessed become `after`; whether anything changed."""
        if after == page:
            return False
        if after.where is not page.where:
            removed = sum(self.queues[name].remove(first, first + n) for name in INACTIVE)
            assert removed == n
            self.count["activations"] += n
        self.move(Visit("", ACTIVE if after.where is not page.where else "", page, after, 0, n, first))
        return True

    def touch(self) -> bool:
        """The processes touch the hot pages: young ptes, minor faults, waits for what is swapped out; whether the next
        touch will change nothing.
        """
        first, everybody, idle = 0, self.processes.count, True
        while first < self.setup.hot:
            page, end = self.pages.at(first)
            mapcount, same = self.processes.mapcount(first)
            n = min(end, same, self.setup.hot) - first
            faults = everybody - mapcount
            idle = idle and isinstance(page, Page) and not faults
            if not isinstance(page, Page):
                self.wanted.extend(i for i in range(first, first + n) if i not in self.wanted)
            elif not faults:
                self.processes.set_all(first, first + n, Pte.YOUNG)
            elif not (page.writing or page.state.locked):
                self._minor_fault(page, first, n, faults)
            first += n
        return idle

    def _minor_fault(self, page: Page, first: int, n: int, faults: int) -> None:
        self.count["minor_faults"] += n * faults
        if page.state.kind is Kind.SWAPCACHE:  # the inverse of the conversion
            self.count["slots_used"] -= n
            self.count["undone"] += n
        self.access(page, faulted(page, faults), first, n)
        self.processes.set_all(first, first + n, Pte.YOUNG)

    def swap_in(self) -> None:
        """The first page that processes wait for has been read back from swap: everybody maps it again."""
        page = self.wanted.popleft()
        if self.pages.at(page)[0] is Absent.SWAPPED:
            self.count["slots_used"] -= 1
        self.count["swap_ins"] += 1
        self.count["major_faults"] += self.processes.count
        here = Page(PageState(Kind.SHM, dirty=True), Where.INACTIVE)
        self.move(Visit("", AHEAD, None, here, 0, 1, page))
        self.access(here, accessed(here, self.processes.count), page, 1)
        self.processes.set_all(page, page + 1, Pte.YOUNG)
