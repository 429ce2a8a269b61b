"""Short runs of the naive model, worked out by hand.

The costs are powers of ten, so that the time tells which steps were taken: 1,102 ns are two visits, one
conversion and one submitted write.
"""

from dataclasses import replace

import pytest
import stored_cases
from cases import BIG_FUEL, aligned_cases
from hypothesis import given
from naive import Endless, Naive
from stored_cases import STORED, source
from test_lru import compare, few

from vmteach.kernel.reclaim import SECOND, Buffers, Costs, Kind, PageRun, PageState, Pte, PteRun, Rules, Setup
from vmteach.machine import Sysctls

COSTS = Costs(visit=1, pte=10, convert=100, submit=1_000, read=10_000)
WHOLE_LIST = Sysctls(vm_cache_scan_ratio=1, vm_passes=1)  # one pass looks at as many pages as there are

FILE, ANON = PageState(Kind.FILE), PageState(Kind.ANON)
SHM, SWAPCACHE = PageState(Kind.SHM), PageState(Kind.SWAPCACHE)
DIRTY_FILE, DIRTY_SHM, DIRTY_SWAPCACHE = (state._replace(dirty=True) for state in (FILE, SHM, SWAPCACHE))


UNPATCHED = Rules()  # the kernel before


def machine(inactive, rules=UNPATCHED, active=(), mapped=Pte.NONE, **fields):
    """A model whose pages 0, 1, ... have the given states, first the inactive list, then the active one."""
    states = (*inactive, *active)
    runs = tuple(PageRun(page_id, 1, state) for page_id, state in enumerate(states))
    known = {"shm": sum(state.kind is Kind.SHM for state in states), "slots": 10, "service": 100_000}
    known |= {"costs": COSTS, "sysctls": WHOLE_LIST, **fields}
    ptes = (PteRun(0, known["shm"], mapped),)
    setup = Setup(inactive=runs[: len(inactive)], active=runs[len(inactive) :], ptes=ptes, **known)
    return Naive(setup, rules)


def some(model, *names):
    """The named counters, in order."""
    return tuple(model.counters()[name] for name in names)


PINNED, LOCKED = {"pinned": True}, {"locked": True}
BUSY, DROPPABLE = {"buffers": Buffers.BUSY}, {"buffers": Buffers.DROPPABLE}

# One visit of shrink_cache: the rule's number; the page; what it is after the visit (None: freed); the
# time that the visit took; the verdict ("mapped" is charged to max_mapped too).
VISITS = {
    "3 anonymous": (ANON, ANON, 1, "mapped"),
    "3 pinned": (DIRTY_FILE._replace(**PINNED), DIRTY_FILE._replace(**PINNED), 1, "mapped"),
    "3 before 4": (FILE._replace(**PINNED, **LOCKED), FILE._replace(**PINNED, **LOCKED), 1, "mapped"),
    "4 locked": (FILE._replace(**LOCKED), FILE._replace(**LOCKED), 1, "kept"),
    "4 before 7": (
        FILE._replace(**PINNED, **LOCKED, **DROPPABLE),
        FILE._replace(**PINNED, **LOCKED, **DROPPABLE),
        1,
        "kept",
    ),
    "5 file": (DIRTY_FILE, FILE, 1_001, "kept"),
    "5 swapcache": (DIRTY_SWAPCACHE, SWAPCACHE, 1_001, "kept"),
    "5 shm": (DIRTY_SHM._replace(referenced=True), DIRTY_SWAPCACHE, 101, "kept"),
    "5 before 6": (DIRTY_FILE._replace(**BUSY), FILE._replace(**BUSY), 1_001, "kept"),
    "6 busy": (FILE._replace(**BUSY), FILE._replace(**BUSY), 1, "kept"),
    "6 anonymous": (ANON._replace(dirty=True, **DROPPABLE), None, 1, "freed"),
    "6 then 7": (DIRTY_FILE._replace(**PINNED, **DROPPABLE), DIRTY_FILE._replace(**PINNED), 1, "mapped"),
    "6 then 9": (FILE._replace(**DROPPABLE), None, 1, "freed"),
    "9 file": (FILE._replace(referenced=True), None, 1, "freed"),
    "9 shm": (SHM, None, 1, "freed"),
    "10 swapcache": (SWAPCACHE, None, 1, "freed"),
}


