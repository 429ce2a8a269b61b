"""A direct read into a buffer whose tail is not mapped, on the Linux that the reader is running.

The child process writes a small file of its own, maps a few pages, unmaps the last of them, and reads the file
into what is left: past the page cache (O_DIRECT) and through it. It touches nothing else, and is stopped after
a time limit. Where the experiment cannot run, the answer says so in words.
"""

import ctypes
import mmap
import os
import tempfile
from functools import partial
from typing import NamedTuple

from vmteach.live import Answer, answered, in_a_folder, in_child, needs_linux, tried
from vmteach.run import Record, Values

SECONDS = 10.0  # what the child may take
PAGES = 8  # pages wanted
MAPPED = (8, 3, 1, 0)  # pages that are there


class Read(NamedTuple):
    """One read: how, pages wanted and mapped, bytes read or -1, the error's name, bytes that are right."""

    how: str
    wanted: int
    mapped: int
    result: int
    errno: str
    right: int


def read_into_a_hole() -> Answer:
    """Direct and cached reads into buffers of which 8, 3, 1 or no pages are mapped: one `Read` each."""
    given = needs_linux() or in_child(__name__, {}, SECONDS)
    return answered(given, Read, "{count} reads made on this kernel")


# The child's side


def _reads(fd: int, how: str, page: int, content: bytes) -> list[Read]:
    """A read of the whole file for each number of mapped pages."""
    libc = ctypes.CDLL(None)
    address, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    libc.mmap.restype, libc.mmap.argtypes = address, [address, size, number, number, number, ctypes.c_long]
    libc.munmap.argtypes = [address, size]
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    rows = []
    for mapped in MAPPED:
        start = libc.mmap(None, PAGES * page, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
        buffer = (ctypes.c_char * (PAGES * page)).from_address(start)
        if mapped < PAGES:
            libc.munmap(start + mapped * page, (PAGES - mapped) * page)
        result, name = tried(partial(os.preadv, fd, [buffer], 0))
        seen = ctypes.string_at(start, mapped * page) if mapped else b""
        right = next((i for i, (a, b) in enumerate(zip(seen, content)) if a != b), len(seen))
        rows.append(Read(how, PAGES, mapped, result, name, right))
        if mapped:
            libc.munmap(start, mapped * page)
    return rows


def _all_reads(folder: str) -> Record:
    """The direct reads and the cached ones of a file that is removed again."""
    page = mmap.PAGESIZE
    content = bytes(1 + i * 7 % 251 for i in range(PAGES * page))
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        direct = os.open(file.name, os.O_RDONLY | os.O_DIRECT)
        try:
            rows = _reads(direct, "direct", page, content)
        finally:
            os.close(direct)
        if rows[0].result != PAGES * page:
            return {"why": f"a direct read in {folder} gave {rows[0].result} {rows[0].errno}"}
        return {"rows": rows + _reads(file.fileno(), "cached", page, content)}


def child(_: Values) -> Record:
    """All reads, in the first folder whose file system allows direct ones."""
    return in_a_folder(_all_reads, "no file can be read directly here")
