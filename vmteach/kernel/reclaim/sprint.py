"""Requests that differ a little from one to the next, over plain integers: what leaps cannot take.

source      rules.py, which has each of these rules in the kernel's words; the tests hold one against the other
left out    requests with anything unusual in them: they are worked through by rules.py, in the middle of a sprint

On a natural start the quota of refill_inactive falls with every request, so that no request repeats the one before.
But nearly all are of one shape: a quota of unreferenced pages goes to the inactive head, and a batch of clean pages
is freed at the tail, perhaps behind some stretches that are passed over or written. A sprint keeps both ends of the
inactive list, the active tail, the clock and the counters as integers, takes the requests of one quota together,
and writes page states late. A request is looked through before anything of it is done.
"""

from collections.abc import Callable

from vmteach.kernel.reclaim.ends import FREE, IN_USE, ODD, WRITE, Ends, Known
from vmteach.kernel.reclaim.lists import BEHIND, ROTATED, Tail
from vmteach.kernel.reclaim.memory import Memory
from vmteach.kernel.reclaim.page import Kind, Page, PageState, Where
from vmteach.kernel.reclaim.rules import free, free_some, try_to_free_pages, writepage
from vmteach.kernel.reclaim.runs import FOREVER
from vmteach.kernel.reclaim.setup import SECOND

FRESH = Page(PageState(Kind.FILE), Where.INACTIVE)
Piece = tuple[Known, int, int]  # what it is, first page, how many


