"""How long a file name may be, on the system that the reader is running.

The child process makes a folder of its own, tries to create files with names of 255 and 256 bytes and more, and
takes everything away again. Nothing is overrun: every kernel of today refuses such a name.
"""

import errno
import os
import sys
import tempfile
from typing import NamedTuple

from vmteach.live import Answer, answered, in_child
from vmteach.run import Record, Values

SECONDS = 10.0  # what the child may take


class Tried(NamedTuple):
    """One name: what it is made of, its letters and bytes, and the error's name, "" where the file was made."""

    name: str
    letters: int
    bytes: int
    errno: str


def try_names(seconds: float = SECONDS) -> Answer:
    """Create files with names of several lengths: one `Tried` each; `why` gives the file system's own limit."""

    elsewhere = f"this needs Linux or another Unix, and here is {sys.platform}"
    given = in_child(__name__, {}, seconds) if os.name == "posix" else {"why": elsewhere}
    return answered(given, Tried, "this file system says that a name may have {limit} bytes")


# The child's side


def _names() -> list[tuple[str, str]]:
    """What is tried: around 255 bytes, in letters of one byte and of two, and the longest that a path can hold."""
    plain = [("a", "a" * n) for n in (1, 255, 256, 4095)]
    return plain + [("é", "é" * n) for n in (127, 128)]


def child(_: Values) -> Record:
    """The file system's limit, and a row for each name that was tried."""
    try:
        with tempfile.TemporaryDirectory(prefix="vmteach-") as folder:
            limit = os.pathconf(folder, "PC_NAME_MAX")
            return {"limit": limit, "rows": [_tried(folder, of, name.encode()) for of, name in _names()]}
    except (OSError, ValueError) as error:
        return {"why": f"no folder to try names in: {error}"}


def _tried(folder: str, of: str, name: bytes) -> Tried:
    path = os.path.join(folder.encode(), name)
    error = ""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.unlink(path)
    except OSError as trouble:
        error = errno.errorcode.get(trouble.errno or 0, str(trouble.errno))
    return Tried(of, len(name.decode()), len(name), error)
