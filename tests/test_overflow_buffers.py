"""overflow_buffers: the table of cases, the invariants, and the proof that the patch changes no decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmteach.figures import overflow_buffers as figure
from vmteach.machine import GIB, MIB, PRESETS
from vmteach.patches.overflow_buffers import (
    BACKGROUND,
    NEVER_WAITS,
    PATCHED,
    POLICIES,
    SECTOR,
    SYNCHRONOUS,
    UNPATCHED,
    WAITS,
    Dirtied,
    Filled,
    Listed,
    Scenario,
    Waited,
    balance_dirty_state,
    decision,
    dirtied,
    disagreements,
    insert_into_lru_list,
    nr_free_buffer_pages,
    pages_of,
    remove_from_lru_list,
    simulate,
)

TOT, WORD = 229376, 1 << 32
OLD, NEW = POLICIES[UNPATCHED], POLICIES[PATCHED]

sizes = st.sampled_from((512, 1024, 2048, 4096))
buffers = st.lists(st.tuples(sizes, st.integers(0, 1 << 21)), max_size=8)  # (bytes, how many)


def sums(items: list, policy, word: int = 32) -> int:
    total = 0
    for size, count in items:
        total = insert_into_lru_list(total, size, count, policy, word)
    return total


# ---- the claim ----


def test_the_patch_changes_no_decision_that_can_be_reached():
    """The announcement: a noop, but safer. Every number of dirty pages that the low zones can hold, one by one."""
    assert nr_free_buffer_pages(PRESETS["64 GB"]) == TOT
    assert list(disagreements(range(TOT + 1))) == []


def test_without_throttling_the_counter_before_forgets_4_gib():
    runs = {label: simulate(Scenario(writers=NEVER_WAITS), POLICIES[label]).numbers for label in (UNPATCHED, PATCHED)}
    name = "dirty, not seen, at most (MiB)"
    assert (runs[UNPATCHED][name], runs[PATCHED][name]) == (28672, 0)  # 7 x 4 GiB of 28.8


def test_with_throttling_nobody_comes_near():
    for label in (UNPATCHED, PATCHED):
        run = simulate(Scenario(), POLICIES[label])
        assert run.events[-1] == Waited(137626)
        assert run.numbers["dirty at most (MiB)"] == 537.6


# ---- the table of cases ----

ROWS = [
    ("row1", 0, (0, -1), (0, -1)),
    ("row2", 68812 * 4096, (68812, -1), (68812, -1)),
    ("row3", 68813 * 4096, (68813, 0), (68813, 0)),
    ("row4", 137625 * 4096, (137625, 0), (137625, 0)),
    ("row5", 137626 * 4096, (137626, 1), (137626, 1)),
    ("row6", 896 * MIB, (229376, 1), (229376, 1)),
    ("row7", 4 * GIB - 4096, (1048575, 1), (1048575, 1)),
    ("row8", 4 * GIB, (0, -1), (1048576, 1)),
    ("row10", 2048 * GIB, (0, -1), (0, -1)),
]


@pytest.mark.parametrize(("true", "before", "after"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_row(true, before, after):
    for policy, (pages, state) in ((OLD, before), (NEW, after)):
        assert pages_of((true >> policy.shift) % WORD, policy) == pages
        assert decision(true, TOT, policy) == state


def test_row11_a_task_that_may_start_no_io():
    assert [decision(4 * GIB, TOT, policy, may_wait=False) for policy in (OLD, NEW)] == [-1, 0]


# ---- the invariants ----


@given(buffers)
def test_i1_a_counter_is_the_sum_of_the_sizes_below_its_wrap(items):
    true = sum(size * count for size, count in items)
    assert sums(items, OLD) == true % WORD
    assert sums(items, NEW) * SECTOR == true % (WORD * SECTOR)
    assert sums(items, OLD, 64) == true


@given(buffers)
def test_i2_both_counters_stand_for_the_same_pages_below_4_gib(items):
    if sum(size * count for size, count in items) < WORD:
        assert pages_of(sums(items, OLD), OLD) == pages_of(sums(items, NEW), NEW)


@given(
    st.integers(0, (1 << 23) - 1), st.sampled_from([nr_free_buffer_pages(m) for m in PRESETS.values()]), st.booleans()
)
def test_i3_both_decide_alike_below_4_gib(sectors, tot, may_wait):
    true = sectors * SECTOR
    assert decision(true, tot, OLD, may_wait=may_wait) == decision(true, tot, NEW, may_wait=may_wait)


@given(buffers, st.randoms(use_true_random=False))
def test_i4_what_went_in_and_out_again_leaves_nothing(items, random):
    for policy in POLICIES.values():
        total, back = sums(items, policy), items[:]
        random.shuffle(back)
        for size, count in back:
            total = remove_from_lru_list(total, size, count, policy)
        assert total == 0


# ---- a second way ----


def test_the_proof_in_two_lines_holds_for_every_sum_of_sectors():
    """A sum of sizes is a multiple of 512, n x 512: floor(n x 512 / 4096) is floor(n / 8)."""
    assert all(n * 512 // 4096 == n // 8 for n in range(1 << 16))


def test_first_disagreement_is_at_4_gib():
    """By bisection over all pages up to 6 GiB, and by the word."""
    first = next(disagreements(range(TOT, 3 << 19)))
    assert first * 4096 == WORD == 4 * GIB


def plain(dirty: int, tot: int) -> int:
    """The answer without any word: fractions."""
    share = dirty / tot
    return -1 if share <= BACKGROUND / 100 else 1 if share > SYNCHRONOUS / 100 else 0


@given(st.integers(0, 229_376 * 2))
def test_the_decision_is_a_share_of_the_low_pages(dirty):
    assert balance_dirty_state(dirty, TOT) == plain(dirty, TOT)


def test_the_limits_themselves_are_allowed():
    """More than 30 and more than 60 % are asked for; 229376 pages have no whole number at 60 %, 1000 do."""
    assert [balance_dirty_state(seen, 1000) for seen in (300, 301, 600, 601)] == [-1, 0, 0, 1]


def test_the_product_has_a_wrap_of_its_own_out_of_reach():
    """dirty x 100 wraps at 2**32 / 100 pages, 164 GiB: the patch does not touch it."""
    pages = WORD // 100 + 1
    assert pages * 4096 // GIB == 163
    assert balance_dirty_state(pages, TOT) == -1 and balance_dirty_state(pages, TOT, 64) == 1


# ---- the run ----


def test_a_run_looks_wherever_the_answer_changes():
    """Page by page on a small machine: the same answers begin at the same pages."""
    scenario = Scenario(PRESETS["32 MB"], writers=NEVER_WAITS)
    for policy in POLICIES.values():
        looks = [event for event in simulate(scenario, policy).events if isinstance(event, Dirtied)]
        answers = {look.pages: look.state for look in looks}
        all_ = [dirtied(pages, scenario, policy).state for pages in range(scenario.cache + 1)]
        changes = [pages for pages in range(1, len(all_)) if all_[pages] != all_[pages - 1]]
        assert all(answers[pages] == all_[pages] for pages in answers)
        assert set(changes) <= set(answers)


def test_a_run_ends_full_or_waiting():
    assert isinstance(simulate(Scenario(writers=NEVER_WAITS)).events[-1], Filled)
    assert isinstance(simulate(Scenario(writers=WAITS)).events[-1], Waited)


def test_what_the_sysrq_key_prints_is_wrong_before_on_a_large_machine():
    printed = {}
    for label in (UNPATCHED, PATCHED):
        clean = next(e for e in simulate(Scenario(PRESETS["32 GB"]), POLICIES[label]).events if isinstance(e, Listed))
        printed[label] = clean.printed, clean.kib
    assert printed[UNPATCHED][0] != printed[UNPATCHED][1] and printed[PATCHED][0] == printed[PATCHED][1]
    assert (printed[UNPATCHED][1] - printed[UNPATCHED][0]) % (4 << 20) == 0


def test_a_64_bit_machine_has_neither_wrap():
    run = simulate(Scenario(PRESETS["64-bit 64 GB"], writers=NEVER_WAITS), OLD)
    assert run.numbers["dirty, not seen, at most (MiB)"] == 0


def test_the_limit_does_not_grow_with_ram_on_i386():
    told = {n: simulate(Scenario(PRESETS[n])).numbers["first told to wait (MiB)"] for n in ("1 GB", "8 GB", "64 GB")}
    assert set(told.values()) == {537.6}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"writers": "sleep"}, "writers must be one of wait, never wait, got sleep"),
        ({"block": 3000}, "block must be one of 512, 1024, 2048, 4096, got 3000"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Scenario(**wrong)


@pytest.mark.parametrize(("name", "model", "real"), [("32 GB", 7, 5), ("64 GB", 14, 1)])
def test_heads_of_buffers_would_fill_low_memory_first(name, model, real):
    """What the model leaves out: 96 bytes of low memory for each buffer, beside the descriptors of all pages."""
    machine, low, head = PRESETS[name], 896 * MIB, 96
    assert Scenario(machine).cache * machine.page // WORD == model
    assert (low - machine.mem_map) // head * 4096 // WORD == real


# ---- the picture ----


def test_the_saw_falls_at_the_wrap():
    run = simulate(Scenario(writers=NEVER_WAITS), OLD)
    points = figure._points(run, 11)
    falls = [x for (x, y), (x2, y2) in zip(points, points[1:]) if x == x2 and y2 < y]
    assert falls == pytest.approx([4.0, 8.0])


def test_strips_cover_the_axis_once():
    for writers in (WAITS, NEVER_WAITS):
        for policy in POLICIES.values():
            spans = list(figure._spans(0, simulate(Scenario(writers=writers), policy), 11))
            assert spans[0].start == 0 and spans[-1].end == 11
            assert [s.end for s in spans[:-1]] == [s.start for s in spans[1:]]
