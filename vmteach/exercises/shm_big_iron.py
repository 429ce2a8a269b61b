"""Exercises of shm_big_iron: laps of the list, the reach of the search, a search of one's own, a debt not seen."""

from collections.abc import Mapping, Sequence
from typing import Any

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, misfit, moved, not_yet, right
from vmteach.kernel.reclaim.memory import Reclaim
from vmteach.kernel.reclaim.page import Kind, PageRun, PageState, Rules, Setup
from vmteach.machine import GIB, PRESETS, Sysctls
from vmteach.patches import shm_big_iron as patch

NEEDS = """\
from vmteach.kernel.reclaim.memory import Reclaim
from vmteach.kernel.reclaim.page import Kind, PageRun, PageState, Rules, Setup
from vmteach.patches import shm_big_iron as patch
"""

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


LAPS = Task(
    name="laps",
    rung="fill one line",
    minutes=4,
    asks="How often does the scan come to one shared page until it is free? A lap that has begun counts, even if the "
    "request ends in the middle of it. Put the number in place of the `...`.",
    stub="""\
def laps(rules):
    \"\"\"How often the scan comes to one shared page until it is free.\"\"\"
    band = PageRun(0, 64, PageState(Kind.SHM, dirty=True))
    few = Reclaim(Setup(shm=64, inactive=(band,), slots=64, service=1), rules)
    few.reclaim()
    return ...  # from few.count, a table of what happened
""",
    answer="laps",
    solution="""\
def laps(rules):
    \"\"\"How often the scan comes to one shared page until it is free.\"\"\"
    band = PageRun(0, 64, PageState(Kind.SHM, dirty=True))
    few = Reclaim(Setup(shm=64, inactive=(band,), slots=64, service=1), rules)
    few.reclaim()
    return -(-few.count["visits"] // 64)  # rounded up
""",
    hints=(
        "Print `few.count` once. One of its lines counts how often the scan came to a page.",
        "The list is a ring of 64 pages: so many visits make one lap, and the request ends somewhere within a lap.",
        "Suppose that a ring of 10 pages was visited 12 times. Then some pages were met twice: that is 12 / 10, "
        "rounded up.",
    ),
    reason="Before: one lap converts, one writes, one frees, which makes three. With fix 2 the first lap "
    "writes, and two laps are enough.",
    wrong_turn="To count two laps before, because `writepage` sounds like writing. It changes the page's account.",
    kernel="The lap stayed in mainline until 2.6.30 (2009), when the writepage of shared memory began to write.",
    check=check_laps,
)


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


REACH = Task(
    name="reach",
    rung="fill one line",
    minutes=3,
    asks="An inactive list of $total pages: $dirty dirty shared pages at its tail, clean pages of a file "
    "behind them. "
    "Whatever the search passes over goes to the head. What is the **largest** `vm_cache_scan_ratio` with which a "
    "request on the kernel after converts nothing?",
    stub="""\
total, dirty = $total, $dirty  # pages of the inactive list; dirty ones at its tail
largest = ...  # your number, or a sum that gives it
""",
    answer="largest",
    solution="""\
total, dirty = $total, $dirty  # pages of the inactive list; dirty ones at its tail
largest = total // dirty
""",
    hints=(
        "The search looks at a part of the list, beginning at the tail; the ratio says which part, rounded down.",
        "When the search is over, the old scan begins at what is the tail then. Which pages must be out of its way?",
        "With 10 dirty pages in a list of 35 a ratio of 5 searches 7 pages: they go to the head, and 3 "
        "dirty ones are "
        "left at the tail, to be converted.",
    ),
    reason="The search looks at `total // ratio` pages. It has to pass over all the dirty ones: then "
    "either it finds clean pages itself, or they stand at the tail when the scan begins.",
    wrong_turn="`total // (dirty + 1)`: one more page than is needed. The search itself need not find a "
    "clean page; it is enough that no dirty one is left in front.",
    kernel="Its default is 6. The announcement advises larger ratios for small machines: less searching, earlier "
    "swapping. That what is passed over goes to the head is inferred; the what-if of an anchored search "
    "leaves it where it is.",
    check=check_reach,
    variants=tuple(
        {"total": total, "dirty": dirty} for total, dirty in ((1200, 150), (6000, 500), (2500, 250), (960, 80))
    ),
)


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


