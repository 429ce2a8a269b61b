"""The front door of the handouts: a card a chapter, and what this browser has kept of each."""

import html
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from os import environ
from pathlib import Path
from time import time

from vmteach import __version__
from vmteach.course import CHAPTERS

HOME = '<a href="index.html">All chapters</a> · <a href="search.html">Search</a>'
MINUTES = re.compile(r"\b(\d+) (?:min\b|minutes)")


def today() -> str:
    """The day of the build; SOURCE_DATE_EPOCH says another one, for builds that are to be repeated."""
    stamp = float(environ.get("SOURCE_DATE_EPOCH", time()))
    return f"{datetime.fromtimestamp(stamp, UTC):%d %B %Y}".lstrip("0")


def head_of(file: Path) -> str:
    """The beginning of a page: its build, its title."""
    with file.open(encoding="utf-8") as text:
        return text.read(8000)


def title_of(file: Path) -> str:
    """A page's title without the course's name."""
    found = re.search(r"<title>(.*?) · vmteach</title>", head_of(file))
    return html.unescape(found[1]) if found else file.stem


def front(target: Path, names: Sequence[str], more: str = "") -> Path:
    """Write index.html: a card for each handout that is there; `more` is HTML below the cards."""
    files = [file for name in names if (file := target / f"{name}.html").exists()]
    cards = "".join(map(card, files))
    body = (
        "<h1>A kernel changelog as a course</h1>\n"
        "<p>Twelve changes to a Linux kernel of February 2004, each a lesson: what went wrong, why, and what the patch "
        "does. Begin with chapter 8, the storm, or with chapter 1, the plainest. Each page is one file. It needs no "
        "server and no network, its controls work, and it can be printed.</p>\n"
        f'<ul class="cards">{cards}</ul>\n{more}'
    )
    return plain_page(target / "index.html", "A kernel changelog as a course", body, live=True, links=HOME)


def plain_page(file: Path, title: str, body: str, contents: str = "", *, live: bool = False, links: str = HOME) -> Path:
    """Write a page that is no chapter."""
    from vmteach.handout.page import page

    facts = {"version": __version__, "date": today(), "key": file.stem, "where": "", "links": links}
    text = page(f"{title} · vmteach", body, facts, contents, live=live)
    file.write_text(text, encoding="utf-8", newline="\n")
    return file


def card(file: Path) -> str:
    """The card of a handout: title, one line, minutes."""
    chapter = CHAPTERS.get(file.stem[3:])
    about = f"<p>{html.escape(chapter.idea)}</p>" if chapter else "<p>how a chapter is read</p>"
    found = MINUTES.search(re.sub(r"<[^>]+>", " ", file.read_text(encoding="utf-8").partition("<main")[2][:6000]))
    minutes = f'<p class="minutes">{found[1]} minutes</p>' if found else ""
    wide = "" if chapter else ' class="wide"'
    return (
        f'<li data-page="{file.name}"{wide}><h2><a href="{file.name}">{html.escape(title_of(file))}</a></h2>'
        f"{about}{minutes}</li>\n"
    )
