"""Speed as ratios of two things measured in turn (benchmarks/ratios.py); a missed gate gets one more try."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

from paired import Ratio, paired
from ratios import ROWS, Row

pytestmark = pytest.mark.perf


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_gate_holds(row):
    tries = []
    for _ in range(2):
        tries.append(row.measure())
        if row.holds(tries[-1]):
            return
    raise AssertionError(
        f"{row.name}: {[f'{t.median:.3g} ({t.low:.3g} to {t.high:.3g})' for t in tries]}, gate {row.gate}"
    )


def test_a_gate_can_fail():
    twice = paired(lambda: sum(range(40_000)), lambda: sum(range(10_000)), rounds=3)
    assert not Row("four times as much", lambda: twice, 1.5, 1).holds(twice)
    assert Row("four times as much", lambda: twice, 2, 4, True).holds(Ratio(3, 3, 3, 3, 1))
