"""The walk of page tables at the cost of its runs: equal entries, equal processes and whole seconds in one step.

source      rules.py has the rules, this has the strides
left out    an order of the processes other than round and round
"""

from collections.abc import Iterator
from typing import NamedTuple

from vmteach.kernel.reclaim.fates import accessed
from vmteach.kernel.reclaim.memory import Memory
from vmteach.kernel.reclaim.page import Page, Pte
from vmteach.kernel.reclaim.runs import FOREVER, Intervals
from vmteach.kernel.reclaim.setup import SECOND


class Ptes(NamedTuple):
    """`n` page table entries of one process that are alike, for pages from `first` up that `mapcount` processes map."""

    first: int
    n: int
    pte: Pte
    page: Page
    mapcount: int


class Walk:
    """One call of swap_out: its place is kept from call to call, in `lists.processes`."""

    def __init__(self, memory: Memory) -> None:
        self.memory, self.processes, self.cost = memory, memory.lists.processes, memory.setup.costs.pte
        self.turns = 2 * self.processes.count + 1  # the kernel counts down to 0, inclusive

    def turn(self) -> Iterator[None]:
        """Each process once, from the current one on, round and round, as long as there are turns."""
        while self.turns:
            self._enter()
            yield
            self._leave()

    def _enter(self) -> None:
        self.whole = self.processes.address == 0  # whether this turn walks all of the process
        self.equals = self.processes.ring[0].n
        self.start = self._done()
        self.table = self.processes.split_current()
        self.quiet, self.spare = True, FOREVER  # no page has changed; others that map what was unmapped
        self.stepped = False

    def _done(self) -> tuple[int, int, int]:
        """The clock, and what all walks have done so far."""
        count = self.memory.count
        return self.memory.now, count["ptes"], count["ptes_destroyed"]

    def ptes(self) -> Ptes | None:
        """The next entries of the current process that are alike; None at its end."""
        if self.stepped:
            self._whole_seconds()
        processes, lists = self.processes, self.memory.lists
        while processes.address < self.memory.setup.shm:
            first = processes.address
            pte, end = self.table.at(first)
            end = min(end, self.memory.setup.shm)
            if pte is Pte.NONE:
                processes.address = end
                continue
            same, page, mapcount = lists.stretch(first)
            return Ptes(first, min(end, same) - first, pte, page, mapcount)
        return None

    def step(self, ptes: Ptes, most: int, rule: str) -> int:
        """Do what `rule` says with up to `most` entries; how many before somebody observes."""
        memory, first, stop = self.memory, ptes.first, self.memory.stop
        memory.idle_touch = not memory.setup.hot
        destroyed = {"one unmapped": 1, "last unmapped": 1, "all unmapped": ptes.mapcount}.get(rule, 0)
        cost = self.cost * max(1, destroyed)
        n = memory.alike(min(most, ptes.n), cost)
        before = memory.counters_before(n, cost)
        changed = self._change(ptes, n, rule)
        memory.steps += 1
        memory.event = rule, first, n
        self.processes.address = first + n
        memory.count["ptes"] += n
        memory.count["ptes_destroyed"] += n * destroyed
        memory.spend(n * cost, n, before)
        self.quiet = self.quiet and not changed and stop == memory.stop
        self.stepped = True
        return n

    def _change(self, ptes: Ptes, n: int, rule: str) -> bool:
        """Change `n` entries; whether a page changed, or has nobody left that maps it."""
        first = ptes.first
        if rule == "aged":
            self.table.set(first, first + n, Pte.OLD)
            return self.memory.lists.access(ptes.page, accessed(ptes.page), first, n)
        if rule == "one unmapped":
            self.table.set(first, first + n, Pte.NONE)
            self.spare = min(self.spare, ptes.mapcount - 1)
        elif rule != "left":
            for group in self.processes.ring:
                group.ptes.set(first, first + n, Pte.NONE)
            return True
        return False

    def _leave(self) -> None:
        """Go on to the next process.

        When the walk of one whole process changed no page, its equals behind it will do the same, as long as
        none of them is the last to map a page: they are walked in one leap.
        """
        memory, processes = self.memory, self.processes
        processes.next_process()
        self.turns -= 1
        if not (self.whole and self.quiet and memory.fast):
            return
        time, walked, destroyed = (now - then for now, then in zip(self._done(), self.start))
        more = min(self.equals - 1, self.turns, self.spare - 1)
        if time:
            end = memory.next_second if destroyed else memory.stop  # within a process not every pte is destroyed
            more = min(more, (end - 1 - memory.now) // time)
        if more > 0:
            before = tuple(memory.count.values())
            processes.walked(more, processes.ring[-1].ptes.copy())
            memory.count["ptes"] += more * walked
            memory.count["ptes_destroyed"] += more * destroyed
            memory.steps += 1
            memory.spend(more * time, max(1, more * walked), before)
            self.turns -= more

    def _whole_seconds(self) -> None:
        """Take as many whole seconds as the walk lasts at once, if nothing changes from one to the next.

        At a second all ptes have just become young again. When they are those of hot pages that are active and
        referenced, the walk makes ptes old and changes no page, and at the next second all are young again: only
        its place has moved on.
        """
        memory, hot = self.memory, self.memory.setup.hot
        if not (hot and self.cost and self._repeats()):
            return
        begun = min(self.processes.address, hot)  # behind the hot pages nothing is mapped
        left = self.turns * hot - begun - 1
        seconds = (memory.now + left * self.cost - memory.next_second) // SECOND
        if seconds < 0:
            return
        n = -((memory.now - memory.next_second - seconds * SECOND) // self.cost)
        before = tuple(memory.count.values())
        turned, address = divmod(begun + n - 1, hot)
        self.processes.walk_on(turned, address + 1)
        memory.count["ptes"] += n
        memory.steps += 1
        memory.spend(n * self.cost, n, before)
        self.turns -= turned
        self._enter()

    def _repeats(self) -> bool:
        """Whether every second of the walk does what this one does."""
        memory, hot, young = self.memory, self.memory.setup.hot, Intervals(Pte.NONE)
        young.set(0, hot, Pte.YOUNG)
        if not (memory.fast and memory.idle_touch):
            return False
        if (memory.rules.rotate_written and memory.disk.n) or any(g.ptes != young for g in self.processes.ring):
            return False
        return all(isinstance(page, Page) and page.busy for _, _, page in memory.lists.pages.runs(0, hot))
