"""Cases that once told a wrong leap from a right one, each as small as hypothesis could make it.

Each was found by breaking vmteach/kernel/reclaim/leap.py on purpose: its name says what was left out.
tests/test_naive.py replays them all, whatever hypothesis happens to remember on a machine. A new failure belongs
here too: give the case that hypothesis prints to `source`, and paste what comes back under a name that says what was
wrong.
"""

from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any

from cases import Case

from vmteach.kernel.reclaim import SECOND, Buffers, Costs, Kind, PageRun, PageState, Pte, PteRun, Rules, Setup
from vmteach.machine import Sysctls

FILE, DIRTY_SHM = PageState(Kind.FILE), PageState(Kind.SHM, dirty=True)
# What hypothesis shrinks the knobs to: one short pass, and tolerance for nothing.
TIGHT = Sysctls(vm_cache_scan_ratio=1, vm_passes=1, vm_mapped_ratio=1, vm_lru_balance_ratio=1)
CHEAP = Costs(pte=100, convert=100, submit=100)
FREE = {"visit": 0, "pte": 0, "convert": 0, "submit": 0}


def source(value: Any) -> str:
    """A case as one would write it: defaults left out.

    >>> source(Setup(shm=0, inactive=(PageRun(0, 4, PageState(Kind.FILE)),), batch=2))
    'Setup(shm=0, inactive=(PageRun(0, 4, PageState(Kind.FILE)),), batch=2)'
    """
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if is_dataclass(value) or isinstance(value, PageState):
        return f"{type(value).__name__}({', '.join(_told(value))})"
    if isinstance(value, tuple):
        parts = ", ".join(map(source, value))
        if hasattr(value, "_fields"):
            return f"{type(value).__name__}({parts})"
        return f"({parts},)" if len(value) == 1 else f"({parts})"
    return f"{value:_}" if type(value) is int else repr(value)


def _told(value: Any) -> list[str]:
    """The arguments that are not defaults."""
    if isinstance(value, PageState):
        flags = {name: flag for name, flag in value._asdict().items() if flag != value._field_defaults.get(name)}
        return [source(flags.pop("kind")), *(f"{name}={source(flag)}" for name, flag in flags.items())]
    told = []
    for field in fields(value):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if (given := getattr(value, field.name)) != default:
            told.append(f"{field.name}={source(given)}")
    return told


