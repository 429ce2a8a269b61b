"""One request for memory on a machine that is full of programs: does it get as far as swap_out?

source      the rules of kernel/reclaim, as read in 2.4.27; the make-up of the lists is invented
left out    free memory: every request reclaims; other pages than mapped and clean ones
"""

from functools import lru_cache
from typing import NamedTuple

from vmteach.kernel.reclaim import Kind, PageRun, PageState, Pte, PteRun, Reclaim, Setup
from vmteach.machine import MIB, Machine, Sysctls

LISTS_SHARE = 4  # 1/4 of RAM is page cache and on the lists: a machine full of programs


class Request(NamedTuple):
    """What one request for 32 pages did: calls of swap_out, pages visited, passes, pages freed."""

    swap_outs: int
    visits: int
    passes: int
    freed: int


def setup(machine: Machine, ratio: int, mapped_mib: int) -> Setup:
    """The machine's lists: from the inactive tail mapped pages, then clean ones; two thirds are active, and clean.

    Anonymous memory, the rest of RAM, is on neither list: vm_anon_lru is 0.

    >>> from vmteach.machine import PRESETS
    >>> [run.count for run in setup(PRESETS["1 GB"], 6, 12).inactive]
    [3072, 18773]
    """
    lists = machine.pages // LISTS_SHARE
    mapped = min(mapped_mib * MIB // machine.page, lists // 2)
    inactive = max(lists // 3, mapped + 64)
    file = PageState(Kind.FILE)
    runs = (PageRun(0, mapped, PageState(Kind.SHM, dirty=True)), PageRun(mapped, inactive - mapped, file))
    return Setup(
        shm=mapped,
        inactive=tuple(run for run in runs if run.count),
        active=(PageRun(inactive, lists - inactive, file),),
        ptes=(PteRun(0, mapped, Pte.OLD),) if mapped else (),
        slots=machine.swap // machine.page,
        sysctls=Sysctls(vm_cache_scan_ratio=ratio),
    )


@lru_cache(maxsize=1024)
def request(machine: Machine, ratio: int, mapped_mib: int) -> Request:
    """One request for memory on these lists, by the reclaim engine of shm_big_iron with its stock rules.

    >>> from vmteach.machine import PRESETS
    >>> request(PRESETS["32 MB"], 6, 12).swap_outs > 0, request(PRESETS["1 GB"], 6, 12).swap_outs
    (True, 0)
    """
    engine = Reclaim(setup(machine, ratio, mapped_mib))
    freed = engine.reclaim()
    return Request(engine.count["swap_outs"], engine.count["visits"], engine.count["passes"], freed)
