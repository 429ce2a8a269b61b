"""The flagship: the storm's beginning, the copy, the bill, the announcement's claims, the trace."""

import ast
import re
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import Naive

from vmteach.figures import shm_big_iron as figure
from vmteach.figures import storm
from vmteach.figures.data import LONGEST_TITLE
from vmteach.figures.titles import title
from vmteach.kernel import lowmem
from vmteach.kernel.reclaim import Kind, PageRun, PageState, Reclaim
from vmteach.kernel.reclaim.memory import Decision
from vmteach.kernel.reclaim.watch import watch
from vmteach.kernel.vmstat import calibrated
from vmteach.lab import claims
from vmteach.machine import GIB, KIB, MIB, PRESETS, Machine
from vmteach.patches.shm_big_iron import (
    CONTROLS,
    CONVERT,
    PATCHED,
    POLICIES,
    ROTATION,
    UNPATCHED,
    VISIT,
    Order,
    Scenario,
    StormRun,
    Wants,
    band,
    simulate,
)
from vmteach.tables import table_rows

FIXES_1_2 = "fixes 1 and 2"
COPY, SLOWEST, SWAPPED = "copy speed (MiB/s)", "slowest 20 s of the copy (MiB/s)", "swapped per byte copied"
APPLICATION, LONGEST, WRITTEN = "application (s)", "longest wait (s)", "written to swap (GiB)"
SEARCHED, OOM = "pages searched per page freed", "out of memory"


@cache
def run_of(label: str, **fields) -> StormRun:
    return simulate(Scenario(**fields), POLICIES[label])


def numbers(label: str, **fields) -> dict:
    return run_of(label, **fields).numbers


# ---- the start


def test_the_default_starts_as_the_faults_leave_it():
    """The exact inputs that were tried beside the kernel's own code."""
    setup = Scenario().setup
    shm = PageState(Kind.SHM, dirty=True, referenced=True)
    assert setup.inactive == (PageRun(6_899_278, 213_379, PageState(Kind.FILE)),)
    assert setup.active == (PageRun(0, 4_346_546, shm), PageRun(4_346_546, 2_552_732, shm))
    assert (setup.shm, setup.hot, setup.processes, setup.band) == (6_899_278, 4_346_546, 17, 255)
    assert (setup.free, setup.min, setup.slots, setup.service) == (129_071, 129_071, 8_388_608, 390_625)
    assert tuple(vars(setup.costs).values()) == (50, 25, 25_600, 500, 48_828)


def test_no_process_maps_more_than_its_address_space():
    for name, machine in PRESETS.items():
        scenario = Scenario(machine=machine)
        mapped = scenario.hot * scenario.processes * machine.page  # by 100 processes together
        assert mapped <= 101 * machine.task_size + scenario.hot * machine.page, name
        if machine.word == 64 or scenario.hot * machine.page < 2.7 * GIB:
            assert scenario.processes == 100, name


def test_who_starts_the_io_at_once_converts_nothing_before_the_first_write():
    small, number = Scenario(machine=PRESETS["256 MB"]), "converted before the first write (GiB)"
    assert simulate(small, POLICIES[UNPATCHED]).numbers[number] > 0
    assert simulate(small, POLICIES["fixes 1 and 2"]).numbers[number] == 0


def test_however_large_the_machine_three_processes_map_a_page():
    """With fewer, faults would leave it on the inactive list, and `active` would not be how a run starts."""
    huge = replace(PRESETS["64 GB"], ram=1024 * GIB)
    assert Scenario(machine=huge, unmapped_percent=0).processes == 3


def test_a_conversion_takes_as_long_on_every_machine():
    assert {Scenario(machine=machine).costs.convert for machine in PRESETS.values()} == {CONVERT}
    assert calibrated(figure.trace("swpd")[10:20]) == pytest.approx(CONVERT + VISIT / 8, rel=0.001)


