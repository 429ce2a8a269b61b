"""What goes into a model: numbers of numpy, machines by name, enums by text; whatever does not fit is named."""

from dataclasses import fields
from enum import Enum
from fractions import Fraction
from importlib import import_module
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmteach import chapter
from vmteach.exercises import misfit
from vmteach.machine import PRESETS, Machine, Sysctls
from vmteach.patches import STEMS
from vmteach.run import made

CLASSES = [getattr(import_module(f"vmteach.patches.{stem}"), name) for stem in STEMS for name in ("Scenario", "Policy")]
DURATION = np.timedelta64(6, "s")  # numpy counts it among the whole numbers
PATCHES = [import_module(f"vmteach.patches.{stem}") for stem in STEMS]


def default(cls: type) -> Any:
    """A value of a class; a policy may have no default of its own."""
    try:
        return cls()
    except TypeError:
        module = import_module(cls.__module__)
        return module.POLICIES[module.PATCHED]


def of_kind(*kinds: Any) -> list[Any]:
    """Each field of these kinds, as class, name and the value that it has by default."""
    return [
        pytest.param(cls, field.name, getattr(default(cls), field.name), id=f"{cls.__module__[16:]}.{field.name}")
        for cls in (*CLASSES, Sysctls)
        for field in fields(cls)
        if get_type_hints(cls)[field.name] in kinds
    ]


def with_field(cls: type, name: str, value: Any) -> Any:
    known = {field.name: getattr(default(cls), field.name) for field in fields(cls)}
    return cls(**{**known, name: value})


@pytest.mark.parametrize(("cls", "name", "value"), of_kind(int))
def test_equal_whole_numbers_are_one_value_whatever_their_type(cls, name, value):
    for same in (np.int64(value), np.uint64(value), np.float64(value), float(value), Fraction(value)):
        entered = getattr(with_field(cls, name, same), name)
        assert (entered, type(entered)) == (value, int), repr(same)


@pytest.mark.parametrize(("cls", "name", "value"), of_kind(int))
@pytest.mark.parametrize(
    "wrong", [True, np.True_, None, "6", 6.5, np.float64("nan"), float("inf"), 1j, [6], b"6", DURATION]
)
def test_what_is_no_whole_number_is_refused_by_its_field(cls, name, value, wrong):
    with pytest.raises(ValueError, match=f"{name} must be a whole number, got"):
        with_field(cls, name, wrong)


@pytest.mark.parametrize(("cls", "name", "value"), of_kind(bool))
def test_truths_of_numpy_are_truths_and_numbers_are_not(cls, name, value):
    assert getattr(with_field(cls, name, np.bool_(value)), name) is value
    with pytest.raises(ValueError, match=f"{name} must be True or False, got 1"):
        with_field(cls, name, 1)


@pytest.mark.parametrize(("cls", "name", "value"), of_kind(str))
@pytest.mark.parametrize("wrong", [None, 3, b"text"])
def test_what_is_no_text_is_refused_by_its_field(cls, name, value, wrong):
    with pytest.raises(ValueError, match=f"{name} must be "):
        with_field(cls, name, wrong)


@pytest.mark.parametrize("patch", PATCHES, ids=STEMS)
def test_a_machine_may_be_given_by_its_name(patch):
    assert patch.Scenario(machine="16 GB") == patch.Scenario(machine=PRESETS["16 GB"])
    with pytest.raises(ValueError, match=r"machine must be one of 32 MB, 256 MB, .*got 17 GB"):
        patch.Scenario(machine="17 GB")
    for wrong in (16, None, object):
        with pytest.raises(ValueError, match="machine must be a Machine, got"):
            patch.Scenario(machine=wrong)


@pytest.mark.parametrize("patch", PATCHES, ids=STEMS)
def test_a_sweep_over_numpys_numbers_gives_what_pythons_give(patch):
    for ratio in np.arange(1, 61, 19):
        mine, pythons = (patch.Scenario(vm_cache_scan_ratio=one) for one in (ratio, int(ratio)))
        assert dict(patch.simulate(mine).numbers) == dict(patch.simulate(pythons).numbers)


