"""ncpfs: the kernel's own cases, the path of a name, the invariants, and the longest safe name found by search."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmteach import chapter
from vmteach.figures import ncpfs as figure
from vmteach.machine import PRESETS
from vmteach.patches.ncpfs import (
    FRAMES,
    MAINLINE,
    NAME_MAX,
    PATCHED,
    PATH_MAX,
    POLICIES,
    SAVED,
    SHRINKS,
    UNPATCHED,
    Answered,
    Converted,
    LookedUp,
    Overran,
    Policy,
    Refused,
    Scenario,
    Sent,
    TookArray,
    aligned,
    longest_safe,
    simulate,
)
from vmteach.tables import read_cases

FIXES = (PATCHED, MAINLINE)
TOO_LONG = "ENAMETOOLONG"


def numbers(label: str, *names: int, operation: str = "lookup", **fields) -> dict:
    second = names[1] if len(names) > 1 else 0
    scenario = Scenario(operation=operation, length=names[0], second=second, **fields)
    return simulate(scenario, POLICIES[label]).numbers


scenarios = st.builds(
    Scenario,
    machine=st.sampled_from((PRESETS["256 MB"], PRESETS["64-bit 64 GB"], replace(PRESETS["256 MB"], stack=4096))),
    operation=st.sampled_from(tuple(FRAMES)),
    length=st.integers(1, PATH_MAX - 1) | st.integers(250, 260),
    second=st.integers(0, PATH_MAX - 1) | st.integers(250, 260),
    on_server=st.booleans(),
    extra_depth=st.integers(0, 1500),
    expansion=st.integers(0, 3),
    nls=st.booleans(),
)


# ---- the kernel's own functions ----


def test_the_frames_are_those_that_were_measured():
    """The look-up's own frame, and rename's with what lies above it, are in the table of frames."""
    frames = {
        row["function"]: row["frame_bytes"]
        for row in read_cases("ncpfs-frames")
        if row["kernel"] == "2.4.22" and row["nls"] == "yes"
    }
    assert (frames["ncp_lookup"], frames["ncp_create_new"], frames["ncp_rename"]) == (416, 420, 64)
    assert FRAMES["rename"].acting > sum(frames[name] for name in ("sys_rename", "do_rename", "ncp_rename"))


# ---- the claim ----


def test_claim_a_long_name_overwrites_the_descriptor_and_both_repairs_end_it():
    unpatched, patched, mainline = (numbers(label, 4095, operation="rename") for label in (UNPATCHED, *FIXES))
    assert unpatched["of it in the task descriptor (B)"] == 1440
    assert unpatched["overrun (B)"] == 2 * 4096 + 436 + SAVED - 6752 == 1440 + 496
    assert (unpatched["answer"], unpatched["sent (B)"]) == ("success", "255 255 255 255")
    assert (patched["answer"], patched["overrun (B)"]) == (TOO_LONG, 0)
    assert (mainline["answer"], mainline["overrun (B)"]) == ("ENOENT", 0)


def test_claim_without_a_file_that_answers_for_the_old_name_there_is_no_overrun():
    for length in (256, 3128, 4095):
        run = simulate(Scenario(length=length, on_server=False), POLICIES[UNPATCHED])
        assert (run.numbers["answer"], run.numbers["overrun (B)"]) == ("ENOENT", 0)
        assert run.events[-2:] == (LookedUp(length, found=False), Answered("ENOENT"))


@pytest.mark.parametrize("extra", [0, 500, 1000, 1500])
def test_claim_a_lawful_old_name_with_any_new_one_never_overruns(extra):
    for new in (*range(1, PATH_MAX, 97), 4095):
        assert numbers(UNPATCHED, 255, new, operation="rename", extra_depth=extra)["overrun (B)"] == 0
    used = numbers(UNPATCHED, 255, 4095, operation="rename")["stack used (B)"]
    assert used - SAVED == 4812


def test_the_first_overrun_of_rename_is_at_3128_and_leaves_the_area_at_3848():
    over = {n: numbers(UNPATCHED, n, operation="rename") for n in (3127, 3128, 3847, 3848)}
    assert [n["overrun (B)"] for n in over.values()] == [0, 8, 1440, 1448]
    assert [n["of it in the task descriptor (B)"] for n in over.values()] == [0, 8, 1440, 1440]


# ---- the path of a name ----


def test_every_name_is_looked_up_before_anything_is_done():
    kinds = [type(event).__name__ for event in simulate(Scenario(length=300), POLICIES[UNPATCHED]).events]
    look = ["TookArray", "Converted", "Sent", "LookedUp"]
    assert kinds == [*look, *look, *["TookArray"] * 2, *["Converted"] * 2, *["Sent"] * 2, "Answered"]


@pytest.mark.parametrize("operation", ["create", "mkdir"])
def test_who_makes_a_file_wants_the_name_to_be_free(operation):
    assert numbers(UNPATCHED, 10, operation=operation)["answer"] == "EEXIST"
    assert numbers(UNPATCHED, 10, operation=operation, on_server=False)["answer"] == "success"


@pytest.mark.parametrize("operation", ["lookup", "rmdir", "unlink", "rename"])
def test_the_others_want_it_to_be_there(operation):
    assert numbers(UNPATCHED, 10, operation=operation)["answer"] == "success"
    assert numbers(UNPATCHED, 10, operation=operation, on_server=False)["answer"] == "ENOENT"


def test_mainlines_look_up_says_enoent_of_a_name_that_is_too_long():
    for operation in ("lookup", "rmdir", "unlink", "rename"):
        assert numbers(MAINLINE, 256, operation=operation)["answer"] == "ENOENT"
    for operation in ("create", "mkdir"):
        assert numbers(MAINLINE, 256, operation=operation, on_server=False)["answer"] == TOO_LONG
    assert numbers(MAINLINE, 255, 256, operation="rename")["answer"] == TOO_LONG


def test_a_name_that_grows_does_not_fit_its_own_array():
    answers = {label: numbers(label, 100, expansion=2)["answer"] for label in (UNPATCHED, *FIXES)}
    assert answers == {UNPATCHED: "ENOENT", PATCHED: "ENOENT", MAINLINE: "success"}
    assert numbers(UNPATCHED, 1, expansion=2, operation="create", on_server=False)["answer"] == TOO_LONG


def test_a_name_that_shrinks_passes_mainlines_buffer_beyond_255():
    longest = max(n for n in range(1, 2000) if numbers(MAINLINE, n, expansion=SHRINKS)["answer"] == "success")
    assert longest == 1275 == 5 * NAME_MAX
    assert numbers(PATCHED, 256, expansion=SHRINKS)["answer"] == TOO_LONG


# ---- the invariants ----


@given(scenarios)
def test_i1_with_a_repair_the_stack_has_room(scenario):
    for label in FIXES:
        n = simulate(scenario, POLICIES[label]).numbers
        if SAVED + scenario.extra_depth + 716 + 2 * 256 <= scenario.room:
            assert n["stack used (B)"] <= n["room (B)"] and n["overrun (B)"] == 0


def test_i1_needs_a_stack_of_more_than_4_kib_deep_down():
    """The limit of 255 is a bound only together with the depth: on a small, full stack even two arrays are too many."""
    small = Scenario(replace(PRESETS["256 MB"], stack=4096), length=255, extra_depth=1800)
    assert simulate(small, POLICIES[PATCHED]).numbers["overrun (B)"] == 176


@given(scenarios)
def test_i2_an_accepted_name_has_1_to_255_bytes_unless_it_shrinks(scenario):
    for label in FIXES:
        if simulate(scenario, POLICIES[label]).numbers["answer"] == "success":
            assert all(1 <= scenario.converted(length) <= 255 for length in scenario.lengths)
            if label == PATCHED:
                assert max(scenario.lengths) <= 255


@given(scenarios)
def test_i3_the_length_test_refuses_a_longer_name_before_its_array(scenario):
    events = simulate(scenario, POLICIES[PATCHED]).events
    assert all(event.size <= 256 for event in events if isinstance(event, TookArray))
    if scenario.length > 255:
        assert [type(event) for event in events] == [Refused, Answered]


@given(scenarios, st.sampled_from(list(POLICIES)))
def test_i4_what_is_written_fits_its_array_with_the_end_mark(scenario, label):
    for event in simulate(scenario, POLICIES[label]).events:
        if isinstance(event, Converted):
            assert event.out <= event.buffer - 1
        if isinstance(event, Sent):
            assert event.wire == min(event.out, 255)


@given(scenarios)
def test_the_overrun_is_the_formula(scenario):
    """Saved registers, calls above, frames, and one array at a look-up or all of them when acting."""
    run = simulate(scenario, POLICIES[UNPATCHED])
    word, (looking, acting) = scenario.machine.word // 8, scenario.frames
    took = [aligned(event.size, word) for event in run.events if isinstance(event, TookArray)]
    seen = sum(isinstance(event, LookedUp) for event in run.events)
    deepest = max([looking + size for size in took[:seen]] + ([acting + sum(took[seen:])] if took[seen:] else []))
    used = SAVED + scenario.extra_depth + deepest
    assert run.numbers["overrun (B)"] == max(0, used - (scenario.machine.stack - scenario.task))
    assert run.numbers["stack used (B)"] == used
    over = [event for event in run.events if isinstance(event, Overran)]
    assert sum(over[-1][:] if over else ()) == run.numbers["overrun (B)"]


# ---- a second way to the same number ----


@pytest.mark.parametrize("label", POLICIES)
@pytest.mark.parametrize("operation", ["lookup", "create", "rename"])
@pytest.mark.parametrize(("stack", "extra"), [(4096, 1500), (8192, 0), (8192, 3000), (8192, 6400), (32768, 0)])
def test_the_longest_safe_name_by_search(label, operation, stack, extra):
    machine = replace(PRESETS["256 MB"], stack=stack)
    base = Scenario(machine, operation=operation, extra_depth=extra, on_server=operation != "create")
    first = next(
        (n for n in range(1, PATH_MAX) if simulate(replace(base, length=n), POLICIES[label]).numbers["overrun (B)"]),
        PATH_MAX,
    )
    assert longest_safe(base, POLICIES[label]) == first - 1


def test_of_the_machine_only_the_stack_matters():
    seen = {name: tuple(simulate(Scenario(m), POLICIES[UNPATCHED]).numbers.values()) for name, m in PRESETS.items()}
    assert len({seen[name] for name in PRESETS if PRESETS[name].stack == 8192}) == 1
    assert simulate(Scenario(PRESETS["64-bit 64 GB"]), POLICIES[UNPATCHED]).numbers["overrun (B)"] == 0


def test_a_limit_that_is_not_small_enough():
    """A test of the length helps only if the limit fits the stack: the chapter's second exercise."""
    deep = Scenario(length=2000, extra_depth=3000)
    assert simulate(deep, Policy(longest=2000)).numbers["overrun (B)"] == 752
    assert simulate(deep, Policy(longest=1627)).numbers["answer"] == TOO_LONG
    assert simulate(replace(deep, length=1627), Policy(longest=1627)).numbers["overrun (B)"] == 0


# ---- the story and the map ----


def test_the_story_shows_every_array_where_the_model_laid_it():
    run = simulate(Scenario(), POLICIES[UNPATCHED])
    frames = figure.frames(run)
    shown = [cell[1] for cell in frames[-1].groups["stack"]["cells"] if cell[0] == "O"]
    assert shown == [min(event.low for event in run.events if isinstance(event, TookArray))]
    assert frames[-1].end == "bad" and sum(frame.ask is not None for frame in frames) == 1
    assert figure.frames(simulate(Scenario(), POLICIES[PATCHED]))[-1].end == "good"


def test_the_map_says_the_longest_safe_name():
    assert "is safe up to names of 3,127 B" in chapter("ncpfs").draw(figure.safe_names()).finding
