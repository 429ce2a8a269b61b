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

from vmteach.kernel.reclaim.ends import CONVERT, FREE, IN_USE, PASS, WRITE, Ends, Known
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
        self.goal, self.horizon = goal, horizon
        self._load()
        while self.bands < bands and enough and self.now < horizon and not memory.wanted and self._left():
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

    # ---- requests

    def _reclaim(self) -> bool:
        """Requests until kswapd's mark is reached, or just one without kswapd; False: out of memory."""
        memory, first, left = self.memory, True, 1
        while first or (self.setup.band and self.free <= self.top):
            if self.setup.band:
                left = max(1, (self.top - self.free) // self.need + 1)
            if not self._requests(left) and not (left > 1 and self._requests(1)):
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
        m, most, pieces = self._plan(left)
        if not m:
            return False
        quotas = self._quotas(m)
        refill, quota = sum(quotas), max(quotas)
        longest = (quota + most + self.need) * self.visit  # of several requests, if all refill as much
        if refill > self.alike or (m > 1 and most and refill < m * quota and longest > memory.longest):
            return False
        calm = self._latest_end(refill, pieces) < memory.next_second
        if not calm and (m > 1 or not memory.idle_touch or self.now + refill * self.visit >= memory.next_second):
            return False
        self.passes += m
        if calm:
            self._go(pieces, quotas)
        else:
            self._refill(refill)
            self._go_on(pieces)
        self.requests += m
        if m == 1:
            longest = self.now - began
            if longest >= SECOND:
                memory.waits.append((began, self.now))
        if longest > memory.longest:
            memory.longest = longest
        memory.steps += 1
        return True

    def _quotas(self, m: int) -> list[int]:
        """Pages that each of the next `m` requests refills, if each frees a batch."""
        need, active, inactive, balance = self.need, self.active, self.inactive, self.balance
        quota = need * active // (inactive * balance + 1)
        last = need * (active - (m - 1) * quota) // ((inactive + (m - 1) * (quota - need)) * balance + 1)
        if last == quota:  # then it is the same for all between
            return [quota] * m
        quotas = []
        for _ in range(m):
            quotas.append(need * active // (inactive * balance + 1))
            active -= quotas[-1]
            inactive += quotas[-1] - need
        return quotas

    def _budget(self, m: int) -> int:
        """How many pages the search, or the scan, may surely pass over or write in each of the next `m` requests."""
        if not self.searches:
            pages = self.inactive + self.active
        else:
            pages = self.inactive + (self._quotas(1)[0] if m == 1 else 0)
        return (pages - (m - 1) * self.need) // self.ratio - self.need

    def _plan(self, left: int) -> tuple[int, int, list[Piece]]:
        """Requests, up to `left` or one that writes; the most pages that one of them passes over or writes; and the
        stretches that they meet at the tail.
        """
        items, need, want, budget = self.items, self.need, left * self.need, self._budget(left)
        in_use = need * self.setup.sysctls.vm_mapped_ratio
        slots, allowed = self.setup.slots - self.memory.count["slots_used"], in_use
        m = i = freed = passed = most = whole = over = low = high = 0
        pieces: list[Piece] = []
        first, count = self.tail, self.tail_n
        while freed < want and count and budget >= 0:
            if not low <= first < high:
                known = self._look(first)
                low, high, kind = known[:3]
            n = count if first + count <= high else high - first
            if kind is FREE:
                n = min(n, want - freed)
                freed += n
            else:
                passed += n
                if kind is IN_USE:
                    allowed -= n
                elif (kind is WRITE or kind is CONVERT) and not m:
                    want, slots = need, slots - n * (known.page.state.kind is Kind.SHM)
                elif kind is not PASS:
                    break
                if passed > budget or allowed < 0 or slots < 0:
                    break
            pieces.append((known, first, n))
            if freed >= (m + 1) * need:
                most, passed, allowed = max(most, passed), 0, in_use
                m, over, whole = freed // need, freed % need, len(pieces)
            first, count = first + n, count - n
            if not count and i < len(items):
                first, count = self._run(i)
                i += 1
        del pieces[whole:]
        if over:
            known, first, n = pieces[-1]
            pieces[-1] = known, first, n - over
        return m, most, pieces

    def _latest_end(self, quota: int, pieces: list[Piece]) -> int:
        """A time that the requests surely do not reach."""
        costs, disk, pages, written, end = self.setup.costs, self.memory.disk, quota, 0, self.now
        for known, _, n in pieces:
            pages += n
            if known.kind is WRITE:
                written += n
                end += n * (costs.convert + costs.submit)
            elif known.kind is CONVERT:
                end += n * costs.convert
        end += pages * self.visit
        if written and disk.n + written > disk.depth:  # then it waits for room
            end += max(0, disk.due - self.now) + written * disk.service
        return end

    def _go(self, pieces: list[Piece], quotas: list[int]) -> None:
        """Do what requests of these quotas do with the stretches at the tail; what is not freed goes to the head."""
        freed = begun = 0
        for known, first, n in pieces:
            kind = known.kind
            if kind is FREE:
                freed += n
                self._free(first, n, known.fate.page)
            else:
                if begun * self.need <= freed < len(quotas) * self.need:
                    requests = freed // self.need + 1
                    self._refill(sum(quotas[begun:requests]))
                    begun = requests
                if kind is PASS or kind is IN_USE:
                    self.now += n * self.visit
                    self.visits += n
                else:
                    self._write(known, first, n)
            self.tail += n
            self.tail_n -= n
            if not self.tail_n:
                self._next_run()
            if kind is not FREE:
                self._push(first, n)
        self._refill(sum(quotas[begun:]))

    def _go_on(self, pieces: list[Piece]) -> None:
        """The same, while seconds strike; somebody may observe."""
        memory = self.memory
        for piece in pieces:
            end = self._latest_end(0, [piece])
            if end < memory.next_second or (piece[0].kind is WRITE and end < memory.stop):
                self._go([piece], [])
            else:
                self._by_rules(*piece)

    def _by_rules(self, known: Known, first: int, n: int) -> None:
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
