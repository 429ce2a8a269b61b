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

from vmteach.kernel.reclaim.ends import CONVERT, FREE, IN_USE, ODD, PASS, WRITE, Ends, Known, Piece
from vmteach.kernel.reclaim.lists import BEHIND, ROTATED, Tail
from vmteach.kernel.reclaim.memory import Memory
from vmteach.kernel.reclaim.page import Kind, Page, PageState, Where
from vmteach.kernel.reclaim.rules import free, free_some, try_to_free_pages, writepage
from vmteach.kernel.reclaim.runs import FOREVER
from vmteach.kernel.reclaim.setup import SECOND

FRESH = Page(PageState(Kind.FILE), Where.INACTIVE)


def can_sprint(memory: Memory) -> bool:
    """Whether nothing is in the way: a list in one queue, and nobody who wants to see every step."""
    queues, rules = memory.lists.queues, memory.rules
    plain = not (rules.anchored or rules.rotate_written or queues[ROTATED] or queues[BEHIND])
    return plain and memory.stride == FOREVER


class Sprint(Ends):
    """A row of bands: each some requests, up to kswapd's mark, and the pages that are taken after them."""

    def __init__(self, memory: Memory, taken: str, cost: int, take: Callable[[int], None]) -> None:
        super().__init__(memory, taken, cost)
        setup = memory.setup
        self.take, self.top = take, setup.min + setup.band
        self.ratio, self.balance = setup.sysctls.vm_cache_scan_ratio, setup.sysctls.vm_lru_balance_ratio
        self.a_band = setup.band // setup.batch + 1  # requests from the watermark to kswapd's mark
        self.bands = 0  # that were taken

    def run(self, goal: int, horizon: int, bands: int) -> bool:
        """Up to so many bands, to the goal or the horizon, or until somebody waits for a page; False: out of memory."""
        memory, low, enough = self.memory, self.setup.min, True
        self.goal, self.horizon = goal, horizon
        self._load()
        while self.bands < bands and enough and self.now < horizon and not memory.wanted and self._left():
            if self._plain_bands(bands - self.bands):
                continue
            self.bands += 1
            enough = self._reclaim()
            while enough and (left := self._left()):
                room = max(1, min(left, self.free - low))
                self._take_pages(1 if memory.wanted else room)  # what is waited for comes before the next page
                if self.free <= low or memory.wanted:
                    break
        self._store()
        return enough

    def _left(self) -> int:
        return self.goal - self.memory.count[self.taken] - self.pages

    def _plain_bands(self, most: int) -> int:
        """Up to so many bands that free from one run and refill from one, all requests with one quota; how many."""
        need, visit, m, bands = self.need, self.visit, self.a_band, 0
        pages, end = m * need, min(self.memory.next_second, self.horizon)
        if self.tail_n < pages or self.free != self.setup.min or (known := self._look(self.tail)).kind is not FREE:
            return 0
        most = min(most, min(self.tail_n, known.high - self.tail, self._left()) // pages)
        while bands < most:
            quota, last = self._first_and_last(m)
            refill = m * quota
            time = (refill + pages) * visit + pages * self.cost
            if last != quota or refill > self.alike or self.now + time >= end or self._budget(m) < 0:
                break
            self._refill(refill)
            self._free(self.tail, pages, known.fate.page)
            self.tail += pages
            self.tail_n -= pages
            self._take_pages(pages)
            self.memory.longest = max(self.memory.longest, (quota + need) * visit)
            bands += 1
        if not self.tail_n:
            self._next_run()
        self.passes += bands * m
        self.requests += bands * m
        self.memory.steps += bands
        self.bands += bands
        return bands

    # ---- requests

    def _reclaim(self) -> bool:
        """Requests until kswapd's mark is reached, or just one without kswapd; False: out of memory."""
        memory, first, left = self.memory, True, 1
        while first or (self.setup.band and self.free <= self.top):
            if self.setup.band:
                left = max(1, (self.top - self.free) // self.need + 1)
            if not self._requests(left):
                self._store()
                enough = free_some(memory) if first else try_to_free_pages(memory) > 0
                self._load()
                if not enough:
                    return not first  # kswapd just gives up
            first = False
        return True

    def _requests(self, left: int) -> bool:
        """Up to `left` requests at once; False, and nothing done, if rules.py must deal with the next."""
        memory, began = self.memory, self.now
        m, pieces, end, calm = self._plan(left)
        quotas = self._quotas(m) if m else []
        refill = sum(quotas)
        if m and refill <= self.alike and end + refill * self.visit < memory.next_second:
            longest = self._go(pieces, quotas) + self.need * self.visit
        elif left > 1:
            return self._requests(max(1, min(calm, m // 2)))
        elif m and refill <= self.alike and memory.idle_touch and self.now + refill * self.visit < memory.next_second:
            longest = self._go_on(pieces, quotas)
        else:
            return False
        self.requests += 1
        memory.steps += 1
        if longest > memory.longest:
            memory.longest = longest
        if longest >= SECOND:
            memory.waits.append((began, self.now))
        return True

    def _quotas(self, m: int) -> list[int]:
        """Pages that each of the next `m` requests refills, if each frees a batch."""
        quota, last = self._first_and_last(m)
        if last == quota:
            return [quota] * m
        need, active, inactive, balance, quotas = self.need, self.active, self.inactive, self.balance, []
        for _ in range(m):
            quotas.append(need * active // (inactive * balance + 1))
            active -= quotas[-1]
            inactive += quotas[-1] - need
        return quotas

    def _first_and_last(self, m: int) -> tuple[int, int]:
        """The quota of the next request, and of the `m`-th if all have this one: then they do if both are the same."""
        need, active, inactive, fewer = self.need, self.active, self.inactive, m - 1
        quota = need * active // (inactive * self.balance + 1)
        inactive += fewer * (quota - need)
        return quota, need * (active - fewer * quota) // (inactive * self.balance + 1)

    def _budget(self, m: int) -> int:
        """How many pages the search, or the scan, may surely pass over or write in each of the next `m` requests."""
        if not self.searches:
            pages = self.inactive + self.active
        else:
            pages = self.inactive + (self._quotas(1)[0] if m == 1 else 0)
        return (pages - (m - 1) * self.need) // self.ratio - self.need

    def _plan(self, left: int) -> tuple[int, list[Piece], int, int]:
        """How many requests can be looked through, up to `left`; the stretches that they meet at the tail; a time
        that these surely do not reach; and how many requests come before the first that writes.
        """
        need, budget, in_use = self.need, self._budget(left), self.need * self.setup.sysctls.vm_mapped_ratio
        slots, allowed, calm = self.setup.slots - self.memory.count["slots_used"], in_use, left
        m = freed = passed = seen = converted = written = whole = over = 0
        pieces: list[Piece] = []
        for piece in self._stretches() if budget >= 0 else ():
            (_, _, kind, page, _), _, n = piece
            if kind is FREE:
                freed += n
            else:
                passed += n
                if kind is IN_USE:
                    allowed -= n
                elif kind is CONVERT:
                    converted, slots = converted + n, slots - n
                elif kind is WRITE:
                    written, slots = written + n, slots - n * (page.state.kind is Kind.SHM)
                    calm = min(calm, m)
                if passed > budget or allowed < 0 or slots < 0 or kind is ODD:
                    break
            pieces.append(piece)
            seen += n
            if freed >= (m + 1) * need:
                passed, allowed, whole = 0, in_use, len(pieces)
                m = min(freed // need, left)
                over = freed - m * need
                if m == left:
                    break
        del pieces[whole:]
        if over:
            known, first, n = pieces[-1]
            pieces[-1] = known, first, n - over
        return m, pieces, self._latest_end(seen, converted, written), calm

    def _go(self, pieces: list[Piece], quotas: list[int], begun: int = 0) -> int:
        """Do what requests of these quotas do with the stretches at the tail; what is not freed goes to the head.

        The most that one of them took beside its batch of free pages, ns.
        """
        freed, spent, visit = 0, [quota * self.visit for quota in quotas], self.visit
        for known, first, n in pieces:
            kind = known[2]
            if kind is FREE:
                freed += n
                self._free(first, n, known.fate.page)
            else:
                request = freed // self.need
                if begun <= request:
                    begun = self._begin(quotas, begun, request + 1)
                before = self.now
                if kind is PASS or kind is IN_USE:
                    self.now += n * visit
                    self.visits += n
                else:
                    self._write(known, first, n)
                spent[request] += self.now - before
            if n < self.tail_n:
                self.tail += n
                self.tail_n -= n
            else:
                self._next_run()
            if kind is not FREE:
                self._push(first, n)
        self._begin(quotas, begun, len(quotas))
        return max(spent)

    def _begin(self, quotas: list[int], begun: int, requests: int) -> int:
        """Begin requests up to this one, and end those before it."""
        if begun < requests:
            self._refill(sum(quotas[begun:requests]))
            self.passes += requests - begun
        self.requests += requests - max(begun, 1)
        return requests

    def _go_on(self, pieces: list[Piece], quotas: list[int]) -> int:
        """The same for one request, while seconds strike; somebody may observe. How long it took, ns."""
        memory, began = self.memory, self.now
        begun = self._begin(quotas, 0, 1)
        for known, first, n in pieces:
            end = self._latest_end(n, n * (known.kind is CONVERT), n * (known.kind is WRITE))
            if end < memory.next_second or (known.kind is WRITE and end < memory.stop):
                self._go([(known, first, n)], quotas, begun)
            else:
                self._by_rules(known, n)
        return self.now - began

    def _by_rules(self, known: Known, n: int) -> None:
        """Do it as rules.py says: seconds strike meanwhile, and somebody may observe."""
        self._store()
        while n:
            n -= self._step(known, self.lists.inactive_tail(), n)
        self._load()

    def _step(self, known: Known, tail: Tail, n: int) -> int:
        visits = {"clean_visits" if self.searches else "visits": 1}
        if known.kind is WRITE or known.kind is CONVERT:
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
