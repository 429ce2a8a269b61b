"""A file was checked too late: after the point of no return nobody is left who could be told of an error.

changelog   00_elf-interp-check-arch-1 Make sure interpreter is of the right architecture
source      fs/binfmt_elf.c of 2.4.22 and 2.4.27 (read, and run beside the model for i386); that the -aa file equals
            the mainline fix is inferred
unpatched   of the interpreter only the magic is looked at early; type and machine are compared when it is mapped
patched     its machine is compared early too: ELIBBAD, and the caller lives on; its type is still compared late
left out    permissions, scripts, core dumps, what an a.out loader checks; other threads of the caller, which live on
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from vmteach.machine import KIB, PRESETS, Machine, check_sysctl, panel
from vmteach.run import Control, Preset, Run, between, inputs, one_of

# ---- the format, byte for byte ----

MAGIC = b"\x7fELF"
REL, EXEC, DYN = 1, 2, 3  # e_type
LOAD, INTERP = 1, 3  # p_type
AOUT_MAGICS = (0o407, 0o413, 0o314)  # OMAGIC, ZMAGIC, QMAGIC; none is how an ELF file begins
Order = Literal["little", "big"]  # which byte of a number comes first
ADDRESS = -1  # the width of a field that is 4 bytes in a 32-bit file and 8 in a 64-bit one

_IDENT = (("magic", 4), ("class", 1), ("data", 1), ("ident version", 1), ("padding", 9))
_HEADER = (
    *(("e_type", 2), ("e_machine", 2), ("e_version", 4), ("e_entry", ADDRESS), ("e_phoff", ADDRESS)),
    *(("e_shoff", ADDRESS), ("e_flags", 4), ("e_ehsize", 2), ("e_phentsize", 2), ("e_phnum", 2)),
    *(("e_shentsize", 2), ("e_shnum", 2), ("e_shstrndx", 2)),
)
_SEGMENT = {
    32: ("p_type", "p_offset", "p_vaddr", "p_paddr", "p_filesz", "p_memsz", "p_flags", "p_align"),
    64: ("p_type", "p_flags", "p_offset", "p_vaddr", "p_paddr", "p_filesz", "p_memsz", "p_align"),
}


class Field(NamedTuple):
    """A named stretch of bytes in a file."""

    name: str
    offset: int
    width: int


def _place(widths: tuple[tuple[str, int], ...], bits: int, at: int = 0) -> tuple[Field, ...]:
    placed = []
    for name, width in widths:
        placed.append(Field(name, at, bits // 8 if width == ADDRESS else width))
        at += placed[-1].width
    return tuple(placed)


def header_fields(bits: int) -> tuple[Field, ...]:
    """The fields of the ELF header in a file of 32 or 64 bits.

    >>> header_fields(32)[6], sum(field.width for field in header_fields(64))
    (Field(name='e_machine', offset=18, width=2), 64)
    """
    one_of("bits", bits, (32, 64))
    return _place((*_IDENT, *_HEADER), bits)


def segment_fields(bits: int, at: int = 0) -> tuple[Field, ...]:
    """The fields of one program header that begins at byte `at`.

    >>> [sum(field.width for field in segment_fields(bits)) for bits in (32, 64)]
    [32, 56]
    """
    one_of("bits", bits, (32, 64))
    narrow = ("p_type", "p_flags")
    return _place(tuple((name, 4 if name in narrow else ADDRESS) for name in _SEGMENT[bits]), bits, at)


def parse(data: bytes, fields: tuple[Field, ...], order: Order) -> dict[str, int]:
    """The numbers in these fields, read in a byte order. Errors: ValueError where the file is too short.

    >>> parse(b"\\x00\\x03", (Field("e_machine", 0, 2),), "big")
    {'e_machine': 3}
    """
    one_of("order", order, ("little", "big"))
    end = max(field.offset + field.width for field in fields)
    if len(data) < end:
        raise ValueError(f"the file must have at least {end} bytes, got {len(data)}")
    return {f.name: int.from_bytes(data[f.offset : f.offset + f.width], order) for f in fields}


def write(values: Mapping[str, int], fields: tuple[Field, ...], order: Order) -> bytes:
    """The bytes of these fields; one that has no value is 0. The opposite of `parse`.

    >>> write({"e_machine": 3}, (Field("e_machine", 0, 2),), "little")
    b'\\x03\\x00'
    """
    one_of("order", order, ("little", "big"))
    for field in fields:
        between(field.name, values.get(field.name, 0), 0, 256**field.width - 1)
    return b"".join(values.get(field.name, 0).to_bytes(field.width, order) for field in fields)


def elf(
    machine: int, kind: int = EXEC, bits: int = 32, order: Order = "little", interpreter: str = "", code: bytes = b""
) -> bytes:
    """A whole ELF file: header, program headers, the interpreter's path if it names one, and code.

    >>> len(elf(3)), elf(62, bits=64)[:6], elf(20, order="big")[18:20]
    (84, b'\\x7fELF\\x02\\x01', b'\\x00\\x14')
    """
    header, entry_size = header_fields(bits), segment_fields(bits)[-1].offset + bits // 8
    header_size = header[-1].offset + header[-1].width
    count = 2 if interpreter else 1
    path_at = header_size + count * entry_size
    path = interpreter.encode() + b"\0" if interpreter else b""
    base = 0x400000 if kind == EXEC else 0
    size, start = path_at + len(path) + len(code), path_at + len(path)
    loaded = {"p_type": LOAD, "p_vaddr": base, "p_paddr": base, "p_filesz": size, "p_memsz": size, "p_flags": 5}
    named = {"p_type": INTERP, "p_offset": path_at, "p_filesz": len(path), "p_memsz": len(path), "p_flags": 4}
    segments = [named | {"p_align": 1}] * (count - 1) + [loaded | {"p_align": 0x10000}]
    values = {"class": bits // 32, "data": 1 if order == "little" else 2, "ident version": 1}
    values |= {"e_type": kind, "e_machine": machine, "e_version": 1, "e_entry": base + start, "e_phoff": header_size}
    values |= {"e_ehsize": header_size, "e_phentsize": entry_size, "e_phnum": count}
    rest = write(values, header[1:], order)
    return MAGIC + rest + b"".join(write(s, segment_fields(bits), order) for s in segments) + path + code


# ---- architectures and files ----


class Arch(NamedTuple):
    """A kernel's architecture: the word and byte order in which it reads, and the machines that it accepts."""

    bits: int
    order: Order
    machine: int
    accepts: frozenset[int]

    @property
    def task_size(self) -> int:
        """The end of user space, in bytes (of i386; invented for 64 bits)."""
        return 0xC000_0000 if self.bits == 32 else 1 << 43


