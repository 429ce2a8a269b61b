"""Every notebook is tidy, has the parts of a chapter, and runs twice in one kernel without complaint."""

import ast
import os
import re
import warnings
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
from lab import FEW_ROWS
from nbclient import NotebookClient

from vmteach import course
from vmteach.exercises import chapter
from vmteach.figures.words import number
from vmteach.lab.exercise import exercise
from vmteach.patches import STEMS

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if path.stem[3:] in STEMS]
LONGEST = 15  # lines of a code cell
HEAVY = "import sys; print(*sorted({'matplotlib', 'numpy', 'pandas'} & sys.modules.keys()))"
SECTIONS = (
    "Objectives",
    "Unpatched and patched",
    "Watch it happen",
    "Predict",
    "Run",
    "Vary",
    "Map",  # only where there is such a map
    "Change it",
    "Does a real kernel do this?",
    "How sure is this?",
    "Key points",
)
OLD_SECTIONS = (  # of the chapters that do not begin with `ch = chapter("STEM")` yet
    "Why it hurt",
    "Objectives",
    "Before and after",
    "One step by hand",
    "Predict",
    "Run",
    "Vary",
    "Map",
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


def is_new(path: Path) -> bool:
    """Does the chapter work with one object?"""
    return f'ch = chapter("{path.stem[3:]}")' in code_cells(path)[0].source


def as_called(path: Path, source: str) -> str:
    """A cell with `ch.` written out."""
    stem = path.stem[3:]
    return re.sub(r'\bch\.(exercise|goal|recall)\((?=")', rf'\1("{stem}", ', source).replace(
        "ch.recall()", f'recall("{stem}")'
    )


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
    """New chapters have two lines: the import, and their object."""
    first = ast.parse(code_cells(path)[0].source).body[: -1 if is_new(path) else None]
    only = all(isinstance(node, ast.Import | ast.ImportFrom) for node in first)
    assert only, f"{path.name}: the first code cell must hold imports and nothing else"


@every_chapter
def test_sections_come_in_their_order(path):
    title, *sections = headings(path)
    assert title.startswith("# ")
    names = SECTIONS if is_new(path) else OLD_SECTIONS
    expected = [f"## {name}" for name in names if name != "Map" or "## Map" in sections]
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
    found = [as_called(path, cell) for cell in sections(path)["Change it"]]
    missing = [cell for cell in expected if cell not in found]
    assert not missing, (
        f"{path.name}, Change it: no cell is word for word as vmteach/exercises/{stem}.py has it: {missing}"
    )
    assert [cell for cell in found if cell in expected] == expected
    cells = [sections(path)[""][0], *sections(path)["Change it"]]
    missing = imported(chapter(stem).NEEDS) - imported(*cells)
    assert not missing, f"{path.name}: its exercises need the imports {sorted(missing)}"


def imported(*cells: str) -> set[str]:
    """The names that some cells import."""
    nodes = [node for cell in cells for node in ast.walk(ast.parse(cell))]
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


@every_chapter
def test_prediction_goals_and_questions_have_their_places(path):
    stem, found = path.stem[3:], sections(path)
    new = is_new(path)
    calls = ("ch.predict(",) if new else (f'predict("{stem}/', f'predict(\n    "{stem}/')
    predicts = any(call in cell for call in calls for cell in found["Predict"])
    assert predicts, f"{path.name}, Predict: no cell with {calls[0]}...)"
    for word in ("prediction.value", "prediction.against("):
        assert any(word in cell for cell in found["Run"]), f"{path.name}, Run: no cell with {word}"
    if new:  # the goals stand above the explorer's controls
        assert any("ch.explore(" in cell for cell in found["Vary"]), f"{path.name}, Vary: no cell with ch.explore("
        assert any("ch.watch(" in cell for cell in found["Watch it happen"]), f"{path.name}: no cell with ch.watch("
        assert any("progress()" in cell for cell in found["Key points"]), f"{path.name}, Key points: no progress()"
    else:
        goals = [f'goal(explorer, "{stem}", "{each.name}")' for each in chapter(stem).GOALS]
        there = [cell for cell in found["Vary"] if cell in goals]
        assert there == goals, f"{path.name}, Vary: a cell for each of {goals} in this order"
    asked = [as_called(path, cell) for cell in found["Key points"]]
    assert f'recall("{stem}")' in asked, f"{path.name}, Key points: no cell that asks the questions at the end"


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
def test_the_first_cell_says_what_a_reader_must_know_before(path):
    """Minutes, needs, patch, objectives; and a picture that is there before anything runs."""
    card = read(path).cells[0].source
    if is_new(path):
        line = re.search(
            r"^\*\*(\d+) min\*\* · needs: .+ · patch `[\w-]+`.* · \[objectives\]\(#Objectives\)$", card, re.M
        )
        assert line, (
            f"{path.name}: its second line must be: **MINUTES min** · needs: ... · patch `...` ... · [objectives]"
        )
        assert re.search(r"^!\[.{40,}\]\(pictures/" + path.stem + r"\.svg\)$", card, re.M), f"{path.name}: no picture"
        minutes = line[1]
    else:
        for word in ("entry", "kernel", "level", "read before", "you will be able to"):
            assert f"**{word}" in card.lower(), f"{path.name}, card: no line **{word}**"
        found = re.search(r"\| \*\*(?:time|minutes)\*\* \| (\d+)", card.lower())
        minutes = found[1] if found else "0"
    assert 25 <= int(minutes) <= 60, f"{path.name}: a chapter takes 25 to 60 minutes, got {minutes}"


@every_chapter
def test_the_first_cell_and_the_course_name_the_same_chapters_to_read_before(path):
    pattern = r"^\*\*\d+ min\*\* · (needs: .+?) · patch" if is_new(path) else r"\| \*\*read before\*\* \| (.+) \|"
    (line,) = re.findall(pattern, read(path).cells[0].source, re.I | re.M)
    named = [int(number) for number in re.findall(r"\((\d\d)_\w+\.ipynb\)" if is_new(path) else r"\b\d\d\b", line)]
    needs = [course.CHAPTERS[need].number for need in course.CHAPTERS[path.stem[3:]].needs]
    assert [number for number in named if number] == needs, f"{path.name}: {line}; vmteach/course.py: {needs}"


@every_chapter
def test_a_new_chapter_ends_with_its_moral_and_the_next_one(path):
    if is_new(path):
        last = read(path).cells[-1].source
        prose = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
        points = "\n".join(prose).partition("## Key points")[2]
        assert re.search(r"^\*\*[A-Z].+\*\*$", points, re.M), f"{path.name}, Key points: no moral in bold"
        assert re.match(r"\*\*Next:\*\* \[.+\]\(\d\d_\w+\.ipynb\) · \[all chapters\]\(00_start_here\.ipynb\)", last), (
            last
        )


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
    """First as a page asks for cells, which draws by itself; then as a program does, which is given still pictures.

    What the kernel's cases say has been seen by then: the second time few of them are asked.
    """
    notebook = read(path)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    with client.setup_kernel(env={**clean_environment(), "IPYTHONDIR": str(tmp_path)}):
        for asked_by in ("a page", "a program"):
            for index, cell in enumerate(notebook.cells):
                client.kc.session.metadata = {"cellId": cell.id} if asked_by == "a page" else {}
                client.execute_cell(cell, index)
                assert complaints(cell) == [], f"{path.name}, cell {cell.id}"
            if asked_by == "a page":
                asked = nbformat.v4.new_code_cell(HEAVY)
                notebook.cells.append(asked)
                client.execute_cell(asked, len(notebook.cells) - 1)
                assert notebook.cells.pop().outputs[0].text == "\n", "half as much memory again for a chapter's kernel"
            client.kc.execute(FEW_ROWS, silent=True)


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
