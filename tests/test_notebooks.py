"""Every notebook is tidy, has the parts of a chapter, and runs twice in one kernel without complaint."""

import ast
import os
import re
import warnings
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from vmteach import course
from vmteach.exercises import chapter
from vmteach.figures.style import number
from vmteach.lab.learn import exercise
from vmteach.patches import STEMS

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if path.stem[3:] in STEMS]
LONGEST = 15  # lines of a code cell
SECTIONS = (
    "Why it hurt",
    "Objectives",
    "Before and after",
    "One step by hand",
    "Predict",
    "Run",
    "Vary",
    "Map",  # only where there is such a map
    "Change it",
    "Does a real kernel do this?",
    "Key points",
)

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def headings(path: Path) -> list[str]:
    """The Markdown headings, marks and all; not those in code fences."""
    prose = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    return re.findall(r"^#{1,2} .+$", re.sub(r"^```.*?^```", "", prose, flags=re.M | re.S), re.M)


def test_names_are_numbers_and_stems():
    names = {f"{i:02d}_{stem}" for i, stem in enumerate(("start_here", *STEMS))}
    others = {path.stem for path in NOTEBOOKS} - names
    assert not others, (
        f"notebooks/: {sorted(others)}; a name is the place in STEMS (vmteach/patches/__init__.py) and the stem"
    )


