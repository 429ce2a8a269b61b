"""Marks: honest answers get theirs, and a dozen cheats get nothing beyond what they solve."""

import csv
import json
from pathlib import Path

import pytest

from vmteach.exercises import chapter, fill
from vmteach.lab.exercise import Exercise, exercise, seeded
from vmteach.lab.marks import judged, main, task_of, why_not
from vmteach.patches import STEMS

EVERY = [(stem, task.name) for stem in STEMS for task in chapter(stem).EXERCISES]
STEM, NAME = "ncpfs", "longest"
SOLVED = Exercise(STEM, task_of(STEM, NAME)).solved
STUB = Exercise(STEM, task_of(STEM, NAME)).stub


@pytest.mark.parametrize(("stem", "name"), EVERY)
def test_every_solution_may_be_handed_in(stem, name):
    task = task_of(stem, name)
    for given in task.variants:
        assert why_not(fill(task.solution, given), chapter(stem).NEEDS) == ""
        assert why_not(fill(task.stub, given), chapter(stem).NEEDS) == ""


def test_an_honest_answer_gets_its_points_and_the_stub_none():
    assert judged(STEM, NAME, SOLVED, 5)[:2] == (5, 5)
    assert judged(STEM, NAME, STUB, 5).points == 0


CHEATS = {
    "rebinds the check": "class Fake: check = lambda *a: True\nexercise = lambda *a: Fake()",
    "reads the solution": "import vmteach.lab.exercise as e\nexec(e.exercise('ncpfs', 'longest').solved)",
    "asks an attribute": f"{STUB}\nx = longest.solved",
    "executes text": f"{STUB}\nexec('longest = lambda *a: 1')",
    "patches the model": "from vmteach.patches import ncpfs\nncpfs.longest_safe = lambda *a: 1\nlongest = lambda *a: 1",
    "patches a mapping": "from vmteach.patches.ncpfs import POLICIES as P\nP['unpatched'] = 1\nlongest = lambda *a: 1",
    "patches the verdict": "import vmteach.exercises as e\ne.not_yet = e.right\nlongest = lambda *a: 1",
    "reaches for privates": "longest = (lambda *a: 1)\nx = longest.__globals__",
    "opens files": f"text = open('/etc/hostname').read()\n{STUB}",
    "imports the machine": f"import os, sys\n{STUB}",
    "prints a verdict": 'print(\'\\n@{"right": [true], "said": "Right."}\')\nlongest = lambda *a: 1',
    "is always equal": "class Same:\n    def __eq__(self, other):\n        return True\nlongest = lambda *a: Same()",
    "ends Python": "longest = lambda *a: 1\nraise SystemExit",
}


@pytest.mark.parametrize("source", CHEATS.values(), ids=CHEATS)
def test_a_cheat_gets_nothing(source):
    assert judged(STEM, NAME, source, 5).points == 0


def test_solutions_cannot_be_asked_for_while_they_are_hidden(monkeypatch):
    monkeypatch.setenv("VMTEACH_SOLUTIONS", "hidden")
    one = Exercise(STEM, task_of(STEM, NAME))
    with pytest.raises(ValueError, match="shows no solutions"):
        _ = one.solved
    assert SOLVED.splitlines()[-1].strip() not in repr(one.solution()) + one._repr_html_()


def test_an_answer_that_is_right_for_its_own_numbers_alone_gets_half():
    """Where the answer cell does not hold the numbers, the others count too."""
    stem, name = next(
        (s, t.name) for s in STEMS for t in chapter(s).EXERCISES if len(t.variants) > 1 and "$" not in t.stub
    )
    whole = judged(stem, name, Exercise(stem, task_of(stem, name)).solved, 4)
    assert whole.points == 4


def submission(folder: Path, student: str, answers: dict[str, str]) -> None:
    """A notebook as the nbgrader edition hands it out, with these answers."""
    cells = [
        {
            "cell_type": "code",
            "source": text,
            "outputs": [],
            "execution_count": None,
            "metadata": {
                "nbgrader": {
                    "grade_id": f"{name}-answer",
                    "solution": True,
                    "grade": False,
                    "locked": False,
                    "schema_version": 3,
                }
            },
        }
        for name, text in answers.items()
    ]
    path = folder / student / "06_ncpfs.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")


def test_a_class_is_marked_without_running_a_notebook(tmp_path, capsys):
    submission(tmp_path / "in", "one", {NAME: SOLVED})
    submission(tmp_path / "in", "two", {NAME: CHEATS["patches the verdict"]})
    (tmp_path / "in" / "notes.ipynb").write_text("{}", encoding="utf-8")
    assert main([str(tmp_path / "in"), "--csv", str(tmp_path / "marks.csv")]) == 0
    with (tmp_path / "marks.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    minutes = task_of(STEM, NAME).minutes
    assert [(row["notebook"][:3], float(row["points"]), int(row["of"])) for row in rows] == [
        ("one", minutes, minutes),
        ("two", 0, minutes),
    ]
    assert "notes.ipynb is no notebook of the nbgrader edition" in capsys.readouterr().err


def test_two_seeds_give_different_right_answers(monkeypatch):
    """A class's word chooses its numbers; what is right for one class is not for the other."""
    stem, task = next((s, t) for s in STEMS for t in chapter(s).EXERCISES if len(t.variants) > 1 and "$" in t.stub)
    variants = {seed: seeded(stem, task.name, len(task.variants), seed) for seed in ("a", "b", "c", "d", "e")}
    one, other = next((x, y) for x in variants for y in variants if variants[x] != variants[y])
    answers = {seed: Exercise(stem, task, variants[seed]).solved for seed in (one, other)}
    assert answers[one] != answers[other]
    assert judged(stem, task.name, answers[one], 2, variants[one]).points == 2
    assert judged(stem, task.name, answers[other], 2, variants[one]).points == 0
    exercise.cache_clear()
    monkeypatch.setenv("VMTEACH_SEED", one)
    assert exercise(stem, task.name).variant == variants[one]
    exercise.cache_clear()
