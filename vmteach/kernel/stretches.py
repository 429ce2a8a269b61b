"""A list in stretches: pages laid out in turns, and what a list looks like at one moment, equal neighbours joined.

source      the states are those that the scan of 2.4.27 tells apart (kernel/reclaim/fates.py)
left out    which pages they are
"""

from itertools import pairwise

from vmteach.kernel.reclaim import Kind, Page, Reclaim, Recorder, View

MOST_VIEWS = 64  # of a run that are kept for its picture


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
    """Views of the inactive list, never more than 64: then every second one goes, and from then on half as many come.

    >>> from vmteach.kernel.reclaim import PageRun, PageState, Setup
    >>> kept, file = Kept(), PageRun(0, 9, PageState(Kind.FILE))
    >>> model = Reclaim(Setup(shm=0, inactive=(file,)), observe=kept.observe)
    >>> for _ in range(MOST_VIEWS): kept.observe(model)
    >>> len(kept.views), model.observe_every, inactive_list(kept.views[0])
    (32, 2, [('clean', 9)])
    """

    def __init__(self) -> None:
        self.views: list[View] = []
        self.recorder = Recorder()

    def observe(self, model: Reclaim) -> None:
        """Keep a view of the model's lists, a cheap one, which is painted when all is over."""
        self.views.append(self.recorder.view(model.lists))
        if len(self.views) == MOST_VIEWS:
            self.views = self.views[1::2]
            model.observe_every *= 2


def inactive_list(view: View) -> list[tuple[str, int]]:
    """The inactive list from its tail: what is too small for a picture is put together with what stands beside it."""
    return view.places(page_state)


def page_state(page: Page, mapped: int) -> str:
    """The word for a page in the pictures.

    >>> from vmteach.kernel.reclaim import PageState, Where
    >>> shm = Page(PageState(Kind.SHM, dirty=True), Where.INACTIVE)
    >>> page_state(shm, mapped=3), page_state(shm, mapped=0)
    ('mapped', 'dirty')
    """
    if page.writing or mapped:
        return "writing" if page.writing else "mapped"
    word = "dirty" if page.state.dirty else "clean"
    return f"swapcache {word}" if page.state.kind is Kind.SWAPCACHE else word
