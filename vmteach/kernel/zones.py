"""Zones that fill: from which zone the next page comes, and which memory gives out first.

source      the first pass of __alloc_pages() in mm/page_alloc.c of 2.4.22 and 2.4.27, fs/buffer.c for the heads (read,
            and run beside the model: docs/cases.md)
left out    reclaim, and what else is allocated meanwhile
"""

from bisect import bisect_left
from functools import cache, lru_cache
from itertools import accumulate
from typing import NamedTuple

from vmteach.machine import KIB, Machine

FILE, DEVICE = "file", "block device"  # whose pages are written
HEADS_A_PAGE = 40  # buffer heads of 96 bytes and their index, in a page of the slab


class Memory(NamedTuple):
    """Pages that are free in each zone, and pages of cache in low memory (NORMAL and DMA)."""

    dma: int
    normal: int
    high: int
    cache: int = 0


class Start(NamedTuple):
    """Where a writer begins: its machine, the memory there, whose pages it writes, and how buffers are kept."""

    machine: Machine
    memory: Memory
    writer: str = FILE
    block: int = 4 * KIB  # bytes of a buffer
    heads_a_page: int = HEADS_A_PAGE


@cache
def marks(machine: Machine) -> tuple[int, int, int]:
    """Pages that a guard leaves out: of NORMAL and DMA the high marks against requests for low memory.

    The third is what both zones hold above their own high marks, free or not.

    >>> from vmteach.machine import PRESETS
    >>> marks(PRESETS["16 GB"]), marks(PRESETS["256 MB"])
    ((765, 976, 228515), (765, 336, 64675))
    """
    low = [zone for zone in machine.zones if zone.name != "HIGHMEM"]
    high = {zone.name: machine.watermarks(zone.name, low[-1].name).high for zone in low}
    above = sum(zone.pages - machine.watermarks(zone.name).high for zone in low)
    return high.get("NORMAL", 0), high["DMA"], above


class Phase(NamedTuple):
    """From `dirty` pages on, with so much `memory` left and so many pages of heads, data and heads have one zone each.

    A zone is a field of Memory; `heads` is "" where heads can be had nowhere, and then those there are must do.
    """

    dirty: int
    memory: Memory
    head_pages: int
    data: str
    heads: str


@cache
def lowest(machine: Machine, wanted: str, reserve: bool = True) -> dict[str, int]:
    """The zones that may give a page to a request for `wanted`, in order, and the pages that each keeps.

    From 2.4.23 on a zone keeps a reserve against requests that a higher zone could serve. Without it the low marks
    add up from zone to zone, as in 2.4.22.

    >>> from vmteach.machine import PRESETS
    >>> lowest(PRESETS["16 GB"], "HIGHMEM"), lowest(PRESETS["16 GB"], "HIGHMEM", reserve=False)
    ({'high': 510, 'normal': 124414, 'dma': 16432}, {'high': 510, 'normal': 1020, 'dma': 1084})
    """
    names = [zone.name for zone in machine.zones]
    usable = names[: names.index(wanted) + 1] if wanted in names else names
    fields = {"DMA": "dma", "NORMAL": "normal", "HIGHMEM": "high"}
    own = [machine.watermarks(name, usable[-1] if reserve else name).low for name in reversed(usable)]
    return dict(zip((fields[name] for name in reversed(usable)), own if reserve else accumulate(own)))


@lru_cache(maxsize=256)
def phases(start: Start, reserve: bool = True) -> tuple[list[Phase], str]:
    """Where memory comes from as it fills, and what is lacking at the end: "memory" for data, "lowmem" for heads.

    The last phase is where nothing more can be had. The zone is chosen as in the first pass of __alloc_pages.

    >>> from vmteach.machine import PRESETS
    >>> found, lacks = phases(Start(PRESETS["256 MB"], Memory(3600, 60_000, 0)))
    >>> [(phase.dirty, phase.data) for phase in found[:4]], found[-1].dirty, lacks
    ([(0, 'normal'), (58037, 'normal'), (58038, 'normal'), (58039, 'dma')], 61254, 'memory')
    """
    for_data = lowest(start.machine, "HIGHMEM" if start.writer == FILE else "NORMAL", reserve)
    for_heads = lowest(start.machine, "NORMAL", reserve)
    found = []
    dirty, memory, head_pages = 0, start.memory, 0
    while True:
        data = _first(memory, for_data)
        heads = _first(take(memory, data, 1), for_heads) if data else ""
        now = Phase(dirty, memory, head_pages, data, heads)
        found.append(now)
        if not data or (not heads and _heads(dirty + 1, start) > head_pages):
            return found, "lowmem" if data else "memory"
        pages = _room(now, start, for_data, for_heads)
        dirty, (memory, head_pages) = dirty + pages, after(now, start, pages)


def _first(memory: Memory, zones: dict[str, int]) -> str:
    """The first zone that is above what it must keep; empty if none is."""
    return next((zone for zone, keep in zones.items() if getattr(memory, zone) > keep), "")


def take(memory: Memory, zone: str, pages: int) -> Memory:
    """What is left when so many pages of a zone are taken; no zone ("") gives none.

    >>> take(Memory(10, 20, 30), "high", 4), take(Memory(10, 20, 30), "", 4)
    (Memory(dma=10, normal=20, high=26, cache=0), Memory(dma=10, normal=20, high=30, cache=0))
    """
    return memory._replace(**{zone: getattr(memory, zone) - pages}) if zone else memory


def _heads(dirty: int, start: Start) -> int:
    """Pages of the slab that the heads of so many dirty pages fill."""
    return -(-dirty * (start.machine.page // start.block) // start.heads_a_page)


def after(now: Phase, start: Start, pages: int) -> tuple[Memory, int]:
    """Memory and pages of heads when `pages` pages more are dirty than at the phase's begin.

    Data in low memory is cache there, which two of the four guards count.

    >>> from vmteach.machine import PRESETS
    >>> start = Start(PRESETS["8 GB"], Memory(3600, 200_000, 1_000_000))
    >>> after(phases(start)[0][0], start, 4000)
    (Memory(dma=3600, normal=199900, high=996000, cache=0), 100)
    """
    head_pages = _heads(now.dirty + pages, start)
    taken = {now.data: pages, "cache": -pages * (now.data != "high")}
    taken[now.heads] = taken.get(now.heads, 0) + head_pages - now.head_pages
    left = {zone: getattr(now.memory, zone) - pages for zone, pages in taken.items() if zone}
    return now.memory._replace(**left), head_pages


def _room(now: Phase, start: Start, for_data: dict[str, int], for_heads: dict[str, int]) -> int:
    """For how many pages a phase lasts: as long as both zones surely stay above what they keep, and one page."""

    def tight(pages: int) -> bool:
        memory, _ = after(now, start, pages)
        spare = getattr(memory, now.data) - for_data[now.data], getattr(memory, now.heads) - for_heads[now.heads]
        return bool(min(spare) < 2)

    return max(1, bisect_left(range(getattr(now.memory, now.data)), True, key=tight) - 1) if now.heads else 1
