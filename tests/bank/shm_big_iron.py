"""Right and wrong answers to the exercises of shm_big_iron."""

from bank import Case


def laps(line: str) -> str:
    return f"""\
def laps(rules):
    band = PageRun(0, 64, PageState(Kind.SHM, dirty=True))
    few = Reclaim(Setup(shm=64, inactive=(band,), slots=64, service=1), rules)
    few.reclaim()
    {line}
"""


SHRINK = """\
def shrink(inactive, want, ratio):
    part = {part}
    freed = {freed}
    converted = 0
    for page in {left}:
        if freed == want:
            break
        if page == "clean":
            freed += 1
        else:
            converted += 1
    return freed, converted
"""
LEFT = '[p for p in part if p != "clean"] + inactive[len(part):]'
GOOD = {"part": "inactive[: len(inactive) // ratio]", "freed": 'min(want, part.count("clean"))', "left": LEFT}

STOCK_AGAIN = """\
def shrink(pages, wanted, ratio):
    freed, i = 0, 0
    while i < len(pages) and freed < wanted:
        freed += pages[i] == "clean"
        i += 1
    return freed, i - freed
"""
ONE_BY_ONE = """\
def shrink(inactive, want, ratio):
    rest, freed = list(inactive), 0
    for page in list(rest[: int(len(rest) / ratio)]):
        if page == "clean" and freed < want:
            rest.remove("clean")
            freed += 1
    converted = 0
    while rest and freed < want:
        if rest.pop(0) == "clean":
            freed += 1
        else:
            converted += 1
    return [freed, converted]
"""
GIVES_UP = """\
def shrink(inactive, want, ratio):
    return min(want, inactive[: len(inactive) // ratio].count("clean")), 0
"""

