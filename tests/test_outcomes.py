"""docs/outcomes.md says what the chapters say, and every exercise checks some objective."""

import json
import re
from pathlib import Path

import pytest

from vmteach.course import CHAPTERS
from vmteach.exercises import chapter

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8")


def objectives(stem: str) -> list[str]:
    cells = json.loads((ROOT / "notebooks" / CHAPTERS[stem].notebook).read_text(encoding="utf-8"))["cells"]
    (text,) = (t for t in map("".join, (cell["source"] for cell in cells)) if t.startswith("## Objectives"))
    return re.findall(r"^\d\. (.*)$", text, re.M)


@pytest.mark.parametrize("stem", CHAPTERS)
def test_the_page_has_each_objective_and_where_it_is_checked(stem):
    rows = re.findall(rf"^\| {CHAPTERS[stem].number} \| [^|]*\| (\d) \| (.*?) \| (.*?) \|$", PAGE, re.M)
    assert len(rows) == len(objectives(stem))
    for text, (_, goal, by) in zip(objectives(stem), rows):
        assert text.startswith(goal), text
        assert re.findall(r"\*(\w+)\*", by) == re.findall(r"\*(\w+)\*", text.rpartition("(")[2])


@pytest.mark.parametrize("stem", CHAPTERS)
def test_every_exercise_checks_an_objective(stem):
    named = set(re.findall(r"\*(\w+)\*", " ".join(objectives(stem))))
    assert {task.name for task in chapter(stem).EXERCISES} <= named