class Sprint(Ends):
    """A row of bands: each some requests, up to kswapd's mark, and the pages that are taken after them."""

    def __init__(self, memory: Memory, taken: str, cost: int, take: Callable[[int], None]) -> None:
        super().__init__(memory, taken, cost)
        setup = memory.setup
        self.take, self.top = take, setup.min + setup.band
        self.ratio, self.balance = setup.sysctls.vm_cache_scan_ratio, setup.sysctls.vm_lru_balance_ratio
        self.bands = 0  # that were taken

    @staticmethod
    def possible(memory: Memory) -> bool:
        """Whether nothing is in the way: a list in one queue, and nobody who wants to see every step."""
        queues, rules = memory.lists.queues, memory.rules
        plain = not (rules.anchored or rules.rotate_written or queues[ROTATED] or queues[BEHIND])
        return plain and memory.stride == FOREVER

    def run(self, goal: int, horizon: int, bands: int) -> bool:
        """Up to so many bands, to the goal or the horizon, or until somebody waits for a page; False: out of memory."""
        memory, low, enough = self.memory, self.setup.min, True
        self._load()
        while self.bands < bands and enough and self.now < horizon and not memory.wanted and self._left(goal):
            self.bands += 1
            enough = self._reclaim()
            while enough and (left := self._left(goal)):
                room = max(1, min(left, self.free - low))
                self._take_pages(1 if memory.wanted else room)  # what is waited for comes before the next page
                if self.free <= low or memory.wanted:
                    break
        self._store()
        return enough

    def _left(self, goal: int) -> int:
        return goal - self.memory.count[self.taken] - self.pages

    # ---- requests

    def _reclaim(self) -> bool:
        """Requests until kswapd's mark is reached, or just one without kswapd; False: out of memory."""
        memory, first, left = self.memory, True, 1
        while first or (self.setup.band and self.free <= self.top):
            if self.setup.band:
                left = max(1, (self.top - self.free) // self.need + 1)
            if not self._short(left) and not self._long():
                self._store()
                enough = free_some(memory) if first else try_to_free_pages(memory) > 0
                self._load()
                if not enough:
                    return not first  # kswapd just gives up
            first = False
        return True

    def _short(self, left: int) -> bool:
        """Up to `left` requests that refill from one run and free from another, as many as have the same quota."""
        need, active, inactive, memory = self.need, self.active, self.inactive, self.memory
        if self.good < need and not self._find_good():
            return False
        quota = need * active // (inactive * self.balance + 1)
        time = (quota + need) * self.visit
        m = min(left, self.good // need)
        if m * quota > self.alike:
            m = self.alike // quota
        if self.now + m * time >= memory.next_second:
            m = (memory.next_second - 1 - self.now) // time
        if m < 1 or self._budget(active, inactive, quota) < need:
            return False
        while m > 1:  # the quota of the last, and its budget
            a, i = active - (m - 1) * quota, inactive + (m - 1) * (quota - need)
            if need * a // (i * self.balance + 1) == quota and self._budget(a, i, quota) >= need:
                break
            m //= 2
        self._refill(m * quota)
        self._free(self.tail, m * need, self.free_as)
        self._pass(m * need)
        self.good -= m * need
        self.passes += m
        self.requests += m
        if time > memory.longest:
            memory.longest = time
        memory.steps += 1
        return True

    def _budget(self, active: int, inactive: int, quota: int) -> int:
        """How many pages the search, or the scan, may look at."""
        return (inactive + (quota if self.searches else active)) // self.ratio

    def _find_good(self) -> bool:
        """Whether a whole batch of pages at the tail is free for the taking."""
        if self.tail_n < self.need:
            return False
        known = self._look(self.tail)
        if known.kind is FREE:
            self.good, self.free_as = min(self.tail_n, known.high - self.tail), known.fate.page
        return self.good >= self.need

    # ---- requests that meet more than clean pages

    def _long(self) -> bool:
        """One request that meets several stretches; False, and nothing done, if rules.py must deal with it."""
        quota, memory = self.need * self.active // (self.inactive * self.balance + 1), self.memory
        if quota > self.alike or self.now + quota * self.visit >= memory.next_second:
            return False
        pieces = self._plan(quota)
        if pieces is None:
            return False
        calm = self._latest_end(quota, pieces) < memory.next_second
        if not calm and not memory.idle_touch:
            return False
        began = self.now
        self.passes += 1
        self._refill(quota)
        for piece in pieces:
            if calm or self._latest_end(0, [piece]) < memory.next_second:
                self._go(*piece)
            else:
                self._by_rules(*piece)
        self.requests += 1
        self.good = 0
        memory.longest = max(memory.longest, self.now - began)
        if self.now - began >= SECOND:
            memory.waits.append((began, self.now))
        return True

    def _plan(self, quota: int) -> list[Piece] | None:
        """The stretches that a request meets at the tail."""
        need, i, pieces = self.need, 0, []
        budget = self._budget(self.active, self.inactive, quota)
        allowed = need * self.setup.sysctls.vm_mapped_ratio
        slots = self.setup.slots - self.memory.count["slots_used"]
        first, count = self.tail, self.tail_n
        while need and count:
            known = self._look(first)
            n = min(count, known.high - first)
            if known.kind is FREE:
                n = min(n, need)
                need -= n
            elif known.kind is IN_USE:
                allowed -= n
            elif known.kind is WRITE and known.page.state.kind is Kind.SHM:
                slots -= n
            budget -= n
            if known.kind is ODD or budget < 0 or allowed < 0 or slots < 0:
                return None
            pieces.append((known, first, n))
            first, count = first + n, count - n
            if need and not count and i < len(self.items):
                first, count = self._run(i)
                i += 1
        return None if need else pieces

    def _latest_end(self, quota: int, pieces: list[Piece]) -> int:
        """A time that the request surely does not reach."""
        costs, disk, pages, written = self.setup.costs, self.memory.disk, quota, 0
        for known, _, n in pieces:
            pages += n
            if known.kind is WRITE:
                written += n
        end = self.now + pages * self.visit + written * (costs.convert + costs.submit)
        if written and disk.n + written > disk.depth:  # then it waits for room
            end += max(0, disk.due - self.now) + written * disk.service
        return end

    def _go(self, known: Known, first: int, n: int) -> None:
        """Do with one stretch at the tail what is to be done; what is not freed goes to the head."""
        if known.kind is FREE:
            self._free(first, n, known.fate.page)
        elif known.kind is WRITE:
            self._write(known, first, n)
        else:
            self.now += n * self.visit
        self._pass(n)
        if known.kind is not FREE:
            self._push(first, n)

    def _by_rules(self, known: Known, first: int, n: int) -> None:
        """Do it as rules.py says: seconds strike meanwhile, and somebody may observe."""
        self._store()
        while n:
            n -= self._step(known, self.lists.inactive_tail(), n)
        self._load()

    def _step(self, known: Known, tail: Tail, n: int) -> int:
        visits = {"clean_visits" if self.searches else "visits": 1}
        if known.kind is WRITE:
            return writepage(self.memory, tail, n)
        if known.kind is FREE:
            return free(self.memory, tail, n, known.fate, **visits)
        return self.memory.step(tail, n, known.fate, self.visit, **visits)

    # ---- pages

    def _take_pages(self, n: int) -> None:
        """Up to `n` pages for the workload."""
        if self.now + n * self.cost >= self.memory.next_second:
            self._store()
            self.take(n)
            self._load()
            return
        self.now += n * self.cost
        self.free -= n
        self.pages += n
        if self.taken == "copied":
            self.reading.add(self.next_id, n, FRESH)
            self._push(self.next_id, n)
            self.next_id += n
            self.inactive += n
