"""The list of a picture against the list itself, page by page: what is drawn has the shares that are there."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmteach.kernel.reclaim import Kind, PageRun, PageState, Setup
from vmteach.kernel.reclaim.lists import INACTIVE, Lists
from vmteach.kernel.reclaim.page import Where
from vmteach.kernel.reclaim.runs import Stripe
from vmteach.kernel.reclaim.view import places
from vmteach.kernel.stretches import page_state
from vmteach.patches import shm_big_iron as chapter

TENTHS = 10
STATES = [
    PageState(Kind.FILE),
    PageState(Kind.FILE, dirty=True),
    PageState(Kind.ANON),
    PageState(Kind.FILE, True, True),
]


def whole_list(lists):
    """Every run of the inactive list, tail first, as (pages, state, processes that map it)."""
    for name in INACTIVE:
        for item in lists.queues[name].items:
            times = item.times if isinstance(item, Stripe) else 1
            segments = item.segments if isinstance(item, Stripe) else [(item.first, item.count, 0)]
            for k in range(times):
                for first, count, stride in segments:
                    yield from stretches(lists, first + k * stride, count)


def stretches(lists, first, count):
    behind = first + count
    while first < behind:
        end, page, mapcount = lists.stretch(first)
        yield min(end, behind) - first, page, mapcount
        first = end


def shares(of, length):
    """Pages of each state in each tenth of a list."""
    found, done = [Counter() for _ in range(TENTHS)], 0
    for pages, page, mapcount in of:
        state = page_state(page, mapcount > 0), page.state
        while pages:
            tenth = min(done * TENTHS // length, TENTHS - 1)
            here = min(pages, max(1, -(-(tenth + 1) * length // TENTHS) - done))
            found[tenth][state] += here
            done, pages = done + here, pages - here
    return found


def furthest(lists):
    """The largest difference of a share, in a tenth and in the whole."""
    real, drawn = list(whole_list(lists)), list(places(lists, Where.INACTIVE))
    length = sum(pages for pages, *_ in real)
    assert sum(pages for pages, *_ in drawn) == length == lists.inactive
    real, drawn = shares(real, length), shares(drawn, length)
    parts = [abs(a[s] - b[s]) * TENTHS / length for a, b in zip(real, drawn) for s in a | b]
    all_real, all_drawn = sum(real, Counter()), sum(drawn, Counter())
    return max(parts), max(abs(all_real[s] - all_drawn[s]) / length for s in all_real | all_drawn)


@pytest.mark.parametrize("label", [chapter.UNPATCHED, chapter.PATCHED, "what if: anchored search"])
@pytest.mark.parametrize("state", [{}, {"wants": "application first"}, {"file_percent": 10}], ids=str)
def test_the_list_of_a_run_is_drawn_with_the_shares_it_has(monkeypatch, label, state):
    """It was not: long runs were drawn as if what stood between them were of their kind."""
    kept = []
    monkeypatch.setattr(chapter, "inactive_list", lambda lists: kept.append(lists) or ())
    state = {name: chapter.Wants(value) if name == "wants" else value for name, value in state.items()}
    chapter.simulate(chapter.Scenario(**state), chapter.POLICIES[label])
    off = [furthest(lists) for lists in kept[1::5]]
    assert max(tenth for tenth, _ in off) < 0.2 and max(whole for _, whole in off) < 0.03


@given(
    lap=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 400)), min_size=1, max_size=8),
    laps=st.integers(1, 300),
    more=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30_000)), max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_whatever_comes_again_and_again_is_drawn_with_its_shares(lap, laps, more):
    """Near enough for a picture whatever it is; nearer where a dozen runs are whole laps, as in this kernel's lists."""
    runs, first = [], 0
    for kind, count in [*lap * laps, *more]:
        runs.append(PageRun(first, count, STATES[kind]))
        first += count + 1  # ids in a row would be one run
    tenth, whole = furthest(Lists(Setup(shm=0, inactive=tuple(runs))))
    assert tenth < 0.4 and whole < (0.2 if 12 % len(lap) else 0.06)


def test_a_picture_looks_at_few_places_however_long_the_list():
    runs = tuple(PageRun(101 * i, 100, STATES[i % 3]) for i in range(20_000))
    assert len(list(places(Lists(Setup(shm=0, inactive=runs)), Where.INACTIVE))) <= 500
