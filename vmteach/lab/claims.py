"""The announcement's claims about shm_big_iron, each measured on the model: one function a row of data/claims.csv.

source      data/claims.csv says where each claim was read, and gives the bounds
left out    nothing is tuned to make a row come out: what the rules do not give is reported so
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from vmteach.kernel import lowmem
from vmteach.kernel.reclaim import Kind, PageRun, PageState, Pte, PteRun, Reclaim, Rules, Setup
from vmteach.machine import GIB, MIB, PRESETS
from vmteach.patches.shm_big_iron import (
    CONVERT,
    POLICIES,
    VISIT,
    Scenario,
    Start,
    StormRun,
    calibrated,
    first_snapshot,
    simulate,
    vmstat,
)

DIRTY = PageState(Kind.SHM, dirty=True)
CONVERTED = PageState(Kind.SWAPCACHE, dirty=True)
CLEAN = PageState(Kind.FILE)
PATCH = POLICIES["patched"]
FIXES_1_2 = POLICIES["fixes 1+2"]


class Measured(NamedTuple):
    """What the model gives: a number in the claim's unit, whether all of the claim holds, and a remark."""

    value: float
    whole: bool = True
    remark: str = ""


class Verdict(NamedTuple):
    """A row of the table in the chapter."""

    id: str
    claim: str
    model: float
    unit: str
    verdict: str
    remark: str


REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not"


def judge(row: Mapping[str, str], measured: Measured) -> Verdict:
    """The verdict on one row of data/claims.csv: by its bounds, and `partly` where only some of it holds."""
    low = float(row["low"]) if row["low"] else float("-inf")
    high = float(row["high"]) if row["high"] else float("inf")
    inside = low <= measured.value <= high
    verdict = (REPRODUCED if measured.whole else PARTLY) if inside else PARTLY if measured.whole else NOT
    return Verdict(row["id"], row["claim"], round(measured.value, 3), row["unit"], verdict, measured.remark)


def verdicts(rows: Sequence[Mapping[str, str]], trace_swpd: Sequence[int]) -> list[Verdict]:
    """All rows, in order; `trace_swpd` is the column of the trace, KiB."""
    return [judge(row, t1(trace_swpd) if row["id"] == "T1" else CHECKS[row["id"]]()) for row in rows]


@cache
def storm(policy: str, start: Start = Start.UNMAPPED, machine: str = "32 GB", ratio: int = 6) -> StormRun:
    """The default scenario under a policy; kept, because several rows look at the same run."""
    scenario = Scenario(machine=PRESETS[machine], start=start, vm_cache_scan_ratio=ratio)
    return simulate(scenario, POLICIES[policy])


def request(setup: Setup, rules: Rules = POLICIES["unpatched"]) -> Reclaim:
    """The model after one request."""
    model = Reclaim(setup, rules)
    model.reclaim()
    return model


def run_of(pages: int, clean: int = 0, state: PageState = DIRTY) -> Setup:
    """Unmapped shared pages at the tail, and clean file pages behind them."""
    runs = (PageRun(0, pages, state), PageRun(pages, clean, CLEAN))
    used = pages if state.kind is Kind.SWAPCACHE else 0
    return Setup(pages, tuple(run for run in runs if run.count), slots=2 * pages, slots_used=used)


def c1() -> Measured:
    count = request(run_of(1_205_461, clean=64)).count
    return Measured(count["conversions"] / 1_205_461, count["writes"] == 0)


def c2() -> Measured:
    model = Reclaim(Scenario().setup, POLICIES["unpatched"])
    model.run(Scenario().copy_pages)
    gib = model.before_write["conversions"] * 4096 / GIB
    return Measured(gib, True, "the untouched share of the segment, which is a choice of the scenario")


def c3() -> Measured:
    count = request(run_of(1_200_000, clean=3_410_000 - 1_200_000)).count
    return Measured(count["passes"], count["passes"] <= 60)


def c4() -> Measured:
    run = storm("unpatched", machine="16 GB")
    rows = [row for row, s in zip(run.events, run.counters) if s.conversions and not s.copied and not s.writes]
    sums = [row.swpd + row.cache for row in rows]
    still = all(row.so == 0 for row in rows) and len({row.free for row in rows}) == 1
    return Measured(100 * (max(sums) - min(sums)) / sums[0], still and len(rows) > 10)


def c5() -> Measured:
    free = storm("unpatched", machine="16 GB").numbers["free (KiB)"]
    low, high = PRESETS["16 GB"].free_band
    return Measured(free, True, f"predicted band {low:,} to {high:,} KiB; what boot leaves of ZONE_DMA is inferred")


