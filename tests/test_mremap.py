"""mremap: the facts table by row, the invariants by random search, a dictionary of pages as second way."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from vmteach.figures import mremap as figure
from vmteach.kernel.fuzz import Hit
from vmteach.kernel.fuzz import search as fuzz
from vmteach.kernel.mm import (
    EFAULT,
    EINVAL,
    ENOMEM,
    FIXED,
    MAYMOVE,
    PLENTY,
    AddressSpace,
    Asserted,
    Call,
    Followed,
    Ignored,
    Unmapped,
    Vma,
)
from vmteach.kernel.mmap import do_mmap, do_munmap, vma_merge
from vmteach.kernel.moving import move_page_tables
from vmteach.kernel.sound import INVARIANTS
from vmteach.machine import PRESETS
from vmteach.patches import mremap
from vmteach.patches.mremap import (
    CASES,
    PATCHED,
    POLICIES,
    TODAY,
    UNPATCHED,
    Broke,
    Left,
    Returned,
    Scenario,
    run_call,
    simulate,
)
from vmteach.run import changed, of_kind

P = 4096
A, B, FREE, TASK_SIZE = 0x10000, 0x40000, 0x80000, 0xC000_0000
S, D = Vma(A, A + 4 * P, "rw-"), Vma(B, B + 8 * P, "r--")
FAR = 1000  # mappings below the limit: no limit is in sight
EMPTY = Vma(B, B, "rw-")
MOVED = Vma(B, B + 4 * P, "rw-")
UNMAP, ZERO = "fix of the unmap result", "fix of the zero length"


def search(policy: str) -> dict[str, Hit]:
    return fuzz(mremap.broken_by(POLICIES[policy]))


def asked(call: str, below_limit: int = 0, **more: Any) -> Scenario:
    return Scenario(call=call, below_limit=below_limit, **more)


def outcome(call: str, below_limit: int, policy: str) -> tuple[int, tuple[Vma, ...], str]:
    """What the call returned, the mappings it left, and the invariants it broke."""
    events = simulate(asked(call, below_limit), POLICIES[policy]).events
    (returned,), (left,) = of_kind(events, Returned), of_kind(events, Left)
    return returned.result, left.vmas, ", ".join(e.invariant for e in of_kind(events, Broke))


def vma(start: int, pages: int, prot: str) -> Vma:
    return Vma(start, start + pages * P, prot)


# (row, call, mappings below the limit, before, and after where that differs): M less the mappings that stand
SECOND = TASK_SIZE // 3  # where what may lie anywhere goes
HALVES = (vma(A + P, 3, "rw-"), vma(B, 4, "r--"), vma(B + 4 * P, 1, "rw-"), vma(B + 5 * P, 3, "r--"))
OVERLAP = (vma(A + P, 3, "rw-"), D, vma(B + 4 * P, 1, "rw-"))
ROWS = [
    (1, "move nothing", FAR, (B, (S, EMPTY), "I1"), (EINVAL, (S,), "")),
    (2, "move nothing to the border", FAR, (TASK_SIZE, (S, vma(TASK_SIZE, 0, "rw-")), "I1"), (EINVAL, (S,), "")),
    (3, "move 4 pages as none", FAR, (EFAULT, (), "I3"), (EINVAL, (S,), "")),
    (4, "empty onto itself", FAR, (EINVAL, (S,), ""), None),
    (5, "nothing onto itself", FAR, (A, (S,), ""), None),
    (6, "empty in place", FAR, (A, (), ""), None),
    (7, "shrink", FAR, (A, (vma(A, 1, "rw-"),), ""), None),
    (8, "move", FAR, (B, (MOVED,), ""), None),
    (9, "duplicate", FAR, (SECOND, (S, vma(SECOND, 4, "rw-")), ""), None),
    (10, "move into a mapping", 0, (B + 4 * P, OVERLAP, "I2, I5"), (ENOMEM, (S, D), "")),
    (11, "move into a mapping", 1, (B + 4 * P, HALVES, ""), None),
    (13, "shrink in the middle", 0, (B, (D,), "I4"), (ENOMEM, (D,), "")),
    (15, "cut and move", 0, (FREE, (vma(B + 4 * P, 4, "r--"), vma(FREE, 2, "r--")), "I5"), (ENOMEM, (D,), "")),
    (16, "move out of the middle", 0, (FREE, (D, vma(FREE, 1, "r--")), "I4"), None),
    (18, "shrink and move", 15, (EFAULT, (vma(A, 2, "rw-"),), "I3"), None),
]


@pytest.mark.parametrize(("row", "call", "below_limit", "before", "after"), ROWS, ids=[f"row{row[0]}" for row in ROWS])
def test_facts_table(row, call, below_limit, before, after):
    assert outcome(call, below_limit, UNPATCHED) == before
    assert outcome(call, below_limit, PATCHED) == (after or before)
    assert CASES[call].row in (row, 10)  # row 11 is row 10 with room for one mapping


def test_row3_loses_all_four_pages_of_s_although_it_fails():
    events = simulate(asked("move 4 pages as none", FAR), POLICIES[UNPATCHED]).events
    assert of_kind(events, Broke)[0].what == "EFAULT, and yet 4 pages are gone"


def test_row10_trips_the_assertion_of_2_4_22_and_loses_the_page_it_falls_on():
    run = simulate(asked("move into a mapping", 0), POLICIES[UNPATCHED])
    assert Asserted("insert_vm_struct: the place is taken") in run.events
    assert run.numbers["bytes in two mappings (B)"] == P
    assert [e.what for e in of_kind(run.events, Broke)] == [
        "[0x40000, 0x48000) and [0x44000, 0x45000) overlap",
        "1 page is overwritten and never freed",
    ]


def test_an_extended_neighbour_overlaps_without_any_assertion():
    space = AddressSpace(descriptors=2)
    do_mmap(space, B, 2 * P, "rw-", fill="n")
    do_mmap(space, B + 2 * P, 2 * P, "r--", fill="d")
    space.vmas.append(vma(FREE, 2, "rw-"))
    space.map_count += 1
    events = run_call(space, Call(FREE, P, P, MAYMOVE | FIXED, B + 2 * P), POLICIES[UNPATCHED])
    assert not of_kind(events, Asserted)
    assert [e.invariant for e in of_kind(events, Broke)] == ["I2", "I4"]
    assert space.vmas[:2] == [vma(B, 3, "rw-"), vma(B + 2 * P, 2, "r--")]


def test_row15_leaves_two_orphan_pages_behind_a_mapping_of_two():
    run = simulate(asked("cut and move", 0), POLICIES[UNPATCHED])
    (left,) = of_kind(run.events, Left)
    assert [content for addr, content in left.pages if addr >= FREE] == ["d0", "d1", "d2", "d3"]
    assert run.numbers["orphan pages"] == 2


def test_the_zero_length_mapping_trips_the_tear_down():
    space = asked("move nothing", FAR).space
    run_call(space, asked("move nothing", FAR).arguments, POLICIES[UNPATCHED])
    space.log = []
    do_munmap(space, 0, TASK_SIZE)
    assert Asserted("zap_page_range: an empty range") in space.log


# Row 19 is our own reading of the same source: the target is cleared before anyone looks for the source.


def test_row19_a_move_from_nowhere_destroys_its_target_until_long_after():
    assert outcome("move from nowhere", FAR, UNPATCHED) == (EFAULT, (vma(B + P, 7, "r--"),), "I3")
    assert outcome("move from nowhere", FAR, PATCHED) == outcome("move from nowhere", FAR, UNPATCHED)
    assert outcome("move from nowhere", FAR, TODAY) == (EFAULT, (D,), "")


@pytest.mark.parametrize(("old", "new", "target"), [(0, 4, A), (4, 4, A - P), (4, 4, A + P), (4, 4, A + 3 * P)])
def test_a_target_that_overlaps_the_source_is_refused(old, new, target):
    for policy in POLICIES.values():
        space = asked("move", FAR).space
        assert policy.procedure(space, Call(A, old * P, new * P, MAYMOVE | FIXED, target), policy) == EINVAL
        assert space.vmas == [S]


def test_today_what_is_moved_after_shrinking_is_the_shorter_length():
    events = simulate(asked("shrink and move", FAR), POLICIES[TODAY]).events
    unmapped = [(e.start, e.end) for e in events if isinstance(e, Unmapped)]
    assert unmapped == [(B, B + 2 * P), (A + 2 * P, A + 4 * P), (A, A + 2 * P)]


# The two CVEs, the two fixes

CALLS_A = ("move nothing", "move nothing to the border", "move 4 pages as none")
CALLS_B = ("move into a mapping", "shrink in the middle", "cut and move")


def test_the_patch_is_two_fields():
    assert [change.field for change in changed(POLICIES[UNPATCHED], POLICIES[PATCHED])] == [
        "zero_length",
        "unmap_result",
    ]
    assert list(POLICIES) == [UNPATCHED, UNMAP, ZERO, PATCHED, TODAY]


@pytest.mark.parametrize("call", CALLS_A)
def test_claim_cve_2003_0985_is_cured_by_the_zero_length_fix_alone(call):
    assert outcome(call, FAR, UNPATCHED)[2] and outcome(call, FAR, UNMAP)[2]
    assert outcome(call, FAR, ZERO) == outcome(call, FAR, PATCHED)
    assert outcome(call, FAR, PATCHED)[2] == ""


@pytest.mark.parametrize("call", CALLS_B)
def test_claim_cve_2004_0077_is_cured_by_the_unmap_result_alone(call):
    assert outcome(call, 0, UNPATCHED)[2] and outcome(call, 0, ZERO)[2]
    assert outcome(call, 0, UNMAP) == outcome(call, 0, PATCHED) == (ENOMEM, *outcome(call, 0, PATCHED)[1:])
    assert outcome(call, 0, PATCHED)[2] == ""


@pytest.mark.parametrize("call", CALLS_B)
def test_a_missing_descriptor_is_as_good_as_a_full_list(call):
    before, after = (simulate(asked(call, FAR, descriptors=0), POLICIES[p]) for p in (UNPATCHED, PATCHED))
    assert before.numbers["ignored errors"] >= 1
    assert (after.numbers["returned"], after.numbers["broken"]) == ("ENOMEM", "none")


def test_residuals_rows_16_and_18_stay_after_and_are_gone_today():
    assert outcome("move out of the middle", 0, PATCHED)[2] == "I4"
    assert outcome("shrink and move", 15, PATCHED)[2] == "I3"
    assert outcome("move out of the middle", 0, TODAY) == (ENOMEM, (D,), "")
    assert outcome("shrink and move", 15, TODAY) == (B, (vma(B, 2, "rw-"),), "")


def test_today_nothing_is_emptied_and_nothing_is_duplicated():
    calls = ("empty in place", "empty onto itself", "nothing onto itself", "move nothing", "duplicate")
    assert [outcome(call, FAR, TODAY) for call in calls] == [(EINVAL, (S,), "")] * 5


@pytest.mark.parametrize("call", ["move", "move into a mapping"])
def test_today_a_move_needs_six_mappings_below_the_limit(call):
    assert [outcome(call, n, TODAY)[0] == ENOMEM for n in (0, 4, 5, 6, 7)] == [True, True, True, False, False]


# Random address spaces and calls


@st.composite
def situations(draw, descriptors: Iterable[int] = (0, 1, 2, PLENTY, PLENTY)):
    """An address space of up to four mappings, perhaps short of room, and a call that may not fit it."""
    space = AddressSpace()
    for number in range(draw(st.integers(1, 4))):
        place, pages = draw(st.integers(0, 20)), draw(st.integers(1, 8))
        do_mmap(space, place * P, pages * P, draw(st.sampled_from(("rw-", "r--"))), fill=f"{number}.")
    space.limit = space.map_count + draw(st.sampled_from((0, 0, 1, 2, 5, 6, 9)))
    space.descriptors = draw(st.sampled_from(tuple(descriptors)))
    addr, target = draw(st.integers(0, 28)) * P, draw(st.integers(0, 36)) * P
    old, new = draw(st.integers(0, 9 * P)), draw(st.one_of(st.integers(0, 9 * P), st.just(0)))
    flags = draw(st.sampled_from((0, MAYMOVE, FIXED, MAYMOVE | FIXED, MAYMOVE | FIXED, MAYMOVE | FIXED)))
    return space, Call(addr + draw(st.sampled_from((0,) * 9 + (12,))), old, new, flags, target)


ENOUGH = settings(max_examples=300, deadline=None, print_blob=True)
BUDGET = settings(
    max_examples=3000,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


def events_of(situation, policy: str):
    space, call = situation
    return run_call(space.copy(), call, POLICIES[policy])


def breaks(situation, policy: str, *invariants: str) -> bool:
    return any(isinstance(e, Broke) and e.invariant in invariants for e in events_of(situation, policy))


def test_random_search_finds_cve_2003_0985_before_the_patch():
    _, call = find(situations(), lambda s: breaks(s, UNPATCHED, "I1"), settings=BUDGET)
    assert call.new_len == 0 and call.flags == MAYMOVE | FIXED and call.new_addr != call.addr


@pytest.mark.parametrize("invariant", ["I2", "I5"])
def test_random_search_finds_cve_2004_0077_before_the_patch(invariant):
    lengthy = situations().filter(lambda s: s[1].new_len > 0)  # an empty mapping inside another breaks I2 too
    found = find(lengthy, lambda s: breaks(s, UNPATCHED, invariant), settings=BUDGET)
    ignored = {e.result for e in events_of(found, UNPATCHED) if isinstance(e, Ignored)}
    assert ENOMEM in ignored


@pytest.mark.parametrize("policy", [PATCHED, TODAY])
def test_random_search_finds_neither_after(policy):
    with pytest.raises(NoSuchExample):
        find(situations(), lambda s: breaks(s, policy, "I1", "I2", "I5"), settings=BUDGET)


@pytest.mark.parametrize("policy", [PATCHED, TODAY])
@given(situation=situations())
@ENOUGH
def test_i1_i2_and_i5_hold_after_the_patch(policy, situation):
    """Mappings are proper, none overlaps another, every page has its mapping."""
    assert not breaks(situation, policy, "I1", "I2", "I5")


@given(situation=situations())
@ENOUGH
def test_i3_after_the_patch_an_error_has_an_effect_only_after_an_unmapping_that_worked(situation):
    """Rows 18 and 19: something was unmapped, and a later step refused. Nothing else is left of I3."""
    events = events_of(situation, PATCHED)
    if breaks(situation, PATCHED, "I3"):
        assert any(isinstance(e, Unmapped) and e.result == 0 and e.start < e.end for e in events)
        assert not of_kind(events, Ignored)


@given(situation=situations())
@ENOUGH
def test_i4_after_the_patch_success_lacks_its_effect_only_where_the_last_unmapping_failed(situation):
    """Row 16. Nothing else is left of I4."""
    events = events_of(situation, PATCHED)
    masked = Ignored("unmapping the old place", ENOMEM) in events
    assert breaks(situation, PATCHED, "I4") <= masked


@given(situation=situations(descriptors=[PLENTY]))
@ENOUGH
def test_i3_and_i4_hold_today_while_there_is_memory_for_descriptors(situation):
    assert not breaks(situation, TODAY, "I3", "I4")


@pytest.mark.parametrize("policy", [UNPATCHED, PATCHED, TODAY])
@given(situation=situations())
@ENOUGH
def test_descriptors_are_conserved(policy, situation):
    space, call = situation
    total = space.descriptors + space.map_count
    run_call(space, call, POLICIES[policy])
    assert space.descriptors + space.map_count == total and space.descriptors >= 0


def test_today_growing_up_to_a_neighbour_of_equal_rights_joins_it_and_frees_its_descriptor():
    space = AddressSpace(descriptors=10)
    for start, pages in ((A, 2), (A + 3 * P, 2)):
        do_mmap(space, start, pages * P, "rw-")
    assert POLICIES[TODAY].procedure(space, Call(A, 2 * P, 3 * P), POLICIES[TODAY]) == A
    assert (space.vmas, space.map_count, space.descriptors) == ([vma(A, 5, "rw-")], 1, 9)


def test_an_invariant_that_is_never_broken_is_not_tested_by_the_above():
    assert sorted(search(UNPATCHED)) == sorted(INVARIANTS)
    assert sorted(search(PATCHED)) == ["I3", "I4"]
    assert sorted(search(UNMAP)) == ["I1", "I2", "I3", "I4"]  # an empty mapping inside another
    assert sorted(search(ZERO)) == ["I2", "I3", "I4", "I5"]


# The second way: a dictionary of pages, and what the call promises

World = dict[int, tuple[str, str]]


def world(space: AddressSpace) -> World:
    """Each mapped page with its content and its mapping's rights: they name it, as equal neighbours join."""
    return {addr: (v.prot, space.pages.get(addr, "")) for v in space.vmas for addr in range(v.start, v.end, P)}


