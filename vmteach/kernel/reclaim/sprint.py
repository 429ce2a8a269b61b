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
from itertools import islice
from typing import NamedTuple

from vmteach.kernel.reclaim.ends import CONVERT, FREE, IN_USE, ODD, PASS, WRITE, Allowance, Ends, Known, Piece
from vmteach.kernel.reclaim.lists import BEHIND, ROTATED, Tail
from vmteach.kernel.reclaim.memory import Memory
from vmteach.kernel.reclaim.page import Kind, Page, PageState, Where
from vmteach.kernel.reclaim.rules import free, free_some, try_to_free_pages, writepage
from vmteach.kernel.reclaim.runs import FOREVER
from vmteach.kernel.reclaim.setup import SECOND

FRESH = Page(PageState(Kind.FILE), Where.INACTIVE)


class Plan(NamedTuple):
    """Requests, and the stretches that they meet at the tail."""

    quotas: list[int]  # the pages that each of them refills
    gap: int  # the one, from 1, that meets what it does not free; 0: none
    pieces: list[Piece]


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
        self.plain = self.a_band * setup.batch  # pages of a band all of whose requests free a batch
        self.bands = 0  # that were taken

    def run(self, goal: int, horizon: int, bands: int) -> bool:
        """Up to so many bands, to the goal or the horizon, or until somebody waits for a page; False: out of memory."""
        memory, low, enough = self.memory, self.setup.min, True
        self.goal, self.horizon = goal, horizon
        self._load()
        while self.bands < bands and enough and self.now < horizon and not memory.wanted and self.left > 0:
            self._plain_bands(bands - self.bands)
            if self.bands == bands or not self.left:
                break
            self.bands += 1
            enough = self._reclaim()
            while enough and self.left > 0:
                room = max(1, min(self.left, self.free - low))
                self._take_pages(1 if memory.wanted else room)  # what is waited for comes before the next page
                if self.free <= low or memory.wanted:
                    break
        self._store()
        return enough

    def _plain_bands(self, most: int) -> int:
        """Up to so many bands whose requests, but for one, meet only what they free, before a second strikes."""
        m, pages, bands, end = self.a_band, self.plain, 0, min(self.memory.next_second, self.horizon)
        while bands < most and self.left >= pages and self.free == self.setup.min and self.tail_n:
            quotas = self._quotas(m)
            refill = sum(quotas)
            known, n = self._look(self.tail), self.tail_n
            if known.kind is not FREE or self.tail + min(n, pages) > known.high or refill > self.alike:
                break
            met, time = [], self.now + (refill + pages) * self.visit + pages * self.cost
            if n < pages:
                met = self._between(pages - n)
                time += self._latest_end(met) - self.now
                if not met or not self._allows(met):
                    break
            if time >= end or (not met and self._budget(m) < 0):
                break
            self._band(quotas, known, met)
            bands += 1
        self.memory.steps += bands
        self.bands += bands
        return bands

    def _between(self, rest: int) -> list[Piece]:
        """What stands between the run at the tail and as many pages more as are wanted; nothing if there are not."""
        met: list[Piece] = []
        for piece in islice(self._stretches(), 1, None):
            kind = piece[0].kind
            if kind is FREE:
                return met if piece[2] >= rest else []
            if kind is ODD:
                break
            met.append(piece)
        return []

    def _allows(self, met: list[Piece]) -> bool:
        """Whether one of the requests of a band may meet all that."""
        left, in_use = self._budget(self.a_band), self.need * self.setup.sysctls.vm_mapped_ratio
        slots = self.setup.slots - self.memory.count["slots_used"]
        for known, _, n, _ in met:
            left -= n
            if known.kind is IN_USE:
                in_use -= n
            elif known.kind is not PASS:
                slots -= n
        return left >= 0 and in_use >= 0 and slots >= 0

    def _band(self, quotas: list[int], known: Known, met: list[Piece]) -> None:
        """A band that meets all that at once, if anything, in what it frees."""
        visit, need, pages = self.visit, self.need, self.plain
        first = min(self.tail_n, pages)
        gap = first // need + 1 if met else self.a_band
        self._begin(quotas[:gap])
        self._free(self.tail, first, known.fate.page)
        self._leave(first, 0, False)
        began = self.now
        self.requests -= bool(met)  # the one that meets it goes on, when the first write is begun
        for other, page, n, runs in met:
            if other.kind is PASS or other.kind is IN_USE:
                self.now += n * visit
                self.visits += n
            else:
                self._write(other, page, n, False)
            self._leave(n, runs, True)
        self.requests += bool(met)
        spent = self.now - began
        if met:
            self._begin(quotas[gap:])
            self._free(self.tail, pages - first, self._look(self.tail).fate.page)
            self._leave(pages - first, 0, False)
        self._take_pages(pages)
        longest = max(max(quotas) * visit, spent + quotas[gap - 1] * visit) + need * visit
        self.memory.longest = max(self.memory.longest, longest)

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
        m, gap, pieces = self._look_through(left)
        if not m:
            return left > 1 and self._requests(1)
        plan = self._plan(m, gap, pieces)
        while not (calm := self._is_calm(plan)) and not (begins := self._begins_calm(plan)) and m > 1:
            m = plan.gap if 0 < plan.gap < m else max(1, min(plan.gap - 1 if plan.gap else m, m // 2))
            plan = self._plan(m, plan.gap, plan.pieces)
        if not (calm or begins):
            return False
        began += (sum(plan.quotas[: m - 1]) + (m - 1) * self.need) * self.visit  # the last of them
        longest = self._go(plan, not calm, began)
        memory.steps += 1
        if longest > memory.longest:
            memory.longest = longest
        if longest >= SECOND:
            memory.waits.append((began, self.now))
        return True

    def _is_calm(self, plan: Plan) -> bool:
        """Whether all of it is over before a second strikes, and only pages move that are not referenced."""
        refill = sum(plan.quotas)
        end = self._latest_end(plan.pieces) + refill * self.visit
        return end < self.memory.next_second and self._can_refill(refill)

    def _begins_calm(self, plan: Plan) -> bool:
        """Whether only the last request may not be over before, but its refill is, and touches will change nothing."""
        m, refill = len(plan.quotas), sum(plan.quotas)
        end = self.now + (refill + (m * self.need if m > 1 else 0)) * self.visit
        alone = self.memory.idle_touch and m == max(1, plan.gap)
        return alone and end < self.memory.next_second and self._can_refill(refill)

    def _quotas(self, m: int) -> list[int]:
        """Pages that each of the next `m` requests refills, if each frees a batch."""
        quota, last = self._first_and_last(m)
        if last == quota:
            return [quota] * m
        need, active, inactive, balance, quotas = self.need, self.active, self.inactive, self.balance, []
        for _ in range(m):
            quotas.append(need * active // (inactive * balance + 1))
            active -= quotas[-1]
            inactive = max(0, inactive + quotas[-1] - need)  # what is planned beyond the list's end is not done
        return quotas

    def _first_and_last(self, m: int) -> tuple[int, int]:
        """The quota of the next request, and of the `m`-th if all have this one: then they do if both are the same."""
        need, active, inactive, fewer = self.need, self.active, self.inactive, m - 1
        quota = need * active // (inactive * self.balance + 1)
        inactive = max(0, inactive + fewer * (quota - need))
        return quota, need * (active - fewer * quota) // (inactive * self.balance + 1)

    def _budget(self, m: int) -> int:
        """How many pages the search, or the scan, may surely pass over or write in each of the next `m` requests."""
        if not self.searches:
            pages = self.inactive + self.active
        else:
            pages = self.inactive + (self._quotas(1)[0] if m == 1 else 0)
        return (pages - (m - 1) * self.need) // self.ratio - self.need

    def _look_through(self, left: int) -> tuple[int, int, list[Piece]]:
        """How many requests, up to `left`, may be taken at once, for one of them at most meets what it does not free;
        which that is, from 1; and the stretches that are seen.
        """
        need, m, gap, freed = self.need, 0, 0, 0
        pieces: list[Piece] = []
        slots = self.setup.slots - self.memory.count["slots_used"]
        may = Allowance(self._budget(left), need * self.setup.sysctls.vm_mapped_ratio, slots)
        for piece in self._stretches() if may.pages >= 0 else ():
            known, _, n, _ = piece
            if known.kind is FREE:
                freed += n
                m = min(freed // need, left)
            elif 0 < gap <= m or not may.covers(known, n):
                break
            else:
                gap = m + 1
            pieces.append(piece)
            if m == left:
                break
        return m, gap, pieces

    def _plan(self, m: int, gap: int, pieces: list[Piece]) -> Plan:
        """The first `m` requests that meet these stretches."""
        left = m * self.need
        met: list[Piece] = []
        for piece in pieces:
            known, first, n, _ = piece
            if known.kind is FREE:
                if n > left:
                    piece = known, first, left, 0
                left -= n
            met.append(piece)
            if left <= 0:
                break
        return Plan(self._quotas(m), gap if gap <= m else 0, met)

    def _go(self, plan: Plan, strikes: bool, began: int) -> int:
        """Do it: what is not freed goes to the head. With `strikes` seconds strike, and somebody may observe.

        The most that one of the requests took, ns.
        """
        (quotas, gap, pieces), visit, spent = plan, self.visit, 0
        if gap or strikes:
            gap = gap or 1
            self._begin(quotas[:gap])
            self.requests -= 1
        for known, first, n, runs in pieces:
            kind, before = known.kind, self.now
            if strikes and self._strikes(known, first, n):
                self._by_rules(known, n)
                continue
            if kind is FREE:
                self._free(first, n, known.fate.page)
            elif kind is PASS or kind is IN_USE:
                self.now += n * visit
                self.visits += n
            else:
                self._write(known, first, n, strikes)
            if kind is not FREE:
                spent += self.now - before
            self._leave(n, runs, kind is not FREE)
        if gap:
            self.requests += 1
            spent += quotas[gap - 1] * visit
        self._begin(quotas[gap:])
        most = max(max(quotas) * visit, spent) + self.need * visit
        return max(self.now - began, most) if strikes else most

    def _begin(self, quotas: list[int]) -> None:
        """Refill for requests of these quotas; no more than that is left to do for any but the last."""
        self._refill(sum(quotas))
        self.passes += len(quotas)
        self.requests += len(quotas)

    def _strikes(self, known: Known, first: int, n: int) -> bool:
        """Whether rules.py must deal with so many pages, as seconds strike that a write alone would go over."""
        end = self._latest_end([(known, first, n, 0)])
        return end >= (self.memory.stop if known.kind is WRITE else self.memory.next_second)

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
        self.left -= n
        if self.taken == "copied":
            self.reading.add(self.next_id, n, FRESH)
            self._push(self.next_id, n)
            self.next_id += n
            self.inactive += n
