"""Two things in turn, many times: how many times as long one takes as the other."""

import gc
import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

LEAST = 0.01  # seconds that a side takes at least; what is quicker is repeated


class Ratio(NamedTuple):
    """The median of the rounds' ratios, the least and the greatest, and the median seconds of either side."""

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
    times = [(_repeats(a), a), (_repeats(b), b)]
    was_on = gc.isenabled()
    gc.disable()
    try:
        seconds = [[_seconds(call, repeats) for repeats, call in times] for _ in range(rounds)]
    finally:
        if was_on:
            gc.enable()
    ratios = [first / second for first, second in seconds]
    return Ratio(median(ratios), min(ratios), max(ratios), *(median(side) for side in zip(*seconds)))


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    began = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - began) / repeats


def _repeats(call: Callable[[], Any]) -> int:
    return max(1, round(LEAST / max(_seconds(call, 1), 1e-9)))
