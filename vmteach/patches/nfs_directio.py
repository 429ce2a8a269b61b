"""A file offset becomes a block number and an offset again; in 32 bits it comes back 4 GiB lower.

changelog   30_20-nfs-directio-lfs-1: Read right page with directio
source      unpatched: fs/nfs/direct.c of 2.4.22; patched: Chuck Lever's fix of 18 December 2003, in 2.4.27 (READ,
            and RUN: docs/cases.md); that the -aa file does the same is INFERRED; today: offsets are passed whole
unpatched   the block number is shifted back in a word of the machine, and only then widened to 64 bits
patched     it is widened first; what is left is the block number itself, which still has the machine's bits
left out    the server, its page cache and its errors; requests that are not whole blocks; the cost of anything
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from vmteach.machine import KIB, MIB, PRESETS, Machine, Sysctl, panel
from vmteach.run import Control, Preset, Run, among, inputs, takes_inputs, within

CHUNK = 512 * KIB  # bytes that one call of nfs_direct_IO moves at most
UNIT = 512  # bytes: the smallest block, and what the file of the model is made of
OFFSET_BITS = 63  # of a file offset, without its sign


@dataclass(frozen=True)
@inputs
class Scenario:
    """A machine, and a direct read and a direct write of `length_kib` at `offset_mib` of a large file.

    `block_bits` says how large the file system's blocks are: 12 stands for 2**12 bytes.
    """

    machine: Machine = PRESETS["2 GB"]
    vm_cache_scan_ratio: Sysctl = 6
    offset_mib: Annotated[int, within(0, 1 << 40, "MiB")] = 4095
    block_bits: Annotated[int, among(*range(9, 16))] = 12
    length_kib: Annotated[int, within(32, 1 << 16, "KiB")] = 2048

    def __post_init__(self) -> None:
        if self.length_kib % 32:
            raise ValueError(f"length_kib must be a multiple of 32, the largest block, got {self.length_kib}")

    @property
    def offset(self) -> int:
        """The first byte of the request."""
        return self.offset_mib * MIB

    @property
    def length(self) -> int:
        """Bytes of the request."""
        return self.length_kib * KIB


@dataclass(frozen=True)
@inputs
class Policy:
    """How an offset goes from the file layer to the wire.

    shift_bits      bits of the type in which the block number is shifted back; 0: the machine's word
    by_block        the offset goes through a block number at all
    refuses         an offset whose block number does not fit is refused (EFBIG), not cut
    """

    shift_bits: Annotated[int, within(0, 64, "bits")] = 0
    by_block: bool = True
    refuses: bool = False


UNPATCHED, PATCHED, TODAY = "unpatched", "patched", "today"
REFUSES = "what if: refused beyond the limit"
POLICIES = {
    UNPATCHED: Policy(),
    PATCHED: Policy(shift_bits=64),
    TODAY: Policy(shift_bits=64, by_block=False),
    REFUSES: Policy(shift_bits=64, refuses=True),
}

CONTROLS = (
    *panel(ratio="direct I/O passes the page cache by, so no page of it is ever scanned."),
    Control("offset_mib", "offset", (0, 2048, 4095, 4096, 5120, 8193, 2097152, 16777216), "MiB"),
    Control("block_bits", "block", (9, 10, 12, 15), "bits"),
)
TRY = (
    Preset("at 2 GiB", {"offset_mib": 2048}),
    Preset("at 5 GiB", {"offset_mib": 5120}),
    Preset("2 TiB on 64 bits", {"machine": "64-bit 64 GB", "offset_mib": 2097152}),
)


class Sent(NamedTuple):
    """One chunk went out: what was meant to be at `offset` was asked for, or put, at `wire`."""

    operation: str
    offset: int
    wire: int
    length: int


class Refused(NamedTuple):
    """One chunk did not go out: its block number does not fit."""

    operation: str
    offset: int
    length: int


Event = Sent | Refused


def wire_offset(offset: int, block_bits: int, word: int, policy: Policy) -> int:
    """The byte offset that goes to the server for a byte offset of the file.

    >>> [wire_offset((4 << 30) + 8192, 12, 32, POLICIES[label]) for label in (UNPATCHED, PATCHED)]
    [8192, 4294975488]
    """
    if not policy.by_block:
        return offset
    blocknr = offset >> block_bits & mask(word)  # the file layer: a number of the machine's word
    return blocknr << block_bits & mask(policy.shift_bits or word)  # facts: nfs_direct_IO


def mask(bits: int) -> int:
    """A number with the lowest `bits` bits set: `& mask(32)` is what a 32-bit type does to a result.

    >>> (4 << 30) + 5 & mask(32)
    5
    """
    return (1 << bits) - 1


def right_below(block_bits: int, word: int, policy: Policy) -> int:
    """The first offset that is not sent as it is: the limit, in bytes.

    >>> [right_below(12, 32, POLICIES[label]) >> 30 for label in (UNPATCHED, PATCHED)]
    [4, 16384]
    """
    if not policy.by_block:
        return 1 << OFFSET_BITS
    return 1 << min(OFFSET_BITS, word + block_bits, policy.shift_bits or word)


class SparseFile:
    """A file on the server in units of 512 bytes. Unit n holds the number n until something else is written there.

    >>> file = SparseFile()
    >>> file.write(8192, [-1, -2]); file.read(8192, 3 * UNIT)
    [-1, -2, 18]
    """

    def __init__(self) -> None:
        self.changed: dict[int, int] = {}

    def read(self, offset: int, length: int) -> list[int]:
        """What the units hold."""
        return [self.changed.get(unit, unit) for unit in units(offset, length)]

    def write(self, offset: int, data: list[int]) -> None:
        """Put one number into each unit from `offset` on."""
        self.changed.update(zip(units(offset, len(data) * UNIT), data))


def units(offset: int, length: int) -> range:
    """The numbers of the units in a stretch of the file."""
    return range(offset // UNIT, (offset + length) // UNIT)


class Client:
    """An NFS client on a machine: its direct I/O, and its reads through the page cache.

    >>> client = Client(Scenario(), POLICIES[UNPATCHED], SparseFile())
    >>> client.direct_read(4 << 30, UNIT), client.cached_read(4 << 30, UNIT)
    ([0], [8388608])
    """

    def __init__(self, scenario: Scenario, policy: Policy, file: SparseFile) -> None:
        self.word, self.bits = scenario.machine.word, scenario.block_bits
        self.policy, self.file = policy, file
        self.events: list[Event] = []

    def nfs_direct_IO(self, operation: str, offset: int, length: int) -> int | None:
        """Where one chunk goes; None where it is refused."""
        if self.policy.refuses and offset >= right_below(self.bits, self.word, self.policy):
            self.events.append(Refused(operation, offset, length))
            return None
        wire = wire_offset(offset, self.bits, self.word, self.policy)
        self.events.append(Sent(operation, offset, wire, length))
        return wire

    def direct_read(self, offset: int, length: int) -> list[int]:
        """What a direct read brings, chunk by chunk; it ends before a chunk that is refused."""
        got: list[int] = []
        for at, n in chunks(offset, length):
            wire = self.nfs_direct_IO("read", at, n)
            if wire is None:
                break
            got += self.file.read(wire, n)
        return got

    def direct_write(self, offset: int, data: list[int]) -> None:
        """A direct write of one number a unit; it ends before a chunk that is refused."""
        for at, n in chunks(offset, len(data) * UNIT):
            wire = self.nfs_direct_IO("write", at, n)
            if wire is None:
                break
            done = (at - offset) // UNIT
            self.file.write(wire, data[done : done + n // UNIT])

    def cached_read(self, offset: int, length: int) -> list[int]:
        """What a read through the page cache brings: a page's place in the file is not a shifted block number."""
        return self.file.read(offset, length)


