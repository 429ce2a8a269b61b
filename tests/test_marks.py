"""Marks: honest answers get theirs, and what goes round the question gets nothing."""

import csv
import json
import types
from importlib import import_module
from pathlib import Path
from random import Random

import pytest

from vmteach.exercises import RUNGS, chapter, fill, task_of
from vmteach.lab.answer import names, view, why_not
from vmteach.lab.bounded import Bounds
from vmteach.lab.drawn import DRAWN
from vmteach.lab.exercise import Exercise, exercise, seeded
from vmteach.lab.marks import _defined, _right_for_others, judged, main, marks_of
from vmteach.patches import STEMS

EVERY = [(stem, task.name) for stem in STEMS for task in chapter(stem).EXERCISES]
STEM, NAME = "ncpfs", "longest"
SOLVED = Exercise(STEM, task_of(STEM, NAME)).solved
STUB = Exercise(STEM, task_of(STEM, NAME)).stub


def in_process(stem: str, name: str, source: str, variant: int = 0) -> tuple[bool, bool]:
    """What the fresh Python says, in this one: right, and right for other numbers too."""
    task = task_of(stem, name)
    one = Exercise(stem, task, variant)
    one.judge(..., Bounds())
    answer = _defined(stem, task, source)
    right = bool(one.judge(answer, Bounds()))
    return right, right and _right_for_others(stem, task, one.given, answer)


@pytest.mark.parametrize(("stem", "name"), EVERY)
def test_every_solution_is_right_for_every_numbers_and_every_stub_is_none(stem, name):
    task = task_of(stem, name)
    for variant, given in enumerate(task.variants):
        solution, stub = fill(task.solution, given), fill(task.stub, given)
        assert why_not(solution) == why_not(stub) == ""
        assert in_process(stem, name, solution, variant) == (True, True)
        assert in_process(stem, name, stub, variant) == (False, False)


@pytest.mark.parametrize(("stem", "name"), EVERY)
def test_right_answers_of_the_bank_are_right_when_marked(stem, name):
    """But for those that need numpy, and a policy that is taken ready-made."""
    for source, _ in import_module(f"bank.{stem}").BANK[name].right:
        if "numpy" in source:
            assert "imports numpy" in why_not(source)
        elif "POLICIES[PATCHED]" in source:
            with pytest.raises(KeyError, match="build the policy"):
                in_process(stem, name, source)
        else:
            assert why_not(source) == ""
            assert in_process(stem, name, source) == (True, True)


def ready_made(stem: str, task) -> list[tuple[str, object]]:
    """What an answer of an exercise can import but numbers: values and functions, the policies one by one."""
    own = names(stem, task)
    shown = {f"{stem}.{word}": value for word, value in vars(own_view(own, stem)).items()}
    tables = [(f"{name}[{key}]", one) for name, t in shown.items() if isinstance(t, dict) for key, one in t.items()]
    return [(what, value) for what, value in (*shown.items(), *tables) if not isinstance(value, int)]


def own_view(namespace: dict, stem: str):
    return namespace["__builtins__"]["__import__"](f"vmteach.patches.{stem}", wanted=("simulate",))


@pytest.mark.parametrize(("stem", "name"), EVERY)
def test_nothing_of_its_chapter_is_an_answer_as_it_is(stem, name):
    task = task_of(stem, name)
    one = Exercise(stem, task)
    one.judge(..., Bounds())
    for what, value in ready_made(stem, task):
        try:
            assert not one.judge(value, Bounds()), what
        except AssertionError:
            raise
        except Exception:  # a check was given what no notebook gives: that is no point either
            continue


@pytest.mark.parametrize("stem", STEMS)
def test_what_two_answers_can_reach_by_dots_they_cannot_change_for_each_other(stem):
    """Tables of a view are copies; what two views share must not be changeable."""
    first, second = (reached(view(f"vmteach.patches.{stem}")) for _ in range(2))
    shared = {id(value): way for way, value in first.items()}
    assert [way for way, value in second.items() if shared.get(id(value))] == []


