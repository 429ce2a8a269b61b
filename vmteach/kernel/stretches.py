"""A list in stretches: pages laid out in turns, and what a list looks like at one moment, equal neighbours joined.

source      the states are those that the scan of 2.4.27 tells apart (kernel/reclaim/fates.py)
left out    which pages they are
"""

from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

from vmteach.kernel.reclaim import Kind, Lists, Page, Reclaim, Where, places

COUNT = itemgetter(0)  # of a place
MOST_LISTS = 64  # of a run that are kept for its picture


class Place(NamedTuple):
    """A stretch of a list at one moment: pages in one state."""

    state: str
    pages: int


def in_stretches(mapped: int, cold: int, stretches: int) -> list[tuple[int, int]]:
    """First page and length of each run of a list of mapped and cold pages, from its tail, both in so many stretches.

    With 0 there are the mapped pages first and then the others, with -1 the other way round; a run may be empty.

    >>> in_stretches(4, 3, 2), in_stretches(4, 3, -1)
    ([(0, 2), (4, 1), (2, 2), (5, 2)], [(4, 3), (0, 4)])
    """
    if stretches < 1:
        return [(0, mapped), (mapped, cold)][:: stretches or 1]
    shares = [(mapped * i // stretches, cold * i // stretches) for i in range(stretches + 1)]
    pairs = (((a, c - a), (mapped + b, d - b)) for (a, b), (c, d) in pairwise(shares))
    return [run for pair in pairs for run in pair]


class Kept:
    """The lists as they were every so often, never more than 64: then every second one goes, and half as many come.

    >>> from vmteach.kernel.reclaim import PageRun, PageState, Setup
    >>> kept, file = Kept(), PageRun(0, 9, PageState(Kind.FILE))
    >>> model = Reclaim(Setup(shm=0, inactive=(file,)), observe=kept.observe)
    >>> for _ in range(MOST_LISTS): kept.observe(model)
    >>> len(kept.lists), model.observe_every
    (32, 2)
    """

    def __init__(self) -> None:
        self.lists: list[Lists] = []

    def observe(self, model: Reclaim) -> None:
        """Keep the model's lists, as cheap copies, which are painted when all is over."""
        self.lists.append(model.lists.copy())
        if len(self.lists) == MOST_LISTS:
            self.lists = self.lists[1::2]
            model.observe_every *= 2


def inactive_list(lists: Lists) -> tuple[Place, ...]:
    """The inactive list from its tail, neighbours in one state joined.

    >>> from vmteach.kernel.reclaim import PageRun, PageState, Setup
    >>> clean = PageRun(8, 9, PageState(Kind.FILE)), PageRun(17, 1, PageState(Kind.ANON))
    >>> inactive_list(Reclaim(Setup(shm=8, inactive=(*clean, PageRun(0, 8, PageState(Kind.SHM, dirty=True))))).lists)
    (Place(state='clean', pages=10), Place(state='dirty', pages=8))
    """

    def state_of(place: tuple[int, Page, int]) -> str:
        return page_state(place[1], mapped=place[2] > 0)

    alike = groupby([*places(lists, Where.INACTIVE)], state_of)
    return tuple([Place(state, sum(map(COUNT, some))) for state, some in alike])


def page_state(page: Page, mapped: bool) -> str:
    """The word for a page in the pictures.

    >>> from vmteach.kernel.reclaim import PageState
    >>> shm = Page(PageState(Kind.SHM, dirty=True), Where.INACTIVE)
    >>> page_state(shm, mapped=True), page_state(shm, mapped=False)
    ('mapped', 'dirty')
    """
    if page.writing or mapped:
        return "writing" if page.writing else "mapped"
    word = "dirty" if page.state.dirty else "clean"
    return f"swapcache {word}" if page.state.kind is Kind.SWAPCACHE else word
