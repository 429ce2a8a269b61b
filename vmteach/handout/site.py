"""The course as a folder for any static server, or a disk: front door, handouts, search, teachers' pages, live course.

    vmteach site [--target site] [--no-lite] [--jobs 2]

source      the handouts; docs/ for the teacher's pages (a checkout has it); lite.py for the kernel in the browser
left out    a server: nothing here asks another host, and nothing is counted
"""

import html
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from vmteach.handout import BuildError, build
from vmteach.handout.front import front, plain_page, title_of
from vmteach.handout.lite import PYODIDE, licences, runtime_script
from vmteach.handout.lite import BuildError as LiteError
from vmteach.handout.lite import build as build_lite
from vmteach.tables import COURSE

PAGES = ("teachers", "syllabus", "outcomes", "accessibility", "where", "claims", "cases")  # of docs/


def site(target: Path, lite: bool = True, jobs: int = 1) -> list[Path]:
    """Build the site; the files that were written at its top. BuildError says what is missing."""
    target.mkdir(parents=True, exist_ok=True)
    if lite:
        runtime_script(target)
    build(target=target, jobs=jobs, tell=_say)
    written = [*_documents(target), _search(target)]
    _notebooks(target)
    if lite:
        build_lite(target / "lite")
        written.append(_notices(target))
    written.append(front(target, [path.stem for path in _chapters(target)], _below(written, lite)))
    return written


def _chapters(target: Path) -> list[Path]:
    return sorted(target.glob("[0-9][0-9]_*.html"))


def _documents(target: Path) -> list[Path]:
    """The teacher's pages, from their Markdown; none where there is no docs/."""
    from vmteach.handout.page import Body

    written = []
    for name in PAGES:
        source = COURSE / "docs" / f"{name}.md"
        if not source.is_file():
            continue
        body = Body()
        text = body.prose(source.read_text(encoding="utf-8"), name)
        written.append(plain_page(target / f"{name}.html", body.title, text, body.contents()))
    return written


def sections(file: Path) -> Iterable[dict[str, str]]:
    """What a search finds in a page: each section's address, heading and words."""
    main = re.search(r"<main.*?</main>", file.read_text(encoding="utf-8"), re.S)
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", main[0] if main else "", flags=re.S)
    text = text.partition('<section class="answers"')[0]
    parts = re.split(r'<h2[^>]*\bid="([^"]+)"[^>]*>(.*?)</h2>', text, flags=re.S)
    yield {"at": file.name, "title": title_of(file), "words": _words(parts[0])}
    for key, heading, words in zip(parts[1::3], parts[2::3], parts[3::3]):
        yield {"at": f"{file.name}#{key}", "title": f"{title_of(file)}: {_words(heading)}", "words": _words(words)}


def _words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def _search(target: Path) -> Path:
    """search.html: the words of all chapters in the page, and a field."""
    from vmteach.handout.page import as_json

    found = [one for file in _chapters(target) for one in sections(file)]
    body = (
        "<h1>Search the course</h1>\n"
        '<p><label for="words">Words, all of which are to be found</label> <input type="search" id="words"></p>\n'
        f'<p id="count" role="status"></p>\n<ol id="found"></ol>\n<script type="application/json" id="index">'
        f"{as_json(found)}</script>"
    )
    return plain_page(target / "search.html", "Search", body, live=True)


def _notebooks(target: Path) -> None:
    """The notebooks to download, with their pictures."""
    shutil.rmtree(target / "notebooks", ignore_errors=True)
    shutil.copytree(COURSE / "notebooks", target / "notebooks", ignore=shutil.ignore_patterns(".*"))


def _notices(target: Path) -> Path:
    """NOTICES.html: what the live course is made of, and under which licences."""
    rows = "".join(
        f'<tr><th scope="row">{"</th><td>".join(map(html.escape, row))}</td></tr>' for row in licences(target / "lite")
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("package", "version", "licence"))
    body = (
        "<h1>What the live course is made of</h1>\n"
        f"<p>Pyodide {PYODIDE}, the Python that runs in the browser, is under the Mozilla Public License 2.0 and is "
        f"passed on unchanged. Its source is the repository pyodide/pyodide, tag {PYODIDE}. CPython's standard library "
        "in it is under the PSF License. JupyterLite and JupyterLab are under the BSD 3-Clause License; the licences of"
        " their scripts lie in lite/build/third-party-licenses.json.</p>\n"
        '<div class="table" tabindex="0" role="group" aria-label="Packages"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    return plain_page(target / "NOTICES.html", "Notices", body)


def _below(written: Iterable[Path], lite: bool) -> str:
    """What stands below the cards: search, the live course, notebooks, the teacher's pages."""
    links = [f'<li><a href="{file.name}">{html.escape(title_of(file))}</a></li>' for file in written]
    start = "lite/lab/index.html?path=notebooks/00_start_here.ipynb"
    live = f'<li><a href="{start}">The notebooks, live in your browser</a></li>'
    files = '<li><a href="notebooks/00_start_here.ipynb">The notebooks as files</a> (right click: save)</li>'
    return f"<h2>More</h2>\n<ul>{live if lite else ''}{files}{''.join(links)}</ul>"


def _say(text: str, done: int, of: int) -> None:
    if text:
        sys.stderr.write(f"{done} of {of}  {text}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of `vmteach site`."""
    from argparse import ArgumentParser

    parser = ArgumentParser(prog="vmteach site", description="Build the course as a folder.")
    parser.add_argument("--target", type=Path, default=Path("site"), help="the folder to write to")
    parser.add_argument("--no-lite", action="store_true", help="without the kernel in the browser (60 MB less)")
    parser.add_argument("--jobs", type=int, default=2, help="chapters at a time")
    given = parser.parse_args(arguments)
    try:
        site(given.target, lite=not given.no_lite, jobs=given.jobs)
    except (BuildError, LiteError, ValueError) as trouble:
        sys.stderr.write(f"\nNo site: {trouble}\n")
        return 1
    sys.stdout.write(f"{given.target / 'index.html'}\n")
    return 0
