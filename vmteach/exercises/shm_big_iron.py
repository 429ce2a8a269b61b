"""Exercises of shm_big_iron: laps of the list, the reach of the search, a search of one's own, a debt not seen."""

from collections.abc import Mapping, Sequence
from typing import Any

from vmteach.exercises import Verdict, misfit, moved, not_yet, right, written
from vmteach.kernel.reclaim import Kind, PageRun, PageState, Reclaim, Rules, Setup
from vmteach.machine import GIB, PRESETS, Sysctls
from vmteach.patches import shm_big_iron as patch

DIRTY, CLEAN = PageState(Kind.SHM, dirty=True), PageState(Kind.FILE)
LONGEST, SWAPPED = "longest request (s)", "swapped out meanwhile (GiB)"


# ---- laps

PAGES = 64


def check_laps(laps: Any, _: Mapping[str, Any]) -> Verdict:
    fixed, stock = laps(Rules(starts_io=True)), laps(Rules())
    if wrong := misfit(stock, int, float) or misfit(fixed, int, float):
        return not_yet(wrong)
    counts = [_band(rules) for rules in (Rules(), Rules(starts_io=True))]
    visits, converted = ([count[name] for count in counts] for name in ("visits", "conversions"))
    whole = [-(-n // PAGES) for n in visits]
    if [stock, fixed] == whole:
        return right("Convert, write, free: fix 2 saves the lap between the first two.")
    if [stock, fixed] == visits:
        return not_yet("So often the scan came to any page of the list. The question is about one of them.")
    if [stock, fixed] == [n // PAGES for n in visits]:
        return not_yet("A lap that has begun counts too: the scan has come to some of the pages once more.")
    if stock != int(stock) or fixed != int(fixed):
        return not_yet("The scan comes to a page a whole number of times. Does a lap that has begun count?")
    if [stock, fixed] == [n // PAGES for n in converted]:
        return not_yet("Every page is converted once, with either kernel. The scan comes by more often than that.")
    if stock == fixed:
        return not_yet("The same for both would mean that fix 2 saves nothing. What does the first writepage write?")
    if stock < fixed:
        return not_yet("Fix 2 cannot make it more: it starts the I/O earlier. Are the two kernels exchanged?")
    return not_yet("Look at `few.count` for both kernels, and follow one page from its first visit to its last.")


def _band(rules: Rules) -> Mapping[str, int]:
    """The counters after one request on a list of dirty shared pages."""
    band = PageRun(0, PAGES, DIRTY)
    few = Reclaim(Setup(shm=PAGES, inactive=(band,), slots=PAGES, service=1), rules)
    few.reclaim()
    return few.count


# ---- reach


def check_reach(largest: Any, given: Mapping[str, Any]) -> Verdict:
    if wrong := misfit(largest, int, float, what="Your number is"):
        return not_yet(wrong)
    if largest != int(largest) or largest < 1:
        return not_yet("The sysctl takes whole numbers from 1 up: the kernel divides by it, and rounds down.")
    ratio, total = int(largest), given["total"]
    if ratio > total:
        return not_yet("So large a ratio leaves nothing to look at: neither the search nor the scan meets a page.")
    looked, converted = total // ratio, _converted(ratio, **given)
    if converted:
        return not_yet(f"There the search looks at {looked} pages, and the request converts {converted}.")
    if not _converted(ratio + 1, **given):
        return not_yet(f"There the search looks at {looked} pages and nothing is converted. It could look at fewer.")
    return right(
        "There the search just passes over all dirty pages. With one more it leaves some, and they are converted."
    )


def _converted(ratio: int, total: int, dirty: int) -> int:
    """Pages that a request for 32 converts on the kernel after."""
    lists = (PageRun(0, dirty, DIRTY), PageRun(dirty, total - dirty, CLEAN))
    setup = Setup(shm=dirty, inactive=lists, slots=dirty, service=1, sysctls=Sysctls(vm_cache_scan_ratio=ratio))
    model = Reclaim(setup, patch.POLICIES[patch.PATCHED])
    model.reclaim()
    return model.count["conversions"]


# ---- clean_pass

Pages = Sequence[str]
BAND = ("dirty",) * 6 + ("clean",) * 2


def shrink(inactive: Pages, want: int, ratio: int) -> tuple[int, int]:
    """Pages freed and pages converted, with the search first: what the exercise asks for."""
    part = len(inactive) // ratio
    freed = found = min(want, inactive[:part].count("clean"))
    converted = 0
    for page in (*(p for p in inactive[:part] if p != "clean"), *inactive[part:]) if found < want else ():
        if freed == want:
            break
        freed += page == "clean"
        converted += page != "clean"
    return freed, converted


def check_clean_pass(mine: Any, _: Mapping[str, Any]) -> Verdict:
    got: Any = None

    def wrong(inactive: Pages, want: int, ratio: int) -> bool:
        nonlocal got
        got = mine(list(inactive), want, ratio)
        return _pair(got) != shrink(inactive, want, ratio)

    if wrong(BAND, 2, 1):
        if _pair(got) is None:
            return not_yet("Give two numbers back: pages freed, and pages converted.")
        if got[1]:
            return not_yet(f"With a ratio of 1 the search covers the whole list. Yours converts {got[1]} pages first.")
        return not_yet("With a ratio of 1 the search covers the whole list and finds what is wanted. Yours does not.")
    if wrong(("clean",) * 5, 2, 1):
        return not_yet(f"Two pages were wanted, all were clean, and yours says {got}. When does the search stop?")
    if wrong(BAND, 2, 4):
        if _pair(got) and got[0] and not got[1]:
            return not_yet("With a ratio of 4 there is no clean page in the part to be searched. Yours went farther.")
        if (pair := _pair(got)) and pair[0] == 2 and pair[1] < 6:
            return not_yet(
                f"With a ratio of 4 yours converts {pair[1]} of the 6 dirty pages in front. Where are those that the "
                "search passed over? In this exercise they stay where they are, at the tail."
            )
        return not_yet("The search may find too little. Then the old scan must go on: yours gives up.")
    short, long = ("dirty",) * 3 + ("clean",) + ("dirty",) * 2 + ("clean",) * 2, ("dirty",) * 3 + ("clean",) * 13
    if wrong(short, 1, 4) or wrong(long, 1, 4):
        return not_yet("How many pages does the search look at? The ratio is a share of the list, not a number.")
    if wrong(("clean",) + ("dirty",) * 3, 2, 1):
        return not_yet(f"There was one clean page in that list, two were wanted, and yours says {got}.")
    odd = ("dirty",) * 2 + ("clean",) * 5
    for case in ((odd, 1, 3), (BAND[::-1], 5, 2), (("dirty", "clean") * 8, 6, 3), ((), 1, 6)):
        if wrong(*case):
            return not_yet(f"A list of {len(case[0])}, {case[1]} wanted, a ratio of {case[2]}: yours says {got}.")
    return right("Clean pages go first, dirty ones only when the search was not enough. This is fix 3.")


def _pair(value: Any) -> tuple[int, int] | None:
    """Two whole numbers, or None."""
    if isinstance(value, tuple | list) and len(value) == 2 and not any(misfit(v, int) for v in value):
        return value[0], value[1]
    return None


# ---- debt


def check_debt(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, patch.Scenario):
        return not_yet("Hand in a `patch.Scenario(...)`: a machine and what runs on it.")
    if mine.machine not in PRESETS.values():
        return not_yet("Take one of the machines in `PRESETS`, as it is.")
    if mine.shm_percent > 75 or mine.processes > 500 or mine.copy_pages > mine.machine.pages:
        return not_yet("Take 75 % shared memory at most, 500 processes, and a file that fits into the memory.")
    runs = {label: patch.simulate(mine, patch.POLICIES[label]) for label in (patch.UNPATCHED, patch.PATCHED)}
    before, after = (runs[label].numbers[SWAPPED] for label in (patch.UNPATCHED, patch.PATCHED))
    told = f"before {before:g} GiB, after {after:g} GiB"
    if before == after == 0:
        return not_yet("Neither kernel writes anything to swap here: there is nothing to lose yet.")
    if after <= before:
        return not_yet(f"Swapped out while the file is copied: {told}. Here the patch does not lose.")
    score = round(100 * (after - before) / (mine.shm * mine.machine.page / GIB))
    return right(
        f"Swapped out while the file is copied: {told}. The score is the difference in % of the segment.", score
    )


# ---- the explorer


def check_third(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if others := moved(state, patch.Scenario(), but=("vm_cache_scan_ratio",)):
        return not_yet(f"Only `vm_cache_scan_ratio` may be moved. Put back: {', '.join(others)}.")
    before, after = numbers[patch.UNPATCHED][LONGEST], numbers[patch.PATCHED][LONGEST]
    told = f"The longest request takes {before:.1f} s before and {after:.1f} s after"
    if 3 * after < before:
        return right(f"{told}.")
    return not_yet(f"{told}, which is {100 * after / before:.0f} % of it.")


def check_smallest(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if others := moved(state, patch.Scenario(), but=("machine",)):
        return not_yet(f"Only the machine may be moved. Put back: {', '.join(others)}.")
    names = list(PRESETS)
    here = numbers[patch.UNPATCHED][LONGEST]
    if here <= 10:
        return not_yet(f"The longest request takes {here:.1f} s before the patch: this machine is too small.")
    below = PRESETS[names[max(0, names.index(state["machine"]) - 1)]]
    smaller = patch.simulate(patch.Scenario(machine=below), patch.POLICIES[patch.UNPATCHED])
    if smaller.numbers[LONGEST] > 10:
        return not_yet(f"The longest request takes {here:.1f} s here. A smaller machine waits that long too.")
    return right(
        f"The longest request takes {here:.1f} s here, and {smaller.numbers[LONGEST]:.1f} s on the next smaller one."
    )


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "shm_big_iron",
    checks={
        "laps": check_laps,
        "reach": check_reach,
        "clean_pass": check_clean_pass,
        "debt": check_debt,
        "third": check_third,
        "smallest": check_smallest,
    },
    variants={
        "reach": tuple(
            {"total": total, "dirty": dirty} for total, dirty in ((1200, 150), (6000, 500), (2500, 250), (960, 80))
        )
    },
)