ARCHS: dict[str, Arch] = {
    "i386": Arch(32, "little", 3, frozenset({3, 6})),
    "ppc": Arch(32, "big", 20, frozenset({20})),
    "ppc64": Arch(64, "big", 21, frozenset({21})),
    "ia64": Arch(64, "little", 50, frozenset({50})),
    "x86-64": Arch(64, "little", 62, frozenset({62})),
}
NONE, MISSING, TEXT, AOUT, RELOCATABLE, NATIVE = "none", "missing", "text", "a.out", "relocatable", "native"
FILES = (*ARCHS, NATIVE, RELOCATABLE, AOUT, TEXT, MISSING, NONE)  # what an interpreter may be
PROGRAMS = (*ARCHS, NATIVE, RELOCATABLE, TEXT)
PATH = "/lib/ld.so"
BUFFER = 128  # bytes of a file that exec reads first; an interpreter is read into the same buffer, over the program
PAGE = 4 * KIB
UNWRITTEN = 0x5A  # what memory holds that was allocated and not filled (invented: nobody can know)
PATH_MAX, MMAP_BASE = 4096, 0x4000_0000  # bytes; where i386 puts what may lie anywhere


def image(name: str, arch: str, kind: int, interpreter: str = "") -> bytes:
    """The bytes of a file of this name: an architecture's ELF file, or one of the odd ones.

    >>> image("text", "i386", DYN), image("relocatable", "ppc", DYN)[16:20]
    (b'#!/bin/sh\\n', b'\\x00\\x01\\x00\\x14')
    """
    if name == TEXT:
        return b"#!/bin/sh\n"
    if name == AOUT:
        return AOUT_MAGICS[1].to_bytes(4, ARCHS[arch].order) + bytes(28)
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
    vm_cache_scan_ratio: int = 6
    arch: str = "i386"
    program: str = NATIVE
    interpreter: str = "x86-64"
    space_stays: bool = False  # the caller's address space cannot be given up: no memory for that

    def __post_init__(self) -> None:
        check_sysctl("vm_cache_scan_ratio", self.vm_cache_scan_ratio)
        one_of("arch", self.arch, tuple(ARCHS))
        one_of("program", self.program, PROGRAMS)
        one_of("interpreter", self.interpreter, FILES)

    @property
    def program_file(self) -> bytes:
        return image(self.program, self.arch, EXEC, "" if self.interpreter == NONE else PATH)

    @property
    def interpreter_file(self) -> bytes:
        return image(self.interpreter, self.arch, DYN)

    @property
    def files(self) -> "Files":
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

    early: tuple[str, ...] = ()
    lets_go_of_nothing: bool = True

    def __post_init__(self) -> None:
        for name in self.early:
            one_of("early", name, ("machine", "type"))


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


