"""The end of a block device, layer by layer, in the order in which a read meets them.

source      unpatched: fs/block_dev.c, fs/buffer.c, mm/filemap.c, drivers/block/ll_rw_blk.c of 2.4.22 (read, and run:
            docs/cases.md); what else is read or inferred, the chapter's model says
left out    bad sectors, read-ahead, mmap, where a partition begins, blocks of 64 KiB (no room in 16 bits)
"""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Annotated, NamedTuple, Protocol

from vmteach.machine import Machine
from vmteach.run import among, inputs

SECTOR = 512  # bytes that a disk reads or writes at once
BLOCKS = (512, 1024, 2048, 4096)  # soft block sizes, in bytes, that fit every page; larger pages have larger ones
OLD = 0xFF  # what a page frame holds before something is read into it: no byte of a disk here has this value
EIO, EINVAL, ENOSPC = -5, -22, -28


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
    """The answer of the block look-up, with which fs/buffer.c decides whether to ask the disk."""

    MAPPED = "a place on the disk"
    HOLE = "a hole: zeros, and no I/O"
    EIO = "EIO"


@dataclass(frozen=True)
@inputs
class Rules:
    """Who decides what about the end of a device; the defaults are 2.4.22's. Errors: ValueError for another unit.

    unit           bytes in which the size is kept: what does not fill a unit cannot be addressed
    read_blocks    how the look-up counts blocks for a read
    write_blocks   and for a write
    behind         what it says to a read of a block that does not count
    marks_error    a failed look-up marks the page as bad (2.4.27); if not, its buffer is passed over (2.4.22)
    shortens       the operations ("read", "write") of which the last check cuts off what lies beyond the end;
                   it refuses the others whole
    direct_unit    bytes to whole numbers of which O_DIRECT rounds down; 0: soft blocks
    """

    unit: Annotated[int, among(*BLOCKS)] = 1024
    read_blocks: Rounding = Rounding.UP
    write_blocks: Rounding = Rounding.UP
    behind: Lookup = Lookup.EIO
    marks_error: bool = False
    shortens: frozenset[Annotated[str, among("read", "write")]] = frozenset()
    direct_unit: Annotated[int, among(0, *BLOCKS)] = 0


class Opened(Protocol):
    """A disk that is open: `sectors` at the open and `sectors_now`, read in soft blocks of `block` bytes."""

    @property
    def machine(self) -> Machine: ...
    @property
    def sectors(self) -> int: ...
    @property
    def sectors_now(self) -> int: ...
    @property
    def block(self) -> int: ...


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


class Wrote(NamedTuple):
    """A write of a block: the bytes that were taken, 0 with EIO; `refused_by` names the layer that said no.

    `kept` bytes of them reached the disk, later.
    """

    block: int
    taken: int
    refused_by: str
    kept: int = 0


class Disk:
    """The bytes of a disk, made where they are asked for: a sector repeats one value, which is not 0 and not OLD.

    So a test can tell true data from zeros and from old memory, byte for byte, on a disk of 2 TiB too.

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
    """What a signed word of so many bits, C's int or long, makes of a number: from 2**(bits - 1) on it is negative.

    >>> signed(2**31 + 1, 32), signed(2003, 32)
    (-2147483647, 2003)
    """
    return (number + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


class Device:
    """A block device as the kernel sees it. The layers stand below in the order in which a read meets them.

    Methods have the names of the kernel's functions; `events` grows with what the layers refuse or make up.

    >>> from vmteach.patches.blkdev_eof import PATCHED, POLICIES, UNPATCHED, Scenario
    >>> unpatched = Device(Scenario(), POLICIES[UNPATCHED])
    >>> unpatched.size, unpatched.max_block("read"), unpatched.limit
    (1025024, 251, 2003)
    """

    def __init__(self, scenario: Opened, policy: Rules) -> None:
        self.scenario, self.policy = scenario, policy
        self.sectors, self.block, self.page = scenario.sectors, scenario.block, scenario.machine.page
        self.disk = Disk(scenario.sectors)
        self.cache: dict[int, list[bytes | None]] = {}  # the buffers of each page; None: not up to date
        self.events: list[Checked | FoundHole | NotFound] = []

    # layer 1: the size

    def units(self, sectors: int) -> int:
        """How many whole units a disk has. 2.4 keeps them in 32 bits, and halves a signed word to get them."""
        if self.policy.unit == SECTOR:
            return sectors
        return (signed(sectors, self.scenario.machine.word) >> 1) % (1 << 32)

    @cached_property
    def size(self) -> int:
        """Bytes of the inode (blkdev_size), known since the open: in units of 1 KiB an odd last sector is lost."""
        return self.units(self.sectors) * self.policy.unit

    @cached_property
    def now(self) -> int:
        """Units of the disk as the look-up and the last check know them. Where it is 0, neither refuses anything."""
        return self.units(self.scenario.sectors_now)

    # layer 2: the block look-up

    def max_block(self, operation: str) -> int:
        """How many blocks the look-up accepts for a "read" or a "write" (max_block of fs/block_dev.c).

        A size of 0 means "unknown" there, and then every block is accepted.
        """
        rounding = self.policy.read_blocks if operation == "read" else self.policy.write_blocks
        blocks = rounding.of(self.now * self.policy.unit, self.block)
        return blocks % (1 << 32) if self.now else (1 << 32) - 1

    def blkdev_get_block(self, block: int, operation: str) -> Lookup:
        """What the look-up says of a block before a "read" or a "write".

        >>> from vmteach.patches.blkdev_eof import PATCHED, POLICIES, Scenario
        >>> [Device(Scenario(), POLICIES[PATCHED]).blkdev_get_block(250, to).name for to in ("read", "write")]
        ['HOLE', 'EIO']
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
            return None  # one bad buffer spoils the page
        return b"".join(bytes([OLD]) * self.block if buffer is None else buffer for buffer in buffers)

    def blocks_of(self, page: int) -> range:
        """The numbers of the blocks that make up a page: one to eight of 4 KiB pages, more of larger ones."""
        per = self.page // self.block
        return range(page * per, (page + 1) * per)

    def _without_the_disk(self, block: int) -> tuple[bytes | None, Lookup]:
        """A buffer that the disk need not be asked for, or None; and what the look-up said."""
        if block * self.block >= self.size:
            return bytes(self.block), Lookup.HOLE  # entirely beyond the end
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
        limit = (self.now + 1) * self.policy.unit // SECTOR - 1
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

        >>> from vmteach.patches.blkdev_eof import PATCHED, POLICIES, UNPATCHED, Scenario
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

        >>> from vmteach.patches.blkdev_eof import POLICIES, UNPATCHED, Scenario
        >>> [Device(Scenario(), POLICIES[UNPATCHED]).direct_read(at, 8192) for at in (1019904, 1024000)]
        [4096, 0]
        """
        unit = self.policy.direct_unit or self.block
        return self._direct(offset, max(min(length, self.size - offset), 0) // unit * unit, "read")

    def direct_write(self, offset: int, length: int) -> int:
        """Bytes that a write with O_DIRECT takes: cut at the end, then -EINVAL if those are not whole blocks.

        >>> from vmteach.patches.blkdev_eof import POLICIES, UNPATCHED, Scenario
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