def c6() -> Measured:
    quick = replace(run_of(64), service=1)  # the disk is done before the scan comes round
    laps = [-(-request(quick, rules).count["visits"] // 64) for rules in (Rules(), Rules(starts_io=True))]
    return Measured(laps[0], laps[1] == 2)


def c7() -> Measured:
    setup = run_of(200_000, state=CONVERTED)
    return Measured(request(setup).count["writes"] / 200_000)


def c8() -> Measured:
    pages = 100_000
    plain = Reclaim(run_of(pages), POLICIES["unpatched"]).run(pages).count["writes"] / pages
    twice = Reclaim(run_of(pages), POLICIES["unpatched"]).run(pages // 2, anon=True).count["writes"] / (pages // 2)
    return Measured(plain, twice == 2, "over one whole turn of the list; within it the model writes all at once")


def c9() -> Measured:
    processes, pages = 300, 524_288
    setup = Setup(pages, (PageRun(0, pages, DIRTY),), processes=processes, ptes=(PteRun(0, pages, Pte.OLD),))
    walk, objrmap = Reclaim(setup), Reclaim(setup, Rules(objrmap=True))
    walk.swap_out()
    objrmap.swap_out()
    whole = objrmap.count["ptes_destroyed"] == processes * setup.batch
    return Measured((walk.count["ptes_destroyed"] - setup.batch) / ((processes - 1) * pages), whole)


def c10() -> Measured:
    processes, hot = 100, 10_000
    setup = replace(run_of(hot, state=CONVERTED), processes=processes, hot=hot)
    model = Reclaim(setup)
    model.touch()
    count = model.count
    return Measured(count["minor_faults"] / (processes * hot), not count["slots_used"] and not count["writes"])


def c11() -> Measured:
    scenario = replace(Scenario(), start=Start.MAPPED)
    lists = scenario.lists
    setup = Setup(
        lists,
        (PageRun(0, lists, DIRTY),),
        processes=100,
        ptes=(PteRun(0, lists, Pte.OLD),),
        slots=lists,
        costs=scenario.costs,
    )
    model = request(setup, FIXES_1_2)
    unmapped = model.before_write["ptes_destroyed"] / 100 * 4096 / MIB
    remark = "1 % of the list in a lap, whatever its length: no constant in the rules gives 64 MiB"
    return Measured(unmapped, False, remark)


def c12() -> Measured:
    run = storm("fixes 1+2")
    swapped = run.numbers["swapped out meanwhile (GiB)"] * GIB / (run.scenario.copy_pages * 4096)
    return Measured(
        swapped,
        sum(r.so for r in run.events) > sum(r.bi for r in run.events),
        "all of the unmapped run, once",
    )


def c13() -> Measured:
    runs = {name: storm(name, Start.RUN).numbers["copy speed (MiB/s)"] * MIB / 1e6 for name in ("patched", "fixes 1+2")}
    slower = runs["patched"] / runs["fixes 1+2"]
    remark = f"without fix 3 it is {slower:.1f} times slower, not 10 to 100: the run is written but once"
    return Measured(runs["patched"], slower >= 10, remark)


def c14() -> Measured:
    slow, fast = (12 * 60 * rate / 1e9 for rate in (0.8e6, 8e6))
    return Measured((slow + fast) / 2, slow >= 0.57 and fast <= 5.8, "arithmetic, no model")


def c15() -> Measured:
    machines = ("1 GB", "2 GB", "4 GB", "8 GB", "16 GB", "32 GB")
    converted = [storm("unpatched", machine=m).numbers["converted by the first request (GiB)"] for m in machines]
    stall = [storm("unpatched", machine=m).numbers["longest request (s)"] for m in machines]
    remark = f"{converted[0]} GiB on 1 GB to {converted[-1]} on 32 GB, but still {stall[2]:.0f} s of stall on 4 GB: "
    remark += "the model's list is no better mixed on a small machine than on a big one"
    return Measured(8, False if stall[2] > 1 else sorted(converted) == converted, remark)


def c16() -> Measured:
    runs = [storm("patched", ratio=ratio).numbers for ratio in (1, 3, 6, 20, 60)]
    search = [n["pages searched per page freed"] for n in runs]
    swap = [n["swapped out meanwhile (GiB)"] for n in runs]
    limit = storm("fixes 1+2", ratio=60).numbers["swapped out meanwhile (GiB)"]
    grows = sorted(search, reverse=True) == search and sorted(swap) == swap
    remark = f"swap {swap} GiB, search {search} pages a page freed; at 60 fixes 1+2 alone swap {limit} GiB"
    return Measured(swap[-1], grows and abs(swap[-1] - limit) < 0.05 * limit, remark)


def c17() -> Measured:
    setup = replace(
        Scenario().setup, inactive=(PageRun(0, 2_000_000, DIRTY),), active=(), ptes=(), hot=0, shm=2_000_000
    )
    writes = [Reclaim(setup, rules).run(100_000).count["writes"] for rules in (PATCH, FIXES_1_2)]
    remark = f"{writes[0]:,} pages written against {writes[1]:,}: the search rotates pages past the writer"
    return Measured(writes[0] / writes[1], writes[0] == writes[1], remark)


def c18() -> Measured:
    count = request(run_of(100_000, clean=1_000_000), Rules(starts_io=True)).count
    return Measured((count["visits"] - count["frees"]) / 100_000)


def c19() -> Measured:
    stock, fixed = (request(run_of(100_000, clean=64), rules) for rules in (Rules(), Rules(starts_io=True)))
    return Measured(fixed.count["sleeps"], stock.count["sleeps"] == 0 < fixed.count["sleeps"])


def c20() -> Measured:
    return Measured((CONVERT + VISIT) / 1000, True, "calibrated on rows 11-20, compared with rows 11-31")


def c21() -> Measured:
    slow, fast = (4 * GIB / (rate * MIB) for rate in (25, 60))
    return Measured(fast, 68 <= fast < slow <= 164, f"{fast:.0f} to {slow:.0f} s; arithmetic, no model")


def c22() -> Measured:
    machine, window = PRESETS["32 GB"], 707_789
    tasks = lowmem.dies_at("2.4 mainline", machine, window)
    high = lowmem.dies_at("2.6.0, HIGHPTE", machine, window)
    remark = f"2.6.0 with HIGHPTE dies at {high}, not 86: a chain is allocated whole, 15 addresses at a time"
    return Measured(tasks, machine.mem_map == 384 * MIB and high == 86, remark)


def c23() -> Measured:
    shm = [
        simulate(Scenario(machine=PRESETS[m], shm_percent=p, processes=1000), POLICIES["unpatched"])
        for m, p in (("8 GB", 34), ("1 GB", 75))
    ]
    converted = [run.numbers["converted by the first request (GiB)"] for run in shm]
    return Measured(
        8,
        converted[0] > 3 * converted[1],
        f"first request: {converted[0]} GiB on 8 GB, {converted[1]} on 1 GB",
    )


def t1(swpd: Sequence[int]) -> Measured:
    """`swpd` is the trace's column, KiB; rows are numbered from 1."""
    model = predicted(swpd)
    real = list(swpd[20:31])
    span = max(real) - min(real)
    errors = [100 * abs(a - b) / span for a, b in zip(model[10:], real)]
    good = sum(error <= 5 for error in errors)
    whole = 100 * max(abs(a - b) for a, b in zip(model[10:], real)) / (max(swpd) - min(swpd))
    remark = f"{good} of 11 rows within 5 %; the worst is {whole:.1f} % of what swpd did in the whole trace"
    return Measured(max(errors), good >= 6, remark)


def twin(swpd: Sequence[int]) -> StormRun:
    """The model from row 11 of the trace on, with no page mapped any more.

    Given are what was converted by row 11 and by row 31, and the cost of a conversion from rows 11-20; the
    walks that destroyed the address spaces are in that cost already.
    """
    scenario = Scenario(machine=PRESETS["16 GB"])
    setup, done, end = scenario.setup, swpd[10] // 4, swpd[30] // 4
    hot = setup.hot
    start = replace(
        setup,
        shm=hot + end,
        inactive=(
            PageRun(hot, end - done, DIRTY),
            PageRun(hot + end, 1_000, CLEAN),
            PageRun(hot + end - done, done, CONVERTED),
        ),
        ptes=(),
        hot=0,
        slots_used=done,
        costs=replace(setup.costs, convert=round(calibrated(list(swpd[10:20]))) // 8 - setup.costs.visit),
    )
    model = Reclaim(start).run(32)
    rows = vmstat(scenario, [first_snapshot(scenario), *model.samples])
    return StormRun(scenario, POLICIES["unpatched"], tuple(rows), counters=tuple(model.samples))


def predicted(swpd: Sequence[int]) -> list[int]:
    """`swpd` of rows 11 to 31 as the model gives it, KiB."""
    return [swpd[10], *(row.swpd for row in twin(swpd).events[:20])]


CHECKS: dict[str, Callable[[], Measured]] = {
    name.upper(): check for name, check in sorted(globals().items()) if name[0] == "c" and name[1:].isdigit()
}


def table(found: Sequence[Verdict]) -> Any:
    """The verdicts as a table for a page, with nothing cut off."""
    import pandas as pd

    left = {"text-align": "left", "white-space": "normal"}
    return pd.DataFrame(found).set_index("id").style.format(precision=2).set_properties(**left)