class Checked(NamedTuple):
    """A fact about a file was compared: `found` is what it says."""

    file: str
    check: str
    found: str
    ok: bool


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


Event = Opened | Checked | Crossed | Mapped | Closed | Returned | Killed | Oops | Started
FATES: dict[type, str] = {
    Returned: "lives on",
    Killed: "is killed",
    Oops: "is killed, in the kernel",
    Started: "became the program",
}
ERRNO = {"ENOENT": 2, "ENOEXEC": 8, "ENOMEM": 12, "ELIBBAD": 80}
PROGRAM, INTERPRETER = "program", "interpreter"
HEADERS_MAX = {PROGRAM: 16 * PAGE, INTERPRETER: PAGE}  # bytes of program headers

# ---- the checks ----


def _half(data: bytes, offset: int, arch: Arch) -> int:
    """Two bytes as this kernel reads them: in its own order, whatever the file says of itself."""
    return parse(data.ljust(offset + 2, b"\0"), (Field("half", offset, 2),), arch.order)["half"]


def check_magic(file: str, data: bytes, arch: Arch) -> Checked:
    """Is it ELF, or, for an interpreter, a.out?

    >>> check_magic("interpreter", b"#!/bin/sh", ARCHS["i386"]).ok
    False
    """
    aout = is_aout(data, arch) and file == INTERPRETER
    found = "ELF" if data[:4] == MAGIC else "a.out" if aout else "neither"
    return Checked(file, "magic", found, found != "neither")


def check_type(file: str, data: bytes, arch: Arch) -> Checked:
    """Is it a program or a shared object?"""
    kind = _half(data, 16, arch)
    return Checked(file, "type", str(kind), kind in (EXEC, DYN))


def check_machine(file: str, data: bytes, arch: Arch) -> Checked:
    """elf_check_arch: is the machine one that this kernel accepts? The file's class is not asked.

    >>> check_machine("interpreter", elf(62, bits=64), ARCHS["i386"])
    Checked(file='interpreter', check='machine', found='62', ok=False)
    """
    machine = _half(data, 18, arch)
    return Checked(file, "machine", str(machine), machine in arch.accepts)


def is_aout(data: bytes, arch: Arch) -> bool:
    word = parse(data.ljust(4, b"\0"), (Field("a_info", 0, 4),), arch.order)["a_info"]
    return word & 0xFFFF in AOUT_MAGICS


def check_headers(file: str, data: bytes, arch: Arch) -> Checked:
    """Do the program headers have the size that this kernel knows, and do they fit (64 KiB; an interpreter's: a page)?

    >>> check_headers("program", elf(3), ARCHS["i386"])
    Checked(file='program', check='program headers', found='1 of 32 bytes', ok=True)
    """
    header, size = parse(data, header_fields(arch.bits), arch.order), _size(segment_fields(arch.bits))
    count, found = header["e_phnum"], header["e_phentsize"]
    return Checked(
        file, "program headers", f"{count} of {found} bytes", found == size and count <= HEADERS_MAX[file] // size
    )


def program_headers(file: bytes, data: bytes, arch: Arch) -> list[dict[str, int]]:
    """The program headers that the header in `data` points at; what the file does not have was never written.

    >>> [segment["p_type"] for segment in program_headers(elf(3), elf(3), ARCHS["i386"])]
    [1]
    """
    header, fields = parse(data, header_fields(arch.bits), arch.order), segment_fields(arch.bits)
    size = _size(fields)
    whole = file[header["e_phoff"] :][: size * header["e_phnum"]].ljust(size * header["e_phnum"], bytes([UNWRITTEN]))
    return [parse(whole[at : at + size], fields, arch.order) for at in range(0, len(whole), size)]


