"""Handouts: every chapter as one HTML file that works from disk, without a server, a network or a kernel.

    vmteach handouts [--force] [--jobs 2] [NAME ...]

runs the notebooks and writes handouts/NAME.html and handouts/index.html. A chapter whose notebook, library, data
and versions are those of its handout is not built again. A cell that raises stops the build, and is named.

A chapter's author may say how many runs an explorer stores, in the metadata of its cell: `{"vmteach": {"runs": 500}}`.
"""

import hashlib
import html
import json
import os
import re
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from vmteach import __version__
from vmteach.course import CHAPTERS
from vmteach.figures.sweep import bar
from vmteach.handout.front import HOME, front, head_of, title_of, today
from vmteach.handout.search import search
from vmteach.handout.source import source_pages
from vmteach.run import one_of
from vmteach.tables import COURSE

LIBRARY = Path(__file__).resolve().parent.parent
HEAVIEST = 2_000_000  # bytes of a handout
LONGEST = "shm_big_iron"  # takes as long as all others together, and begins first
RUNTIME = "runtime.js"  # beside live handouts: see lite.py
EDITIONS = ("student", "teacher", "solved")
PACKAGES = ("anywidget", "bleach", "ipython", "jinja2", "latex2mathml", "nbclient", "nbconvert", "pandas")
BEGIN = "import vmteach.handout.bundles; vmteach.handout.bundles.begin(); del vmteach"
LOADED = "print(*sorted(name for name in __import__('sys').modules if name.startswith('vmteach.')))"
LISTS = "__import__('vmteach.handout.bundles', fromlist=['bundles']).author_lists(**__import__('json').loads({!r}))"


class Built(NamedTuple):
    """A handout: where it is, its title, its size in bytes, and whether and how long it was built."""

    file: Path
    title: str
    size: int
    anew: bool
    seconds: float


class BuildError(Exception):
    """What cannot be built: the message names the chapter, the cell and the error, or what is missing."""


class How(NamedTuple):
    """Whether what has not changed is built too, and whether pages hold solutions to unfold."""

    force: bool = False
    answers: bool = True


USUAL = How()
Tell = Callable[[int, int, str], None]


def build(
    names: Iterable[str] = (),
    source: Path | None = None,
    target: Path | None = None,
    how: How = USUAL,
    jobs: int = 1,
    tell: Tell = lambda done, of, what: None,
) -> list[Built]:
    """The handouts of these notebooks (all, where none is named), an index of all that there are, and a search.

    `tell` hears how many are done, of how many, and the chapter under way.
    """
    source, target = source or COURSE / "notebooks", target or Path("handouts")
    if not source.is_dir():
        raise BuildError(f"there are no notebooks in {source}/: for another edition run `make editions` first")
    there = {path.stem: path for path in sorted(source.glob("[0-9][0-9]_*.ipynb"))}
    for name in names:
        one_of("chapter", name, tuple(there))
    target.mkdir(parents=True, exist_ok=True)
    wanted = sorted((there[name] for name in (list(names) or there)), key=lambda path: path.stem[3:] != LONGEST)
    source_pages(target, wanted)
    make = partial(build_one, target=target, names=tuple(there), how=how)
    built = _in_a_row(make, wanted, tell) if jobs == 1 else _side_by_side(make, wanted, tell, jobs)
    tell(len(wanted), len(wanted), "")
    search(target, sorted(target.glob("[0-9][0-9]_*.html")))
    front(target, tuple(there))
    return sorted(built)


def _in_a_row(make: Callable[[Path], Built], wanted: Sequence[Path], tell: Tell) -> list[Built]:
    built: list[Built] = []
    for path in wanted:
        tell(len(built), len(wanted), path.stem)
        built.append(make(path))
    return built


def _side_by_side(make: Callable[[Path], Built], wanted: Sequence[Path], tell: Tell, jobs: int) -> list[Built]:
    built: list[Built] = []
    with ProcessPoolExecutor(jobs) as pool:
        running: dict[Future[Built], str] = {pool.submit(make, path): path.stem for path in wanted}
        try:
            for future in as_completed(running):
                built.append(future.result())
                tell(len(built), len(wanted), running[future])
        except BuildError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return built