def chunks(offset: int, length: int) -> Iterator[tuple[int, int]]:
    """The chunks of a request. The progress is added before the division, so each has a block number of its own.

    >>> [at // MIB for at, _ in chunks(4095 * MIB, 2 * MIB)]
    [4095, 4095, 4096, 4096]
    """
    for at in range(offset, offset + length, CHUNK):
        yield at, min(CHUNK, offset + length - at)


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """Read the request directly and through the cache, then write it directly, and compare the whole file.

    >>> simulate(Scenario(), POLICIES[UNPATCHED]).numbers["destroyed elsewhere (KiB)"]
    1024
    """
    file = SparseFile()
    client = Client(scenario, policy, file)
    direct = client.direct_read(scenario.offset, scenario.length)
    cached = client.cached_read(scenario.offset, scenario.length)
    meant = list(units(scenario.offset, scenario.length))
    client.direct_write(scenario.offset, [-unit - 1 for unit in meant])
    arrived = sum(file.changed.get(unit) == -unit - 1 for unit in meant)
    destroyed = sum(unit not in range(meant[0], meant[-1] + 1) for unit in file.changed)
    first = next(event for event in client.events)
    per_kib = KIB // UNIT
    limit = right_below(scenario.block_bits, scenario.machine.word, policy)
    numbers = {
        "offset (MiB)": scenario.offset_mib,
        "first chunk on the wire (MiB)": first.wire // MIB if isinstance(first, Sent) else "refused",
        "read from a wrong place (KiB)": sum(a != b for a, b in zip(direct, cached)) // per_kib,
        "read at all (KiB)": len(direct) // per_kib,
        "written where it belongs (KiB)": arrived // per_kib,
        "destroyed elsewhere (KiB)": destroyed // per_kib,
        "right below (GiB)": limit >> 30,
    }
    return Run(scenario, policy, tuple(client.events), numbers)
