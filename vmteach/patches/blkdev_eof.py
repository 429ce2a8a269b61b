"""Four layers of the kernel each have their own idea of where a block device ends, and two of them disagree.

changelog   00_blkdev-eof-1: Allow reading last block (write not)
source      before: fs/block_dev.c, fs/buffer.c, drivers/block/ll_rw_blk.c of 2.4.22 (read); after: the patch was not
            found; the two readings of its one line that fit are both here (inferred); today: tried on Linux 6.18
unpatched   a block that straddles the end exists for the look-up and not for the last check: EIO for its whole page
patched     the last page can be read; a block that is not all inside cannot be written
left out    bad sectors, read-ahead, direct writes, write-back that fails later, partitions and their offsets
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache
from typing import NamedTuple

from vmteach.machine import PRESETS, Machine, check_sysctl
from vmteach.run import Control, Run, between, inputs, one_of

SECTOR = 512  # bytes that a disk reads or writes at once
BLOCKS = (512, 1024, 2048, 4096)  # soft block sizes, in bytes, that a mount can set


# ---- what goes in ----


@dataclass(frozen=True)
@inputs
class Scenario:
    """A machine, and a disk of `sectors` x 512 bytes that is read in soft blocks of `block` bytes.

    >>> Scenario().sectors, Scenario().block, Scenario().machine.page
    (2002, 4096, 4096)
    """

    machine: Machine = PRESETS["256 MB"]
    vm_cache_scan_ratio: int = 6
    sectors: int = 2002
    block: int = 4096

    def __post_init__(self) -> None:
        check_sysctl("vm_cache_scan_ratio", self.vm_cache_scan_ratio)
        between("sectors", self.sectors, 2, 1 << 20)
        one_of("block", self.block, BLOCKS)


class Rounding(Enum):
    """What becomes of the block that straddles the end when the blocks of a device are counted."""

    UP = "it counts"
    DOWN = "it does not count"

    def of(self, number: int, per: int) -> int:
        """`number` things in groups of `per`, counted.

        >>> Rounding.UP.of(1001, 4), Rounding.DOWN.of(1001, 4)
        (251, 250)
        """
        return number // per + (self is Rounding.UP and number % per > 0)


class Lookup(Enum):
    """The answer of the block look-up."""

    MAPPED = "a place on the disk"
    HOLE = "a hole: zeros, and no I/O"
    EIO = "EIO"


# ---- what the patch changed ----


@dataclass(frozen=True)
@inputs
class Policy:
    """Who decides what about the end of a device.

    unit           bytes in which the size is kept: what does not fill a unit cannot be addressed
    read_blocks    how the look-up counts blocks for a read
    write_blocks   and for a write
    behind         what it says to a read of a block that does not count
    shortens       the operations ("read", "write") of which the last check cuts off what lies beyond the end;
                   it refuses the others whole
    direct_unit    bytes to whole numbers of which O_DIRECT rounds down; 0: soft blocks
    """

    unit: int = 1024
    read_blocks: Rounding = Rounding.UP
    write_blocks: Rounding = Rounding.UP
    behind: Lookup = Lookup.EIO
    shortens: frozenset[str] = frozenset()
    direct_unit: int = 0


UNPATCHED = "unpatched"
PATCHED = "patched (hole)"
TAIL = "patched (tail)"
TODAY = "today"
POLICIES = {
    UNPATCHED: Policy(),
    PATCHED: Policy(read_blocks=Rounding.DOWN, write_blocks=Rounding.DOWN, behind=Lookup.HOLE),
    TAIL: Policy(write_blocks=Rounding.DOWN, shortens=frozenset({"read"})),
    TODAY: Policy(unit=SECTOR, shortens=frozenset({"read", "write"}), direct_unit=SECTOR),
}

CONTROLS = (
    Control("machine", "machine size", tuple(PRESETS)),
    Control(
        "vm_cache_scan_ratio",
        "vm_cache_scan_ratio",
        (1, 2, 3, 6, 10, 20, 60),
        why_not="where a device ends is arithmetic; no page is reclaimed on the way.",
    ),
    Control("sectors", "device size", (2000, 2001, 2002, 2003, 2004, 2006, 2008), "sectors"),
    Control("block", "soft block", BLOCKS, "B"),
)


# ---- what happens ----


class Checked(NamedTuple):
    """The last check met a block that ends beyond the device; it let pass `sent` sectors of it."""

    block: int
    ends: int  # the first sector after the block
    limit: int  # the first sector that a request may not end beyond
    sent: int


class FoundHole(NamedTuple):
    """The look-up called a block a hole: it is zeros, and the disk is not asked."""

    block: int


class PageRead(NamedTuple):
    """A page came in. Of its bytes before the end of the device `data` are the disk's, `zeros` are not."""

    page: int
    data: int
    zeros: int