@pytest.mark.parametrize("row", VISITS)
def test_one_visit(row):
    before, after, time, verdict = VISITS[row]
    model = machine([before])
    assert model.visit(model.memory[0]) == verdict
    assert (model.page(0), model.now) == (after, time)
    assert some(model, "free", "frees") == ((1, 1) if after is None else (0, 0))
    assert model.inactive_ids() == ([] if after is None else [0])


def test_rule_3_a_page_with_a_pte_is_mapped():
    model = machine([DIRTY_SHM], mapped=Pte.OLD)
    assert model.visit(model.memory[0]) == "mapped"
    assert (model.page(0), model.now) == (DIRTY_SHM, 1)


def test_rule_2_a_page_outside_is_passed_over_free_of_charge():
    # max_scan = 1 // 1 (the page outside is not in the counts); two visits fit in, as only the second is
    # charged.
    model = machine([FILE._replace(outside=True), FILE])
    assert model.shrink_cache(1) == 0
    assert some(model, "visits", "frees", "now") == (2, 1, 2)
    assert model.inactive_ids() == [0]


def test_rule_4_the_scan_sleeps_until_our_own_write_is_done():
    # Visit 1 submits at 0 ns: done at 100,000. It costs 1 + 1,000. Visit 2 sleeps 100,000 - 1,001, then
    # costs 1. Visit 3 finds a clean page.
    model = machine([DIRTY_FILE])
    assert [model.shrink_cache(1) for _ in range(2)] == [1, 1]
    assert some(model, "sleeps", "slept", "now", "file_writes", "in_flight") == (1, 98_999, 100_001, 1, 0)
    assert model.shrink_cache(1) == 0


def test_rules_4_5_and_8_without_leave_to_enter_the_file_system():
    # Nothing is written: a dirty page stays dirty, and only loses buffers that can be dropped.
    model = machine([DIRTY_SHM, DIRTY_FILE._replace(buffers=Buffers.DROPPABLE)], fs=False)
    assert model.shrink_cache(1) == 1
    assert (model.page(0), model.page(1)) == (DIRTY_SHM, DIRTY_FILE)
    assert some(model, "now", "conversions", "file_writes") == (2, 0, 0)


def test_rule_5_without_a_free_slot_the_page_is_activated():
    model = machine([DIRTY_SHM], slots=0)
    assert model.shrink_cache(1) == 1
    assert (model.inactive_ids(), model.active_ids()) == ([], [0])
    assert model.page(0) == DIRTY_SHM._replace(referenced=True)
    assert some(model, "now", "slots_used", "conversions", "activations") == (1, 0, 0, 0)


def test_refill_inactive_sets_the_flag_of_pages_that_it_moves():
    # quota = 2 * 3 // (1 * 2 + 1) = 2. Page 1 loses its flag and costs no quota; pages 2 and 3 move.
    model = machine([FILE], active=[FILE._replace(referenced=True), FILE, FILE])
    model.refill_inactive(2)
    assert (model.inactive_ids(), model.active_ids()) == ([0, 2, 3], [1])
    assert [model.page(page_id).referenced for page_id in (1, 2, 3)] == [False, True, True]
    assert some(model, "refilled", "now") == (2, 3)


def test_refill_inactive_looks_once_at_a_page_that_is_alone():
    # quota = 3 * 1 // (1 * 2 + 1) = 1 both times. The first call clears the flag and is at the end of the list.
    model = machine([FILE], active=[FILE._replace(referenced=True)])
    model.refill_inactive(3)
    assert (model.active_ids(), model.page(1).referenced) == ([1], False)
    assert some(model, "refilled", "now") == (0, 1)
    model.refill_inactive(3)
    assert (model.inactive_ids(), model.refilled) == ([0, 1], 1)


def test_rule_6_a_pinned_anonymous_page_is_found_but_frees_no_memory():
    # It loses its buffers, leaves the list and counts as one of the two pages that are wanted.
    model = machine([ANON._replace(**PINNED, **DROPPABLE), FILE], batch=2)
    assert model.reclaim() == 1
    assert (model.inactive_ids(), model.page(0)) == ([], None)
    assert some(model, "free", "frees", "visits", "passes") == (1, 1, 2, 1)


@pytest.mark.parametrize(("area_behind", "places"), [(True, [(0, 1), (0, 2)]), (False, [(1, 0), (0, 0)])])
def test_the_place_of_a_walk_is_thrown_away_with_the_last_area(area_behind, places):
    # batch 1: each call is content with one pte of a page that nobody else maps.
    ptes = (PteRun(0, 4, Pte.OLD),)
    runs = (PageRun(0, 4, DIRTY_SHM),)
    setup = Setup(shm=4, inactive=runs, processes=2, ptes=ptes, batch=1, area_behind=area_behind)
    model = Naive(setup, Rules(objrmap=True))
    for place in places:
        assert model.swap_out()
        assert model.cursor() == place