BANK = {
    "laps": Case(
        right=(
            (laps("return -(-few.count['visits'] // 64)"), None),
            ("import math\n" + laps("return math.ceil(few.count['visits'] / 64)"), None),
            (laps("return float(few.count['visits'] // 64 + 1)"), None),
        ),
        wrong=(
            (laps("return 2"), "The same for both would mean that fix 2 saves nothing"),  # "writepage writes"
            (laps("return few.count['visits']"), "any page of the list"),
            (laps("return few.count['visits'] // 64"), "A lap that has begun counts"),
            (laps("return few.count['visits'] / 64"), "a whole number of times"),
            (laps("return few.count['conversions'] // 64"), "Every page is converted once"),
            (laps("return 2 if not rules.starts_io else 3"), "Are the two kernels exchanged?"),
            (laps("return few.count['frees']"), "The same for both"),
            (laps("return 9 if not rules.starts_io else 5"), "follow one page"),
            (laps("few.count['visits']"), "is there a `return`?"),
            (laps("return str(few.count['visits'])"), "a str, not an int or float"),
            (laps("return float('nan')"), "no number to reckon with"),
        ),
        raises=(
            (laps("return few.count['laps']"), 5, "KeyError: 'laps'"),
            (laps("return few.visits // 64"), 5, "AttributeError"),
            ("def laps():\n    return 3\n", 0, "TypeError"),
        ),
        secret=(r"\b(3|three)\b", r"\[\W*visits"),
    ),
    "reach": Case(
        right=(
            ("largest = 8\n", None),
            ("total, dirty = 1200, 150\nlargest = max(r for r in range(1, total) if total // r >= dirty)\n", None),
            ("largest = 1200 / 150\n", None),
        ),
        wrong=(
            ("largest = 1200 // 151\n", "It could look at fewer"),
            ("largest = 6\n", "It could look at fewer"),
            ("largest = 9\n", "looks at 133 pages, and the request converts 17"),
            ("largest = 1200 / 151\n", "whole numbers from 1 up"),
            ("largest = 150 / 1200\n", "whole numbers from 1 up"),
            ("largest = 0\n", "whole numbers from 1 up"),
            ("largest = 60\n", "looks at 20 pages"),
            ("largest = 10**400\n", "neither the search nor the scan"),
            ("largest = '8'\n", "Your number is a str"),
            ("largest = True\n", "Your number is a bool"),
            ("largest = float('inf')\n", "no number to reckon with"),
        ),
        secret=(r"\b8\b", r"total // dirty"),
    ),
    "clean_pass": Case(
        right=((SHRINK.format(**GOOD), None), (ONE_BY_ONE, None)),
        wrong=(
            (STOCK_AGAIN, "Yours converts 6 pages first"),  # the kernel before, in other words
            (SHRINK.format(**{**GOOD, "part": "inactive[:ratio]"}), "Yours converts 6 pages first"),
            (SHRINK.format(**{**GOOD, "part": "inactive[:]"}), "Yours went farther"),
            (SHRINK.format(**{**GOOD, "part": "inactive[-(len(inactive) // ratio):]"}), "Yours went farther"),
            (SHRINK.format(**{**GOOD, "part": "inactive[: 8 // ratio]"}), "share of the list"),
            (SHRINK.format(**{**GOOD, "freed": 'part.count("clean")'}), "When does the search stop?"),
            (SHRINK.format(**{**GOOD, "left": "inactive"}), "There was one clean page in that list"),
            (SHRINK.format(**{**GOOD, "left": "inactive[len(part):]"}), "yours converts 4 of the 6 dirty pages"),
            (
                SHRINK.format(**{**GOOD, "left": 'inactive[len(part):] + [p for p in part if p != "clean"]'}),
                "Where are those that the search passed over?",
            ),
            (GIVES_UP, "yours gives up"),
            (SHRINK.format(**{**GOOD, "part": "inactive[: -(-len(inactive) // ratio)]"}), "A list of 7, 1 wanted"),
            (SHRINK.format(**GOOD).replace("return freed, converted", "return freed"), "Give two numbers back"),
            (SHRINK.format(**GOOD).replace("return freed, converted", "pass"), "Give two numbers back"),
            ("def shrink(inactive, want, ratio):\n    return 0, 0\n", "Yours does not"),
        ),
        raises=(
            (SHRINK.format(**{**GOOD, "part": "inactive[: len(inactive) / ratio]"}), 2, "TypeError"),
            (STOCK_AGAIN.replace("i += 1", "pass"), -1, "still running after 500,000 steps"),
            ("def shrink(pages, want, ratio):\n    return shrink(pages, want, ratio)\n", -1, "RecursionError"),
            ("def shrink(pages, want, ratio):\n    raise SystemExit\n", 2, "SystemExit"),
        ),
        secret=(r"len\(inactive\) // ratio", r"\bmin\("),
    ),
    "debt": Case(
        right=(
            ("mine = patch.Scenario(shm_percent=60)\n", 22),
            ("mine = patch.Scenario(shm_percent=50, vm_cache_scan_ratio=20)\n", None),
            ("mine = patch.Scenario(copy=patch.GIB // 2)\n", None),
        ),
        wrong=(
            ("mine = patch.Scenario(vm_cache_scan_ratio=20)\n", "Here the patch does not lose"),
            ("mine = patch.Scenario(machine=patch.PRESETS['256 MB'])\n", "Here the patch does not lose"),
            ("mine = patch.Scenario(shm_percent=10)\n", "Neither kernel writes anything"),
            ("mine = patch.Scenario(start=patch.Start.MAPPED, shm_percent=25)\n", "Neither kernel writes anything"),
            ("mine = patch.Scenario(processes=10_000)\n", "500 processes"),
            ("mine = patch.Scenario(shm_percent=90)\n", "75 % shared memory at most"),
            ("mine = patch.POLICIES['unpatched']\n", "Hand in a `patch.Scenario(...)`"),
            (
                "from dataclasses import replace\n"
                "machine = replace(patch.PRESETS['32 GB'], swap_rate=2**40)\n"
                "mine = patch.Scenario(machine=machine, shm_percent=60)\n",
                "Take one of the machines in `PRESETS`",
            ),
        ),
        secret=(r"shm_percent=", r"\b60\b"),
    ),
}

# State of the explorer -> outcome and a part of what is said.
GOALS = {
    "third": (
        ({}, "not yet", "60 % of it"),
        ({"vm_cache_scan_ratio": 60}, "not yet", "of it"),
        ({"vm_cache_scan_ratio": 1}, "right", "The longest request takes"),
        ({"vm_cache_scan_ratio": 1, "shm_percent": 10}, "not yet", "Put back: shm_percent"),
        ({"vm_cache_scan_ratio": 1, "machine": "256 MB"}, "not yet", "Put back: machine"),
        ({"vm_cache_scan_ratio": 1, "policies": ["patched"]}, "not yet", "Show the kernel 'unpatched' too"),
    ),
    "smallest": (
        ({}, "not yet", "A smaller machine waits that long too"),
        ({"machine": "256 MB"}, "not yet", "this machine is too small"),
        ({"machine": "1 GB"}, "right", "on the next smaller one"),
        ({"machine": "32 MB"}, "not yet", "this machine is too small"),
        ({"machine": "1 GB", "processes": 1}, "not yet", "Put back: processes"),
    ),
}