class PageLost(NamedTuple):
    """A page did not come in: EIO for `lost` bytes, of which `good` lie in blocks with nothing wrong."""

    page: int
    lost: int
    good: int


class Wrote(NamedTuple):
    """A write of a block: the bytes that were taken, 0 with EIO; `refused_by` names the layer that said no."""

    block: int
    taken: int
    refused_by: str


class ReadDirectly(NamedTuple):
    """A read with O_DIRECT: how many bytes were asked for from where, and how many came."""

    offset: int
    asked: int
    got: int


Event = Checked | FoundHole | PageRead | PageLost | Wrote | ReadDirectly


# ---- the four layers ----


@lru_cache(maxsize=16)
def contents(sectors: int) -> bytes:
    """The bytes of a disk: each sector has a value of its own kind, and none is zero.

    >>> contents(3)[511], contents(3)[512], len(contents(3))
    (1, 2, 1536)
    """
    return b"".join(bytes((1 + sector % 251,)) * SECTOR for sector in range(sectors))


class Device:
    """A block device as the kernel sees it. The layers stand below in the order in which a read meets them.

    >>> before = Device(Scenario(), POLICIES[UNPATCHED])
    >>> before.size, before.max_block("read"), before.limit
    (1025024, 251, 2003)
    """

    def __init__(self, scenario: Scenario, policy: Policy) -> None:
        self.sectors, self.block, self.page = scenario.sectors, scenario.block, scenario.machine.page
        self.policy = policy
        self.disk = contents(scenario.sectors)
        self.events: list[Event] = []

    # layer 1: the size of the inode

    @cached_property
    def size(self) -> int:
        """Bytes of the device: whole units only, so that an odd sector is lost in units of 1 KiB."""
        return self.sectors * SECTOR // self.policy.unit * self.policy.unit  # facts: step 1

    # layer 2: the block look-up

    def max_block(self, operation: str) -> int:
        """How many blocks the look-up accepts for a "read" or a "write"."""
        rounding = self.policy.read_blocks if operation == "read" else self.policy.write_blocks
        return rounding.of(self.size, self.block)  # facts: step 2

    def blkdev_get_block(self, block: int, operation: str) -> Lookup:
        """What the look-up says of a block.

        >>> Device(Scenario(), POLICIES[PATCHED]).blkdev_get_block(250, "read").name
        'HOLE'
        """
        if block < self.max_block(operation):
            return Lookup.MAPPED
        return self.policy.behind if operation == "read" else Lookup.EIO

    # layer 3: the read of a page

    def block_read_full_page(self, page: int) -> bytes | None:
        """The bytes of a page, or None for EIO: it is valid only if all of its buffers are."""
        blocks = [self._buffer(block) for block in self.blocks_of(page)]
        if None in blocks:
            return None  # facts: step 4: one refused buffer spoils the page
        return b"".join(block for block in blocks if block is not None)

    def blocks_of(self, page: int) -> range:
        """The numbers of the blocks that make up a page."""
        per = self.page // self.block
        return range(page * per, (page + 1) * per)

    def _buffer(self, block: int) -> bytes | None:
        """The bytes of one buffer of a page, or None for EIO."""
        zeros = bytes(self.block)
        if block * self.block >= self.size:
            return zeros  # facts: step 4: entirely beyond the end
        answer = self.blkdev_get_block(block, "read")
        if answer is Lookup.HOLE:
            self.events.append(FoundHole(block))
            return zeros
        sent = self.generic_make_request(block, "read") if answer is Lookup.MAPPED else 0
        if not sent:
            return None
        start = block * self.block
        return (self.disk[start : start + sent * SECTOR] + zeros)[: self.block]

    # layer 4: the last check before the driver

    @cached_property
    def limit(self) -> int:
        """The sector beyond which no request may end; one spare stands for the odd sector that step 1 lost."""
        return self.size // SECTOR + self.policy.unit // SECTOR - 1  # facts: step 3

    def generic_make_request(self, block: int, operation: str) -> int:
        """Sectors of the block that go to the driver; 0: the request is refused."""
        first, wanted = block * self.block // SECTOR, self.block // SECTOR
        if first + wanted <= self.limit:
            return wanted
        sent = self.sectors - first if operation in self.policy.shortens else 0
        self.events.append(Checked(block, first + wanted, self.limit, sent))
        return sent

    # the three ways in

    def read(self, offset: int, length: int) -> bytes | None:
        """A buffered read: the bytes up to the end or to the first bad page; None for EIO at once.

        >>> before, after = (Device(Scenario(), POLICIES[label]) for label in (UNPATCHED, PATCHED))
        >>> before.read(1024000, 4096), len(after.read(1024000, 4096))
        (None, 1024)
        """
        got, end = b"", min(offset + length, self.size)
        while offset < end:
            page, within = divmod(offset, self.page)
            data = self.block_read_full_page(page)
            if data is None:
                return got or None
            piece = data[within : within + end - offset]
            got, offset = got + piece, offset + len(piece)
        return got

    def write(self, block: int) -> Wrote:
        """A buffered write of a whole block, cut at the size of the device.

        A block that is written only in part is read first, and the last check sees that request too.
        """
        taken = min(self.block, self.size - block * self.block)
        if self.blkdev_get_block(block, "write") is not Lookup.MAPPED:
            return Wrote(block, 0, "the look-up")
        if not self.generic_make_request(block, "write"):
            return Wrote(block, 0, "the last check")
        return Wrote(block, taken, "")

    def direct_read(self, offset: int, length: int) -> int:
        """Bytes that a read with O_DIRECT brings: cut at the end, then rounded down to whole blocks.

        >>> [Device(Scenario(), POLICIES[UNPATCHED]).direct_read(at, 8192) for at in (1019904, 1024000)]
        [4096, 0]
        """
        unit = self.policy.direct_unit or self.block
        return max(min(length, self.size - offset), 0) // unit * unit


