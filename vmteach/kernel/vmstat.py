"""What `vmstat` prints of a reclaim: one line for each second, sixteen columns.

source      procps 3.x and 2.4.27's fs/proc/proc_misc.c (read): where each column comes from; data/README.md
left out    everything that is not the model's own reclaim: r, b, in and cs count only that
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from vmteach.kernel.reclaim import SECOND, Snapshot
from vmteach.machine import KIB, Machine

TASKS_PER_CPU = 3  # that want memory at once: r is 16-33 on the 8 processors of the trace


class Sampled(NamedTuple):
    """One line of vmstat: the state at a whole second and what happened in the second before it.

    Memory in KiB, si so bi bo in KiB a second, us sy id wa in percent of all processors. The last line of a run may
    cover less than a second.
    """

    r: int
    b: int
    swpd: int
    free: int
    buff: int
    cache: int
    si: int
    so: int
    bi: int
    bo: int
    in_: int
    cs: int
    us: int
    sy: int
    id: int
    wa: int


def vmstat(machine: Machine, counters: Sequence[Snapshot]) -> list[Sampled]:
    """One line for each snapshot after the first, in KiB a second.

    >>> from vmteach.machine import PRESETS
    >>> start = Snapshot(0, *(0 for _ in Snapshot._fields[1:]))
    >>> vmstat(PRESETS["32 GB"], [start, start._replace(second=1, slots_used=5, writes=3)])[0].so
    12
    >>> line = vmstat(PRESETS["32 GB"], [start, start._replace(second=1, slept=SECOND // 4)])[0]
    >>> line.r, line.b, line.sy, line.id
    (18, 6, 75, 25)
    """
    return [_line(machine, old, new) for old, new in pairwise(counters)]


def _line(machine: Machine, old: Snapshot, new: Snapshot) -> Sampled:
    passed, unit, tasks = new.second - old.second, machine.page // KIB, TASKS_PER_CPU * machine.cpus
    rates = ("swap_ins", "writes", "copied", "file_writes")
    si, so, read, file = (round((getattr(new, name) - getattr(old, name)) / passed) * unit for name in rates)
    slept = (new.slept - old.slept) / passed / SECOND
    busy = 1 - min(1.0, slept + (new.reading - old.reading) / passed / SECOND)
    io = (si + so + read + file) // unit
    return Sampled(
        r=round(tasks * busy),
        b=round(tasks * min(1.0, slept)),
        swpd=new.slots_used * unit,
        free=new.free * unit,
        buff=machine.ram // KIB // 560,  # as in the trace, 30 MB on 16 GB; nothing in the model touches it
        cache=new.pagecache * unit,
        si=si,
        so=so,
        bi=read + si,
        bo=so + file,
        in_=100 + io // 8,
        cs=round(2 * (new.sleeps - old.sleeps) / passed) + io // 8,
        us=0,
        sy=round(100 * busy),
        id=100 - round(100 * busy),
        wa=0,
    )


def calibrated(swpd: list[int], page: int = 4 * KIB) -> float:
    """Time from one conversion to the next, ns: from `swpd` in KiB, read once a second while nothing else went on.

    It is the least-squares slope over the rows given.

    >>> calibrated([0, 40_000, 80_000])
    100000.0
    """
    from statistics import linear_regression  # here alone: who runs a chapter does without

    slope, _ = linear_regression(range(len(swpd)), swpd)
    return SECOND / (slope * KIB / page)
