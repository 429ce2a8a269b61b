"""The end of a loop device, read and written on the Linux that the reader is running.

The device lies over a temporary file. The kernel detaches it as soon as the child ends, however that comes about.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vmteach.live import Answer, answered, in_child, needs_linux, tried
from vmteach.run import Record, Values, between, one_of

SECONDS = 5.0  # what the child may take


class Tail(NamedTuple):
    """One operation on a loop device: bytes done or -1, the error's name, what the data turned out to be."""

    operation: str
    offset: int
    length: int
    result: int
    errno: str
    data: str


def odd_tail(sectors: int = 2002, block: int = 4096, seconds: float = SECONDS) -> Answer:
    """Read and write the end of a loop device in soft blocks of `block` bytes: one `Tail` an operation.

    The device has `sectors` x 512 bytes and lies over a temporary file. Root only.
    """
    between("sectors", sectors, 8, 1 << 16)
    one_of("block", block, (512, 1024, 2048, 4096))
    given: Record = needs_linux()
    if not given and os.geteuid() != 0:
        given = {"why": "this needs root: it sets up a loop device"}
    with tempfile.TemporaryDirectory(prefix="vmteach-") as folder:
        request = {"path": str(Path(folder) / "disk"), "sectors": sectors, "block": block}
        given = given or in_child(__name__, request, seconds)
    return answered(given, Tail, f"a loop device of {sectors} sectors, soft blocks of {{block}} bytes")


# The child's side


def child(request: Values) -> Record:
    """A loop device over a new file, with autoclear, read and written at its end."""
    import fcntl
    import struct

    get_free, configure, autoclear = 0x4C82, 0x4C0A, 4
    size, block = request["sectors"] * 512, request["block"]
    pattern = bytes(1 + i // 512 % 250 for i in range(size))
    Path(request["path"]).write_bytes(pattern)
    try:
        control = os.open("/dev/loop-control", os.O_RDWR)
        number = fcntl.ioctl(control, get_free)
        device = f"/dev/loop{number}"
        loop = os.open(device, os.O_RDWR)
    except OSError as error:
        return {"why": f"no loop device can be had here: {error.strerror}"}
    backing = os.open(request["path"], os.O_RDWR)
    info = struct.pack("<5Q4I64s64s32s2Q", *(0,) * 5, 0, 0, 0, autoclear, b"", b"", b"", 0, 0)
    try:
        fcntl.ioctl(loop, configure, struct.pack("<II", backing, 0) + info + bytes(64))
    except OSError as error:
        return {"why": f"the loop device could not be set up (it takes Linux 5.8): {error.strerror}"}
    try:
        in_force = _set_soft_blocks(loop, block)  # it holds while the device is open
        return {"block": in_force, "rows": list(_tail_operations(device, pattern, block))}
    finally:
        os.close(loop)  # the last one out, and the kernel detaches the file: also if this child is killed
        os.close(backing)


def _set_soft_blocks(device: int, block: int) -> int:
    """Set the soft block size, as a mount would; the size that is really in force, in bytes."""
    import fcntl

    set_size, get_size = 0x40081271, 0x80081270
    with contextlib.suppress(OSError):  # if it is refused, the size below tells
        fcntl.ioctl(device, set_size, block.to_bytes(8, sys.byteorder))
    return int.from_bytes(fcntl.ioctl(device, get_size, bytes(8))[:4], sys.byteorder)


def _tail_operations(device: str, pattern: bytes, block: int) -> Iterator[Tail]:
    """Reads and writes around the start of the last, straddling block."""
    size = len(pattern)
    tail = (size - 1) // block * block
    ways = (("", 0), ("direct ", os.O_DIRECT))
    for how, flags in ways:
        for offset, length in ((tail, block), (max(0, tail - block), 2 * block), (tail, size - tail)):
            yield Tail(f"{how}read", offset, length, *_read(device, flags, offset, length, pattern))
    for how, flags in ways:
        for offset, length in ((tail, size - tail), (tail, block), (size, 512)):
            content = bytes([251 + (not flags)]) * length
            yield Tail(f"{how}write", offset, length, *_write(device, flags, offset, content))


def _read(device: str, flags: int, offset: int, length: int, pattern: bytes) -> tuple[int, str, str]:
    """Bytes read or -1, the error's name, and whether they are those of the pattern."""
    memory = _page_bordered(length)
    with _opened(device, os.O_RDONLY | flags) as fd:
        done, error = tried(lambda: os.preadv(fd, [memory], offset))
    got, want = bytes(memory[: max(done, 0)]), pattern[offset : offset + max(done, 0)]
    return done, error, "" if done <= 0 else "true data" if got == want else "zeros" if not any(got) else "other"


def _write(device: str, flags: int, offset: int, content: bytes) -> tuple[int, str, str]:
    """Bytes written or -1, the error's name (that of a later fsync, too), and whether they are read back."""
    memory = _page_bordered(len(content))
    memory[:] = content
    with _opened(device, os.O_RDWR | flags) as fd:
        done, error = tried(lambda: os.pwritev(fd, [memory], offset))
        trouble = tried(lambda: os.fsync(fd))[1]
    with _opened(device, os.O_RDONLY) as fd:
        back = os.pread(fd, max(done, 0), offset)
    return done, error or trouble, "" if done <= 0 else "is there" if back == content[:done] else "is not there"


def _page_bordered(length: int) -> memoryview:
    """Memory that begins on a page border, as O_DIRECT wants it."""
    import mmap

    return memoryview(mmap.mmap(-1, length))[:length]


@contextlib.contextmanager
def _opened(device: str, flags: int) -> Iterator[int]:
    fd = os.open(device, flags)
    try:
        yield fd
    finally:
        os.close(fd)
