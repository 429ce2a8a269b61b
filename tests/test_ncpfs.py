"""ncpfs: the table of cases, the invariants, and the longest safe name found by search."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmteach.figures import ncpfs as figure
from vmteach.machine import PRESETS
from vmteach.patches.ncpfs import (
    MAINLINE,
    NAMES,
    PATCHED,
    PATH_MAX,
    POLICIES,
    UNPATCHED,
    Converted,
    Overran,
    Policy,
    Refused,
    Scenario,
    TookArray,
    longest_safe,
    simulate,
)

FIXES = (PATCHED, MAINLINE)
REFUSED = "ENAMETOOLONG"


def numbers(label: str, *names: int, operation: str = "lookup", **fields: int) -> dict:
    second = names[1] if len(names) > 1 else 0
    scenario = Scenario(operation=operation, length=names[0], second=second, **fields)
    return simulate(scenario, POLICIES[label]).numbers


scenarios = st.builds(
    Scenario,
    machine=st.sampled_from((PRESETS["256 MB"], PRESETS["64-bit 64 GB"], replace(PRESETS["256 MB"], stack=4096))),
    operation=st.sampled_from(tuple(NAMES)),
    length=st.integers(1, PATH_MAX - 1) | st.integers(250, 260),
    second=st.integers(0, PATH_MAX - 1) | st.integers(250, 260),
    depth=st.integers(0, 2000),
    expansion=st.integers(1, 3),
)


# ---- the claim ----


def test_before_a_long_name_reaches_the_task_descriptor_after_it_is_refused():
    before, after, mainline = (numbers(label, 4095, operation="rename") for label in (UNPATCHED, *FIXES))
    assert before["of it in the task descriptor (B)"] == 1700
    assert before["overrun (B)"] == 8192 + 1500 - 6492 == 3200
    assert (after["answer"], after["arrays (B)"]) == (REFUSED, 0)
    assert (mainline["answer"], mainline["arrays (B)"], mainline["overrun (B)"]) == (REFUSED, 512, 0)


# ---- the table of cases ----


def test_row1_a_name_of_one_byte():
    assert (numbers(UNPATCHED, 1)["arrays (B)"], numbers(MAINLINE, 1)["arrays (B)"]) == (2, 256)
    assert {numbers(label, 1)["answer"] for label in (UNPATCHED, *FIXES)} == {"goes on"}


def test_row2_a_name_of_255():
    assert {numbers(label, 255)["arrays (B)"] for label in (UNPATCHED, *FIXES)} == {256}
    assert {numbers(label, 255)["answer"] for label in (UNPATCHED, *FIXES)} == {"goes on"}


def test_row3_a_name_of_256():
    assert (numbers(UNPATCHED, 256)["arrays (B)"], numbers(UNPATCHED, 256)["answer"]) == (257, "goes on")
    assert {numbers(label, 256)["answer"] for label in FIXES} == {REFUSED}


def test_row4_a_lookup_of_4095_depends_on_the_depth():
    assert (numbers(UNPATCHED, 4095)["stack used (B)"], numbers(UNPATCHED, 4095)["room (B)"]) == (5596, 6492)
    assert numbers(UNPATCHED, 4095, depth=2396)["overrun (B)"] == 0
    assert numbers(UNPATCHED, 4095, depth=2397)["overrun (B)"] == 1
    assert {numbers(label, 4095)["answer"] for label in FIXES} == {REFUSED}


@pytest.mark.parametrize("depth", [0, 1500, 5980], ids="row5-{}".format)
def test_row5_a_rename_of_4095_at_any_depth(depth):
    assert numbers(UNPATCHED, 4095, operation="rename", depth=depth)["of it in the task descriptor (B)"] == 1700
    assert {numbers(label, 4095, operation="rename", depth=depth)["answer"] for label in FIXES} == {REFUSED}


def test_row6_a_rename_of_255():
    assert {numbers(label, 255, operation="rename")["arrays (B)"] for label in (UNPATCHED, *FIXES)} == {512}
    assert {numbers(label, 255, operation="rename")["answer"] for label in (UNPATCHED, *FIXES)} == {"goes on"}


def test_row7_a_rename_of_255_and_256():
    assert numbers(UNPATCHED, 255, 256, operation="rename")["arrays (B)"] == 513
    assert {numbers(label, 255, 256, operation="rename")["answer"] for label in FIXES} == {REFUSED}


def test_row8_a_rename_of_2495_fills_the_stack_exactly():
    full = numbers(UNPATCHED, 2495, operation="rename")
    assert (full["stack used (B)"], full["overrun (B)"]) == (6492, 0)
    assert numbers(UNPATCHED, 2496, operation="rename")["overrun (B)"] == 2
    assert {numbers(label, 2495, operation="rename")["answer"] for label in FIXES} == {REFUSED}


def test_row11_a_name_that_grows():
    answers = {label: numbers(label, 100, expansion=2)["answer"] for label in (UNPATCHED, *FIXES)}
    assert answers == {UNPATCHED: REFUSED, PATCHED: REFUSED, MAINLINE: "goes on"}


# ---- the invariants ----


@given(scenarios)
def test_i1_after_the_stack_has_room(scenario):
    for label in FIXES:
        n = simulate(scenario, POLICIES[label]).numbers
        if scenario.depth + 512 <= scenario.room:
            assert n["stack used (B)"] <= n["room (B)"] and n["overrun (B)"] == 0


def test_i1_breaks_before():
    assert numbers(UNPATCHED, 4095, operation="rename")["stack used (B)"] > numbers(UNPATCHED, 1)["room (B)"]


def test_i1_needs_a_stack_of_more_than_4_kib_deep_down():
    """The limit of 255 is a bound only together with the depth: on a small, full stack even two arrays are too many."""
    small = Scenario(replace(PRESETS["256 MB"], stack=4096), length=255, depth=2000)
    assert simulate(small, POLICIES[PATCHED]).numbers["overrun (B)"] == 116


@given(scenarios)
def test_i2_an_accepted_name_has_1_to_255_bytes(scenario):
    for label in FIXES:
        if simulate(scenario, POLICIES[label]).numbers["answer"] == "goes on":
            assert all(1 <= length <= 255 for length in scenario.lengths)


@given(scenarios)
def test_i3_a_longer_name_is_refused_before_any_array(scenario):
    events = simulate(scenario, POLICIES[PATCHED]).events
    if max(scenario.lengths) > 255:
        assert [type(event) for event in events] == [Refused]
        assert simulate(scenario, POLICIES[MAINLINE]).numbers["answer"].startswith(REFUSED)


@given(scenarios, st.sampled_from(list(POLICIES)))
def test_i4_what_is_written_fits_its_array_with_the_end_mark(scenario, label):
    for event in simulate(scenario, POLICIES[label]).events:
        if isinstance(event, Converted):
            assert event.out <= event.buffer - 1


@given(scenarios)
def test_the_overrun_is_the_formula(scenario):
    """facts: base + sum of (length + 1) - (stack - task), and the arrays lie one below the other."""
    run = simulate(scenario, POLICIES[UNPATCHED])
    arrays = [event for event in run.events if isinstance(event, TookArray)]
    used = scenario.depth + sum(length + 1 for length in scenario.lengths)
    assert run.numbers["overrun (B)"] == max(0, used - (scenario.machine.stack - scenario.task))
    assert arrays[-1].low == scenario.machine.stack - used
    over = [event for event in run.events if isinstance(event, Overran)]
    assert sum(event.task + event.beyond for event in over) == run.numbers["overrun (B)"]


# ---- a second way to the same number ----


@pytest.mark.parametrize("label", POLICIES)
@pytest.mark.parametrize("operation", ["lookup", "rename"])
@pytest.mark.parametrize(("stack", "depth"), [(4096, 1500), (8192, 1500), (8192, 4000), (8192, 6400), (32768, 1500)])
def test_the_longest_safe_name_by_search(label, operation, stack, depth):
    base = Scenario(replace(PRESETS["256 MB"], stack=stack), operation=operation, depth=depth)
    first = next(
        (n for n in range(1, PATH_MAX) if simulate(replace(base, length=n), POLICIES[label]).numbers["overrun (B)"]),
        PATH_MAX,
    )
    assert longest_safe(base, POLICIES[label]) == first - 1


def test_of_the_machine_only_the_stack_matters():
    seen = {name: tuple(simulate(Scenario(m), POLICIES[UNPATCHED]).numbers.values()) for name, m in PRESETS.items()}
    assert len({seen[name] for name in PRESETS if PRESETS[name].stack == 8192}) == 1
    assert seen["64-bit 64 GB"][3] == 0


def test_a_limit_that_is_not_small_enough():
    """A test of the length helps only if the limit fits the stack: the chapter's second exercise."""
    deep = Scenario(length=2000, depth=3000)
    assert simulate(deep, Policy(longest=2000)).numbers["overrun (B)"] == 510
    assert simulate(deep, Policy(longest=1745)).numbers["answer"] == REFUSED
    assert simulate(replace(deep, length=1745), Policy(longest=1745)).numbers["overrun (B)"] == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"operation": "link"}, "operation must be one of lookup, create, mkdir, rmdir, rename, got link"),
        ({"length": 4096}, "length must be between 1 and 4095 bytes, got 4096"),
        ({"depth": 6493}, "depth must be between 0 and 6492 bytes, got 6493"),
        ({"expansion": 4}, "expansion must be between 1 and 3, got 4"),
    ],
)
def test_an_operation_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Scenario(**wrong)


# ---- the picture ----


def test_the_strips_of_a_kernel_cover_the_area_once():
    for label in POLICIES:
        for length in (1, 255, 2495, 2496, 4095):
            run = simulate(Scenario(length=length), POLICIES[label])
            spans = sorted((s.start, s.end) for s in figure._spans(run, 0) if s.start < s.end)
            assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
            assert (spans[0][0], spans[-1][1]) == (-figure.BELOW * 8192, 8192)


def test_the_map_says_the_example():
    drawn = figure.safe_names()
    assert "safe up to names of 2,495 B" in drawn.finding
    assert drawn.numbers["8 KiB stack"]["1500 B deep: longest name (B)"] == 2495
