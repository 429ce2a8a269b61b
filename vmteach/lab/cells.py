"""Which cell of a notebook runs now, and which one gave a name its value. In a script there are no cells."""

import re
import sys
from os import environ
from typing import Any, NamedTuple

ASSIGNS = re.compile(r"^\s*(?:(?:async\s+)?def|class)\s+(\w+)|^(\w+)\s*(?::[^=\n]+)?=(?!=)", re.M)


class Place(NamedTuple):
    """Where code runs: the id of its cell, the id of this run of it, and whether a page with widgets looks on."""

    cell: str = ""
    run: str = ""
    page: bool = True


def this_place() -> Place:
    """Where this code runs. A notebook's page names the cell; a program that executes notebooks does not."""
    ask = getattr(shell(), "get_parent", None)
    if not ask:
        return Place()
    parent = ask()
    about = parent.get("metadata", {})
    page = bool(about) or environ.get("SERVER_SOFTWARE", "").startswith("voila") or "google.colab" in sys.modules
    return Place(about.get("cellId", ""), parent.get("header", {}).get("msg_id", ""), page)


def shell() -> Any:
    """IPython's shell, if this is one; it is not loaded for the question."""
    module = sys.modules.get("IPython.core.getipython")
    return module.get_ipython() if module else None


class Source(NamedTuple):
    """The cell that should have given a name its value: its number, and the error that it ended with instead."""

    number: int
    error: str = ""


_sources: dict[str, Source] = {}
_before: dict[str, int] = {}  # names that the running cell assigns -> identity of the value that they had
_watched: list[Any] = []


def source(name: str) -> Source | None:
    """The cell that last should have given this name a value; None where nobody watched."""
    return _sources.get(name)


def watch() -> None:
    """From now on keep the number of the cell that assigns a name. Does nothing in a script."""
    ipython = shell()
    if ipython is None or ipython in _watched:
        return
    _watched.append(ipython)
    ipython.events.register("pre_run_cell", _starts)
    ipython.events.register("post_run_cell", _ended)


def _starts(info: Any) -> None:
    _before.clear()
    names = [name for pair in ASSIGNS.findall(info.raw_cell or "") for name in pair if name]
    _before.update((name, id(shell().user_ns.get(name))) for name in names)


def _ended(result: Any) -> None:
    error = result.error_before_exec or result.error_in_exec
    for name, old in _before.items():
        kept = bool(error) and id(shell().user_ns.get(name)) == old
        _sources[name] = Source(result.execution_count or 0, type(error).__name__ if kept else "")
