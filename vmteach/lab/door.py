"""The front door: twelve cards, in the first cell of 00_start_here and in `progress()`.

A Markdown cell of JupyterLab keeps this much HTML: grids, borders, links, an image. The cell is written by
`python scripts/door.py`, and a test holds it to what `front_door()` says.
"""

import json
import re
from collections.abc import Mapping
from html import escape

from vmteach.course import CHAPTERS, Chapter, levels
from vmteach.lab.table import Table
from vmteach.tables import COURSE

NOTEBOOKS = COURSE / "notebooks"
START = "shm_big_iron"  # where a reader begins
DONE, STARTED, TO_DO = "done", "started", "to do"
_GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:8px;margin:8px 0"
_CARD = "border:1px solid #8A9097;border-radius:8px;padding:6px 10px;line-height:1.3;font-size:13px"
_OF_STATE = {
    DONE: "border:2px solid #247C69",
    STARTED: "border:2px solid #8A9097",
    "start here": "border:2px solid #0B5CAD",
}
MINUTES = re.compile(r"\*\*(\d+) min\*\*")  # as a chapter's first cell says them


def front_door() -> str:
    """The Markdown of the first cell: the story in three sentences, its picture, the path, the cards."""
    ways = " · ".join(_way(chapter) for chapter in CHAPTERS.values() if chapter.needs)
    begin = f"**Start: [8, the storm]({CHAPTERS[START].notebook})**, or [1]({CHAPTERS['blkdev_eof'].notebook})"
    return "\n\n".join(
        (
            "# One kernel changelog, twelve chapters",
            _STORY,
            f'<img src="pictures/00_start_here.svg" alt="{escape(_PICTURE)}" width="800">',
            f"{begin}, the plainest. Read before: {ways}. **Shift+Enter** runs a cell. No network is needed.",
            cards(),
        )
    )


_STORY = (
    "In 2004 a big database server stood still for dozens of minutes: it reserved gigabytes of swap and wrote none of "
    "it. One of twelve patches in a list repaired that; the others repair a comparison, a missing check, the order of "
    "two locks. **Take each one apart: run it, vary it, break it.**"
)
_PICTURE = "Swap reserved rises to 4.6 GiB in half a minute of the announcement's trace; swap written stays near zero."


def _way(chapter: Chapter) -> str:
    """What to read before a chapter, by numbers."""
    return f"{' + '.join(str(CHAPTERS[need].number) for need in chapter.needs)} → {chapter.number}"


def cards(states: Mapping[str, str] | None = None) -> str:
    """The chapters as cards that link to their notebooks; `states` says of some that they are done or started.

    >>> cards().count("<a href=")
    12
    """
    shown = "\n".join(_card(chapter, (states or {}).get(chapter.stem, "")) for chapter in CHAPTERS.values())
    return f'<div style="{_GRID}">\n{shown}\n</div>'


def _card(chapter: Chapter, state: str) -> str:
    said = state or ("start here" if chapter.stem == START else "")
    border = _OF_STATE.get(said, "")
    time = minutes(chapter.stem)
    below = " · ".join(filter(None, [f"{time} min" if time else "", f"<strong>{said}</strong>" if border else said]))
    return (
        f'<div style="{_CARD}{";" * bool(border)}{border}">'
        f'<a href="{chapter.notebook}"><strong>{chapter.number} {escape(chapter.title)}</strong></a>'
        f"<br>{escape(chapter.idea)}<br>{below}</div>"
    )


def minutes(stem: str) -> int:
    """The minutes that a chapter's first cell names; 0 where the notebooks are not at hand.

    >>> 25 <= minutes("shm_big_iron") <= 60
    True
    """
    path = NOTEBOOKS / CHAPTERS[stem].notebook
    if not path.is_file():
        return 0
    first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    found = MINUTES.search(first)
    return int(found[1]) if found else 0


def reading_order() -> Table:
    """The chapters, each after those that it builds on, with what those are.

    >>> reading_order().rows[-1][::2]
    ['4 The craft of a patch set', '2 The byte after the buffer']
    """
    rows = [
        [f"{c.number} {c.title}", c.idea, ", ".join(f"{CHAPTERS[n].number} {CHAPTERS[n].title}" for n in c.needs)]
        for level in levels()
        for c in level
    ]
    return Table(["chapter", "its idea", "read first"], rows)