def test_kswapd_goes_on_to_its_band_and_gives_up_when_it_finds_nothing():
    # Requests of two pages. Free pages 1, 2: the allocator is served. The band ends above 1 + 3: 3 and 4, then 5.
    model = machine([FILE] * 8, batch=2, free=1, min=1, band=3)
    model.run(1)
    assert some(model, "requests", "free", "copied") == (2, 4, 1)
    # Without kswapd one request is enough; with less to be had it stops at the request that frees nothing.
    assert some(played(machine([FILE] * 8, batch=2, free=1, min=1)), "requests", "free") == (1, 2)
    assert some(played(machine([FILE] * 2, batch=2, free=1, min=1, band=3)), "requests", "free") == (2, 2)


def played(model):
    """The model after a copy of one page."""
    model.run(1)
    return model


def test_a_demand_joins_no_list():
    # Two requests of two pages (2 * 1 ns each), four pages at 7 ns.
    model = machine([FILE] * 6, batch=2)
    model.demand(4, cost=7)
    assert (model.inactive_ids(), model.pages().keys()) == ([4, 5], {4, 5})
    assert some(model, "taken", "copied", "reading", "free", "now") == (4, 0, 0, 0, 32)


def test_a_request_of_a_second_is_noted_with_its_start_and_end():
    # A visit costs a second. The request begins when the page that was free has been taken (7 ns) and frees two.
    model = machine([FILE] * 2, free=1, costs=replace(COSTS, visit=SECOND))
    model.demand(2, cost=7)
    assert model.waits == [(7, 2 * SECOND + 7)]


def test_the_last_snapshot_is_that_of_the_end():
    model = machine([FILE] * 2, batch=2)
    model.run(1)
    assert model.samples == []
    assert [(row.second, row.copied) for row in model.snapshots()] == [(10_002 / SECOND, 1)]
    whole = machine([FILE] * 2, costs=replace(COSTS, visit=0, read=SECOND))
    whole.run(2)
    assert [row.second for row in whole.snapshots()] == [1, 2]


def test_the_time_of_running_out_of_memory_is_known():
    # One page is free, and the list holds what is never freed: a visit (1 ns) after the page was taken (7 ns).
    model = machine([ANON], free=1)
    model.demand(2, cost=7)
    assert (model.oom, model.oom_at, model.taken) == (True, 8, 1)


def test_mapped_path_calls_swap_out_when_the_allowance_is_used_up():
    # max_scan = 3, max_mapped = 1 * 2. Pages 0 and 1 use the allowance up (1 ns each), page 2 (1 ns) goes
    # below: swap_out removes ptes 0 and 1 (10 ns each), that is `batch` pages, so its cursor stays at 2.
    # The scan is over. After the pass swap_out is called again: it removes pte 2 (10 ns), finds the end
    # in this turn and nothing in the two turns that are left, and fails.
    sysctls = Sysctls(vm_cache_scan_ratio=1, vm_passes=1, vm_mapped_ratio=1)
    model = machine([DIRTY_SHM] * 3, mapped=Pte.OLD, batch=2, sysctls=sysctls)
    assert model.reclaim() == 0
    assert some(model, "visits", "swap_outs", "ptes", "ptes_destroyed", "now") == (3, 2, 3, 3, 33)
    assert model.inactive_ids() == [0, 1, 2]
    assert model.swap_failed
    assert model.cursor() == (0, 0)


def test_the_allowance_of_mapped_pages_may_be_used_up_without_swap_out():
    # max_mapped = 1 * 2: two mapped pages bring it to 0, which is not below 0.
    sysctls = Sysctls(vm_cache_scan_ratio=1, vm_passes=1, vm_mapped_ratio=1)
    model = machine([DIRTY_SHM] * 2, mapped=Pte.OLD, batch=2, sysctls=sysctls)
    assert model.shrink_cache(2) == 2
    assert some(model, "visits", "swap_outs", "now") == (2, 0, 2)


