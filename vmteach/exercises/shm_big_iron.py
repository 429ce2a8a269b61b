"""Exercises of shm_big_iron: a quota, laps, the reach of the search, a search of one's own, a slower copy."""

from collections.abc import Sequence

from vmteach import exercises
from vmteach.exercises import Answer, Faults, Given, Numbers, Position, Verdict, check, misfit, not_yet, right, written
from vmteach.kernel.reclaim import Kind, PageRun, PageState, Reclaim, Rules, Setup
from vmteach.machine import PRESETS, Sysctls
from vmteach.patches import shm_big_iron as patch

DIRTY, CLEAN = PageState(Kind.SHM, dirty=True), PageState(Kind.FILE)
SPEED, SWAPPED = "copy speed (MiB/s)", "swapped per byte copied"
FULL, HALF = 75, 0.5  # MiB/s of a copy that nothing holds up; bytes swapped per byte copied


QUOTAS = (2, 22, 2), (2, 22, 0), (32, 824_500, 0), (32, 3_000, 1_500), (32, 10, 5_000), (7, 100, 3, 1)


@check
def check_quota(quota: Answer, _: Given) -> Faults:
    first = quota(2, 22, 2)
    yield misfit(first, int, float)
    if first == 8.8:
        yield "The kernel computes in whole numbers: 8.8 pages cannot be moved. Which division rounds down?"
    quota(2, 22, 0)  # without the 1 this divides by zero, and the learner's own line says so
    where = "For 2 wanted, 22 active and 2 inactive pages yours gives"
    yield first == 11, f"{where} 11: the 1 below the line is missing."
    yield first == 0, f"{where} 0. Which length stands below the line?"
    yield first == 14, f"{where} 14. Where does the balance stand?"
    for need, active, inactive, *balance in QUOTAS:
        if (got := quota(need, active, inactive, *balance)) != need * active // (sum(balance or [2]) * inactive + 1):
            yield f"For {need} wanted, {active:,} active and {inactive:,} inactive pages yours gives {got}."
    return right("With an empty inactive list the quota is need times the active list: everything moves in one call.")


PAGES = 64
STOCK, FIX_2 = Rules(), Rules(starts_io=True)


