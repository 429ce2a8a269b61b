"""The mremap race: the rows of the facts, the invariants, and the same code run as plain generators."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmteach import chapter
from vmteach.figures import mremap_race as figure
from vmteach.kernel.entry import NONE, OOPS, PRESENT, PTL, SWAP, Clearer
from vmteach.kernel.interleavings import explore
from vmteach.kernel.request import request
from vmteach.kernel.threads import END, Stepped, replay
from vmteach.machine import GIB, KIB, MIB, PRESETS
from vmteach.patches.mremap_race import (
    CACHED,
    CONTROLS,
    KEPT,
    LEAVES,
    MAINLINE,
    PATCHED,
    POLICIES,
    SKIPS,
    TODAY,
    UNPATCHED,
    Scenario,
    explored,
    found,
    over_machines,
    program,
    simulate,
    span,
    states_of,
    windows,
)
from vmteach.run import Change, changed
from vmteach.tables import read_cases

SETTINGS = settings(max_examples=80, deadline=None, print_blob=True)
SAFE = (PATCHED, MAINLINE, TODAY)
QUIET, TIGHT = {"machine": PRESETS["8 GB"]}, {"machine": PRESETS["32 MB"]}  # no own reclaim; own reclaim

scenarios = st.builds(
    Scenario,
    machine=st.sampled_from([PRESETS[name] for name in ("32 MB", "256 MB", "2 GB", "8 GB")]),
    vm_cache_scan_ratio=st.sampled_from((1, 6, 60)),
    clearers=st.integers(0, 2),
    mapped_mib=st.sampled_from((0, 12, 16)),
    clearer=st.sampled_from(Clearer),
    table_present=st.booleans(),
    entry=st.sampled_from((NONE, PRESENT)),
)


def breaks(policy, **scenario):
    return found(Scenario(**scenario), POLICIES[policy]).breaks


def ends(policy, **scenario):
    """What the old and the new entry hold at every end."""
    return {state.data[:2] for state in explored(Scenario(**scenario), POLICIES[policy]).ends}


def test_claim():
    """Some order reads a null pointer unpatched, and none does patched, by truncate and by swap_out."""
    for clearer in (Clearer.TRUNCATE, Clearer.FILE):
        assert breaks(UNPATCHED, clearer=clearer) == "I1"
        assert all(breaks(policy, clearer=clearer, clearers=2, **TIGHT) == "" for policy in SAFE)


# ---- the rows of the facts ----


def test_row1_the_shortest_way_has_the_thirteen_steps_of_the_facts():
    events = simulate(Scenario(), POLICIES[UNPATCHED]).events
    assert [e.at for e in events] == [
        *("M1", "M2", "M3", "M4", "M5", "M6"), "C1", "C2", "C3", *("M7", "M8", "M9", "M10"),
    ]  # fmt: skip
    assert events[-1].holds == ("mmap_sem", "PTL")
    assert breaks(PATCHED) == "" and (NONE, NONE) in ends(PATCHED)
    assert ends(PATCHED) == {(NONE, NONE)}  # truncated before or after the move


@pytest.mark.parametrize("policy", [UNPATCHED, PATCHED], ids="row3-{}".format)
def test_a_swap_entry_is_moved(policy):
    assert breaks(policy, clearer=Clearer.ANON) == ""
    assert ends(policy, clearer=Clearer.ANON) == {(NONE, SWAP)}


@pytest.mark.parametrize("policy", [UNPATCHED, PATCHED], ids="row4-{}".format)
@pytest.mark.parametrize("clearer", Clearer)
@pytest.mark.parametrize("clearers", [0, 1, 2])
def test_with_the_table_there_everything_is_safe(policy, clearer, clearers):
    assert breaks(policy, table_present=True, clearer=clearer, clearers=clearers, **TIGHT) == ""


@pytest.mark.parametrize("policy", [UNPATCHED, PATCHED], ids="row5-{}".format)
def test_alone_and_without_reclaim_the_page_is_moved(policy):
    assert breaks(policy, clearers=0, **QUIET) == ""
    assert ends(policy, clearers=0, **QUIET) == {(NONE, PRESENT)}


def test_row6_own_reclaim_is_enough_with_one_thread():
    case = {"clearers": 0, "clearer": Clearer.FILE, **TIGHT}
    assert PRESETS["32 MB"].cpus == 1 and Scenario(**case).own_reclaim
    assert breaks(UNPATCHED, **case) == "I1" and breaks(PATCHED, **case) == ""
    assert {e.thread for e in found(Scenario(**case), POLICIES[UNPATCHED]).shortest} == {"M"}


@pytest.mark.parametrize("policy", [UNPATCHED, PATCHED], ids="row7-{}".format)
def test_nothing_there_at_first_allocates_nothing(policy):
    seen = explored(Scenario(entry=NONE, clearers=0), POLICIES[policy])
    (end,) = seen.ends
    assert end.data.returned and not end.data.table
    assert [e.at for e in simulate(Scenario(entry=NONE, clearers=0), POLICIES[policy]).events] == [
        "M1", "M2", "M3", "M12", "M13",
    ]  # fmt: skip


def test_row8_a_kept_value_maps_a_freed_page_in_fifteen_steps():
    got = found(Scenario(), POLICIES[CACHED])
    assert (got.breaks, len(got.shortest)) == ("I3", 15)
    assert breaks(CACHED, clearer=Clearer.FILE) == ""  # swap_out alone does not free the page


def test_row9_a_map_that_is_kept_sleeps_in_atomic_context():
    assert breaks(KEPT, clearers=0) == "I4"
    assert [e.at for e in found(Scenario(clearers=0), POLICIES[KEPT]).shortest] == ["M1", "M2", "M3", "M4", "M5"]


ROWS = [
    pytest.param(0x4000_0000, 4 * KIB, 4 * MIB, 1, id="row10-a"),
    pytest.param(0x4000_0000, 4 * MIB, 4 * MIB, 1, id="row10-b"),
    pytest.param(0x4000_1000, 4 * MIB, 4 * MIB, 2, id="row10-c"),
    pytest.param(0x403F_F000, 8 * KIB, 4 * MIB, 2, id="row10-d"),
    pytest.param(0x4000_0000, GIB, 4 * MIB, 256, id="row11-a"),
    pytest.param(0x4000_0000, GIB, 2 * MIB, 512, id="row11-b"),
]


@pytest.mark.parametrize(("addr", "length", "covers", "expected"), ROWS)
def test_windows_of_a_move(addr, length, covers, expected):
    assert windows(addr, length, covers) == expected


@SETTINGS
@given(st.integers(0, 1 << 20), st.integers(1, 1 << 12), st.integers(1, 64))
def test_windows_are_the_tables_that_the_target_touches(addr, length, covers):
    assert windows(addr, length, covers) == len({byte // covers for byte in range(addr, addr + length)})


def test_pae_doubles_the_windows_of_the_default_move():
    moves = {name: simulate(Scenario(machine=PRESETS[name])).numbers for name in ("4 GB", "8 GB")}
    assert [n["windows in the whole move"] for n in moves.values()] == [256, 512]
    assert span(PRESETS["64-bit 64 GB"]) == 32 * MIB


def test_each_mutant_is_caught_by_its_invariant():
    caught = {
        CACHED: breaks(CACHED),
        KEPT: breaks(KEPT),
        SKIPS: breaks(SKIPS, clearer=Clearer.ANON),
        LEAVES: breaks(LEAVES),
        UNPATCHED: breaks(UNPATCHED),
    }
    assert caught == {CACHED: "I3", KEPT: "I4", SKIPS: "I6", LEAVES: "I2", UNPATCHED: "I1"}


# ---- the invariants, over every state that can be reached ----


def every_state(case, policy):
    """Every reachable state, walked here and not by `explore`; what comes after an oops too."""
    walked = program(case, POLICIES[policy])
    seen, to_visit = {walked.start}, [walked.start]
    while to_visit:
        new = {after for _, after in walked.moves(to_visit.pop())} - seen
        seen |= new
        to_visit += new
    return seen


def finished(state):
    return all(at == END for at in state.at)


@SETTINGS
@given(scenarios, st.sampled_from(SAFE))
def test_i1_no_null_pointer_is_read(case, policy):
    assert not any(state.at[0] == OOPS for state in every_state(case, policy))


@SETTINGS
@given(scenarios, st.sampled_from((UNPATCHED, *SAFE)))
def test_i2_never_two_entries_for_the_page(case, policy):
    assert all(NONE in state.data[:2] for state in every_state(case, policy))


@SETTINGS
@given(scenarios, st.sampled_from((UNPATCHED, *SAFE)))
def test_i3_a_freed_page_is_mapped_nowhere(case, policy):
    for state in every_state(case, policy):
        if state.data.freed and not any(PTL in held for held in state.held):
            assert PRESENT not in state.data[:2]


@SETTINGS
@given(scenarios, st.sampled_from((UNPATCHED, *SAFE)))
def test_i4_who_sleeps_holds_neither_ptl_nor_map(case, policy):
    for state in every_state(case, policy):
        if state.at[0] == "M6":
            assert PTL not in state.held[0]
            assert not (state.data.src_map or state.data.dst_map)


@SETTINGS
@given(scenarios, st.sampled_from(SAFE))
def test_i5_at_the_end_every_lock_is_free_and_everybody_gets_there(case, policy):
    states = every_state(case, policy)
    assert not any(held for state in states if finished(state) for held in state.held)
    seen = explore(program(case, POLICIES[policy]))
    assert not seen.deadlocked and not seen.lost and seen.ends


@SETTINGS
@given(scenarios, st.sampled_from((UNPATCHED, *SAFE)))
def test_i6_success_means_that_the_old_entry_is_none(case, policy):
    assert all(state.data.old == NONE for state in every_state(case, policy) if state.data.returned)


@SETTINGS
@given(
    scenarios.map(lambda case: replace(case, clearer=Clearer.ANON, entry=PRESENT)), st.sampled_from((UNPATCHED, *SAFE))
)
def test_i7_a_page_in_swap_has_exactly_one_entry(case, policy):
    states = [state for state in every_state(case, policy) if finished(state)]
    assert states and all(state.data[:2].count(NONE) == 1 for state in states)
    if case.clearers:
        assert {state.data.new for state in states} == {SWAP}


@SETTINGS
@given(scenarios.map(lambda case: replace(case, clearers=0, mapped_mib=0)), st.sampled_from((UNPATCHED, *SAFE)))
def test_i8_with_nobody_else_the_entry_arrives_as_it_was(case, policy):
    (end,) = [state for state in every_state(case, policy) if finished(state)]
    assert end.data[:2] == (NONE, case.entry)


# ---- the same code another way: plain generators, every schedule run from scratch ----


def locked(shared, name):
    """Wait for the page-table lock: a generator that yields until it is ours."""
    while shared["ptl"]:
        yield "waits"
    shared["ptl"] = name


def mover(shared, skips, own):
    yield from locked(shared, "M")
    yield ""
    if shared["old"] is None:
        shared["ptl"] = ""
        return
    shared["ptl"] = ""
    yield ""  # the allocation
    if own:
        yield from locked(shared, "M")
        clear(shared, own)
        shared["ptl"] = ""
        yield ""
    yield from locked(shared, "M")
    pte = shared["old"]
    if pte is None and skips:
        shared["ptl"] = ""
        return
    shared["new"] = pte + ""  # a TypeError for None: the null dereference
    shared["old"] = None
    yield ""
    shared["ptl"] = ""


def clear(shared, left):
    for name in ("old", "new"):
        if shared[name] == "page":
            shared[name] = None if left == "nothing" else "swap"


def clears(shared, left, name):
    yield from locked(shared, name)
    yield ""
    clear(shared, left)
    yield ""
    shared["ptl"] = ""


def outcomes(skips, left, clearers, own):
    """What every schedule of the plain code ends with: the two entries, or "crash"."""
    results, to_try = set(), [()]
    while to_try:
        path = to_try.pop()
        shared = {"ptl": "", "old": "page", "new": None}
        threads = {"M": mover(shared, skips, left if own else "")}
        threads |= {name: clears(shared, left, name) for name in "CD"[:clearers]}
        result, turns = None, list(path)
        for name in turns:
            try:
                if next(threads[name]) == "waits":
                    result = "spun"  # the same state again: another schedule goes on from there
            except StopIteration:
                del threads[name]
            except TypeError:
                result = "crash"
        if not threads:
            result = (shared["old"], shared["new"])
        if result is None:
            to_try += [(*path, name) for name in threads]
        elif result != "spun":
            results.add(result)
    return results


@pytest.mark.parametrize("policy", [UNPATCHED, PATCHED])
@pytest.mark.parametrize("clearer", [Clearer.FILE, Clearer.ANON])
@pytest.mark.parametrize(("clearers", "own"), [(0, False), (1, False), (2, False), (0, True), (1, True)])
def test_every_schedule_of_the_plain_code_ends_as_the_explorer_says(policy, clearer, clearers, own):
    machine = replace(PRESETS["32 MB" if own else "8 GB"], cpus=4)
    case = Scenario(machine=machine, clearers=clearers, clearer=clearer)
    plain = outcomes(policy == PATCHED, "nothing" if clearer is Clearer.FILE else "swap", clearers, own)
    seen = explored(case, POLICIES[policy])
    words = {None: NONE, "page": PRESENT, "swap": SWAP}
    assert ("crash" in plain) == ("I1" in seen.first)
    assert {tuple(words[e] for e in r) for r in plain - {"crash"}} == {state.data[:2] for state in seen.ends}


# ---- does the request reach swap_out? ----


def naive_reach(machine, ratio, mapped_mib):
    """The same question page by page, for the first pass: mapped pages, then clean ones, within two budgets."""
    lists = machine.pages // 4
    mapped = min(mapped_mib * MIB // machine.page, lists // 2)
    budget, tolerated, need = lists // ratio, 100 * 32, 32
    for position in range(lists):
        if not need:
            return False
        if not budget:
            return True
        budget -= 1
        if position < mapped:
            tolerated -= 1
            if tolerated < 0:
                return True
        else:
            need -= 1
    return True


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("mapped_mib", CONTROLS[3].stops)
def test_the_engine_and_a_page_by_page_walk_agree_on_swap_out(name, mapped_mib):
    for ratio in CONTROLS[1].stops:
        asked = request(PRESETS[name], ratio, mapped_mib)
        assert (asked.swap_outs > 0) == naive_reach(PRESETS[name], ratio, mapped_mib), ratio
        assert asked.freed == 32


def test_the_map_is_that_of_the_text():
    cells = over_machines(POLICIES[UNPATCHED])
    crash = {where for where, run in cells.items() if run.numbers["what can happen"] != "nothing bad"}
    crashes = {"32 MB": (2, 3, 6, 10, 20, 60), "256 MB": (6, 10, 20, 60), "1 GB": (60,), "2 GB": (60,)}
    assert crash == {(name, ratio) for name, ratios in crashes.items() for ratio in ratios}
    safe = over_machines(POLICIES[PATCHED])
    assert {run.numbers["what can happen"] for run in safe.values()} == {"nothing bad"}


def test_more_mapped_pages_than_are_tolerated_reach_swap_out_whatever_the_ratio():
    reached = {name: request(PRESETS[name], 1, 16).swap_outs > 0 for name in PRESETS}
    assert {name for name, yes in reached.items() if not yes} == {"32 MB", "64-bit 64 GB"}  # fewer pages in front


@SETTINGS
@given(scenarios, st.sampled_from(SAFE))
def test_at_the_end_no_atomic_map_is_held(case, policy):
    for state in every_state(case, policy):
        if finished(state):
            assert not (state.data.src_map or state.data.dst_map)


# ---- CPUs, the hang, the schedule that is shown ----


def test_on_one_cpu_the_threads_change_only_where_m_sleeps():
    case = Scenario(machine=PRESETS["1 GB"])
    assert case.machine.cpus == 1 and not case.own_reclaim
    events = simulate(case, POLICIES[UNPATCHED]).events
    assert [e.thread for e in events] == ["M"] * 6 + ["C"] * 3 + ["M"] * 4
    assert found(case, POLICIES[UNPATCHED]).states < found(Scenario(), POLICIES[UNPATCHED]).states


def test_after_the_oops_the_next_thread_that_wants_ptl_hangs():
    seen = explore(program(Scenario(clearers=2), POLICIES[UNPATCHED]))
    assert {"lock kept", "deadlock"} <= seen.first.keys()
    last = seen.first["deadlock"][-1]
    assert (last.wants, last.owner) == (PTL, "M")


@SETTINGS
@given(scenarios, st.sampled_from(list(POLICIES)))
def test_the_shown_schedule_leads_where_the_numbers_say(case, policy):
    run = simulate(case, POLICIES[policy])
    states = states_of(run)
    assert len(states) - 1 == sum(isinstance(e, Stepped) for e in run.events) <= 32
    if run.numbers["what can happen"] == "nothing bad":
        assert finished(states[-1])
    else:
        assert len(states) - 1 == run.numbers["shortest way there (steps)"]


def test_the_picture_draws_the_prediction_and_tells_both_schedules():
    runs = {label: simulate(Scenario(), POLICIES[label]) for label in (UNPATCHED, PATCHED)}
    shown = chapter("mremap_race").draw(runs, 9)
    assert "13 steps" in shown.alt and "M10 read through the pointer" in shown.alt
    assert figure.predicted(9)["words"] == ["your prediction: 9 steps", "you: 9"]


def test_the_map_picture_counts_its_cells():
    maps = figure.reach({label: over_machines(POLICIES[label]) for label in (UNPATCHED, PATCHED)})
    shown = chapter("mremap_race").draw(maps)
    assert shown.finding == "The unpatched kernel crashes in 12 of 70 cells; the patched kernel crashes in none"
    assert "256 MB at 20" in shown.alt


# ---- what the notebook says ----


def test_the_solutions_of_the_exercises_are_right():
    another = replay(program(Scenario(), POLICIES[UNPATCHED]), "M M M M M C M C C M M M M".split())
    assert [e.at for e in another][5:] == ["C1", "M6", "C2", "C3", "M7", "M8", "M9", "M10"]
    assert breaks(UNPATCHED, table_present=True, clearers=2, **TIGHT) == ""
    assert breaks(UNPATCHED, clearer=Clearer.ANON, clearers=2, **TIGHT) == ""
    assert breaks(UNPATCHED, entry=NONE) == ""
    goal = Scenario(machine=PRESETS["1 GB"], vm_cache_scan_ratio=60, clearers=0)
    assert found(goal, POLICIES[UNPATCHED]).breaks == "I1"


def test_the_patch_changes_one_answer_and_one_row():
    assert changed(POLICIES[UNPATCHED], POLICIES[PATCHED]) == (Change("skips_if_gone", False, True),)
    tables = [
        {s.at: (s.says, s.goto) for s in program(policy=POLICIES[key]).threads[0].steps} for key in (UNPATCHED, PATCHED)
    ]
    assert [at for at in tables[0] if tables[0][at] != tables[1][at]] == ["M9"]


# ---- the kernel's own functions ----


def test_truncate_by_the_list_misses_a_page_in_mid_move_with_and_without_the_fix():
    """The page is at its new place, and the new place is not in the file's list yet."""
    for policy in (PATCHED, MAINLINE):
        way = found(Scenario(clearer=Clearer.LISTED), POLICIES[policy])
        assert way.breaks == "I9" and [e.at for e in way.shortest][-5:] == ["M12", "C0", "C1", "C2", "C3"]
    assert breaks(TODAY, clearer=Clearer.LISTED, clearers=2) == ""
    rows = read_cases("mremap_race-whole")
    for kernel in ("2.4.22", "2.4.27"):
        missed = [row["page_after_truncate"] == "still mapped" for row in rows if row["kernel"] == kernel]
        assert (sum(missed), len(missed)) == (6, 33)


def test_a_failing_allocation_crashes_version_1_a_step_earlier_and_leaves_the_entry_with_version_2():
    way = found(Scenario(allocation_fails=True), POLICIES[UNPATCHED])
    assert (way.breaks, len(way.shortest)) == ("I1", 12)
    assert breaks(PATCHED, allocation_fails=True) == ""
    assert ends(PATCHED, allocation_fails=True, clearers=0) == {(PRESENT, NONE)}
    assert ends(PATCHED, allocation_fails=True, clearers=0, table_present=True) == {(NONE, PRESENT)}


def test_the_story_takes_the_steps_of_the_run_and_shows_its_entries():
    for case in figure.STORIES.values():
        for label in (UNPATCHED, PATCHED):
            run = simulate(case, POLICIES[label])
            frames = figure.frames(run)
            assert [frame.key for frame in frames[1:]] == [e.at for e in run.events if isinstance(e, Stepped)]
            for frame, state in zip(frames, states_of(run)):
                assert [box[1] for box in frame.groups["entries"]["rows"][0][1]] == list(state.data[:2])
            assert frames[-1].end == ("good" if label == PATCHED else "bad")