@pytest.mark.parametrize("order", Order)
def test_the_active_list_holds_each_shared_page_once(order):
    scenario = Scenario(machine=PRESETS["1 GB"], order=order)
    ids = [i for run in scenario.active() for i in range(run.first, run.first + run.count)]
    assert sorted(ids) == list(range(scenario.shm))
    assert max(run.count for run in scenario.active()) <= (1_300 if order is Order.STRETCHES else scenario.shm)


def test_kswapd_frees_from_low_to_high_of_the_top_zone():
    assert {name: band(PRESETS[name]) for name in ("32 MB", "256 MB", "16 GB")} == {
        "32 MB": 32,
        "256 MB": 255,
        "16 GB": 255,
    }


# ---- how the storm begins


def first_of(counters, **least):
    """The first snapshot with at least so much of a counter."""
    ((name, amount),) = least.items()
    return next(s for s in counters if getattr(s, name) >= amount)


@pytest.mark.parametrize("machine", ["1 GB", "16 GB", "32 GB"])
def test_all_that_nobody_maps_is_converted_before_the_first_write(machine):
    run = run_of(UNPATCHED, machine=machine, wants=Wants.APPLICATION)
    converted = [s for s in run.counters if s.conversions and not s.writes]
    assert first_of(run.counters, writes=1).conversions == run.scenario.cold
    assert len({s.free for s in converted}) == 1  # nothing becomes free meanwhile
    assert len({s.pagecache + s.swapcache for s in converted}) == 1


def test_the_inactive_list_collapses_to_nothing_and_the_quota_moves_everything():
    """Request by request until a quota is larger than the active list: then the inactive list was empty."""
    scenario = Scenario(machine=PRESETS["256 MB"], wants=Wants.APPLICATION)
    model, quotas = Reclaim(scenario.setup, POLICIES[UNPATCHED]), []
    for _ in range(200):
        model.log.clear()
        model.reclaim()
        quotas += [line for line in model.log if isinstance(line, Decision) and line.rule == "quota"]
    storm = next(line for line in quotas if line.result > line.active)
    assert storm.inactive == 0
    assert storm.result == storm.need * storm.active > 10 * scenario.shm


def test_cold_pages_in_stretches_between_hot_ones_make_no_such_run():
    """The order of the active list is an input: in stretches of 1,000 a fifth is converted before the first write."""
    fields = {"machine": "1 GB", "wants": Wants.APPLICATION, "order": Order.STRETCHES}
    run = run_of(UNPATCHED, **fields)
    share = run.numbers["converted before the first write (GiB)"] * GIB / (run.scenario.cold * 4 * KIB)
    assert 0.1 < share < 0.4


def test_with_anonymous_pages_on_the_lists_the_storm_is_small():
    """vm_anon_lru = 1, roughly: what the application has taken stands on the inactive list. Direction only."""
    scenario = Scenario(machine=PRESETS["16 GB"], wants=Wants.APPLICATION)
    anonymous = PageRun(scenario.lists, scenario.application_pages, PageState(Kind.ANON, pinned=True))
    setup = replace(scenario.setup, inactive=(*scenario.setup.inactive, anonymous))
    model = Reclaim(setup, POLICIES[UNPATCHED]).demand(scenario.application_pages, 33_898)
    assert model.before_write["conversions"] < scenario.cold / 50


# ---- the copy


def test_fix_3_lets_the_copy_run_at_the_disk_s_speed_and_without_it_each_byte_is_swapped():
    """The claim of the chapter."""
    before, two, after = (numbers(label) for label in (UNPATCHED, FIXES_1_2, PATCHED))
    assert (after[COPY], after[SWAPPED], after[LONGEST]) == (78.8, 0.0, 0.34)
    assert (two[COPY], two[SWAPPED], two[SLOWEST]) == (9.3, 1.02, 0.7)
    assert (before[COPY], before[SWAPPED], before[LONGEST]) == (9.1, 0.96, 3.97)


