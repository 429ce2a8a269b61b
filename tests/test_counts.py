"""What each shared scenario costs the engine, exactly: without noise, a leap that is lost shows at once.

To renew the table and the one in docs/speed.md after a change of the engine: python benchmarks/scenarios.py --write
"""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

from cases import Case
from scenarios import GIB, SCENARIOS, UNPATCHED, Counted, Work, storm
from test_lru import compare

PAGE = Path(__file__).parent.parent / "docs" / "speed.md"

COUNTS = {  # steps, leaps, requests taken in leaps, runs at the end
    "tiny": (51, 1, 3, 39),
    "1 GiB": (48, 2, 1_019, 20),
    "1 GiB, after": (50, 2, 1_019, 20),
    "32 GiB": (48, 2, 32_763, 20),
    "32 GiB, after": (50, 2, 32_763, 20),
    "32 GiB, touched": (53, 2, 32_763, 20),
    "32 GiB, 500 processes": (48, 2, 32_763, 20),
    "32 GiB, 500 processes, touched": (53, 2, 32_763, 20),
    "256 GiB": (48, 2, 262_139, 20),
    "1 TiB": (48, 2, 1_048_571, 20),
    "1 TiB, after": (50, 2, 1_048_571, 20),
    "90 % shared": (876, 57, 32_548, 228),
    "95 % shared": (1_753, 110, 32_312, 205),
    "97 % shared": (1_799, 124, 32_411, 321),
    "97 % shared, after": (2_409, 104, 31_544, 2_723),
    "chapter 08, before": (5_726, 4, 15, 6_525),
    "chapter 08, after": (5_258, 4, 15, 8_201),
}
STEPS, LEAPS, LEAPT, RUNS = range(4)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_costs_as_many_steps_and_runs_as_the_table_says(name):
    """A leap that is lost shows here. If the engine has become better: python benchmarks/scenarios.py --write"""
    assert SCENARIOS[name]().play().cost == COUNTS[name]


def test_the_table_has_the_scenarios_in_their_order():
    assert list(COUNTS) == list(SCENARIOS)


def test_the_page_has_the_same_counts():
    page = PAGE.read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:2] == "| "]
    shown = {row[0]: tuple(int(cell.replace(",", "")) for cell in row[1:5]) for row in rows if row[0] in COUNTS}
    assert shown == COUNTS


def test_a_tiny_storm_is_the_same_page_for_page_and_leaps():
    work = SCENARIOS["tiny"]()
    assert compare(Case(work.setup, work.rules, work.copy, False, None)) == COUNTS["tiny"][LEAPT] > 0


def test_the_pages_cost_little():
    """A machine of 1,024 times the pages takes about as many steps and leaps, and holds as many runs."""
    small, large = COUNTS["1 GiB"], COUNTS["1 TiB"]
    assert large[RUNS] <= small[RUNS] and large[LEAPS] <= small[LEAPS] + 1
    assert large[STEPS] < 2 * small[STEPS]


def test_without_a_leap_the_counts_show_it():
    """A table that no loss of leaps could change would be no test."""
    work = SCENARIOS["1 GiB"]()
    walking = Counted(work.setup, work.rules, leaps=False).run(work.copy)
    assert walking.leaps.taken == walking.leapt == 0
    assert walking.steps > 20 * COUNTS["1 GiB"][STEPS]


def test_a_storm_fills_the_memory():
    for shared, mapped in ((75, 50), (90, 90), (97, 90), (33, 1)):
        model = Work(storm(GIB, shared=shared, mapped=mapped), UNPATCHED, 0).play()
        lists = [len(model.lists.queues[name]) for name in ("ahead", "active")]
        assert sum(lists) == model.inactive + model.active == GIB
        assert lists[1] == GIB * shared // 100 * mapped // 100
