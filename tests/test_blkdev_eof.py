"""blkdev_eof: the table of cases, the invariants, and every small device by brute force."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmteach import cases
from vmteach.figures import blkdev_eof as figure
from vmteach.kernel.blkdev import BLOCKS, SECTOR, Device, Disk, Lookup, Rounding
from vmteach.live.blkdev import odd_tail
from vmteach.machine import PRESETS
from vmteach.patches.blkdev_eof import (
    HALF,
    HALF_MARKED,
    PATCHED,
    POLICIES,
    TAIL,
    TODAY,
    UNPATCHED,
    PageLost,
    PageRead,
    Scenario,
    lost,
    read_page,
    simulate,
)
from vmteach.tables import read_cases

PAGES = (4096, 8192, 16384, 65536)
FIXES = (PATCHED, TAIL)


def scenario(sectors: int, block: int = 4096, page: int = 4096) -> Scenario:
    return Scenario(replace(PRESETS["256 MB"], page=page), sectors=sectors, block=block)


def device(label: str, sectors: int = 2002, block: int = 4096, page: int = 4096) -> Device:
    return Device(scenario(sectors, block, page), POLICIES[label])


def numbers(label: str, *size: int) -> dict:
    return simulate(scenario(*size), POLICIES[label]).numbers


sizes = st.tuples(st.integers(2, 300), st.sampled_from(BLOCKS), st.sampled_from(PAGES))


# ---- the claim ----


def test_before_the_last_block_cannot_be_read_after_it_can_but_not_written():
    before, after, tail = (simulate(policy=POLICIES[label]).numbers for label in (UNPATCHED, PATCHED, TAIL))
    assert [n["bytes lost (B)"] for n in (before, after, tail)] == [1024, 0, 0]
    assert [n["bytes read as zeros (B)"] for n in (before, after, tail)] == [0, 1024, 0]
    assert [n["write of the last block"] for n in (before, after, tail)] == ["EIO"] * 3


def test_the_partition_of_january_2005():
    """Mario Holbe's on 2.4.27: dd read 9,992,366 sectors, after a mount 9,992,360; want=4996184, limit=4996183."""
    kib = 9_992_366 // 2
    blocks = Rounding.UP.of(kib, 4)
    assert lost(9_992_366, 4096, 4096) == (9_992_366 - 9_992_360) * SECTOR
    assert (4 * blocks, kib) == (4_996_184, 4_996_183)
    assert lost(9_992_366, 1024, 4096) == 0  # before the mount


def test_partitions_of_whole_cylinders():
    ends = [lost(cylinders * 255 * 63, 4096, 4096) > 512 for cylinders in range(1, 1001)]  # more than an odd sector
    assert sum(ends) / len(ends) == 0.75


def test_before_one_tail_has_three_answers():
    """The size says it exists, a buffered read says EIO, and a direct read says end of file."""
    before = device(UNPATCHED)
    assert before.size - 1024000 == 1024
    assert before.read(1024000, 4096) is None
    assert before.direct_read(1024000, 4096) == 0


# ---- the table of cases ----

ROWS = [
    # id, (sectors, block, page), units of 1 KiB, blocks, last block ends at / limit, lost before, of them good
    ("row1", (2000, 4096, 4096), 1000, 250, (2000, 2001), 0, 0),
    ("row2", (2001, 4096, 4096), 1000, 250, (2000, 2001), 512, 0),
    ("row3", (2002, 4096, 4096), 1001, 251, (2008, 2003), 1024, 0),
    ("row4", (2004, 4096, 4096), 1002, 251, (2008, 2005), 2048, 0),
    ("row6", (2008, 4096, 4096), 1004, 251, (2008, 2009), 0, 0),
    ("row7", (2002, 2048, 4096), 1001, 501, (2004, 2003), 1024, 0),
    ("row8a", (2002, 1024, 4096), 1001, 1001, (2002, 2003), 0, 0),
    ("row8b", (2003, 1024, 4096), 1001, 1001, (2002, 2003), 512, 0),
    ("row9", (2003, 512, 4096), 1001, 2002, (2002, 2003), 512, 0),
    ("row10", (2004, 4096, 16384), 1002, 251, (2008, 2005), 10240, 8192),
    ("row12", (2, 4096, 4096), 1, 1, (8, 3), 1024, 0),
]


