"""How long a file name may be, on the system that the reader is running.

The child process makes a folder of its own, tries to create files with names of 255 and 256 bytes and more, and
takes everything away again. Nothing is overrun: every kernel of today refuses such a name.
"""

import os
import sys
import tempfile
from typing import NamedTuple

from vmteach.live import Answer, answered, in_child, tried
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


# Letters of one byte and of two, and how many make a name: around 255 bytes, and the longest that a path can hold.
LETTERS = {"a": (1, 255, 256, 4095), "é": (127, 128)}


def child(_: Values) -> Record:
    """The file system's limit, and a row for each name that was tried."""
    try:
        with tempfile.TemporaryDirectory(prefix="vmteach-") as folder:
            limit = os.pathconf(folder, "PC_NAME_MAX")
            return {"limit": limit, "rows": [_tried(folder, of, n) for of, counts in LETTERS.items() for n in counts]}
    except (OSError, ValueError) as error:
        return {"why": f"no folder to try names in: {error}"}


def _tried(folder: str, letter: str, count: int) -> Tried:
    path = os.path.join(folder, letter * count).encode()

    def make_it() -> None:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.unlink(path)

    return Tried(letter, count, count * len(letter.encode()), tried(make_it)[1])