def build_one(notebook: Path, target: Path, names: Sequence[str] = (), how: How = USUAL) -> Built:
    """One handout; what is there already stays if nothing that it is made of has changed."""
    from vmteach.handout.page import handout

    began, file = time.monotonic(), target / f"{notebook.stem}.html"
    runtime = "runtime" if (target / RUNTIME).exists() else ""
    beside = " ".join(sorted({page.stem for page in target.glob("[a-z]*.html")} - {"index", "search"}))  # in a site
    more = f"{'' if how.answers else ' no answers'} {runtime} {beside}".rstrip()
    head = "" if how.force or not file.exists() else head_of(file)
    if head and _meta(head, "vmteach-build") == key_of(notebook, _meta(head, "vmteach-modules")) + more:
        return Built(file, title_of(file), file.stat().st_size, False, time.monotonic() - began)
    ran = execute(notebook, how.answers)
    modules = ran.metadata["vmteach"]["modules"]
    facts = {"version": __version__, "date": today(), "key": key_of(notebook, modules) + more, "modules": modules}
    facts |= {"runtime": runtime, "stem": notebook.stem[3:]}
    facts |= {"answers": "yes" if how.answers else "", "beside": beside, **_place(notebook.stem, names)}
    try:
        title, text = handout(ran, facts)
        _put(file, text.encode())
    except ValueError as trouble:
        raise BuildError(f"{notebook.name}: {trouble}") from trouble
    return Built(file, title, file.stat().st_size, True, time.monotonic() - began)


def _put(file: Path, data: bytes) -> None:
    """Write a handout in one step; ValueError where it is too heavy."""
    if len(data) > HEAVIEST:
        raise ValueError(f"the handout has {len(data):,} bytes, more than {HEAVIEST:,}")
    unfinished = file.with_suffix(".part")
    unfinished.write_bytes(data)
    unfinished.replace(file)


def key_of(notebook: Path, modules: str = "") -> str:
    """A hash of all that a handout is made of: the modules that its cells loaded, and what every page is made of."""
    parts = hashlib.sha256(notebook.read_bytes())
    for path in sorted(set(_made_of(notebook, modules.split()))):
        if path.is_file() and "__pycache__" not in path.parts:
            parts.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    parts.update(json.dumps([sys.version_info[:3], [version(package) for package in PACKAGES]]).encode())
    return parts.hexdigest()


def _made_of(notebook: Path, modules: Sequence[str]) -> Iterator[Path]:
    """The files besides the notebook, and perhaps some that are not there."""
    for name in modules:
        base = LIBRARY.parent.joinpath(*name.split("."))
        yield from (base.with_suffix(".py"), base / "__init__.py", base.with_suffix(".md"))
    for room in ("handout", "lab", "live", "figures/page"):
        yield from (LIBRARY / room).rglob("*.*")
    for kind in ("csv", "gz", "jsonl"):
        yield from (COURSE / "data").rglob(f"*.{kind}")
    yield from (COURSE / "notebooks" / "pictures").glob(f"{notebook.stem}*")


def _meta(head: str, name: str) -> str:
    """What the beginning of a page says under this name."""
    found = re.search(f'<meta name="{name}" content="([^"]*)">', head)
    return found[1] if found else ""


# ---- running


