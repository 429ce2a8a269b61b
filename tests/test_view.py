"""The list of a picture against the list itself, page by page: what is drawn has the shares that are there."""

import itertools
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmteach.kernel.reclaim import Costs, Kind, PageRun, PageState, Pte, PteRun, Reclaim, Recorder, Setup
from vmteach.kernel.reclaim.lists import INACTIVE, Lists
from vmteach.kernel.reclaim.view import Tape
from vmteach.kernel.stretches import MOST_VIEWS, Kept
from vmteach.machine import Sysctls
from vmteach.patches import shm_big_iron as chapter

TENTHS = 10
STATES = [
    PageState(Kind.FILE),
    PageState(Kind.FILE, dirty=True),
    PageState(Kind.ANON),
    PageState(Kind.FILE, True, True),
]


def whole_list(lists):
    """Every stretch of the inactive list, tail first, as (state and processes that map it, pages)."""
    for name in INACTIVE:
        for first, count in lists.queues[name].runs():
            behind = first + count
            while first < behind:
                end, page, mapcount = lists.stretch(first)
                yield (page, mapcount), min(end, behind) - first
                first = end


def shares(of, length):
    """Pages of each state in each tenth of a list."""
    found, done = [Counter() for _ in range(TENTHS)], 0
    for state, pages in of:
        while pages:
            tenth = min(done * TENTHS // length, TENTHS - 1)
            here = min(pages, max(1, -(-(tenth + 1) * length // TENTHS) - done))
            found[tenth][state] += here
            done, pages = done + here, pages - here
    return found


def apart(view, lists):
    """The largest difference of a share in a tenth of the list; in the whole there is none."""
    real, drawn = list(whole_list(lists)), view.places(lambda *state: state)
    length = sum(pages for _, pages in real)
    real, drawn = shares(real, length), shares(drawn, length)
    assert sum(real, Counter()) == sum(drawn, Counter())
    return max((abs(a[s] - b[s]) * TENTHS / length for a, b in zip(real, drawn) for s in a | b), default=0)


@pytest.mark.parametrize("label", [chapter.UNPATCHED, chapter.PATCHED, "what if: anchored search"])
@pytest.mark.parametrize(
    "state",
    [{}, {"wants": chapter.Wants.APPLICATION_FIRST}, {"file_percent": 10}, {"order": chapter.Order.STRETCHES}],
    ids=str,
)
def test_the_list_of_a_run_is_drawn_with_the_shares_it_has(monkeypatch, label, state):
    """It was not: long runs were drawn as if what stood between them were of their kind."""
    off, plain = [], Recorder.view

    def view(recorder, lists):
        found = plain(recorder, lists)
        off.append(apart(found, lists) if not len(off) % 5 else 0)
        return found

    monkeypatch.setattr(Recorder, "view", view)
    chapter.simulate(chapter.Scenario(**state), chapter.POLICIES[label])
    assert len(off) > 20 and max(off) < 0.1


def test_a_list_that_only_goes_on_is_not_read_again(monkeypatch):
    """Its views are on one tape: what is new at the head is all that is read. A run has hundreds of views."""
    tapes = []
    monkeypatch.setattr(Tape, "__init__", lambda tape, *items: tapes.append(tape) or begin(tape, *items))
    chapter.simulate(chapter.Scenario(), chapter.POLICIES[chapter.UNPATCHED])
    assert 0 < len(tapes) < 20


begin = Tape.__init__


def test_of_too_many_views_those_of_every_second_step_stay(monkeypatch):
    """Where a view stands in a picture follows from its number: view n is of second n x observe_every."""
    seconds = itertools.count(1)
    monkeypatch.setattr(Recorder, "view", lambda *_: next(seconds))
    kept, model = Kept(), SimpleNamespace(lists=None, observe_every=1)
    for _ in range(MOST_VIEWS):
        kept.observe(model)
    assert kept.views == [2 * n for n in range(1, MOST_VIEWS // 2 + 1)] and model.observe_every == 2


@given(
    lap=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 400)), min_size=1, max_size=8),
    laps=st.integers(1, 300),
    more=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30_000)), max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_whatever_comes_again_and_again_is_drawn_with_its_shares(lap, laps, more):
    runs, first = [], 0
    for kind, count in [*lap * laps, *more]:
        runs.append(PageRun(first, count, STATES[kind]))
        first += count + 1  # ids in a row would be one run
    lists = Lists(Setup(shm=0, inactive=tuple(runs)))
    assert apart(Recorder().view(lists), lists) < 0.25


def test_a_picture_has_few_places_however_long_the_list():
    runs = tuple(PageRun(101 * i, 100, STATES[i % 3]) for i in range(20_000))
    assert len(Recorder().view(Lists(Setup(shm=0, inactive=runs))).places(lambda *state: state)) <= 300


def test_a_list_that_was_turned_over_between_two_views_is_read_anew():
    """Found by a random search: its head and its tail were as before, and two pages in the middle were new."""
    file, tables = PageState(Kind.FILE), Costs(pte=1_000_000_000)  # a walk lasts for seconds
    setup = Setup(
        shm=1,
        inactive=(PageRun(1, 4, file._replace(pinned=True)), PageRun(5, 2, file)),
        active=(PageRun(0, 1, PageState(Kind.SHM, True, True)),),
        ptes=(PteRun(0, 1, Pte.YOUNG),),
        hot=1,
        batch=2,
        sysctls=Sysctls(1, 1, 1, 2),
        costs=tables,
    )
    off, recorder = [], Recorder()
    model = Reclaim(setup, observe=lambda model: off.append(apart(recorder.view(model.lists), model.lists)))
    model.run(3, horizon=3_100_000_000)
    assert len(off) > 3