ENUMS = [
    pytest.param(cls, field.name, kind, id=f"{cls.__module__[16:]}.{field.name}")
    for cls in CLASSES
    for field in fields(cls)
    if isinstance(kind := get_type_hints(cls)[field.name], type) and issubclass(kind, Enum)
]


@pytest.mark.parametrize(("cls", "name", "kind"), ENUMS)
def test_an_enum_may_be_given_by_its_text_and_by_no_other(cls, name, kind):
    for member in kind:
        assert made(name, member.value, kind) is member
    with pytest.raises(ValueError, match=rf"{name} must be one of {kind.__name__}\.\w+ \(.*got 'no such text'"):
        with_field(cls, name, "no such text")
    for array in (np.array([]), np.array([kind, kind])):
        with pytest.raises(ValueError, match=rf"{name} must be one of {kind.__name__}\.\w+ "):
            with_field(cls, name, array)


@pytest.mark.parametrize("patch", PATCHES, ids=STEMS)
@pytest.mark.parametrize("wrong", ["patched", None, 3, object, Fraction(1, 2)])
def test_what_is_no_scenario_or_policy_is_refused_by_its_name(patch, wrong):
    with pytest.raises(ValueError, match="scenario must be of the chapter's class Scenario, got"):
        patch.simulate(wrong)
    with pytest.raises(
        ValueError, match=r'policy must be of the chapter.s class \w+: POLICIES\["patched"\], for example'
    ):
        patch.simulate(patch.Scenario(), policy=wrong)


@pytest.mark.parametrize("wrong", [3, "unpatched", {"a": 1}, [None], object()])
def test_draw_says_what_it_takes(wrong):
    with pytest.raises(ValueError, match=r"draw takes runs, such as ch\.runs\(\) gives"):
        chapter("blkdev_eof").draw(wrong)


def test_a_machine_of_ones_own_takes_numpys_numbers():
    machine = Machine("mine", np.int64(1 << 34), cpus=np.int32(8))
    assert (type(machine.ram), machine.pages) == (int, 1 << 22)
    with pytest.raises(ValueError, match="cpus must be a whole number, got '8': leave the quotes out"):
        Machine("mine", 1 << 34, cpus="8")


def test_a_number_that_no_float_can_hold_is_whole_all_the_same():
    assert made("pages", 10**400, int) == 10**400
    with pytest.raises(ValueError, match="share must be a number below 1e308"):
        made("share", 10**400, float)


@pytest.mark.parametrize(
    ("stem", "field", "wrong"),
    [
        ("blkdev_eof", "unit", 0),
        ("blkdev_eof", "direct_unit", -1),
        ("blkdev_eof", "shortens", {"fetch"}),
        ("csum_trail", "bits", 4),
        ("extraversion", "made_for", "2.4.99"),
        ("extraversion", "serial", -1),
        ("mremap", "procedure", "do_mremap"),
        ("ncpfs", "longest", -1),
        ("ncpfs", "buffer", -1),
        ("nfs_directio", "shift_bits", -1),
        ("nfs_directio", "shift_bits", 10**30),
        ("overflow_buffers", "shift", -1),
        ("overflow_buffers", "shift", 10**30),
    ],
)
def test_no_policy_is_simulated_that_is_none(stem, field, wrong):
    policy = import_module(f"vmteach.patches.{stem}").Policy
    with pytest.raises(ValueError, match=f"{field} must be "):
        with_field(policy, field, wrong)


