"""What goes wrong in a room goes wrong with a clear message, and the chapter goes on where it can."""

import ast
import builtins
import ctypes
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_core.utils import run_sync
from lab import FEW_ROWS
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from vmteach import cases
from vmteach.lab import kept as learn_kept
from vmteach.live import Answer
from vmteach.tables import read_cases

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
LIVE = [path.stem for path in NOTEBOOKS if "import live" in path.read_text() or "vmteach.live" in path.read_text()]


class Room:
    """A chapter and its kernel."""

    def __init__(self, path: Path, client: NotebookClient) -> None:
        self.path, self.client, self.cells = path, client, client.nb.cells
        self.page = True  # cells are asked for as a page does, which draws by itself

    def reads_tables_of(self, home: Path) -> None:
        """Let the chapter find the course's tables in `home`/data; it asks few of the kernel's cases."""
        first = self.cells[0]
        told = f"import pathlib, vmteach.tables\nvmteach.tables.COURSE = pathlib.Path({str(home)!r})\n"
        told += f"del pathlib, vmteach\n{FEW_ROWS}\ndel _cases"
        self.client.execute_cell(nbformat.v4.new_code_cell(told), 0, store_history=False)
        self.cells[0] = first  # nbclient has put the cell in its place

    def run(self, index: int) -> Any:
        """Run one cell; the error that it gave, or None."""
        cell = self.cells[index]
        self.client.kc.session.metadata = {"cellId": cell.get("id", "")} if self.page else {}
        try:
            self.client.execute_cell(cell, index)
        except CellExecutionError as error:
            return error
        return None

    def restart(self) -> None:
        """Restart the kernel, as the button in JupyterLab does."""
        run_sync(self.client.km.restart_kernel)(now=True)
        run_sync(self.client.kc.wait_for_ready)(timeout=60)

    def code(self) -> list[int]:
        return [i for i, cell in enumerate(self.cells) if cell.cell_type == "code"]

    def run_all(self, backwards: bool = False) -> dict[int, CellExecutionError]:
        """Run every cell, whatever the one before gave; the errors by cell."""
        order = self.code()[::-1] if backwards else self.code()
        found = {i: self.run(i) for i in order}
        return {i: error for i, error in found.items() if error}

    def shown(self) -> list[str]:
        """The text that each cell shows; a picture by its alternative text, a widget as such, cells without numbers.

        What the reader has done so far is no result: it grows when a chapter is run again.
        """
        results = (c for c in self.cells if c.cell_type == "code" and "progress()" not in c.source)
        return [re.sub(r"from cell \[\d+\]", "", text_of(c)) for c in results]

    def said(self) -> list[str]:
        """What went to stderr, where warnings go."""
        return [out.text for i in self.code() for out in self.cells[i].outputs if out.get("name") == "stderr"]


def text_of(cell: Any) -> str:
    parts = []
    for out in cell.outputs:
        data = out.get("data", {})
        page = data.get("text/html", "")
        if "application/vnd.jupyter.widget-view+json" in data:
            parts.append("widget")
        elif "<svg" in page:
            parts += re.findall(r'<figcaption.*?</figcaption>|aria-label="[^"]*"', page, re.DOTALL)
        else:
            parts.append(out.get("text") or page or data.get("text/plain", ""))
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


def code_of(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=nbformat.NO_CONVERT).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


@pytest.fixture
def few_rows(monkeypatch):
    """Scores of a few of the kernel's cases."""
    monkeypatch.setattr(cases, "read_cases", lambda table: read_cases(table)[:5])


# ---- a restart in the middle, cells out of order


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
@pytest.mark.usefixtures("few_rows")
def test_a_cell_alone_after_a_restart_names_what_is_missing(path, monkeypatch):
    """An empty kernel: each cell either needs nothing from others or says which name it lacks; never anything else."""
    monkeypatch.chdir(path.parent)
    missing = {source: missing_name(source) for source in code_of(path)}
    assert any(missing.values())
    for source, name in missing.items():
        assert not name or name in names_read(source)


def missing_name(source: str) -> str:
    """The name that a text lacks when it is run by itself, or nothing."""
    try:
        exec(compile(source, "cell", "exec"), {"__name__": "__main__"})
    except NameError as error:
        return error.name
    return ""


def names_read(source: str) -> set[str]:
    read = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    return read - set(dir(builtins))


def test_after_a_restart_the_chapter_runs_again_from_the_top(home):
    with room(home, "10_nfs_directio") as chapter:
        chapter.page = False  # pictures are compared
        assert chapter.run_all() == {}
        before = chapter.shown()
        chapter.restart()
        error = chapter.run(next(i for i in chapter.code() if "explore(" in chapter.cells[i].source))
        assert (error.ename, error.evalue) == ("NameError", "name 'ch' is not defined")
        assert chapter.run_all() == {}
        assert chapter.shown() == before


