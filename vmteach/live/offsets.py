"""Reads and writes on both sides of 4 GiB in a sparse file, on the Linux that the reader is running.

The child process makes a file of 4 GiB and some that holds almost nothing (a sparse file takes only the blocks that
were written), writes one block on each side of 4 GiB, through the page cache and past it, and looks at what came
where. That is 16 KiB of data in all. The file has no name, so that the kernel removes it as soon as the child ends,
however that comes about. This is a local file system and not NFS: what is tried is the reader's own offsets.
"""

import mmap
import os
import tempfile
from functools import partial
from typing import NamedTuple

from vmteach.live import Answer, answered, in_a_folder, in_child, needs_linux
from vmteach.run import Record, Values

SECONDS = 10.0  # what the child may take
GIB = 1 << 30
BLOCK = 4096
OFFSETS = (4 * GIB - BLOCK, 4 * GIB + 2 * BLOCK)


class Landed(NamedTuple):
    """One write: how, at which offset; what was read back there, and what stood 4 GiB lower afterwards."""

    how: str
    offset: int
    result: int
    back: str
    lower: str


def write_beyond(seconds: float = SECONDS) -> Answer:
    """Writes of one block at two offsets, cached and, where that is allowed, direct: one `Landed` each."""
    given = needs_linux() or in_child(__name__, {}, seconds)
    return answered(given, Landed, "{count} writes made on this kernel{note}")


# The child's side


def _writes(fd: int, how: str) -> list[Landed]:
    """A block with a sign of its own at each offset; then all of them are read back."""
    memory = mmap.mmap(-1, BLOCK)  # on a page border, as O_DIRECT wants it
    os.ftruncate(fd, 0)
    os.ftruncate(fd, OFFSETS[-1] + BLOCK)
    results = {}
    for sign, offset in enumerate(OFFSETS, 1):
        memory[:] = bytes([sign]) * BLOCK
        results[offset] = os.pwritev(fd, [memory], offset)

    def block(offset: int) -> bytes:
        os.preadv(fd, [memory], offset)
        return memory[:]

    rows = []
    for sign, offset in enumerate(OFFSETS, 1):
        back = "true data" if block(offset) == bytes([sign]) * BLOCK else "other data"
        lower = "no such place"
        if offset >= 4 * GIB:
            lower = "overwritten" if any(block(offset - 4 * GIB)) else "untouched"  # a hole reads as zeros
        rows.append(Landed(how, offset, results[offset], back, lower))
    return rows


def _all_writes(folder: str, directly: bool) -> Record:
    """The cached writes and, where asked for, the direct ones, in a file without a name."""
    import fcntl

    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        fd = file.fileno()
        rows = _writes(fd, "cached")
        if os.fstat(fd).st_blocks * 512 > 1 << 20:
            return {"why": f"the file system of {folder} does not keep a sparse file sparse"}
        if not directly:
            return {"rows": rows, "note": "; direct ones are not allowed here"}
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_DIRECT)
        return {"rows": rows + _writes(fd, "direct"), "note": ""}


def child(_: Values) -> Record:
    """All writes; the cached ones alone where no folder allows direct ones."""
    refused = "no sparse file of 4 GiB can be made here"
    given = in_a_folder(partial(_all_writes, directly=True), refused)
    return in_a_folder(partial(_all_writes, directly=False), refused) if "why" in given else given
