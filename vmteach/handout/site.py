"""The course as a folder for any static server, or a disk: front door, handouts, search, teachers' pages, live course.

    vmteach site [--target site] [--no-lite] [--jobs 2]

source      the handouts; docs/ for the teacher's pages (a checkout has it); lite.py for the kernel in the browser
left out    a server: nothing here asks another host, and nothing is counted
"""

import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path

from vmteach.figures.sweep import bar
from vmteach.handout import BuildError, build
from vmteach.handout.front import front, plain_page, title_of
from vmteach.handout.lite import PYODIDE, licences, runtime_script
from vmteach.handout.lite import build as build_lite
from vmteach.handout.search import search
from vmteach.handout.source import source_pages
from vmteach.handout.template import macros
from vmteach.tables import COURSE

# Pages of docs/, in the order of the front door.
PAGES = ("teachers", "syllabus", "outcomes", "accessibility", "where", "claims", "cases", "reclaim-rules")
LIVE = "lite/lab/index.html?path=notebooks/00_start_here.ipynb"


def site(target: Path, lite: bool = True, jobs: int = 1, source: Path = COURSE / "notebooks") -> list[Path]:
    """Build the site from these notebooks; the files that were written at its top. BuildError says what is missing."""
    target.mkdir(parents=True, exist_ok=True)
    if lite:
        runtime_script(target)
    written = documents(target, sorted(source.glob("*.ipynb")))
    build((), source, target, jobs=jobs, tell=bar)
    chapters = sorted(target.glob("[0-9][0-9]_*.html"))
    written.append(search(target, [*chapters, *written]))
    notebooks(source, target)
    if lite:
        build_lite(target / "lite")
        written.append(_notices(target))
    written.append(front(target, [path.stem for path in chapters], _below(source, written, lite)))
    return written


def documents(target: Path, notebooks: Iterable[Path] = ()) -> list[Path]:
    """The teacher's pages, from their Markdown, and the modules that they or these notebooks link to."""
    from vmteach.handout.page import Body

    there = [name for name in PAGES if (COURSE / "docs" / f"{name}.md").is_file()]
    modules = source_pages(target, [*notebooks, *(COURSE / "docs" / f"{name}.md" for name in there)])
    written, beside = [], [*there, *(file.stem for file in modules)]
    for name in there:
        body = Body(beside=beside)
        text = body.prose((COURSE / "docs" / f"{name}.md").read_text(encoding="utf-8"), name)
        written.append(plain_page(target / f"{name}.html", body.title, text, body.contents()))
    return [*written, *modules]


def notebooks(source: Path, target: Path) -> None:
    """The notebooks to download, with their pictures: each one, and all in an archive."""
    folder = target / "notebooks"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".*"))
    shutil.make_archive(str(target / "notebooks"), "zip", target, "notebooks")


def _notices(target: Path) -> Path:
    """NOTICES.html: what the live course is made of, and under which licences."""
    body = macros("pages").notices(PYODIDE, licences(target / "lite"))
    return plain_page(target / "NOTICES.html", "Notices", body)


def _below(source: Path, written: Iterable[Path], lite: bool) -> str:
    """What stands below the cards: the live course, the notebooks as files, the teacher's pages."""
    files = [path.name for path in sorted(source.glob("*.ipynb"))]
    return str(macros("pages").more(lite and LIVE, files, [(file.name, title_of(file)) for file in written]))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of `vmteach site`."""
    parser = ArgumentParser(prog="vmteach site", description="Build the course as a folder.")
    parser.add_argument("--target", type=Path, default=Path("site"), help="the folder to write to")
    parser.add_argument("--no-lite", action="store_true", help="without the kernel in the browser (60 MB less)")
    parser.add_argument("--jobs", type=int, default=2, help="chapters at a time")
    given = parser.parse_args(arguments)
    try:
        site(given.target, lite=not given.no_lite, jobs=given.jobs)
    except (BuildError, ValueError) as trouble:
        sys.stderr.write(f"\nNo site: {trouble}\n")
        return 1
    sys.stdout.write(f"{given.target / 'index.html'}\n")
    return 0