@check
def check_laps(laps: Answer, _: Given) -> Faults:
    mine = stock, fixed = laps(STOCK), laps(FIX_2)
    yield misfit(stock, int, float) or misfit(fixed, int, float)
    visits, converted = zip(_band(STOCK), _band(FIX_2))
    if mine == tuple(-(-n // PAGES) for n in visits):
        return right("Convert, write, free: fix 2 saves the lap between the first two.")
    yield mine == visits, "So often the scan came to any page of the list. The question is about one of them."
    if mine == tuple(n // PAGES for n in visits):
        yield "A lap that has begun counts too: the scan has come to some of the pages once more."
    if mine == tuple(n // PAGES for n in converted):
        yield "Every page is converted once, with either kernel. The scan comes by more often than that."
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


@check
def check_reach(largest: Answer, given: Given) -> Faults:
    yield misfit(largest, int, float, what="Your number is")
    if largest != int(largest) or largest < 1:
        yield "The sysctl takes whole numbers from 1 up: the kernel divides by it, and rounds down."
    ratio, total = int(largest), given["total"]
    if ratio > total:
        yield "So large a ratio leaves nothing to look at: neither the search nor the scan meets a page."
    looked, converted = f"There the search looks at {total // ratio} pages", _converted(ratio, **given)
    yield converted, f"{looked}, and the request converts {converted}."
    yield not _converted(ratio + 1, **given), f"{looked} and nothing is converted. It could look at fewer."
    passes = "There the search just passes over all dirty pages."
    return right(f"{passes} With one more it leaves some, and they are converted.")


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


SHORT, LONG = ("dirty",) * 3 + ("clean",) + ("dirty",) * 2 + ("clean",) * 2, ("dirty",) * 3 + ("clean",) * 13
ODD = ("dirty",) * 2 + ("clean",) * 5


@check
def check_clean_pass(mine: Answer, _: Given) -> Faults:
    got: Answer = None

    def wrong(inactive: Pages, want: int, ratio: int) -> bool:
        nonlocal got
        got = mine(list(inactive), want, ratio)
        return _pair(got) != shrink(inactive, want, ratio)

    if wrong(BAND, 2, 1):
        return _whole_list_searched(_pair(got))
    if wrong(("clean",) * 5, 2, 1):
        yield f"Two pages were wanted, all were clean, and yours says {got}. When does the search stop?"
    if wrong(BAND, 2, 4):
        return _part_searched(*(_pair(got) or (0, 0)))
    if wrong(SHORT, 1, 4) or wrong(LONG, 1, 4):
        yield "How many pages does the search look at? The ratio is a share of the list, not a number."
    if wrong(("clean",) + ("dirty",) * 3, 2, 1):
        yield f"There was one clean page in that list, two were wanted, and yours says {got}."
    for inactive, want, ratio in ((ODD, 1, 3), (BAND[::-1], 5, 2), (("dirty", "clean") * 8, 6, 3), ((), 1, 6)):
        if wrong(inactive, want, ratio):
            yield f"A list of {len(inactive)}, {want} wanted, a ratio of {ratio}: yours says {got}."
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
        few = f"With a ratio of 4 yours converts {converted} of the 6 dirty pages in front."
        stay = "In this exercise they stay where they are, at the tail."
        return not_yet(f"{few} Where are those that the search passed over? {stay}")
    return not_yet("The search may find too little. Then the old scan must go on: yours gives up.")


def _pair(value: Answer) -> tuple[int, int] | None:
    """Two whole numbers, or None."""
    if isinstance(value, tuple | list) and len(value) == 2 and not any(misfit(v, int) for v in value):
        return value[0], value[1]
    return None


@check
def check_slower(mine: Answer, _: Given) -> Faults:
    most = mine.machine.pages
    yield mine.machine not in PRESETS.values(), "Take one of the machines in `PRESETS`, as it is."
    if mine.copy_pages > most or mine.application_pages > most:
        yield "Take a file and a demand that fit into the memory."
    labels = patch.UNPATCHED, patch.PATCHED
    before, after = (patch.simulate(mine, patch.POLICIES[label]).numbers[SPEED] for label in labels)
    if not isinstance(before, float) or not isinstance(after, float):
        return not_yet("Nothing is copied here: let `wants` name the backup.")
    told = f"The unpatched kernel copies at {before:g} MiB/s, the patched one at {after:g}"
    yield after >= before, f"{told}. Here the patched kernel is not the slower one."
    return right(f"{told}. The score is the difference in %.", round(100 * (1 - after / before)))


@check
def check_knob(state: Position, numbers: Numbers) -> Faults:
    others = exercises.moved(state, patch.Scenario(machine=PRESETS["256 MB"]), but=("vm_cache_scan_ratio",))
    yield others, f"On 256 MB, move only the ratio. Put back: {', '.join(others)}."
    swapped = numbers[patch.PATCHED][SWAPPED]
    told = f"The patched kernel swaps {swapped:g} bytes for each byte that it copies."
    yield swapped < HALF, f"{told} Half a byte is wanted."
    return right(told)


@check
def check_threshold(state: Position, numbers: Numbers) -> Faults:
    others = exercises.moved(state, patch.Scenario(), but=("file_percent",))
    yield others, f"Only the file cache may be moved. Put back: {', '.join(others)}."
    here, speed = state["file_percent"], numbers[patch.UNPATCHED][SPEED]
    told = f"With {here} % file pages the unpatched kernel copies at {speed:g} MiB/s"
    yield speed <= FULL, f"{told}: too few."
    (stops,) = (control.stops for control in patch.CONTROLS if control.field == "file_percent")
    fewer = stops[max(0, stops.index(here) - 1)]
    below = patch.simulate(patch.Scenario(file_percent=fewer), patch.POLICIES[patch.UNPATCHED]).numbers[SPEED]
    yield float(below) > FULL, f"{told}. A smaller share will do, too."
    return right(f"{told}, with {fewer} % at {below:g}.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "shm_big_iron",
    globals(),
    reach=tuple(
        {"total": total, "dirty": dirty} for total, dirty in ((1200, 150), (6000, 500), (2500, 250), (960, 80))
    ),
)
