"""README.md: its computed parts are what is computed now, and its pictures are there, light, and told in words."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from PIL import Image, ImageChops

sys.path.append(str(Path(__file__).parent.parent / "scripts"))

import pictures
import readme

from vmteach import claims
from vmteach.course import CHAPTERS
from vmteach.figures import draw
from vmteach.figures import shm_big_iron as figure
from vmteach.tables import read_table

ROOT = Path(__file__).parent.parent
LIGHT = 1_500_000  # bytes
PAGE = readme.README.read_text(encoding="utf-8")
SOUP = BeautifulSoup(PAGE, "html.parser")
NOTES = readme.notes()
# What the page shows or links to, and the words for what it shows.
SHOWN = {img["src"]: img.get("alt", "") for img in SOUP("img")}
SHOWN |= {src: alt for alt, src in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", PAGE)}
FILES = {
    *SHOWN,
    *(source["srcset"] for source in SOUP("source")),
    *re.findall(r"\]\((docs/[^)]+\.(?:png|gif))\)", PAGE),
}


# ---- what is computed


def test_the_computed_parts_are_computed_now():
    """After a change of a model: python scripts/readme.py, or make pictures if the pictures changed."""
    assert readme.written(PAGE) == PAGE


def test_the_line_of_verdicts_counts_the_table():
    table = re.findall(r"^\| ([CT]\d+) \| .* \| (\w+) \|$", PAGE, re.M)
    assert [name for name, _ in table] == [row["id"] for row in readme.rows("claims.csv")]
    seen = Counter(verdict for _, verdict in table)
    line = f"of {len(table)} claims {seen['reproduced']} are reproduced, {seen['partly']} partly, {seen['not']} not"
    assert f"<!-- count -->{line}<!-- /count -->" in PAGE


def test_a_part_must_be_there_once():
    with pytest.raises(ValueError, match="must have <!-- x --> and <!-- /x --> once"):
        readme.put("nothing", "x", "new")
    with pytest.raises(ValueError, match="once"):
        readme.put("<!-- x --><!-- /x --><!-- x --><!-- /x -->", "x", "new")


def test_each_chapter_is_in_the_table():
    rows = re.findall(r"^\| (\d+) \| `[^`]+` \| \[(\w+)\]\(notebooks/([^)]+)\)", PAGE, re.M)
    assert rows == [(str(c.number), c.stem, c.notebook) for c in CHAPTERS.values()]


# ---- the pictures


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_picture_is_there_and_light(name):
    path = ROOT / name
    assert path.is_relative_to(ROOT / "docs") and 1_000 < path.stat().st_size < LIGHT
    with Image.open(path) as image:
        image.load()
        assert 300 < image.width <= 900


def test_every_picture_that_is_shown_is_told_in_words():
    assert SHOWN
    for name, alt in SHOWN.items():
        assert len(alt.split()) > 10, name
    (moving,) = (alt for name, alt in SHOWN.items() if name.endswith(".gif"))
    for note in NOTES:
        assert re.search(rf"\bchapter {CHAPTERS[note['stem']].number}\b", moving, re.I), note


def test_who_asked_for_less_motion_gets_the_first_frame():
    (source,) = SOUP("source")
    assert source["media"] == "(prefers-reduced-motion: reduce)"
    with Image.open(ROOT / source["srcset"]) as still, Image.open(pictures.MOVING) as moving:
        assert ImageChops.difference(still.convert("RGB"), moving.convert("RGB")).getbbox() is None


def test_the_moving_picture_goes_round_slowly_enough_to_read():
    with Image.open(pictures.MOVING) as moving:
        assert moving.n_frames == len(pictures.SHOTS) and moving.info["loop"] == 0
        assert 8 <= moving.n_frames <= 14
        for place, shot in enumerate(pictures.SHOTS):
            moving.seek(place)
            assert moving.info["duration"] == shot.stays and 1_500 <= shot.stays <= 3_000


def test_each_frame_shows_something_new_on_white():
    with Image.open(pictures.MOVING) as moving:
        before = Image.new("RGB", moving.size)
        for place in range(moving.n_frames):
            moving.seek(place)
            frame = moving.convert("RGB")
            assert ImageChops.difference(frame, before).getbbox()
            edges = ((0, frame.height - 4, frame.width, frame.height), (frame.width - 4, 60, frame.width, frame.height))
            assert [frame.crop(edge).getcolors() for edge in edges] == [
                [(4 * frame.width, (255, 255, 255))],
                [(4 * (frame.height - 60), (255, 255, 255))],
            ]
            before = frame


def test_the_frames_are_those_of_the_script():
    assert [(note["stem"], note["words"]) for note in NOTES] == [(shot.stem, shot.words) for shot in pictures.SHOTS]
    for note, shot in zip(NOTES, pictures.SHOTS):
        assert ("finding" in note) == (shot.cell != "predict-1")
        assert shot.state.items() <= note.get("state", {}).items()


EXPLORED = [note for note in NOTES if "state" in note]


@pytest.mark.parametrize("note", EXPLORED, ids=[f"{note['stem']} {note['words']}" for note in EXPLORED])
def test_what_a_frame_says_is_what_the_model_says(note):
    """If this fails the pictures are old: make pictures"""
    assert pictures.finding(note["stem"], note["state"]) == note["finding"]


def drawn_now(cell: str) -> str:
    """The finding of a drawing that the flagship chapter shows without an explorer."""
    if cell == "real-twin":
        trace = read_table(ROOT / "data" / "vmstat_storm.csv")
        return figure.twin(trace, claims.twin(list(trace.swpd))).finding
    runs = {label: claims.storm(label) for label in ("before", "fixes 1+2", "after")}
    return draw(figure, runs, int(pictures.GUESS)).finding


@pytest.mark.parametrize("cell", ["real-twin", "run-1"])
def test_what_a_drawing_says_is_what_the_model_says(cell):
    (note,) = (note for note, shot in zip(NOTES, pictures.SHOTS) if shot.cell == cell)
    assert drawn_now(cell) == note["finding"]
