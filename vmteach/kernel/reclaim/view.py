"""The lists for a picture: a cheap copy while the machine runs, painted afterwards.

source      none: close enough for a picture is a matter of the eye
left out    where a list of thousands of small runs is a fine mixture, some of them stand for all
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from operator import attrgetter, itemgetter, sub
from typing import cast

from vmteach.kernel.reclaim.lists import ACTIVE, INACTIVE, Lists
from vmteach.kernel.reclaim.page import Page, Where
from vmteach.kernel.reclaim.runs import Run, Stripe

WINDOWS, ROW = 40, 12  # a list has 40 windows; in each at most 12 runs in a row stand for its small runs
LARGE = 3 * WINDOWS  # a run of more than 1/120 of a list is shown as it is
FIRST, COUNT = itemgetter(0), itemgetter(1)  # of a run


def places(lists: Lists, where: Where) -> Iterator[tuple[int, Page, int]]:
    """A list from tail to head as (pages, their state, processes that map them).

    Close enough for a picture, and no dearer for a long list than for a short one: of runs shorter than 1/120 of the
    list only a dozen in a row are looked at, in each fortieth of it, and their shares are taken for the shares of
    all: they come again and again in the same order. The repetitions of a stripe come in groups of less than a
    fortieth; each has its parts in proportion. The pages of all places are those of the list.
    """
    names = INACTIVE if where is Where.INACTIVE else (ACTIVE,)
    items = [*chain.from_iterable(lists.queues[name].items for name in names)]
    plain = Stripe not in set(map(type, items))
    counts = [*map(COUNT if plain else attrgetter("count"), items)]
    ends = [*accumulate(counts)]
    whole, done = (ends[-1] if ends else 0), 0
    alone = [i for i, n in enumerate(counts) if n > whole // LARGE] if plain else _alone(items, whole // LARGE)
    for i in [*alone, len(items)]:
        yield from _of_small(lists, cast("list[Run]", items[done:i]), ends[done:i], whole // WINDOWS)
        for item in items[i : i + 1]:
            of_stripe = isinstance(item, Stripe) and _of_stripe(lists, item, 1 + whole // WINDOWS)
            yield from of_stripe or _of_run(lists, cast(Run, item))
        done = i + 1


def _alone(items: Sequence[Run | Stripe], small: int) -> list[int]:
    """Where the items stand that are shown as they are: stripes, and long runs."""
    return [i for i, item in enumerate(items) if isinstance(item, Stripe) or item.count > small]


def _of_small(lists: Lists, runs: Sequence[Run], ends: Sequence[int], window: int) -> Iterator[tuple[int, Page, int]]:
    """Small runs, one window after the other; `ends` counts the pages of the list up to the end of each."""
    i = 0
    while i < len(runs):
        start = ends[i] - runs[i].count
        behind = bisect_left(ends, start + window, i, len(runs) - 1) + 1
        pages = ends[behind - 1] - start
        middle = max(i, (i + behind - ROW) // 2)
        some = runs[middle : min(behind, middle + ROW)]
        upto = [*accumulate(map(COUNT, some))]
        shares = [pages * done // upto[-1] for done in upto]
        yield from zip(map(sub, shares, [0, *shares]), *lists.states([*map(FIRST, some)]))
        i = behind


def _of_run(lists: Lists, run: Run) -> Iterator[tuple[int, Page, int]]:
    first, behind = run.first, run.first + run.count
    while first < behind:
        end, page, mapcount = lists.stretch(first)
        yield min(end, behind) - first, page, mapcount
        first = end


def _of_stripe(lists: Lists, item: Stripe, grain: int) -> Iterator[tuple[int, Page, int]]:
    """Repetitions in groups of less than `grain` pages."""
    groups = min(item.times, 1 + item.count // grain)
    known, done = [lists.stretch(s.first) for s in item.segments], 0
    for g in range(1, groups + 1):
        n = item.times * g // groups - done
        for i, (first, count, stride) in enumerate(item.segments):
            first += done * stride
            if first >= known[i][0]:
                known[i] = lists.stretch(first)
            yield n * count, known[i][1], known[i][2]
        done += n
