"""What a kernel reads of an ELF file before it runs it, and what it compares: in its own word and byte order.

source      load_elf_binary() and load_elf_interp() in fs/binfmt_elf.c of 2.4.22 and 2.4.27 (read, and run beside the
            model for i386: docs/cases.md)
left out    permissions, scripts, core dumps, what an a.out loader checks
"""

from collections.abc import Generator, Iterable, Mapping
from typing import NamedTuple

from vmteach.kernel.elf import DYN, EXEC, INTERP, MAGIC, Order, header_fields, parse, segment_fields, size_of
from vmteach.machine import KIB

PROGRAM, INTERPRETER = "program", "interpreter"
PAGE = 4 * KIB
BUFFER = 128  # bytes of a file that exec reads first; an interpreter is read into the same buffer, over the program
UNWRITTEN = 0x5A  # what memory holds that was allocated and not filled (invented: nobody can know)
PATH_MAX = 4096  # bytes
HEADERS_MAX = {PROGRAM: 16 * PAGE, INTERPRETER: PAGE}  # bytes of program headers
AOUT_MAGICS = (0o407, 0o413, 0o314)  # OMAGIC, ZMAGIC, QMAGIC; none is how an ELF file begins


class Arch(NamedTuple):
    """A kernel's architecture: the word and byte order in which it reads, and the machines that it accepts."""

    bits: int
    order: Order
    machine: int
    accepts: frozenset[int]

    @property
    def task_size(self) -> int:
        """The end of user space, in bytes: TASK_SIZE of i386; invented for 64 bits."""
        return 0xC000_0000 if self.bits == 32 else 1 << 43


ARCHS: dict[str, Arch] = {
    "i386": Arch(32, "little", 3, frozenset({3, 6})),
    "ppc": Arch(32, "big", 20, frozenset({20})),
    "ppc64": Arch(64, "big", 21, frozenset({21})),
    "ia64": Arch(64, "little", 50, frozenset({50})),
    "x86-64": Arch(64, "little", 62, frozenset({62})),
}


class Checked(NamedTuple):
    """A fact about a file, the PROGRAM or its INTERPRETER, was compared: `found` is what the file says."""

    file: str
    check: str
    found: str
    ok: bool


def half(data: bytes, offset: int, arch: Arch) -> int:
    """Two bytes as this kernel reads them: in its own order, whatever the file says of itself; beyond the end 0.

    >>> half(b"\\0\\x14", 0, ARCHS["ppc"]), half(b"\\0\\x14", 0, ARCHS["i386"])
    (20, 5120)
    """
    return int.from_bytes(data[offset:][:2].ljust(2, b"\0"), arch.order)


def check_magic(file: str, data: bytes, arch: Arch) -> Checked:
    """Is it ELF, or, for an interpreter, a.out?

    >>> [check_magic("interpreter", data, ARCHS["i386"]).found for data in (b"#!/bin/sh", b"\\x7fELF", b"\\x0b\\x01")]
    ['neither', 'ELF', 'a.out']
    """
    aout = is_aout(data, arch) and file == INTERPRETER
    found = "ELF" if data[:4] == MAGIC else "a.out" if aout else "neither"
    return Checked(file, "magic", found, found != "neither")


def check_type(file: str, data: bytes, arch: Arch) -> Checked:
    """Is it a program (EXEC) or a shared object (DYN)? Only these two can be mapped and run.

    >>> from vmteach.kernel.elf import REL, elf
    >>> check_type("interpreter", elf(3, REL), ARCHS["i386"]).ok
    False
    """
    kind = half(data, 16, arch)
    return Checked(file, "type", str(kind), kind in (EXEC, DYN))


def check_machine(file: str, data: bytes, arch: Arch) -> Checked:
    """elf_check_arch: is the machine one that this kernel accepts? The file's class is not asked.

    >>> from vmteach.kernel.elf import elf
    >>> check_machine("interpreter", elf(62, bits=64), ARCHS["i386"])
    Checked(file='interpreter', check='machine', found='62', ok=False)
    """
    machine = half(data, 18, arch)
    return Checked(file, "machine", str(machine), machine in arch.accepts)


def is_aout(data: bytes, arch: Arch) -> bool:
    """Whether a file begins like an a.out program: its first word, in the kernel's order, ends in one of three numbers.

    >>> is_aout(bytes([0x0B, 0x01]), ARCHS["i386"]), is_aout(bytes([0x0B, 0x01]), ARCHS["ppc"])
    (True, False)
    """
    return int.from_bytes(data[:4].ljust(4, b"\0"), arch.order) & 0xFFFF in AOUT_MAGICS


def check_headers(file: str, data: bytes, arch: Arch) -> Checked:
    """Do the program headers have the size that this kernel knows, and do they fit (64 KiB; an interpreter's: a page)?

    >>> from vmteach.kernel.elf import elf
    >>> check_headers("program", elf(3), ARCHS["i386"])
    Checked(file='program', check='program headers', found='1 of 32 bytes', ok=True)
    """
    header, size = parse(data, header_fields(arch.bits), arch.order), size_of(segment_fields(arch.bits))
    count, found = header["e_phnum"], header["e_phentsize"]
    ok = found == size and count <= HEADERS_MAX[file] // size
    return Checked(file, "program headers", f"{count} of {found} bytes", ok)


def program_headers(file: bytes, data: bytes, arch: Arch) -> list[dict[str, int]]:
    """The program headers that the header in `data` points at; what the file does not have was never written.

    >>> from vmteach.kernel.elf import elf
    >>> [segment["p_type"] for segment in program_headers(elf(3), elf(3), ARCHS["i386"])]
    [1]
    """
    header, fields = parse(data, header_fields(arch.bits), arch.order), segment_fields(arch.bits)
    size = size_of(fields)
    whole = file[header["e_phoff"] :][: size * header["e_phnum"]].ljust(size * header["e_phnum"], bytes([UNWRITTEN]))
    entries = [whole[at : at + size] for at in range(0, len(whole), size)]
    known = {entry: parse(entry, fields, arch.order) for entry in set(entries)}  # of 65,535 nearly all are the same
    return [known[entry] for entry in entries]


def interpreter_path(data: bytes, bits: int, order: Order) -> str:
    """The path in a program's INTERP segment, up to its first NUL; empty where it has none.

    >>> from vmteach.kernel.elf import elf
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


CHECKS = {"magic": check_magic, "type": check_type, "machine": check_machine}


def all_pass(file: str, names: Iterable[str], data: bytes, arch: Arch) -> Generator[Checked, None, bool]:
    """One Checked a name of CHECKS, up to the first that fails; the generator returns whether all passed.

    >>> from vmteach.kernel.elf import elf
    >>> [seen.ok for seen in all_pass("program", ("magic", "machine"), elf(62), ARCHS["i386"])]
    [True, False]
    """
    for name in names:
        yield (seen := CHECKS[name](file, data, arch))
        if not seen.ok:
            return False
    return True


def fits(start: int, segment: Mapping[str, int], arch: Arch) -> bool:
    """Whether a segment can be mapped at `start`: its place in the file and in memory, and the end of user space.

    >>> segment = {"p_vaddr": 0x400034, "p_offset": 0x34, "p_filesz": 100}
    >>> fits(0x400000, segment, ARCHS["i386"]), fits(0x400000, segment | {"p_offset": 0}, ARCHS["i386"])
    (True, False)
    """
    within = segment["p_vaddr"] % PAGE
    length = -(-(segment["p_filesz"] + within) // PAGE) * PAGE
    return (segment["p_offset"] - within) % PAGE == 0 and start % (1 << arch.bits) + length <= arch.task_size