def _size(fields: tuple[Field, ...]) -> int:
    return fields[-1].offset + fields[-1].width


def interpreter_path(data: bytes, bits: int, order: Order) -> str:
    """The path in a program's INTERP segment, up to its first NUL; empty where it has none.

    >>> interpreter_path(elf(21, bits=64, order="big", interpreter="/lib64/ld64.so.1"), 64, "big")
    '/lib64/ld64.so.1'
    """
    arch = Arch(bits, order, 0, frozenset())
    for segment in program_headers(data, data[:BUFFER].ljust(BUFFER, b"\0"), arch):
        if segment["p_type"] == INTERP:
            size = min(segment["p_filesz"], PATH_MAX)
            path = data[segment["p_offset"] :][:size].ljust(size + 1, bytes([UNWRITTEN]))  # it may run on past its end
            return path.split(b"\0")[0].decode("latin-1")
    return ""


CHECKS = {"type": check_type, "machine": check_machine}

# ---- exec ----


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
    """The steps of exec in the kernel's order, without the program's own opening and closing."""
    buffer = files.program[:BUFFER].ljust(BUFFER, b"\0")
    for check in (check_magic, check_type, check_machine):
        yield (seen := check(PROGRAM, buffer, arch))
        if not seen.ok:
            yield Returned("ENOEXEC")
            return
    if not (headers := check_headers(PROGRAM, buffer, arch)).ok:
        yield from (headers, Returned("ENOMEM"))
        return
    loaded = program_headers(files.program, buffer, arch)
    named = next((segment for segment in loaded if segment["p_type"] == INTERP), None)
    mapped = [Mapped(PROGRAM)] * any(segment["p_type"] == LOAD for segment in loaded)
    if named is None:
        if space_stays:
            yield Oops() if policy.lets_go_of_nothing else Returned("ENOMEM")
            return
        yield Crossed()
        yield from mapped
        yield Started(PROGRAM)
    elif named["p_filesz"] > PATH_MAX:
        yield Returned("ENOMEM")
    elif isinstance(files.interpreter, str):
        yield Returned(files.interpreter)
    else:
        interpreter = Interpreter(files.interpreter, (files.interpreter[:BUFFER] + buffer[len(files.interpreter) :]))
        yield from _with_interpreter(interpreter, arch, policy, [] if space_stays else [Crossed(), *mapped])


class Interpreter(NamedTuple):
    """An interpreter's file, and the buffer with its beginning: what a short one lacks is still the program's."""

    file: bytes
    buffer: bytes


def _with_interpreter(
    data: Interpreter, arch: Arch, policy: Policy, crossing: list[Crossed | Mapped]
) -> Iterator[Event]:
    """From the interpreter's opening on; an empty `crossing` says that the old address space stays."""
    yield Opened(INTERPRETER)
    yield (magic := check_magic(INTERPRETER, data.buffer, arch))
    early = policy.early if magic.found == "ELF" else ()
    if not magic.ok or not (yield from _all_pass(early, data.buffer, arch)):
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

    An a.out interpreter has a loader of its own.
    """
    if not (yield from _all_pass(("type", "machine"), data.buffer, arch)):
        return False
    if not (headers := check_headers(INTERPRETER, data.buffer, arch)).ok:
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
        start = segment["p_vaddr"] // PAGE * PAGE
        if moves and number == 0:
            base = MMAP_BASE - start
        if not fits(base + start, segment, arch):
            return True  # it starts all the same, at the number of bytes that were read last: nobody looks
    return (header["e_entry"] + base) % (1 << arch.bits) <= arch.task_size


def fits(start: int, segment: Mapping[str, int], arch: Arch) -> bool:
    """Whether a segment can be mapped at `start`: its place in the file and in memory, and the end of user space."""
    within = segment["p_vaddr"] % PAGE
    length = -(-(segment["p_filesz"] + within) // PAGE) * PAGE
    return (segment["p_offset"] - within) % PAGE == 0 and start % (1 << arch.bits) + length <= arch.task_size


def _all_pass(names: Iterable[str], data: bytes, arch: Arch) -> Generator[Event, None, bool]:
    """One event a check, up to the first that fails; returns whether all passed."""
    for name in names:
        yield (seen := CHECKS[name](INTERPRETER, data, arch))
        if not seen.ok:
            return False
    return True


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
        "interpreter's machine, as read": _half(data, 18, arch) if data[:4] == MAGIC else "none",
    }
