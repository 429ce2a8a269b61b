"""The engine against the page-at-a-time model, and what a run costs."""

from collections.abc import Sequence
from functools import partial
from unittest import mock

import pytest
from cases import BIG_FUEL, Case, big_cases, cases, natural_cases, play, strolling_cases
from hypothesis import HealthCheck, given, settings
from test_view import apart

from vmteach.kernel.reclaim import (
    SECOND,
    Costs,
    Kind,
    Page,
    PageRun,
    PageState,
    Pte,
    PteRun,
    Reclaim,
    Recorder,
    Rules,
    Setup,
)
from vmteach.kernel.reclaim.disk import Disk
from vmteach.kernel.reclaim.lists import ACTIVE, INACTIVE
from vmteach.kernel.reclaim.runs import Intervals, PageQueue, Run, Segment
from vmteach.kernel.reclaim.work import Pace
from vmteach.machine import Sysctls

slow = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
few = partial(settings, suppress_health_check=slow, deadline=None, print_blob=True)


WAYS = (False, 0), (True, 2), (True, 0)  # whether it leaps; seconds from look to look, 0: nobody looks


def assert_same(case: Case, naive, engine: Reclaim) -> None:
    """Every counter, list, page, page table and sample."""
    counters = naive.counters()
    assert {
        name: {**engine.count, "now": engine.now, "in_flight": engine.disk.n}[name] for name in counters
    } == counters
    assert engine.samples == naive.samples
    assert engine.snapshots == naive.snapshots()
    assert engine.waits == naive.waits
    inactive = [page for queue in INACTIVE for page in engine.lists.queues[queue].ids()]
    assert inactive == naive.inactive_ids()
    assert list(engine.lists.queues[ACTIVE].ids()) == naive.active_ids()
    assert engine.inactive == sum(not naive.page(page).outside for page in inactive)
    mine = {
        i: (page.state, page.writing)
        for low, high, page in engine.lists.pages.runs(0, engine.lists.next_id)
        if isinstance(page, Page)
        for i in range(low, high)
    }
    assert mine == naive.pages()
    tables = [[table.at(i)[0] for i in range(case.setup.shm)] for table in engine.lists.processes.tables()]
    assert tables == naive.ptes()
    assert (engine.lists.processes.current, engine.lists.processes.address) == naive.cursor()
    assert (list(engine.wanted), engine.oom_at) == (naive.wanted, naive.oom_at)


