"""The craft of a patch set: the rows of the facts, the invariants J1 to J7, and difflib as the second way."""

import csv
import difflib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmteach.figures import extraversion as figure
from vmteach.kernel.patchset import byte_order, classify, dir_diff, serials, split_name
from vmteach.kernel.udiff import Conflict, apply_diff, make_diff, reverse
from vmteach.patches.extraversion import (
    BASES,
    PATCHED,
    POLICIES,
    UNPATCHED,
    AlreadyIn,
    Applied,
    Base,
    Patch,
    Rejected,
    Scenario,
    apply,
    apply_one,
    extraversion,
    ordered,
    simulate,
    topics,
)

SETTINGS = settings(max_examples=100, deadline=None, print_blob=True)
ROOT = Path(__file__).parent.parent


def announced():
    with open(ROOT / "data" / "changelog.csv", encoding="utf-8", newline="") as file:
        return [(row["release"], row["patch"]) for row in csv.DictReader(file)]


def listings():
    lines = announced()
    return [[name for release, name in lines if release == f"2.4.23{aa}"] for aa in ("aa1", "aa2")]


def test_the_setting_is_in_the_base_and_the_set_adds_a_use_of_it():
    (patch,) = (patch for patch in topics() if patch.topic == "vm_28-shmem-big-iron")
    assert patch.needs == {"vm_cache_scan_ratio"} and not patch.gives
    assert all("vm_cache_scan_ratio" in base.symbols for base in BASES.values())


def test_claim():
    """-33 and -34 both fit the base; only -34 gives the release its own name."""
    before, after = (simulate(policy=POLICIES[label]).numbers for label in (UNPATCHED, PATCHED))
    assert before["rejected"] == after["rejected"] == 0
    assert (before["version string"], after["version string"]) == ("2.4.23aa1", "2.4.23aa2")


ROWS = [
    pytest.param(["x-1"], ["x-1"], "", {"x": "unchanged"}, id="row1"),
    pytest.param(["00_extraversion-33"], ["00_extraversion-34"], "AB", {"00_extraversion": "superseded"}, id="row2"),
    pytest.param(["00_csum-trail-1"], [], "A", {"00_csum-trail": "dropped"}, id="row3"),
    pytest.param([], ["00_ncpfs-1"], "B", {"00_ncpfs": "new"}, id="row4"),
    pytest.param(
        ["00_nfs-pathconf-2"],
        ["30_14-pathconf-2"],
        "AB",
        {"00_nfs-pathconf": "dropped", "30_14-pathconf": "new"},
        id="row7",
    ),
]


@pytest.mark.parametrize(("a", "b", "sides", "fates"), ROWS)
def test_two_listings_as_the_facts_have_them(a, b, sides, fates):
    assert "".join(line.side for line in dir_diff(a, b)) == sides
    assert classify(a, b) == fates


@pytest.mark.parametrize("row", [pytest.param(5, id="row5")])
def test_the_announcement_is_the_diff_of_two_directories(row):
    a, b = listings()
    lines = [("2.4.23aa1" if line.side == "A" else "2.4.23aa2", line.name) for line in dir_diff(b[::-1], a)]
    swapped = [({"2.4.23aa1": "2.4.23aa2", "2.4.23aa2": "2.4.23aa1"}[release], name) for release, name in lines]
    assert swapped == announced() and len(lines) == 14
    fates = list(classify(a, b).values())
    assert [fates.count(fate) for fate in ("new", "superseded", "dropped")] == [9, 2, 1] and len(b) - len(a) == 8


@pytest.mark.parametrize("row", [pytest.param(8, id="row8")])
def test_byte_order(row):
    names = ["9999900_scsi", "30_20", "00_mremap", "21_pte", "05_vm_28"]
    assert byte_order(names) == ["00_mremap", "05_vm_28", "21_pte", "30_20", "9999900_scsi"]
    assert byte_order(["99_x", "9900_x"]) == ["9900_x", "99_x"]
    assert byte_order(["00_e-9", "00_e-10"]) == ["00_e-10", "00_e-9"]


def missing_needs(base, release):
    """J5: what each patch needs that neither the base nor an earlier patch gives; empty if all is well."""
    have, missing = base.symbols, {}
    for patch in ordered(release):
        if patch.needs - have:
            missing[patch.name] = patch.needs - have
        have |= patch.gives
    return missing


@pytest.mark.parametrize("row", [pytest.param(10, id="row10")])
@pytest.mark.parametrize("prefix", ["00", "21", "9930", "9999900"])
def test_a_fix_before_the_lock_split_does_not_apply(row, prefix):
    early = prefix in ("00", "21")
    missing = missing_needs(BASES["2.4.23"], topics(prefix))
    assert missing == ({f"{prefix}_scsi-deadlock-fix-1": {"split locks"}} if early else {})
    assert simulate(Scenario(scsi_prefix=prefix)).numbers["rejected"] == early


@pytest.mark.parametrize("row", [pytest.param(11, id="row11")])
def test_what_the_base_has_is_reported_and_dropped(row):
    _, events = apply(BASES["2.4.25"], topics())
    assert [event.patch for event in events if isinstance(event, AlreadyIn)] == [
        "00_elf-interp-check-arch-1",
        "00_mremap-1",
        "30_20-nfs-directio-lfs-1",
    ]
    assert [event.patch for event in events if isinstance(event, Rejected)] == ["00_ncpfs-1"]


# ---- J1 to J7 ----

