"""Two things in turn, many times: how many times as long one takes as the other."""

from collections.abc import Callable, Sequence
from statistics import median
from timeit import timeit
from typing import Any, NamedTuple

LEAST = 0.01  # seconds that a side takes at least; what is quicker is repeated


class Ratio(NamedTuple):
    """The median of the rounds' ratios, the least and the greatest, and the median of either side (seconds mostly)."""

    median: float
    low: float
    high: float
    a: float
    b: float


def paired(a: Callable[[], Any], b: Callable[[], Any], rounds: int = 7) -> Ratio:
    """How many times as long `a` takes as `b`: in turn, so that a slow moment of the machine meets both.

    >>> paired(lambda: sum(range(200_000)), lambda: sum(range(100_000)), rounds=3).median > 1
    True
    """
    times = [(a, _repeats(a)), (b, _repeats(b))]
    return of_rounds([[_seconds(call, repeats) for call, repeats in times] for _ in range(rounds)])


def of_rounds(pairs: Sequence[Sequence[float]]) -> Ratio:
    """The ratio of two measurements that were taken in turn.

    >>> of_rounds([(2, 1), (9, 3), (4, 1)])
    Ratio(median=3.0, low=2.0, high=4.0, a=4, b=1)
    """
    ratios = [first / second for first, second in pairs]
    return Ratio(median(ratios), min(ratios), max(ratios), *(median(side) for side in zip(*pairs)))


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    if repeats > 1:
        call()  # clears up what the other side has left: a large program's memory, for example
    return timeit(call, number=repeats) / repeats  # without the garbage collector


def _repeats(call: Callable[[], Any]) -> int:
    once = _seconds(call, 1)
    if once < 100 * LEAST:  # the first call may have had to clear up, too
        once = min(once, _seconds(call, 1))
    return max(1, round(LEAST / max(once, 1e-9)))
