"""Panels that some kernel of this machine has worked out before: small files in one folder, for all who ask next.

A file is named by the digest of everything that decides what is in it: the course's code as it is loaded, the scenario
and the policy. A rule that a reader has changed, in a file or in a cell, gives another name, and so does a new version.
The variable VMTEACH_CACHE names another folder, or none if it is empty. Whoever can write into that folder decides what
all who share it are shown.

left out    what can be changed inside an object that prints as its address: then nothing is read or written
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache, cached_property, partial
from hashlib import sha256
from operator import attrgetter, is_
from pathlib import Path
from secrets import token_hex
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from vmteach.lab import kept

MOST_BYTES = 64 << 20  # of all files
SWEPT = 64  # one of so many writes looks for what is too much
PACKAGE = Path(__file__).parent.parent
MODELS = ("vmteach.run", "vmteach.machine", "vmteach.tables", "vmteach.kernel", "vmteach.patches", "vmteach.figures")
ADDRESS = re.compile(r" at 0x[0-9a-f]+>")
NOISE = re.compile(
    "__(doc|module|dict|weakref|annotations|dataclass_fields|dataclass_params|slots|slotnames|abstractmethods)__"
)
# Of what is made around a function, and of a type with something around it.
PARTS = ("__func__", "__wrapped__", "fget", "func", "args", "keywords", "__origin__", "__args__", "__metadata__")
_writes = 0


def folder() -> Path | None:
    """Where the files are: VMTEACH_CACHE, or the platform's folder for what can be had again; None if nowhere."""
    named = os.environ.get("VMTEACH_CACHE")
    if named is not None:
        return Path(named) if named else None
    return kept.own_folder("cache")


def get(name: str) -> Any:
    """What is kept under a name, or None: a file that cannot be read, or is not whole, is as good as none."""
    place = folder()
    if not place or not name:
        return None
    with suppress(OSError, ValueError):
        found = json.loads((place / f"{name}.json").read_text(encoding="utf-8"))
        os.utime(place / f"{name}.json")  # what is asked for stays longest
        return found
    return None


def put(name: str, thing: object) -> None:
    """Keep something; nobody ever reads half of it. Where nothing can be written nothing is kept."""
    global _writes
    place = folder()
    if not place or not name:
        return
    with suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        new = place / f"{token_hex(8)}.new"
        try:
            new.write_text(json.dumps(thing, separators=(",", ":")), encoding="utf-8")
            os.replace(new, place / f"{name}.json")
        finally:
            new.unlink(missing_ok=True)
        _writes += 1
        if _writes % SWEPT == 1:
            sweep(place, MOST_BYTES)


def sweep(place: Path, most: int) -> None:
    """Take away what was asked for least lately, until three quarters of `most` bytes are left."""
    found = []
    for file in place.iterdir():
        with suppress(OSError):  # another kernel sweeps, too
            if file.suffix in (".json", ".new"):
                found.append((file.stat().st_mtime, file.stat().st_size, file))
    held = sum(size for _, size, _ in found)
    if held <= most:
        return
    for _, size, file in sorted(found):
        if held <= most * 3 // 4:
            return
        with suppress(OSError):
            file.unlink()
        held -= size


# ---- what a panel depends on


class Code:
    """The code that some modules are made of, as it is loaded: theirs, and the models' that they use."""

    def __init__(self, *modules: object) -> None:
        self.modules = list(used(modules))
        self.seen = list(self._values())

    @cached_property
    def known(self) -> str:
        """The digest of it all."""
        return digest(sources(), *map(described, self.seen))

    def same(self) -> bool:
        """Whether no name of these modules, classes and tables stands for another object by now."""
        now = list(self._values())
        return len(now) == len(self.seen) and all(map(is_, now, self.seen))

    def name(self, scenario: object, policy: object) -> str:
        """The name of a panel of this code; empty where nothing is kept, or it is not known what decides the panel."""
        if not folder() or not self.same() or not self.known:
            return ""
        return digest(self.known, described(scenario), described(policy))

    def _values(self) -> Iterator[object]:
        for module in self.modules:
            for name, value in list(vars(module).items()):
                if not name.startswith("__"):
                    yield value
                if isinstance(value, dict) and name != "__builtins__":
                    yield from value.values()
                if isinstance(value, type) and value.__module__ == module.__name__:
                    yield from (each for key, each in vars(value).items() if not NOISE.fullmatch(key))


def used(modules: Sequence[Any]) -> dict[ModuleType, None]:
    """These modules, and those of the models that their names come from."""
    found: dict[ModuleType, None] = {}
    left = [sys.modules[module.__name__] for module in modules if module.__name__ in sys.modules]
    while left:
        module = left.pop()
        if module not in found:
            found[module] = None
            names = {name for name in map(home, vars(module).values()) if name.startswith(MODELS)}
            left += [sys.modules[name] for name in sorted(names) if name in sys.modules]
    return found


def home(value: object) -> str:
    """The name of the module that something is, or comes from."""
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
    return name if isinstance(name, str) else ""


@cache
def sources() -> str:
    """The digest of the source of all models and pictures, and of the Python that runs them."""
    rooms = [PACKAGE / name.partition(".")[2] for name in MODELS]
    files = [file for room in rooms for file in (sorted(room.rglob("*.py")) or [room.with_suffix(".py")])]
    return digest(sys.version, *(file.read_text(encoding="utf-8") for file in files if file.is_file()))


def digest(*texts: str) -> str:
    """One short name for some texts; empty if one of them holds an address, which says nothing."""
    if any(map(ADDRESS.search, texts)):
        return ""
    return sha256("\0".join(texts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def described(value: object, held: tuple[int, ...] = ()) -> str:
    """What something is, as a text that is the same in every process: functions by their code.

    >>> described(lambda page: page + 1) == described(lambda page: page + 2), described({3, 1})
    (False, "['1', '3']")
    """
    if id(value) in held:
        return "again"
    deeper = partial(described, held=(*held, id(value)))
    match value:
        case ModuleType() | type() | BuiltinFunctionType():
            return str(getattr(value, "__qualname__", value.__name__))
        case dict():
            return str([(deeper(key), deeper(each)) for key, each in value.items()])
        case tuple() | list():
            return str([deeper(each) for each in value])
        case set() | frozenset():
            return str(sorted(map(deeper, value)))
    return " ".join(map(deeper, _parts(value))) or repr(value)


def _parts(value: object) -> list[object]:
    """Of what has no form of its own: its code, what it is made around, its fields, or its attributes."""
    if isinstance(value, FunctionType):
        held = map(attrgetter("cell_contents"), value.__closure__ or ())
        return [value.__code__, value.__defaults__, value.__kwdefaults__, *held]
    if isinstance(value, CodeType):
        return [value.co_code.hex(), value.co_names, *value.co_consts]
    if is_dataclass(value):
        return [type(value), *(getattr(value, field.name) for field in fields(value))]
    parts = [getattr(value, name) for name in PARTS if getattr(value, name, None) is not None]
    if not parts and getattr(type(value), "__repr__", None) is object.__repr__:
        return [type(value), getattr(value, "__dict__", {})]
    return parts