def execute(notebook: Path, answers: bool = True) -> Any:
    """The notebook with the outputs of a fresh kernel, in which explorers answer with their stored runs.

    Its metadata tell the modules of the library that its cells loaded.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    read = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    resources = {"metadata": {"path": str(notebook.parent)}}
    # A kernel warns, for each chapter, that messages are not encrypted on their way from this machine to itself.
    silent = ["--log-level=ERROR"]
    client = NotebookClient(
        read, timeout=900, kernel_name="python3", extra_arguments=silent, resources=resources, store_widget_state=False
    )
    with tempfile.TemporaryDirectory() as scratch, client.setup_kernel(env=_environment(Path(scratch), answers)):
        _quietly(client, BEGIN)
        listed: Any = None
        for index, cell in enumerate(read.cells):
            asks = cell.metadata.get("vmteach", {})
            if cell.cell_type == "code" and asks != (listed or {}):
                _quietly(client, LISTS.format(json.dumps(asks)), f"{notebook.name}: cell {cell.id}")
                listed = asks
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as trouble:
                raise BuildError(f"{notebook.name}: cell {cell.id} raised {trouble.ename}: {trouble.evalue}") from None
            except (CellTimeoutError, DeadKernelError) as trouble:
                raise BuildError(f"{notebook.name}: cell {cell.id}: {trouble}") from None
        read.metadata["vmteach"] = {"modules": _quietly(client, LOADED)}
    return read


def _quietly(client: Any, code: str, where: str = "the kernel") -> str:
    """Run code that is no cell of the notebook, and return what it prints."""
    from nbclient.exceptions import CellExecutionError
    from nbformat.v4 import new_code_cell

    first = client.nb.cells[0]
    try:
        ran = client.execute_cell(new_code_cell(code), 0, store_history=False)  # type: ignore[no-untyped-call]
    except CellExecutionError as trouble:
        raise BuildError(f"{where}: {trouble.ename}: {trouble.evalue}") from None
    finally:
        client.nb.cells[0] = first  # nbclient has put the code in its place
    return "".join(output.get("text", "") for output in ran.outputs).strip()


def _environment(scratch: Path, answers: bool) -> dict[str, str]:
    """For a kernel that has none of the author's settings and none of the author's answers."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MPL"))}
    hidden = {} if answers else {"VMTEACH_SOLUTIONS": "hidden"}
    return {**mine, **hidden, "IPYTHONDIR": str(scratch), "VMTEACH_PROGRESS": str(scratch / "progress.json")}


# ---- the frame


def _place(name: str, names: Sequence[str]) -> dict[str, str]:
    """Where a chapter stands in the course, and the links to its neighbours."""
    chapter = CHAPTERS.get(name[3:])
    where = f" · chapter {chapter.number} of {len(CHAPTERS)}" if chapter else ""
    at = names.index(name) if name in names else 0
    beside = (("Previous", names[:at][-1:]), ("Next", names[at + 1 :][:1]))
    links = (
        f'<span class="beside"> · <a href="{name}.html">{word}: {html.escape(_spoken(name))}</a></span>'
        for word, found in beside
        for name in found
    )
    return {"where": where, "links": HOME + "".join(links)}


def _spoken(name: str) -> str:
    chapter = CHAPTERS.get(name[3:])
    return chapter.title if chapter else name[3:].replace("_", " ").capitalize()


# ---- the command


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of the command line."""
    from vmteach.handout.lite import runtime_script

    parser = ArgumentParser(prog="vmteach handouts", description="Build the HTML handouts.")
    parser.add_argument("names", nargs="*", help="notebooks without .ipynb, such as 08_shm_big_iron; all by default")
    parser.add_argument(
        "--target", type=Path, help="the folder to write to; handouts, or a folder of the edition's in it"
    )
    parser.add_argument("--edition", choices=EDITIONS, default="student")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="chapters at a time")
    parser.add_argument("--force", action="store_true", help="build what has not changed, too")
    parser.add_argument("--no-answers", action="store_true", help="for a class: no page holds a solution")
    parser.add_argument("--live", action="store_true", help="put Python beside the pages, 20 MB: they get a switch")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        if given.live:
            runtime_script(given.target or Path("handouts"))
        how = How(given.force, not given.no_answers)
        with _bytecode():
            built = build(given.names, *_folders(given.edition, given.target), how, given.jobs, bar)
    except (BuildError, ValueError) as trouble:
        sys.stderr.write(f"\nNo handout: {trouble}\n")
        return 1
    for one in built:
        took = f"{one.seconds:5.1f} s" if one.anew else "unchanged"
        sys.stdout.write(f"{one.file.name:32} {one.size / 1000:6,.0f} kB  {took}\n")
    sys.stdout.write(
        f"{len(built)} handouts and index.html in {time.monotonic() - began:.0f} s: {built[0].file.parent}\n"
    )
    return 0


@contextmanager
def _bytecode() -> Iterator[None]:
    """Who wants no bytecode beside sources gets it in a folder that goes: else each kernel compiles every package."""
    if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
        yield
        return
    before = os.environ.copy()
    with tempfile.TemporaryDirectory() as folder:
        del os.environ["PYTHONDONTWRITEBYTECODE"]
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _folders(edition: str, target: Path | None) -> tuple[Path | None, Path | None]:
    """Where an edition's notebooks are and its handouts go; the student's are made from the notebooks as they are."""
    if edition == "student":
        return None, target
    return Path("editions", edition, "notebooks"), target or Path("handouts", edition)
