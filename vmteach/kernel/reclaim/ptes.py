"""The page tables of many processes, at the cost of those that differ.

source      docs/reclaim-rules.md, swap_out: the walk goes round the processes, one after the other
left out    mappings of a part of the object, or at different addresses
"""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

from vmteach.kernel.reclaim.page import Pte
from vmteach.kernel.reclaim.runs import FOREVER, Intervals
from vmteach.kernel.reclaim.setup import Setup


@dataclass
class Group:
    """Processes with equal page tables."""

    n: int
    ptes: Intervals[Pte]


class Processes:
    """The page tables of M processes: those that are equal are one group.

    `ring` holds the groups in the order in which swap_out will come to them, from the current
    process on. Only the current process can be in the middle of its walk.
    """

    def __init__(self, setup: Setup) -> None:
        ptes: Intervals[Pte] = Intervals(Pte.NONE)
        for first, count, pte in setup.ptes:
            ptes.set(first, first + count, pte)
        self.count = setup.processes
        self.ring = deque([Group(setup.processes, ptes)])
        self.current = 0
        self.address = 0

    def mapcount(self, page: int) -> tuple[int, int]:
        """How many processes map the page, and the first id after it for which that may differ."""
        count, end = 0, FOREVER
        for group in self.ring:
            starts = group.ptes.starts
            k = bisect_right(starts, page)
            if group.ptes.values[k - 1] is not Pte.NONE:
                count += group.n
            if k < len(starts) and starts[k] < end:
                end = starts[k]
        return count, end

    def split_current(self) -> Intervals[Pte]:
        """The ptes of the current process alone."""
        group = self.ring[0]
        if group.n > 1:
            group.n -= 1
            self.ring.appendleft(Group(1, group.ptes.copy()))
        return self.ring[0].ptes

    def walked(self, n: int, ptes: Intervals[Pte]) -> None:
        """The next `n` processes of the group at the front have been walked, and have these ptes now."""
        group = self.ring[0]
        if group.n > n:
            group.n -= n
            self.ring.appendleft(Group(n, ptes))
        else:
            group.ptes = ptes
        self.next_process(n)

    def next_process(self, processes: int = 1) -> None:
        """Go on to the next process: the group of `processes` at the front has been walked."""
        group = self.ring.popleft()
        assert group.n == processes
        self.address = 0
        self._append(group)
        self.current = (self.current + processes) % self.count

    def walk_on(self, turned: int, address: int) -> None:
        """The walk has gone on by `turned` processes, to this address in the last; all have equal ptes."""
        ptes = self.ring[0].ptes
        others = [Group(self.count - 1, ptes.copy())] if self.count > 1 else []
        self.ring = deque([Group(1, ptes), *others])
        self.current, self.address = (self.current + turned) % self.count, address

    def _append(self, group: Group) -> None:
        """Put a group at the end of the ring, joined to its equal unless that is amid its walk."""
        last = self.ring[-1] if self.ring else None
        if last and last.ptes == group.ptes and (len(self.ring) > 1 or not self.address):
            last.n += group.n
        else:
            self.ring.append(group)

    def set_all(self, low: int, high: int, pte: Pte) -> None:
        """The same pte in every process; groups that have become equal are joined."""
        for group in self.ring:
            group.ptes.set(low, high, pte)
        groups, self.ring = self.ring, deque()
        for group in groups:
            self._append(group)

    def tables(self) -> list[Intervals[Pte]]:
        """One table a process, in the order of the processes."""
        ahead = [group.ptes for group in self.ring for _ in range(group.n)]
        turn = self.count - self.current
        return ahead[turn:] + ahead[:turn]