def test_of_two_processes_only_the_last_unmapping_counts():
    # Process 0 loses two ptes for no page; in process 1 each pte makes a page freeable. 4 ptes of 10 ns.
    # Both pages were found at the last pte, so the end of process 1 is left for the next call to find.
    model = machine([DIRTY_SHM] * 2, mapped=Pte.OLD, processes=2, batch=2)
    assert model.swap_out()
    assert some(model, "ptes", "ptes_destroyed", "now") == (4, 4, 40)
    assert model.cursor() == (1, 2)
    # 2 * 2 + 1 turns over nothing, beginning with the rest of process 1: processes 1, 0, 1, 0, 1; next is
    # 0.
    assert not model.swap_out()
    assert (model.cursor(), model.now) == ((0, 0), 40)


def test_with_objrmap_the_first_unmapping_counts():
    # Each of two ptes of process 0 takes that of process 1 with it: 2 looked at, 4 gone, the same 4 * 10
    # ns.
    model = machine([DIRTY_SHM] * 2, Rules(objrmap=True), mapped=Pte.OLD, processes=2, batch=2)
    assert model.swap_out()
    assert some(model, "ptes", "ptes_destroyed", "now") == (2, 4, 40)
    assert model.cursor() == (0, 2)


def test_a_young_pte_needs_a_second_turn_and_a_referenced_page_escapes():
    # Page 0: turn 1 makes its pte old and sets the flag, turn 2 removes it. Page 1 has the flag already:
    # turn 1 activates it, and then turns 2 and 3 leave it alone. 2 + 3 ptes are looked at; one page is
    # found, not two.
    model = machine([DIRTY_SHM, DIRTY_SHM._replace(referenced=True)], mapped=Pte.YOUNG, batch=2)
    assert not model.swap_out()
    assert some(model, "ptes", "ptes_destroyed", "activations") == (5, 1, 1)
    assert model.ptes() == [[Pte.NONE, Pte.OLD]]
    assert (model.inactive_ids(), model.active_ids()) == ([0], [1])
    assert model.page(0).referenced and not model.page(1).referenced


LAPS = Sysctls(vm_cache_scan_ratio=1, vm_passes=60)


def test_a_shm_page_takes_three_laps():
    # The disk needs 1 ns. Lap 1 converts (2 * 101), lap 2 writes (2 * 1,001), lap 3 frees (2 * 1).
    model = machine([DIRTY_SHM] * 2, batch=2, service=1, sysctls=LAPS)
    assert model.reclaim() == 2
    assert some(model, "passes", "visits", "conversions", "writes", "frees") == (3, 6, 2, 2, 2)
    assert some(model, "now", "slots_used", "free", "sleeps") == (2_206, 2, 2, 0)


def test_with_starts_io_a_shm_page_takes_two_laps():
    # Lap 1 converts and writes (2 * 1,101), lap 2 frees (2 * 1).
    model = machine([DIRTY_SHM] * 2, Rules(starts_io=True), batch=2, service=1, sysctls=LAPS)
    assert model.reclaim() == 2
    assert some(model, "passes", "visits", "conversions", "writes", "frees") == (2, 4, 2, 2, 2)
    assert some(model, "now", "slots_used", "free", "sleeps") == (2_204, 2, 2, 0)


def test_a_disk_slower_than_the_scan_adds_a_lap_of_waiting():
    # After lap 1 it is 202 ns. Page 0 is submitted at 202: done at 100,202. Page 1: done at 200,202. It
    # is 2,204 ns. Lap 3 sleeps 100,202 - 2,204 = 97,998 and 200,202 - 100,203 = 99,999. It is 200,203.
    # Lap 4 frees (2 * 1).
    model = machine([DIRTY_SHM] * 2, batch=2, sysctls=LAPS)
    assert model.reclaim() == 2
    assert some(model, "passes", "sleeps", "slept", "now") == (4, 2, 197_997, 200_205)


def test_a_full_queue_sleeps_before_it_submits():
    # depth 1: page 0 is submitted at 0, done at 100,000; it is 1,001. Page 1 sleeps 98,999 and is
    # submitted at 100,000: done at 200,000. Then the visit and the submission cost 1,001.
    model = machine([DIRTY_FILE] * 2, depth=1)
    assert model.shrink_cache(2) == 2
    assert some(model, "sleeps", "slept", "now", "in_flight") == (1, 98_999, 101_001, 1)
    assert (model.writing(0), model.writing(1)) == (False, True)


