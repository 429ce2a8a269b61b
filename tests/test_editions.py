"""The editions of the chapters: what is in each, what is not, and that it works where it is to be used."""

import hashlib
import json
import os
import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

from vmteach.command import editions
from vmteach.exercises import chapter, teaching
from vmteach.figures import overflow_buffers as figure
from vmteach.lab.exercise import Exercise, exercise
from vmteach.lab.explorer import explore
from vmteach.lab.goal import goal
from vmteach.lab.note import HIDDEN
from vmteach.patches import STEMS
from vmteach.patches import overflow_buffers as patch

ROOT = Path(__file__).parent.parent


SOURCES = sorted(editions.NOTEBOOKS.glob("*.ipynb"))


def committed(name: str) -> dict:
    return json.loads((editions.NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))


LEARNING = [path.stem for path in SOURCES if editions.uses_learning(committed(path.stem))]
OTHERS = [path.stem for path in SOURCES if path.stem not in LEARNING]
GRADED = [name for name in LEARNING if any(editions.places(committed(name)))]
SAMPLE = "11_overflow_buffers"

every_source = pytest.mark.parametrize("name", [path.stem for path in SOURCES])
every_learning = pytest.mark.parametrize("name", LEARNING)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """All editions, in a folder of their own."""
    folder = tmp_path_factory.mktemp("editions")
    editions.build(into=folder)
    return folder


def sheet(built: Path, edition: str, name: str) -> Path:
    inside = f"source/{name}" if edition == "nbgrader" else "notebooks"
    return built / edition / inside / f"{name}.ipynb"


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def added(one: Exercise) -> set[str]:
    """The lines of a solution that are not its stub's."""
    stub, solved = ({line.strip() for line in cell.splitlines()} for cell in (one.stub, one.solved))
    return solved - stub - {""}


def variants(stem: str) -> list[Exercise]:
    return [Exercise(stem, task, v) for task in chapter(stem).EXERCISES for v in range(len(task.variants))]


def solutions_in(stem: str, notebook: nbformat.NotebookNode) -> set[str]:
    """The exercises of which some cell has all that the solution adds to the stub."""
    cells = [{line.strip() for line in cell.source.splitlines()} for cell in notebook.cells]
    return {one.task.name for one in variants(stem) if any(added(one) <= lines for lines in cells)}


def run(path: Path, tmp_path: Path) -> nbformat.NotebookNode:
    """The notebook after its cells have run, from its own folder."""
    notebook = read(path)
    where = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MPL", "VMTEACH"))}
    client.execute(env={**kept, "IPYTHONDIR": str(tmp_path), "VMTEACH_PROGRESS": str(tmp_path / "progress.json")})
    return notebook


def plain(cell: nbformat.NotebookNode) -> str:
    return "".join(out.get("data", {}).get("text/plain", out.get("text", "")) for out in cell.get("outputs", ()))


# ---- all of them


def test_some_chapters_have_exercises():
    assert SAMPLE in GRADED
    assert [name for name in LEARNING if name[3:] in STEMS] == GRADED


def test_the_pictures_of_a_chapter_go_with_it(built):
    for path in built.glob("**/*.ipynb"):
        pictures = re.findall(r"\((pictures/[\w.]+)\)", path.read_text(encoding="utf-8"))
        assert all((path.parent / picture).is_file() for picture in pictures), path


def test_the_same_notebooks_give_the_same_bytes(built, tmp_path):
    def digests(folder):
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    editions.build(into=tmp_path)
    assert digests(tmp_path) == digests(built)


def test_what_others_put_into_the_folder_stays(tmp_path):
    (tmp_path / "nbgrader").mkdir()
    (tmp_path / "nbgrader" / "gradebook.db").write_text("marks", encoding="utf-8")
    editions.build([SAMPLE], tmp_path)
    assert (tmp_path / "nbgrader" / "gradebook.db").read_text(encoding="utf-8") == "marks"


@pytest.mark.parametrize("edition", ["student", "teacher"])
def test_an_edition_has_every_chapter(built, edition):
    assert sorted(path.name for path in (built / edition / "notebooks").glob("*.ipynb")) == [
        path.name for path in SOURCES
    ]
    pictures = {path.name for path in (editions.NOTEBOOKS / "pictures").iterdir()}
    assert {path.name for path in (built / edition / "notebooks" / "pictures").iterdir()} == pictures


