"""exec on the Linux that the reader is running: what does it answer to an interpreter of another machine?

Tiny ELF files are written into a temporary folder, which is removed again. For each, a child process without core
dumps and with a time limit calls exec. If it is still there afterwards, it tells the errno. Where this cannot run
(not Linux, no place from which files may be executed) the answer says so in words.
"""

import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vmteach.live import Answer
from vmteach.patches.elf_interp import (
    AOUT,
    DYN,
    EXEC,
    MISSING,
    NATIVE,
    NONE,
    PATCHED,
    POLICIES,
    REL,
    RELOCATABLE,
    TEXT,
    Scenario,
    elf,
    image,
    simulate,
)

SECONDS = 5.0  # what one child may take
EXIT = 42  # what the tiny programs exit with
CPUS: dict[str, tuple[int, bytes]] = {  # e_machine, and code that does exit(42); 64-bit, little-endian
    "x86_64": (62, bytes.fromhex("bf2a000000 b83c000000 0f05")),
    "aarch64": (183, bytes.fromhex("400580d2 a80b80d2 010000d4")),
}
CALLER = """
import errno, os, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
try:
    os.execv(sys.argv[1], sys.argv[1:])
except OSError as error:
    print(errno.errorcode.get(error.errno, error.errno))
"""


class Exec(NamedTuple):
    """One exec: the interpreter, what the model's kernel `patched` says, what this kernel did, and to whom."""

    interpreter: str
    model: str
    kernel: str
    caller: str


def exec_with_interpreters(seconds: float = SECONDS) -> Answer:
    """exec of a program of the reader's own machine, with interpreters of several kinds: one `Exec` each.

    The first is a control: a program without an interpreter must exit with 42, else nothing is claimed.
    """
    kernel, cpu = platform.release(), platform.machine()
    if not sys.platform.startswith("linux") or cpu not in CPUS:
        why = f"this needs Linux on {' or '.join(CPUS)}, and here is {sys.platform} on {cpu}"
        return Answer(False, why, kernel)
    why = ""
    for folder in (tempfile.gettempdir(), "/var/tmp", os.path.expanduser("~")):
        try:
            with tempfile.TemporaryDirectory(prefix="vmteach-", dir=folder) as here:
                rows = tuple(_execs(Path(here), *CPUS[cpu], seconds))
        except OSError as error:
            why = f"no program can be made or started here: {error.strerror}"
            continue
        if rows[0].kernel == f"exit {EXIT}":
            return Answer(True, f"{len(rows)} programs executed on this kernel", kernel, rows)
        why = f"a program without an interpreter does not run here: {rows[0].kernel}"
    return Answer(False, why, kernel)


def _execs(folder: Path, machine: int, code: bytes, seconds: float) -> Iterator[Exec]:
    """The control, and if it ran, one exec for each kind of interpreter."""
    for number, (kind, name, data) in enumerate(_interpreters(machine, code)):
        linker = _put(folder / f"linker{number}", data) if data else folder / "missing"
        program = elf(machine, EXEC, 64, "little", "" if kind == NONE else str(linker), code)
        outcome, caller = execute(_put(folder / f"program{number}", program), seconds)
        told = str(simulate(Scenario(arch="x86-64", interpreter=kind), POLICIES[PATCHED]).numbers["outcome"])
        yield Exec(name, told, outcome, caller)
        if kind == NONE and outcome != f"exit {EXIT}":
            return


def _interpreters(machine: int, code: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Each kind in the chapter's word, in the reader's words, and the bytes of the file (none: no file)."""
    yield NONE, "none (the control)", b""
    yield NATIVE, "of this machine", elf(machine, DYN, 64, "little", code=code)
    yield "ppc", "of another machine: ppc", image("ppc", "ppc", DYN)
    yield "ia64", "of another machine: ia64", image("ia64", "ia64", DYN)
    yield RELOCATABLE, "of this machine, relocatable", elf(machine, REL, 64, "little", code=code)
    yield AOUT, "a.out", image(AOUT, "x86-64", DYN) + bytes(64)
    yield TEXT, "a text file", image(TEXT, "x86-64", DYN) + b"# only words\n" * 5
    yield TEXT, "a text file of 10 bytes", image(TEXT, "x86-64", DYN)
    yield MISSING, "a missing file", b""


def execute(path: Path, seconds: float = SECONDS) -> tuple[str, str]:
    """What became of an exec (an errno's name, a signal's, "exit 42", "too slow"), and of who called it."""
    try:
        command = [sys.executable, "-I", "-S", "-c", CALLER, str(path)]
        done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return "too slow", "was stopped"
    if told := done.stdout.strip():
        return told, "lives on"
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name, "is killed"
    return f"exit {done.returncode}", "became the program"


def _put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o700)
    return path
