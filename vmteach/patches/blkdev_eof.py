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
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from vmteach.machine import PRESETS, Machine, check_sysctl, panel
from vmteach.run import Control, Preset, Run, between, inputs, of_kind, one_of, takes_inputs

SECTOR = 512  # bytes that a disk reads or writes at once
BLOCKS = (512, 1024, 2048, 4096)  # soft block sizes, in bytes, that fit every page; larger pages have larger ones
OLD = 0xFF  # what a page frame holds before something is read into it: no byte of a disk here has this value


# ---- what goes in ----


@dataclass(frozen=True)
@inputs
class Scenario:
    """A machine, and a disk of `sectors` x 512 bytes that is read in soft blocks of `block` bytes.

    `shrunk_to` is the number of sectors that the disk has left when it is read; None: all that it had at the open.

    >>> Scenario().sectors, Scenario().block, Scenario().sectors_now
    (2002, 4096, 2002)
    """

    machine: Machine = PRESETS["256 MB"]
    vm_cache_scan_ratio: int = 6
    sectors: int = 2002
    block: int = 4096
    shrunk_to: int | None = None

    def __post_init__(self) -> None:
        check_sysctl("vm_cache_scan_ratio", self.vm_cache_scan_ratio)
        between("sectors", self.sectors, 1, (1 << 32) - 1)
        between("shrunk_to", self.sectors_now, 1, self.sectors, "sectors")
        one_of("block", self.block, tuple(512 << n for n in range(7) if 512 << n <= self.machine.page))

    @property
    def sectors_now(self) -> int:
        """The sectors of the disk when it is read."""
        return self.sectors if self.shrunk_to is None else self.shrunk_to


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
    marks_error    a failed look-up marks the page as bad (2.4.27); if not, its buffer is passed over (2.4.22)
    shortens       the operations ("read", "write") of which the last check cuts off what lies beyond the end;
                   it refuses the others whole
    direct_unit    bytes to whole numbers of which O_DIRECT rounds down; 0: soft blocks
    """

    unit: int = 1024
    read_blocks: Rounding = Rounding.UP
    write_blocks: Rounding = Rounding.UP
    behind: Lookup = Lookup.EIO
    marks_error: bool = False
    shortens: frozenset[str] = frozenset()
    direct_unit: int = 0

    def __post_init__(self) -> None:
        one_of("unit", self.unit, BLOCKS)
        one_of("direct_unit", self.direct_unit, (0, *BLOCKS))
        for operation in self.shortens:
            one_of("shortens", operation, ("read", "write"))


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
    Control("block", "soft block", BLOCKS, "B"),
)
TRY = (
    Preset("no tail: 2000 sectors", {"sectors": 2000}),
    Preset("an odd sector", {"sectors": 2001}),
    Preset("pages of 16 KiB", {"machine": "64-bit 64 GB", "sectors": 2004}),
    Preset("blocks of 1 KiB", {"block": 1024}),
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


class NotFound(NamedTuple):
    """The look-up failed for a block that lies below the end of the file."""

    block: int


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


class Wrote(NamedTuple):
    """A write of a block: the bytes that were taken, 0 with EIO; `refused_by` names the layer that said no.

    `kept` bytes of them reached the disk, later.
    """

    block: int
    taken: int
    refused_by: str
    kept: int = 0


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


Event = Checked | FoundHole | NotFound | PageRead | PageLost | Wrote | ReadDirectly | WroteDirectly
Page = PageRead | PageLost
Last = tuple[Wrote, ReadDirectly, WroteDirectly]
EIO, EINVAL, ENOSPC = -5, -22, -28
ANSWERS = {EIO: "EIO", EINVAL: "EINVAL", ENOSPC: "ENOSPC"}


# ---- the four layers ----


class Disk:
    """The bytes of a disk, made where they are asked for: a sector repeats one value, which is not 0 and not OLD.

    >>> disk = Disk(3)
    >>> disk[510:514], disk.size
    (b'\\x01\\x01\\x02\\x02', 1536)
    """

    def __init__(self, sectors: int) -> None:
        self.size = sectors * SECTOR  # no len(), which ends at 2 GiB where Python has 32 bits

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self.size)
        first = start // SECTOR
        whole = b"".join(bytes((1 + sector % 251,)) * SECTOR for sector in range(first, -(-stop // SECTOR)))
        return whole[start - first * SECTOR : stop - first * SECTOR]


def signed(number: int, bits: int) -> int:
    """What a signed word of C makes of a number.

    >>> signed(2**31 + 1, 32), signed(2003, 32)
    (-2147483647, 2003)
    """
    return (number + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


class Device:
    """A block device as the kernel sees it. The layers stand below in the order in which a read meets them.

    >>> unpatched = Device(Scenario(), POLICIES[UNPATCHED])
    >>> unpatched.size, unpatched.max_block("read"), unpatched.limit
    (1025024, 251, 2003)
    """

    def __init__(self, scenario: Scenario, policy: Policy) -> None:
        self.scenario, self.policy = scenario, policy
        self.sectors, self.block, self.page = scenario.sectors, scenario.block, scenario.machine.page
        self.disk = Disk(scenario.sectors)
        self.cache: dict[int, list[bytes | None]] = {}  # the buffers of each page; None: not up to date
        self.events: list[Event] = []

    # layer 1: the size

    def units(self, sectors: int) -> int:
        """How many whole units a disk has. 2.4 keeps them in 32 bits, and halves a signed word to get them."""
        if self.policy.unit == SECTOR:
            return sectors
        return (signed(sectors, self.scenario.machine.word) >> 1) % (1 << 32)

    @cached_property
    def size(self) -> int:
        """Bytes of the inode, known since the open: whole units, so that an odd sector is lost in units of 1 KiB."""
        return self.units(self.sectors) * self.policy.unit  # facts: step 1

    @cached_property
    def now(self) -> int:
        """Units of the disk as the look-up and the last check know them. Where it is 0, neither refuses anything."""
        return self.units(self.scenario.sectors_now)

    # layer 2: the block look-up

    def max_block(self, operation: str) -> int:
        """How many blocks the look-up accepts for a "read" or a "write"."""
        rounding = self.policy.read_blocks if operation == "read" else self.policy.write_blocks
        blocks = rounding.of(self.now * self.policy.unit, self.block)  # facts: step 2
        return blocks % (1 << 32) if self.now else (1 << 32) - 1

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
        """The bytes of a page, or None for EIO: every buffer that was asked of the disk must have come.

        Buffers that are up to date are not asked for again. One whose look-up fails is passed over; unless that
        marks the page, a page with nothing left to ask for is up to date, with old memory in that buffer.
        """
        buffers = self.cache.setdefault(page, [None] * (self.page // self.block))
        asked = []
        for at, block in enumerate(self.blocks_of(page)):
            if buffers[at] is None:
                buffers[at], answer = self._without_the_disk(block)
                asked += [at] if answer is Lookup.MAPPED else []
        for at in asked:
            buffers[at] = self._from_the_disk(self.blocks_of(page)[at])
        if None in buffers and (asked or self.policy.marks_error):
            return None  # facts: step 4: one bad buffer spoils the page
        return b"".join(bytes([OLD]) * self.block if buffer is None else buffer for buffer in buffers)

    def blocks_of(self, page: int) -> range:
        """The numbers of the blocks that make up a page."""
        per = self.page // self.block
        return range(page * per, (page + 1) * per)

    def _without_the_disk(self, block: int) -> tuple[bytes | None, Lookup]:
        """A buffer that the disk need not be asked for, or None; and what the look-up said."""
        if block * self.block >= self.size:
            return bytes(self.block), Lookup.HOLE  # facts: step 4: entirely beyond the end
        answer = self.blkdev_get_block(block, "read")
        if answer is Lookup.HOLE:
            self.events.append(FoundHole(block))
            return bytes(self.block), answer
        if answer is Lookup.EIO:
            self.events.append(NotFound(block))
        return None, answer

    def _from_the_disk(self, block: int) -> bytes | None:
        sent = self.generic_make_request(block, "read")
        start = self._first(block) * SECTOR
        return self.disk[start : start + sent * SECTOR].ljust(self.block, b"\0") if sent else None

    # layer 4: the last check before the driver

    @cached_property
    def limit(self) -> int:
        """The sector beyond which no request may end; one spare stands for the odd sector that step 1 lost.

        From 1 TiB on the sum is negative, and on a 64-bit machine then larger than every sector: nothing is refused.
        """
        limit = (self.now + 1) * self.policy.unit // SECTOR - 1  # facts: step 3
        return limit if self.policy.unit == SECTOR else signed(limit, 32) % (1 << self.scenario.machine.word)

    def generic_make_request(self, block: int, operation: str) -> int:
        """Sectors of the block that the disk delivers or takes; 0: the request is refused."""
        first, wanted = self._first(block), self.block // SECTOR
        inside = self.scenario.sectors_now - first
        if first + wanted <= self.limit or not self.now:
            return wanted if wanted <= inside else 0  # the driver has the last word
        sent = max(inside, 0) if operation in self.policy.shortens else 0
        self.events.append(Checked(block, first + wanted, self.limit, sent))
        return sent

    def _first(self, block: int) -> int:
        """The first sector of a block, as it fits a word of the machine."""
        return block * (self.block // SECTOR) % (1 << self.scenario.machine.word)

    # the four ways in

    def read(self, offset: int, length: int) -> bytes | None:
        """A buffered read: the bytes up to the end or to the first bad page; None for EIO at once.

        >>> unpatched, patched = (Device(Scenario(), POLICIES[label]) for label in (UNPATCHED, PATCHED))
        >>> unpatched.read(1024000, 4096), len(patched.read(1024000, 4096))
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
        """A buffered write of a whole block, cut at the size of the device, with nothing in the cache.

        A block that is written only in part is read first, and the last check sees that request too. A whole one is
        taken at once; if the last check refuses it later, nobody is told.
        """
        taken = min(self.block, self.size - block * self.block)
        if self.blkdev_get_block(block, "write") is not Lookup.MAPPED:
            return Wrote(block, 0, "the look-up")
        if taken < self.block and not self.generic_make_request(block, "read"):
            return Wrote(block, 0, "the last check")
        return Wrote(block, taken, "", min(taken, self.generic_make_request(block, "write") * SECTOR))

    def direct_read(self, offset: int, length: int) -> int:
        """Bytes that a read with O_DIRECT brings: cut at the end, then rounded down to whole blocks; or -EIO.

        >>> [Device(Scenario(), POLICIES[UNPATCHED]).direct_read(at, 8192) for at in (1019904, 1024000)]
        [4096, 0]
        """
        unit = self.policy.direct_unit or self.block
        return self._direct(offset, max(min(length, self.size - offset), 0) // unit * unit, "read")

    def direct_write(self, offset: int, length: int) -> int:
        """Bytes that a write with O_DIRECT takes: cut at the end, then -EINVAL if those are not whole blocks.

        >>> [Device(Scenario(), POLICIES[UNPATCHED]).direct_write(at, 4096) for at in (1019904, 1024000)]
        [4096, -22]
        """
        length = max(min(length, self.size - offset), 0)
        return EINVAL if length % (self.policy.direct_unit or self.block) else self._direct(offset, length, "write")

    def _direct(self, offset: int, length: int, operation: str) -> int:
        """Block by block past the page cache: the bytes up to the first block that is refused, or -EIO."""
        for at in range(offset, offset + length, self.block):
            answer = self.blkdev_get_block(at // self.block, operation)
            refused = answer is Lookup.MAPPED and not self.generic_make_request(at // self.block, operation)
            if refused or answer is Lookup.EIO:
                return at - offset or EIO
        return length


# ---- the run ----


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
    device = Device(scenario, policy)
    pages = [_read_page(device, *run) for run in runs_of_pages(device)]
    seen = tuple(device.events)
    retried = [_read_page(device, page.page, page.pages) for page in of_kind(pages, PageLost)]
    device.events[:] = [*seen, *of_kind(retried, PageRead)]
    device.events += (last := _last_block(device))
    return Run(scenario, policy, tuple(device.events), _numbers(device, pages, retried, last))


def runs_of_pages(device: Device) -> Iterator[tuple[int, int]]:
    """The pages below the end, in runs that fare alike: (first page, how many).

    >>> list(runs_of_pages(Device(Scenario(), POLICIES[UNPATCHED])))
    [(0, 250), (250, 1)]
    """
    s, pages = device.scenario, Rounding.UP.of(device.size, device.page)
    sectors = device.limit, s.sectors_now, 1 << s.machine.word
    ends = device.size, device.max_block("read") * device.block, *(sector * SECTOR for sector in sectors)
    near = {page for end in ends for page in (end // device.page, end // device.page + 1)}
    cuts = sorted({0, pages, *(page for page in near if 0 < page < pages)})
    return ((page, after - page) for page, after in zip(cuts, cuts[1:]))


def _read_page(device: Device, page: int, pages: int) -> Page:
    """What becomes of `pages` pages that fare alike, found out with the first of them."""
    device.events.append(event := _page(device, page, pages))
    return event


def _page(device: Device, page: int, pages: int) -> Page:
    start = page * device.page
    inside = min(device.page, device.size - start)
    data = device.block_read_full_page(page)
    if data is None:
        whole = (device.size - start) // device.block
        good = device.block * sum(buffer is not None for buffer in device.cache[page][:whole])
        return PageLost(page, pages * inside, pages * good, pages)
    parts = [data[at : at + SECTOR] for at in range(0, inside, SECTOR)]
    same = sum(
        part == device.disk[start + at : start + at + SECTOR] for at, part in zip(range(0, inside, SECTOR), parts)
    )
    zeros, old = (SECTOR * parts.count(bytes([value]) * SECTOR) for value in (0, OLD))
    return PageRead(page, pages * SECTOR * same, pages * zeros, pages * old, pages)


def _last_block(device: Device) -> tuple[Wrote, ReadDirectly, WroteDirectly]:
    """The three other ways to the last block; a disk of one sector has none, and refuses."""
    last = max(device.size - 1, 0) // device.block
    start, asked = last * device.block, device.block
    if not device.size:
        return Wrote(0, 0, "the size"), ReadDirectly(0, asked, 0), WroteDirectly(0, asked, ENOSPC)
    read, written = device.direct_read(start, asked), device.direct_write(start, asked)
    return device.write(last), ReadDirectly(start, asked, read), WroteDirectly(start, asked, written)


def _numbers(device: Device, pages: list[Page], retried: list[Page], last: Last) -> dict[str, int | str]:
    wrote, direct, wrote_directly = last
    lost = of_kind(pages, PageLost)

    def on_disk(page: PageLost, count: int) -> int:
        """Of these bytes, what the disk has: from 1 TiB on 2.4 believes in more than that."""
        return min(count, max(0, device.disk.size - page.page * device.page))

    read, again = of_kind(pages, PageRead), of_kind(retried, PageRead)
    return {
        "size (B)": device.size,
        "blocks that the look-up counts": device.max_block("read"),
        "last block ends at sector": Rounding.UP.of(device.size, device.block) * device.block // SECTOR,
        "limit of the last check (sector)": device.limit,
        "bytes lost (B)": sum(on_disk(page, page.lost) for page in lost) + max(device.disk.size - device.size, 0),
        "of them in good blocks (B)": sum(on_disk(page, page.good) for page in lost),
        "bytes read as zeros (B)": sum(page.zeros for page in read),
        "bytes of old memory (B)": sum(page.old for page in read),
        "old memory on a second read (B)": sum(page.old for page in again),
        "write of the last block": f"{wrote.taken} B" if wrote.taken else "EIO" if device.size else "ENOSPC",
        "direct read of the last block (B)": direct.got,
        "direct write of the last block": _answer(wrote_directly.taken),
    }


def _answer(result: int) -> str:
    return ANSWERS.get(result, f"{result} B")


def told(run: Run) -> Iterator[str]:
    """The events in which something other than a plain transfer happened, a line each.

    >>> print(*told(simulate(Scenario(), POLICIES[UNPATCHED])), sep="\\n")
    the last check: block 250 ends at sector 2008, the limit is 2003: refused
    page 250: EIO for 1024 bytes, 0 of them in good blocks
    the last check: block 250 ends at sector 2008, the limit is 2003: refused
    write of block 250: EIO, says the last check
    O_DIRECT read at 1024000: 0 of 4096 bytes
    O_DIRECT write at 1024000: EINVAL
    """
    for event in run.events:
        match event:
            case Checked(block, ends, limit, sent):
                answer = f"shortened to {sent} sectors" if sent else "refused"
                yield f"the last check: block {block} ends at sector {ends}, the limit is {limit}: {answer}"
            case FoundHole(block):
                yield f"the look-up: block {block} is a hole, the disk is not asked"
            case NotFound(block):
                yield f"the look-up: block {block} does not exist, EIO"
            case PageLost(page, lost, good):
                yield f"page {page}: EIO for {lost} bytes, {good} of them in good blocks"
            case PageRead(page, data, zeros, old) if zeros or old:
                yield f"page {page}: {data} bytes of the disk, {zeros} zeros, {old} bytes of old memory"
            case Wrote(block, taken, refused_by):
                yield f"write of block {block}: " + (f"{taken} bytes" if taken else f"EIO, says {refused_by}")
            case ReadDirectly(offset, asked, got):
                yield f"O_DIRECT read at {offset}: " + (f"{got} of {asked} bytes" if got >= 0 else ANSWERS[got])
            case WroteDirectly(offset, _, taken):
                yield f"O_DIRECT write at {offset}: " + (f"{taken} bytes" if taken >= 0 else ANSWERS[taken])


# ---- the map ----


def lost(sectors: int, block: int, page: int) -> int:
    """Bytes of a disk that the unpatched kernel could not read: the whole chapter as a formula.

    >>> lost(2002, 4096, 4096), lost(2004, 4096, 16384), lost(2000, 4096, 4096), lost(2001, 4096, 4096)
    (1024, 10240, 0, 512)
    """
    size, odd = sectors // 2 * 1024, sectors % 2 * SECTOR
    return odd + ((size - 1) % page + 1 if size % block and size else 0)