def test_every_chapter_with_exercises_is_an_assignment(built):
    assert sorted(path.name for path in (built / "nbgrader" / "source").iterdir()) == GRADED


@every_source
@pytest.mark.parametrize("edition", ["student", "teacher", "nbgrader"])
def test_an_edition_is_valid_and_holds_nothing_that_ran(built, edition, name):
    path = sheet(built, edition, name)
    if not path.exists():
        assert edition == "nbgrader" and name not in GRADED
        return
    notebook = read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing or doubled cell id is only a warning to nbformat
        nbformat.validate(notebook)
    assert all(cell.outputs == [] for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("edition", ["student", "teacher"])
def test_a_chapter_without_exercises_goes_through_as_it_is(built, edition, name):
    assert sheet(built, edition, name).read_bytes() == (editions.NOTEBOOKS / f"{name}.ipynb").read_bytes()


def test_an_answer_cell_that_is_not_the_stub_is_refused():
    notebook = committed(SAMPLE)
    place = next(editions.places(notebook))
    editions.rewrite(place.answer, place.exercise.solved)
    for make in editions.EDITIONS.values():
        with pytest.raises(ValueError, match="answer cell of seen"):
            make(notebook, SAMPLE[3:])


def test_a_chapter_that_is_not_there_is_named(capsys):
    assert editions.main(["13_none"]) == 1
    assert "got 13_none" in capsys.readouterr().err


# ---- the student's


@every_learning
def test_a_students_chapter_is_the_committed_one_and_a_cell_that_hides(built, name):
    notebook = json.loads(sheet(built, "student", name).read_text(encoding="utf-8"))
    added = [cell for cell in notebook["cells"] if cell["id"] == "edition"]
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != "edition"]
    assert [editions.source(cell) for cell in added] == [editions.HIDE]
    assert notebook == committed(name)


@every_learning
def test_no_solved_text_is_in_a_students_chapter(built, name):
    notebook = read(sheet(built, "student", name))
    assert solutions_in(name[3:], notebook) == set()
    assert "<summary>Solution" not in str(notebook)


def test_solved_text_would_be_found(built):
    every = {task.name for task in chapter(SAMPLE[3:]).EXERCISES}
    assert solutions_in(SAMPLE[3:], read(sheet(built, "teacher", SAMPLE))) == every
    assert solutions_in(SAMPLE[3:], read(sheet(built, "nbgrader", SAMPLE))) == every


def test_a_students_chapter_shows_no_solution_when_it_runs(built, tmp_path):
    notebook = run(sheet(built, "student", SAMPLE), tmp_path)
    shown = json.dumps([cell.get("outputs", []) for cell in notebook.cells]) + json.dumps(notebook.metadata)
    assert "Hint 1" in shown and "Not attempted" in shown
    assert "<summary>Solution" not in shown
    reasons = [each.reason for each in (*chapter(SAMPLE[3:]).EXERCISES, *chapter(SAMPLE[3:]).GOALS)]
    lines = set().union(*map(added, variants(SAMPLE[3:])))
    for text in (*lines, *(reason.split("$")[0][:40] for reason in reasons)):
        assert json.dumps(text)[1:-1] not in shown


def test_the_switch_hides_and_without_it_nothing_changes(monkeypatch):
    one, panel = exercise("overflow_buffers", "guard"), explore(patch, figure)

    def seen():
        face = goal(panel, "overflow_buffers", "least")
        return one._repr_html_() + one.solution().text + face.spec["folds"]

    told = [one.solved, one.task.wrong_turn, chapter("overflow_buffers").GOALS[0].reason]
    monkeypatch.delenv("VMTEACH_SOLUTIONS", raising=False)
    assert all(text in seen() for text in told)
    monkeypatch.setenv("VMTEACH_SOLUTIONS", "hidden")
    assert not any(text in seen() for text in told)
    assert "Hint 3" in seen() and HIDDEN in seen()
    last = [Exercise.hint(one).text for _ in range(4)][-1]
    assert last.endswith(HIDDEN)


# ---- the teacher's


def all_right(path: Path, tmp_path: Path) -> None:
    cells = run(path, tmp_path).cells
    said = {cell.id: plain(cell) for cell in cells if cell.cell_type == "code" and ").check(" in cell.source}
    assert said
    assert {name: text for name, text in said.items() if not text.startswith("Right.")} == {}


