"""The byte after the buffer: the rows of the facts, the invariants, and the sum made another way."""

import struct
from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmteach import cases
from vmteach.cases import csum_trail as cases_of_csum_trail
from vmteach.figures import csum_trail as figure
from vmteach.live.csum import touch_every_buffer
from vmteach.machine import PRESETS
from vmteach.patches.csum_trail import (
    IN_USE,
    NEW_CHECKED,
    OLD_CHECKED,
    PATCHED,
    POLICIES,
    ROUTINE_486,
    TODAY,
    UNPATCHED,
    Caught,
    Faulted,
    Scenario,
    csum_partial,
    differing,
    overrun,
    overruns,
    schedule,
    simulate,
)
from vmteach.tables import read_cases

SETTINGS = settings(max_examples=200, deadline=None, print_blob=True)
PAGE = 4096
policies = st.sampled_from(list(POLICIES.values()))


@st.composite
def buffers(draw):
    start = draw(st.integers(0, PAGE - 1) | st.integers(PAGE - 40, PAGE - 1))
    return start, draw(st.integers(1, PAGE - start) | st.integers(max(1, PAGE - start - 3), PAGE - start))


def plain_sum(data: bytes) -> int:
    """The same sum in plain Python: words of 16 bits, then the carries."""
    total = sum(word for (word,) in struct.iter_unpack("<H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_claim():
    """Of all buffers of a page thousands overrun it before, and none after: the patch guards what cannot occur."""
    assert overruns(POLICIES[UNPATCHED])
    assert overruns(POLICIES[PATCHED]) == overruns(POLICIES[NEW_CHECKED]) == overruns(POLICIES[OLD_CHECKED]) == []


ROWS = [
    ("row1", 4092, 4, 0),
    ("row2", 4093, 3, 1),
    ("row3", 4091, 5, 1),
    ("row4", 4089, 7, 1),
    ("row5", 4094, 2, 0),
    ("row7", 4090, 6, 0),
    ("row8", 2637, 1459, 1),
    ("row9a", 4033, 61, 1),
    ("row9b", 4033, 62, 1),
    ("row9c", 4033, 63, 1),
]


@pytest.mark.parametrize(("offset", "length", "before"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_overrun(offset, length, before):
    scenario = Scenario(length=length, behind=PAGE - offset - length)
    assert scenario.offset == offset
    for label, bytes_over in ((UNPATCHED, before), (PATCHED, 0)):
        numbers = simulate(scenario, POLICIES[label]).numbers
        assert overrun(offset, length, POLICIES[label]) == bytes_over
        assert numbers["bytes touched in the next page (B)"] == bytes_over
        assert numbers["oops"] == ("yes" if bytes_over else "no")


@pytest.mark.parametrize("ram_mib", [512], ids=["row11"])
def test_in_low_memory_the_byte_is_masked_away(ram_mib):
    machine = replace(PRESETS["1 GB"], name="row 11", ram=ram_mib << 20)
    before, after = (simulate(Scenario(machine, length=3), POLICIES[label]).numbers for label in (UNPATCHED, PATCHED))
    assert before["bytes touched in the next page (B)"] == 1
    assert before["oops"] == "no"
    assert before["sum"] == after["sum"] == "0x3060"


def test_neighbour_in_use_hides_the_bug():
    assert simulate(Scenario(length=3), POLICIES[UNPATCHED]).events[-1] == Faulted(PAGE)
    assert simulate(Scenario(length=3, neighbour=IN_USE), POLICIES[UNPATCHED]).numbers["oops"] == "no"


@pytest.mark.parametrize("name", PRESETS)
def test_oops_only_where_there_is_high_memory(name):
    highmem = any(zone.name == "HIGHMEM" for zone in PRESETS[name].zones)
    assert (simulate(Scenario(PRESETS[name]), POLICIES[UNPATCHED]).numbers["oops"] == "yes") == highmem


@SETTINGS
@given(buffers(), st.sampled_from((PATCHED, NEW_CHECKED, OLD_CHECKED)))
def test_i1_every_byte_loaded_lies_in_the_page_of_the_buffer(buffer, label):
    for load in schedule(*buffer, POLICIES[label]):
        assert 0 <= load.address < load.address + load.width <= PAGE


@SETTINGS
@given(buffers(), policies, st.integers(0, 2**32 - 1))
def test_i2_every_schedule_gives_the_plain_sum(buffer, policy, seed):
    start, length = buffer
    memory = Random(seed).randbytes(PAGE + 4)
    assert csum_partial(memory, start, length, policy) == plain_sum(memory[start : start + length])


def test_i2_over_all_offsets():
    memory = bytes((i * i + 7 * i) % 251 for i in range(PAGE + 4))
    for start in range(PAGE):
        for length in {n for n in (1, 2, 3, 4, 5, 6, 7, 21) if start + n <= PAGE}:
            sums = {csum_partial(memory, start, length, POLICIES[label]) for label in (UNPATCHED, PATCHED)}
            assert sums == {plain_sum(memory[start : start + length])}, (start, length)


def test_i3_the_patch_can_be_dropped():
    """All buffers of a small page, load by load; and in the full page no buffer is left that the patch would guard."""
    assert differing(POLICIES[PATCHED], POLICIES[NEW_CHECKED], 64) == []
    assert overruns(POLICIES[PATCHED]) == []


def test_i3_is_not_true_of_the_kernel_before():
    """The same check, where the patch is needed, names exactly the buffers that overrun."""
    assert (
        sorted(differing(POLICIES[UNPATCHED], POLICIES[OLD_CHECKED], 64))
        == sorted(overruns(POLICIES[UNPATCHED], 64))
        != []
    )


@SETTINGS
@given(buffers(), st.sampled_from(tuple(PRESETS.values())), st.sampled_from(("empty", IN_USE)))
def test_i3_fixed_with_the_patch_is_fixed_without(buffer, machine, neighbour):
    start, length = buffer
    scenario = Scenario(machine, length=length, behind=machine.page - start - length, neighbour=neighbour)
    with_patch, without = (simulate(scenario, POLICIES[label]) for label in (NEW_CHECKED, PATCHED))
    assert with_patch.events == without.events
    assert with_patch.numbers == without.numbers


def test_i3_over_all_buffers_of_a_page_another_way():
    """All 8.4 million buffers at once, by arithmetic: where the last load of four bytes begins."""
    start = np.arange(PAGE)[:, None]
    end = np.arange(1, PAGE + 1)[None, :]
    for label, first in (
        (UNPATCHED, np.where(start & 2, start + 2, start)),
        (PATCHED, (start + 3) // 4 * 4),
    ):
        rest = (end - first) % 4
        over = (end > start) & (end > first) & (rest > 0) & (end - rest + 4 > PAGE)
        assert over.sum() == len(overruns(POLICIES[label]))


@SETTINGS
@given(buffers(), policies)
def test_every_byte_is_kept_once(buffer, policy):
    start, length = buffer
    kept = [at for load in schedule(start, length, policy) for at in range(load.address, load.address + load.kept)]
    assert kept == list(range(start, start + length))
    ends = [load.address + load.width for load in schedule(start, length, policy)]
    assert overrun(start, length, policy) == max(0, max(ends) - PAGE)


def test_all_ones_and_all_zeros_keep_their_two_zeros():
    """In ones' complement 0xffff is a zero too: no schedule turns one into the other."""
    for policy, start in product(POLICIES.values(), range(4)):
        for data, total in ((bytes(6), 0), (b"\xff" * 6, 0xFFFF)):
            assert csum_partial(bytes(start) + data + b"\xee" * 4, start, 6, policy) == total


def test_the_example_of_rfc_1071():
    """Eight bytes; the sum that the RFC gives, read as the network does, is 0xddf2."""
    data = bytes.fromhex("0001f203f4f5f6f7")
    for start, policy in product(range(4), POLICIES.values()):
        total = csum_partial(bytes(start) + data, start, len(data), policy)
        assert total.to_bytes(2, "little").hex() == "ddf2"


def test_what_each_idea_leaves_open():
    """Bit 0 alone moves the overrun to even starts; a tail of a word and a byte needs no alignment at all."""
    worst = {
        label: max((overrun(*b, policy) for b in overruns(policy)), default=0) for label, policy in POLICIES.items()
    }
    assert worst == {
        UNPATCHED: 1,
        OLD_CHECKED: 0,
        NEW_CHECKED: 0,
        PATCHED: 0,
        "what if: no bit": 3,
        "what if: bit 0": 2,
        ROUTINE_486: 0,
        TODAY: 3,
    }


def test_today_a_fault_is_caught_and_the_sum_is_right():
    run = simulate(Scenario(length=3), POLICIES[TODAY])
    assert Caught(PAGE) in run.events
    assert run.numbers["sum"] == simulate(Scenario(length=3)).numbers["sum"]


def test_bit_0_alone_hits_fewer_buffers_but_even_starts_too():
    before, half = (overruns(POLICIES[label]) for label in (UNPATCHED, "what if: bit 0"))
    assert (len(before), len(half)) == (6141, 4096)
    assert {start % 2 for start, _ in before} == {1}
    assert {start % 2 for start, _ in half} == {0, 1}


# ---- the kernel's own routines, and a real page that is forbidden ----


def test_the_judge_would_notice_another_routine(monkeypatch):
    rows = read_cases("csum_trail-loads")[::20]
    monkeypatch.setitem(cases_of_csum_trail.SIDES, "after", POLICIES[ROUTINE_486])
    assert len(cases.judged("csum_trail-loads", rows, cases.judge_of("csum_trail-loads")).differ) > 1


def test_an_empty_buffer_adds_one_byte_in_the_older_routine():
    """At every offset that leaves 2 or 3 when divided by four; it is a byte of the page, so nothing faults."""
    memory = bytes(range(256)) * 16
    wrong = {label: [s for s in range(PAGE) if csum_partial(memory, s, 0, POLICIES[label])] for label in POLICIES}
    assert {label for label, starts in wrong.items() if starts} == {UNPATCHED, OLD_CHECKED}
    assert wrong[UNPATCHED] == [s for s in range(PAGE) if s & 2]
    assert not any(overrun(s, 0, policy) for s in range(PAGE + 1) for policy in POLICIES.values())
    assert simulate(Scenario(length=0)).numbers["loads"] == 0


@pytest.mark.live
def test_a_real_forbidden_page_is_met_by_the_buffers_of_the_model_and_no_others():
    answer = touch_every_buffer(120)
    if not answer.ran:
        pytest.skip(answer.why)
    assert [(row.buffers, row.faults, row.as_model) for row in answer.rows] == [(12285, 6141, True), (12285, 0, True)]
    assert min(row.loads for row in answer.rows) > 6_000_000


@settings(SETTINGS, max_examples=50)
@given(buffers(), policies)
def test_the_picture_and_the_story_touch_what_the_run_touches(buffer, policy):
    start, length = buffer
    run = simulate(Scenario(length=length, behind=PAGE - start - length), policy)
    (row,) = figure.scene(run).groups
    beyond = [cell for cell in row["cells"] if cell[1] >= PAGE and cell[0] != "N"]
    assert len(beyond) == run.numbers["bytes touched in the next page (B)"]
    *_, last = figure.frames(run)
    assert (last.end == "bad") == (run.numbers["oops"] == "yes")
    assert last.groups["bytes"]["cells"] == row["cells"]