CLEAN_PASS = Task(
    name="clean_pass",
    rung="change one rule",
    minutes=8,
    asks="This is the scan of the kernel before, on a list of words; `inactive[0]` is the tail. Add fix 3: "
    "**before** "
    "anything is converted, look at the first 1/`ratio` of the list (rounded down) and take clean pages "
    "only, as many "
    "as are wanted. What the search leaves stays where it is (not as in exercise 2), and the scan goes on as before "
    "if more is wanted.",
    stub="""\
def shrink(inactive, want, ratio):
    \"\"\"Pages freed, and pages converted on the way.\"\"\"
    freed = converted = 0
    for page in inactive:
        if freed == want:
            break
        if page == "clean":
            freed += 1
        else:
            converted += 1
    return freed, converted
""",
    answer="shrink",
    solution="""\
def shrink(inactive, want, ratio):
    \"\"\"Pages freed, and pages converted on the way.\"\"\"
    part = len(inactive) // ratio
    freed = min(want, inactive[:part].count("clean"))
    converted = 0
    left = [page for page in inactive[:part] if page != "clean"] + inactive[part:]
    for page in left:
        if freed == want:
            break
        if page == "clean":
            freed += 1
        else:
            converted += 1
    return freed, converted
""",
    hints=(
        "Two loops, one after the other: the first takes clean pages only, the second is the one that is there.",
        "The first loop runs over a slice of the list. The second must not meet again what the first has taken.",
        "For a list of 8 and a ratio of 4 the first loop sees `inactive[:2]`. If both are clean and one is "
        "wanted, it "
        "takes one.",
    ),
    reason="The search never converts, so that a request which finds enough clean pages takes no part in the storm.",
    wrong_turn="To leave out the second loop. On a list without clean pages the request would then get nothing, ever.",
    kernel="The announcement gives the share of the list. It calls an anchor, with which the search would leave the "
    "place of writing alone, a better fix: so the shipped search moved what it passed over (inferred). The chapter's "
    "what-if calls the search of this exercise **anchored**.",
    check=check_clean_pass,
)


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


DEBT = Task(
    name="debt",
    rung="break it",
    minutes=8,
    asks="Find a scenario in which the kernel **after** writes more to swap while the file is copied than "
    "the kernel **before**. Fields to play with: `machine`, `shm_percent` (up to 75), `touched_percent`, "
    "`vm_cache_scan_ratio`, `start`, `copy`. The score is how much more, in % of the shared segment.",
    stub="""\
mine = patch.Scenario()  # change me
""",
    answer="mine",
    solution="""\
mine = patch.Scenario(shm_percent=60)
""",
    hints=(
        "Before the patch a conversion is cheap and writes nothing **for now**.",
        "When is the file copied before the scan comes to the converted pages a second time?",
        "With much clean memory behind the band, one lap has enough for the whole copy. So make the shared segment a "
        "little smaller, and look at `swapped out meanwhile (GiB)` of both kernels in the explorer.",
    ),
    reason="There is so much clean memory that the kernel before never comes to its second lap during the "
    "copy. It has "
    "converted everything and written nothing. The kernel after has begun to write at once.",
    wrong_turn="To call this a fault of the patch. The kernel before owes the disk every page that it has "
    "converted; a "
    "measurement that ends with the copy does not see the debt.",
    kernel="Both behave as the announcement says: fix 2 starts the I/O in the lap in which the slot is given.",
    check=check_debt,
)

