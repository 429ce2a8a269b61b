"""Small, safe experiments on the Linux that the reader is running: is the model's today the real one?

Each module here is one experiment with two sides. The parent's side asks and judges. `child`, the other one, does
what is asked in a process of its own, with a time limit and the standard library alone, and cleans up. Where an
experiment cannot run (not Linux, not root, a sandbox) the answer says so in words; nothing is raised.
"""

import errno
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vmteach.run import Record, Values

ROOT = str(Path(__file__).resolve().parents[2])
RUN_CHILD = f"""
import json, sys
from importlib import import_module
sys.path.append({ROOT!r})
json.dump(import_module(sys.argv[1]).child(json.load(sys.stdin)), sys.stdout)
"""


@dataclass(frozen=True)
class Answer:
    """What an experiment gave: whether it `ran`, `why` not or what it did, on which kernel, its rows."""

    ran: bool
    why: str
    kernel: str
    rows: tuple[object, ...] = ()


def in_child(module: str, request: Values, seconds: float) -> Record:
    """What `child(request)` of a module gives in a process of its own, or {"why": ...} where it gives nothing.

    >>> in_child("vmteach.live.names", {}, seconds=1e-3)["why"]
    'the experiment was stopped after 0.001 seconds'
    """
    command = [sys.executable, "-I", "-c", RUN_CHILD, module]
    how: Record = {"capture_output": True, "text": True, "timeout": seconds, "check": False}
    try:
        done = subprocess.run(command, input=json.dumps(request), **how)
    except subprocess.TimeoutExpired:
        return {"why": f"the experiment was stopped after {seconds:g} seconds"}
    except OSError as error:
        return {"why": f"no child process could be started: {error.strerror}"}
    if done.returncode:
        return {"why": f"the child process ended with {done.returncode}: {done.stderr.strip()[-200:]}"}
    answer: Record = json.loads(done.stdout)
    return answer


def answered(given: Values, row: Callable[..., object], why: str) -> Answer:
    """A child's `rows`, each as a `row`; in braces `why` may name their `count`, and what else the child gave.

    >>> answered({"rows": [[1, 2]], "note": "small"}, complex, "{count} {note} number")
    Answer(ran=True, why='1 small number', kernel=..., rows=((1+2j),))
    """
    if "why" in given:
        return Answer(False, given["why"], platform.release())
    rows = tuple(row(*values) for values in given["rows"])
    return Answer(True, why.format(count=len(rows), **given), platform.release(), rows)


def needs_linux() -> Record:
    """Nothing on a Linux with a 64-bit Python, else {"why": ...}."""
    if not sys.platform.startswith("linux"):
        return {"why": f"this needs Linux, and here is {sys.platform}"}
    return {"why": "this needs a 64-bit Python"} if sys.maxsize < 1 << 32 else {}


def tried(operation: Callable[[], int | None]) -> tuple[int, str]:
    """What a system call gave and "", or -1 and the name of its error.

    >>> tried(lambda: os.open("/no/such/file", os.O_RDONLY))
    (-1, 'ENOENT')
    """
    try:
        return operation() or 0, ""
    except OSError as error:
        return -1, name_of(error)


def name_of(error: OSError) -> str:
    """The name of an error, such as EIO; its number where it has none."""
    return errno.errorcode.get(error.errno or 0, str(error.errno))


def in_a_folder(attempt: Callable[[str], Record], refused: str) -> Record:
    """What the first folder gives that allows the attempt, or why the last does not; `refused` tells of an OSError."""
    given: Record = {}
    for folder in (tempfile.gettempdir(), "/var/tmp", os.path.expanduser("~")):
        try:
            given = attempt(folder)
        except OSError as error:
            given = {"why": f"{refused}: {error.strerror}"}
        if "why" not in given:
            break
    return given