def test_written_pages_go_to_the_tail_under_rotate_written():
    # The disk needs 1 ns: page 0 is off the list while it is written, and back at the tail when its visit
    # ends. The second and last visit of this scan frees it. Without the rule it would be page 1 that is
    # visited.
    model = machine([DIRTY_FILE] * 2, Rules(rotate_written=True), service=1)
    assert model.shrink_cache(2) == 1
    assert model.inactive_ids() == [1]
    assert model.page(1) == DIRTY_FILE
    slow = machine([DIRTY_FILE] * 2, Rules(rotate_written=True))
    assert slow.shrink_cache(2) == 2
    assert slow.inactive_ids() == [] and slow.writing(0) and slow.writing(1)


def test_touch_undoes_a_conversion():
    # Two processes fault: the first access sets the flag, the second activates the page and clears it.
    model = machine([DIRTY_SHM], processes=2, hot=1)
    assert model.shrink_cache(1) == 1
    assert (model.page(0), model.slots_used) == (DIRTY_SWAPCACHE, 1)
    model.touch()
    assert (model.page(0), model.slots_used) == (DIRTY_SHM, 0)
    assert some(model, "undone", "minor_faults", "activations", "swap_ins") == (1, 2, 1, 0)
    assert (model.inactive_ids(), model.active_ids()) == ([], [0])
    assert model.ptes() == [[Pte.YOUNG], [Pte.YOUNG]]


def test_touch_waits_for_a_page_that_is_being_written():
    model = machine([DIRTY_SHM], Rules(starts_io=True), hot=1)
    assert model.shrink_cache(1) == 1
    model.touch()
    assert (model.page(0), model.writing(0)) == (SWAPCACHE, True)
    assert some(model, "undone", "minor_faults", "slots_used") == (0, 0, 1)


def test_a_sample_is_taken_before_the_touch_of_its_second():
    # The conversion costs 1 ns + 1 s, so second 1 passes with it: the sample still shows the page
    # converted.
    model = machine([DIRTY_SHM], hot=1, costs=replace(COSTS, convert=SECOND))
    model.shrink_cache(1)
    (sample,) = model.samples
    assert (sample.second, sample.swapcache, sample.slots_used, sample.undone) == (1, 1, 1, 0)
    assert some(model, "swapcache", "slots_used", "undone") == (0, 0, 1)


def test_clean_pass_rotating_and_anchored():
    # Dirty and clean in turn. Call 1 passes over page 0 and frees 1; call 2 passes over 2 and frees 3.
    # Call 3 has a budget of 2 and finds nothing. Rotating, kept pages go to the head; anchored, they
    # stay.
    states = [DIRTY_FILE, FILE, DIRTY_FILE, FILE]
    rotating = machine(states, Rules(clean_pass=True))
    anchored = machine(states, Rules(clean_pass=True, anchored=True))
    seen = []
    for model in (rotating, anchored):
        for _ in range(3):
            seen.append((model.clean_pass(1), model.inactive_ids(), model.anchor(), model.clean_visits))
    assert seen[:3] == [(0, [2, 3, 0], 0, 2), (0, [0, 2], 0, 4), (1, [0, 2], 0, 6)]
    assert seen[3:] == [(0, [0, 2, 3], 1, 2), (0, [0, 2], 2, 4), (1, [0, 2], 2, 6)]


@pytest.mark.parametrize(
    "kept",
    [
        FILE._replace(outside=True),
        FILE._replace(**PINNED),
        FILE._replace(**LOCKED),
        FILE._replace(**BUSY),
        DIRTY_FILE,
        DIRTY_SWAPCACHE,
        ANON,
    ],
)
def test_clean_pass_keeps_what_cannot_be_freed_at_once(kept):
    # Both pages are visited: the budget is 2, or 1 if the first page is outside, which is not charged.
    model = machine([kept, FILE], Rules(clean_pass=True))
    assert model.clean_pass(1) == 0
    assert model.pages() == {0: (kept, False)}
    assert some(model, "clean_visits", "visits", "now") == (2, 0, 2)


@pytest.mark.parametrize("freed", [FILE, SHM, SWAPCACHE, FILE._replace(**DROPPABLE), ANON._replace(**DROPPABLE)])
def test_clean_pass_frees(freed):
    model = machine([freed], Rules(clean_pass=True))
    assert model.clean_pass(1) == 0
    assert (model.pages(), model.free, model.frees) == ({}, 1, 1)