@pytest.mark.parametrize(
    ("swap", "speeds"), [(10, (9.1, 9.3, 78.8)), (25, (18.5, 20.7, 78.8)), (60, (30.7, 37.0, 78.8))]
)
def test_how_much_slower_depends_on_the_swap_disk(swap, speeds):
    assert tuple(numbers(label, swap=swap)[COPY] for label in (UNPATCHED, FIXES_1_2, PATCHED)) == speeds


@pytest.mark.parametrize("machine", ["1 GB", "8 GB", "32 GB"])
def test_the_copy_storms_below_5_percent_file_pages_on_every_machine(machine):
    def swapped(share):
        return numbers(FIXES_1_2, machine=machine, file_percent=share)[SWAPPED]

    assert swapped(3) > 0.9
    assert swapped(5) == swapped(6) == swapped(40) == 0


def test_the_laptop_shows_the_knob():
    """256 MB: raising vm_cache_scan_ratio searches less and swaps more, as the announcement advises."""
    runs = [numbers(PATCHED, machine="256 MB", vm_cache_scan_ratio=ratio) for ratio in (6, 20, 60)]
    assert [n[SWAPPED] for n in runs] == [0.0, 0.55, 0.8]
    assert [n[SEARCHED] for n in runs] == [7.5, 2.5, 2.3]


@pytest.mark.parametrize(("shared", "written"), [(90, (9.04, 4.97, 4.56)), (60, (6.02, 3.31, 3.04))])
def test_raising_the_ratio_swaps_less_in_the_application_s_storm(shared, written):
    """At 60 and 90 % shared memory a copy never swaps; for the application the knob works the other way round."""
    share = 100 - shared
    for ratio, gib in zip((1, 6, 60), written):
        copy = numbers(PATCHED, file_percent=share, vm_cache_scan_ratio=ratio)
        storm = numbers(PATCHED, file_percent=share, vm_cache_scan_ratio=ratio, wants=Wants.APPLICATION)
        assert (copy[SWAPPED], storm[WRITTEN]) == (0, pytest.approx(gib, abs=0.2))


def test_on_the_laptop_it_turns_round_between_20_and_60():
    longest = [
        numbers(PATCHED, machine="256 MB", file_percent=10, vm_cache_scan_ratio=ratio, wants=Wants.APPLICATION)[LONGEST]
        for ratio in (1, 6, 20, 60)
    ]
    assert longest[0] > longest[1] > longest[2] < longest[3]


# ---- the bill


def test_the_patch_moves_the_bill_to_whoever_wants_anonymous_memory_next():
    fields = {"machine": "16 GB", "wants": Wants.BACKUP_FIRST}
    before, after = (run_of(label, **fields) for label in (UNPATCHED, PATCHED))
    assert [round(phase.took) for phase in before.phases] == [224, 20]
    assert [round(phase.took) for phase in after.phases] == [26, 278]


def test_after_a_storm_a_copy_is_slower_with_fix_3():
    before, after = (numbers(label, wants=Wants.APPLICATION_FIRST)[COPY] for label in (UNPATCHED, PATCHED))
    assert before == 79.9 > 1.1 * after


def test_rotation_at_completion_ends_the_storm():
    scenario = Scenario("16 GB", wants=Wants.APPLICATION)
    rotated, plain = simulate(scenario, ROTATION).numbers, numbers(UNPATCHED, machine="16 GB", wants=Wants.APPLICATION)
    assert rotated[LONGEST] == pytest.approx(4, abs=0.1)
    assert rotated[WRITTEN] < 0.05 * plain[WRITTEN]


# ---- whatever the scenario


SCENARIOS = st.builds(
    Scenario,
    st.sampled_from([m for m in PRESETS.values() if m.ram <= 2 * GIB]),
    st.sampled_from([1, 2, 6, 20, 60]),
    st.sampled_from(Wants),
    st.integers(1, 60),
    st.integers(0, 100),
    order=st.sampled_from(Order),
)


