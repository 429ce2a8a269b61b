"""A file was checked too late: after the point of no return nobody is left who could be told of an error.

changelog   00_elf-interp-check-arch-1 Make sure interpreter is of the right architecture
source      fs/binfmt_elf.c of 2.4.22 and 2.4.27 (read, and run beside the model for i386); that the -aa file equals
            the mainline fix is inferred
unpatched   of the interpreter only the magic is looked at early; type and machine are compared when it is mapped
patched     its machine is compared early too: ELIBBAD, and the caller lives on; its type is still compared late
left out    permissions, scripts, core dumps, what an a.out loader checks; other threads of the caller, which live on
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from vmteach.kernel import binfmt
from vmteach.kernel.binfmt import ARCHS, BUFFER, INTERPRETER, PROGRAM, Arch, Checked, all_pass, program_headers
from vmteach.kernel.elf import DYN, EXEC, INTERP, LOAD, MAGIC, REL, elf, header_fields, parse
from vmteach.machine import PRESETS, Machine, Sysctl, panel
from vmteach.run import Control, Preset, Run, among, inputs, takes_inputs

NONE, MISSING, TEXT, AOUT, RELOCATABLE, NATIVE = "none", "missing", "text", "a.out", "relocatable", "native"
FILES = (*ARCHS, NATIVE, RELOCATABLE, AOUT, TEXT, MISSING, NONE)  # what an interpreter may be
PROGRAMS = (*ARCHS, NATIVE, RELOCATABLE, TEXT)
PATH = "/lib/ld.so"
MMAP_BASE = 0x4000_0000  # where i386 puts what may lie anywhere


def image(name: str, arch: str, kind: int, interpreter: str = "") -> bytes:
    """The bytes of a file of this name: an architecture's ELF file, or one of the odd ones.

    >>> image("text", "i386", DYN), image("relocatable", "ppc", DYN)[16:20]
    (b'#!/bin/sh\\n', b'\\x00\\x01\\x00\\x14')
    """
    if name == TEXT:
        return b"#!/bin/sh\n"
    if name == AOUT:
        return binfmt.AOUT_MAGICS[1].to_bytes(4, ARCHS[arch].order) + bytes(28)
    if name in (MISSING, NONE):
        return b""
    of = ARCHS.get(name, ARCHS[arch])
    return elf(of.machine, REL if name == RELOCATABLE else kind, of.bits, of.order, interpreter)


@dataclass(frozen=True)
@inputs
class Scenario:
    """A kernel of one architecture, a program, and the interpreter that the program names.

    >>> Scenario(interpreter="vax")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: interpreter must be one of i386, ppc, ppc64, ia64, x86-64, native, ... none, got vax
    """

    machine: Machine = PRESETS["256 MB"]
    vm_cache_scan_ratio: Sysctl = 6
    arch: Annotated[str, among(*ARCHS)] = "i386"
    program: Annotated[str, among(*PROGRAMS)] = NATIVE
    interpreter: Annotated[str, among(*FILES)] = "x86-64"
    space_stays: bool = False  # the caller's address space cannot be given up: no memory for that

    @property
    def program_file(self) -> bytes:
        """The program's bytes; it names an interpreter unless that is "none"."""
        return image(self.program, self.arch, EXEC, "" if self.interpreter == NONE else PATH)

    @property
    def interpreter_file(self) -> bytes:
        """The interpreter's bytes; none of one that is missing."""
        return image(self.interpreter, self.arch, DYN)

    @property
    def files(self) -> "Files":
        """What exec finds on the disk.

        >>> Scenario(interpreter="missing").files.interpreter
        'ENOENT'
        """
        return Files(self.program_file, "ENOENT" if self.interpreter == MISSING else self.interpreter_file)


class Files(NamedTuple):
    """What exec finds on the disk: the program, and the interpreter; or the error with which that cannot be opened."""

    program: bytes
    interpreter: bytes | str