STORED = {
    "a page beyond the end of a run in one state": Case(
        Setup(
            shm=0,
            inactive=(PageRun(0, 1, FILE), PageRun(1, 6, PageState(Kind.ANON, buffers=Buffers.DROPPABLE))),
            slots=200,
            batch=2,
            sysctls=TIGHT,
            costs=CHEAP,
            depth=1,
        ),
        Rules(),
        8,
        False,
        None,
    ),
    "a stripe of another pattern": Case(
        Setup(
            shm=54,
            inactive=(PageRun(0, 54, DIRTY_SHM), PageRun(54, 100, FILE)),
            processes=2,
            ptes=(PteRun(0, 54, Pte.YOUNG),),
            slots=4_000,
            batch=8,
        ),
        Rules(),
        120,
        False,
        None,
    ),
    "a quota that changes on the way": Case(
        Setup(
            shm=2,
            inactive=(PageRun(2, 1, FILE), PageRun(3, 1, FILE), PageRun(4, 1, FILE), PageRun(5, 1, FILE)),
            slots=202,
            slots_used=2,
            free=6,
            batch=2,
            sysctls=Sysctls(vm_cache_scan_ratio=3, vm_passes=1, vm_mapped_ratio=1, vm_lru_balance_ratio=1),
            costs=CHEAP,
            depth=1,
        ),
        Rules(),
        6,
        True,
        None,
    ),
    "a second within a row of steps": Case(
        Setup(
            shm=0,
            slots=200,
            free=7,
            batch=3,
            sysctls=TIGHT,
            costs=Costs(pte=100, convert=100, submit=100, read=142_857_142),
            depth=1,
        ),
        Rules(),
        22,
        False,
        None,
    ),
    "pages that came back from the disk before": Case(
        Setup(
            shm=375,
            inactive=(
                PageRun(0, 25, DIRTY_SHM),
                PageRun(25, 25, DIRTY_SHM),
                PageRun(50, 325, DIRTY_SHM),
                PageRun(375, 25, FILE),
            ),
            slots=4_000,
            depth=3,
        ),
        Rules(rotate_written=True),
        128,
        False,
        None,
    ),
    "the end of the file": Case(
        Setup(
            shm=7,
            inactive=(PageRun(0, 1, PageState(Kind.SWAPCACHE)), PageRun(1, 6, DIRTY_SHM)),
            hot=1,
            slots=201,
            slots_used=1,
            free=1,
            batch=2,
            sysctls=TIGHT,
            costs=CHEAP,
            depth=1,
        ),
        Rules(),
        10,
        False,
        100_000_000,
    ),
    "the next pages in another state": Case(
        Setup(
            shm=360,
            inactive=(
                PageRun(0, 100, DIRTY_SHM),
                PageRun(100, 260, DIRTY_SHM),
                PageRun(360, 2, PageState(Kind.FILE, dirty=True)),
            ),
            ptes=(PteRun(0, 100, Pte.OLD),),
            slots=4_000,
            batch=2,
            sysctls=Sysctls(vm_cache_scan_ratio=20),
            costs=Costs(**FREE, read=1_000_000),
        ),
        Rules(clean_pass=True),
        8,
        False,
        None,
    ),
    "the next pages mapped by more": Case(
        Setup(
            shm=22,
            inactive=(PageRun(0, 22, DIRTY_SHM), PageRun(22, 2, FILE)),
            ptes=(PteRun(0, 22, Pte.OLD),),
            slots=4_000,
            batch=2,
            sysctls=Sysctls(vm_cache_scan_ratio=1, vm_mapped_ratio=5),
            service=1,
        ),
        Rules(starts_io=True, rotate_written=True),
        8,
        False,
        None,
    ),
    "a second that strikes with the end of a cycle": Case(
        Setup(
            shm=8,
            inactive=(
                PageRun(0, 2, DIRTY_SHM),
                PageRun(2, 2, DIRTY_SHM),
                PageRun(4, 2, DIRTY_SHM),
                PageRun(6, 2, DIRTY_SHM),
                PageRun(8, 2, FILE),
                PageRun(10, 2, FILE),
                PageRun(12, 2, FILE),
            ),
            slots=4_000,
            batch=2,
            sysctls=Sysctls(vm_cache_scan_ratio=1),
            costs=Costs(**FREE, read=70_000_000),
        ),
        Rules(),
        100,
        False,
        None,
    ),
    "a budget that must be used up": Case(
        Setup(
            shm=0,
            inactive=(PageRun(0, 2, FILE), PageRun(98, 1, FILE)),
            active=(PageRun(2, 96, FILE),),
            slots=4_000,
            batch=2,
            sysctls=Sysctls(vm_cache_scan_ratio=20),
            costs=Costs(visit=0, pte=0, convert=0, submit=0),
        ),
        Rules(clean_pass=True),
        18,
        False,
        None,
    ),
    "writes on their way in another state": Case(
        Setup(
            shm=14,
            inactive=(
                PageRun(0, 14, DIRTY_SHM),
                PageRun(14, 2, FILE),
                PageRun(16, 2, FILE),
                PageRun(18, 2, PageState(Kind.FILE, dirty=True)),
                PageRun(20, 30, PageState(Kind.FILE, dirty=True)),
            ),
            slots=4_000,
            batch=2,
            sysctls=Sysctls(vm_cache_scan_ratio=1),
            costs=Costs(visit=0, pte=0, convert=0, submit=0),
            depth=32,
        ),
        Rules(starts_io=True, rotate_written=True),
        18,
        False,
        None,
    ),
    "the last free slots": Case(
        Setup(
            shm=72,
            inactive=(
                PageRun(8, 64, DIRTY_SHM),
                PageRun(72, 8, FILE),
                PageRun(80, 72, PageState(Kind.FILE, dirty=True)),
            ),
            active=(PageRun(0, 8, DIRTY_SHM),),
            ptes=(PteRun(0, 8, Pte.OLD),),
            slots=50,
            batch=8,
            costs=Costs(read=700_000),
            service=300_000,
            depth=8,
        ),
        Rules(starts_io=True, rotate_written=True),
        64,
        False,
        None,
    ),
    "a second that strikes at the end of the leap": Case(
        Setup(shm=0, inactive=(PageRun(0, 40, FILE),), batch=2, costs=Costs(**FREE, read=SECOND // 4)),
        Rules(),
        60,
        False,
        None,
    ),
    "a walk behind the hot pages goes on from there": Case(
        Setup(
            shm=23,
            inactive=(
                PageRun(5, 3, PageState(Kind.SWAPCACHE, pinned=True)),
                PageRun(13, 1, DIRTY_SHM),
                PageRun(14, 7, DIRTY_SHM),
                PageRun(8, 5, PageState(Kind.SWAPCACHE)),
                PageRun(21, 2, PageState(Kind.SWAPCACHE)),
            ),
            processes=3,
            ptes=(PteRun(14, 7, Pte.OLD),),
            hot=5,
            slots=215,
            slots_used=15,
            min=1,
            batch=2,
            sysctls=TIGHT,
            costs=Costs(pte=SECOND // 7, convert=100, submit=100),
            depth=1,
        ),
        Rules(),
        3,
        False,
        2_900_000_000,
    ),
}