def compare(case: Case, fuel: int | None = None, ways: Sequence[tuple[bool, int]] = WAYS) -> int:
    """Requests taken in leaps, after the whole comparison: without leaps, with them, and with somebody looking."""
    naive = play(case, fuel) if fuel else play(case)
    for leaps, every in ways:
        looks: list[int] = []
        engine = Reclaim(case.setup, case.rules, leaps, partial(look, looks, Recorder()) if every else None)
        engine.observe_every = every or 1
        case.play(engine)
        assert_same(case, naive, engine)
        assert len(looks) == (len(naive.samples) // every if every else 0)
        assert looks == sorted(looks)
    return engine.leapt


def look(looks: list[int], recorder: Recorder, engine: Reclaim) -> None:
    """Note the time of a look, and that every page of the list is there to be seen, in its state."""
    assert apart(recorder.view(engine.lists), engine.lists) < 0.25
    looks.append(engine.now)


@few(max_examples=250)
@given(cases())
def test_small_machines_agree_page_for_page(case):
    compare(case)


@few(max_examples=60)
@given(big_cases())
def test_long_runs_agree_page_for_page(case):
    compare(case, BIG_FUEL)


@few(max_examples=150)
@given(strolling_cases())
def test_walks_that_take_seconds_agree_page_for_page(case):
    compare(case)


@few(max_examples=40)
@given(natural_cases())
def test_natural_starts_agree_page_for_page(case):
    compare(case, BIG_FUEL)


@few(max_examples=40)
@given(natural_cases())
def test_natural_starts_agree_page_for_page_at_a_sprint(case):
    """Sprints wherever they are possible, also where leaps would be worth it."""
    with mock.patch.object(Pace, "TRIED", 0):
        compare(case, BIG_FUEL, WAYS[1:])


def test_such_walks_are_taken_in_whole_seconds():
    """A walk that would take 30 s goes from second to second in a few steps, however many processes there are."""
    busy = PageState(Kind.SHM, dirty=True, referenced=True)
    steps = []
    for processes in (100, 500):
        setup = Setup(
            shm=5_000,
            inactive=(PageRun(5_000, 50, PageState(Kind.FILE, pinned=True)),),
            active=(PageRun(0, 5_000, busy),),
            processes=processes,
            ptes=(PteRun(0, 5_000, Pte.YOUNG),),
            hot=5_000,
            costs=Costs(pte=10_000),
        )
        engine = Reclaim(setup, Rules()).run(1)
        assert engine.oom and len(engine.samples) == engine.now // SECOND == processes // 10
        steps.append(engine.steps)
    assert steps[0] == steps[1]


@pytest.mark.deep
@few(max_examples=2_000)
@given(strolling_cases())
def test_deep_walks_that_take_seconds_agree_page_for_page(case):
    compare(case)


@pytest.mark.deep
@few(max_examples=4_000)
@given(cases())
def test_deep_small_machines_agree_page_for_page(case):
    compare(case)


@pytest.mark.deep
@few(max_examples=1_000)
@given(big_cases())
def test_deep_long_runs_agree_page_for_page(case):
    compare(case, BIG_FUEL)


@pytest.mark.deep
@few(max_examples=1_000)
@given(natural_cases())
def test_deep_natural_starts_agree_page_for_page(case):
    compare(case, BIG_FUEL)


@pytest.mark.deep
@few(max_examples=1_000)
@given(natural_cases())
def test_deep_natural_starts_agree_page_for_page_at_a_sprint(case):
    with mock.patch.object(Pace, "TRIED", 0):
        compare(case, BIG_FUEL, WAYS[1:])


def copying(pages: int, rules: Rules, shm: int = 600, mapped: int = 300) -> Case:
    """A copy of `pages` beside shared memory of which the first `mapped` pages are mapped and active."""
    dirty = PageState(Kind.SHM, dirty=True)
    setup = Setup(
        shm=shm,
        inactive=(PageRun(mapped, shm - mapped, dirty), PageRun(shm, 900, PageState(Kind.FILE))),
        active=(PageRun(0, mapped, dirty),),
        processes=3,
        ptes=(PteRun(0, mapped, Pte.OLD),),
        slots=10_000,
        batch=8,
        costs=Costs(read=700_000),
        service=300_000,
        depth=64,
    )
    return Case(setup, rules, pages, False, None)


@pytest.mark.parametrize(
    "rules",
    [
        Rules(),
        Rules(objrmap=True, starts_io=True, clean_pass=True),
        Rules(objrmap=True, starts_io=True, clean_pass=True, anchored=True),
        Rules(objrmap=True, starts_io=True, rotate_written=True),
    ],
    ids=["stock", "patch", "anchored", "rotated"],
)
def test_leaps_happen_and_change_nothing(rules):
    assert compare(copying(6_000, rules)) > 300


def test_a_horizon_within_a_request_for_anonymous_memory():
    """Batches of three and pages in pairs: a request begins in the middle of a page (found by a random search)."""
    dirty = PageState(Kind.SHM, dirty=True)
    setup = Setup(
        shm=40,
        inactive=(PageRun(0, 40, dirty), PageRun(40, 900, PageState(Kind.FILE))),
        slots=100,
        batch=3,
        costs=Costs(200_000, 200_000, 10_000, 10_000, 200_000),
    )
    for horizon in range(100_000_000, 103_000_000, 200_000):
        compare(Case(setup, Rules(), 700, True, horizon))


def test_a_request_of_exactly_a_second_is_kept_as_a_wait_and_a_shorter_one_is_not():
    model = Reclaim(Setup(shm=0, inactive=()))
    model.now = SECOND
    model.waited_since(0)
    model.waited_since(1)
    assert model.waits == [(0, SECOND)] and model.longest == SECOND


def test_an_anchored_search_is_seen_as_it_goes_round():
    """What it has passed comes before what it has not, and both change places (found by a random search)."""
    file, shm = PageState(Kind.FILE), PageState(Kind.SHM, dirty=True)
    singles = [PageRun(i, 1, file) for i in (10, 19, 20, 21)]
    setup = Setup(
        shm=9,
        inactive=(
            PageRun(8, 1, PageState(Kind.SWAPCACHE)),
            PageRun(12, 3, file),
            PageRun(9, 1, file),
            PageRun(15, 4, file._replace(outside=True)),
            PageRun(3, 4, shm),
            *singles,
            PageRun(0, 3, shm),
        ),
        active=(PageRun(11, 1, file),),
        hot=1,
        slots=2,
        slots_used=2,
        band=32,
        batch=2,
        sysctls=Sysctls(6, vm_passes=3, vm_mapped_ratio=1, vm_lru_balance_ratio=1),
        costs=Costs(142_857_142, 100, 100, 100, 50_000),
        depth=1,
    )
    compare(Case(setup, Rules(clean_pass=True, anchored=True), 1, False, 100_000_000))


@pytest.mark.parametrize("copy", [48, 49, 113])
def test_pages_that_come_back_from_the_disk_out_of_line(copy):
    """Two stretches of dirty file pages, far apart in their ids: no leap may mix them up (found by a random search)."""
    shm, file = PageState(Kind.SHM, dirty=True), PageState(Kind.FILE, dirty=True)
    inactive = (PageRun(100, 50, file), PageRun(25, 25, shm), PageRun(50, 50, file), PageRun(0, 25, shm))
    setup = Setup(shm=50, inactive=inactive, slots=4_000, batch=8, depth=32)
    compare(Case(setup, Rules(rotate_written=True), copy, False, None))


def storm(ram_pages: int, processes: int = 100) -> Setup:
    """Three quarters of the memory are shared; half of that is mapped, the rest unmapped and dirty."""
    shm = ram_pages * 3 // 4
    dirty = PageState(Kind.SHM, dirty=True)
    return Setup(
        shm=shm,
        inactive=(
            PageRun(shm // 2, shm - shm // 2, dirty),
            PageRun(shm, ram_pages - shm, PageState(Kind.FILE)),
        ),
        active=(PageRun(0, shm // 2, dirty._replace(referenced=True)),),
        processes=processes,
        ptes=(PteRun(0, shm // 2, Pte.YOUNG),),
        slots=ram_pages,
        costs=Costs(visit=50, pte=25, convert=26_000, submit=500, read=48_828),
    )


GIB_PAGES = 1 << 18


@pytest.mark.parametrize(
    ("gib", "steps", "leapt"),
    [(1, 48, 1019), (32, 48, 32763), (1024, 48, 1048571)],
    ids=["1 GiB", "32 GiB", "1 TiB"],
)
def test_steps_do_not_grow_with_the_pages(gib, steps, leapt):
    """Exact counts: a leap that is lost shows here at once."""
    engine = Reclaim(storm(gib * GIB_PAGES), Rules()).run(gib * GIB_PAGES // 8)
    assert (engine.steps, engine.leapt) == (steps, leapt)


@pytest.mark.parametrize("read", [31_250_000, 1_000_000, 999_999, 1_234_567, 15_625_000])
@pytest.mark.parametrize("rules", [Rules(), Rules(True, True, True)], ids=["unpatched", "patched"])
def test_samples_within_a_leap_are_those_of_every_single_request(read, rules):
    """Among them seconds that strike at the very end of a request, and several requests that begin in one second."""
    file, touched = PageState(Kind.FILE), PageState(Kind.SHM, dirty=True, referenced=True)
    setup = Setup(
        shm=64,
        inactive=(PageRun(64, 4_000, file),),
        active=(PageRun(0, 64, touched),),
        processes=3,
        ptes=(PteRun(0, 64, Pte.YOUNG),),
        hot=64,
        slots=64,
        costs=Costs(visit=0, pte=0, convert=0, submit=0, read=read),
    )
    leaping, walking = (Reclaim(setup, rules, leaps).run(12_000) for leaps in (True, False))
    assert leaping.samples == walking.samples
    assert len(leaping.samples) == 12_000 * read // 1_000_000_000
    assert leaping.leapt > 100 and leaping.steps < walking.steps / 20


def test_processes_cost_nothing():
    few_processes, many = (Reclaim(storm(GIB_PAGES, n), Rules()).run(GIB_PAGES // 8) for n in (100, 500))
    assert many.steps <= few_processes.steps * 1.2


def test_views_are_painted_as_the_lists_were():
    """A view does not change with the machine: painted at once or at the end, it is the same."""
    at_once, kept, recorder = [], [], Recorder()

    def observe(model):
        kept.append(recorder.view(model.lists))
        at_once.append(kept[-1].places(lambda *state: state))
        assert sum(pages for _, pages in at_once[-1]) == model.inactive

    Reclaim(storm(GIB_PAGES), Rules(objrmap=True, starts_io=True), observe=observe).run(GIB_PAGES // 2)
    assert len(kept) > 5
    assert at_once == [view.places(lambda *state: state) for view in kept]
    assert at_once[0] != at_once[-1]


def test_anchor_and_rotation_exclude_each_other():
    with pytest.raises(ValueError, match="anchored needs clean_pass and excludes rotate_written"):
        Rules(clean_pass=True, anchored=True, rotate_written=True)


def test_bad_setups_are_refused():
    with pytest.raises(ValueError, match="processes must be between 1 and 1000000, got 0"):
        Setup(shm=1, processes=0)
    with pytest.raises(ValueError, match=r"the run of pages from 3 must be between 1 and .* pages, got 0"):
        Setup(shm=3, inactive=(PageRun(3, 0, PageState(Kind.FILE)),))
    with pytest.raises(ValueError, match=r"pages must be between 0 and .*, got -1"):
        Reclaim(Setup(shm=0)).run(-1)
    with pytest.raises(ValueError, match="slots_used must be between 0 and 4 pages, got 5"):
        Setup(shm=1, slots=4, slots_used=5)


@pytest.mark.parametrize("pausing", [False, True], ids=["", "pausing"])
@pytest.mark.parametrize(
    ("service", "depth", "cost", "until"),
    [(100, 4, 30, 10**9), (100, 4, 100, 10**9), (10, 4, 35, 777), (100, 8, 99, 5_000), (7, 1, 3, 200)],
)
def test_submissions_in_stretches_are_like_one_at_a_time(service, depth, cost, until, pausing):
    """The closed forms of a full and of an idle disk, against a loop: the clock and the sleep after every page."""
    together, alone = Disk(service, depth), Disk(service, depth)
    now, n, rows = 7, 0, []
    while n < 50 and now < until:
        steps, end, sleeps, slept, done = together.submit_some(now, 50 - n, cost, until, pausing)
        each = (end - now) // steps
        assert (end - now) % steps == slept % steps == sleeps % steps == 0
        assert done <= 1 or not pausing
        for step in range(1, steps + 1):
            rows.append((now + step * each, sleeps // steps, slept // steps, done if step == steps else None))
        now, n = end, n + steps
    clock, finished = 7, 0
    for end, sleeping, slept, done in rows:
        assert clock < until
        wait = alone.due - clock if alone.n == depth else 0
        finished += alone.settle(clock + wait)
        alone.submit(clock + wait)
        assert (sleeping, slept) == (wait > 0, wait)
        clock += wait + cost
        finished += alone.settle(clock)
        assert end == clock
        if done is not None:
            assert done == finished
            finished = 0
    assert len(rows) == 50 or clock >= until
    assert (together.n, together.due if together.n else 0) == (alone.n, alone.due if alone.n else 0)


def test_intervals_against_a_dictionary():
    import random

    chance = random.Random(24)
    runs, plain = Intervals("a"), dict.fromkeys(range(60), "a")
    for _ in range(2_000):
        low, high = sorted(chance.choices(range(61), k=2))
        value = chance.choice("abc")
        runs.set(low, high, value)
        plain.update(dict.fromkeys(range(low, high), value))
        assert [runs.at(i)[0] for i in range(60)] == list(plain.values())
        assert all(a != b for a, b in zip(runs.values, runs.values[1:]))


def test_removing_from_stripes_is_like_removing_from_a_list():
    import random

    chance = random.Random(5)
    for _ in range(500):
        queue = PageQueue([Run(0, 10)])
        a, b = chance.randint(1, 4), chance.randint(1, 4)
        queue.put_stripe([Segment(100, a, a), Segment(300, b, b)], chance.randint(2, 12))
        queue.put(500, 5)
        low, high = sorted(chance.choices(range(520), k=2))
        expected = [i for i in queue.ids() if not low <= i < high]
        gone = len(queue) - len(expected)
        assert queue.remove(low, high) == gone
        assert list(queue.ids()) == expected
        assert len(queue) == len(expected)


def test_a_stripe_begun_elsewhere_holds_the_same_pages():
    import random

    chance = random.Random(11)
    done = 0
    for _ in range(800):
        queue = PageQueue()
        a, b, c = (chance.randint(1, 6) for _ in range(3))
        queue.put_stripe([Segment(0, a, a), Segment(500, b, b), Segment(900, c, c)][: chance.randint(2, 3)], 9)
        left = chance.randint(0, a + b + c)
        while left:
            n = min(left, queue.peek().count)
            queue.take(n)
            left -= n
        ids, length = list(queue.ids()), len(queue)
        was_run = isinstance(queue.items[0], Run)
        queue.rephase()
        assert (list(queue.ids()), len(queue)) == (ids, length)
        done += was_run and not isinstance(queue.items[0], Run)
    assert done > 300
