"""Sprints and leaps against the engine that takes every request by itself, on random natural starts.

tests/test_lru.py holds small natural starts against the page-at-a-time model; here they are large enough for sprints
to go on for thousands of requests.
"""

import random
from copy import deepcopy
from typing import Any

import pytest
from cases import ALL_RULES, in_stretches

from vmteach.kernel.reclaim import (
    SECOND,
    Buffers,
    Costs,
    Kind,
    PageRun,
    PageState,
    Pte,
    PteRun,
    Reclaim,
    Rules,
    Setup,
)
from vmteach.kernel.reclaim.disk import Disk
from vmteach.kernel.reclaim.runs import PageQueue
from vmteach.kernel.reclaim.sprint import Sprint
from vmteach.kernel.reclaim.work import Pace
from vmteach.machine import Sysctls
from vmteach.patches import shm_big_iron as chapter

FILE, DIRTY = PageState(Kind.FILE), PageState(Kind.SHM, dirty=True)
COSTS = (50, 25, 25_600, 500, 48_828), (100, 100, 27_000, 500, 50_000), (0, 1, 9, 0, 9_000)
MAIN = [Rules(), Rules(True, True), Rules(True, True, True)]
ODD = (
    FILE._replace(pinned=True),
    FILE._replace(locked=True),
    FILE._replace(outside=True),
    FILE._replace(dirty=True),
    FILE._replace(buffers=Buffers.DROPPABLE),
    PageState(Kind.ANON),
)