@pytest.mark.parametrize("name", ["10_nfs_directio"])
def test_cells_out_of_order_and_twice_change_no_result(home, name):
    with room(home, name) as chapter:
        chapter.page = False  # pictures are compared
        assert chapter.run_all() == {}
        before = chapter.shown()
        assert chapter.run_all(backwards=True) == {}
        assert chapter.run_all() == {}
        assert chapter.shown() == before
        assert chapter.said() == []


# ---- files


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("00_start_here", "changelog"),
        ("04_extraversion", "changelog"),
        ("08_shm_big_iron", "vmstat_storm"),
    ],
    ids=["00", "04", "08"],
)
def test_a_missing_data_file_is_named_and_the_chapter_goes_on(home, name, file):
    (home / "data" / f"{file}.csv").unlink()
    with room(home, name) as chapter:
        chapter.reads_tables_of(home)
        errors = chapter.run_all()
        first, *others = errors.values()
        assert (first.ename, f"data/{file}.csv" in first.evalue) == ("FileNotFoundError", True)
        missed = {"NameError", "FileNotFoundError"}  # what the file would have given; who reads it again
        assert {error.ename for error in others} <= missed
        assert len(errors) <= len(chapter.code()) // 4
        explorers = [i for i in chapter.code() if "explore(" in chapter.cells[i].source]
        assert name.startswith("00") or explorers
        assert not set(explorers) & errors.keys()


DAMAGE = {
    "not text": lambda text: b"\xff\xfe\x00" + text,
    "another table": lambda text: b"a,b\n1,2\n",
    "cut off": lambda text: text[: len(text) // 2],
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize(
    ("name", "file", "table"),
    [
        ("00_start_here", "changelog", "changelog"),
        ("04_extraversion", "changelog", "log"),
        ("08_shm_big_iron", "vmstat_storm", "trace"),
    ],
    ids=["00", "04", "08"],
)
def test_a_damaged_table_ends_in_an_error_where_it_is_read_and_stays_there(home, how, name, file, table):
    """No number is made of half a table; the cells that need none of it are not touched."""
    path = home / "data" / f"{file}.csv"
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    with room(home, name) as chapter:
        sources = {i: chapter.cells[i].source for i in chapter.code()}
        first = next(iter(sources))
        needing = [i for i, source in sources.items() if table in names_read(source) or f'"{table}"' in source]
        assert needing
        chapter.reads_tables_of(home)
        assert chapter.run(first) is None
        errors = {i: chapter.run(i) for i in needing}
        assert errors[needing[0]].ename == "DamagedTable"
        assert f"data/{file}.csv is damaged" in errors[needing[0]].evalue
        assert {error.ename for error in errors.values() if error} <= {"DamagedTable", "NameError"}
        explorers = [i for i, source in sources.items() if "explore(" in source]
        assert all(chapter.run(i) is None for i in explorers)


READER = """
import errno, json, os, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import nbformat
from nbclient import NotebookClient
refused = None
try:
    Path.home().joinpath("new").write_bytes(bytes(1 << 20))
except OSError as error:
    refused = errno.errorcode[error.errno]
notebook = nbformat.read(sys.argv[1], as_version=4)
source = "from vmteach.lab import kept as learn_kept\\nlearn_kept.keep('nfs_directio', 'recall', 'one', right=True)"
notebook.cells.append(nbformat.v4.new_code_cell(source))
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
said = [out.text for cell in notebook.cells for out in cell.get("outputs", ()) if out.get("name") == "stderr"]
kept = {path.name: path.read_text() for path in Path.home().glob(".local/share/vmteach/*")}
print("@" + json.dumps({"refused": refused, "said": said, "kept": kept}))
"""


def read_chapter_10(
    notebooks: Path, home: Path, settings: Path, before: tuple[str, ...] = (), **how: Any
) -> dict[str, Any]:
    """What a reader is told whose own files are in `home`; Jupyter's are in `settings`."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "VMTEACH", "XDG"))}
    own = ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "MPLCONFIGDIR", "TMPDIR")
    environment |= {"HOME": str(home), **{key: str(settings) for key in own}}
    command = [*before, sys.executable, "-c", READER, str(notebooks / "10_nfs_directio.ipynb")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, **how)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.rpartition("@")[2])


def without_powers() -> None:
    """Take root's powers from the process that is about to start: modes of files then count for it too."""
    drop_from_bounding_set, capabilities = 24, 41
    for capability in range(capabilities):
        ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="root's powers are taken away in Linux's way")
def test_a_read_only_checkout_and_home(home, tmp_path_factory):
    """The chapter runs, writes nothing, and says what is not kept."""
    everything = [home, *home.rglob("*")]
    before = {path: path.stat().st_mtime_ns for path in everything}
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        settings = tmp_path_factory.mktemp("settings")
        told = read_chapter_10(home / "notebooks", home, settings, cwd=home / "notebooks", preexec_fn=without_powers)
        after = {path: path.stat().st_mtime_ns for path in (home, *home.rglob("*"))}
    finally:
        for path in everything:
            path.chmod(0o755)
    assert told["refused"] == "EACCES"
    assert told["said"]
    assert all("The chapter works without it" in text for text in told["said"])
    assert after == before


def own_mounts() -> tuple[str, ...]:
    """The command that gives a process mounts of its own, which end with it; nothing where that is not allowed."""
    command = ("unshare", "--mount", *(() if hasattr(os, "geteuid") and os.geteuid() == 0 else ("--map-root-user",)))
    try:
        mounted = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, timeout=20)
    except OSError:
        return ()
    return () if mounted.returncode else command


