"""What an answer that is marked may be made of: its source is read first, then it runs with few names and copies.

source      docs/teachers.md, "Marks that count"; tests/test_marks.py holds the ways round it that were found
left out    a process that must be safe from hostile code: this keeps points honest, and is no sandbox for a server
"""

import ast
import builtins
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from importlib import import_module
from importlib.util import find_spec
from inspect import isclass, ismodule, isroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vmteach.exercises import RUNGS, Task, chapter
from vmteach.run import Record

ALLOWED = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
LIBRARY: Mapping[str, str] = ALLOWED["library"]
ROOMS = ("vmteach.patches", "vmteach.kernel", "vmteach.machine", "vmteach.run")
PLAIN: Sequence[str] = ALLOWED["builtins"].split()
BARRED = frozenset(dir(builtins)) - {*PLAIN, "getattr", "type", "True", "False", "None", "Ellipsis", "NotImplemented"}
# Frames and code lead out of an answer; `format` reads any attribute; the rest names solutions.
WAYS_OUT = re.compile(r"_(?!_name__$)|(gi|cr|ag|tb|f|co)_\w|(mro|format|format_map|solved|solution)$")


def why_not(source: str) -> str:
    """Why a cell cannot be judged as an answer; empty if it can.

    >>> why_not("import vmteach.exercises")
    'line 1 imports vmteach.exercises, which no answer needs'
    >>> why_not("def count(kib, per, up):\\n    return -(-kib // per)")
    ''
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"line {getattr(error, 'lineno', 1)} is no Python: {error}"
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if trouble := next(_troubles(node, own), ""):
            return f"line {getattr(node, 'lineno', 1)} {trouble}"
    return ""


def _troubles(node: ast.AST, own: set[str]) -> Iterator[str]:
    """What is wrong with one node of an answer."""
    yield from (f"imports {name}, which no answer needs" for name in _imported(node) if not _lends(name))
    yield from (f"uses {name}, which no answer needs" for name in _misused(node, own))
    asked = [node.attr] if isinstance(node, ast.Attribute) else getattr(node, "kwd_attrs", [])
    yield from (f"asks for .{out}, which no answer needs" for out in filter(WAYS_OUT.match, asked))
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        yield from _written(node, own)


def _misused(node: ast.AST, own: set[str]) -> Iterator[str]:
    """A class that a node defines, and names in it that an answer may not use."""
    if isinstance(node, ast.ClassDef):
        yield f"the class {node.name}"
    for name in _identifiers(node):
        if name.startswith("__") and name != "__name__":
            yield f"the name {name}"
        elif isinstance(node, ast.Name) and name in BARRED - own:
            yield name


def _written(node: ast.AST, own: set[str]) -> Iterator[str]:
    """What is wrong with what an assignment writes to."""
    if isinstance(node, ast.Attribute):
        yield "writes into an attribute"
    if isinstance(node, ast.Subscript) and not (isinstance(node.value, ast.Name) and node.value.id in own):
        yield "writes into something that is not its own"


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield "." * node.level + (node.module or "")


def _identifiers(node: ast.AST) -> Iterator[str]:
    """Each name that stands in a node: variables, arguments, keywords, aliases, functions."""
    if not isinstance(node, ast.Constant):
        for _, value in ast.iter_fields(node):
            yield from (name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str))


def _lends(name: str) -> bool:
    """Whether an answer may import from a module."""
    return name in LIBRARY or _in_rooms(name)


def _in_rooms(name: str) -> bool:
    return any(f"{name}.".startswith(f"{room}.") for room in ROOMS)


# ---- the names that an answer runs with


def names(stem: str, task: Task) -> Record:
    """A namespace for one answer, with the imports of its chapter done: of modules it gets views, of tables copies."""
    # A policy that was asked for is built, not taken ready-made.
    built = task.rung == RUNGS[1] and not task.stub.lstrip().startswith("def ")

    def fetch(name: str, _: object = None, __: object = None, wanted: Sequence[str] | None = (), level: int = 0) -> Any:
        if level or not _lends(name):
            raise ImportError(f"an answer needs no {name}")
        if not wanted and "." in name:
            raise ImportError(f"write `from {name.rpartition('.')[0]} import {name.rpartition('.')[2]}`")
        inside = hasattr(import_module(name), "__path__")
        rooms = {word: view(f"{name}.{word}", built) for word in wanted or () if inside and find_spec(f"{name}.{word}")}
        return SimpleNamespace(**{**vars(view(name, built)), **rooms})

    given = {name: getattr(builtins, name) for name in PLAIN}
    given |= {"getattr": _attribute, "type": _class_of, "__import__": fetch}
    namespace: Record = {"__builtins__": given, "__name__": "answer"}
    namespace["ch"] = view(f"vmteach.patches.{stem}", built)  # as far as a chapter's object has the model's names
    exec(chapter(stem).NEEDS, namespace)
    return namespace


def _class_of(value: object) -> type:
    """`type` with one argument, and not of a class: with three it would make one."""
    if isclass(value):
        raise TypeError("an answer needs no class of a class")
    return type(value)


def _attribute(value: object, name: str, *default: object) -> Any:
    """`getattr`, as far as an answer may write the same with a dot."""
    if type(name) is not str or WAYS_OUT.match(name):
        raise AttributeError(f"an answer needs no .{name}")
    return getattr(value, name, *default)


class _Built(Record):
    """Policies where one is asked for: those that are left out say so."""

    def __missing__(self, name: str) -> Any:
        raise KeyError(f"{name}; build the policy, by its fields, in place of taking a ready one")


def view(name: str, built: bool = False) -> SimpleNamespace:
    """A module as an answer sees it: what it defines itself, with copies of what can be changed.

    With `built` there are no functions of the kernels, and of the policies only the unpatched kernel's.

    >>> sorted(vars(view("vmteach.patches.ncpfs", built=True))["POLICIES"])
    ['unpatched']
    """
    module = import_module(name)
    if name in LIBRARY:
        return SimpleNamespace(**{word: getattr(module, word) for word in LIBRARY[name].split()})
    closed = built and name.startswith("vmteach.patches.")
    shown = {word: _copied(value) for word, value in vars(module).items() if _shows(word, value, closed)}
    if closed and "POLICIES" in shown:
        shown["POLICIES"] = _Built([next(iter(shown["POLICIES"].items()))])
    return SimpleNamespace(**shown)


def _shows(word: str, value: object, closed: bool) -> bool:
    if word.startswith("_") or ismodule(value):
        return False
    if isroutine(value) or isclass(value) or hasattr(value, "cache_clear"):
        return _in_rooms(getattr(value, "__module__", None) or "") and (isclass(value) or not closed)
    return True


def _copied(value: object) -> Any:
    """A table of its own for each answer; what cannot be changed is shared."""
    return deepcopy(value) if isinstance(value, dict | list | set | tuple) else value