# ---- the run ----


def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """Read the device to its end, then write its last block, then read that block with O_DIRECT.

    >>> simulate(Scenario(), POLICIES[UNPATCHED]).numbers["bytes lost (B)"]
    1024
    >>> simulate(Scenario(), POLICIES[PATCHED]).numbers["bytes read as zeros (B)"]
    1024
    """
    device = Device(scenario, policy)
    for page in range(Rounding.UP.of(device.size, device.page)):
        device.events.append(_read_page(device, page))
    last = (device.size - 1) // device.block
    wrote = device.write(last)
    direct = ReadDirectly(last * device.block, device.block, device.direct_read(last * device.block, device.block))
    device.events += [wrote, direct]
    return Run(scenario, policy, tuple(device.events), _numbers(device, wrote, direct))


def _read_page(device: Device, page: int) -> PageRead | PageLost:
    start = page * device.page
    inside = min(device.page, device.size - start)
    data = device.block_read_full_page(page)
    if data is None:
        good = sum(device.block for block in device.blocks_of(page) if (block + 1) * device.block <= device.size)
        return PageLost(page, inside, good)
    same = sum(SECTOR for at in range(0, inside, SECTOR) if data[at] == device.disk[start + at])
    return PageRead(page, same, inside - same)


def _numbers(device: Device, wrote: Wrote, direct: ReadDirectly) -> dict[str, int | str]:
    lost = [event for event in device.events if isinstance(event, PageLost)]
    return {
        "size (B)": device.size,
        "blocks that the look-up counts": device.max_block("read"),
        "last block ends at sector": (wrote.block + 1) * device.block // SECTOR,
        "limit of the last check (sector)": device.limit,
        "bytes lost (B)": sum(event.lost for event in lost),
        "of them in good blocks (B)": sum(event.good for event in lost),
        "bytes read as zeros (B)": sum(event.zeros for event in device.events if isinstance(event, PageRead)),
        "write of the last block": f"{wrote.taken} B" if wrote.taken else "EIO",
        "direct read of the last block (B)": direct.got,
    }


def told(run: Run) -> Iterator[str]:
    """The events in which something other than a plain transfer happened, a line each.

    >>> print(*told(simulate(Scenario(), POLICIES[UNPATCHED])), sep="\\n")
    the last check: block 250 ends at sector 2008, the limit is 2003: refused
    page 250: EIO for 1024 bytes, 0 of them in good blocks
    the last check: block 250 ends at sector 2008, the limit is 2003: refused
    write of block 250: EIO, says the last check
    O_DIRECT at 1024000: 0 of 4096 bytes
    """
    for event in run.events:
        match event:
            case Checked(block, ends, limit, sent):
                answer = f"shortened to {sent} sectors" if sent else "refused"
                yield f"the last check: block {block} ends at sector {ends}, the limit is {limit}: {answer}"
            case FoundHole(block):
                yield f"the look-up: block {block} is a hole, the disk is not asked"
            case PageLost(page, lost, good):
                yield f"page {page}: EIO for {lost} bytes, {good} of them in good blocks"
            case PageRead(page, data, zeros) if zeros or data < run.scenario.machine.page:
                yield f"page {page}: {data} bytes of the disk, {zeros} zeros in place of some"
            case Wrote(block, taken, refused_by):
                yield f"write of block {block}: " + (f"{taken} bytes" if taken else f"EIO, says {refused_by}")
            case ReadDirectly(offset, asked, got):
                yield f"O_DIRECT at {offset}: {got} of {asked} bytes"


# ---- the map ----


def lost(sectors: int, block: int, page: int) -> int:
    """Bytes at the end of a device that the kernel before could not read: the whole chapter as a formula.

    >>> lost(2002, 4096, 4096), lost(2004, 4096, 16384), lost(2000, 4096, 4096)
    (1024, 10240, 0)
    """
    size = sectors // 2 * 1024
    return (size - 1) % page + 1 if size % block and size else 0
