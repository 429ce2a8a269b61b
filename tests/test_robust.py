"""What goes wrong in a room goes wrong with a clear message, and the chapter goes on where it can."""

import ast
import builtins
import errno
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from vmteach import learn_kept

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
LIVE = [path.stem for path in NOTEBOOKS if "import live" in path.read_text() or "vmteach.live" in path.read_text()]


class Room:
    """A chapter and its kernel."""

    def __init__(self, path: Path, client: NotebookClient) -> None:
        self.path, self.client, self.cells = path, client, client.nb.cells

    def run(self, index: int) -> Any:
        """Run one cell; the error that it gave, or None."""
        try:
            self.client.execute_cell(self.cells[index], index)
        except CellExecutionError as error:
            return error
        return None

    def code(self) -> list[int]:
        return [i for i, cell in enumerate(self.cells) if cell.cell_type == "code"]

    def run_all(self, backwards: bool = False) -> dict[int, CellExecutionError]:
        """Run every cell, whatever the one before gave; the errors by cell."""
        order = self.code()[::-1] if backwards else self.code()
        found = {i: self.run(i) for i in order}
        return {i: error for i, error in found.items() if error}

    def shown(self) -> list[str]:
        """The text that each cell shows; a picture by its alternative text, a widget as such."""
        return [text_of(cell) for cell in self.cells if cell.cell_type == "code"]

    def said(self) -> list[str]:
        """What went to stderr, where warnings go."""
        return [out.text for i in self.code() for out in self.cells[i].outputs if out.get("name") == "stderr"]

    def say(self, source: str) -> None:
        """Run a line of our own first."""
        cell = nbformat.v4.new_code_cell(source)
        self.client.execute_cell(cell, 0)


def text_of(cell: Any) -> str:
    parts = []
    for out in cell.outputs:
        data = out.get("data", {})
        if "application/vnd.jupyter.widget-view+json" in data:
            parts.append("widget")
        else:
            parts.append(out.get("text") or data.get("text/html") or data.get("text/plain", ""))
    return "\n".join(parts)


@contextmanager
def room(home: Path, name: str, **environment: str) -> Iterator[Room]:
    """A kernel in the folder of the notebooks under `home`."""
    path = home / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": path.parent}})
    own = {"IPYTHONDIR": str(home / "ipython"), "VMTEACH_PROGRESS": str(home / "progress.json"), **environment}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "MPL"))}
    with client.setup_kernel(env={**kept, **own}):
        yield Room(path, client)


@pytest.fixture
def home(tmp_path):
    """A copy of notebooks and data."""
    for folder in ("notebooks", "data"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    return tmp_path