@settings(max_examples=20, deadline=None)
@given(scenario=SCENARIOS, policy=st.sampled_from(list(POLICIES)))
def test_memory_is_conserved(scenario, policy):
    """Free, cached and taken pages are all the pages there are, at every second; and the pictures are whole."""
    machine, wants = scenario.machine, scenario.wants
    run = simulate(scenario, POLICIES[policy])
    whole = scenario.lists + scenario.reserve
    assert all(s.free + s.pagecache + s.swapcache + s.taken == whole for s in run.counters)
    assert all(s.slots_used <= machine.swap // machine.page for s in run.counters)
    assert run.oom is None or run.numbers[OOM] != "no"
    if run.oom is None and run.end < 3_600:
        last = run.counters[-1]
        assert (last.copied, last.taken) == (
            scenario.copy_pages * (wants is not Wants.APPLICATION),
            scenario.application_pages * (wants is not Wants.BACKUP),
        )
    figure.scene(run)


def test_the_frame_is_vmstat_and_ends_when_the_run_ends():
    for name in ("32 MB", "1 GB"):
        run = run_of(UNPATCHED, machine=name)
        assert list(run.frame.columns) == "r b swpd free buff cache si so bi bo in cs us sy id wa".split()
        assert len(run.frame) == len(run.events) == -(-run.end // 1)
        assert (run.frame[["us", "sy", "id", "wa"]].sum(axis=1) == 100).all()
        copied = sum(row.bi * (s.second - int(s.second) or 1) for row, s in zip(run.events, run.counters))
        assert copied == pytest.approx(run.scenario.copy_pages * 4, rel=0.01)


def test_out_of_memory_is_said_in_numbers_finding_and_words():
    machine = replace(PRESETS["256 MB"], swap=4 * MIB)
    run = simulate(Scenario(machine=machine, wants=Wants.APPLICATION, application=128 * MIB), POLICIES[PATCHED])
    assert run.oom is not None
    scene = figure.scene(run)
    said = f"after {run.oom:.1f} s"
    assert run.numbers[OOM] == said
    assert "out of memory" in title([(PATCHED, scene.data)])
    assert "out of memory" in scene.alt
    assert scene.end == "bad"


@pytest.mark.parametrize("wants", Wants)
@pytest.mark.parametrize("label", [UNPATCHED, PATCHED])
def test_out_of_memory_before_anything_was_copied_is_said_and_no_word_has_a_unit(wants, label):
    """A ratio that no scan survives: nobody gets a page, and what has no figure has no unit either."""
    run = simulate(Scenario(machine="32 MB", vm_cache_scan_ratio=10**7, wants=wants), POLICIES[label])
    scene = figure.scene(run)
    assert run.oom is not None and len(run.frame) and "out of memory" in scene.alt
    assert "out of memory" in title([(label, scene.data)]) and "out of memory" in str(scene.data["note"])
    assert not re.search(r"(no copy|not there) \w", str(figure.readout(run)))


# ---- the pictures


def stops(**some):
    """Scenarios over some stops of some controls."""
    for values in product(*some.values()):
        yield Scenario(**dict(zip(some, values)))


def test_a_title_has_a_verb_and_90_characters_and_a_scene_one_panel():
    for scenario in stops(machine=("32 MB", "1 GB"), wants=Wants, file_percent=(1, 3, 6), unmapped_percent=(0, 37)):
        panels = [(label, figure.scene(simulate(scenario, POLICIES[label])).data) for label in (UNPATCHED, PATCHED)]
        assert len(title(panels)) <= LONGEST_TITLE
        assert re.search(r" kernels? (cop(y|ies)|stalls?|needs?|runs?|takes?|makes?) ", title(panels)), title(panels)
        assert all(len(panel["numbers"]) <= 4 for _, panel in panels)


def test_a_box_in_the_strip_is_a_request_of_a_second_or_more():
    run = run_of(UNPATCHED)
    boxes = [span for span in figure.spans(run) if span.state == "Z"]
    assert [(span.start, span.end) for span in boxes] == list(run.waits)
    assert len(boxes) == 38
    assert max(span.end - span.start for span in boxes) == pytest.approx(run.numbers[LONGEST], abs=0.01)
    whole = figure.spans(run)
    assert [span.end for span in whole[:-1]] == [span.start for span in whole[1:]]
    assert (whole[0].start, whole[-1].end) == (0, run.end)


def test_a_thinned_line_is_the_line():
    run = run_of(UNPATCHED)
    whole = [(0.0, 0.0), *((s.second, float(s.writes)) for s in run.counters)]
    kept = figure.thinned(whole)
    most = max(y for _, y in whole)
    for (x0, y0), (x1, y1) in zip(kept, kept[1:]):
        for x, y in whole:
            if x0 <= x <= x1:
                assert abs(y0 + (y1 - y0) * (x - x0) / (x1 - x0) - y) <= 0.02 * most
    assert len(kept) < len(whole) / 10


def test_the_debt_is_named_only_where_there_is_one():
    def debt(label, **fields):
        chart, *_ = figure.scene(run_of(label, **fields)).groups
        return chart.get("areas", [])

    assert debt(UNPATCHED)[0][3][0] == "the debt: 3.67 GiB reserved, not written"
    assert not debt(PATCHED)
    assert not debt(PATCHED, wants=Wants.APPLICATION)


def test_the_hook_says_what_the_trace_says():
    alt = figure.hook().alt
    assert "34.3 MiB to 4.6 GiB in second 31" in alt
    assert "For 24 seconds nothing is written" in alt


def test_the_map_says_where_the_cliff_is_and_each_box_sets_the_explorer():
    speeds = {(m, s): 98.0 if s >= 5 else 11.0 for m in ("1 GB", "32 GB") for s in (3, 4, 5, 6)}
    scene = figure.map_of(speeds)
    assert title([("", scene.data)]) == "A copy runs at full speed from 5 % file pages on, whatever the RAM"
    controls = {control.field: control.stops for control in CONTROLS}
    for _, boxes in scene.data["groups"][0]["rows"]:
        for box in boxes:
            assert all(stop in controls[field] for field, stop in box[2].items())


# ---- the stories


class Filmed(Naive):
    """The page-at-a-time model, which keeps its lists after every step."""

    def __init__(self, setup, rules):
        super().__init__(setup, rules)
        self.film = [(self.inactive_ids(), self.active_ids())]

    def spend(self, cost):
        super().spend(cost)
        self.film.append((self.inactive_ids(), self.active_ids()))


@pytest.mark.parametrize("name", figure.STORIES)
@pytest.mark.parametrize("label", [UNPATCHED, PATCHED])
def test_every_frame_is_a_step_of_the_page_at_a_time_model(name, label):
    case = figure.STORIES[name]
    witness = Filmed(case.setup, POLICIES[label])
    for _ in range(case.requests):
        witness.reclaim()
    film = iter(witness.film)
    for frame in figure.frames(case, POLICIES[label]):
        inactive, active = (
            [int(cell[1:]) for cell in frame.groups.get(group, {"cells": ""})["cells"].split()]
            for group in ("inactive", "active")
        )
        assert any(seen == (inactive, active) for seen in film), frame.say  # in this order


def test_the_story_tells_the_collapse_and_the_debt():
    told = figure.story(figure.STORIES["How the storm begins"])
    unpatched, patched = told.tracks.values()
    assert (len(told.steps), len(unpatched), len(patched)) == (39, 38, 25)
    says = [frame.say for frame in unpatched]
    assert "The quota is 2 x 22 / (2 x 0 + 1) = 44: all 22 pages move to the inactive list." in says
    assert [frame.note for frame in (unpatched[-1], patched[-1])] == [
        "When the first write began, 12 pages had a slot: the debt.",
        "When the first write began, 1 page had a slot: no debt.",
    ]
    owed = [frame.gauges["slots taken"][0] - frame.gauges["writes begun"][0] for frame in unpatched]
    assert max(owed) == 12
    assert all(frame.gauges["slots taken"] == frame.gauges["writes begun"] for frame in patched)


def test_page_0_is_met_three_times_unpatched_and_its_first_conversion_is_its_write_when_patched():
    case = figure.STORIES["One lap of a page"]

    def about_page_0(label):
        acts = storm.acts(watch(case.setup, POLICIES[label], case.work))
        return [act.rule for act in acts if act.pages[0] == 0 and act.kind != "search"]

    assert about_page_0(UNPATCHED) == ["converted", "swap write", "freed"]
    assert about_page_0(PATCHED) == ["converted, written", "found clean"]


# ---- claims and trace

ROWS = table_rows("claims")
VERDICTS = {
    **dict.fromkeys("C1 C3 C4 C6 C7 C8 C9 C10 C11 C12 C16 C18 C19".split(), claims.REPRODUCED),
    **dict.fromkeys("C13 C15 C17 C25".split(), claims.PARTLY),
    **dict.fromkeys("C23 C24 T1".split(), claims.NOT),
    **dict.fromkeys("C14 C21".split(), "arithmetic: holds"),
    **dict.fromkeys("C22".split(), "arithmetic: holds partly"),
    **dict.fromkeys("C2 C5 C20".split(), "calibrated: holds"),
}


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_claim(row):
    (verdict,) = claims.verdicts([row])
    assert verdict.verdict == VERDICTS[row["id"]], verdict
    assert verdict.verdict == claims.REPRODUCED or verdict.remark


def test_every_claim_has_a_function_of_its_name_and_a_verdict():
    assert [row["check"] for row in ROWS] == list(claims.CHECKS)
    assert [row["id"] for row in ROWS] == sorted(VERDICTS, key=lambda id: (id[0], int(id[1:])))


def test_no_verdict_is_typed_in():
    """Whether the rest of a claim holds is computed: a literal could never come out otherwise."""
    calls = [node for node in ast.walk(ast.parse(Path(claims.__file__).read_text("utf-8"))) if is_found(node)]
    assert len(calls) == len(ROWS)
    assert not [ast.unparse(call) for call in calls if is_false(call.args[1:2])]
    assert not [ast.unparse(call) for call in calls if isinstance(call.args[0], ast.Constant)]


def is_found(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "Found"


def is_false(arguments: list[ast.expr]) -> bool:
    return [ast.unparse(argument) for argument in arguments] == ["False"]


def test_only_what_the_model_gives_is_called_reproduced():
    row = {"id": "X", "claim": "", "unit": "", "low": "1", "high": "2", "compare": "between", "tolerance": "none"}
    model, sums = {**row, "kind": "model"}, {**row, "kind": "arithmetic"}
    assert claims.judge(model, claims.Found(1.5)).verdict == claims.REPRODUCED
    assert claims.judge(model, claims.Found(1.5, whole=False)).verdict == claims.PARTLY
    assert claims.judge(model, claims.Found(2.5)).verdict == claims.PARTLY
    assert claims.judge(model, claims.Found(2.5, whole=False)).verdict == claims.NOT
    assert claims.judge(sums, claims.Found(1.5)).verdict == "arithmetic: holds"


def test_the_page_of_claims_is_what_comes_out():
    page = (Path(__file__).parent.parent / "docs" / "claims.md").read_text(encoding="utf-8")
    assert page == claims.page(), "write it again: python -m vmteach.lab.claims > docs/claims.md"


def test_the_twin_stays_near_the_trace():
    """Rows 1 to 31: swpd within 3.2 % of its range, cache within 3 % from row 5 on; nothing written, free pinned."""
    rows = claims.twin().events
    swpd, cache, free, buff = (figure.trace(name) for name in ("swpd", "cache", "free", "buff"))
    apart = [abs(row.swpd - real) / (max(swpd) - min(swpd)) for row, real in zip(rows, swpd)]
    assert max(apart[:31]) < 0.032 < apart[31] < 0.06
    caches = [abs(row.cache - a - b) / (max(cache) - min(cache)) for row, a, b in zip(rows, cache, buff)]
    assert max(caches[4:31]) < 0.03
    assert {row.so for row in rows[:31]} == {0}
    low, high = PRESETS["16 GB"].free_band
    assert all(low <= kib <= high for kib in (*free, *(row.free for row in rows)))
    assert len({row.free for row in rows[4:]}) == 1


def test_the_twin_writes_first_when_all_slots_of_row_31_are_taken():
    model = Reclaim(claims.trace_setup()).demand(10_000_000, 33_898, horizon=45 * 1_000_000_000)
    first = first_of(model.samples, writes=1)
    assert first.slots_used == figure.trace("swpd")[30] // 4 == model.before_write["slots_used"]
    assert 4 * first.writes == pytest.approx(61_600, rel=0.01)


def test_no_straight_line_meets_rows_21_to_31_within_5_percent():
    assert claims.best_line(figure.trace("swpd")[20:31]) == pytest.approx(6.4, abs=0.05)
    assert claims.best_line([0, 10, 20, 30]) == 0


# ---- the other machines' numbers (facts, sections 1.7, 5.4 and 5.5)


@pytest.mark.parametrize(
    ("name", "kib"),
    [
        ("2 GB", (37_884, 38_904, 39_924)),
        ("4 GB", (103_420, 104_440, 105_460)),
        ("8 GB", (234_492, 235_512, 236_532)),
        ("16 GB", (496_636, 497_656, 498_676)),
    ],
)
def test_normal_s_reserve_against_highmem(name, kib):
    assert tuple(4 * pages for pages in PRESETS[name].watermarks("NORMAL", "HIGHMEM")) == kib


def test_all_of_normal_is_reserved_on_32_gb():
    machine = PRESETS["32 GB"]
    assert 4 * machine.watermarks("NORMAL", "HIGHMEM").min == 1_020_924
    assert machine.watermarks("NORMAL", "HIGHMEM").min > 225_280


@pytest.mark.parametrize(("name", "mib"), [("8 GB", 96), ("16 GB", 192), ("32 GB", 384), ("64 GB", 768)])
def test_mem_map_of_48_bytes_a_page(name, mib):
    assert PRESETS[name].mem_map == mib << 20


@pytest.mark.parametrize(
    ("processes", "design", "total"),
    [
        (100, "2.4 mainline", 402),
        (100, "2.6.0, ptes low", 658),
        (100, "2.6.0, HIGHPTE", 450),
        (200, "2.6.0, ptes low", 1_252),
        (300, "2.6.0, HIGHPTE", 1_286),
        (500, "2.6.0, ptes low", 3_098),
        (500, "2.4-aa, pte-highmem", 10),
    ],
)
def test_lowmem_budget_of_half_a_million_pages(processes, design, total):
    assert lowmem.budget(design, processes, 524_288).total == pytest.approx(total, abs=1)


def test_unknown_machines_and_odd_ones_are_refused():
    with pytest.raises(KeyError):
        PRESETS["48 GB"]
    with pytest.raises(ValueError, match="page must be one of 4096, 8192, 16384, 65536, got 5000"):
        Machine("odd", GIB, page=5000)
    with pytest.raises(ValueError, match="zone must be one of DMA, NORMAL"):
        PRESETS["32 MB"].watermarks("HIGHMEM")
