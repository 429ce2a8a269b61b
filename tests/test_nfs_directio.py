"""nfs_directio: the table of cases, the laws, and the arithmetic done a second way."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmteach.figures import nfs_directio as figure
from vmteach.machine import MIB, PRESETS
from vmteach.patches.nfs_directio import (
    CHUNK,
    PATCHED,
    POLICIES,
    REFUSES,
    TODAY,
    UNPATCHED,
    Client,
    Refused,
    Scenario,
    Sent,
    SparseFile,
    chunks,
    right_below,
    simulate,
    units,
    wire_offset,
)

GIB, TIB = 1 << 30, 1 << 40
SMALL, LARGE = PRESETS["2 GB"], PRESETS["64-bit 64 GB"]

bits = st.integers(9, 15)
words = st.sampled_from((32, 64))


def near(*borders: int) -> st.SearchStrategy[int]:
    """Numbers around a border: chance alone seldom comes there."""
    return st.builds(lambda border, more: max(0, border + more), st.sampled_from(borders), st.integers(-3, 3))


blocks = st.integers(0, (1 << 40) - 1) | near(1 << 17, 1 << 20, 1 << 23, 1 << 32, 3 << 32)
offsets_mib = st.integers(0, 1 << 20) | near(1 << 12, 3 << 12, *(1 << 12 + b for b in range(9, 16)))


def numbers(label: str, **fields: object) -> dict:
    return simulate(Scenario(**fields), POLICIES[label]).numbers


# ---- the claim ----


def test_before_a_direct_read_beyond_4_gib_brings_a_page_from_4_gib_lower():
    client = Client(Scenario(), POLICIES[UNPATCHED], SparseFile())
    assert client.direct_read(4 * GIB + 8192, 4096) == list(units(8192, 4096))
    assert Client(Scenario(), POLICIES[PATCHED], SparseFile()).direct_read(4 * GIB + 8192, 4096) == list(
        units(4 * GIB + 8192, 4096)
    )


def test_before_a_direct_write_overwrites_the_start_of_the_file():
    file = SparseFile()
    Client(Scenario(), POLICIES[UNPATCHED], file).direct_write(4 * GIB, [-1] * 8)
    assert sorted(file.changed) == list(range(8))


def test_before_a_direct_read_after_a_direct_write_hides_it_and_a_cached_read_does_not():
    file = SparseFile()
    client = Client(Scenario(), POLICIES[UNPATCHED], file)
    client.direct_write(5 * GIB, [-1] * 8)
    assert client.direct_read(5 * GIB, 4096) == [-1] * 8
    assert client.cached_read(5 * GIB, 4096) == list(units(5 * GIB, 4096))


def test_a_read_beyond_8_tib_with_blocks_of_2_kib_still_wraps_after_the_repair():
    """A write is refused from 8 TiB on; a file may be read up to 16 TiB."""
    for block_bits, place in ((11, 4096), (12, 8 * TIB + 4096)):
        assert wire_offset(8 * TIB + 4096, block_bits, 32, POLICIES[PATCHED]) == place


def test_the_word_read_with_a_sign_is_twos_complement():
    """The notebook's line for the sign, against the standard library's."""
    for word in (0, 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 4096, (1 << 32) - 1):
        assert (word ^ 1 << 31) - (1 << 31) == struct.unpack("<i", struct.pack("<I", word))[0]


def test_one_request_wraps_in_the_middle():
    run = simulate(Scenario(offset_mib=4095, length_kib=2048), POLICIES[UNPATCHED])
    writes = [event for event in run.events if event.operation == "write"]
    assert [event.wire // (CHUNK) for event in writes] == [8190, 8191, 0, 1]
    assert run.numbers["written where it belongs (KiB)"] == run.numbers["destroyed elsewhere (KiB)"] == 1024


# ---- the table of cases ----

ROWS = [
    ("row1", 0, 12, 32, 0, 0),
    ("row2", 4 * GIB - 4096, 12, 32, 4294963200, 4294963200),
    ("row3", 4 * GIB, 12, 32, 0, 4294967296),
    ("row4", 4 * GIB + 8192, 12, 32, 8192, 4294975488),
    ("row5", 8 * GIB + 4096, 12, 32, 4096, 8589938688),
    ("row7a", 4 * GIB - 512, 9, 32, 4294966784, 4294966784),
    ("row7b", 4 * GIB, 9, 32, 0, 4 * GIB),
    ("row8a", 2 * TIB - 512, 9, 32, 4294966784, 2199023255040),
    ("row8b", 2 * TIB, 9, 32, 0, 0),
    ("row9", 16 * TIB, 12, 32, 0, 0),
    *((f"row10-{at >> 30}", at, 12, 64, at, at) for at in (0, 4 * GIB, 2 * TIB, 16 * TIB)),
]


@pytest.mark.parametrize(
    ("offset", "block_bits", "word", "before", "after"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_row(offset, block_bits, word, before, after):
    assert wire_offset(offset, block_bits, word, POLICIES[UNPATCHED]) == before
    assert wire_offset(offset, block_bits, word, POLICIES[PATCHED]) == after


# ---- the laws ----


@given(blocks, bits, words)
def test_i1_after_the_offset_on_the_wire_is_the_offset_below_the_limit(block, block_bits, word):
    offset = block << block_bits
    same = wire_offset(offset, block_bits, word, POLICIES[PATCHED]) == offset
    assert same == (block < 1 << word)


@given(st.integers(0, 20_000), bits, st.sampled_from((32, 64, 512, 1536)))
def test_i2_a_write_leaves_the_rest_of_the_file_alone(offset_mib, block_bits, length_kib):
    fields = {"offset_mib": offset_mib, "block_bits": block_bits, "length_kib": length_kib}
    for label in (PATCHED, TODAY, REFUSES):
        n = numbers(label, **fields)
        assert (n["destroyed elsewhere (KiB)"], n["written where it belongs (KiB)"]) == (0, length_kib)
    beyond = max(0, min(length_kib, (offset_mib - 4096) * 1024 + length_kib))
    assert numbers(UNPATCHED, **fields)["destroyed elsewhere (KiB)"] == beyond


@given(offsets_mib, bits, st.sampled_from(list(POLICIES)), st.booleans())
def test_i3_direct_and_cached_reads_agree_exactly_below_the_limit(offset_mib, block_bits, label, large):
    scenario = Scenario(LARGE if large else SMALL, offset_mib=offset_mib, block_bits=block_bits, length_kib=64)
    client = Client(scenario, POLICIES[label], SparseFile())
    direct = client.direct_read(scenario.offset, scenario.length)
    limit = right_below(block_bits, scenario.machine.word, POLICIES[label])
    if scenario.offset < limit:
        assert direct == client.cached_read(scenario.offset, scenario.length)
    else:
        assert direct == [] if label == REFUSES else direct != client.cached_read(scenario.offset, scenario.length)


# ---- a second way to the same number ----


def packed(offset: int, block_bits: int) -> int:
    """The offset after a round trip through four bytes: what a 32-bit register keeps."""
    number = struct.unpack("<I", struct.pack("<Q", offset >> block_bits)[:4])[0]
    return struct.unpack("<I", struct.pack("<Q", number << block_bits)[:4])[0]


@given(blocks, bits)
def test_the_bytes_of_a_word_say_the_same(block, block_bits):
    offset = block << block_bits
    assert wire_offset(offset, block_bits, 32, POLICIES[UNPATCHED]) == packed(offset, block_bits) == offset % (4 * GIB)


def test_the_limit_is_where_the_first_offset_goes_astray():
    for label in (UNPATCHED, PATCHED):
        for block_bits in range(9, 16):
            limit = right_below(block_bits, 32, POLICIES[label])
            ends = [wire_offset(at, block_bits, 32, POLICIES[label]) for at in (limit - (1 << block_bits), limit)]
            assert ends == [limit - (1 << block_bits), 0]


@pytest.mark.parametrize("length_kib", [32, 512, 544, 2048])
def test_chunks_cover_a_request_once(length_kib):
    parts = list(chunks(7 * MIB, length_kib * 1024))
    assert [at for at, _ in parts] == [7 * MIB + sum(n for _, n in parts[:i]) for i in range(len(parts))]
    assert sum(n for _, n in parts) == length_kib * 1024
    assert all(0 < n <= CHUNK for _, n in parts)


# ---- machines and what-ifs ----


def test_of_the_machine_only_the_word_matters():
    seen = {name: tuple(numbers(UNPATCHED, machine=machine).values()) for name, machine in PRESETS.items()}
    assert len({seen[name] for name in PRESETS if PRESETS[name].word == 32}) == 1
    assert seen["64-bit 64 GB"] != seen["32 GB"]


def test_what_if_refused():
    run = simulate(Scenario(offset_mib=2 << 20, block_bits=9), POLICIES[REFUSES])
    assert [type(event) for event in run.events] == [Refused, Refused]
    assert run.numbers["first chunk on the wire (MiB)"] == "refused"
    inside = simulate(Scenario(offset_mib=(2 << 20) - 1, block_bits=9), POLICIES[REFUSES])
    assert [type(event) for event in inside.events] == [Sent, Sent, Refused] * 2
    assert inside.numbers["read at all (KiB)"] == 1024


# ---- the picture ----


def test_stretches_join_the_chunks_that_moved_alike():
    run = simulate(Scenario(), POLICIES[UNPATCHED])
    assert list(figure.stretches(run)) == [(4095 * MIB, 4095 * MIB, MIB), (4 * GIB, 0, MIB)]
    refused = simulate(Scenario(offset_mib=2 << 20, block_bits=9), POLICIES[REFUSES])
    assert list(figure.stretches(refused)) == [(2 * TIB, None, CHUNK)]


def test_both_kernels_show_the_same_windows_of_the_file():
    """What is compared stands on one axis, also where a kernel puts nothing wrong."""
    for mib in (0, 4095, 5120, 2 << 20):
        shown = {label: figure.scene(simulate(Scenario(offset_mib=mib), POLICIES[label])) for label in POLICIES}
        assert len({str(scene.groups[0]["x"]) for scene in shown.values()}) == 1


def test_the_story_cuts_off_what_the_model_cuts_off():
    """Digit for digit: what stays in the word is the offset on the wire."""
    frames = figure.frames(simulate(Scenario(), POLICIES[UNPATCHED]))
    (cut,) = (frame for frame in frames if "cut off" in frame.say)
    digits = [cell for cell in cut.groups["number"]["cells"] if cell[0] == "K"]
    assert int("".join(cell[3] for cell in digits), 16) == wire_offset(4 * GIB, 12, 32, POLICIES[UNPATCHED]) == 0
    assert frames[-1].end == "bad" and figure.frames(simulate(Scenario()))[-1].end == "good"


def test_the_windows_of_the_file_are_filled_without_a_gap():
    run = simulate(Scenario(), POLICIES[UNPATCHED])
    (file,) = figure.scene(run).groups
    for start, end in file["x"]["windows"]:
        inside = sorted((cell[1], cell[1] + cell[2]) for cell in file["cells"] if start <= cell[1] < end)
        assert inside[0][0] == start and inside[-1][1] == end
        assert all(before[1] == after[0] for before, after in zip(inside, inside[1:]))