REFUSED = [
    ("blkdev_eof", "sectors", 0, "between 1 and 4294967295, got 0"),
    ("blkdev_eof", "shrunk_to", 2003, "between 1 and 2002 sectors, got 2003"),
    ("blkdev_eof", "block", 3000, "one of 512, 1024, 2048, 4096, got 3000"),
    ("csum_trail", "length", -1, "between 0 and 4096 bytes, got -1"),
    ("csum_trail", "behind", 4096, "between 0 and 4095 bytes, got 4096"),
    ("csum_trail", "neighbour", "?", "one of empty, in use, got ?"),
    ("mremap", "call", "hop", "one of move nothing, .*, got hop"),
    ("mremap", "below_limit", -1, "between 0 and 65536 mappings, got -1"),
    ("mremap", "descriptors", -1, "between 0 and 1048576, got -1"),
    ("ncpfs", "operation", "link", "one of lookup, create, mkdir, rmdir, unlink, rename, got link"),
    ("ncpfs", "length", 4096, "between 1 and 4095 bytes, got 4096"),
    ("ncpfs", "extra_depth", 6753, "between 0 and 6752 bytes, got 6753"),
    ("ncpfs", "expansion", 4, "between 0 and 3, got 4"),
    ("nfs_directio", "offset_mib", -1, "between 0 and .* MiB, got -1"),
    ("nfs_directio", "block_bits", 8, "one of 9, .*, got 8"),
    ("nfs_directio", "length_kib", 33, "a multiple of 32, the largest block, got 33"),
    ("overflow_buffers", "writer", "nobody", "one of file, block device, got nobody"),
    ("overflow_buffers", "free_high", -1, "between 0 and 64 GiB, got -1"),
    ("rawio", "va", 0x1200, r"a multiple of the page \(4096\), got 0x1200"),
    ("scsi_deadlock", "dispatchers", 9, "between 0 and 4, got 9"),
    ("scsi_deadlock", "disks", 0, "between 1 and 4, got 0"),
    ("scsi_deadlock", "can_queue", -1, "between 0 and 256 commands, got -1"),
    ("scsi_deadlock", "commands", -1, "between 0 and 4 a disk, got -1"),
    ("shm_big_iron", "file_percent", 0, "between 1 and 95 % of the lists, got 0"),
    ("shm_big_iron", "unmapped_percent", 101, "between 0 and 100 % of the shared memory, got 101"),
    ("shm_big_iron", "swap", 0, "between 1 and 10000 MiB/s, got 0"),
    ("shm_big_iron", "copy", 0, "between 4096"),
    ("shm_big_iron", "application", -1, "between 4096"),
    *((stem, "vm_cache_scan_ratio", 0, "a whole number from 1 up") for stem in STEMS),
]


@pytest.mark.parametrize(("stem", "field", "wrong", "words"), REFUSED)
def test_a_scenario_that_cannot_be_is_refused_in_words(stem, field, wrong, words):
    with pytest.raises(ValueError, match=f"^{field} must be {words}"):
        import_module(f"vmteach.patches.{stem}").Scenario(**{field: wrong})


def test_a_disk_that_is_not_there_cannot_be_blocked():
    with pytest.raises(ValueError, match="blocked disk must be between 0 and 0, got 1"):
        import_module("vmteach.patches.scsi_deadlock").Scenario(blocked={1})


@given(st.integers(), st.sampled_from([np.int8, np.uint16, np.int32, np.int64]))
def test_narrow_numbers_do_not_wrap(number, kind):
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    number = min(max(number, low), high)
    assert made("pages", kind(number), int) << 40 == number << 40


@pytest.mark.parametrize("wrong", ["01", 0, None, np.array(0)])
def test_many_are_asked_for_as_many(wrong):
    for kind, example in ((tuple[int, ...], r"\(0,\)"), (frozenset[int], r"\{0\}")):
        with pytest.raises(ValueError, match=f"blocked must be a .*such as {example}, got "):
            made("blocked", wrong, kind)


@pytest.mark.parametrize("same", [4093, 4093.0, np.int64(4093), np.float32(4093), Fraction(4093)])
def test_a_check_takes_equal_numbers_for_equal(same):
    assert misfit(same, int) == ""


@pytest.mark.parametrize("wrong", [4093.5, Fraction(1, 3), True, np.True_, "4093", None, float("nan")])
def test_a_check_says_why_it_takes_no_other(wrong):
    assert misfit(wrong, int).startswith("Your function gives ")


def test_a_set_is_a_set_and_what_is_none_is_named_as_one():
    assert made("pages", [3, 3.0], frozenset[int]) == frozenset({3}) and made("pages", {3}, tuple[int, ...]) == (3,)
    with pytest.raises(ValueError, match=r"must be a set, such as .0., got 3"):
        made("pages", 3, frozenset[int])
