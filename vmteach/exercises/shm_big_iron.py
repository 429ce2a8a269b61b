"""Exercises of shm_big_iron: a quota, laps, the reach of the search, a search of one's own, a slower copy."""

from collections.abc import Sequence

from vmteach.exercises import Answer, Given, Numbers, Position, Verdict, misfit, moved, not_yet, right, written
from vmteach.kernel.reclaim import Kind, PageRun, PageState, Reclaim, Rules, Setup
from vmteach.machine import PRESETS, Sysctls
from vmteach.patches import shm_big_iron as patch

DIRTY, CLEAN = PageState(Kind.SHM, dirty=True), PageState(Kind.FILE)
SPEED, SWAPPED = "copy speed (MiB/s)", "swapped per byte copied"
FULL, HALF = 75, 0.5  # MiB/s of a copy that nothing holds up; bytes swapped per byte copied


def check_quota(quota: Answer, _: Given) -> Verdict:
    first = quota(2, 22, 2)
    if wrong := misfit(first, int, float):
        return not_yet(wrong)
    if first == 8.8:
        return not_yet("The kernel computes in whole numbers: 8.8 pages cannot be moved. Which division rounds down?")
    quota(2, 22, 0)  # without the 1 this divides by zero, and the learner's own line says so
    if first == 11:
        return not_yet("For 2 wanted, 22 active and 2 inactive pages yours gives 11: the 1 below the line is missing.")
    if first in (0, 2 * 2 // (2 * 22 + 1)):
        return not_yet(
            "For 2 wanted, 22 active and 2 inactive pages yours gives 0. Which length stands below the line?"
        )
    if first == 14:
        return not_yet("For 2 wanted, 22 active and 2 inactive pages yours gives 14. Where does the balance stand?")
    for given in ((2, 22, 2), (2, 22, 0), (32, 824_500, 0), (32, 3_000, 1_500), (32, 10, 5_000), (7, 100, 3, 1)):
        if (got := quota(*given)) != given[0] * given[1] // ((given[3] if len(given) > 3 else 2) * given[2] + 1):
            need, active, inactive = given[:3]
            return not_yet(f"For {need} wanted, {active:,} active and {inactive:,} inactive pages yours gives {got}.")
    return right("With an empty inactive list the quota is need times the active list: everything moves in one call.")


PAGES = 64
STOCK, FIX_2 = Rules(), Rules(starts_io=True)


def check_laps(laps: Answer, _: Given) -> Verdict:
    mine = laps(STOCK), laps(FIX_2)
    if wrong := misfit(mine[0], int, float) or misfit(mine[1], int, float):
        return not_yet(wrong)
    visits, converted = zip(_band(STOCK), _band(FIX_2))
    if mine == tuple(-(-n // PAGES) for n in visits):
        return right("Convert, write, free: fix 2 saves the lap between the first two.")
    if mine == visits:
        return not_yet("So often the scan came to any page of the list. The question is about one of them.")
    if mine == tuple(n // PAGES for n in visits):
        return not_yet("A lap that has begun counts too: the scan has come to some of the pages once more.")
    if mine == tuple(n // PAGES for n in converted):
        return not_yet("Every page is converted once, with either kernel. The scan comes by more often than that.")
    return _no_laps(*mine)


def _no_laps(stock: float, fixed: float) -> Verdict:
    """What to say to numbers that are no count of anything here."""
    if stock != int(stock) or fixed != int(fixed):
        return not_yet("The scan comes to a page a whole number of times. Does a lap that has begun count?")
    if stock == fixed:
        return not_yet("The same for both would mean that fix 2 saves nothing. What does the first writepage write?")
    if stock < fixed:
        return not_yet("Fix 2 cannot make it more: it starts the I/O earlier. Are the two kernels exchanged?")
    return not_yet("Look at `few.count` for both kernels, and follow one page from its first visit to its last.")


def _band(rules: Rules) -> tuple[int, int]:
    """Visits and conversions of one request on a list of dirty shared pages."""
    band = PageRun(0, PAGES, DIRTY)
    few = Reclaim(Setup(shm=PAGES, inactive=(band,), slots=PAGES, service=1), rules)
    few.reclaim()
    return few.count["visits"], few.count["conversions"]


def check_reach(largest: Answer, given: Given) -> Verdict:
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
    """Pages that a request for 32 converts on the patched kernel."""
    lists = (PageRun(0, dirty, DIRTY), PageRun(dirty, total - dirty, CLEAN))
    setup = Setup(shm=dirty, inactive=lists, slots=dirty, service=1, sysctls=Sysctls(vm_cache_scan_ratio=ratio))
    model = Reclaim(setup, patch.POLICIES[patch.PATCHED])
    model.reclaim()
    return model.count["conversions"]


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


def check_clean_pass(mine: Answer, _: Given) -> Verdict:
    got: Answer = None

    def wrong(inactive: Pages, want: int, ratio: int) -> bool:
        nonlocal got
        got = mine(list(inactive), want, ratio)
        return _pair(got) != shrink(inactive, want, ratio)

    if wrong(BAND, 2, 1):
        return _whole_list_searched(_pair(got))
    if wrong(("clean",) * 5, 2, 1):
        return not_yet(f"Two pages were wanted, all were clean, and yours says {got}. When does the search stop?")
    if wrong(BAND, 2, 4):
        return _part_searched(*(_pair(got) or (0, 0)))
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


def _whole_list_searched(got: tuple[int, int] | None) -> Verdict:
    """What to say where a search of the whole list, with all that is wanted in it, came out wrong."""
    if got is None:
        return not_yet("Give two numbers back: pages freed, and pages converted.")
    if got[1]:
        return not_yet(f"With a ratio of 1 the search covers the whole list. Yours converts {got[1]} pages first.")
    return not_yet("With a ratio of 1 the search covers the whole list and finds what is wanted. Yours does not.")


def _part_searched(freed: int, converted: int) -> Verdict:
    """What to say where a search of dirty pages alone, and the scan behind it, came out wrong."""
    if freed and not converted:
        return not_yet("With a ratio of 4 there is no clean page in the part to be searched. Yours went farther.")
    if freed == 2 and converted < 6:
        return not_yet(
            f"With a ratio of 4 yours converts {converted} of the 6 dirty pages in front. Where are those that the "
            "search passed over? In this exercise they stay where they are, at the tail."
        )
    return not_yet("The search may find too little. Then the old scan must go on: yours gives up.")


def _pair(value: Answer) -> tuple[int, int] | None:
    """Two whole numbers, or None."""
    if isinstance(value, tuple | list) and len(value) == 2 and not any(misfit(v, int) for v in value):
        return value[0], value[1]
    return None


def check_slower(mine: Answer, _: Given) -> Verdict:
    if mine.machine not in PRESETS.values():
        return not_yet("Take one of the machines in `PRESETS`, as it is.")
    if mine.copy_pages > mine.machine.pages or mine.application_pages > mine.machine.pages:
        return not_yet("Take a file and a demand that fit into the memory.")
    numbers = {label: patch.simulate(mine, patch.POLICIES[label]).numbers for label in (patch.UNPATCHED, patch.PATCHED)}
    speeds = [numbers[label][SPEED] for label in (patch.UNPATCHED, patch.PATCHED)]
    if not all(isinstance(speed, float) for speed in speeds):
        return not_yet("Nothing is copied here: let `wants` name the backup.")
    told = f"The unpatched kernel copies at {speeds[0]:g} MiB/s, the patched one at {speeds[1]:g}"
    if speeds[1] >= speeds[0]:
        return not_yet(f"{told}. Here the patched kernel is not the slower one.")
    return right(f"{told}. The score is the difference in %.", round(100 * (1 - speeds[1] / speeds[0])))


def check_knob(state: Position, numbers: Numbers) -> Verdict:
    laptop = patch.Scenario(machine=PRESETS["256 MB"])
    if others := moved(state, laptop, but=("vm_cache_scan_ratio",)):
        return not_yet(f"On 256 MB, move only the ratio. Put back: {', '.join(others)}.")
    swapped = numbers[patch.PATCHED][SWAPPED]
    told = f"The patched kernel swaps {swapped:g} bytes for each byte that it copies"
    return right(f"{told}.") if swapped >= HALF else not_yet(f"{told}. Half a byte is wanted.")


def check_threshold(state: Position, numbers: Numbers) -> Verdict:
    if others := moved(state, patch.Scenario(), but=("file_percent",)):
        return not_yet(f"Only the file cache may be moved. Put back: {', '.join(others)}.")
    here, speed = state["file_percent"], numbers[patch.UNPATCHED][SPEED]
    told = f"With {here} % file pages the unpatched kernel copies at {speed:g} MiB/s"
    if speed <= FULL:
        return not_yet(f"{told}: too few.")
    (stops,) = (control.stops for control in patch.CONTROLS if control.field == "file_percent")
    fewer = stops[max(0, stops.index(here) - 1)]
    below = patch.simulate(patch.Scenario(file_percent=fewer), patch.POLICIES[patch.UNPATCHED]).numbers[SPEED]
    if float(below) > FULL:
        return not_yet(f"{told}. A smaller share will do, too.")
    return right(f"{told}, with {fewer} % at {below:g}.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "shm_big_iron",
    globals(),
    reach=tuple(
        {"total": total, "dirty": dirty} for total, dirty in ((1200, 150), (6000, 500), (2500, 250), (960, 80))
    ),
)
