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
from vmteach.handout.template import macros

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
    body = macros("pages").front("".join(map(card, files)), more)
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
    found = MINUTES.search(re.sub(r"<[^>]+>", " ", file.read_text(encoding="utf-8").partition("<main")[2][:6000]))
    return str(macros("pages").card(file.name, title_of(file), CHAPTERS.get(file.stem[3:]), found and found[1]))
