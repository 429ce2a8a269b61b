"""A watched machine, step by step, against the page-at-a-time model: the same frames in the same order."""

import pytest
from cases import SMALL_FUEL, cases
from hypothesis import assume, given
from naive import Endless, Naive
from test_lru import few

from vmteach.kernel.reclaim import RULES, Costs, Kind, PageRun, PageState, Pte, PteRun, Rules, Setup, watch
from vmteach.machine import Sysctls


class Filmed(Naive):
    """The page-at-a-time model, which keeps a frame of every step."""

    def __init__(self, setup: Setup, rules: Rules) -> None:
        super().__init__(setup, rules, SMALL_FUEL)
        self.frames = [self.frame()]

    def spend(self, cost: int) -> None:
        super().spend(cost)
        self.frames.append(self.frame())

    def frame(self) -> tuple:
        counts = self.counters()
        lists = tuple(self.inactive_ids()), tuple(self.active_ids())
        mapcounts = {i: n for i in range(self.setup.shm) if (n := self.mapcount(i))}
        return counts.pop("now"), counts.pop("in_flight") * 0, lists, self.pages(), mapcounts, counts


def agree(case) -> None:
    film = Filmed(case.setup, case.rules)
    try:
        case.play(film)
    except Endless:
        assume(False)
    steps = watch(case.setup, case.rules, case.play)
    mine = [
        (
            step.time,
            0,
            (step.inactive, step.active),
            {i: (page.state, page.writing) for i, page in step.pages.items()},
            step.mapcounts,
            step.counts,
        )
        for step in steps
        if step.rule != "quota"
    ]
    assert mine == film.frames
    assert {step.rule for step in steps[1:]} <= set(RULES)


@few(max_examples=25)
@given(cases())
def test_a_watched_machine_goes_step_by_step_as_one_page_at_a_time(case):
    agree(case)


@pytest.mark.deep
@few(max_examples=2_000)
@given(cases())
def test_deep_a_watched_machine_goes_step_by_step_as_one_page_at_a_time(case):
    agree(case)


def test_how_the_storm_begins_on_a_machine_of_24_pages():
    """The inactive list collapses, one quota moves everything, and twelve pages get slots before the first write."""
    dirty = PageState(Kind.SHM, dirty=True, referenced=False)
    setup = Setup(
        shm=22,
        inactive=(PageRun(22, 2, PageState(Kind.FILE)),),
        active=(PageRun(0, 22, dirty),),
        processes=2,
        ptes=(PteRun(0, 10, Pte.YOUNG),),
        slots=12,
        batch=2,
        sysctls=Sysctls(vm_cache_scan_ratio=1, vm_mapped_ratio=2),
        costs=Costs(visit=1, pte=1, convert=1_000, submit=1, read=1),
        service=2_000,
    )
    steps = watch(setup, Rules(), lambda machine: machine.demand(4, cost=1))
    quotas = [step.numbers for step in steps if step.rule == "quota"]
    assert quotas[0] == (2, 22, 2, 8)
    assert (2, 22, 0, 44) in quotas
    rules = [step.rule for step in steps]
    assert rules[2:10] == ["deactivated"] * 8 and rules[10:12] == ["freed"] * 2
    assert rules.index("swap write") > rules.index("converted") + 11
    first = steps[rules.index("swap write")]
    assert (first.counts["conversions"], first.counts["writes"]) == (12, 1)
