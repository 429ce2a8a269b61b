"""exec on the Linux that the reader is running: what does it answer to an interpreter of another machine?

Tiny ELF files are written into a temporary folder, which is removed again. For each, a process without core dumps
and with a time limit calls exec. If it is still there afterwards, it tells the errno.
"""

import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vmteach.kernel.elf import DYN, EXEC, REL, elf
from vmteach.live import Answer, answered, in_a_folder, in_child, name_of
from vmteach.patches import elf_interp as patch
from vmteach.patches.elf_interp import PATCHED, POLICIES, Scenario, simulate
from vmteach.run import Record, Values

SECONDS = 5.0  # what one child may take
EXIT = 42  # what the tiny programs exit with
CPUS: dict[str, tuple[int, bytes]] = {  # e_machine, and code that does exit(42); 64-bit, little-endian
    "x86_64": (62, bytes.fromhex("bf2a000000 b83c000000 0f05")),
    "aarch64": (183, bytes.fromhex("400580d2 a80b80d2 010000d4")),
}


class Exec(NamedTuple):
    """One exec: the interpreter, what the model's kernel `patched` says, what this kernel did, and to whom."""

    interpreter: str
    model: str
    kernel: str
    caller: str


def exec_with_interpreters() -> Answer:
    """exec of a program of the reader's own machine, with interpreters of several kinds: one `Exec` each.

    The first is a control: a program without an interpreter must exit with 42, else nothing is claimed.
    """
    cpu = platform.machine()
    if sys.platform.startswith("linux") and cpu in CPUS:
        given = in_a_folder(partial(_execs, *CPUS[cpu]), "no program can be made here")
    else:
        given = {"why": f"this needs Linux on {' or '.join(CPUS)}, and here is {sys.platform} on {cpu}"}
    return answered(given, Exec, "{count} programs executed on this kernel")


def _execs(machine: int, code: bytes, parent: str) -> Record:
    """The control, and one exec for each kind of interpreter, from files in a new folder."""
    interpreters = list(_interpreters(machine, code))
    with tempfile.TemporaryDirectory(prefix="vmteach-", dir=parent) as folder:
        programs = []
        for number, (kind, _, data) in enumerate(interpreters):
            linker = _put(Path(folder, f"linker{number}"), data) if data else f"{folder}/missing"
            program = elf(machine, EXEC, 64, "little", "" if kind == patch.NONE else linker, code)
            programs.append(_put(Path(folder, f"program{number}"), program))
        request = {"programs": programs, "seconds": SECONDS}
        given = in_child(__name__, request, SECONDS * (len(programs) + 1))
    if "why" in given:
        return given
    if (control := given["outcomes"][0][0]) != f"exit {EXIT}":
        return {"why": f"a program without an interpreter does not run here: {control}"}
    asked = zip(interpreters, given["outcomes"])
    return {"rows": [(name, _in_the_model(kind), *outcome) for (kind, name, _), outcome in asked]}


def _in_the_model(interpreter: str) -> str:
    """What the patched kernel says to an interpreter of this kind."""
    return str(simulate(Scenario(arch="x86-64", interpreter=interpreter), POLICIES[PATCHED]).numbers["outcome"])


def _interpreters(machine: int, code: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Each kind in the chapter's word, in the reader's words, and the bytes of the file (none: no file)."""
    yield patch.NONE, "none (the control)", b""
    yield patch.NATIVE, "of this machine", elf(machine, DYN, 64, "little", code=code)
    yield "ppc", "of another machine: ppc", patch.image("ppc", "ppc", DYN)
    yield "ia64", "of another machine: ia64", patch.image("ia64", "ia64", DYN)
    yield patch.RELOCATABLE, "of this machine, relocatable", elf(machine, REL, 64, "little", code=code)
    yield patch.AOUT, "a.out", patch.image(patch.AOUT, "x86-64", DYN) + bytes(64)
    yield patch.TEXT, "a text file", patch.image(patch.TEXT, "x86-64", DYN) + b"# only words\n" * 5
    yield patch.TEXT, "a text file of 10 bytes", patch.image(patch.TEXT, "x86-64", DYN)
    yield patch.MISSING, "a missing file", b""


def _put(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    path.chmod(0o700)
    return str(path)


# The child's side


def child(request: Values) -> Record:
    """What became of each exec and of who called it; every program has the same time limit."""
    return {"outcomes": [execute(path, request["seconds"]) for path in request["programs"]]}


def execute(path: str, seconds: float) -> tuple[str, str]:
    """What became of an exec (an errno's name, a signal's, "exit 42", "too slow"), and of who called it."""
    how: Record = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "preexec_fn": _without_core_dumps}
    try:
        code = subprocess.run([path], timeout=seconds, check=False, **how).returncode
    except subprocess.TimeoutExpired:
        return "too slow", "was stopped"
    except OSError as error:  # exec came back to its caller, a process of its own, which passed the errno on
        return name_of(error), "lives on"
    return (signal.Signals(-code).name, "is killed") if code < 0 else (f"exit {code}", "became the program")


def _without_core_dumps() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
