"""The ELF format, byte for byte: headers as named fields, read and written in a kernel's word and byte order.

source      the System V ABI: the file header and the program headers
left out    sections, symbols, relocations: exec looks at none of them
"""

from collections.abc import Mapping
from itertools import accumulate
from typing import Literal, NamedTuple

from vmteach.run import between, one_of

MAGIC = b"\x7fELF"
REL, EXEC, DYN = 1, 2, 3  # e_type
LOAD, INTERP = 1, 3  # p_type
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
    sizes = [bits // 8 if width == ADDRESS else width for _, width in widths]
    starts = accumulate(sizes, initial=at)
    return tuple(Field(name, start, size) for (name, _), start, size in zip(widths, starts, sizes))


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


def size_of(fields: tuple[Field, ...]) -> int:
    """The bytes of these fields."""
    return fields[-1].offset + fields[-1].width


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
    header, entry_size = header_fields(bits), size_of(segment_fields(bits))
    header_size = size_of(header)
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
