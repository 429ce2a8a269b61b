"""Machines by name: memory, processors, zones and watermarks, and the vm sysctls.

source      facts: zones and watermarks as 2.4.23-2.4.27 set them up (shm_big_iron, section 1.7)
left out    memory holes, NUMA nodes, memory taken by the kernel image at boot
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, NamedTuple

from vmteach.run import Control, among, between, inputs, one_of, within

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

# lower_zone_reserve: a zone keeps 1/ratio of the pages above it from those who could use them
RESERVE_RATIO = {"DMA": 256, "NORMAL": 32}

# What is left free in ZONE_DMA after boot. Inferred from the trace: the smallest `free` less the
# two reserves that the rules give. It is the one number of the band that RAM does not determine.
DMA_LEFT_KIB = 7360


def check_sysctl(name: str, value: int) -> None:
    """Raise ValueError for a value that the kernel could not work with.

    >>> check_sysctl("vm_cache_scan_ratio", 0)
    Traceback (most recent call last):
        ...
    ValueError: vm_cache_scan_ratio must be a whole number from 1 up (the kernel divides by it), got 0
    """
    if value < 1:
        because = " (the kernel divides by it)" if "scan_ratio" in name else ""
        raise ValueError(f"{name} must be a whole number from 1 up{because}, got {value}")


Sysctl = Annotated[int, check_sysctl]


@dataclass(frozen=True)
@inputs
class Sysctls:
    """The /proc/sys/vm knobs of 2.4.23 with their kernel names and defaults.

    >>> Sysctls().vm_cache_scan_ratio, Sysctls().vm_passes
    (6, 60)
    """

    vm_cache_scan_ratio: Sysctl = 6  # one pass looks at 1/ratio of the lists
    vm_passes: Sysctl = 60  # passes before a reclaim call gives up
    vm_mapped_ratio: Sysctl = 100  # mapped pages tolerated per wanted page
    vm_lru_balance_ratio: Sysctl = 2  # aims at active = ratio x inactive


class Watermarks(NamedTuple):
    """Free pages below which a zone wakes kswapd (low) or sends the allocator to reclaim (min)."""

    min: int
    low: int
    high: int


class Zone(NamedTuple):
    """A range of page frames with one purpose; `pages` counts them."""

    name: str
    pages: int


@dataclass(frozen=True)
@inputs
class Machine:
    """A computer: everything that "machine size" means in this course.

    >>> PRESETS["16 GB"].zones[-1]
    Zone(name='HIGHMEM', pages=3964928)
    """

    name: str
    ram: Annotated[int, within(16 * MIB, 64 * TIB, "bytes")]
    cpus: Annotated[int, within(1, 1024)] = 1
    word: Annotated[int, among(32, 64)] = 32  # bits of an unsigned long
    page: Annotated[int, among(4 * KIB, 8 * KIB, 16 * KIB, 64 * KIB)] = 4 * KIB  # bytes
    stack: int = 8 * KIB  # bytes of kernel stack, shared with the task descriptor
    swap: Annotated[int, within(0, 64 * TIB, "bytes")] = 16 * GIB  # bytes of swap space
    swap_rate: int = 60 * MIB  # bytes a second that the swap disk writes or reads
    disk_rate: int = 80 * MIB  # bytes a second of the disk that files are read from
    source: str = "invented"

    def __post_init__(self) -> None:
        between("swap_rate", self.swap_rate, self.page, TIB, "bytes/s")
        between("disk_rate", self.disk_rate, self.page, TIB, "bytes/s")

    @classmethod
    def named(cls, name: str) -> "Machine":
        """The machine of this name among the PRESETS.

        >>> Machine.named("16 GB").cpus
        8
        """
        one_of("machine", name, tuple(PRESETS))
        return PRESETS[name]

    @property
    def pages(self) -> int:
        """Page frames of RAM."""
        return self.ram // self.page

    @property
    def task_size(self) -> int:
        """First address that belongs to the kernel."""
        return 0xC000_0000 if self.word == 32 else 1 << 43

    @property
    def mem_map(self) -> int:
        """Bytes of the array of page descriptors: 48 a page on i386 with HIGHMEM, 56 reckoned for 64 bit."""
        return self.pages * (48 if self.word == 32 else 56)

    @cached_property
    def zones(self) -> tuple[Zone, ...]:
        """DMA, NORMAL and, on 32-bit machines above 896 MB, HIGHMEM, with their pages."""
        dma_end = 16 * MIB if self.word == 32 else min(4 * GIB, self.ram // 4)
        normal_end = min(self.ram, 896 * MIB) if self.word == 32 else self.ram
        ends = (0, min(dma_end, self.ram), normal_end, self.ram)
        names = ("DMA", "NORMAL", "HIGHMEM")
        sizes = [(high - low) // self.page for low, high in zip(ends, ends[1:])]
        return tuple(Zone(name, size) for name, size in zip(names, sizes) if size)

    def watermarks(self, zone: str, wanted_from: str | None = None) -> Watermarks:
        """The watermarks of a zone, in pages, against requests that would rather have `wanted_from`.

        >>> kib = [4 * pages for pages in PRESETS["16 GB"].watermarks("NORMAL", "HIGHMEM")]
        >>> kib
        [496636, 497656, 498676]
        """
        sizes = {z.name: z.pages for z in self.zones}
        one_of("zone", zone, tuple(sizes))
        one_of("wanted_from", wanted_from or zone, tuple(sizes))
        own = min(max(sizes[zone] // 128, 20), 255)
        names = list(sizes)
        above = names[names.index(zone) + 1 : names.index(wanted_from or zone) + 1]
        reserve = sum(sizes[name] for name in above) // RESERVE_RATIO.get(zone, 1) if above else 0
        return Watermarks(own + reserve, 2 * own + reserve, 3 * own + reserve)

    @property
    def free_band(self) -> tuple[int, int]:
        """Lowest and highest free memory, in KiB, that allocators and kswapd keep between them.

        The sum over the zones of what a request for the topmost zone must leave free; in a
        zone that may not be touched at all, what boot left of it.

        >>> PRESETS["16 GB"].free_band
        (505016, 509096)
        """
        top, unit = self.zones[-1].name, self.page // KIB
        low = high = 0
        for zone in self.zones:
            marks = self.watermarks(zone.name, top)
            left = min(zone.pages * unit, DMA_LEFT_KIB) if zone.name == "DMA" else zone.pages * unit
            if zone.name == "NORMAL" and top == "HIGHMEM":
                left -= self.mem_map // KIB  # the page descriptors live in lowmem
            low += min(marks.min * unit, max(left, 0))
            high += min(marks.high * unit, max(left, 0))
        return low, high


_ANN = "announcement"
PRESETS: dict[str, Machine] = {
    machine.name: machine
    for machine in (
        Machine("32 MB", 32 * MIB, swap=64 * MIB, swap_rate=8 * MIB, disk_rate=8 * MIB, source=_ANN + ": the low end"),
        Machine(
            "256 MB", 256 * MIB, swap=512 * MIB, swap_rate=15 * MIB, disk_rate=15 * MIB, source=_ANN + ": the laptop"
        ),
        Machine("1 GB", 1 * GIB, swap=2 * GIB, swap_rate=30 * MIB, disk_rate=40 * MIB),
        Machine("2 GB", 2 * GIB, 2, swap=4 * GIB, swap_rate=40 * MIB, disk_rate=60 * MIB),
        Machine("4 GB", 4 * GIB, 2, swap=8 * GIB),
        Machine("8 GB", 8 * GIB, 4, swap=16 * GIB),
        Machine("16 GB", 16 * GIB, 8, swap=32 * GIB, source="the trace: 8 CPUs, and its free band gives 16 GB"),
        Machine("32 GB", 32 * GIB, 8, swap=32 * GIB, source=_ANN + ": the 32G boxes; copies at 80 MB/s"),
        Machine("64 GB", 64 * GIB, 8, swap=64 * GIB),
        Machine("64-bit 64 GB", 64 * GIB, 8, word=64, page=16 * KIB, stack=32 * KIB, swap=64 * GIB),
    )
}


def panel(machine: str = "", ratio: str = "") -> tuple[Control, Control]:
    """The two controls of every chapter; where one cannot matter, the words say why.

    >>> [control.stops[-1] for control in panel()]
    ['64-bit 64 GB', 60]
    """
    name, stops = "vm_cache_scan_ratio", (1, 2, 3, 6, 10, 20, 60)
    return Control("machine", "machine size", tuple(PRESETS), why_not=machine), Control(
        name, name, stops, why_not=ratio
    )