names = st.sets(
    st.builds(
        lambda p, t, s: (f"{p}_{t}", s),
        st.sampled_from(["00", "9900", "99"]),
        st.text("ab-", max_size=2),
        st.integers(0, 99),
    ),
    max_size=12,
).map(lambda pairs: [f"{stem}-{serial}" for stem, serial in dict(sorted(pairs)).items()])


@SETTINGS
@given(names)
def test_j1_a_directory_does_not_differ_from_itself(a):
    assert dir_diff(a, a[::-1]) == []


@SETTINGS
@given(names, names)
def test_j2_only_a_common_and_only_b_are_the_whole_and_disjoint(a, b):
    lines = dir_diff(a, b)
    only = {side: [line.name for line in lines if line.side == side] for side in "AB"}
    assert sorted(only["A"] + only["B"] + [name for name in a if name in b]) == sorted({*a, *b})


@SETTINGS
@given(names)
def test_j3_one_serial_a_topic(a):
    assert len(serials(a)) == len(a)
    for name in a[:1]:
        stem, serial = split_name(name)
        with pytest.raises(ValueError, match="one serial"):
            serials([*a, f"{stem}-{serial + 1}"])


@SETTINGS
@given(names, st.data())
def test_j4_a_higher_serial_supersedes(a, data):
    grown = {stem: serial + data.draw(st.integers(0, 2)) for stem, serial in serials(a).items()}
    fates = classify(a, [f"{stem}-{serial}" for stem, serial in grown.items()])
    for stem, serial in serials(a).items():
        assert (fates[stem] == "superseded") == (grown[stem] > serial)


symbols = st.frozensets(st.sampled_from("pqr"), max_size=2)
sets = st.lists(st.tuples(symbols, symbols), max_size=8).flatmap(
    lambda links: st.permutations(
        [
            Patch(f"{i:02d}", "t", 1, f"f{i}", make_diff(f"f{i}", ("a",), ("b",)), needs, gives)
            for i, (needs, gives) in enumerate(links)
        ]
    )
)
PLAIN = Base({f"f{i}": ("a",) for i in range(8)}, frozenset("p"))


@SETTINGS
@given(sets)
def test_j5_all_fits_exactly_where_every_need_is_given_before(release):
    _, events = apply(PLAIN, release)
    in_order = sorted(release, key=lambda patch: patch.prefix)
    whole = all(patch.needs <= {"p"}.union(*(q.gives for q in in_order[:i])) for i, patch in enumerate(in_order))
    assert all(isinstance(event, Applied) for event in events) == whole == (not missing_needs(PLAIN, release))


@SETTINGS
@given(sets)
def test_j6_list_order_of_a_sorted_release_is_the_order_of_application(release):
    tree, one_by_one = PLAIN, []
    for patch in ordered(release):
        tree, event = apply_one(tree, patch)
        one_by_one.append(event)
    assert apply(PLAIN, release) == (tree, tuple(one_by_one))


@SETTINGS
@given(st.sampled_from(["00", "9930", "9999900"]), st.sampled_from(list(BASES)))
def test_j7_made_again_for_its_base_the_version_string_ends_in_the_release(prefix, base):
    run = simulate(Scenario(base=base, scsi_prefix=prefix), POLICIES["what if: rediffed"])
    assert run.numbers["version string"].endswith("aa2")


# ---- the diff ----

texts = st.lists(st.sampled_from(["a", "b", "-c", "+d", "@@ -1 +1 @@", ""]), max_size=14).map(tuple)


@SETTINGS
@given(texts, texts)
def test_a_diff_applies_as_difflib_says_and_goes_back(old, new):
    diff = make_diff("f", old, new)
    restored = tuple(difflib.restore(difflib.ndiff(old, new), 2))
    assert apply_diff(old, diff) == new == restored
    assert apply_diff(new, reverse(diff)) == old


def test_what_was_made_for_an_empty_file_stands_at_the_top_of_any_other():
    assert apply_diff(("a", "b"), make_diff("f", (), ("new",))) == ("new", "a", "b")


def test_by_hand_one_line_of_the_makefile():
    base = BASES["2.4.23"]
    (patch,) = extraversion("2.4.23", POLICIES[PATCHED])
    assert patch.diff.split("\n")[-2:] == ["-EXTRAVERSION =", "+EXTRAVERSION = aa2"]
    with pytest.raises(Conflict, match="line 3 must be 'SUBLEVEL = 23', got 'SUBLEVEL = 25'"):
        apply_diff(BASES["2.4.25"].files["Makefile"], patch.diff)
    with pytest.raises(Conflict, match="got 'the end'"):
        apply_diff(base.files["Makefile"][:2], patch.diff)
    first, _ = apply_one(base, patch)
    assert apply_one(first, patch) == (first, AlreadyIn("00_extraversion-34"))


def test_the_picture_and_the_solutions():
    panel = figure.scene(simulate(Scenario(base="2.4.25"), POLICIES[PATCHED]))
    assert "8 of 13 patches applied, 3 already in, 2 rejected" in panel.alt
    assert panel.note == "8 more patches are applied, and 3 are already in the base."
    assert len(panel.groups) == 3  # two rejected, and the name
    assert simulate(Scenario(base="2.4.23 with -33"), POLICIES[UNPATCHED]).numbers["already in"] == 1
    assert byte_order(["9930_scsi", "9930_io_request_scale", "9929_scsi"])[0] == "9929_scsi"


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("label", POLICIES)
def test_the_story_has_a_frame_for_each_patch(base, label):
    run = simulate(Scenario(base=base), POLICIES[label])
    _, *frames = figure.frames(run)
    assert [frame.say.split("`")[1] for frame in frames] == [event.patch for event in run.events]
    assert sum("is rejected" in frame.say for frame in frames) == run.numbers["rejected"]
