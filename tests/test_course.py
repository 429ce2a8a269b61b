"""The table of the course."""

import json
from pathlib import Path

from vmteach.course import CHAPTERS, levels
from vmteach.figures.course import graph
from vmteach.patches import STEMS

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def test_every_entry_has_a_chapter_in_the_order_of_the_announcement():
    wanted = "vmteach/course.py must have a row for each of STEMS (vmteach/patches/__init__.py), in their order"
    assert tuple(CHAPTERS) == STEMS, wanted
    assert [chapter.number for chapter in CHAPTERS.values()] == list(range(1, len(STEMS) + 1))


def test_the_start_leads_to_every_chapter():
    """To those of the announcement by its table; to one of another announcement by a link in the text."""
    announced = (NOTEBOOKS.parent / "data" / "changelog.csv").read_text(encoding="utf-8")
    cells = json.loads((NOTEBOOKS / "00_start_here.ipynb").read_text(encoding="utf-8"))["cells"]
    start = "".join(line for cell in cells for line in cell["source"])
    for stem, chapter in CHAPTERS.items():
        link = f"[{chapter.title}]({chapter.notebook})"
        assert f",{stem}," in announced or link in start, f"notebooks/00_start_here.ipynb: no text has the link {link}"


def test_a_chapter_stands_after_what_it_needs():
    depth = {chapter.stem: i for i, level in enumerate(levels()) for chapter in level}
    assert all(depth[need] < depth[chapter.stem] for chapter in CHAPTERS.values() for need in chapter.needs)


def test_the_graph_tells_every_need():
    alt = graph().alt
    assert all(CHAPTERS[need].title in alt for chapter in CHAPTERS.values() for need in chapter.needs)


def test_notebooks_belong_to_chapters():
    known = {chapter.notebook for chapter in CHAPTERS.values()} | {"00_start_here.ipynb"}
    strangers = {path.name for path in NOTEBOOKS.glob("*.ipynb")} - known
    assert not strangers, f"vmteach/course.py has no row for {', '.join(strangers)}"