@every_notebook
def test_format_is_valid_and_for_any_python_3(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing or doubled cell id is only a warning to nbformat
        nbformat.validate(read(path))
    notebook = read(path)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata


@every_notebook
def test_nothing_that_ran_is_kept(path):
    for cell in code_cells(path):
        assert (cell.id, cell.outputs, cell.execution_count) == (cell.id, [], None)


@every_notebook
def test_code_cells_are_short(path):
    lengths = {cell.id: len(cell.source.splitlines()) for cell in code_cells(path)}
    longer = {name: lines for name, lines in lengths.items() if lines > LONGEST}
    assert not longer, f"{path.name}: cells of more than {LONGEST} lines: {longer}"


@every_chapter
def test_first_code_cell_only_imports(path):
    first = ast.parse(code_cells(path)[0].source)
    only = all(isinstance(node, ast.Import | ast.ImportFrom) for node in first.body)
    assert only, f"{path.name}: the first code cell must hold imports and nothing else"


@every_chapter
def test_sections_come_in_their_order(path):
    title, *sections = headings(path)
    assert title.startswith("# ")
    expected = [f"## {name}" for name in SECTIONS if name != "Map" or "## Map" in sections]
    assert sections == expected, f"{path.name}: its sections must be {expected}, they are {sections}"


def sections(path: Path) -> dict[str, list[str]]:
    """The sources of the code cells of each section."""
    found: dict[str, list[str]] = {"": []}
    for cell in read(path).cells:
        if cell.cell_type == "code":
            found[list(found)[-1]].append(cell.source)
        else:
            for heading in re.findall(r"^## (.+)$", cell.source, re.M):
                found[heading] = []
    return found


@every_chapter
def test_exercises_stand_in_the_chapter_as_their_module_has_them(path):
    """Question, untouched answer cell and check cell, one after the other, in the module's order."""
    stem = path.stem[3:]
    parts = [(f'exercise("{stem}", "{task.name}")', exercise(stem, task.name)) for task in chapter(stem).EXERCISES]
    expected = [cell for asks, each in parts for cell in (asks, each.stub, each.check_cell)]
    found = sections(path)["Change it"]
    missing = [cell for cell in expected if cell not in found]
    assert not missing, (
        f"{path.name}, Change it: no cell is word for word as vmteach/exercises/{stem}.py has it: {missing}"
    )
    assert [cell for cell in found if cell in expected] == expected
    imports = sections(path)[""][0]
    names = {alias.asname or alias.name for node in ast.parse(imports).body for alias in node.names}
    needed = {alias.asname or alias.name for node in ast.parse(chapter(stem).NEEDS).body for alias in node.names}
    assert needed <= names, f"{path.name}: its first code cell must import {sorted(needed - names)} for the exercises"


@every_chapter
def test_prediction_goals_and_questions_have_their_places(path):
    stem, found = path.stem[3:], sections(path)
    predicts = any(f'predict("{stem}/' in cell or f'predict(\n    "{stem}/' in cell for cell in found["Predict"])
    assert predicts, f'{path.name}, Predict: no cell with predict("{stem}/...", ...)'
    for word in ("prediction.value", "prediction.against("):
        assert any(word in cell for cell in found["Run"]), f"{path.name}, Run: no cell with {word}"
    goals = [f'goal(explorer, "{stem}", "{each.name}")' for each in chapter(stem).GOALS]
    there = [cell for cell in found["Vary"] if cell in goals]
    assert there == goals, f"{path.name}, Vary: a cell for each of {goals} in this order"
    assert f'recall("{stem}")' in found["Key points"], f'{path.name}, Key points: no cell recall("{stem}")'


@every_chapter
def test_each_objective_names_what_checks_it(path):
    """An exercise of the chapter by its name, or a goal."""
    stem = path.stem[3:]
    prose = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    listed = prose.partition("## Objectives")[2].partition("\n## ")[0]
    objectives = re.findall(r"^\d\. .+$", listed, re.M)
    names = {f"*{task.name}*" for task in chapter(stem).EXERCISES}
    assert 1 <= len(objectives) <= 3, f"{path.name}, Objectives: one to three lines that begin with a number"
    for objective in objectives:
        checked = "goal" in objective.lower() or any(name in objective for name in names)
        assert checked, f"{path.name}: an objective must name a goal or one of {sorted(names)}: {objective}"


@every_chapter
def test_the_card_has_its_lines_and_a_plausible_time(path):
    card = read(path).cells[0].source.lower()
    for line in ("entry", "kernel", "level", "read before", "you will be able to"):
        assert f"**{line}" in card, f"{path.name}, card: no line **{line}**"
    minutes = re.search(r"\| \*\*(?:time|minutes)\*\* \| (\d+)", card)
    assert minutes and 25 <= int(minutes[1]) <= 60, f"{path.name}, card: **Time** must begin with 25 to 60 minutes"


@every_chapter
def test_the_card_and_the_course_name_the_same_chapters_to_read_before(path):
    (line,) = re.findall(r"\| \*\*read before\*\* \| (.+) \|", read(path).cells[0].source, re.I)
    named = [int(number) for number in re.findall(r"\b\d\d\b", line) if number != "00"]
    needs = [course.CHAPTERS[need].number for need in course.CHAPTERS[path.stem[3:]].needs]
    assert named == needs, f"{path.name}, card: {line}; vmteach/course.py: {needs}"


def results(stem: str) -> set[str]:
    """How the larger or broken numbers of the chapter's default runs may be written."""
    patch = import_module(f"vmteach.patches.{stem}")
    labels = [label for label in patch.POLICIES if not label.startswith("what if: ")]
    runs = [patch.simulate(patch.Scenario(), patch.POLICIES[label]) for label in labels]
    found = [value for run in runs for value in run.numbers.values() if not isinstance(value, str | bool)]
    telling = [value for value in found if abs(value) >= 1000 or value != int(value)]
    return {word for value in telling for word in (str(value), f"{value:,}", number(value))}


@every_chapter
def test_prose_types_no_result_that_a_cell_computes(path):
    """From the first run on, a number that the default runs give stands in outputs and not in sentences."""
    cells = read(path).cells
    first = next(i for i, cell in enumerate(cells) if cell.source.startswith("## Run"))
    prose = "\n".join(cell.source for cell in cells[first:] if cell.cell_type == "markdown")
    typed = {word for word in results(path.stem[3:]) if re.search(rf"(?<![\w.,]){re.escape(word)}(?!\w|[.,]\d)", prose)}
    assert not typed, f"{path.name}: prose after Run types {sorted(typed)}, which a cell computes; let the cell say it"


@every_notebook
def test_runs_twice_in_one_kernel_without_complaint(path, tmp_path):
    notebook = read(path)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    with client.setup_kernel(env={**clean_environment(), "IPYTHONDIR": str(tmp_path)}):
        for _ in ("first", "again"):
            for index, cell in enumerate(notebook.cells):
                client.execute_cell(cell, index)
                assert complaints(cell) == [], f"{path.name}, cell {cell.id}"


def complaints(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell said on stderr, where warnings go. (An error has ended the test before.)"""
    return [out.text for out in cell.get("outputs", ()) if out.get("name") == "stderr"]


def clean_environment() -> dict[str, str]:
    """This process's environment, without what would change how a reader's kernel behaves."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MPL"))}


@pytest.mark.parametrize(
    "source", ["import warnings; warnings.warn('careful')", "import sys; print('oh', file=sys.stderr)"]
)
def test_a_complaint_would_be_seen(source, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3").execute(env={**clean_environment(), "IPYTHONDIR": str(tmp_path)})
    assert complaints(notebook.cells[0])