def test_every_answer_of_a_teachers_chapter_is_right(built, tmp_path):
    all_right(sheet(built, "teacher", SAMPLE), tmp_path)


@pytest.mark.deep
@pytest.mark.parametrize("name", [name for name in GRADED if name != SAMPLE])
def test_every_answer_of_every_teachers_chapter_is_right(built, tmp_path, name):
    all_right(sheet(built, "teacher", name), tmp_path)


@every_learning
def test_notes_stand_after_their_parts(built, name):
    notebook = json.loads(sheet(built, "teacher", name).read_text(encoding="utf-8"))
    cells = notebook["cells"]
    notes = {
        cell["id"].removeprefix("teacher-"): i for i, cell in enumerate(cells) if cell["id"].startswith("teacher-")
    }
    for section in ("Predict", "Vary", "Change it"):
        note = notes[section.split()[0].lower()]
        heads = [editions.source(cell).splitlines()[0] for cell in cells[:note] if editions.is_heading(cell)]
        assert heads[-1] == f"## {section}"
        after = next(cell for cell in cells[note + 1 :] if not cell["id"].startswith("teacher-"))
        assert editions.is_heading(after)
    for task in chapter(name[3:]).EXERCISES:
        above = cells[notes[task.name.replace("_", "-")] - 1]
        check = editions.in_full(editions.source(above), name[3:])
        assert check.startswith(f'exercise("{name[3:]}", "{task.name}").check(')
    for i in notes.values():
        assert all(line.startswith(">") for line in editions.source(cells[i]).splitlines())


@every_learning
def test_without_notes_and_answers_a_teachers_chapter_is_the_committed_one(built, name):
    notebook = json.loads(sheet(built, "teacher", name).read_text(encoding="utf-8"))
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["id"].startswith("teacher-")]
    answers = {place.answer["id"]: place for place in editions.places(committed(name))}
    for cell in notebook["cells"]:
        if cell["id"] in answers:
            assert editions.source(cell) == answers[cell["id"]].exercise.solved
            cell["source"] = answers[cell["id"]].answer["source"]
    assert notebook == committed(name)


@every_learning
def test_a_teacher_is_told_what_a_prediction_may_overlook(built, name):
    cells = json.loads(sheet(built, "teacher", name).read_text(encoding="utf-8"))["cells"]
    (note,) = (editions.source(cell) for cell in cells if cell["id"] == "teacher-predict")
    (known,) = chapter(name[3:]).PREDICTIONS.values()
    every = (known.result, *known.overlooked)
    shown = [value if isinstance(value, str) else f"{value:,} {known.unit}".rstrip() for value in every]
    assert f"It will be {shown[0]}." in note
    assert [line for line in note.splitlines() if line.startswith("> - ")] == [
        f"> - *{value}*: {said}" for value, said in zip(shown[1:], known.overlooked.values())
    ]


def test_what_to_skip_begins_with_the_highest_rung():
    rungs = [("fill one line", 5), ("break it", 8), ("change one rule", 4), ("fill one line", 3)]
    tasks = [SimpleNamespace(name=f"t{i}", rung=rung, minutes=minutes) for i, (rung, minutes) in enumerate(rungs)]
    last = editions.note_on_change(tasks)[-1]
    assert "*t1* for home, which saves 8 minutes; then *t2*, 12 in all" in last


# ---- nbgrader's


@pytest.mark.parametrize("name", GRADED)
def test_cells_have_what_nbgrader_needs(built, name):
    cells = read(sheet(built, "nbgrader", name)).cells
    graded = {c.metadata.nbgrader.grade_id: c for c in cells if "nbgrader" in c.metadata}
    tasks = chapter(name[3:]).EXERCISES
    assert set(graded) == {"edition"} | {f"{t.name}-{part}" for t in tasks for part in ("answer", "check")}
    for task in tasks:
        answer, check = graded[f"{task.name}-answer"], graded[f"{task.name}-check"]
        wanted = [
            (answer, {"grade": False, "solution": True, "locked": False, "grade_id": f"{task.name}-answer"}),
            (check, {"grade": True, "solution": False, "locked": True, "grade_id": f"{task.name}-check"}),
        ]
        for cell, keys in wanted:
            points = {"points": task.minutes} if keys["grade"] else {}
            assert cell.metadata.nbgrader == {**keys, **points, "schema_version": 3}
        one = exercise(name[3:], task.name)
        assert released(answer.source) == one.stub
        assert one.solved in answer.source
        assert check.source == editions.MARK.format(name[3:], task.name, task.minutes, 0)