def promised(pages: World, call: Call, result: int) -> World:
    """What success owes: the target replaced, the tail cut off, the rest carried, the new pages empty."""
    old, new = -(-call.old_len // P) * P, -(-call.new_len // P) * P
    rights = pages.get(call.addr, ("", ""))[0]
    kept = {offset: pages[call.addr + offset] for offset in range(0, min(old, new), P) if call.addr + offset in pages}
    added = dict.fromkeys(range(old, new, P), (rights, ""))
    target = range(result, result + new, P) if call.elsewhere else ()
    gone = {*target, *range(call.addr, call.addr + old, P)}
    there = {result + offset: page for offset, page in (kept | added).items()}
    return {addr: page for addr, page in pages.items() if addr not in gone} | there


@pytest.mark.parametrize("policy", [UNPATCHED, PATCHED, TODAY])
@given(situation=situations())
@settings(ENOUGH, max_examples=600)
def test_a_dictionary_of_pages_agrees_wherever_a_call_succeeds_and_no_error_was_ignored(policy, situation):
    space, call = situation
    start = world(space)
    events = run_call(space, call, POLICIES[policy])
    result = next((e.result for e in events if isinstance(e, Returned)), None)
    assert result is not None or any(isinstance(e, Followed) for e in events), "it returns, or the kernel dies"
    if result is not None and result >= 0 and not of_kind(events, Ignored):
        expected = promised(start, call, result)
        if policy == TODAY and call.fixed and -(-call.old_len // P) == -(-call.new_len // P):
            # several mappings move with the gaps between them: what stood in the target's gaps stays
            holes = {a for a in range(call.addr, call.addr + call.old_len, P) if a not in start}
            shift = call.new_addr - call.addr
            expected |= {a + shift: start[a + shift] for a in holes if a + shift in start}
        assert world(space) == expected


@given(situation=situations(), more=st.lists(st.tuples(st.integers(0, 28), st.integers(1, 8)), max_size=4))
@settings(ENOUGH, max_examples=100)
def test_mmap_and_munmap_agree_with_the_dictionary_too(situation, more):
    space, _ = situation
    space.limit, space.descriptors = FAR, PLENTY
    pages = world(space)
    for number, (place, length) in enumerate(more):
        covered = range(place * P, (place + length) * P, P)
        if number % 2:
            assert do_munmap(space, place * P, length * P) == 0
            pages = {addr: page for addr, page in pages.items() if addr not in covered}
        else:
            assert do_mmap(space, place * P, length * P, "rw-", fill="n") == place * P
            pages |= {addr: ("rw-", f"n{i}") for i, addr in enumerate(covered)}
        assert world(space) == pages
        assert not INVARIANTS["I2"](space, Call(0, 0, 0), 0, space)


# do_munmap and mmap by themselves


@pytest.mark.parametrize(
    ("addr", "length", "below_limit", "result"),
    [
        (B, 0, FAR, EINVAL),
        (B + 1, P, FAR, EINVAL),
        (TASK_SIZE, P, FAR, EINVAL),
        (TASK_SIZE + P, P, FAR, EINVAL),
        (FREE, P, 0, 0),  # nothing is there
        (B + P, P, 0, ENOMEM),  # a hole strictly inside
        (B + P, P, 1, 0),
        (B, P, 0, 0),
        (B + 7 * P, P, 0, 0),
        (B, 8 * P, 0, 0),
        (0, FREE, 0, 0),
    ],
)
def test_do_munmap_results(addr, length, below_limit, result):
    space = asked("cut and move", below_limit).space
    assert do_munmap(space, addr, length) == result
    assert (space.vmas == [D]) == (result != 0 or addr == FREE)


def test_do_munmap_wants_a_descriptor_even_where_it_will_not_use_it():
    assert do_munmap(asked("cut and move", FAR, descriptors=0).space, B, 8 * P) == ENOMEM


def test_the_limit_is_soft_for_mmap_and_for_mremap():
    space = AddressSpace(limit=1)
    assert [do_mmap(space, n * 4 * P, P, "rw-") for n in range(3)] == [0, 4 * P, ENOMEM]
    result = POLICIES[PATCHED].procedure(space, Call(0, P, 2 * P, MAYMOVE | FIXED, FREE), POLICIES[PATCHED])
    assert (result, space.map_count) == (FREE, 2)
    assert POLICIES[PATCHED].procedure(space, Call(FREE, 0, P, MAYMOVE), POLICIES[PATCHED]) == TASK_SIZE // 3
    assert space.map_count == 3  # nobody asked the limit


def test_growing_prefers_the_place_and_moves_only_if_it_may():
    def grow(flags: int, way: str) -> tuple[int, list[Vma]]:
        space = AddressSpace()
        do_mmap(space, A, 2 * P, "rw-", fill="s")
        if way == "blocked":
            do_mmap(space, A + 2 * P, P, "r--")
        return POLICIES[PATCHED].procedure(space, Call(A, 2 * P, 3 * P, flags), POLICIES[PATCHED]), space.vmas

    assert grow(0, "free") == (A, [vma(A, 3, "rw-")])
    assert grow(MAYMOVE, "free") == (A, [vma(A, 3, "rw-")])
    assert grow(0, "blocked")[0] == ENOMEM
    place = TASK_SIZE // 3
    assert grow(MAYMOVE, "blocked") == (place, [vma(A + 2 * P, 1, "r--"), vma(place, 3, "rw-")])


# The scenario and its controls


def test_machine_size_decides_lengths_and_the_border_but_not_what_breaks():
    def number(name: str, call: str, machine: str, policy: str = UNPATCHED) -> object:
        return simulate(asked(call, 0, machine=PRESETS[machine]), POLICIES[policy]).numbers[name]

    for call, policy in product(CASES, POLICIES):
        assert len({number("broken", call, machine, policy) for machine in PRESETS}) == 1
    border = [number("returned", "move nothing to the border", machine) for machine in ("1 GB", "64-bit 64 GB")]
    assert border == ["0xc0000000", "0x80000000000"]
    assert number("bytes in two mappings (B)", "move into a mapping", "64-bit 64 GB") == 16384


def test_no_preset_runs_out_of_memory_for_descriptors_before_the_limit():
    name = "descriptors of 65536 mappings (% of lowmem)"
    shares = {key: simulate(Scenario(machine=m)).numbers[name] for key, m in PRESETS.items()}
    assert shares["32 MB"] == 13.28 and shares["16 GB"] == 0.47
    assert max(shares.values()) == shares["32 MB"]


def test_the_story_of_row_10_names_every_step():
    run = simulate(asked("move into a mapping"), POLICIES[UNPATCHED])
    assert tuple(filter(None, map(figure.told, run.events))) == (
        "do_munmap [0x44000, 0x45000): ENOMEM",
        "ENOMEM ignored: clearing the target",
        "do_munmap [0x11000, 0x11000): EINVAL",
        "page-table entries moved from 0x10000 to 0x44000: 1, onto present ones: 1",
        "assertion in insert_vm_struct: the place is taken",
        "[0x44000, 0x45000) entered into the list",
        "do_munmap [0x10000, 0x11000): done",
        "returned 0x44000",
        "I2 broken: [0x40000, 0x48000) and [0x44000, 0x45000) overlap",
        "I5 broken: 1 page is overwritten and never freed",
    )


# What the chapter says in prose


def damage(policy: str, room: int) -> set[str]:
    return {call for call in CASES if outcome(call, room, policy)[2]}


def test_the_map_has_six_calls_for_any_room_and_three_more_for_little_room():
    always = {*CALLS_A, "shrink and move", "cut and move", "move from nowhere"}
    little = {"move into a mapping", "shrink in the middle", "move out of the middle"}
    assert [damage(UNPATCHED, room) for room in (2, 6, FAR)] == [always] * 3
    assert damage(UNPATCHED, 0) == always | little
    left = {"shrink and move", "cut and move", "move from nowhere", "move out of the middle"}
    assert damage(PATCHED, 0) | damage(PATCHED, FAR) == left
    assert [damage(TODAY, room) for room in (0, 1, 6, FAR)] == [set()] * 4


@pytest.mark.parametrize(("needed", "closed"), [(0, False), (1, False), (2, True), (3, True)])
def test_exercise_2_two_free_places_close_row_16(needed, closed):
    def careful(space: AddressSpace, call: Call, policy: mremap.Policy) -> int:
        if space.limit - space.map_count < needed:
            return ENOMEM
        return mremap.do_mremap(space, call, policy)

    policy = replace(POLICIES[PATCHED], procedure=careful)
    broken = {simulate(asked("move out of the middle", room), policy).numbers["broken"] for room in range(8)}
    assert (broken == {"none"}) == closed


def test_exercise_3_an_error_can_take_all_twelve_pages():
    space = asked("move into a mapping", 8).space
    call = Call(0x8000, 56 * P, 8 * P, MAYMOVE | FIXED, B)
    events = run_call(space, call, POLICIES[PATCHED])
    assert Returned(EFAULT) in events and space.pages == {} and space.vmas == []


def test_a_starved_machine_breaks_i4_although_the_list_has_room():
    run = simulate(asked("shrink in the middle", 8, descriptors=0), POLICIES[UNPATCHED])
    assert run.numbers["broken"] == "I4"


def test_random_calls_find_every_invariant_broken_within_a_few_hundred():
    assert max(hit.tries for hit in search(UNPATCHED).values()) < 500


# What the kernel's own functions did


def test_a_length_of_zero_onto_the_first_byte_of_a_mapping_follows_a_pointer_that_nobody_set():
    for target, followed in ((B, True), (B + P, False), (B - P, False)):
        space = asked("move into a mapping").space
        events = run_call(space, Call(A, 0, 0, 3, target), POLICIES[UNPATCHED])
        assert any(isinstance(e, Followed) for e in events) == followed
        assert any(isinstance(e, Returned) for e in events) != followed
        assert Returned(EINVAL) in run_call(asked("move").space, Call(A, 0, 0, 3, target), POLICIES[PATCHED])


def test_of_the_same_rights_the_mapping_that_begins_there_takes_the_empty_one_in():
    space = AddressSpace()
    do_mmap(space, A, P, "r--")
    do_mmap(space, B, P, "r--")
    assert Returned(B) in run_call(space, Call(A, 0, 0, 3, B), POLICIES[UNPATCHED])
    assert space.vmas == [vma(A, 1, "r--"), vma(B, 1, "r--")]


def test_an_empty_mapping_of_the_same_rights_is_extended():
    space = asked("move nothing", FAR).space
    for old, new, left in ((0, 0, [S, EMPTY]), (0, 0, [S, EMPTY]), (1, 2, [vma(A, 4, "rw-"), vma(B, 2, "rw-")])):
        assert Returned(B) in run_call(space, Call(A, old * P, new * P, 3, B), POLICIES[UNPATCHED])
        assert space.vmas == left or old


def test_a_missing_page_table_gives_an_error_and_leaves_the_neighbour_extended():
    for policy in (UNPATCHED, PATCHED):
        space = asked("move", FAR).space
        do_mmap(space, 0x4000_0000, P, "rw-")
        space.page_tables = 0
        events = run_call(space, Call(A, 4 * P, 4 * P, 3, 0x4000_1000), POLICIES[policy])
        assert Returned(ENOMEM) in events
        assert [e.what for e in of_kind(events, Broke)] == ["ENOMEM, and yet the list changed"]
        assert space.vmas == [S, vma(0x4000_0000, 5, "rw-")] and len(space.pages) == 4


def test_a_move_that_fails_halfway_clears_its_target():
    border = 0x40_0000  # where the second page table begins
    space = AddressSpace(page_tables=0)
    do_mmap(space, A, 2 * P, "rw-", fill="s")
    space.pages[border - P] = "old"
    assert not move_page_tables(space, border - P, A, 2 * P)
    assert space.pages == {A: "s0", A + P: "s1"} and space.tables == {0}


def test_at_the_end_of_the_list_a_neighbour_is_extended_past_an_empty_mapping():
    space = AddressSpace(vmas=[vma(A, 1, "r--"), Vma(A + P, A + P, "rw-"), vma(B, 1, "r--")], map_count=3)
    for end, joined in (([], [vma(A, 2, "r--"), Vma(A + P, A + P, "rw-")]), ([vma(B, 1, "r--")], None)):
        space.vmas = [vma(A, 1, "r--"), Vma(A + P, A + P, "rw-"), *end]
        assert vma_merge(space, vma(A + P, 1, "r--")) == (joined is not None)
        assert joined is None or space.vmas == joined


def test_the_orphans_of_cut_and_move_are_not_freed_when_the_process_ends():
    space = asked("cut and move").space
    run_call(space, asked("cut and move").arguments, POLICIES[UNPATCHED])
    assert do_munmap(space, 0, TASK_SIZE) == 0
    assert (space.vmas, space.pages, sorted(space.leaked)) == ([], {}, ["d2", "d3"])


def test_today_a_range_can_stay_mapped_while_its_pages_move():
    space = asked("move", FAR).space
    assert Returned(B) in run_call(space, Call(A, 4 * P, 4 * P, 7, B), POLICIES[TODAY])
    assert space.vmas == [S, MOVED] and min(space.pages) == B
    for policy in (UNPATCHED, PATCHED):
        assert Returned(EINVAL) in run_call(asked("move").space, Call(A, 4 * P, 4 * P, 7, B), POLICIES[policy])


# ---- the story ----


@pytest.mark.parametrize("label", [UNPATCHED, PATCHED])
def test_the_story_shows_the_list_that_the_call_leaves_and_ends_as_it_returns(label):
    for case in figure.STORIES.values():
        run = simulate(case, POLICIES[label])
        last = figure.frames(run)[-1]
        (left,) = of_kind(run.events, Left)
        cells = {cell[1]: cell[3] for cell in last.groups["addresses"]["cells"] if len(cell) > 3 and cell[3]}
        assert cells == dict(left.pages)
        assert last.end == ("bad" if run.numbers["broken"] != "none" else "good")


def test_the_story_of_a_full_list_parts_where_the_error_is_ignored():
    told = figure.story(next(iter(figure.STORIES.values())))
    unpatched, patched = ([frame.say for frame in frames] for frames in told.tracks.values())
    assert unpatched[:2] == patched[:2]
    assert unpatched[2] == "The return value, ENOMEM, is ignored."
    assert patched[2:] == ["`mremap` returns ENOMEM, and nothing has changed."]