def natural(chance: random.Random) -> Setup:
    """Shared memory on the active list, its last pages mapped by nobody; some file pages; now and then an odd one."""
    pages = int(10 ** chance.choice([chance.uniform(3, 4), chance.uniform(3, 4), chance.uniform(4, 4.7)]))
    file = max(1, int(pages * chance.choice([0.005, 0.01, 0.03, 0.06, 0.15, 0.3])))
    shm = pages - file
    mapped = shm - int(shm * chance.choice([0, 0.1, 0.37, 0.6, 1]))
    order = in_stretches(mapped, shm - mapped, chance.choice([0, 0, 0, -1, 7, 50]))
    state = DIRTY._replace(referenced=chance.random() < 0.7)
    inactive = [PageRun(shm, file, FILE)]
    for i in range(chance.choice([0, 0, 1, 3])):
        inactive.insert(chance.randint(0, len(inactive)), PageRun(pages + i, 1, chance.choice(ODD)))
    return Setup(
        shm=shm,
        inactive=tuple(inactive),
        active=tuple(PageRun(first, count, state) for first, count in order if count),
        processes=chance.choice([1, 2, 3, 17]),
        ptes=(PteRun(0, mapped, Pte.YOUNG),) if mapped else (),
        hot=chance.choice([mapped, mapped, mapped // 2, 0]),
        slots=chance.choice([2 * shm, 2 * shm, shm // 9]),
        free=chance.choice([0, 40, 700]),
        min=chance.choice([0, 300]),
        band=chance.choice([0, 64, 255, 255, 510]),
        batch=chance.choice([32, 32, 8]),
        sysctls=Sysctls(
            chance.choice([6, 6, 1, 2, 20, 60]),
            vm_mapped_ratio=chance.choice([100, 100, 10, 300]),
            vm_lru_balance_ratio=chance.choice([2, 2, 1, 5]),
        ),
        costs=Costs(*chance.choice(COSTS)),
        service=chance.choice([390_625, 156_250, 65_104, 9_000_000, 900]),
        depth=chance.choice([1_024, 64, 8]),
        fs=chance.random() < 0.95,
    )


def works(chance: random.Random, setup: Setup) -> list[tuple[str, tuple[int, ...]]]:
    """One to three pieces of work: a method, pages, and for a demand the cost of each."""
    file = sum(run.count for run in setup.inactive)
    some = []
    for _ in range(chance.choice([1, 1, 2, 3])):
        pages = int(chance.choice([setup.shm // 8, setup.shm // 2, file + 500]))
        some.append(chance.choice([("run", (pages,)), ("demand", (pages, chance.choice([33_898, 208_333, 1])))]))
    return some


def joined(queue: PageQueue) -> tuple[int, list[list[int]]]:
    """The length of a queue, and its pages as runs that do not depend on how they were put there."""
    runs: list[list[int]] = []
    for first, count in queue.runs():
        if runs and sum(runs[-1]) == first:
            runs[-1][1] += count
        else:
            runs.append([first, count])
    return len(queue), runs


def state(model: Reclaim) -> dict[str, Any]:
    """Everything that a machine is after its work."""
    lists = model.lists
    return {
        "count": model.count,
        "time": (model.now, model.longest, model.waits, model.next_second, model.oom_at),
        "samples": model.samples,
        "before": model.before_write,
        "lengths": (lists.active, lists.inactive, lists.next_id),
        "disk": (model.disk.n, model.disk.due if model.disk.n else 0),
        "queues": {name: joined(queue) for name, queue in (*lists.queues.items(), ("flight", lists.flight))},
        "pages": (lists.pages.starts, lists.pages.values),
        "tables": lists.processes.tables(),
        "place": (lists.processes.current, lists.processes.address),
        "wanted": list(lists.wanted),
    }


def play(seed: int, fast: bool, seconds: tuple[int, ...] = (2, 8, 30)) -> tuple[Reclaim, list[int]]:
    """The machine of this seed after its work, and when it was observed."""
    chance = random.Random(seed)
    setup = natural(chance)
    rules = chance.choice([*MAIN * 4, *ALL_RULES])
    times: list[int] = []
    observe = (lambda model: times.append(model.now)) if chance.random() < 0.3 else None
    model = Reclaim(setup, rules, fast, observe)
    model.observe_every = chance.choice([1, 1, 3])
    horizon = int(chance.choice(seconds) * chance.random() * SECOND)
    for method, amounts in works(chance, setup):
        getattr(model, method)(*amounts, horizon=horizon)
    return model, times


def compare(seed: int, *seconds: int) -> int:
    """How many bands were sprinted; both machines are the same in the end."""
    one_by_one, times = play(seed, False, seconds or (2, 8, 30))
    fast, seen = play(seed, True, seconds or (2, 8, 30))
    wrong = {name: (mine, value) for (name, value), mine in zip(state(one_by_one).items(), state(fast).values())}
    assert [name for name, (mine, value) in wrong.items() if mine != value] == [], seed
    assert len(seen) == len(times)
    return fast.sprinted


@pytest.fixture(params=["sprints", "leaps or sprints"])
def pace(request, monkeypatch):
    """Sprints wherever they are possible, or where no leap is worth it."""
    if request.param == "sprints":
        monkeypatch.setattr(Pace, "TRIED", 0)


def test_natural_starts_end_alike_at_a_sprint(pace):
    sprinted = [compare(seed) for seed in (*range(24), 1085)]  # 1085: a band writes first
    assert sum(bands > 0 for bands in sprinted) > 5


@pytest.mark.parametrize("costs", [COSTS[0], (20_000, 25, 25_600, 500, 9_000)], ids=["", "slow visits"])
@pytest.mark.parametrize("rules", MAIN)
def test_the_start_of_chapter_8_at_a_sixteenth_of_its_size(rules, costs, monkeypatch):
    """Storms, walks, conversions and slow writes over many seconds: nearly all of it is sprinted."""
    shm, mapped = 431_204, 271_659
    setup = Setup(
        shm=shm,
        inactive=(PageRun(shm, 13_336, FILE),),
        active=(PageRun(0, shm, DIRTY._replace(referenced=True)),),
        processes=17,
        ptes=(PteRun(0, mapped, Pte.YOUNG),),
        hot=mapped,
        slots=2 * shm,
        free=8_067,
        min=8_067,
        band=255,
        costs=Costs(*costs),
        service=390_625,
    )
    monkeypatch.setattr(Pace, "TRIED", 0)
    observed: dict[bool, list[Any]] = {True: [], False: []}

    def played(fast: bool) -> Reclaim:
        model = Reclaim(setup, rules, fast, lambda model: observed[fast].append(deepcopy(state(model))))
        return model.run(65_536).demand(20_000, 33_898)

    fast, one_by_one = played(True), played(False)
    assert state(fast) == state(one_by_one)
    assert observed[True] == observed[False]
    assert fast.sprinted > 200 and fast.steps < one_by_one.steps / 3


def test_a_disk_whose_writes_are_done_by_now_has_room(monkeypatch):
    """Found by a random search: sleeps of no length were counted for a queue that was not full any more."""
    monkeypatch.setattr(Pace, "TRIED", 0)
    assert compare(1942, 3, 20, 90) > 0


def test_the_longest_request_may_be_amid_a_band(monkeypatch):
    """The second of eight requests, which are looked through together, passes over all that is in use."""
    monkeypatch.setattr(Pace, "TRIED", 0)
    used = PageRun(0, 400, PageState(Kind.SHM))
    setup = Setup(
        shm=400,
        inactive=(PageRun(400, 40, FILE), used, PageRun(440, 3_000, FILE), PageRun(9_000, 9, FILE)),
        ptes=(PteRun(0, 400, Pte.YOUNG),),
        band=255,
    )
    fast, one_by_one = (Reclaim(setup, MAIN[0], leaps).run(64) for leaps in (True, False))
    assert state(fast) == state(one_by_one)
    assert fast.sprinted == 1 and fast.longest == (400 + 32) * setup.costs.visit


def test_a_request_that_cannot_be_looked_through_has_no_quota(monkeypatch):
    """Found by a random search: the quota before that of a short list was divided by nothing."""
    monkeypatch.setattr(Pace, "TRIED", 0)
    setup = Setup(
        shm=16,
        inactive=(PageRun(16, 7, FILE),),
        active=(PageRun(0, 16, DIRTY),),
        batch=8,
        slots=16,
        sysctls=Sysctls(6, vm_lru_balance_ratio=1),
    )
    fast, one_by_one = (Reclaim(setup, MAIN[0], leaps).run(20) for leaps in (True, False))
    assert state(fast) == state(one_by_one)


@pytest.mark.parametrize("visit", [100, 26_000_000, 40_000_000])
def test_the_first_write_lasts_for_seconds_and_nobody_observes(visit, monkeypatch):
    """The samples of those seconds, the counters just before it; and the second may strike in the request before."""
    monkeypatch.setattr(Pace, "TRIED", 0)
    setup = Setup(
        shm=9_000,
        inactive=(
            PageRun(9_000, 40, FILE),
            PageRun(0, 9_000, PageState(Kind.SWAPCACHE, dirty=True)),
            PageRun(10_000, 60_000, FILE),
            PageRun(80_000, 9, FILE),
        ),
        slots=9_000,
        slots_used=9_000,
        band=255,
        service=390_625,
        costs=Costs(visit=visit),
    )
    fast, one_by_one = (Reclaim(setup, MAIN[0], leaps).run(300) for leaps in (True, False))
    assert state(fast) == state(one_by_one)
    assert len(fast.samples) > 2 and fast.sprinted and fast.before_write["passes"] > 1


def test_refills_go_over_the_ends_of_many_runs(monkeypatch):
    """An active list in stretches: no request has to be taken by itself because a quota meets two of them."""
    monkeypatch.setattr(Pace, "TRIED", 0)
    order = in_stretches(6_000, 6_000, 50)
    setup = Setup(
        shm=12_000,
        inactive=(PageRun(12_000, 1_000, FILE),),
        active=tuple(PageRun(first, count, DIRTY) for first, count in order if count),
        ptes=(PteRun(0, 6_000, Pte.OLD),),
        slots=24_000,
        band=255,
    )
    fast, one_by_one = (Reclaim(setup, MAIN[2], leaps).run(900) for leaps in (True, False))
    assert state(fast) == state(one_by_one)
    assert fast.count["refilled"] > 1_000 and fast.steps < one_by_one.steps / 3


def test_what_is_passed_over_in_many_runs_keeps_its_order(monkeypatch):
    """Runs that are alike go from the tail to the head together, the first of them in part."""
    monkeypatch.setattr(Pace, "TRIED", 0)
    used = [PageRun(first, 20, PageState(Kind.SHM)) for first in range(280, -1, -40)]
    file = [PageRun(1_000, 40, FILE), PageRun(2_000, 3_000, FILE), PageRun(9_000, 9, FILE)]
    setup = Setup(shm=300, inactive=(file[0], *used, *file[1:]), ptes=(PteRun(0, 300, Pte.YOUNG),), band=255)
    fast, one_by_one = (Reclaim(setup, MAIN[2], leaps).run(64) for leaps in (True, False))
    assert state(fast) == state(one_by_one)
    assert fast.sprinted and [run.first for run in used] == [
        first for first, _ in fast.lists.queues["ahead"].runs() if first < 300
    ]


def test_what_was_converted_comes_again_as_what_it_is_now(monkeypatch):
    """What is known of the pages behind a conversion does not hold for those that were converted."""
    monkeypatch.setattr(Pace, "TRIED", 0)
    dirty = PageRun(0, 20, DIRTY)
    setup = Setup(
        shm=20,
        inactive=(PageRun(20, 40, FILE), dirty, PageRun(60, 900, FILE), PageRun(970, 9, FILE)),
        active=(PageRun(5_000, 2_000, FILE),),
        slots=200,
        band=255,
    )
    fast, one_by_one = (Reclaim(setup, MAIN[0], leaps).run(2_000) for leaps in (True, False))
    assert state(fast) == state(one_by_one)
    assert fast.sprinted and fast.count["conversions"] == fast.count["writes"] == 20


def test_the_longest_request_refills_too(monkeypatch):
    """Its quota counts, beside what it passes over."""
    monkeypatch.setattr(Pace, "TRIED", 0)
    setup = Setup(
        shm=2_400,
        inactive=(PageRun(2_400, 40, FILE), PageRun(0, 400, PageState(Kind.SHM)), PageRun(5_000, 3_000, FILE)),
        active=(PageRun(400, 2_000, DIRTY),),
        ptes=(PteRun(0, 400, Pte.YOUNG),),
        band=255,
    )
    fast, one_by_one = (Reclaim(setup, MAIN[0], leaps).run(64) for leaps in (True, False))
    assert state(fast) == state(one_by_one)
    assert fast.sprinted == 1 and fast.longest > (400 + 32) * setup.costs.visit


@pytest.mark.parametrize("rules", MAIN)
@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_odd_page_amid_a_band_is_dealt_with_by_the_rules(odd, rules, monkeypatch):
    """Locked, pinned, outside, dirty with a file behind it: no band passes over it or writes it by the way."""
    monkeypatch.setattr(Pace, "TRIED", 0)
    runs = PageRun(0, 1_000, FILE), PageRun(2_000, 7, odd), PageRun(3_000, 3_000, FILE), PageRun(9_000, 9, FILE)
    setup = Setup(shm=0, inactive=runs, slots=99, band=255)
    fast, one_by_one = (Reclaim(setup, rules, leaps).run(2_000) for leaps in (True, False))
    assert state(fast) == state(one_by_one)


def test_most_bands_are_taken_whole(monkeypatch):
    """Those too that pass over, convert or write what stands in between; request by request they take twice as long."""
    calls, each = [], Sprint._requests
    monkeypatch.setattr(Sprint, "_requests", lambda sprint, left: calls.append(left) or each(sprint, left))
    for label in (chapter.UNPATCHED, chapter.PATCHED):
        calls.clear()
        model = Reclaim(chapter.Scenario().setup, chapter.POLICIES[label]).run(1 << 20)
        assert len(calls) < 0.4 * model.sprinted


def test_a_disk_takes_many_pages_as_it_takes_each():
    """Until its queue is full, and then as each waits for a write to be done."""
    chance = random.Random(1)
    for _ in range(400):
        service, depth = chance.choice([1, 3, 10, 17]), chance.randint(1, 12)
        together, each = Disk(service, depth), Disk(service, depth)
        now = 0
        for _ in range(3):
            n, cost = chance.randint(1, 40), chance.choice([0, 1, 2, 5, 9, 11, 17, 20])
            assert together.settle(now) == each.settle(now)
            took, time, done = together.submit_all(now, n, cost), now, 0
            slept = [0]
            for _ in range(n):
                if each.n == depth:
                    slept.append(each.due - time)
                    time = each.due
                    done += each.settle(time)
                each.submit(time)
                time += cost
                done += each.settle(time)
            assert (took.steps, took.now, sum(slept), took.done) == (n, time, took.slept, done)
            assert cost >= service or took.sleeps == len(slept) - 1
            assert (together.n, together.last) == (each.n, each.last) and (not each.n or together.due == each.due)
            now = time + chance.choice([0, 1, 50])


@pytest.mark.deep
def test_deep_natural_starts_end_alike_at_a_sprint(pace):
    for seed in range(1_000, 4_000):
        compare(seed)


def test_requests_may_be_planned_beyond_the_end_of_the_list():
    """Three pages, in batches of four: that the plan cannot be carried out is found later, not by a division by 0."""
    ratio = Sysctls(vm_lru_balance_ratio=1)
    model = Reclaim(Setup(shm=0, inactive=(PageRun(0, 3, FILE),), batch=4, sysctls=ratio))
    sprint = Sprint(model, "copied", 0, lambda pages: None)
    sprint._load()
    assert [sprint._quotas(m) for m in (2, 3, 4)] == [[0] * m for m in (2, 3, 4)]
