"""A block that straddles the end of a device: it exists for one layer of the kernel and not for the next.

changelog   00_blkdev-eof-1 Allow reading last block (write not)
source      unpatched: fs/block_dev.c, fs/buffer.c, mm/filemap.c, drivers/block/ll_rw_blk.c of 2.4.22 (read, and run
            beside the model); patched: the patch was not found, two readings of its one line fit (inferred);
            today: tried on Linux 6.18
unpatched   a block that straddles the end exists for the look-up and not for the last check: EIO for its whole page
patched     the last page can be read; a block that is not all inside cannot be written
left out    bad sectors, read-ahead, mmap, where a partition begins, blocks of 64 KiB (no room in 16 bits)
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

from vmteach.kernel import blkdev
from vmteach.kernel.blkdev import OLD, SECTOR, Device, Lookup, Rounding, Wrote
from vmteach.machine import PRESETS, Machine, Sysctl, panel
from vmteach.run import Control, Preset, Run, between, inputs, of_kind, one_of, takes_inputs, within


@dataclass(frozen=True)
@inputs
class Scenario:
    """A machine, and a disk of `sectors` x 512 bytes that is read in soft blocks of `block` bytes.

    `shrunk_to` is the number of sectors that the disk has left when it is read; None: all that it had at the open.

    >>> Scenario().sectors, Scenario().block, Scenario().sectors_now
    (2002, 4096, 2002)
    """

    machine: Machine = PRESETS["256 MB"]
    vm_cache_scan_ratio: Sysctl = 6
    sectors: Annotated[int, within(1, (1 << 32) - 1)] = 2002
    block: int = 4096
    shrunk_to: int | None = None

    def __post_init__(self) -> None:
        between("shrunk_to", self.sectors_now, 1, self.sectors, "sectors")
        one_of("block", self.block, tuple(512 << n for n in range(7) if 512 << n <= self.machine.page))

    @property
    def sectors_now(self) -> int:
        """The sectors of the disk when it is read."""
        return self.sectors if self.shrunk_to is None else self.shrunk_to


Policy = blkdev.Rules  # who decides what about the end of a device: vmteach/kernel/blkdev.py
UNPATCHED = "unpatched"
PATCHED = "patched (hole)"
TAIL = "patched (tail)"
TODAY = "today"
HALF, HALF_MARKED = "what if: half, as 2.4.22", "what if: half, as 2.4.27"
_DOWN = Policy(read_blocks=Rounding.DOWN, write_blocks=Rounding.DOWN)
POLICIES = {
    UNPATCHED: Policy(),
    PATCHED: replace(_DOWN, behind=Lookup.HOLE),
    TAIL: Policy(write_blocks=Rounding.DOWN, shortens=frozenset({"read"})),
    TODAY: Policy(unit=SECTOR, marks_error=True, shortens=frozenset({"read", "write"}), direct_unit=SECTOR),
    HALF: _DOWN,
    HALF_MARKED: replace(_DOWN, marks_error=True),
}

CONTROLS = (
    *panel(ratio="where a device ends is arithmetic; no page is reclaimed on the way."),
    Control("sectors", "device size", (2000, 2001, 2002, 2003, 2004, 2006, 2008), "sectors"),
    Control("block", "soft block", blkdev.BLOCKS, "B"),
)
TRY = (
    Preset("no tail: 2000 sectors", {"sectors": 2000}),
    Preset("an odd sector", {"sectors": 2001}),
    Preset("pages of 16 KiB", {"machine": "64-bit 64 GB", "sectors": 2004}),
    Preset("blocks of 1 KiB", {"block": 1024}),
)


class PageRead(NamedTuple):
    """Pages came in, `pages` alike from `page` on. Of their bytes before the end of the device `data` are the disk's.

    The others are zeros, or what the page frame held before: `old`.
    """

    page: int
    data: int
    zeros: int
    old: int = 0
    pages: int = 1


class PageLost(NamedTuple):
    """Pages did not come in: EIO for `lost` bytes, of which `good` lie in blocks with nothing wrong."""

    page: int
    lost: int
    good: int
    pages: int = 1


class ReadDirectly(NamedTuple):
    """A read with O_DIRECT: how many bytes were asked for from where, and how many came (or minus the errno)."""

    offset: int
    asked: int
    got: int


class WroteDirectly(NamedTuple):
    """A write with O_DIRECT: how many bytes were given from where, and how many were taken (or minus the errno)."""

    offset: int
    given: int
    taken: int


Event = blkdev.Checked | blkdev.FoundHole | blkdev.NotFound | PageRead | PageLost | Wrote | ReadDirectly | WroteDirectly
Page = PageRead | PageLost
Last = tuple[Wrote, ReadDirectly, WroteDirectly]
ANSWERS = {blkdev.EIO: "EIO", blkdev.EINVAL: "EINVAL", blkdev.ENOSPC: "ENOSPC"}


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """Read the device to its end, then write its last block, then read and write that block with O_DIRECT.

    >>> simulate(Scenario(), POLICIES[UNPATCHED]).numbers["bytes lost (B)"]
    1024
    >>> simulate(Scenario(), POLICIES[PATCHED]).numbers["bytes read as zeros (B)"]
    1024
    >>> half = simulate(Scenario(), POLICIES[HALF]).numbers
    >>> half["bytes lost (B)"], half["bytes of old memory (B)"]
    (0, 1024)
    """
    device, events = Device(scenario, policy), list[Event]()
    for first, count in runs_of_pages(device):
        page = read_page(device, first, count)
        events += [*device.events, page]
        device.events.clear()
    pages = [event for event in events if isinstance(event, PageRead | PageLost)]
    retried = [read_page(device, page.page, page.pages) for page in of_kind(pages, PageLost)]
    device.events.clear()  # a second read meets the same layers
    last = last_block(device)
    events += [*of_kind(retried, PageRead), *device.events, *last]
    return Run(scenario, policy, tuple(events), _numbers(device, pages, of_kind(retried, PageRead), last))


def runs_of_pages(device: Device) -> Iterator[tuple[int, int]]:
    """The pages below the end, in runs that fare alike: (first page, how many).

    Only near the end of something can a page fare otherwise than the one before it: near the size, the last block
    that counts, the limit of the last check, the disk's own end, the end of a machine word.

    >>> list(runs_of_pages(Device(Scenario(), POLICIES[UNPATCHED])))
    [(0, 250), (250, 1)]
    """
    s, pages = device.scenario, Rounding.UP.of(device.size, device.page)
    sectors = device.limit, s.sectors_now, 1 << s.machine.word
    ends = device.size, device.max_block("read") * device.block, *(sector * SECTOR for sector in sectors)
    near = {page for end in ends for page in (end // device.page, end // device.page + 1)}
    cuts = sorted({0, pages, *(page for page in near if 0 < page < pages)})
    return ((page, after - page) for page, after in zip(cuts, cuts[1:]))


def read_page(device: Device, page: int, pages: int = 1) -> Page:
    """What becomes of `pages` pages that fare alike, found out with the first of them, `page`.

    >>> [read_page(Device(Scenario(), POLICIES[label]), 250) for label in (UNPATCHED, PATCHED)]
    [PageLost(page=250, lost=1024, good=0, pages=1), PageRead(page=250, data=0, zeros=1024, old=0, pages=1)]
    """
    start = page * device.page
    inside = min(device.page, device.size - start)
    data = device.block_read_full_page(page)
    if data is None:
        whole = (device.size - start) // device.block
        good = device.block * sum(buffer is not None for buffer in device.cache[page][:whole])
        return PageLost(page, pages * inside, pages * good, pages)
    parts = [(data[at : at + SECTOR], device.disk[start + at : start + at + SECTOR]) for at in range(0, inside, SECTOR)]
    same = pages * SECTOR * sum(part == true for part, true in parts)
    zeros, old = (pages * SECTOR * sum(part == bytes([value]) * SECTOR for part, _ in parts) for value in (0, OLD))
    return PageRead(page, same, zeros, old, pages)


def last_block(device: Device) -> Last:
    """The three other ways to the last block; a disk of one sector has none, and refuses.

    >>> [tuple(event) for event in last_block(Device(Scenario(), POLICIES[UNPATCHED]))]
    [(250, 0, 'the last check', 0), (1024000, 4096, 0), (1024000, 4096, -22)]
    """
    last = max(device.size - 1, 0) // device.block
    start, asked = last * device.block, device.block
    if not device.size:
        return Wrote(0, 0, "the size"), ReadDirectly(0, asked, 0), WroteDirectly(0, asked, blkdev.ENOSPC)
    read, written = device.direct_read(start, asked), device.direct_write(start, asked)
    return device.write(last), ReadDirectly(start, asked, read), WroteDirectly(start, asked, written)


def _numbers(device: Device, pages: list[Page], retried: list[PageRead], last: Last) -> dict[str, int | str]:
    wrote, direct, wrote_directly = last
    lost, read = of_kind(pages, PageLost), of_kind(pages, PageRead)

    def on_disk(page: PageLost, count: int) -> int:
        """Of these bytes, what the disk has: from 1 TiB on 2.4 believes in more than that."""
        return min(count, max(0, device.disk.size - page.page * device.page))

    return {
        "size (B)": device.size,
        "blocks that the look-up counts": device.max_block("read"),
        "last block ends at sector": Rounding.UP.of(device.size, device.block) * device.block // SECTOR,
        "limit of the last check (sector)": device.limit,
        "bytes lost (B)": sum(on_disk(page, page.lost) for page in lost) + max(device.disk.size - device.size, 0),
        "of them in good blocks (B)": sum(on_disk(page, page.good) for page in lost),
        "bytes read as zeros (B)": sum(page.zeros for page in read),
        "bytes of old memory (B)": sum(page.old for page in read),
        "old memory on a second read (B)": sum(page.old for page in retried),
        "write of the last block": f"{wrote.taken} B" if wrote.taken else "EIO" if device.size else "ENOSPC",
        "direct read of the last block (B)": direct.got,
        "direct write of the last block": ANSWERS.get(wrote_directly.taken, f"{wrote_directly.taken} B"),
    }


def lost(sectors: int, block: int, page: int) -> int:
    """Bytes of a disk that the unpatched kernel could not read: the whole chapter as a formula.

    >>> lost(2002, 4096, 4096), lost(2004, 4096, 16384), lost(2000, 4096, 4096), lost(2001, 4096, 4096)
    (1024, 10240, 0, 512)
    """
    size, odd = sectors // 2 * 1024, sectors % 2 * SECTOR
    return odd + ((size - 1) % page + 1 if size % block and size else 0)
