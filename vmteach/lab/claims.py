"""What was claimed of shm_big_iron, each claim put to the model: one function a row of data/claims.csv.

source      data/claims.csv says where each claim was read, how it is compared, and of which kind the row is
left out    nothing is tuned to make a row come out: what the rules do not give is reported so

Only a row of kind "model" can be reproduced: its number comes out of the rules. "arithmetic" rows are sums that need no
run, "calibrated" ones hold a number that was taken from the trace itself.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from vmteach.kernel import lowmem
from vmteach.kernel.reclaim import SECOND, Kind, PageRun, PageState, Pte, PteRun, Reclaim, Rules, Setup, Snapshot
from vmteach.kernel.vmstat import calibrated, vmstat
from vmteach.machine import GIB, KIB, MIB, PRESETS
from vmteach.patches.shm_big_iron import (
    A_PAGE_TAKEN,
    PATCHED,
    POLICIES,
    UNPATCHED,
    VISIT,
    Scenario,
    StormRun,
    Wants,
    simulate,
)
from vmteach.tables import table_rows

DIRTY = PageState(Kind.SHM, dirty=True)
CONVERTED = PageState(Kind.SWAPCACHE, dirty=True)
CLEAN = PageState(Kind.FILE)
UNPATCHED_RULES, FIXES_1_2 = POLICIES[UNPATCHED], POLICIES["fixes 1 and 2"]
REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not"
A_TENTH = 0.1  # what is left of a stall that is called none (ours, as in the row)
HOLDS = {REPRODUCED: "holds", PARTLY: "holds partly", NOT: "does not hold"}


class Found(NamedTuple):
    """What came out: a number in the claim's unit, whether the rest of the claim holds too, and a remark."""

    value: float
    whole: bool = True
    remark: str = ""


class Verdict(NamedTuple):
    """A row of the table: the claim, what was claimed, what came out, and the verdict."""

    id: str
    claim: str
    claimed: str
    found: str
    verdict: str
    remark: str


def verdicts(rows: Iterable[Mapping[str, str]] | None = None) -> list[Verdict]:
    """The verdict on each row of data/claims.csv, or on those that are given.

    >>> row = next(row for row in table_rows("claims") if row["id"] == "C21")
    >>> verdicts([row])[0].verdict
    'arithmetic: holds'
    """
    return [judge(row, CHECKS[row["check"]]()) for row in (table_rows("claims") if rows is None else rows)]


def judge(row: Mapping[str, str], found: Found) -> Verdict:
    """The verdict on one row: by its bounds, and `partly` where only some of it holds."""
    low, high = (float(row[bound] or default) for bound, default in (("low", "-inf"), ("high", "inf")))
    inside = low <= found.value <= high
    verdict = (REPRODUCED if found.whole else PARTLY) if inside else PARTLY if found.whole else NOT
    if row["kind"] != "model":
        verdict = f"{row['kind']}: {HOLDS[verdict]}"
    value = f"{found.value:,.0f}" if abs(found.value) >= 1000 else f"{found.value:.3g}"
    return Verdict(row["id"], row["claim"], claimed(row), f"{value} {row['unit']}".strip(), verdict, found.remark)


def claimed(row: Mapping[str, str]) -> str:
    """What is compared with, in words.

    >>> claimed({"compare": "at most", "low": "0", "high": "70.4", "tolerance": "10 % (ours)"})
    'at most 70.4 (10 % (ours))'
    """
    bounds = {"exact": row["low"], "at least": row["low"], "at most": row["high"], "direction": ""}
    said = bounds.get(row["compare"], f"{row['low']} to {row['high']}")
    words = f"{row['compare'] if row['compare'] not in ('about', 'between') else ''} {said}".strip()
    return words if row["tolerance"] == "none" else f"{words} ({row['tolerance']})"


# ---- the runs that claims look at


@cache
def storm(label: str, wants: Wants = Wants.BACKUP, machine: str = "32 GB", **fields: int) -> StormRun:
    """The default scenario under a policy; kept, because several rows look at the same run."""
    return simulate(Scenario(machine=PRESETS[machine], wants=wants, **fields), POLICIES[label])  # type: ignore[arg-type]