@dataclass(frozen=True)
@inputs
class Policy:
    """What is asked of an ELF interpreter while the caller can still be told: names of checks, in order.

    `lets_go_of_nothing`: an exec that fails without an interpreter lets go of its file all the same, which is an oops
    (2.4.22; no longer in 2.4.27).
    """

    early: tuple[Annotated[str, among("machine", "type")], ...] = ()
    lets_go_of_nothing: bool = True


UNPATCHED, PATCHED = "unpatched", "patched"
POLICIES: dict[str, Policy] = {
    UNPATCHED: Policy(),
    PATCHED: Policy(("machine",)),
    "what if: type too": Policy(("machine", "type")),
}

CONTROLS = (
    *panel(
        machine="A check reads a few bytes of a file: neither memory nor processors nor the page size take part.",
        ratio="No page is reclaimed to compare two bytes of a header.",
    ),
    Control("interpreter", "interpreter", FILES),
    Control("program", "program", PROGRAMS),
)
TRY = (
    Preset("the right machine", {"interpreter": NATIVE}),
    Preset("another byte order", {"interpreter": "ppc"}),
    Preset("a text file", {"interpreter": TEXT}),
    Preset("no interpreter", {"interpreter": NONE}),
)


class Opened(NamedTuple):
    """A file was opened."""

    file: str


class Crossed(NamedTuple):
    """The caller gave up its old address space: the point of no return."""


class Mapped(NamedTuple):
    """The segments of a file were mapped."""

    file: str


class Closed(NamedTuple):
    """A file was closed."""

    file: str


class Returned(NamedTuple):
    """exec returned an error to its caller, who goes on as before."""

    error: str


class Killed(NamedTuple):
    """The process was killed: the caller is gone and the program never ran."""

    signal: str


class Oops(NamedTuple):
    """The kernel followed a pointer to nothing, in the caller's name."""


class Started(NamedTuple):
    """The new program runs, from the entry of this file."""

    file: str


Crossing = list[Crossed | Mapped]  # what happens at the point of no return; empty: the old address space stays
Event = Opened | Checked | Crossed | Mapped | Closed | Returned | Killed | Oops | Started
FATES: dict[type, str] = {
    Returned: "lives on",
    Killed: "is killed",
    Oops: "is killed, in the kernel",
    Started: "became the program",
}
ERRNO = {"ENOENT": 2, "ENOEXEC": 8, "ENOMEM": 12, "ELIBBAD": 80}


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """One exec of the program, and what became of the caller.

    >>> simulate().numbers["outcome"], simulate(policy=POLICIES[UNPATCHED]).numbers["outcome"]
    ('ELIBBAD', 'SIGSEGV')
    """
    exec_ = load_elf_binary(scenario.files, ARCHS[scenario.arch], policy, scenario.space_stays)
    *before, last = (Opened(PROGRAM), *exec_)
    events = (*before, Closed(PROGRAM), last)
    return Run(scenario, policy, events, _numbers(scenario, events))


def load_elf_binary(files: Files, arch: Arch, policy: Policy, space_stays: bool = False) -> Iterator[Event]:
    """The steps of exec in the kernel's order (fs/binfmt_elf.c), without the program's own opening and closing.

    >>> files = Scenario(interpreter="ppc").files
    >>> [type(step).__name__ for step in load_elf_binary(files, ARCHS["i386"], POLICIES[PATCHED])][-3:]
    ['Checked', 'Closed', 'Returned']
    """
    buffer = files.program[:BUFFER].ljust(BUFFER, b"\0")
    if not (yield from all_pass(PROGRAM, ("magic", "type", "machine"), buffer, arch)):
        yield Returned("ENOEXEC")
        return
    if not (headers := binfmt.check_headers(PROGRAM, buffer, arch)).ok:
        yield from (headers, Returned("ENOMEM"))
        return
    segments = {segment["p_type"]: segment for segment in reversed(program_headers(files.program, buffer, arch))}
    crossing: Crossing = [] if space_stays else [Crossed(), *[Mapped(PROGRAM)] * (LOAD in segments)]
    if INTERP not in segments:
        yield from _without_interpreter(policy, crossing)
    elif segments[INTERP]["p_filesz"] > binfmt.PATH_MAX:
        yield Returned("ENOMEM")
    elif isinstance(files.interpreter, str):
        yield Returned(files.interpreter)
    else:
        interpreter = Interpreter(files.interpreter, files.interpreter[:BUFFER] + buffer[len(files.interpreter) :])
        yield from _with_interpreter(interpreter, arch, policy, crossing)


