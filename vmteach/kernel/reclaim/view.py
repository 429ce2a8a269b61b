"""The lists for a picture: a cheap view while the machine runs, painted afterwards.

source      none
left out    the order of the pages within a fortieth of a list, of which only the shares are kept
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, chain
from operator import attrgetter
from typing import NamedTuple, TypeVar

from vmteach.kernel.reclaim.lists import INACTIVE, Lists
from vmteach.kernel.reclaim.page import Absent, Page, Pte
from vmteach.kernel.reclaim.runs import FOREVER, Intervals, PageQueue, Run, Stripe

WINDOWS = 42  # of a list: what is smaller is one mixture
BLOCK = 32  # items of a tape that are taken together
Extent = tuple[int, int]  # ids: the first, and the first behind
COUNT = attrgetter("count")
Word = TypeVar("Word")


class Tape:
    """What was put at the head of a list, in its order: the list is its end, and every view of it a stretch."""

    def __init__(self, items: Iterable[Run | Stripe] = (), visited: int = 0) -> None:
        self.items = [*items]
        self.ends = [*accumulate(map(COUNT, self.items))]  # pages up to the end of each
        self.head = self.items[-1] if self.items else Run(-1, 0)  # as it is in the list
        self.tail = -visited  # pages before the list, but for those that were visited: they went at its tail
        self.blocks: dict[int, list[Extent]] = {}

    def goes_on(self, queue: PageQueue, visited: int) -> bool:
        """Add what is new at the head; False: more has happened than that pages came there and went at the tail."""
        new: list[Run | Stripe] = []
        for item in reversed(queue.items):
            new.append(item)
            if item[0] == self.head[0]:  # of a run the first page, of a stripe its segments
                break
        new[-1] = item.rest(self.head[1])  # it may have grown
        if item[0] != self.head[0] or new[-1].count < 0:
            return False
        self.head = queue.items[-1]
        self.items += reversed(new)
        self.ends += [*accumulate(map(COUNT, reversed(new)), initial=self.ends[-1])][1:]
        start = self.tail + visited
        if self.ends[-1] - queue.length != start:
            return False
        return isinstance(self.items[bisect_right(self.ends, start)], Run)  # no stripe that is there in part

    def block(self, k: int) -> list[Extent]:
        """The pages of so many items; what stands in the list by turns is often but two or three extents."""
        if k not in self.blocks:
            self.blocks[k] = _extents(self.items[k * BLOCK : (k + 1) * BLOCK])
        return self.blocks[k]


class View(NamedTuple):
    """A list at one moment: the pages from `start` to `end` on a tape, and the state of each page."""

    tape: Tape
    start: int
    end: int
    pages: Intervals[Page | Absent]
    tables: list[tuple[int, Intervals[Pte]]]  # of so many processes

    def places(self, word: Callable[[Page, int], Word]) -> list[tuple[Word, int]]:
        """The list from tail to head as words for the states of its pages, and how many pages.

        A word is asked for with a state and the number of processes that map the page. What is too small for a
        picture, and stands side by side, is put together word by word.
        """
        breaks, kinds, words = self._words(word)
        found, amounts = list[tuple[Word, int]](), [0] * len(words)
        window, filled = (self.end - self.start) // WINDOWS, 0
        for extents, pages in self._parts(window):
            if filled + pages > window:
                found += _some(words, amounts)
                filled, amounts = 0, [0] * len(words)
            filled += pages
            for first, behind in extents:
                k = bisect_right(breaks, first)
                while breaks[k] < behind:
                    amounts[kinds[k]] += breaks[k] - first
                    first, k = breaks[k], k + 1
                    if pages > window:
                        found += _some(words, amounts)
                        amounts = [0] * len(words)
                amounts[kinds[k]] += behind - first
        return found + _some(words, amounts)

    def _words(self, word: Callable[[Page, int], Word]) -> tuple[list[int], list[int], list[Word]]:
        """The ids at which states change; which of the words holds before each; and the words."""
        breaks = sorted({*self.pages.starts, *(start for _, ptes in self.tables for start in ptes.starts)})
        mapcounts = [0] * len(breaks)
        for n, ptes in self.tables:
            mapcounts = [count + n * (pte is not Pte.NONE) for count, pte in zip(mapcounts, ptes.of(breaks))]
        pages = zip(self.pages.of(breaks), mapcounts)
        said = [word(page, count) if isinstance(page, Page) else None for page, count in pages]
        words = [*dict.fromkeys(said)]
        return [*breaks, FOREVER], [-1, *map(words.index, said)], words  # type: ignore[return-value]

    def _parts(self, window: int) -> Iterator[tuple[list[Extent], int]]:
        """The extents and the pages of blocks of items that fill no window, and of the other items."""
        items, ends, done = self.tape.items, self.tape.ends, self.start
        at, n = bisect_right(ends, done), bisect_right(ends, self.end)
        while done < self.end:
            last, whole = at + BLOCK - 1, done > self.start and not at % BLOCK
            if whole and last < n and ends[last] - done <= window:
                yield self.tape.block(at // BLOCK), ends[last] - done
                at = last
            else:
                yield from self._of_one(items[at], ends[at] - done, window)
            done = ends[at]
            at += 1

    def _of_one(self, item: Run | Stripe, pages: int, window: int) -> Iterator[tuple[list[Extent], int]]:
        """The last pages of a run; a whole stripe in groups of repetitions that fill no window."""
        if isinstance(item, Run):
            behind = item.first + item.count
            yield [(behind - pages, behind)], pages
            return
        groups, done = min(item.times, 1 + pages // (1 + window)), 0
        for g in range(1, groups + 1):
            some = item.rest(done)._replace(times=item.times * g // groups - done)
            yield _extents([some]), some.count
            done += some.times


class Recorder:
    """Views of the inactive list as a machine runs: on one tape, while pages come at the head and go at the tail."""

    def __init__(self) -> None:
        self.tape = Tape()

    def view(self, lists: Lists) -> View:
        """The list as it is now."""
        queues = [lists.queues[name] for name in INACTIVE if lists.queues[name].length]
        visited = lists.count["visits"] + lists.count["clean_visits"]
        plain = not (lists.rules.anchored or lists.rules.rotate_written)  # else pages come and go elsewhere, too
        if not plain or len(queues) != 1 or not self.tape.goes_on(queues[0], visited):
            self.tape = Tape(chain.from_iterable(queue.items for queue in queues), visited)
        start = self.tape.tail + visited
        tables = [(group.n, group.ptes.copy()) for group in lists.processes.ring]
        return View(self.tape, start, start + sum(map(len, queues)), lists.pages.copy(), tables)


def _some(words: list[Word], amounts: list[int]) -> list[tuple[Word, int]]:
    """The words of which there are any pages."""
    return [pair for pair in zip(words, amounts) if pair[1]]


def _extents(items: Iterable[Run | Stripe]) -> list[Extent]:
    """The pages of these items; those with neighbouring ids are one extent.

    >>> _extents([Run(0, 8), Run(100, 32), Run(8, 8), Run(132, 32)])
    [(0, 16), (100, 164)]
    """
    starts: dict[int, int] = {}  # of the extents, by their ends
    for item in items:
        for first, count in (item,) if isinstance(item, Run) else item.runs():
            starts[first + count] = starts.pop(first, first)
    return [(first, behind) for behind, first in starts.items()]