def number(run: StormRun, name: str) -> float:
    """A number of a run by the start of its name."""
    (value,) = (value for key, value in run.numbers.items() if key.startswith(name))
    return float(value)


def request(setup: Setup, rules: Rules = UNPATCHED_RULES) -> Reclaim:
    """The model after one request."""
    model = Reclaim(setup, rules)
    model.reclaim()
    return model


def run_of(pages: int, clean: int = 0, state: PageState = DIRTY) -> Setup:
    """Unmapped shared pages at the tail, and clean file pages behind them."""
    runs = (PageRun(0, pages, state), PageRun(pages, clean, CLEAN))
    used = pages if state.kind is Kind.SWAPCACHE else 0
    return Setup(pages, tuple(run for run in runs if run.count), slots=2 * pages, slots_used=used)


def slowdown(machine: str, file_percent: int = 3) -> float:
    """How many times slower a copy is without fix 3, with the same disks on each machine."""
    alike = replace(PRESETS[machine], disk_rate=PRESETS["32 GB"].disk_rate)
    scenario = Scenario(machine=alike, file_percent=file_percent)
    fast, slow = (number(simulate(scenario, POLICIES[label]), "copy") for label in (PATCHED, "fixes 1 and 2"))
    return fast / slow


# ---- the announcement's claims, one function each; the name is the row's `check`


def run_converted_and_not_written() -> Found:
    pages = 1_205_461  # the slots of row 31 of the trace
    count = request(run_of(pages, clean=64)).count
    return Found(count["conversions"] / pages, count["writes"] == 0)


def converted_before_the_first_write() -> Found:
    run = storm(UNPATCHED, Wants.APPLICATION, "16 GB")
    share = run.scenario.unmapped_percent
    gib = number(run, "converted")
    all_of_them = gib == round(run.scenario.cold * 4 * KIB / GIB, 2)
    return Found(gib, all_of_them, f"all pages that nobody maps; that these are {share} % is an input")


def passes_of_one_request() -> Found:
    count = request(run_of(1_200_000, clean=3_410_000 - 1_200_000)).count
    return Found(count["passes"], count["passes"] <= 60)


def accounts_moved_by_conversion() -> Found:
    run = storm(UNPATCHED, Wants.APPLICATION, "16 GB")
    seconds = [(row, s) for row, s in zip(run.events, run.counters) if s.conversions and not s.writes]
    sums = [row.swpd + row.cache for row, _ in seconds]
    pinned = all(row.so == 0 for row, _ in seconds) and len({row.free for row, _ in seconds}) == 1
    return Found(100 * (max(sums) - min(sums)) / sums[0], pinned and len(seconds) > 10, f"over {len(seconds)} s")


def free_in_its_band() -> Found:
    low, high = PRESETS["16 GB"].free_band
    return Found(
        low, high <= 509_100, f"the band is {low:,} to {high:,}; what is left of the lowest zone is the trace's"
    )