def _without_interpreter(policy: Policy, crossing: Crossing) -> Iterator[Event]:
    """A program that needs no interpreter; an empty `crossing` says that the old address space stays."""
    if crossing:
        yield from (*crossing, Started(PROGRAM))
    else:
        yield Oops() if policy.lets_go_of_nothing else Returned("ENOMEM")


class Interpreter(NamedTuple):
    """An interpreter's file, and the buffer with its beginning: what a short one lacks is still the program's."""

    file: bytes
    buffer: bytes


def _with_interpreter(data: Interpreter, arch: Arch, policy: Policy, crossing: Crossing) -> Iterator[Event]:
    """From the interpreter's opening on."""
    yield Opened(INTERPRETER)
    yield (magic := binfmt.check_magic(INTERPRETER, data.buffer, arch))
    early = policy.early if magic.found == "ELF" else ()
    if not magic.ok or not (yield from all_pass(INTERPRETER, early, data.buffer, arch)):
        yield from (Closed(INTERPRETER), Returned("ELIBBAD"))
        return
    if not crossing:
        yield from (Closed(INTERPRETER), Returned("ENOMEM"))
        return
    yield from crossing
    started = (yield from load_elf_interp(data, arch)) if magic.found == "ELF" else True
    yield from (Closed(INTERPRETER), Started(INTERPRETER) if started else Killed("SIGSEGV"))


def load_elf_interp(data: Interpreter, arch: Arch) -> Generator[Event, None, bool]:
    """The late look at type and machine, which every kernel takes, and the mapping; whether there is a place to start.

    The generator returns that. An a.out interpreter has a loader of its own.
    """
    if not (yield from all_pass(INTERPRETER, ("type", "machine"), data.buffer, arch)):
        return False
    if not (headers := binfmt.check_headers(INTERPRETER, data.buffer, arch)).ok:
        yield headers
        return False
    return (yield from _map(data, arch))


def _map(data: Interpreter, arch: Arch) -> Generator[Event, None, bool]:
    """The segments, the first of a shared object wherever there is room; whether all fit, and the entry, too."""
    header, base = parse(data.buffer, header_fields(arch.bits), arch.order), 0
    moves = header["e_type"] == DYN
    for number, segment in enumerate(s for s in program_headers(data.file, data.buffer, arch) if s["p_type"] == LOAD):
        if number == 0:
            yield Mapped(INTERPRETER)
        start = segment["p_vaddr"] // binfmt.PAGE * binfmt.PAGE
        if moves and number == 0:
            base = MMAP_BASE - start
        if not binfmt.fits(base + start, segment, arch):
            return True  # it starts all the same, at the number of bytes that were read last: nobody looks
    return (header["e_entry"] + base) % (1 << arch.bits) <= arch.task_size


def _numbers(scenario: Scenario, events: tuple[Event, ...]) -> dict[str, int | float | str]:
    crossed = next((i for i, event in enumerate(events) if isinstance(event, Crossed)), len(events))
    last = events[-1]
    outcome = {Returned: getattr(last, "error", ""), Killed: "SIGSEGV", Oops: "oops", Started: "runs"}[type(last)]
    data, arch = scenario.interpreter_file, ARCHS[scenario.arch]
    early = sum(isinstance(event, Checked) for event in events[:crossed])
    return {
        "outcome": outcome,
        "errno that the caller gets": ERRNO.get(outcome, "none"),
        "the caller": FATES[type(last)],
        "checks before the point of no return": early,
        "checks after it": sum(isinstance(event, Checked) for event in events) - early,
        "interpreter's machine, as read": binfmt.half(data, 18, arch) if data[:4] == MAGIC else "none",
    }
