"""The table of the course."""

import json
from pathlib import Path

from vmteach.course import CHAPTERS, levels
from vmteach.exercises import chapter as exercises
from vmteach.lab.door import front_door, minutes, reading_order
from vmteach.lab.progress import Progress
from vmteach.patches import STEMS

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def test_every_entry_has_a_chapter_in_the_order_of_the_announcement():
    wanted = "vmteach/course.py must have a row for each of STEMS (vmteach/patches/__init__.py), in their order"
    assert tuple(CHAPTERS) == STEMS, wanted
    assert [chapter.number for chapter in CHAPTERS.values()] == list(range(1, len(STEMS) + 1))


def test_the_front_door_is_up_to_date():
    """One Markdown cell, before anything runs: its cards have the titles, links and minutes of the chapters."""
    first = json.loads((NOTEBOOKS / "00_start_here.ipynb").read_text(encoding="utf-8"))["cells"][0]
    assert first["cell_type"] == "markdown"
    assert "".join(first["source"]) == front_door(), "write the cards again: python scripts/door.py"
    for chapter in CHAPTERS.values():
        assert f'<a href="{chapter.notebook}">' in front_door() and minutes(chapter.stem) > 0
        assert len(chapter.idea.split()) <= 10


def test_cards_say_what_is_done():
    solved = {task.name: {"solved": True} for task in exercises("mremap").EXERCISES}
    progress = Progress({"mremap": {"exercises": solved}, "rawio": {"predictions": {"handed": {"value": 3}}}})
    assert progress.states["mremap"] == "done" and progress.states["rawio"] == "started"
    assert set(progress.states.values()) == {"done", "started", "to do"}
    assert progress._repr_html_().count("<a href=") == len(CHAPTERS)


def test_a_chapter_stands_after_what_it_needs():
    depth = {chapter.stem: i for i, level in enumerate(levels()) for chapter in level}
    assert all(depth[need] < depth[chapter.stem] for chapter in CHAPTERS.values() for need in chapter.needs)


def test_the_reading_order_tells_every_need_after_what_is_needed():
    rows = reading_order().rows
    names = [name for name, *_ in rows]
    for chapter in CHAPTERS.values():
        at = names.index(f"{chapter.number} {chapter.title}")
        assert rows[at][2] == ", ".join(f"{CHAPTERS[need].number} {CHAPTERS[need].title}" for need in chapter.needs)
        assert all(names.index(f"{CHAPTERS[need].number} {CHAPTERS[need].title}") < at for need in chapter.needs)


def test_notebooks_belong_to_chapters():
    known = {chapter.notebook for chapter in CHAPTERS.values()} | {"00_start_here.ipynb"}
    strangers = {path.name for path in NOTEBOOKS.glob("*.ipynb")} - known
    assert not strangers, f"vmteach/course.py has no row for {', '.join(strangers)}"
