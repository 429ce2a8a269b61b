"""The named works that tests, benchmarks and docs/speed.md share, and what each costs the engine, counted.

    python benchmarks/scenarios.py [--write]

prints the counts as the table of tests/test_counts.py; `--write` renews that table and the one in docs/speed.md. The
counts are exact: the same on every machine, so that a leap that is lost shows at once and without noise.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from timeit import repeat
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from vmteach.kernel.reclaim import SECOND, Costs, Kind, PageRun, PageState, Pte, PteRun, Reclaim, Rules, Setup
from vmteach.patches import shm_big_iron as patch

GIB = 1 << 18  # pages
UNPATCHED, PATCHED = Rules(), Rules(objrmap=True, starts_io=True, clean_pass=True)


class Work(NamedTuple):
    """A machine, its rules, and the pages of the file that is read on it; `horizon` in ns."""

    setup: Setup
    rules: Rules
    copy: int
    horizon: int | None = None

    def play(self, samples: bool = True) -> "Counted":
        """The engine after all of it; without `samples` no second ever strikes."""
        model = Counted(self.setup, self.rules)
        if not samples:
            model.next_second = 1 << 62
        model.run(self.copy, horizon=self.horizon)
        return model


class Counted(Reclaim):
    """The engine, which also counts the runs that it holds."""

    @property
    def runs(self) -> int:
        """Runs and stripes in the queues, and runs of equal pages and equal page table entries."""
        lists = self.lists
        queued = sum(len(queue.items) for queue in (*lists.queues.values(), lists.flight))
        return queued + len(lists.pages.starts) + sum(len(group.ptes.starts) for group in lists.processes.ring)

    @property
    def cost(self) -> tuple[int, int, int, int]:
        """What tests/test_counts.py asserts: steps, leaps, requests taken in leaps, runs at the end."""
        return self.steps, self.leaps.taken, self.leapt, self.runs


def storm(pages: int, processes: int = 100, touched: bool = False, shared: int = 75, mapped: int = 50) -> Setup:
    """`shared` percent of the memory are shared; `mapped` percent of that are mapped, the rest is dirty and unmapped.

    With `touched` every process touches what is mapped, every second. The other memory is clean file pages.
    """
    shm, dirty = pages * shared // 100, PageState(Kind.SHM, dirty=True)
    used = shm * mapped // 100
    return Setup(
        shm=shm,
        inactive=(PageRun(used, shm - used, dirty), PageRun(shm, pages - shm, PageState(Kind.FILE))),
        active=(PageRun(0, used, dirty._replace(referenced=True)),),
        processes=processes,
        ptes=(PteRun(0, used, Pte.YOUNG),),
        hot=used if touched else 0,
        slots=pages,
        costs=Costs(visit=50, pte=25, convert=26_000, submit=500, read=48_828),
    )


def copying(pages: int, rules: Rules = UNPATCHED, **machine: Any) -> Work:
    """A file of an eighth of the memory is copied while the memory is full."""
    return Work(storm(pages, **machine), rules, pages // 8)


def thrash(shared: int, rules: Rules = UNPATCHED) -> Work:
    """32 GiB, nearly all of it shared and nine tenths of that mapped: little is left to take."""
    return copying(32 * GIB, rules, shared=shared, mapped=90)


def chapter(rules: Rules) -> Work:
    """What the flagship chapter shows first."""
    scenario = patch.Scenario()
    return Work(scenario.setup, rules, scenario.copy_pages, patch.HORIZON * SECOND)


SCENARIOS: dict[str, Callable[[], Work]] = {
    "tiny": lambda: copying(4096, processes=4),
    "1 GiB": lambda: copying(GIB),
    "1 GiB, after": lambda: copying(GIB, PATCHED),
    "32 GiB": lambda: copying(32 * GIB),
    "32 GiB, after": lambda: copying(32 * GIB, PATCHED),
    "32 GiB, touched": lambda: copying(32 * GIB, touched=True),
    "32 GiB, 500 processes": lambda: copying(32 * GIB, processes=500),
    "32 GiB, 500 processes, touched": lambda: copying(32 * GIB, processes=500, touched=True),
    "256 GiB": lambda: copying(256 * GIB),
    "1 TiB": lambda: copying(1024 * GIB),
    "1 TiB, after": lambda: copying(1024 * GIB, PATCHED),
    "90 % shared": lambda: thrash(90),
    "95 % shared": lambda: thrash(95),
    "97 % shared": lambda: thrash(97),
    "97 % shared, after": lambda: thrash(97, PATCHED),
    "chapter 08, before": lambda: chapter(UNPATCHED),
    "chapter 08, after": lambda: chapter(PATCHED),
}


Cost = tuple[int, int, int, int]


def counts() -> dict[str, Cost]:
    """Each scenario's cost, from playing it."""
    return {name: work().play().cost for name, work in SCENARIOS.items()}


def source(found: dict[str, Cost]) -> str:
    """The table as tests/test_counts.py has it."""
    lines = [f'    "{name}": ({", ".join(f"{count:_}" for count in cost)}),' for name, cost in found.items()]
    return "\n".join(["COUNTS = {  # steps, leaps, requests taken in leaps, runs at the end", *lines, "}"])


def main() -> None:
    from page import asked, number, put, table

    want = asked(__doc__, write=False)
    found = counts()
    print(source(found))
    if not want.write:
        return
    test = ROOT / "tests" / "test_counts.py"
    before, _, rest = test.read_text(encoding="utf-8").partition("COUNTS = {")
    test.write_text(before + source(found) + rest[rest.index("\n}") + 2 :], encoding="utf-8")
    spent = {name: 1000 * median(repeat(work().play, number=1)) for name, work in SCENARIOS.items()}
    rows = [[name, *(f"{count:,}" for count in cost), number(spent[name])] for name, cost in found.items()]
    put("counts", table(["scenario", "steps", "leaps", "requests in leaps", "runs", "ms"], rows))


if __name__ == "__main__":
    main()
