"""How long a file name may be, on the system that the reader is running.

The child process makes a folder of its own, tries to create files with names of 255 and 256 bytes and more, and
takes everything away again. Nothing is overrun: every kernel of today refuses such a name.

This file is also the child: started as a script it prints one answer as JSON.
"""

import errno
import json
import os
import platform
import subprocess
import sys
import tempfile
from typing import Any, NamedTuple

from vmteach.live import Answer

SECONDS = 10.0  # what the child may take


class Tried(NamedTuple):
    """One name: what it is made of, its letters and bytes, and the error's name, "" where the file was made."""

    name: str
    letters: int
    bytes: int
    errno: str


def try_names(seconds: float = SECONDS) -> Answer:
    """Create files with names of several lengths: one `Tried` each; `why` gives the file system's own limit."""

    def no(why: str) -> Answer:
        return Answer(False, why, platform.release())

    if os.name != "posix":
        return no(f"this needs Linux or another Unix, and here is {sys.platform}")
    try:
        done = subprocess.run(
            [sys.executable, "-I", __file__], capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return no(f"the experiment was stopped after {seconds:g} seconds")
    except OSError as error:
        return no(f"no child process could be started: {error.strerror}")
    if done.returncode:
        return no(f"the child process ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    given = json.loads(done.stdout)
    if "why" in given:
        return no(given["why"])
    rows = tuple(Tried(*row) for row in given["rows"])
    return Answer(True, f"this file system says that a name may have {given['limit']} bytes", platform.release(), rows)


# The child's side


def _names() -> list[tuple[str, str]]:
    """What is tried: around 255 bytes, in letters of one byte and of two, and the longest that a path can hold."""
    plain = [("a", "a" * n) for n in (1, 255, 256, 4095)]
    return plain + [("é", "é" * n) for n in (127, 128)]


def _child() -> dict[str, Any]:
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


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_child()))
