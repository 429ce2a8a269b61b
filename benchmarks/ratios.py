"""How fast the course is, as ratios of two things measured in turn in one run.

    python benchmarks/ratios.py [--long]

Each row has a gate, which tests/test_ratios.py holds, and a goal. Seconds are for people; no test asserts any.
"""

import io
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from cases import Case, play
from paired import Ratio, paired

from vmteach.lru import Reclaim
from vmteach.pages import Costs, Kind, PageRun, PageState, Pte, PteRun, Rules, Setup

GIB = 1 << 18  # pages
NEVER = 1 << 62
FEW = 4  # processes, where page tables are walked page by page


def storm(gib: int, processes: int = 100, touched: bool = False) -> Setup:
    """Three quarters of the memory are shared; half of that is mapped (and touched), the rest unmapped and dirty."""
    shm, dirty = gib * GIB * 3 // 4, PageState(Kind.SHM, dirty=True)
    return Setup(
        shm=shm,
        inactive=(PageRun(shm // 2, shm - shm // 2, dirty), PageRun(shm, gib * GIB - shm, PageState(Kind.FILE))),
        active=(PageRun(0, shm // 2, dirty._replace(referenced=True)),),
        processes=processes,
        ptes=(PteRun(0, shm // 2, Pte.YOUNG),),
        hot=shm // 2 if touched else 0,
        slots=gib * GIB,
        costs=Costs(visit=50, pte=25, convert=26_000, submit=500, read=48_828),
    )


def engine(gib: int, samples: bool = True, processes: int = 100, touched: bool = False) -> Reclaim:
    """A storm on a machine of so many GiB while a file of an eighth of it is copied."""
    model = Reclaim(storm(gib, processes, touched), Rules())
    if not samples:
        model.next_second = NEVER
    return model.run(gib * GIB // 8)


def naive(gib: int) -> Any:
    """The same with few processes, page by page."""
    return play(Case(storm(gib, FEW), Rules(), gib * GIB // 8, False, None), NEVER)


# ---- the rows


def page_at_a_time(gib: int, rounds: int) -> Ratio:
    return paired(partial(naive, gib), partial(engine, gib, True, FEW), rounds)


def size() -> Ratio:
    return paired(partial(engine, 1024, False), partial(engine, 1, False))


def samples() -> Ratio:
    return paired(partial(engine, 32), partial(engine, 32, False))


def processes() -> Ratio:
    return paired(partial(engine, 32, True, 500, True), partial(engine, 32, True, 100, True))


def slowest_position() -> Ratio:
    """The slowest simulation among the positions of the flagship's controls, and a new picture of it by matplotlib."""
    from vmteach.figures import shm_big_iron as figure
    from vmteach.machine import PRESETS
    from vmteach.patches import shm_big_iron as patch

    def seconds(field: str, stop: Any, label: str) -> float:
        scenario = patch.Scenario(**{field: PRESETS[stop] if field == "machine" else stop})
        began = time.perf_counter()
        patch.simulate(scenario, patch.POLICIES[label])
        return time.perf_counter() - began

    places = [
        (c.field, stop, label) for c in patch.CONTROLS for stop in c.stops for label in (patch.BEFORE, patch.AFTER)
    ]
    field, stop, label = max(places, key=lambda place: seconds(*place))
    scenario = patch.Scenario(**{field: PRESETS[stop] if field == "machine" else stop})
    run = patch.simulate(scenario, patch.POLICIES[label])
    return paired(partial(patch.simulate, scenario, patch.POLICIES[label]), partial(new_figure, figure, {label: run}))


def new_figure(figure: Any, runs: dict[str, Any]) -> None:
    """Lay a picture out, fill it, and let matplotlib draw all of it."""
    fresh = figure.layout(next(iter(runs.values())))
    figure.fill(fresh, runs)
    for artist in fresh._moving:
        artist.set_animated(False)
    fresh.figure.savefig(io.BytesIO(), format="png", dpi=144)


def picture() -> Ratio:
    """Laying the flagship's picture out anew, and filling the one that is there."""
    from vmteach.figures import shm_big_iron as figure
    from vmteach.patches import shm_big_iron as patch

    runs = {label: patch.simulate(patch.Scenario(), patch.POLICIES[label]) for label in (patch.BEFORE, patch.AFTER)}
    kept = figure.layout(runs[patch.BEFORE])

    def refill() -> None:
        figure.fill(kept, runs)
        kept.png()

    refill()
    return paired(partial(new_figure, figure, runs), refill)


def start(program: str) -> Ratio:
    def python(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

    return paired(partial(python, program), partial(python, "pass"))


def ordered_dict() -> Ratio:
    """A file read through a memory that does not hold it: the textbook's LRU, and ours."""
    held, read = 20_000, 200_000

    def textbook() -> int:
        cache: OrderedDict[int, None] = OrderedDict.fromkeys(range(held))
        evicted = 0
        for page in range(held, held + read):
            if len(cache) >= held:
                cache.popitem(last=False)
                evicted += 1
            cache[page] = None
        return evicted

    def ours() -> int:
        model = Reclaim(Setup(shm=1, inactive=(PageRun(1, held, PageState(Kind.FILE)),)), Rules())
        model.next_second = NEVER
        return model.run(read).count["frees"]

    assert abs(textbook() - ours()) <= 32  # ours frees in requests of 32
    return paired(textbook, ours)


class Row(NamedTuple):
    """What is measured, its gate and its goal; `at_least` where more is better."""

    name: str
    measure: Callable[[], Ratio]
    gate: float
    goal: float
    at_least: bool = False

    def holds(self, ratio: Ratio) -> bool:
        return ratio.median >= self.gate if self.at_least else ratio.median <= self.gate


ROWS = (
    Row("page by page / engine, 1 GiB", partial(page_at_a_time, 1, 3), 100, 300, True),
    Row("engine, 1 TiB / 1 GiB", size, 3, 1.5),
    Row("engine, a sample each second / none, 32 GiB", samples, 9, 2),
    Row("engine, 500 / 100 processes", processes, 3, 1.2),
    Row("slowest position of a control / new figure", slowest_position, 1.5, 1),
    Row("a new figure / filling the one that is there", picture, 1.5, 3, True),
    Row("python: import vmteach / pass", partial(start, "import vmteach"), 2, 1.5),
    Row(
        "python: import and simulate 08 / pass",
        partial(start, "from vmteach.patches.shm_big_iron import simulate; simulate()"),
        8,
        3,
    ),
    Row("OrderedDict LRU / engine", ordered_dict, 2, 4, True),
)
LONG = (Row("page by page / engine, 32 GiB", partial(page_at_a_time, 32, 1), 2_500, 8_000, True),)


def main(options: list[str]) -> int:
    print(f"{'what':46}{'median':>9}{'from':>9}{'to':>9}{'gate':>8}{'goal':>8}   seconds")
    failed = 0
    for row in ROWS + (LONG if "--long" in options else ()):
        ratio = row.measure()
        sign = ">=" if row.at_least else "<="
        failed += not row.holds(ratio)
        print(
            f"{row.name:46}{ratio.median:9.4g}{ratio.low:9.4g}{ratio.high:9.4g}{sign + f'{row.gate:g}':>8}"
            f"{sign + f'{row.goal:g}':>8}   {ratio.a:.4g} / {ratio.b:.4g}",
            flush=True,
        )
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