def released(source: str) -> str:
    """What generate_assignment leaves of an answer cell, but for the line that it puts in."""
    return re.sub(r"\n### BEGIN SOLUTION\n.*?\n### END SOLUTION", "", source, flags=re.S)


@pytest.mark.parametrize("name", GRADED)
def test_a_teacher_has_a_board_four_questions_and_what_to_leave_out(built, name):
    text = "\n".join(
        cell.source for cell in read(sheet(built, "teacher", name)).cells if cell.id.startswith("teacher-")
    )
    talks = teaching(name[3:])
    assert all(len(asks) > 20 and asks.endswith("?") for asks in talks[:3]) and talks.change
    assert all(part in text for part in talks)
    assert "**On the board:**" in text and "> - step 1" in text
    (asked,) = chapter(name[3:]).PREDICTIONS.values()
    assert asked.choices or f" {asked.unit}" in text


# ---- Otter's


@pytest.mark.parametrize("name", GRADED)
def test_an_otter_assignment_asks_for_a_test_below_each_check(built, name):
    folder = built / "otter" / name
    cells = json.loads((folder / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    asked = [editions.source(cell) for cell in cells if editions.source(cell).startswith("grader.check(")]
    tasks = chapter(name[3:]).EXERCISES
    assert asked == [f'grader.check("{task.name}")' for task in tasks]
    for task in tasks:
        test = (folder / "tests" / f"{task.name}.py").read_text(encoding="utf-8")
        compile(test, task.name, "exec")
        points = [float(n) for n in re.findall(r"points=([\d.]+)", test)]
        assert sum(points) == task.minutes and "hidden=True" in test


# ---- minutes


@pytest.mark.parametrize("name", GRADED)
def test_the_card_says_what_the_parts_add_up_to(name):
    sum_ = editions.minutes(committed(name), name[3:])
    assert sum_.card is not None
    assert abs(sum_.together - sum_.card) <= 10, sum_


@pytest.mark.parametrize("name", GRADED)
def test_minutes_count_every_exercise_goal_question_and_the_prediction(name):
    module, sum_ = chapter(name[3:]), editions.minutes(committed(name), name[3:])
    assert sum_.exercises == sum(task.minutes for task in module.EXERCISES)
    assert sum_.questions >= len(module.GOALS) + len(module.RECALL) + 1


@pytest.mark.parametrize(("count", "minutes"), [(0, 0), (1, 1), (200, 1), (201, 2)])
def test_reading_is_two_hundred_words_a_minute(count, minutes):
    notebook = {"cells": [editions.new_cell("markdown", "text", "word " * count)]}
    assert editions.minutes(notebook, SAMPLE[3:]) == (minutes, 0, 0, None)


def test_the_table_has_every_chapter(capsys):
    assert editions.main(["--minutes"]) == 0
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == [path.stem for path in SOURCES]
    for row in rows:
        *parts, together = map(int, row.split()[1:5])
        assert sum(parts) == together


# ---- for Colab and Kaggle


@every_source
def test_a_notebook_for_colab_is_the_chapter_with_a_badge_and_a_cell_that_installs(name):
    made = editions.colab(committed(name), name[3:], "ann/course")["cells"]
    badge, install = (next(cell for cell in made if cell["id"] == id_) for id_ in ("badge", "install"))
    assert [cell for cell in made if cell not in (badge, install)] == committed(name)["cells"]
    assert f"/github/ann/course/blob/main/editions/colab/notebooks/{name}.ipynb" in editions.source(badge)
    assert next(cell for cell in made if cell["cell_type"] == "code") is install
    assert editions.source(install).startswith('REPOSITORY = "ann/course"')


def test_the_cell_that_installs_asks_for_what_pyproject_has(monkeypatch):
    """Its variable reaches pip, and pip is asked for an extra that there is."""
    from IPython.core.interactiveshell import InteractiveShell

    shell, asked = InteractiveShell(), []
    shell.register_magic_function(asked.append, magic_name="pip")
    result = shell.run_cell(editions.INSTALL.format("ann/course"))
    assert result.success
    assert asked == ['install --quiet "vmteach[plot] @ git+https://github.com/ann/course"']