def reached(start: object, depth: int = 4) -> dict[str, object]:
    """The tables, lists and sets that can be reached by public names, keys and places."""
    front, found, seen = [("", start, 0)], {}, set()
    while front:
        way, value, deep = front.pop()
        if id(value) in seen or deep > depth:
            continue
        seen.add(id(value))
        if isinstance(value, dict | list | set | bytearray):
            found[way] = value
        if isinstance(value, str | bytes | int | float | types.FunctionType | types.ModuleType):
            continue
        inner = [(f"{way}.{word}", getattr(value, word, None)) for word in dir(value) if not word.startswith("_")]
        items = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
        )
        front += [(w, v, deep + 1) for w, v in (*inner, *((f"{way}[{key!r}]", v) for key, v in items))]
    return found


def test_functions_of_exercises_are_called_with_other_numbers_than_the_visible_ones():
    """Each drawn call is one that the solution answers, and the draws differ."""
    functions = {(s, n) for s, n in EVERY if task_of(s, n).stub.lstrip().startswith("def ")}
    several_are_right = {
        ("csum_trail", "tail"),
        ("elf_interp", "honest"),
        ("mremap", "careful"),
        ("shm_big_iron", "laps"),
    }
    assert set(DRAWN) == functions - several_are_right
    for stem, name in DRAWN:
        given = task_of(stem, name).variants[0]
        assert len({repr(DRAWN[stem, name](Random(n), given)) for n in range(40)}) > 15


def test_a_function_that_knows_the_visible_numbers_by_heart_gets_half():
    known = {(8192, 1440, 496, 2): 3127, (8192, 1440, 736, 1): 6015, (4096, 1000, 96, 2): 1499, (8192, 0, 0, 3): 2727}
    found = judged(STEM, NAME, f"def longest(*given):\n    return {known}.get(given, 1)", 6)
    assert found.points == 3 and "not for others" in found.said


def test_a_score_says_what_the_most_is():
    for stem, name in EVERY:
        if "score" in (asks := task_of(stem, name).asks.lower()):
            assert any(words in asks for words in ("the most", "at most", "out of", "up to")), (stem, name)


def test_each_chapter_has_points_on_every_rung():
    """So a submission that comes as far as the first rung has the points of the first rung."""
    for stem in STEMS:
        assert {task.rung for task in chapter(stem).EXERCISES} == set(RUNGS)


def test_an_honest_answer_gets_its_points_and_the_stub_none():
    assert judged(STEM, NAME, SOLVED, 5)[:2] == (5, 5)
    assert judged(STEM, NAME, STUB, 5).points == 0


def test_an_answer_may_use_the_chapters_object():
    assert judged(STEM, "lawful", 'mine = ch.Scenario(operation="lookup", length=1, expansion=2)', 6).points == 6


