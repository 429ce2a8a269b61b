"""The table of the course."""

from pathlib import Path

from vmteach.course import CHAPTERS, levels
from vmteach.figures.course import graph
from vmteach.patches import STEMS

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def test_every_entry_has_a_chapter_in_the_order_of_the_announcement():
    assert tuple(CHAPTERS) == STEMS
    assert [chapter.number for chapter in CHAPTERS.values()] == list(range(1, 13))


def test_a_chapter_stands_behind_what_it_needs():
    depth = {chapter.stem: i for i, level in enumerate(levels()) for chapter in level}
    assert sorted(depth) == sorted(STEMS)
    assert all(depth[need] < depth[chapter.stem] for chapter in CHAPTERS.values() for need in chapter.needs)


def test_the_graph_tells_every_need():
    alt = graph().alt
    assert all(CHAPTERS[need].title in alt for chapter in CHAPTERS.values() for need in chapter.needs)


def test_notebooks_belong_to_chapters():
    known = {chapter.notebook for chapter in CHAPTERS.values()} | {"00_start_here.ipynb"}
    assert {path.name for path in NOTEBOOKS.glob("*.ipynb")} <= known
