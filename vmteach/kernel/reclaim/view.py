"""The lists for a picture: a cheap copy while the machine runs, painted afterwards.

source      none: close enough for a picture is a matter of the eye
left out    runs of less than 1/500 of a list, which are counted with what follows them
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain
from operator import itemgetter

from vmteach.kernel.reclaim.lists import ACTIVE, INACTIVE, Lists
from vmteach.kernel.reclaim.page import Page, Where
from vmteach.kernel.reclaim.runs import Run, Stripe

GRAIN = 500  # of a list: finer than the finest band that a picture shows


def places(lists: Lists, where: Where) -> Iterator[tuple[int, Page, int]]:
    """A list from tail to head as (pages, their state, processes that map them).

    Close enough for a picture, and no dearer for a long list than for a short one: runs of less than 1/500 of
    the list are counted with what follows them, which is taken for one run if it is no longer itself, and the
    repetitions of a stripe come in at most eight groups, in fewer where these would be less than 1/40 of the list;
    each has its parts in proportion.
    """
    names = INACTIVE if where is Where.INACTIVE else (ACTIVE,)
    items = [*chain.from_iterable(lists.queues[name].items for name in names)]
    runs = Stripe not in set(map(type, items))
    ends = [*accumulate(map(itemgetter(1), items) if runs else [item.count for item in items])]
    whole, done, i = (ends[-1] if ends else 0), 0, -1
    grain = max(1, whole // GRAIN)
    while done < whole:
        i = min(bisect_left(ends, done + grain, i + 1), len(items) - 1)
        owed, done, item = (ends[i - 1] if i else 0) - done, ends[i], items[i]
        parts: Iterable[tuple[int, Page, int]]
        if isinstance(item, Stripe):
            parts = _of_stripe(lists, item, 1 + whole // 40)
        elif item.count > grain:
            parts = _of_run(lists, item)
        else:
            parts = ((item.count, *lists.stretch(item.first)[1:]),)
        for n, page, mapcount in parts:
            yield n + owed, page, mapcount
            owed = 0


def _of_run(lists: Lists, run: Run) -> Iterator[tuple[int, Page, int]]:
    first, behind = run.first, run.first + run.count
    while first < behind:
        end, page, mapcount = lists.stretch(first)
        yield min(end, behind) - first, page, mapcount
        first = end


def _of_stripe(lists: Lists, stripe: Stripe, grain: int) -> Iterator[tuple[int, Page, int]]:
    groups = max(1, min(8, stripe.times, stripe.count // grain))
    known, done = [lists.stretch(s.first) for s in stripe.segments], 0
    for g in range(1, groups + 1):
        n = stripe.times * g // groups - done
        for i, (first, count, stride) in enumerate(stripe.segments):
            first += done * stride
            if first >= known[i][0]:
                known[i] = lists.stretch(first)
            yield n * count, known[i][1], known[i][2]
        done += n
