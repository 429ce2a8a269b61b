"""overflow_buffers: whether the patch is a no-op depends on what another file counts; all rows of the kernel's own."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmteach.figures import overflow_buffers as figure
from vmteach.kernel.zones import DEVICE, FILE, Memory, Start, phases
from vmteach.machine import GIB, MIB, PRESETS, Machine
from vmteach.patches.overflow_buffers import (
    GUARDS,
    NOTHING,
    PATCHED,
    POLICIES,
    UNPATCHED,
    WAIT,
    WRITE,
    Asked,
    Ended,
    Policy,
    Scenario,
    Waited,
    Wrapped,
    Writer,
    balance_dirty_state,
    events,
    first,
    insert_into_lru_list,
    nr_free_buffer_pages,
    pages_of,
    simulate,
)
from vmteach.tables import read_cases

WORD = 1 << 32
OLD, NEW = POLICIES[UNPATCHED], POLICIES[PATCHED]
SIZES, PRE4, HIGH, TWICE = GUARDS.values()

block_sizes = st.sampled_from((512, 1024, 2048, 4096))
buffers = st.lists(st.tuples(block_sizes, st.integers(0, 1 << 21)), max_size=8)  # (bytes, how many)


def gib(pages):
    return round(pages * 4096 / GIB, 2)


def told(ram, free_high, policy, writer=FILE):
    """GiB dirty at the first background writing and at the first wait."""
    run = simulate(Scenario(PRESETS[ram], free_high=free_high, writer=writer), policy)
    return tuple(None if (pages := first(run, answer)) is None else gib(pages) for answer in (WRITE, WAIT))


def start_of(ram_gib, free_high_pages, writer=FILE):
    """A machine of any size, with low memory free as Scenario has it."""
    machine = Machine("any", ram_gib * GIB)
    low = Scenario(machine, free_high=0).start.memory
    return Start(machine, low._replace(high=free_high_pages), writer)


# ---- the claim ----


def test_the_patch_changes_no_decision_below_10_77_gib_free_and_changes_some_above():
    """The announcement: a noop. True under two guards; under that of 2.4.23 to 2.4.29 it depends on free memory."""
    for ram in (12, 16, 24, 32, 48):
        least = smallest(ram, lambda start: wraps(start, OLD))
        memory = start_of(ram, least).memory
        assert gib(memory.dma + memory.normal + memory.high) == 10.77
        same, other = start_of(ram, least - 1), start_of(ram, least)
        assert answers(same, OLD) == answers(same, NEW)
        assert answers(other, OLD) != answers(other, NEW)


def test_from_17_44_gib_free_on_not_even_background_writing_starts_before_the_wrap():
    def none_before_it_wraps(start):
        happened = tuple(events(Writer(start, OLD)))
        asked = [e for e in happened if isinstance(e, Asked)]
        wrap = next((e.pages for e in happened if isinstance(e, Wrapped)), None)
        return wrap is not None and all(e.answer == NOTHING for e in asked if e.pages < wrap)

    for ram in (24, 32, 48):
        memory = start_of(ram, smallest(ram, none_before_it_wraps)).memory
        assert gib(memory.dma + memory.normal + memory.high) == 17.44


def smallest(ram, is_so):
    """The fewest free pages of HIGHMEM at which something is so, by bisection."""
    low, high = 0, Machine("any", ram * GIB).zones[-1].pages
    assert is_so(start_of(ram, high)) and not is_so(start_of(ram, low))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_so(start_of(ram, middle)) else (middle, high)
    return high


def wraps(start, policy):
    return any(isinstance(event, Wrapped) for event in events(Writer(start, policy)))


def answers(start, policy):
    return [(e.pages, e.answer) for e in events(Writer(start, policy)) if isinstance(e, Asked)]


@pytest.mark.parametrize("guard", [SIZES, TWICE], ids=["2.4.22", "2.4.30"])
def test_under_the_other_two_guards_of_real_kernels_the_patch_is_a_no_op(guard):
    """Any free and cached memory, both writers: 4 GiB of dirty buffers are never reached."""
    draw = random.Random(11)
    for _ in range(60):
        machine = Machine("any", draw.choice((1, 2, 4, 8, 16, 32, 48)) * GIB)
        size = {zone.name: zone.pages for zone in machine.zones}
        normal = draw.randint(0, size["NORMAL"])
        high = draw.randint(0, size.get("HIGHMEM", 0))
        memory = Memory(draw.randint(0, 3600), normal, high, draw.randint(0, size["NORMAL"] - normal))
        start = Start(machine, memory, draw.choice((FILE, DEVICE)))
        writer = Writer(start, Policy(guard))
        most = [event for event in events(writer) if isinstance(event, Asked)][-1].pages
        assert gib(most) <= 1.05
        assert answers(start, Policy(guard)) == answers(start, Policy(guard, 9))


# ---- the kernel's own functions ----


def test_a_disk_that_writes_changes_the_first_decision_only_once_it_writes():
    """The constructed rates: nothing is clean before background writing begins or a page is 30 s old."""
    rows = read_cases("overflow_buffers-rates")
    guards = {"2.4.22": SIZES, "2.4.23-29": HIGH, "2.4.30-31": TWICE, "2.4.32": TWICE}
    asked = 0
    for row in rows:
        if not 0 <= row["first_background_s"] < 30:
            continue
        kernel = row["kernel"].split()[0]
        policy = Policy(guards[kernel], 9 * ("sectors" in row["kernel"]), kernel != "2.4.22")
        memory = Memory(row["free_dma"], row["free_normal"], row["free_high"])
        writer = Writer(Start(Machine("row", row["ram_MiB"] * MIB), memory), policy)
        pages = next(e.pages for e in events(writer) if isinstance(e, Asked) and e.answer >= WRITE)
        assert abs(row["first_background_dirty"] - pages) <= 1, row
        asked += 1
    assert asked > 500
    wrapped = {(row["ram_MiB"], row["free_high"] < 1_983_000) for row in rows if row["counter_wraps"]}
    assert (8192, True) not in wrapped and (16384, True) not in wrapped


# ---- where the waiting begins, GiB: the table of the chapter ----

TABLE = [
    ("8 GB", 64, (0.26, 0.52), (1.81, 2.93), (1.81, 2.93), (0.44, 0.87)),
    ("16 GB", 64, (0.26, 0.52), (3.62, 10.82), (3.62, 5.86), (0.38, 0.76)),
    ("32 GB", 64, (0.26, 0.52), (None, None), (7.25, 11.74), (0.27, 0.54)),
    ("8 GB", 0, (0.26, 0.52), (0.22, 0.44), (0.22, 0.44), (0.34, None)),
    ("32 GB", 0, (0.26, None), (None, None), (None, None), (None, None)),  # files may take no low memory there
]


@pytest.mark.parametrize(("ram", "free", "old", "unpatched", "patched", "repaired"), TABLE)
def test_row(ram, free, old, unpatched, patched, repaired):
    policies = (POLICIES["2.4.22 (bytes)"], OLD, NEW, POLICIES["2.4.30 (bytes)"])
    assert tuple(told(ram, free, policy) for policy in policies) == (old, unpatched, patched, repaired)


def test_on_32_gb_the_unpatched_counter_wraps_four_times_and_buffer_heads_use_up_low_memory():
    run = simulate(Scenario(PRESETS["32 GB"]), OLD)
    assert sum(isinstance(event, Wrapped) for event in run.events) == 4
    end = run.events[-1]
    assert isinstance(end, Ended)
    assert (end.lacks, gib(end.pages)) == ("lowmem", 18.76)
    assert isinstance(simulate(Scenario(PRESETS["32 GB"]), NEW).events[-1], Waited)


def test_on_64_gb_low_memory_is_full_of_buffer_heads_before_4_gib_are_dirty():
    end = simulate(Scenario(PRESETS["64 GB"]), OLD).events[-1]
    assert (end.lacks, gib(end.pages)) == ("lowmem", 3.76)


def test_a_file_writer_waits_at_three_eighths_of_what_is_free():
    """d > 60 % of F - d gives 3/8 F, and 30 % gives 3/13 F; buffer heads take a fortieth more."""
    for ram in ("4 GB", "8 GB", "16 GB"):
        run = simulate(Scenario(PRESETS[ram]), NEW)
        memory = run.scenario.start.memory
        free = memory.dma + memory.normal + memory.high
        assert first(run, WAIT) / free == pytest.approx(3 / 8, rel=0.03)
        assert first(run, WRITE) / free == pytest.approx(3 / 13, rel=0.03)


# ---- the writer of a block device: what was reported in 2005 ----


def test_a_block_device_is_never_throttled_if_highmem_has_two_thirds_of_low_memory_free():
    """Its pages lie in low memory, which the guard counts whether dirty or free, and HIGHMEM on top."""
    low = start_of(4, 0, DEVICE)
    counted = nr_free_buffer_pages(low.memory, HIGH, low.machine)
    for share, word in ((2 / 3, WAIT), (7 / 3, WRITE)):
        for factor, said in ((0.97, True), (1.03, False)):
            memory = Memory(low.memory.dma, low.memory.normal, int(share * factor * counted))
            asked = [e for e in events(Writer(Start(low.machine, memory, DEVICE), NEW)) if isinstance(e, Asked)]
            assert any(event.answer == word for event in asked) is said, (share, factor)


def test_the_repair_of_2005_counts_free_normal_twice_and_moves_the_wait_on_small_machines():
    """It was announced as without effect below 800 MB. File writer, all free, MiB."""
    waits = {}
    for ram in (256, 512, 768):
        free_normal = (ram - 16) * MIB // 4096 - ram * MIB // 4096 * 48 // 4096 - 24 * MIB // 4096
        start = Start(Machine("small", ram * MIB), Memory(3600, free_normal, 0))
        waits[ram] = [wait_of(start, Policy(guard)) for guard in (HIGH, TWICE)]
    assert waits == {256: [132, 159], 512: [281, 345], 768: [430, 531]}


def wait_of(start, policy):
    asked = events(Writer(start, policy))
    return round(next(e.pages for e in asked if isinstance(e, Asked) and e.answer == WAIT) * 4096 / MIB)


# ---- four texts of one loop ----


def test_the_limit_of_2_4_22_is_536_mib_from_1_gb_on():
    for ram in ("1 GB", "16 GB", "64 GB"):
        machine = PRESETS[ram]
        limit = 0.6 * nr_free_buffer_pages(Memory(0, 0, 0), SIZES, machine) * machine.page / MIB
        assert round(limit) == 536


def test_what_the_four_texts_count():
    memory, machine = Memory(dma=1000, normal=100_000, high=50_000, cache=20_000), PRESETS["16 GB"]
    counted = {name: nr_free_buffer_pages(memory, guard, machine) for name, guard in GUARDS.items()}
    normal, dma = 100_000 - 765, 1000 - 976
    assert counted == {
        "2.4.22": 228_515,
        "2.4.23-pre4": 20_000 + normal + dma,
        "2.4.23 to 2.4.29": 20_000 + normal + dma + 50_000,
        "2.4.30 to 2.4.37": 20_000 + 2 * normal + dma,
    }


def test_the_sign_error_of_pre4_makes_the_limit_wrap():
    machine = PRESETS["16 GB"]
    assert nr_free_buffer_pages(Memory(0, 0, 0), PRE4, machine) == WORD - 765 - 976
    assert nr_free_buffer_pages(Memory(0, 0, 0), HIGH, machine) == 0


# ---- counters and decisions ----


def sums(items, policy, word=32):
    total = 0
    for size, count in items:
        total = insert_into_lru_list(total, size, count, policy, word)
    return total


@given(buffers)
def test_a_counter_is_the_sum_of_the_sizes_below_its_wrap(items):
    true = sum(size * count for size, count in items)
    assert sums(items, OLD) == true % WORD
    assert sums(items, NEW) * 512 == true % (WORD * 512)
    assert sums(items, OLD, 64) == true


@given(buffers)
def test_both_counters_stand_for_the_same_pages_below_4_gib(items):
    if sum(size * count for size, count in items) < WORD:
        assert pages_of(sums(items, OLD), OLD) == pages_of(sums(items, NEW), NEW)


@given(st.integers(0, (1 << 23) - 1), st.integers(0, 1 << 24), st.booleans())
def test_both_decide_alike_below_4_gib_whatever_the_limit(sectors, tot, may_wait):
    """The proof: n x 512 / 4096 is n / 8. It leans on 4 GiB, and not on the limit."""
    pages = (pages_of(insert_into_lru_list(0, 512, sectors, policy), policy) for policy in (OLD, NEW))
    one, other = (balance_dirty_state(seen, tot, may_wait=may_wait) for seen in pages)
    assert one == other


@given(buffers, st.randoms(use_true_random=False))
def test_what_went_in_and_out_again_leaves_nothing(items, shuffler):
    for policy in (OLD, NEW):
        total, back = sums(items, policy), items[:]
        shuffler.shuffle(back)
        for size, count in back:
            total = insert_into_lru_list(total, size, -count, policy)
        assert total == 0


def test_the_limits_themselves_are_allowed():
    """More than 30 and more than 60 % are asked for."""
    assert [balance_dirty_state(seen, 1000) for seen in (300, 301, 600, 601)] == [-1, 0, 0, 1]


def test_a_64_bit_machine_has_neither_wrap():
    run = simulate(Scenario(PRESETS["64-bit 64 GB"]), OLD)
    assert run.numbers["not seen at the end (GiB)"] == 0


# ---- the writer, page by page: a second way ----


@pytest.mark.parametrize("label", POLICIES)
@pytest.mark.parametrize("writer", [FILE, DEVICE])
def test_a_run_asks_wherever_the_answer_changes(label, writer):
    """Page after page on small machines with small words: the same answers begin at the same pages."""
    machine = Machine("small", 1 * GIB)
    for free in (Memory(200, 1200, 900), Memory(1100, 900, 3000, 700), Memory(0, 3000, 0, 100)):
        start = Start(machine, free, writer)
        policy = POLICIES[label]
        asked = {e.pages: e.answer for e in events(Writer(start, policy)) if isinstance(e, Asked)}
        slow = list(page_by_page(start, policy))
        assert [pages for pages in asked if asked[pages] != slow[pages]] == []
        changes = [n for n in range(1, len(slow)) if slow[n] != slow[n - 1]]
        assert set(changes) <= set(asked)
        assert max(asked) == len(slow) - 1


def page_by_page(start, policy):
    """The answers after 0, 1, 2 ... pages, up to the first wait or the end: one page and its head at a time."""
    machine, memory = start.machine, start.memory
    keep = [machine.watermarks(zone.name).low for zone in machine.zones]  # DMA, NORMAL, HIGHMEM
    sizes = [zone.pages for zone in machine.zones]

    def kept(wanted):
        if not policy.reserve:
            return {"high": keep[2], "normal": keep[1] + keep[2] * (wanted == "high"), "dma": 0} | {
                "dma": keep[0] + keep[1] + keep[2] * (wanted == "high")
            }
        above = sizes[1] + sizes[2] * (wanted == "high")
        of_normal = sizes[2] // 32 if wanted == "high" else 0
        return {"high": keep[2], "normal": keep[1] + of_normal, "dma": keep[0] + above // 256}

    heads = 0
    dirty = 0
    while True:
        seen = pages_of(insert_into_lru_list(0, 4096, dirty, policy), policy)
        answer = balance_dirty_state(seen, nr_free_buffer_pages(memory, policy.guard, machine))
        yield answer
        if answer == WAIT:
            return
        order = ("high", "normal", "dma") if start.writer == FILE else ("normal", "dma")
        limits = kept("high" if start.writer == FILE else "normal")
        zone = next((zone for zone in order if getattr(memory, zone) > limits[zone]), None)
        if zone is None:
            return
        memory = memory._replace(**{zone: getattr(memory, zone) - 1, "cache": memory.cache + (zone != "high")})
        if heads == 0:
            limits = kept("normal")
            zone = next((zone for zone in ("normal", "dma") if getattr(memory, zone) > limits[zone]), None)
            if zone is None:
                return
            memory = memory._replace(**{zone: getattr(memory, zone) - 1})
            heads = 40
        heads -= 1
        dirty += 1


def test_a_phase_ends_where_a_zone_gives_out():
    found, lacks = phases(Scenario(PRESETS["32 GB"]).start)
    assert lacks == "lowmem"
    assert [phase.data for phase in found[:1]] == ["high"]
    assert all(a.dirty < b.dirty for a, b in zip(found, found[1:]))


# ---- the picture ----


def test_the_saw_falls_at_each_wrap_and_the_limit_never_rises():
    run = simulate(Scenario(PRESETS["32 GB"]), OLD)
    lines = {line[2][0]: line[1] for line in figure.scene(run).groups[0]["lines"]}
    saw, limit = lines["shown by the counter"], lines["limit: 60 % of the count"]
    falls = [x for (x, y), (x2, y2) in zip(saw, saw[1:]) if x == x2 and y2 < y]
    assert [round(x / GIB) for x in falls] == [4, 8, 12, 16]
    assert all(b <= a * 1.0001 for (_, a), (_, b) in zip(limit, limit[1:]))  # a scene keeps five digits


@pytest.mark.parametrize("label", [UNPATCHED, PATCHED, "2.4.30 (bytes)"])
def test_counter_and_limit_meet_where_the_writer_waits(label):
    lines = {line[2][0]: line[1] for line in figure.scene(simulate(Scenario(), POLICIES[label])).groups[0]["lines"]}
    (_, shown), (_, limit) = lines["shown by the counter"][-1], lines["limit: 60 % of the count"][-1]
    assert shown == pytest.approx(limit, rel=1e-4)


@pytest.mark.parametrize("label", POLICIES)
def test_the_strip_covers_the_dirty_data_once(label):
    spans = figure.scene(simulate(Scenario(), POLICIES[label])).groups[1]["spans"]
    assert spans[0][1] == 0 and all(a[2] == b[1] for a, b in zip(spans, spans[1:]))


def test_the_story_shows_what_the_writer_is_told():
    frames = {label: figure.frames(simulate(Scenario(), POLICIES[label])) for label in (UNPATCHED, PATCHED)}
    assert sum("from **zero**" in frame.say for frame in frames[UNPATCHED]) == 2
    assert [frame[-1].end for frame in frames.values()] == ["bad", "good"]
    assert sum(frame.ask is not None for frame in frames[UNPATCHED]) == 1


def test_the_notebook_says_nothing_that_its_own_kernel_disproves():
    """The sentences of the first version, which proved the guard of 2.4.22."""
    path = Path(__file__).parent.parent / "notebooks" / "11_overflow_buffers.ipynb"
    text = " ".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])
    for wrong in ("No machine ever failed", "The real kernel never did", "does not grow with RAM", "Nobody ever got"):
        assert wrong not in text
