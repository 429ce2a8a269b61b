"""Requests that differ a little from one to the next, over the ends of the lists: what leaps cannot take.

source      rules.py, which has each of these rules in the kernel's words; the tests hold one against the other
left out    requests with anything unusual in them: they are worked through by rules.py, in the middle of a sprint

On a natural start the quota of refill_inactive falls with every request, so that no request repeats the one before.
But nearly all are of one shape: a quota of unreferenced pages goes to the inactive head, and a batch of clean pages
is freed at the tail, perhaps behind some stretches that are passed over or written. A sprint keeps both ends of the
inactive list and the active tail as integers, takes the requests of a band together, and writes page states late.
A request is looked through before anything of it is done.
"""

from collections.abc import Callable
from typing import NamedTuple

from vmteach.kernel.reclaim.ends import CONVERT, FREE, IN_USE, ODD, PASS, WRITE, Ends, Known, Piece, new
from vmteach.kernel.reclaim.lists import BEHIND, ROTATED
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
        sysctls = self.setup.sysctls
        self.take, self.top = take, self.setup.min + self.setup.band
        self.ratio, self.balance = sysctls.vm_cache_scan_ratio, sysctls.vm_lru_balance_ratio
        self.starts_io, self.most_in_use = memory.rules.starts_io, self.need * sysctls.vm_mapped_ratio
        self.bands = 0  # that were taken

    def run(self, goal: int, horizon: int, bands: int) -> bool:
        """Up to so many bands, to the goal or the horizon, or until somebody waits for a page; False: out of memory."""
        memory, count, taken, enough = self.memory, self.count, self.taken, True
        self._load()
        while self.bands < bands and enough and count[taken] < goal and memory.now < horizon and not memory.wanted:
            self.bands += 1
            enough = self._reclaim()
            if enough:
                self._take_pages(goal)
        self._store()
        return enough

    def _take_pages(self, goal: int) -> None:
        """Take pages for the workload up to the goal, down to the watermark, or until somebody waits for one."""
        memory, lists, count, taken, low = self.memory, self.lists, self.count, self.taken, self.setup.min
        while True:
            room = count["free"] - low if count["free"] > low and not memory.wanted else 1
            n = min(room, goal - count[taken])  # what is waited for comes before the next page
            time = n * self.cost
            if memory.now + time >= memory.next_second:
                self._store()
                self.take(n)
                self._load()
            else:
                memory.now += time
                count["free"] -= n
                count[taken] += n
                if taken == "copied":
                    count["pagecache"] += n
                    count["reading"] += time
                    first = lists.next_id
                    self.reading.add(first, n, FRESH)
                    self._push(first, n)
                    lists.next_id = first + n
                    lists.inactive += n
            if count["free"] <= low or memory.wanted or count[taken] >= goal:
                break

    # ---- requests

    def _reclaim(self) -> bool:
        """Requests until kswapd's mark is reached, or just one without kswapd; False: out of memory."""
        memory, count, band, first = self.memory, self.count, self.setup.band, True
        while first or (band and count["free"] <= self.top):
            plan = self._look_through((self.top - count["free"]) // self.need + 1 if band else 1)
            if plan.quotas and self._is_calm(plan):
                self._go(plan, False)
            elif not self._requests(plan):
                self._store()
                enough = free_some(memory) if first else try_to_free_pages(memory) > 0
                self._load()
                if not enough:
                    return not first  # kswapd just gives up
            first = False
        return True

    def _requests(self, plan: Plan) -> bool:
        """The first of these requests, as many as go together; False, and nothing done: rules.py must do the next."""
        while not (strikes := self._begins_calm(plan)):
            m, gap = len(plan.quotas), plan.gap
            if m < 2:
                return False
            plan = self._first(gap if 0 < gap < m else max(1, min(gap - 1 if gap else m, m // 2)), gap, plan.pieces)
            if self._is_calm(plan):
                break
        self._go(plan, strikes)
        return True

    def _is_calm(self, plan: Plan) -> bool:
        """Whether all of it is over before a second strikes, and only pages move that are not referenced."""
        refill = sum(plan.quotas)
        end = self._latest_end(plan.pieces) + refill * self.visit
        return end < self.memory.next_second and (refill <= self.active.alike or self.active.can_give(refill))

    def _begins_calm(self, plan: Plan) -> bool:
        """Whether only the last request may not be over before, but its refill is, and touches will change nothing."""
        m, refill = len(plan.quotas), sum(plan.quotas)
        end = self.memory.now + (refill + (m * self.need if m > 1 else 0)) * self.visit
        alone = self.memory.idle_touch and m == max(1, plan.gap)
        return alone and end < self.memory.next_second and self.active.can_give(refill)

    def _quotas(self, m: int) -> list[int]:
        """Pages that each of the next `m` requests refills, if each frees a batch."""
        need, active, inactive, balance = self.need, self.lists.active, self.lists.inactive, self.balance
        quota, fewer = need * active // (inactive * balance + 1), m - 1
        last = need * (active - fewer * quota) // (max(0, inactive + fewer * (quota - need)) * balance + 1)
        if last == quota:  # all are the same
            return [quota] * m
        quotas = []
        for _ in range(m):
            quotas.append(need * active // (inactive * balance + 1))
            active -= quotas[-1]
            inactive = max(0, inactive + quotas[-1] - need)  # what is planned beyond the list's end is not done
        return quotas

    def _budget(self, m: int) -> int:
        """How many pages the search, or the scan, may surely pass over or write in each of the next `m` requests."""
        pages = self.lists.inactive
        if not self.searches:
            pages += self.lists.active
        elif m == 1:
            pages += self._quotas(1)[0]
        return (pages - (m - 1) * self.need) // self.ratio - self.need

    def _look_through(self, left: int) -> Plan:
        """Up to `left` requests that may be taken at once, for one of them at most meets what it does not free."""
        need, gap, wanted = self.need, 0, left * self.need
        pieces: list[Piece] = []
        pages, in_use, slots = self._budget(left), self.most_in_use, self.setup.slots - self.count["slots_used"]
        may = {PASS: pages, IN_USE: in_use, CONVERT: slots, WRITE: slots if self.starts_io else pages, ODD: 0}
        for piece in self._stretches() if pages >= 0 else ():
            known, first, n, _ = piece
            kind = known.kind
            if kind is not FREE:
                pages -= n
                may[kind] -= n
                m = left + -wanted // need
                if 0 < gap <= m or min(pages, may[kind]) < 0:
                    break
                gap = m + 1
            elif n < wanted:
                wanted -= n
            else:
                pieces.append((known, first, wanted, 0))
                return new(Plan, (self._quotas(left), gap, pieces))
            pieces.append(piece)
        m = left + -wanted // need
        return self._first(m, gap, pieces) if m or left == 1 else self._look_through(1)

    def _first(self, m: int, gap: int, pieces: list[Piece]) -> Plan:
        """The first `m` requests that meet these stretches."""
        left = m * self.need
        met: list[Piece] = []
        for known, first, n, runs in pieces:
            if left <= 0:
                break
            if known.kind is FREE:
                n, left = min(n, left), left - n
            met.append((known, first, n, runs))
        return Plan(self._quotas(m), gap if gap <= m else 0, met)

    def _go(self, plan: Plan, strikes: bool) -> None:
        """Do it: what is not freed goes to the head. With `strikes` seconds strike, and somebody may observe."""
        (quotas, gap, pieces), memory, count, visit, spent = plan, self.memory, self.count, self.visit, 0
        m, started = len(quotas), memory.now
        gap = gap or m
        self._refill(sum(quotas[:gap]))  # no more than that is left to do for any but the last
        count["passes"] += gap
        count["requests"] += gap - 1  # the one that meets it goes on, when the first write is begun
        for known, first, n, runs in pieces:
            if strikes and self._strikes(known, first, n):
                self._by_rules(known, n)
            elif known.kind is FREE:
                self._free(first, n, known.fate.page)
            else:
                before = memory.now
                self._keep(known, first, n, runs, strikes)
                spent += memory.now - before
        if gap < m:
            self._refill(sum(quotas[gap:]))
            count["passes"] += m - gap
        count["requests"] += m - gap + 1
        longest = max(max(quotas) * visit, spent + quotas[gap - 1] * visit) + self.need * visit
        if strikes:
            began = started + (sum(quotas[:-1]) + (gap - 1) * self.need) * visit  # the last of them
            longest = max(longest, memory.now - began)
            if longest >= SECOND:
                memory.waits.append((began, memory.now))
        memory.steps += 1
        memory.longest = max(memory.longest, longest)

    def _strikes(self, known: Known, first: int, n: int) -> bool:
        """Whether rules.py must deal with so many pages, as seconds strike that a write alone would go over."""
        end = self._latest_end([(known, first, n, 0)])
        return end >= (self.memory.stop if known.kind is WRITE else self.memory.next_second)

    def _by_rules(self, known: Known, n: int) -> None:
        """Do it as rules.py says: seconds strike meanwhile, and somebody may observe."""
        self._store()
        while n:
            tail = self.lists.inactive_tail()
            if known.kind is WRITE or known.kind is CONVERT:
                n -= writepage(self.memory, tail, n)
            elif known.kind is FREE:
                n -= free(self.memory, tail, n, known.fate, **{self.visits: 1})
            else:
                n -= self.memory.step(tail, n, known.fate, self.visit, **{self.visits: 1})
        self._load()