def test_a_full_disk_for_real(tmp_path, tmp_path_factory):
    """A home of 256 KiB without a byte left: the chapter runs, says what is not kept, and the file is still whole."""
    if not (command := own_mounts()):
        pytest.skip("this needs Linux and the right to mount a small disk")
    kept = '{"version": 1, "chapters": {"mremap": {"recall": {"one": {"right": true}}}}}'
    disk = 'mount -t tmpfs -o size=256k none "$HOME" && mkdir -p "$HOME/.local/share/vmteach" && '
    disk += 'printf %s "$0" > "$HOME/.local/share/vmteach/progress.json" && cd "$HOME" && exec "$@"'
    settings = tmp_path_factory.mktemp("settings")
    told = read_chapter_10(ROOT / "notebooks", tmp_path, settings, (*command, "sh", "-c", disk, kept))
    assert told["refused"] == "ENOSPC"
    assert told["kept"] == {"progress.json": kept}
    assert "No space left on device" in told["said"][-1]
    assert "The chapter works without it" in told["said"][-1]
    assert list(tmp_path.iterdir()) == []  # the disk is gone with its process


# ---- progress


def test_a_progress_file_of_a_newer_version_does_not_stop_a_chapter(home):
    file = home / "progress.json"
    file.write_text(newer := '{"version": 99, "chapters": {}, "more": 1}')
    with room(home, "10_nfs_directio") as chapter:
        assert chapter.run_all() == {}
        said = "".join(chapter.said())
    assert "is of a newer version (99)" in said
    assert "The chapter works without it" in said
    assert file.read_text() == newer


def test_a_full_disk_costs_a_warning_and_leaves_the_old_file_whole(tmp_path, monkeypatch):
    file = tmp_path / "progress.json"
    monkeypatch.setenv("VMTEACH_PROGRESS", str(file))
    learn_kept.keep("mremap", "recall", "one", right=True)
    kept = file.read_bytes()

    @contextmanager
    def full(handle: int, *how: Any, **more: Any) -> Iterator[Any]:
        """A file that takes some of it, and then no more."""
        os.write(handle, b'{"version": 1, "cha')
        os.close(handle)
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    with monkeypatch.context() as disk:
        disk.setattr(learn_kept.os, "fdopen", full)
        with pytest.warns(UserWarning, match=r"No space left on device.*The chapter works without it"):
            learn_kept.keep("mremap", "recall", "two", right=True)
    assert file.read_bytes() == kept
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]
    assert learn_kept.entry("mremap", "recall", "two")["right"] is True  # remembered
    learn_kept.keep("mremap", "recall", "three", right=True)  # there is room again: nothing is lost
    assert set(json.loads(file.read_text())["chapters"]["mremap"]["recall"]) == {"one", "two", "three"}


# ---- another system


def run_here(path: Path, change: Callable[[], None]) -> list[Answer]:
    """Run a chapter's cells in this process, with a change after the imports; its experiments' answers."""
    first, *others = code_of(path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(first, path.name, "exec"), namespace)
    change()
    for source in others:
        exec(compile(source, path.name, "exec"), namespace)
    values = [each for value in namespace.values() for each in (value if isinstance(value, list) else [value])]
    return [value for value in values if isinstance(value, Answer)]


ANYWHERE = {"06_ncpfs"}  # its experiment asks the file system for long names, which every system has


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("name", LIVE)
def test_without_linux_the_experiments_say_so_and_the_chapter_goes_on(name, monkeypatch):
    path = ROOT / "notebooks" / f"{name}.ipynb"
    monkeypatch.chdir(path.parent)
    answers = run_here(path, lambda: monkeypatch.setattr(sys, "platform", "darwin"))
    assert answers
    assert {answer.ran for answer in answers} == {name in ANYWHERE}
    assert all(answer.ran or "Linux" in answer.why for answer in answers)


@pytest.mark.usefixtures("few_rows")
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there is no root here")
def test_without_root_the_loop_device_is_not_tried_and_the_chapter_goes_on(monkeypatch):
    path = ROOT / "notebooks" / "01_blkdev_eof.ipynb"
    monkeypatch.chdir(path.parent)
    (answer,) = run_here(path, lambda: monkeypatch.setattr(os, "geteuid", lambda: 1000))
    assert not answer.ran
    assert "root" in answer.why