CHEATS = {
    "rebinds the check": "class Fake: check = lambda *a: True\nexercise = lambda *a: Fake()",
    "reads the solution": "import vmteach.lab.exercise as e\nexec(e.exercise('ncpfs', 'longest').solved)",
    "asks an attribute": f"{STUB}\nx = longest.solved",
    "executes text": f"{STUB}\nexec('longest = lambda *a: 1')",
    "patches the model": "from vmteach.patches import ncpfs\nncpfs.longest_safe = lambda *a: 1\nlongest = lambda *a: 1",
    "patches a mapping": "from vmteach.patches.ncpfs import POLICIES as P\nP['unpatched'] = 1\nlongest = lambda *a: 1",
    "patches the verdict": "import vmteach.exercises as e\ne.not_yet = e.right\nlongest = lambda *a: 1",
    "reaches for privates": "longest = (lambda *a: 1)\nx = longest.__globals__",
    "reaches by a pattern": "match (lambda: 1):\n    case object(__globals__=g):\n        longest = lambda *a: 1",
    "reaches by a format": "longest = lambda *a: len('{0.__globals__}'.format(longest))",
    "reaches by getattr": "longest = getattr(lambda *a: 1, '__glo' + 'bals__')",
    "climbs its frames": "def f():\n    yield g.gi_frame.f_back\ng = f()\nx = next(g)\nlongest = lambda *a: 1",
    "goes by a library": "import dataclasses\nx = dataclasses.sys.modules\nlongest = lambda *a: 1",
    "goes by a getter": "from operator import attrgetter\nlongest = attrgetter('__code__')",
    "goes by the package": "import vmteach.patches.ncpfs\nx = vmteach.exercises\nlongest = lambda *a: 1",
    "makes a class of numbers": "class N(int):\n    __eq__ = lambda a, b: False\nlongest = lambda *a: N(1)",
    "makes a class by type": "longest = type(type(1))('N', (int,), {'real': 1})",
    "changes a class": "from functools import update_wrapper\nlongest = lambda *a: 1",
    "opens files": f"text = open('/etc/hostname').read()\n{STUB}",
    "imports the machine": f"import os, sys\n{STUB}",
    "prints a verdict": 'print(\'\\n@{"right": true, "others": true, "said": "Right."}\')\nlongest = lambda *a: 1',
    "is always equal": "class Same:\n    def __eq__(self, other):\n        return True\nlongest = lambda *a: Same()",
    "ends Python": "longest = lambda *a: 1\nraise SystemExit",
    "catches everything": "def longest(*a):\n    while True:\n        try: 1 / 0\n        except: pass",
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
    assert [(row["notebook"][:3], float(row["points"]), int(row["of"])) for row in rows if row["exercise"] == NAME] == [
        ("one", minutes, minutes),
        ("two", 0, minutes),
    ]
    assert "notes.ipynb is no notebook of the nbgrader edition" in capsys.readouterr().err


def test_an_answer_cell_that_is_there_twice_or_not_at_all_gets_nothing(tmp_path):
    submission(tmp_path, "one", {NAME: SOLVED})
    notebook = json.loads((tmp_path / "one" / "06_ncpfs.ipynb").read_text(encoding="utf-8"))
    notebook["cells"] *= 2
    marks = marks_of(notebook, STEM)
    assert {mark.points for mark in marks.values()} == {0}
    assert "there are 2 cells" in marks[NAME].said and "there are 0 cells" in marks["limit"].said


def test_a_class_is_marked_by_its_own_numbers(tmp_path):
    """Notebooks of a seeded edition are judged with the seed's numbers; the chapter's own are wrong there."""
    task = task_of(STEM, "limit")
    seed = next(word for word in "abcdefg" if seeded(STEM, "limit", len(task.variants), word))
    own = Exercise(STEM, task, seeded(STEM, "limit", len(task.variants), seed)).solved
    submission(tmp_path, "one", {"limit": own})
    notebook = json.loads((tmp_path / "one" / "06_ncpfs.ipynb").read_text(encoding="utf-8"))
    assert (marks_of(notebook, STEM, seed)["limit"].points, marks_of(notebook, STEM)["limit"].points) == (5, 0)


def test_no_name_of_a_student_is_in_an_assignment(tmp_path):
    """A seed is the class's word, in one cell; nothing else differs but the numbers."""
    from vmteach.command import editions

    editions.build(["06_ncpfs"], tmp_path, seed="red")
    made = json.loads((tmp_path / "nbgrader/source/06_ncpfs/06_ncpfs.ipynb").read_text(encoding="utf-8"))
    assert ["red" in "".join(cell["source"]).split('"') for cell in made["cells"]].count(True) == 1
    assert "'red'" in (tmp_path / "nbgrader/nbgrader_config.py").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("module", "os sys io builtins importlib pathlib subprocess inspect vmteach.lab.marks".split())
def test_an_answer_may_not_import_what_reaches_further(module):
    assert why_not(f"import {module}") == f"line 1 imports {module}, which no answer needs"
