"""The names of a patch set: what two directories of files say of two releases, before any file is opened.

source      the announcement of 2.4.23aa2 and others of its kind, which list such names (read)
left out    what the files hold
"""

from collections.abc import Iterable
from typing import NamedTuple


def byte_order(names: Iterable[str]) -> list[str]:
    """Names as the loop over the directory sees them.

    >>> byte_order(["99_x", "9900_x", "00_e-9", "00_e-10"])
    ['00_e-10', '00_e-9', '9900_x', '99_x']
    """
    return sorted(names, key=str.encode)


def split_name(name: str) -> tuple[str, int]:
    """Everything before the serial, and the serial.

    >>> split_name("21_pte-highmem-mremap-smp-scale-2")
    ('21_pte-highmem-mremap-smp-scale', 2)
    """
    stem, _, serial = name.rpartition("-")
    if not stem or not serial.isdigit():
        raise ValueError(f"a name must end in - and a serial, got {name!r}")
    return stem, int(serial)


def serials(names: Iterable[str]) -> dict[str, int]:
    """The serial of each topic; a topic may have one only.

    >>> serials(["00_mremap-1", "00_extraversion-34"])
    {'00_mremap': 1, '00_extraversion': 34}
    """
    found: dict[str, int] = {}
    for stem, serial in map(split_name, names):
        if stem in found:
            raise ValueError(f"a topic must have one serial, got {stem}-{found[stem]} and {stem}-{serial}")
        found[stem] = serial
    return found


class Only(NamedTuple):
    """A name stands in one directory only."""

    side: str
    name: str


def dir_diff(a: Iterable[str], b: Iterable[str]) -> list[Only]:
    """Names in one of two directories, merged in byte order: the lines of the announcement of 2.4.23aa2.

    Others of these announcements (2.4.23aa3's) have a few names in the order of a locale instead.

    >>> dir_diff(["00_e-33", "x-1"], ["00_e-34", "x-1"])
    [Only(side='A', name='00_e-33'), Only(side='B', name='00_e-34')]
    """
    in_a, in_b = set(a), set(b)
    return [Only("A" if name in in_a else "B", name) for name in byte_order(in_a ^ in_b)]


def classify(old: Iterable[str], new: Iterable[str]) -> dict[str, str]:
    """The fate of each topic, by names alone.

    >>> classify(["00_csum-1", "00_e-33"], ["00_e-34", "00_ncpfs-1"])
    {'00_csum': 'dropped', '00_e': 'superseded', '00_ncpfs': 'new'}
    """
    was, now = serials(old), serials(new)
    fates = {}
    for stem in byte_order({*was, *now}):
        if stem not in now:
            fates[stem] = "dropped"
        elif stem not in was:
            fates[stem] = "new"
        else:
            fates[stem] = "unchanged" if was[stem] == now[stem] else "superseded"
    return fates
