"""Right and wrong answers to the exercises of shm_big_iron."""

from bank import Case


def quota(line: str) -> str:
    return f"def quota(need, active, inactive, balance=2):\n    {line}\n"


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
    "quota": Case(
        right=(
            (quota("return need * active // (balance * inactive + 1)"), None),
            (quota("return int(need * active / (inactive * balance + 1))"), None),
            (quota("return divmod(need * active, balance * inactive + 1)[0]"), None),
        ),
        wrong=(
            (quota("return need * active / (balance * inactive + 1)"), "8.8 pages cannot be moved"),
            (quota("return need * active // (balance * inactive or 1)"), "the 1 below the line is missing"),
            (quota("return need * inactive // (balance * active + 1)"), "Which length stands below the line?"),
            (quota("return need * active // (inactive + 1)"), "Where does the balance stand?"),
            (quota("return need * active // 5"), "yours gives 8."),
            (quota("return min(active, need * active // (balance * inactive + 1))"), "yours gives 22"),
            (quota("return need * active // (2 * inactive + 1)"), "For 7 wanted"),
            (quota("need * active // (balance * inactive + 1)"), "is there a `return`?"),
            (quota("return '8'"), "a str, not an int or float"),
        ),
        raises=((quota("return need * active // (balance * inactive)"), 2, "ZeroDivisionError"),),
        secret=(r"need \* active", r"inactive \+ 1"),
    ),
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
    "slower": Case(
        right=(
            ("mine = patch.Scenario(wants=patch.Wants.APPLICATION_FIRST)\n", 11),
            ("mine = patch.Scenario('16 GB', wants=patch.Wants.APPLICATION_FIRST)\n", 11),
            ("mine = patch.Scenario(wants='application first', swap=60)\n", None),
        ),
        wrong=(
            ("mine = patch.Scenario(vm_cache_scan_ratio=60)\n", "not the slower one"),
            ("mine = patch.Scenario(machine=patch.PRESETS['256 MB'])\n", "not the slower one"),
            ("mine = patch.Scenario(wants=patch.Wants.BACKUP_FIRST, machine='1 GB')\n", "not the slower one"),
            ("mine = patch.Scenario(wants=patch.Wants.APPLICATION)\n", "Nothing is copied here"),
            ("mine = patch.Scenario(copy=2**36)\n", "fit into the memory"),
            ("mine = patch.POLICIES['unpatched']\n", "not a Scenario"),
            (
                "from dataclasses import replace\n"
                "mine = patch.Scenario(machine=replace(patch.PRESETS['32 GB'], cpus=3))\n",
                "Take one of the machines in `PRESETS`",
            ),
        ),
        secret=(r"APPLICATION_FIRST", r"wants="),
    ),
}

# State of the explorer -> outcome and a part of what is said.
LAPTOP = {"machine": "256 MB"}
GOALS = {
    "knob": (
        ({}, "not yet", "Put back: machine"),
        (LAPTOP, "not yet", "swaps 0 bytes"),
        ({**LAPTOP, "vm_cache_scan_ratio": 10}, "not yet", "Half a byte is wanted"),
        ({**LAPTOP, "vm_cache_scan_ratio": 20}, "right", "swaps 0.55 bytes"),
        ({**LAPTOP, "vm_cache_scan_ratio": 60}, "right", "swaps 0.8 bytes"),
        ({**LAPTOP, "vm_cache_scan_ratio": 20, "swap": 60}, "not yet", "Put back: swap"),
        ({**LAPTOP, "vm_cache_scan_ratio": 20, "policies": ["unpatched"]}, "not yet", "Show the kernel 'patched' too"),
    ),
    "threshold": (
        ({}, "not yet", "too few"),
        ({"file_percent": 4}, "not yet", "at 52.7 MiB/s: too few"),
        ({"file_percent": 5}, "right", "with 4 % at 52.7"),
        ({"file_percent": 10}, "not yet", "A smaller share will do"),
        ({"file_percent": 5, "machine": "1 GB"}, "not yet", "Put back: machine"),
    ),
}
