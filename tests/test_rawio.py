"""Half of the pages: the rows of the facts, the invariants, and a plain walk over a list of marks."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmteach import chapter
from vmteach.figures import rawio as figure
from vmteach.machine import KIB, PRESETS
from vmteach.patches.rawio import (
    BAD_FRAME,
    CHUNK,
    CONTROLS,
    PATCHED,
    POLICIES,
    SHORT,
    UNPATCHED,
    WILD,
    Failed,
    Flushed,
    Mapped,
    Pinned,
    Released,
    Scenario,
    Supply,
    map_user_kiobuf,
    pages_wanted,
    simulate,
)
from vmteach.run import Change, changed
from vmteach.tables import read_cases

SETTINGS = settings(max_examples=120, deadline=None, print_blob=True)
P = 4096
FIXED = (PATCHED, SHORT, "what if: strict, EFAULT")


def supplies(got, error="ENOMEM"):
    """A source of pages that gives so many and then the error."""
    answers = iter([""] * got)
    return lambda: next(answers, error)


def chunk(va, length, got, policy, real=False, error="ENOMEM"):
    return map_user_kiobuf(va, length, P, supplies(got, error), POLICIES[policy], real)


def one(events, kind):
    return next((event for event in events if isinstance(event, kind)), None)


def test_claim():
    """A short list is walked to its end before, and never after; what was got is released or used, never forgotten."""
    before, strict, short = (simulate(policy=POLICIES[label]).numbers for label in (UNPATCHED, PATCHED, SHORT))
    assert before["stale pointers walked"] == before["pages wanted"] - before["pages got"] == 64
    assert strict["stale pointers walked"] == short["stale pointers walked"] == 0
    assert strict["pages never released"] == short["pages never released"] == 0


# ---- the rows of the facts: va, length, pages wanted, pages got, bytes under the policy "short" ----

ROWS = [
    pytest.param(0x1000, 0x4000, 4, 4, 16384, id="row1"),
    pytest.param(0x1000, 0x4000, 4, 3, 12288, id="row2"),
    pytest.param(0x1000, 0x4000, 4, 1, 4096, id="row3"),
    pytest.param(0x1200, 0x2000, 3, 1, 3584, id="row7"),
    pytest.param(0x1FFF, 1, 1, 1, 1, id="row8"),
    pytest.param(0x1FF0, 0x20, 2, 1, 16, id="row9"),
]


@pytest.mark.parametrize(("va", "length", "wanted", "got", "covered"), ROWS)
def test_a_chunk_as_the_facts_have_it(va, length, wanted, got, covered):
    assert pages_wanted(va, length, P) == wanted
    real, i386, strict, short = (
        chunk(va, length, got, *how) for how in ((UNPATCHED, True), (UNPATCHED,), (PATCHED, True), (SHORT, True))
    )
    missing = wanted - got
    assert one(i386, Mapped).length == length and one(i386, Mapped).covered == covered
    assert one(i386, Flushed) == Flushed(1, wanted, missing)
    assert (one(real, Failed) == Failed(1, WILD)) == bool(missing)
    assert one(strict, Failed) == (Failed(1, "ENOMEM") if missing else None)
    assert one(strict, Released) == Released(1, got)
    assert one(short, Mapped) == Mapped(1, covered, covered) and not one(short, Failed)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("error", [pytest.param("EFAULT", id="row4"), pytest.param("ENOMEM", id="row5")])
def test_no_page_at_all_is_an_error_under_every_policy(policy, error):
    assert chunk(0x1000, 0x4000, 0, policy, True, error) == (Pinned(1, 4, 0, error), Failed(1, error))


def test_row11_a_tmpfs_of_768_kib_under_a_read_of_1_mib():
    runs = {label: simulate(Scenario(), policy) for label, policy in POLICIES.items()}
    for run in runs.values():
        pins = [e for e in run.events if isinstance(e, Pinned)]
        assert pins == [Pinned(1, 128, 128, ""), Pinned(2, 128, 64, "EFAULT")]
    assert runs[PATCHED].numbers["bytes covered (B)"] == CHUNK and runs[PATCHED].numbers["last chunk"] == "ENOMEM"
    assert runs[SHORT].numbers["bytes covered (B)"] == 768 * KIB and runs[SHORT].numbers["last chunk"] == "success"
    assert runs[UNPATCHED].numbers["bytes recorded (B)"] == 1024 * KIB
    ia64 = Scenario(machine=PRESETS["64-bit 64 GB"])
    assert simulate(ia64, POLICIES[UNPATCHED]).numbers["last chunk"] == WILD
    assert simulate(ia64, POLICIES[UNPATCHED]).numbers["pages never released"] == 16  # of 16 KiB: 256 KiB


# ---- the invariants ----

chunks = st.tuples(st.integers(0, 3 * P), st.integers(1, 8 * P), st.integers(0, 12), st.booleans())


@SETTINGS
@given(chunks, st.sampled_from(FIXED))
def test_i1_no_pointer_beyond_those_got_is_used(case, policy):
    va, length, got, real = case
    flushed = one(chunk(va, length, got, policy, real), Flushed)
    assert flushed is None or (flushed.stale == 0 and flushed.walked <= got)


@SETTINGS
@given(chunks, st.sampled_from(FIXED))
def test_i2_what_is_pinned_is_released(case, policy):
    va, length, got, real = case
    events = chunk(va, length, got, policy, real)
    assert one(events, Pinned).got == sum(e.pages for e in events if isinstance(e, Released))


@SETTINGS
@given(chunks, st.sampled_from(list(POLICIES)))
def test_i3_no_more_is_covered_than_the_pages_hold(case, policy):
    va, length, got, real = case
    events = chunk(va, length, got, policy, real)
    mapped, pinned = one(events, Mapped), one(events, Pinned)
    if mapped:
        held = {byte for byte in range(va, va + length) if byte // P < va // P + pinned.got}
        assert mapped.covered == len(held) <= max(0, pinned.got * P - va % P)


@SETTINGS
@given(chunks, st.sampled_from(FIXED))
def test_i4_a_map_that_succeeds_is_full_or_has_the_length_cut(case, policy):
    va, length, got, real = case
    events = chunk(va, length, got, policy, real)
    mapped, pinned = one(events, Mapped), one(events, Pinned)
    if mapped:
        assert pinned.got == pinned.wanted or mapped.length <= pinned.got * P - va % P


@SETTINGS
@given(chunks)
def test_i5_strict_succeeds_exactly_where_every_page_was_got(case):
    va, length, got, real = case
    events = chunk(va, length, got, PATCHED, real)
    assert bool(one(events, Mapped)) == (one(events, Pinned).got == one(events, Pinned).wanted)


@SETTINGS
@given(chunks)
def test_before_breaks_i1_and_i4_exactly_where_the_list_is_short(case):
    va, length, got, _ = case
    events = chunk(va, length, got, UNPATCHED)
    pinned, mapped = one(events, Pinned), one(events, Mapped)
    is_short = 0 < pinned.got < pinned.wanted
    assert bool(mapped and mapped.length > mapped.covered) == is_short
    assert bool(mapped and one(events, Flushed).stale) == is_short


# ---- the same another way: a list of marks that is reused, walked pointer by pointer ----


def plain(lengths, gots, walks_all):
    """Chunks of a reused list: how often a pointer is used that was not set for its own chunk."""
    marks, stale = ["garbage"] * 16, 0
    for number, (length, got) in enumerate(zip(lengths, gots)):
        wanted = pages_wanted(0, length, P)
        got = min(got, wanted)
        marks[:got] = [number] * got
        stale += sum(mark != number for mark in marks[: wanted if walks_all else got]) if got else 0
    return stale


@SETTINGS
@given(
    st.lists(st.tuples(st.integers(1, 8 * P), st.integers(0, 9)), min_size=1, max_size=5), st.sampled_from([*POLICIES])
)
def test_a_plain_list_of_marks_counts_the_same_stale_pointers(calls, policy):
    if POLICIES[policy].refuses:
        calls = [(length, got) for length, got in calls if got >= pages_wanted(0, length, P)]
    flushed = [one(chunk(0, length, got, policy), Flushed) for length, got in calls]
    expected = plain([c[0] for c in calls], [c[1] for c in calls], POLICIES[policy].walks_all)
    assert sum(f.stale for f in flushed if f) == expected


# ---- memory: machine and ratio, through the engine ----


def got(name, ratio, passes, limit=65536):
    case = Scenario(machine=PRESETS[name], vm_cache_scan_ratio=ratio, vm_passes=passes, limit_kib=limit)
    return simulate(case, POLICIES[SHORT]).numbers["pages got"]


@pytest.mark.parametrize("name", ["32 MB", "256 MB", "1 GB"])
@pytest.mark.parametrize("ratio", CONTROLS[1].stops)
def test_reclaim_gives_up_where_its_passes_end_among_the_pinned_pages(name, ratio):
    machine = PRESETS[name]
    lists, free = machine.pages // 4, machine.pages // 1024
    reaches = 6 * (lists // ratio) >= lists // 2 + 32
    assert got(name, ratio, 6) == (256 if reaches or free >= 256 else free)


def test_with_the_kernels_60_passes_the_ratio_changes_no_page_got():
    for name in ("32 MB", "256 MB"):
        assert {got(name, ratio, 60) for ratio in CONTROLS[1].stops} == {256}


def test_memory_that_ends_is_enomem_and_a_full_tmpfs_is_efault():
    memory, tmpfs = Supply(Scenario(vm_cache_scan_ratio=60, limit_kib=65536)), Supply(Scenario(limit_kib=8))
    assert [memory.get() for _ in range(66)] == [""] * 64 + ["ENOMEM"] * 2
    assert [tmpfs.get() for _ in range(4)] == ["", "", "EFAULT", "EFAULT"]


@pytest.mark.parametrize("policy", POLICIES)
def test_pages_beyond_the_first_short_chunk_are_not_asked_for(policy):
    run = simulate(Scenario(length_kib=16384), POLICIES[policy])
    assert [e.chunk for e in run.events if isinstance(e, Pinned)] == [1, 2]
    full = simulate(Scenario(limit_kib=65536, machine=PRESETS["1 GB"], length_kib=1000), POLICIES[policy])
    assert full.numbers["bytes covered (B)"] == 1000 * KIB and full.numbers["last chunk"] == "success"


def test_each_patch_is_a_few_fields():
    assert changed(POLICIES[UNPATCHED], POLICIES[PATCHED]) == (Change("refuses", False, True),)
    assert [c.field for c in changed(POLICIES[UNPATCHED], POLICIES[SHORT])] == ["walks_all", "cuts_length"]


def test_the_picture_tells_what_was_got_and_walked():
    runs = {label: simulate(policy=policy) for label, policy in POLICIES.items()}
    shown = chapter("rawio").draw(runs, 240)
    assert "192 of 256 pages wanted were got, 256 pointers walked, 64 of them stale" in shown.alt
    assert figure.predicted(192)["at"] == 768 * KIB


def test_the_solutions_of_the_exercises_are_right():
    crash = Scenario(machine=PRESETS["32 MB"], limit_kib=65536, vm_cache_scan_ratio=20)
    numbers = simulate(crash, POLICIES[UNPATCHED]).numbers
    assert (numbers["pages got"], numbers["stale pointers walked"], numbers["last chunk"]) == (8, 120, "success")
    assert simulate(Scenario(limit_kib=512), POLICIES[UNPATCHED]).numbers["stale pointers walked"] == 0
    assert simulate(Scenario(limit_kib=512), POLICIES[UNPATCHED]).numbers["last chunk"] == "EFAULT"


# ---- the kernel's own functions ----


def test_a_range_past_the_end_of_user_space_does_not_succeed():
    top = Scenario(va=0xBFFF_F000, length_kib=64)
    unpatched = simulate(top, POLICIES[UNPATCHED])
    assert (unpatched.numbers["pages got"], unpatched.numbers["stale pointers walked"]) == (1, 15)
    assert unpatched.numbers["bytes recorded (B)"] == 64 * KIB
    assert simulate(top, POLICIES[PATCHED]).numbers["read returns"] == "ENOMEM"
    assert simulate(replace(top, va=0xC000_0000), POLICIES[UNPATCHED]).numbers["read returns"] == "EFAULT"


def test_a_bad_page_frame_releases_all_that_was_got():
    answers = iter(["", "", BAD_FRAME])
    events = map_user_kiobuf(0x1000, 0x4000, P, answers.__next__, POLICIES[UNPATCHED])
    assert events == (Pinned(1, 4, 0, "EFAULT"), Failed(1, "EFAULT"))


def test_nfs_cuts_a_short_list_to_whole_requests_and_may_report_an_error_although_pages_were_got():
    def returned(consumer, limit):
        case = Scenario(consumer=consumer, limit_kib=limit, length_kib=64)
        return simulate(case, POLICIES[UNPATCHED]).numbers["read returns"]

    assert [returned("raw device", limit) for limit in (4, 12)] == ["4,096 B", "12,288 B"]
    assert [returned("O_DIRECT over NFS", limit) for limit in (4, 12)] == ["EFAULT", "8,192 B"]


def test_a_short_list_is_never_an_error_of_the_pinning_call():
    """944 of 944 rows: the answer is 0, and the length stays as it was asked for."""
    rows = [row for row in read_cases("rawio-map") if 0 < row["pages_got"] < row["pages_wanted"]]
    assert rows and {row["answer"] for row in rows} == {0}
    assert all(row["length_recorded_bytes"] == row["length_bytes"] > row["covered_bytes"] for row in rows)


def test_the_story_counts_the_pointers_of_an_earlier_chunk():
    for case in figure.STORIES.values():
        run = simulate(case, POLICIES[UNPATCHED])
        frames = figure.frames(run)
        walked = next(frame for frame in frames if frame.key == "Flushed 2")
        stale = [cell[2] for cell in walked.groups["maplist"]["cells"] if cell[0] == "S"]
        assert stale == [run.numbers["stale pointers walked"]]
        assert frames[-1].end == "bad" and figure.frames(simulate(case, POLICIES[PATCHED]))[-1].end == "good"
