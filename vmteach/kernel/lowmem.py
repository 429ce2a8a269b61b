"""What finding the ptes of a page costs in lowmem: four designs on one budget.

source      facts on 2.4, 2.4-aa, 2.6.0 and 2.6.7: page tables (8-byte ptes under PAE, read), pte_chains (2.5.4x
            source, read), 20 KiB of page directory pages and stack for each task (read)
left out    everything else that lives in lowmem: slabs, buffer heads, network buffers; so every limit is an
            upper bound
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from vmteach.machine import KIB, MIB, Machine
from vmteach.run import between

PTES_A_PAGE = 512  # PAE: 8 bytes each, one page maps 2 MiB
PER_TASK = 20 * KIB  # three page directory pages and an 8 KiB stack
LINE = 128  # bytes of a cache line, which is a pte_chain's size
LOWMEM = 880 * MIB  # ZONE_NORMAL
MOST = 10_000_000  # processes


@dataclass(frozen=True)
class Design:
    """How a kernel finds a page's ptes, and what of that is in lowmem."""

    ptes_low: bool  # page tables in lowmem
    chain: int = 0  # pte addresses in one pte_chain; 0: no chains

    def chain_bytes(self, mappings: int) -> int:
        """Lowmem in bytes for the chains of one page with so many mappings; a single mapping needs none.

        >>> [DESIGNS["2.6.0, HIGHPTE"].chain_bytes(mappings) for mappings in (1, 15, 16)]
        [0, 128, 256]
        """
        return LINE * -(-mappings // self.chain) if self.chain and mappings > 1 else 0


DESIGNS: dict[str, Design] = {
    "2.4 mainline": Design(ptes_low=True),
    "2.6.0, ptes low": Design(ptes_low=True, chain=31),
    "2.6.0, HIGHPTE": Design(ptes_low=False, chain=15),
    "2.4-aa, pte-highmem": Design(ptes_low=False),
    "2.6 objrmap, HIGHPTE": Design(ptes_low=False),
}


class Budget(NamedTuple):
    """Lowmem that a design needs, MiB."""

    design: str
    ptes: float
    chains: float
    tasks: float

    @property
    def total(self) -> float:
        return self.ptes + self.chains + self.tasks


def available(machine: Machine) -> float:
    """Lowmem left after the page descriptors, MiB.

    >>> from vmteach.machine import PRESETS
    >>> available(PRESETS["32 GB"])
    496.0
    """
    return max(0, min(machine.ram, LOWMEM) - machine.mem_map) / MIB


def budget(design: str, processes: int, pages: int, shared: int | None = None) -> Budget:
    """Lowmem for `processes` that each map a window of `pages` pages of a segment of `shared` pages.

    >>> budget("2.4 mainline", 100, 524_288)
    Budget(design='2.4 mainline', ptes=400.0, chains=0.0, tasks=1.953125)
    """
    between("processes", processes, 1, MOST)
    between("pages", pages, 1, 1 << 40, "pages")
    shared = max(shared or pages, pages)
    kernel = DESIGNS[design]
    mappings = round(processes * pages / shared)  # of each page, on average
    ptes = processes * -(-pages // PTES_A_PAGE) * 4 * KIB if kernel.ptes_low else 0
    return Budget(design, ptes / MIB, shared * kernel.chain_bytes(mappings) / MIB, processes * PER_TASK / MIB)


def dies_at(design: str, machine: Machine, pages: int, shared: int | None = None) -> int:
    """The most processes that fit into the machine's lowmem.

    >>> from vmteach.machine import PRESETS
    >>> dies_at("2.4 mainline", PRESETS["32 GB"], 707_789)
    91
    """
    counts = range(1, MOST + 1)
    return bisect_right(counts, available(machine), key=lambda count: budget(design, count, pages, shared).total)