@pytest.mark.parametrize(
    ("size", "units", "blocks", "last", "gone", "good"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_row(size, units, blocks, last, gone, good):
    before = numbers(UNPATCHED, *size)
    assert before["size (B)"] == units * 1024
    assert before["blocks that the look-up counts"] == blocks
    assert (before["last block ends at sector"], before["limit of the last check (sector)"]) == last
    assert (before["bytes lost (B)"], before["of them in good blocks (B)"]) == (gone, good)
    straddling = units * 1024 % size[1]
    for label, zeros in ((PATCHED, straddling), (TAIL, 0)):
        after = numbers(label, *size)
        odd = size[0] % 2 * SECTOR  # no kernel of 2.4 can address it
        assert (after["bytes lost (B)"], after["bytes read as zeros (B)"]) == (odd, zeros)
        assert after["write of the last block"] == ("EIO" if straddling else f"{size[1]} B")


def test_row10_good_blocks_are_true_data_again():
    for label in FIXES:
        page = device(label, 2004, 4096, 16384).block_read_full_page(62)
        assert page[:8192] == Disk(2004)[62 * 16384 : 62 * 16384 + 8192]


@pytest.mark.parametrize(
    ("label", "block", "read", "write"),
    [
        (UNPATCHED, 251, Lookup.EIO, Lookup.EIO),
        (PATCHED, 251, Lookup.HOLE, Lookup.EIO),
        (PATCHED, 250, Lookup.HOLE, Lookup.EIO),
        (TAIL, 250, Lookup.MAPPED, Lookup.EIO),
        (UNPATCHED, 250, Lookup.MAPPED, Lookup.MAPPED),
    ],
    ids=["row13-before", "row13-after", "row13-hole", "row13-tail", "row13-straddling"],
)
def test_row13_the_look_up(label, block, read, write):
    there = device(label)
    assert (there.blkdev_get_block(block, "read"), there.blkdev_get_block(block, "write")) == (read, write)


@pytest.mark.parametrize("label", [UNPATCHED, *FIXES])
@pytest.mark.parametrize(
    ("offset", "asked", "got"), [(1024000, 4096, 0), (1019904, 8192, 4096)], ids=["row14", "row15"]
)
def test_direct_read_is_unchanged(label, offset, asked, got):
    assert device(label).direct_read(offset, asked) == got


# ---- the invariants ----


@given(sizes)
def test_i1_no_good_block_is_spoiled_by_a_neighbour(size):
    for label in FIXES:
        there = device(label, *size)
        for block in range(there.size // there.block):
            start = block * there.block
            assert there.read(start, there.block) == there.disk[start : start + there.block]


@given(sizes)
def test_i2_the_last_page_can_be_read(size):
    for label in (*FIXES, TODAY):
        there = device(label, *size)
        assert there.block_read_full_page((there.size - 1) // there.page) is not None


@given(sizes, st.integers(0, 700))
def test_i3_only_a_block_that_is_all_inside_can_be_written(size, block):
    for label in (UNPATCHED, *FIXES):
        there = device(label, *size)
        if block * there.block < there.size:
            assert (there.write(block).taken > 0) == ((block + 1) * there.block <= there.size)


@given(sizes)
def test_i4_nothing_beyond_the_end_reaches_the_driver(size):
    for label in POLICIES:
        there = device(label, *size)
        for block, operation in product(range(there.sectors * SECTOR // there.block + 3), ("read", "write")):
            if there.blkdev_get_block(block, operation) is Lookup.MAPPED:
                first = block * there.block // SECTOR
                assert first + there.generic_make_request(block, operation) <= there.sectors


def disagreements(there: Device) -> list[int]:
    """The blocks that exist for the look-up, and not for the last check."""
    blocks = range(there.max_block("read") + 2)
    mapped = [block for block in blocks if there.blkdev_get_block(block, "read") is Lookup.MAPPED]
    return [block for block in mapped if not there.generic_make_request(block, "read")]


@given(sizes)
def test_i5_after_look_up_and_last_check_agree(size):
    for label in (*FIXES, TODAY):
        assert disagreements(device(label, *size)) == []


def test_i5_before_they_do_not():
    assert disagreements(device(UNPATCHED)) == [250]


# ---- every small device ----


def byte_by_byte(sectors: int, block: int, page: int) -> int:
    """Bytes that the unpatched kernel loses, one by one: beyond the size, or in a page with a bad block."""
    size, limit = sectors // 2 * 1024, (sectors // 2 * 2 + 1) * SECTOR
    bad = {at // page for at in range(0, size, block) if at + block > limit}
    return sum(at >= size or at // page in bad for at in range(sectors * SECTOR))


def test_every_small_device_three_ways():
    """The model, the formula of the chapter, and each byte of each device by itself."""
    some = 0
    for size in product(range(2, 70), BLOCKS, (4096, 16384)):
        expected = byte_by_byte(*size)
        assert numbers(UNPATCHED, *size)["bytes lost (B)"] == lost(*size) == expected, size
        some += expected > size[0] % 2 * SECTOR
    assert some == 2 * 2 * (
        17 + 26
    )  # page sizes, an odd sector or not, sizes of 1 to 34 KiB that 2 and that 4 do not divide


def test_machine_size_matters_through_the_page():
    gone = {page: numbers(UNPATCHED, 2004, 4096, page)["bytes lost (B)"] for page in PAGES}
    assert gone == {4096: 2048, 8192: 2048, 16384: 10240, 65536: 42 * 1024}


# ---- edges ----


def test_every_page_is_told_once_and_their_bytes_are_the_size():
    for label in POLICIES:
        run = simulate(scenario(2004, 2048, 8192), POLICIES[label])
        pages = [event for event in run.events if isinstance(event, PageRead | PageLost)]
        assert [event.page for event in pages] == [sum(e.pages for e in pages[:i]) for i in range(len(pages))]
        told_of = sum(e.lost if isinstance(e, PageLost) else e.data + e.zeros for e in pages)
        assert told_of == run.numbers["size (B)"]


def test_a_request_that_ends_at_the_limit_is_not_met_by_the_check():
    device_of_today = device(TODAY, 2000, 512)
    assert device_of_today.limit == 2000
    assert device_of_today.generic_make_request(1999, "read") == 1
    assert device_of_today.events == []


def test_a_read_stops_at_the_first_bad_page():
    assert device(UNPATCHED).read(1019904, 8192) == Disk(2002)[1019904:1024000]
    assert device(PATCHED).read(1025024, 512) == b""


# ---- half of the patch: one tail, three answers ----


def test_rounding_down_alone_gives_old_memory_or_an_error_and_never_the_data():
    """A failed look-up is passed over in 2.4.22 and marks the page in 2.4.27."""
    answers = {label: simulate(policy=POLICIES[label]).numbers for label in (HALF, HALF_MARKED, PATCHED)}
    three = [[n[f"bytes {what} (B)"] for what in ("of old memory", "lost", "read as zeros")] for n in answers.values()]
    assert three == [[1024, 0, 0], [0, 1024, 0], [0, 0, 1024]]


def test_a_second_read_succeeds_with_old_memory_where_the_first_was_an_error():
    """With a good block beside the bad one: 6 sectors in blocks of 2 KiB, the smallest device of that kind."""
    there = device(HALF, 6, 2048)
    assert there.read(0, 4096) is None
    assert there.read(0, 4096) == there.disk[:2048] + b"\xff" * 1024
    first = numbers(HALF, 6, 2048)
    assert (first["bytes of old memory (B)"], first["old memory on a second read (B)"]) == (0, 1024)
    assert all(numbers(HALF, sectors, 2048)["old memory on a second read (B)"] == 0 for sectors in range(1, 6))
    assert numbers(HALF_MARKED, 6, 2048)["old memory on a second read (B)"] == 0


def test_a_disk_that_shrank_shows_old_memory_without_any_invented_look_up():
    """The smallest of its kind among blocks of 4 KiB: 2010 sectors at the open, 2002 at the read."""
    shrunk = Scenario(sectors=2010, shrunk_to=2002)
    assert simulate(shrunk, POLICIES[UNPATCHED]).numbers["bytes of old memory (B)"] == 1024
    marked = replace(POLICIES[UNPATCHED], marks_error=True)
    assert simulate(shrunk, marked).numbers["bytes of old memory (B)"] == 0


# ---- every size ----


def test_the_odd_sector_is_lost_with_2_4_and_not_today():
    assert [numbers(label, 2001)["bytes lost (B)"] for label in (UNPATCHED, PATCHED, TAIL, TODAY)] == [512] * 3 + [0]


def test_a_disk_of_one_sector_has_no_size_and_no_check():
    """Zero units mean "unknown" to the look-up and to the last check, so that neither refuses anything."""
    there = device(UNPATCHED, 1)
    assert (there.size, there.max_block("read"), there.read(0, 512)) == (0, 2**32 - 1, b"")
    assert numbers(UNPATCHED, 1)["bytes lost (B)"] == 512
    assert there.generic_make_request(5, "read") == 0  # the disk itself refuses


def test_a_disk_of_any_size_is_read_at_once_run_by_run():
    """Holbe's partition in full, and a disk of 2 TiB."""
    run = simulate(Scenario(sectors=9_992_366), POLICIES[UNPATCHED])
    assert run.numbers["bytes lost (B)"] == (9_992_366 - 9_992_360) * SECTOR
    pages = [event for event in run.events if isinstance(event, PageRead | PageLost)]
    assert [(event.page, event.pages) for event in pages] == [(0, 1_249_045), (1_249_045, 1)]
    assert len(simulate(Scenario(sectors=2**32 - 1), POLICIES[TODAY]).events) < 12


@pytest.mark.parametrize("label", POLICIES)
@pytest.mark.parametrize("sectors", [1, 2001, 2**31 - 1, 2**31 + 1, 2**31 + 3, 2**32 - 1])
def test_no_disk_loses_more_than_it_has(sectors, label):
    """From 2**31 sectors on the kernel believes in 3 TiB; what is lost is lost of the disk."""
    for block in BLOCKS:
        found = simulate(Scenario(sectors=sectors, block=block), POLICIES[label]).numbers
        assert 0 <= found["of them in good blocks (B)"] <= found["bytes lost (B)"] <= sectors * SECTOR


def test_from_1_tib_on_the_last_check_of_a_64_bit_kernel_refuses_nothing():
    """2K + 1 is negative in an int; a 32-bit kernel halves a negative number of sectors, and takes 1 TiB for 3."""
    tib, last = 2**31 + 2, (2**31 + 2) // 8
    wide, narrow = (
        Device(Scenario(replace(PRESETS["256 MB"], word=word), sectors=tib), POLICIES[UNPATCHED]) for word in (64, 32)
    )
    assert wide.limit > 2**63 and not [e for e in wide.events if wide.generic_make_request(last, "read")]
    assert (wide.size, narrow.size) == (tib * SECTOR, 3 * 2**40 + 1024)
    assert device(UNPATCHED, 2**31 - 6).limit == 2**31 - 5


@given(st.integers(1, 3000), st.sampled_from(BLOCKS), st.sampled_from(PAGES), st.integers(0, 100))
def test_runs_of_pages_are_what_each_page_by_itself_is(sectors, block, page, fewer):
    size = Scenario(
        replace(PRESETS["256 MB"], page=page), sectors=sectors, block=block, shrunk_to=max(1, sectors - fewer)
    )
    for label in POLICIES:
        run, there = simulate(size, POLICIES[label]), Device(size, POLICIES[label])
        each = [read_page(there, number) for number in range(-(-there.size // page))]
        assert run.numbers["of them in good blocks (B)"] == sum(e.good for e in each if isinstance(e, PageLost))
        assert run.numbers["bytes of old memory (B)"] == sum(e.old for e in each if isinstance(e, PageRead))
        assert run.numbers["bytes read as zeros (B)"] == sum(e.zeros for e in each if isinstance(e, PageRead))


# ---- writes past the cache ----


@given(sizes)
def test_a_direct_write_of_a_straddling_block_is_invalid_and_of_a_whole_one_is_taken(size):
    for label in (UNPATCHED, *FIXES):
        there = device(label, *size)
        last = (there.size - 1) // there.block * there.block
        assert there.direct_write(last, there.block) == (-22 if there.size % there.block else there.block)
    assert device(TODAY, *size).direct_write(0, 512) == 512


def test_a_whole_block_is_taken_and_lost_later_where_the_disk_shrank():
    """The write-back of a block that is refused by the last check tells nobody."""
    there = Device(Scenario(sectors=240, shrunk_to=238, block=2048), POLICIES[UNPATCHED])
    assert there.write(59) == (59, 2048, "", 0)


# ---- the kernel's own functions ----


def test_the_judge_would_notice_a_wrong_rule(monkeypatch):
    rows = read_cases("blkdev_eof-tail")[::9]
    monkeypatch.setattr(Device, "limit", property(lambda self: 2 * self.now))
    assert len(cases.judged("blkdev_eof-tail", rows, cases.judge_of("blkdev_eof-tail")).differ) > 0


# ---- the reader's own kernel ----


@pytest.mark.live
@pytest.mark.parametrize(("sectors", "block"), [(2002, 4096), (2003, 4096), (2004, 2048), (2001, 1024)])
def test_today_is_what_this_kernel_does(sectors, block):
    answer = odd_tail(sectors, block, seconds=60)
    if not answer.ran:
        pytest.skip(answer.why)
    there = Device(Scenario(sectors=sectors, block=block), POLICIES[TODAY])
    tail = (there.size - 1) // block * block
    seen = {row.operation: row.result for row in answer.rows if (row.offset, row.length) == (tail, block)}
    assert seen["read"] == len(there.read(tail, block))
    assert seen["direct read"] == there.direct_read(tail, block)
    assert seen["write"] == there.write(tail // block).taken


# ---- the picture ----


def test_the_picture_says_the_bytes_that_are_lost():
    panels = [figure.scene(simulate(scenario(2004, 4096, 16384), POLICIES[label])) for label in (UNPATCHED, PATCHED)]
    assert [panel.numbers["refused"] for panel in panels] == ["10 KiB", "0 B"]
    assert "refuses the last 10 KiB" in panels[0].clause and panels[0].numbers["of it in good blocks"] == "8 KiB"
    assert "10 KiB lost, 0 B read as zeros, 0 B of old memory; 8 KiB in good blocks" in panels[0].alt


@given(sizes)
def test_the_picture_has_every_sector_of_the_tail_once(size):
    """What a row of the picture says of the sectors is what the run counted."""
    for label in POLICIES:
        run = simulate(scenario(*size), POLICIES[label])
        read = next(group for group in figure.scene(run).groups if group["label"] == "read")
        end = sum(cell[2] for cell in read["cells"] if cell[0] == "F") * SECTOR
        eio = sum(cell[2] for cell in read["cells"] if cell[0] == "E") * SECTOR
        zeros = sum(cell[2] for cell in read["cells"] if cell[0] == "Z") * SECTOR
        assert eio + end == run.numbers["bytes lost (B)"]
        assert zeros == run.numbers["bytes read as zeros (B)"]


def test_the_story_tells_what_the_layers_answered():
    for case in figure.STORIES.values():
        for label in (UNPATCHED, PATCHED):
            run = simulate(case, POLICIES[label])
            says = " ".join(frame.say for frame in figure.frames(run))
            assert f"{run.numbers['blocks that the look-up counts']}, so block" in says or label == PATCHED
            assert ("refused." in says) == (label == UNPATCHED)
            assert ("of zeros" in says) == (run.numbers["bytes read as zeros (B)"] > 0)


def test_the_hole_is_silent_where_the_error_was_loud():
    """The chapter's third exercise: no device of up to 600 sectors has more than 3072 silent bytes."""
    silent = {s: numbers(PATCHED, s, 4096, 4096)["bytes read as zeros (B)"] for s in range(2, 600)}
    assert max(silent.values()) == silent[14] == silent[15] == 3072
    assert all((gone > 0) == (sectors % 8 > 1) for sectors, gone in silent.items())
    assert numbers(TAIL, 14, 4096, 4096)["bytes read as zeros (B)"] == 0