EXERCISES = (LAPS, REACH, CLEAN_PASS, DEBT)


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


GOALS = (
    Goal(
        name="third",
        asks="On the 32 GB machine, with `vm_cache_scan_ratio` alone: make the longest request of the "
        "kernel after shorter than a third of that of the kernel before.",
        check=check_third,
        hints=(
            "Which part of the list must the search cover to come to the clean pages?",
            "They stand behind all the unmapped ones. Look at the ribbon: how far up is that?",
        ),
        reason="Lower the ratio. At 1 the search covers the whole inactive list and always finds the clean "
        "pages. The price is in the table: more pages searched for each one freed.",
        needs=(patch.UNPATCHED, patch.PATCHED),
    ),
    Goal(
        name="smallest",
        asks="With the machine alone: find the **smallest** machine on which a request of the kernel "
        "before still takes longer than ten seconds.",
        check=check_smallest,
        hints=("Go down from 32 GB, one machine at a time.", "When it is under ten seconds, go back by one."),
        reason="The wait shrinks with the memory, for the band is as long as the memory allows. It does "
        "not vanish: the announcement's complaint is of big machines because there it takes minutes. The "
        "model's lists are as little mixed on a small machine as on a big one, so that it overstates the "
        "wait there.",
        needs=(patch.UNPATCHED,),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "In `vmstat`, `swpd` rises for many seconds and `so` stays 0. What is going on?",
        (
            Option(
                "The swap disk is too slow to keep up.",
                "A slow disk would show a small `so`, not none. `swpd` does not count bytes on a disk.",
            ),
            Option(
                "Pages are given swap slots, and nothing is written.",
                "`swpd` counts slots. Pages are converted to swap cache, and none of them becomes free by it.",
                True,
            ),
            Option(
                "Pages are read back from swap.",
                "Then `si` would rise, and slots would be given back rather than taken.",
            ),
        ),
    ),
    Question(
        "Three hundred processes map a page. Why did it not help, before fix 1, to remove it from one of them?",
        (
            Option(
                "A page can be taken only when nobody maps it any more.",
                "Before fix 1 only the last removal counts as progress, and the walk goes process by process.",
                True,
            ),
            Option(
                "Because the page is dirty.",
                "It is dirty too, and that costs laps later. But a page that is mapped is not even looked "
                "at for writing.",
            ),
            Option(
                "Because the page is on the active list.",
                "Pages on the inactive list are mapped as well, and that is where the scan passes them over.",
            ),
        ),
    ),
    Question(
        "What does a larger `vm_cache_scan_ratio` do in the kernel after the patch?",
        (
            Option(
                "It searches more of the list for clean pages.",
                "The search covers 1/ratio of the list: it is the other way round.",
            ),
            Option(
                "It lets more pages be mapped.",
                "That is another sysctl, `vm_mapped_ratio`. This one divides the lists.",
            ),
            Option(
                "It searches less of the list, and swaps earlier and more.",
                "Less work for a request that would not find anything; more writing for one that would.",
                True,
            ),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "copy": Guesses(
        292,
        {
            51: (
                "That is the disk alone. The first request converts 8.4 GiB before a page is free, and later all of "
                "that has to be written."
            ),
            60: (
                "A little more than the disk alone. The first request converts 8.4 GiB before a page is free, and "
                "later all of that has to be written."
            ),
            129: (
                "That is the first request and the disk. Then the converted pages come to the tail, and each "
                "has to be written."
            ),
            143: (
                "That is the writing of 8.4 GiB to swap. Before that come 77 s of converting and of walking "
                "page tables, and the disk has its own 51 s."
            ),
            195: (
                "That is the disk, and the writing of 8.4 GiB to swap. Before that come 77 s of converting and of "
                "walking page tables."
            ),
            272: "The disk, the writing and the first request. The other 20 s are a second walk of all page tables.",
        },
    ),
}
