"""Runs instead of pages: a value for every page id, and queues of page ids, at the cost of their runs.

source      the idea of periodic runs and leaps: warping cache simulation (Morelli and Reineke, PLDI 2022)
left out    random access by position: the lists are only ever used at their ends
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

FOREVER = 1 << 62
T = TypeVar("T")


class Intervals(Generic[T]):
    """A value for every id from 0 up, kept as runs of equal values.

    >>> pte = Intervals("none"); pte.set(0, 4096, "young"); pte.set(32, 64, "old")
    >>> pte.at(40), pte.at(64)
    (('old', 64), ('young', 4096))
    """

    def __init__(self, value: T) -> None:
        self.starts = [0]
        self.values = [value]

    def at(self, i: int) -> tuple[T, int]:
        """The value at id `i`, and the first id after the run that it belongs to."""
        k = bisect_right(self.starts, i)
        return self.values[k - 1], self.starts[k] if k < len(self.starts) else FOREVER

    def of(self, ids: Iterable[int]) -> list[T]:
        """The value at each of these ids."""
        starts, values = self.starts, self.values
        return [values[bisect_right(starts, i) - 1] for i in ids]

    def set(self, low: int, high: int, value: T) -> None:
        """Give the ids from `low` to below `high` one value."""
        if low >= high:
            return
        starts, values = self.starts, self.values
        i, j = bisect_left(starts, low), bisect_left(starts, high)
        new_starts, new_values = [low], [value]
        if j == len(starts) or starts[j] != high:  # the run that reaches over `high` keeps its rest
            if values[j - 1] != value:
                new_starts.append(high)
                new_values.append(values[j - 1])
        elif values[j] == value:
            j += 1
        if i and values[i - 1] == value:
            del new_starts[0], new_values[0]
        starts[i:j] = new_starts
        values[i:j] = new_values

    def start(self, i: int) -> int:
        """The first id of the run that `i` belongs to."""
        return self.starts[bisect_right(self.starts, i) - 1]

    def runs(self, low: int, high: int) -> Iterator[tuple[int, int, T]]:
        """The runs between `low` and `high`, clipped to it: first, first after, value."""
        while low < high:
            value, end = self.at(low)
            yield low, min(end, high), value
            low = end

    def copy(self) -> "Intervals[T]":
        twin: Intervals[T] = Intervals(self.values[0])
        twin.starts, twin.values = self.starts[:], self.values[:]
        return twin

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and (self.starts, self.values) == (other.starts, other.values)

    __hash__ = None  # type: ignore[assignment]


class Run(NamedTuple):
    """Pages with ids from `first` up."""

    first: int
    count: int  # type: ignore[assignment]

    def rest(self, used: int) -> "Run":
        return Run(self.first + used, self.count - used)


class Segment(NamedTuple):
    """A part of a repeated pattern: `count` ids from `first`, beginning `stride` later in each repetition."""

    first: int
    count: int  # type: ignore[assignment]
    stride: int

    def run(self, k: int) -> Run:
        """Its pages in repetition `k`."""
        return Run(self.first + k * self.stride, self.count)

    def shifted(self, repetitions: int) -> "Segment":
        return self._replace(first=self.first + repetitions * self.stride)


class Stripe(NamedTuple):
    """The same pattern of segments, `times` times."""

    segments: tuple[Segment, ...]
    times: int

    @property
    def count(self) -> int:  # type: ignore[override]
        return self.times * sum(segment.count for segment in self.segments)

    def rest(self, used: int) -> "Stripe":
        return Stripe(tuple(s.shifted(used) for s in self.segments), self.times - used)

    def cut(self, *edges: int) -> Iterator["Stripe | Run"]:
        """The same pages as stripes that no edge falls into, and single runs where one does."""
        cuts = {0, self.times}
        for s in self.segments:
            for k in ((edge - s.first) // s.stride for edge in edges):
                cuts |= {min(max(k, 0), self.times), min(max(k + 1, 0), self.times)}
        points = sorted(cuts)
        for a, b in zip(points, points[1:]):
            part = Stripe(tuple(s.shifted(a) for s in self.segments), b - a)
            yield from (part,) if b - a > 1 else part.unrolled()

    def runs(self) -> Iterator[Run]:
        """Its pages as few runs, in whatever order."""
        for s in self.segments:
            if s.stride == s.count:
                yield Run(s.first, s.count * self.times)
            else:
                yield from map(s.run, range(self.times))

    def unrolled(self) -> Iterator[Run]:
        return (s.run(k) for k in range(self.times) for s in self.segments)


def shortest(segments: Iterable[Segment]) -> tuple[tuple[Segment, ...], int]:
    """The shortest pattern that these segments repeat, and how often it comes in them.

    >>> shortest([Segment(0, 8, 16), Segment(100, 32, 64), Segment(8, 8, 16), Segment(132, 32, 64)])
    ((Segment(first=0, count=8, stride=8), Segment(first=100, count=32, stride=32)), 2)
    """
    whole = tuple(segments)
    for times in range(len(whole), 1, -1):
        length, rest = divmod(len(whole), times)
        if rest or any(s.stride % times for s in whole[:length]):
            continue
        part = [Segment(s.first, s.count, s.stride // times) for s in whole[:length]]
        again = ((s.first + i * s.stride, s.count) for i in range(times) for s in part)
        if all(mine == other[:2] for mine, other in zip(again, whole)):
            return tuple(part), times
    return whole, 1


class PageQueue:
    """Page ids from tail (left, scanned) to head (right, where pages are put), as runs and stripes.

    >>> queue = PageQueue([Run(0, 100)]); queue.take(32); queue.put(0, 32)
    >>> list(queue.items)
    [Run(first=32, count=68), Run(first=0, count=32)]
    """

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self.items: deque[Run | Stripe] = deque()
        self.length = 0
        for run in runs:
            self.put(*run)

    def __len__(self) -> int:
        return self.length

    def peek(self) -> Run:
        """The run at the tail."""
        item = self.items[0]
        if isinstance(item, Stripe):
            self.items.popleft()
            if item.times > 1:
                self.items.appendleft(item.rest(1))
            self.items.extendleft(s.run(0) for s in reversed(item.segments))
            item = self.items[0]
        assert isinstance(item, Run)
        return item

    def take(self, n: int) -> None:
        """Take `n` pages of the run at the tail."""
        first, count = self.peek()
        if n == count:
            self.items.popleft()
        else:
            self.items[0] = Run(first + n, count - n)
        self.length -= n

    def put(self, first: int, n: int) -> None:
        """Put `n` pages with ids from `first` at the head."""
        last = self.items[-1] if self.items else None
        if isinstance(last, Run) and last.first + last.count == first:
            self.items[-1] = Run(last.first, last.count + n)
        else:
            self.items.append(Run(first, n))
        self.length += n

    def put_stripe(self, segments: list[Segment], times: int) -> None:
        """Put a pattern `times` times at the head, joined to what continues there already."""
        if not segments or not times:
            return
        pattern, repeats = shortest(segments)
        segments, times = list(pattern), times * repeats
        if len(segments) == 1 and (times == 1 or segments[0].stride == segments[0].count):
            self.put(segments[0].first, segments[0].count * times)
            return
        self.length += times * sum(s.count for s in segments)
        stripe = self._begun(Stripe(tuple(segments), times))
        last = self.items[-1] if self.items else None
        if isinstance(last, Stripe) and last.rest(last.times).segments == stripe.segments:
            self.items[-1] = Stripe(last.segments, last.times + stripe.times)
        else:
            self.items.append(stripe)

    def _begun(self, stripe: Stripe) -> Stripe:
        """The stripe, and in it what stands before it at the head as runs of their own; that is taken from there."""
        size = len(stripe.segments)
        while len(self.items) >= size:
            if any(self.items[i - size] != s.run(-1) for i, s in enumerate(stripe.segments)):
                break
            for _ in range(size):
                self.items.pop()
            stripe = Stripe(stripe.rest(-1).segments, stripe.times + 1)
        return stripe

    def rephase(self, most: int = FOREVER) -> None:
        """If a stripe is entered in the middle of its pattern, of up to `most` parts, write it as one that begins here.

        >>> queue = PageQueue(); queue.put_stripe([Segment(0, 8, 8), Segment(1000, 32, 32)], 50)
        >>> queue.take(8); queue.take(15); queue.rephase()
        >>> queue.items[0].segments
        (Segment(first=1015, count=17, stride=32), Segment(first=8, count=8, stride=8), \
Segment(first=1032, count=15, stride=32))
        """
        k = next((k for k, item in enumerate(islice(self.items, most)) if isinstance(item, Stripe)), 0)
        stripe = self.items[k] if k else None
        if not isinstance(stripe, Stripe) or k > len(stripe.segments):
            return
        whole, cut, lead = stripe.segments, len(stripe.segments) - k, self.items[0]
        missing = whole[cut].count - lead.count  # of the segment that the first run is the end of
        if missing < 0:
            return
        split = whole[cut]._replace(first=whole[cut].first + missing, count=lead.count)
        begun, ended = (split, *whole[cut + 1 :]), [whole[cut]._replace(count=missing)] if missing else []
        if any(s.run(-1) != item for s, item in zip(begun, self.items)):
            return
        for _ in range(k + 1):
            self.items.popleft()
        pattern = (*(s.shifted(-1) for s in begun), *whole[:cut], *ended)
        self.items.extendleft(s.run(stripe.times - 1) for s in reversed(begun))
        self.items.appendleft(Stripe(pattern, stripe.times))

    def skip(self, times: int) -> None:
        """Take `times` repetitions of the stripe at the tail."""
        stripe = self.items[0]
        assert isinstance(stripe, Stripe)
        if times == stripe.times:
            self.items.popleft()
        else:
            self.items[0] = stripe.rest(times)
        self.length -= times * sum(s.count for s in stripe.segments)

    def remove(self, low: int, high: int) -> int:
        """Take the ids from `low` to below `high` out, wherever they are; how many there were.

        >>> queue = PageQueue(); queue.put_stripe([Segment(0, 8, 8), Segment(1000, 32, 32)], 50)
        >>> queue.remove(0, 400), list(queue.items)
        (400, [Run(first=1000, count=1600)])
        """
        kept, before = type(self)(), self.length
        for item in self.items:
            for part in item.cut(low, high) if isinstance(item, Stripe) else (item,):
                if isinstance(part, Stripe):
                    kept.put_stripe([s for s in part.segments if not low <= s.first < high], part.times)
                else:
                    first, behind = part.first, part.first + part.count
                    if first < low:
                        kept.put(first, min(behind, low) - first)
                    if behind > high:
                        kept.put(max(first, high), behind - max(first, high))
        self.items, self.length = kept.items, kept.length
        return before - self.length

    def runs(self) -> Iterator[Run]:
        """Every run, tail first; those of stripes too."""
        for item in self.items:
            yield from item.unrolled() if isinstance(item, Stripe) else (item,)

    def ids(self) -> Iterator[int]:
        """Every id, tail first."""
        for first, count in self.runs():
            yield from range(first, first + count)


class PageStack(PageQueue):
    """Page ids of which the one put last is taken first: a tail at which pages arrive, as runs of ids.

    >>> stack = PageStack(); stack.put(7, 3); stack.put(10, 2); stack.take(1)
    >>> list(stack.ids())
    [10, 9, 8, 7]
    """

    def peek(self) -> Run:
        """The run whose last id is the next to be taken."""
        item = self.items[-1]
        assert isinstance(item, Run)
        return item

    def take(self, n: int) -> None:
        """Take `n` pages of that run, the last first."""
        first, count = self.peek()
        self.items.pop()
        if n < count:
            self.items.append(Run(first, count - n))
        self.length -= n

    def ids(self) -> Iterator[int]:
        """Every id, the next to be taken first."""
        for first, count in reversed(list(self.runs())):
            yield from reversed(range(first, first + count))
