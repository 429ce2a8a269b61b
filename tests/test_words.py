"""The pages' words are listed, their links lead somewhere, and the plan for teachers is what the cards say."""

import importlib.util
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from vmteach.course import CHAPTERS, levels

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("words_script", ROOT / "scripts" / "words.py")
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)

TEXTS = list(script.texts())
PAGES = [path.relative_to(ROOT).as_posix() for path in script.pages()]
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
PATH = re.compile(r"`((?:vmteach|tests|scripts|docs|data|notebooks|benchmarks|requirements)/[\w./-]*)`")


# ---- spelling


def test_every_word_is_listed():
    """Look at each of these; if it is right: python scripts/words.py --add"""
    unknown = script.unknown()
    assert not unknown, f"read these, then `python scripts/words.py --add`: {unknown}"


def test_the_list_is_sorted_and_has_nothing_twice():
    lines = script.LIST.read_text(encoding="utf-8").splitlines()
    assert lines == sorted(set(lines))
    assert all(line == line.lower().strip() != "" for line in lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A recieved page.", ["a", "recieved", "page"]),
        ("`recieved` and shm_big_iron, docs/design.md, README.md", ["and"]),
        ("```\nrecieved\n```\n", []),
        ("$x + recieved$ [link](recieved.md) <b title='recieved'>bold</b>", ["link", "bold"]),
        ("can't, Andrea's, 64-bit", ["can't", "andrea"]),
        ("naïve", ["naïve"]),
    ],
)
def test_what_counts_as_a_word(text, expected):
    assert script.words(text) == expected


def test_a_slip_is_found_with_its_place(tmp_path):
    for folder in ("docs", "notebooks"):
        (tmp_path / folder).mkdir()
    shutil.copy(script.LIST, tmp_path / "docs")
    (tmp_path / "README.md").write_text("The kernel recieved a page.")
    cell = {"cell_type": "markdown", "id": "card", "source": ["# A seperate\n", "list"]}
    (tmp_path / "notebooks" / "01_x.ipynb").write_text(json.dumps({"cells": [cell]}))
    assert script.unknown(tmp_path) == {"recieved": "README.md", "seperate": "notebooks/01_x.ipynb [card]"}


# ---- links


def links(text: str) -> list[str]:
    without_code = re.sub(r"^```.*?^```|^ {4,}\S[^\n]*$|`[^`]*`", " ", text, flags=re.M | re.S)
    return [one or other for one, other in LINK.findall(without_code)]


def slug(heading: str) -> str:
    """A heading's anchor, as a page's links name it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize(("where", "text"), TEXTS, ids=[where for where, _ in TEXTS])
def test_links_lead_to_files_that_are_there(where, text):
    folder = (ROOT / where.partition(" ")[0]).parent
    for link in links(text):
        if re.match(r"https://|mailto:|attachment:|data:", link):
            continue  # not asked: tests use no network
        assert not link.startswith(("http:", "/", "file:")), link
        target, _, anchor = unquote(link).partition("#")
        if target:
            assert (folder / target).exists(), link
            assert (folder / target).resolve().is_relative_to(ROOT), link
        page = folder / target if target else ROOT / where.partition(" ")[0]
        if anchor and page.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
            assert anchor in map(slug, headings), link


def test_there_are_links_to_look_at():
    assert sum(len(links(text)) for _, text in TEXTS) > 20
    assert links('[a](b.md) `[c](d.md)` <img src="e.png">') == ["b.md", "e.png"]


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_are_there(page):
    """Names with a word in capitals, such as STEM, stand for others."""
    for name in PATH.findall((ROOT / page).read_text(encoding="utf-8")):
        assert re.search(r"[A-Z]{2}", name) or (ROOT / name).exists(), name


@pytest.mark.parametrize("page", ["docs/teachers.md", "docs/design.md"])
def test_commands_that_a_page_names_are_targets(page):
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M).group(1).split()
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)", " ".join(re.findall(r"`[^`]+`", (ROOT / page).read_text()))))
    assert named <= set(targets)


# ---- the plan


def plan() -> list[list[str]]:
    """The rows of the plan's table: number, link, minutes, what to read before, what they learn."""
    lines = (ROOT / "docs" / "teachers.md").read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| \d+ \|", line)]


def card_minutes(notebook: str) -> int:
    cells = json.loads((ROOT / "notebooks" / notebook).read_text(encoding="utf-8"))["cells"]
    return int(re.search(r"\| \*\*(?:time|minutes)\*\* \| (\d+)", "".join(cells[0]["source"]), re.I)[1])


def test_the_plan_has_the_chapters_in_the_order_of_the_course():
    order = [chapter for level in levels() for chapter in level]
    table = "docs/teachers.md, the plan: the chapters by how many must be read before, then by number"
    assert [int(row[0]) for row in plan()] == [chapter.number for chapter in order], table
    for row, chapter in zip(plan(), order):
        assert row[1] == f"[{chapter.stem}](../notebooks/{chapter.notebook})"
        assert row[3] == ", ".join(str(CHAPTERS[need].number) for need in chapter.needs)


def test_the_plan_s_minutes_are_the_cards_and_so_is_their_sum():
    minutes = [int(row[2]) for row in plan()]
    order = [chapter for level in levels() for chapter in level]
    cards = [card_minutes(chapter.notebook) for chapter in order]
    assert minutes == cards, f"docs/teachers.md, the plan: the cards say {cards}, from top to bottom"
    text = (ROOT / "docs" / "teachers.md").read_text(encoding="utf-8")
    assert re.search(rf"\bAll [a-z]+ take {sum(minutes)} minutes", text), f"docs/teachers.md: they take {sum(minutes)}"
    span = f"{min(minutes)} to {max(minutes)} minutes"
    for page in ("README.md", "notebooks/00_start_here.ipynb"):
        said = re.findall(r"\d+ to \d+ minutes", (ROOT / page).read_text(encoding="utf-8"))
        assert said and set(said) == {span}, f"{page}: a chapter takes {span}"