def test_clean_pass_passes_over_mapped_pages_and_our_own_writes():
    mapped = machine([SHM], Rules(clean_pass=True), mapped=Pte.OLD)
    assert mapped.clean_pass(1) == 1
    written = machine([DIRTY_FILE], Rules(clean_pass=True))
    assert written.shrink_cache(1) == 1
    assert (written.page(0), written.writing(0)) == (FILE, True)
    assert written.clean_pass(1) == 1
    assert written.sleeps == 0


def test_the_anchored_cursor_keeps_its_place_while_the_scan_takes_the_tail():
    # The clean pass steps over page 0 and frees 1. The scan takes the tail, page 0, to the head. Pages 2
    # and 3 are ahead of the cursor, in front of page 0.
    model = machine([DIRTY_FILE, FILE, DIRTY_FILE, DIRTY_FILE], Rules(clean_pass=True, anchored=True))
    assert model.clean_pass(1) == 0
    page = model.take_inactive_tail()
    model.put_inactive_head(page)
    assert (model.inactive_ids(), model.anchor()) == ([2, 3, 0], 0)


def test_run_reads_wanted_pages_back_before_it_copies_on():
    # Page 0 is swapped out. Page 1 is copied in the first second (1 s), at whose end the process wants
    # page 0. It is read in 100,000 ns and gives its slot back. Then page 2 is copied (1 s).
    model = machine([], shm=1, hot=1, slots_used=1, free=3, costs=replace(COSTS, read=SECOND))
    model.run(2)
    assert model.inactive_ids() == [1, 0, 2]
    assert model.page(0) == DIRTY_SHM._replace(referenced=True)
    assert some(model, "swap_ins", "major_faults", "slots_used", "free", "copied") == (1, 1, 0, 0, 2)
    assert some(model, "slept", "reading", "now") == (100_000, 2 * SECOND, 2 * SECOND + 100_000)
    assert [sample.swap_ins for sample in model.samples] == [0, 1]
    assert model.wanted == []


def test_alloc_waits_for_a_write_and_reclaims_again():
    # Request 1 submits page 0 (1,001 ns) and frees nothing; alloc sleeps until 100,000 ns. Request 2
    # frees the page (1 ns). Then page 1 is read (10,000 ns).
    model = machine([DIRTY_FILE])
    model.run(1)
    assert some(model, "requests", "sleeps", "slept", "now") == (2, 1, 98_999, 110_001)
    assert (model.inactive_ids(), model.oom) == ([1], False)


def test_anonymous_memory_is_never_given_back():
    # The freed page goes to anonymous memory; nothing is left to reclaim for the file page.
    model = machine([DIRTY_FILE])
    model.run(1, anon=True)
    assert (model.oom, model.taken, model.copied, model.requests) == (True, 1, 0, 3)


def test_the_horizon_is_looked_at_only_before_a_request():
    # Two pages are free: both are used (10,000 ns each) although the horizon is at 5,000 ns. The third would
    # need a request. A horizon that is reached to the nanosecond is reached too. With a later one the
    # request frees all three pages of the list (3 ns), and page 3 is read.
    for horizon in (5_000, 20_000):
        model = machine([FILE], free=2)
        model.run(9, horizon=horizon)
        assert some(model, "copied", "requests", "now") == (2, 0, 20_000)
        assert not model.oom
    model.run(1, horizon=20_001)
    assert some(model, "copied", "requests", "now") == (3, 1, 30_003)


def test_a_run_that_needs_more_steps_than_its_fuel_is_noticed():
    # Freeing page 0 is step 1, reading a page is step 2.
    model = machine([FILE])
    model.fuel = 2
    model.run(1)
    assert (model.steps, model.copied) == (2, 1)
    with pytest.raises(Endless):
        model.run(1)


@pytest.mark.parametrize("name", STORED)
def test_a_stored_case_agrees_page_for_page(name):
    """The engine with its leaps and without them, and this model: each case once showed a wrong leap."""
    compare(STORED[name], BIG_FUEL)


@pytest.mark.parametrize("name", STORED)
def test_a_case_is_stored_as_source_writes_it(name):
    assert eval(source(STORED[name]), vars(stored_cases)) == STORED[name]


@few(max_examples=150)
@given(aligned_cases())
def test_machines_whose_runs_end_with_a_batch_agree_page_for_page(case):
    compare(case, BIG_FUEL)


@pytest.mark.deep
@few(max_examples=3_000)
@given(aligned_cases())
def test_deep_machines_whose_runs_end_with_a_batch_agree_page_for_page(case):
    compare(case, BIG_FUEL)