def laps_until_free() -> Found:
    quick = replace(run_of(64), service=1)  # the disk is done before the scan comes round
    laps = [-(-request(quick, rules).count["visits"] // 64) for rules in (Rules(), Rules(starts_io=True))]
    return Found(laps[0], laps[1] == 2)


def written_before_one_is_free() -> Found:
    return Found(request(run_of(200_000, state=CONVERTED)).count["writes"] / 200_000)


def swapped_per_byte_allocated() -> Found:
    pages = 100_000
    plain = Reclaim(run_of(pages)).run(pages).count["writes"] / pages
    twice = Reclaim(run_of(pages)).run(pages // 2, anon=True).count["writes"] / (pages // 2)
    return Found(plain, twice == 2, "over one whole turn of the list; within it the model writes all at once")


def ptes_destroyed_for_one_page() -> Found:
    processes, pages = 300, 524_288
    setup = Setup(pages, (PageRun(0, pages, DIRTY),), processes=processes, ptes=(PteRun(0, pages, Pte.OLD),))
    walk, objrmap = Reclaim(setup), Reclaim(setup, Rules(objrmap=True))
    walk.swap_out()
    objrmap.swap_out()
    whole = objrmap.count["ptes_destroyed"] == processes * setup.batch
    return Found((walk.count["ptes_destroyed"] - setup.batch) / ((processes - 1) * pages), whole)


def faults_and_slots_of_hot_pages() -> Found:
    processes, hot = 100, 10_000
    model = Reclaim(replace(run_of(hot, state=CONVERTED), processes=processes, hot=hot))
    model.touch()
    count = model.count
    return Found(count["minor_faults"] / (processes * hot), not count["slots_used"] and not count["writes"])


def unmapped_before_the_first_write() -> Found:
    """On the trace's machine: all mapped, nothing touched, the lists in balance (active twice the inactive)."""
    pages, processes = 3_410_000, 35
    third = pages // 3
    setup = Setup(
        pages,
        (PageRun(0, third, DIRTY),),
        (PageRun(third, pages - third, DIRTY),),
        processes=processes,
        ptes=(PteRun(0, pages, Pte.OLD),),
        slots=pages,
        costs=Scenario().costs,
    )
    model = request(setup, FIXES_1_2)
    unmapped = model.before_write["ptes_destroyed"] / processes
    remark = f"{100 * unmapped / third:.0f} % of the inactive list: a share of it, and no constant in the rules"
    return Found(unmapped * 4 * KIB / MIB, unmapped > 0 and model.now < SECOND, remark)


def swapped_per_byte_copied() -> Found:
    run = storm("fixes 1 and 2")
    more_out_than_in = sum(row.so for row in run.events) > sum(row.bi for row in run.events)
    return Found(number(run, "swapped per"), more_out_than_in, "3 % file cache on 32 GB, which is an input")


def speed_with_fix_3() -> Found:
    run = storm("fixes 1 and 2")
    fast, slow = number(storm(PATCHED), "copy"), number(run, "copy")
    worst = fast / number(run, "slowest")
    remark = f"without fix 3 {fast / slow:.1f} times slower on average and {worst:.0f} times in the worst 20 s, "
    return Found(fast * MIB / 1e6, fast / slow >= 10, remark + f"with a swap disk of {run.scenario.swap} MiB/s")


def what_a_slow_copy_moves() -> Found:
    slow, fast = (12 * 60 * rate / 1e9 for rate in (0.8e6, 8e6))
    return Found(fast, slow <= 2, f"{slow:.2f} to {fast:.2f} GB in 12 minutes; a few gigs are 2 to 5")


def storm_on_a_small_machine() -> Found:
    small, big = slowdown("1 GB"), slowdown("32 GB")
    mixed = max(slowdown("1 GB", 6), slowdown("32 GB", 6))
    remark = f"{small:.1f} times slower on 1 GB, {big:.1f} on 32 GB: RAM does not fade it. "
    return Found(small / big, mixed < 1.01, remark + f"A list with 6 % file pages does, on both: {mixed:.2f}")


def raising_the_ratio() -> Found:
    runs = [storm(PATCHED, machine="256 MB", vm_cache_scan_ratio=ratio) for ratio in (6, 20, 60)]
    search, swap = ([number(run, name) for run in runs] for name in ("pages searched", "swapped per"))
    alone = number(storm("fixes 1 and 2", machine="256 MB", vm_cache_scan_ratio=60), "swapped per")
    told = ", ".join(f"{pages:g} pages and {more:g} bytes" for pages, more in zip(search, swap))
    remark = f"256 MB, a copy at 6, 20, 60: {told}; with fixes 1 and 2 alone {alone:g} at 60"
    return Found(swap[-1], sorted(search, reverse=True) == search and sorted(swap) == swap, remark)


def without_clean_pages() -> Found:
    dirty = PageRun(0, 2_000_000, DIRTY)
    setup = replace(Scenario().setup, inactive=(dirty,), active=(), ptes=(), hot=0, shm=2_000_000)
    writes = [Reclaim(setup, rules).run(100_000).count["writes"] for rules in (POLICIES[PATCHED], FIXES_1_2)]
    remark = f"{writes[0]:,} pages written, {writes[1]:,} with fixes 1 and 2: the search moves pages past the writer"
    return Found(writes[0] / writes[1], True, remark)


def visited_with_fix_2_only() -> Found:
    count = request(run_of(100_000, clean=1_000_000), Rules(starts_io=True)).count
    return Found((count["visits"] - count["frees"]) / 100_000)


def sleeps_of_a_reclaimer() -> Found:
    plain, fixed = (request(run_of(100_000, clean=64), rules) for rules in (Rules(), Rules(starts_io=True)))
    return Found(fixed.count["sleeps"], plain.count["sleeps"] == 0 < fixed.count["sleeps"], "0 unpatched, on this lap")


def cost_of_a_conversion() -> Found:
    wall = calibrated(trace("swpd")[10:20]) / 1000
    return Found(8 * wall, True, f"{wall:.1f} us of wall time on 8 processors, from rows 11-20")


def time_to_write_4_gib() -> Found:
    slow, fast = (4 * GIB / (rate * MIB) for rate in (25, 60))
    return Found(fast, slow <= 3 * 60, f"{fast:.0f} to {slow:.0f} s")


def tasks_until_lowmem_is_full() -> Found:
    machine, window = PRESETS["32 GB"], 707_789
    high = lowmem.dies_at("2.6.0, HIGHPTE", machine, window)
    remark = f"2.6.0 with HIGHPTE at {high}, not 86: a chain is allocated whole, 15 addresses at a time"
    return Found(lowmem.dies_at("2.4 mainline", machine, window), machine.mem_map == 384 * MIB and high == 86, remark)


def recipe_of_the_author() -> Found:
    """2.7 GB mapped by 1,000 processes that do not touch it any more; then as much as RAM is copied."""
    swapped = {}
    for name in ("8 GB", "1 GB"):
        scenario = Scenario(machine=PRESETS[name])
        shm = min(int(2.7 * GIB) // (4 * KIB), scenario.shm)
        setup = replace(
            scenario.setup,
            shm=shm,
            inactive=(PageRun(shm, scenario.lists - shm, CLEAN),),
            active=(PageRun(0, shm, DIRTY._replace(referenced=True)),),
            processes=1_000,
            ptes=(PteRun(0, shm, Pte.OLD),),
            hot=0,
        )
        copied = scenario.machine.pages
        swapped[name] = Reclaim(setup, UNPATCHED_RULES).run(copied).count["writes"] / copied
    remark = f"{swapped['1 GB']:.2f} on 1 GB: nothing is unmapped when a copy finds file pages"
    return Found(swapped["8 GB"], swapped["8 GB"] > swapped["1 GB"], remark)


def stall_with_fixes_1_and_2() -> Found:
    """Of anonymous demand; the rest of the claim: with all three fixes there is none at all."""
    labels = UNPATCHED, "fixes 1 and 2", PATCHED
    waits = [number(storm(label, Wants.APPLICATION), "longest") for label in labels]
    told = ", ".join(f"{label} {wait:,.0f} s" for label, wait in zip(labels, waits))
    left, with_all = waits[1] / waits[0], waits[2] / waits[0]
    return Found(left, with_all <= A_TENTH, f"anonymous demand on 32 GB: {told}")


def minutes_of_the_stall() -> Found:
    run = storm(UNPATCHED, Wants.APPLICATION)
    s = run.scenario
    remark = f"with {s.unmapped_percent} % mapped by nobody and a swap disk of {s.swap} MiB/s, which are inputs"
    return Found(number(run, "longest") / 60, True, remark)


# ---- the trace

EARLY, LATE, LATE_ROW = 5, 3, 10  # row r is second r + EARLY of the model, from row 10 on LATE seconds more (fitted)
LAST = 31  # the last row before the first write


def trace(column: str) -> list[int]:
    """A column of the trace; row 1 is [0]."""
    return [row[column] for row in table_rows("vmstat_storm")]


def trace_setup() -> Setup:
    """The trace's machine as its storm begins.

    From the trace: what is cached in row 9, the slots of row 1, the cost of a conversion (rows 11-20), and how many
    pages nobody maps (the slots of row 31 less those of row 1). The file pages are what the sum of the accounts
    loses from row 1 to row 7. `free` sits at its minimum, so kswapd has no band here.
    """
    scenario = Scenario(machine=PRESETS["16 GB"])
    shm, file, hot = 3_249_211, 152_000, 2_052_539
    return replace(
        scenario.setup,
        shm=shm,
        inactive=(PageRun(shm, file, CLEAN),),
        active=(PageRun(0, shm, DIRTY._replace(referenced=True)),),
        processes=35,
        ptes=(PteRun(0, hot, Pte.YOUNG),),
        hot=hot,
        slots_used=trace("swpd")[0] // 4,
        band=0,
        costs=replace(scenario.costs, convert=round(calibrated(trace("swpd")[10:20])) - VISIT // 8),
        service=65_104,  # a swap disk of 60 MiB/s
    )


@cache
def twin() -> StormRun:
    """The model beside the trace: its line of vmstat for each of the rows 1 to 32, and nothing given between them.

    Two whole numbers are fitted: the second of the model that is row 1, and the seconds that row 10 came late. (Its
    swpd rises by 4.7 seconds' worth, and `in` is ten times that of its neighbours: vmstat divides by the nominal
    second.) All else is an input named in `trace_setup`, or follows.
    """
    scenario = Scenario(machine=PRESETS["16 GB"])
    seconds = [row + EARLY + (LATE if row >= LATE_ROW else 0) for row in range(1, 33)]
    model = Reclaim(trace_setup()).demand(10_000_000, A_PAGE_TAKEN, horizon=(seconds[-1] + 1) * SECOND)
    start = Snapshot(0, *Reclaim(trace_setup()).count.values())
    lines = vmstat(scenario.machine, [start, *model.samples])
    rows = tuple(lines[second - 1] for second in seconds)
    return StormRun(scenario, UNPATCHED_RULES, rows, counters=tuple(model.samples[second - 1] for second in seconds))


def trace_row_for_row() -> Found:
    real, swpd = trace("swpd"), [row.swpd for row in twin().events]
    errors = [100 * abs(swpd[i] - real[i]) / (real[LAST - 1] - real[20]) for i in range(20, LAST)]
    good = sum(error <= 5 for error in errors)
    whole = 100 * max(abs(a - b) for a, b in zip(swpd[:LAST], real)) / (max(real) - min(real))
    line = best_line(real[20:LAST])
    remark = f"{good} of {len(errors)} rows within 5 %; no straight line is nearer than {line:.1f} % at every row. "
    return Found(max(errors), good == len(errors), remark + f"Rows 1-31: within {whole:.1f} % of what swpd did")


def best_line(values: Sequence[int]) -> float:
    """How near a straight line can come to all of them, % of their range: the error of the best one.

    >>> best_line([0, 10, 30])
    8.333333333333334
    """
    slopes = ((b - a) / (j - i) for i, a in enumerate(values) for j, b in enumerate(values) if i < j)

    def off(slope: float) -> float:
        level = [value - slope * i for i, value in enumerate(values)]
        return max(level) - min(level)

    return 50 * min(map(off, slopes)) / (max(values) - min(values))


CHECKS: dict[str, Callable[[], Found]] = {
    name: one for name, one in globals().items() if getattr(one, "__annotations__", {}).get("return") is Found
}


# ---- the table on a page


def page() -> str:
    """docs/claims.md: the verdicts as Markdown."""
    found = verdicts()
    tally = {word: sum(v.verdict == word for v in found) for word in (REPRODUCED, PARTLY, NOT)}
    other = len(found) - sum(tally.values())
    rows = "\n".join(
        f"| {v.id} | {v.claim} | {v.claimed} | {'; '.join(filter(None, (v.found, v.remark)))} | {v.verdict} |"
        for v in found
    )
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    return text.format(rows=rows, models=sum(tally.values()), other=other, **tally)


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
