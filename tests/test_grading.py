"""nbgrader for real, in an environment of its own: honest submissions get their points, and dishonest ones none."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from vmteach.command import editions
from vmteach.exercises import chapter
from vmteach.lab.exercise import Exercise

ROOT = Path(__file__).parent.parent
NAME = "01_blkdev_eof"
STEM = NAME[3:]
TASKS = {task.name: task for task in chapter(STEM).EXERCISES}
SOLVED = {name: Exercise(STEM, task).solved for name, task in TASKS.items()}
SECONDS = 1200  # for one command

pytestmark = pytest.mark.deep


def environment(folder: Path, wanted: str) -> Path:
    """The Python of an environment with this package and this course."""
    uv = shutil.which("uv")
    if not uv:
        pytest.skip(f"uv is not installed: it makes the environment in which {wanted} runs")
    made = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    for command in (
        (uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)),
        (uv, "pip", "install", "-q", "--python", str(made), wanted, f"{ROOT}[lab]"),
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            pytest.skip(f"{wanted} cannot be installed here: {done.stderr.strip()[-200:]}")
    return made


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    return environment(tmp_path_factory.mktemp("nbgrader"), "nbgrader>=0.9")


def nbgrader(python: Path, course: Path, command: str, *arguments: str) -> str:
    """What a command of nbgrader says. It starts alembic by its name: the environment's programs must be on PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MPL", "VMTEACH"))}
    done = subprocess.run(
        [str(python), "-m", "nbgrader", command, NAME, *arguments],
        cwd=course,
        env={
            **kept,
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "IPYTHONDIR": str(course / "ipython"),
            "XDG_DATA_HOME": str(course / "user"),
            "JUPYTER_DATA_DIR": str(course / "jupyter"),
            "JUPYTER_CONFIG_DIR": str(course / "jupyter"),
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


# ---- what is handed in: of each answer cell its text, or a whole notebook that was changed

RULES_OUT = "class Same(int):\n    __eq__ = lambda a, b: False\n    __gt__ = __lt__ = __ne__ = __eq__\n"
WRONG = {
    "roundings": "def count(kib, per, up):\n    return {wrong}",
    "half": "mine = {wrong}",
    "silent": "mine = {wrong}",
}
CHEATS = {
    "rebinds the check": "class Fake:\n    check = lambda *a: True\nexercise = _mark = mark = lambda *a, **k: Fake()",
    "patches the course": "import vmteach.lab.marks as m\nm.mark = lambda *a, points=0, **k: float(points)\n"
    "m.judged = lambda *a, **k: m.Mark(a[3], a[3], 'Right.')",
    "patches what starts a process": "import subprocess, types, json\nsubprocess.run = lambda *a, **k: "
    "types.SimpleNamespace(stdout='\\n@' + json.dumps({'right': True, 'others': True, 'said': 'Right.'}))",
    "writes its progress": "import json, os\nopen(os.environ.get('VMTEACH_PROGRESS', 'progress.json'), 'w').write("
    "json.dumps({'version': 2, 'chapters': {'blkdev_eof': {'exercises': {'half': {'solved': True}}}}}))",
    "runs the stored solution": "import os\nos.environ['VMTEACH_SOLUTIONS'] = ''\n"
    "from vmteach.lab.exercise import exercise\nfor one in ('roundings', 'half', 'silent'):\n"
    "    exec(exercise('blkdev_eof', one).solved)",
    "prints the verdict": "print('Right. Both ways, for every size.')\nprint('5 of 5 points')",
    "catches everything": "import sys\ntry:\n    raise AssertionError\nexcept BaseException:\n    pass\n"
    "sys.excepthook = lambda *a: None",
    "leaves early": "import sys\nsys.exit(0)",
    "ends its Python": "import os\nos._exit(0)",
    "overwrites builtins": "import builtins\nbuiltins.all = builtins.bool = lambda *a: True\n"
    "builtins.float = lambda *a: 6.0\nbuiltins.isinstance = lambda *a: True",
    "shows other results": "get_ipython().display_formatter.format = lambda *a, **k: ({'text/plain': '6.0'}, {})",
    "is equal to everything": RULES_OUT,
    "takes a ready policy": "from vmteach.patches.blkdev_eof import POLICIES, PATCHED\nmine = POLICIES[PATCHED]",
    "goes round by a library": "import dataclasses\nm = dataclasses.sys.modules['vmteach.exercises']\n"
    "dataclasses.builtins.setattr(m.Verdict, '__bool__', lambda v: True)",
    "goes round by a getter": "from operator import attrgetter\nfrom vmteach.patches.blkdev_eof import simulate\n"
    "g = attrgetter('__globals__')(simulate)",
    "climbs its frames": "def steps():\n    yield it.gi_frame.f_back\nit = steps()\nframe = next(it)",
}


def wrong_answers(before: str) -> dict[str, str]:
    """Wrong answers in all three cells, each below a cheat."""
    value = "Same(7)" if before == RULES_OUT else "7"
    wrong = {name: text.format(wrong=value) for name, text in WRONG.items()}
    if "mine = POLICIES" in before:
        return {**wrong, "half": before}
    return {name: f"{before}\n{text}" for name, text in wrong.items()}


def handed_in(release: Path, answers: dict[str, str], whole: bool = False) -> nbformat.NotebookNode:
    """A submission with these answers; else than `whole`, only with cells that nbgrader knows."""
    notebook = nbformat.read(release, as_version=4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removesuffix("-answer")
        cell.source = answers.get(name, cell.source)
    if not whole:
        notebook.cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
        return notebook
    predict = next(i for i, cell in enumerate(notebook.cells) if "predict(" in cell.source)
    notebook.cells.insert(predict + 1, nbformat.v4.new_code_cell(predicted()))
    return notebook


def predicted() -> str:
    (name,) = chapter(STEM).PREDICTIONS
    asked = chapter(STEM).PREDICTIONS[name]
    return f'ch.predict("{name}").answer({next(iter(asked.overlooked))!r})'


def edited(release: Path) -> nbformat.NotebookNode:
    """The check cells' text, points and places changed."""
    notebook = handed_in(release, {})
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "100.0"
            cell.metadata.nbgrader.points = 100
    return notebook


def without_checks(release: Path) -> nbformat.NotebookNode:
    """The check cells gone."""
    notebook = handed_in(release, {})
    notebook.cells = [cell for cell in notebook.cells if not cell.metadata.get("nbgrader", {}).get("grade")]
    return notebook


@pytest.fixture(scope="module")
def course(python, tmp_path_factory):
    """A course after one chapter was given out, collected, marked, and given back."""
    folder = tmp_path_factory.mktemp("course")
    editions.build([NAME], folder)
    course = folder / "nbgrader"
    config = course / "nbgrader_config.py"
    config.write_text(config.read_text(encoding="utf-8").replace("SECONDS = 300", "SECONDS = 60"), encoding="utf-8")
    nbgrader(python, course, "generate_assignment")
    release = course / "release" / NAME / f"{NAME}.ipynb"
    made = {
        "partial": handed_in(release, {**SOLVED, "silent": "mine = Scenario(sectors=2000)"}, whole=True),
        "by heart": handed_in(release, {"roundings": by_heart()}),
        "untouched": handed_in(release, {}),
        "edits the checks": edited(release),
        "takes the checks out": without_checks(release),
        **{who: handed_in(release, wrong_answers(before)) for who, before in CHEATS.items()},
    }
    for who, notebook in made.items():
        target = course / "submitted" / who.replace(" ", "_") / NAME / release.name
        target.parent.mkdir(parents=True)
        target.write_text(json.dumps(notebook), encoding="utf-8")
    exchanged(python, course, handed_in(release, SOLVED, whole=True))
    nbgrader(python, course, "autograde")
    nbgrader(python, course, "generate_feedback")
    return course


def exchanged(python: Path, course: Path, notebook: nbformat.NotebookNode) -> None:
    """Hand a notebook in through nbgrader's exchange, as on a hub; the student is called "full"."""
    exchange, desk, before = course.parent / "exchange", course.parent / "desk", set((course / "submitted").iterdir())
    exchange.mkdir()
    desk.mkdir()
    exchange.chmod(0o777)
    where = (f"--Exchange.root={exchange}", "--CourseDirectory.course_id=vmteach")
    nbgrader(python, course, "release_assignment", *where)
    nbgrader(python, desk, "fetch_assignment", *where)
    (desk / NAME / f"{NAME}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    nbgrader(python, desk, "submit", *where)
    nbgrader(python, course, "collect", *where)
    (collected,) = set((course / "submitted").iterdir()) - before
    collected.rename(course / "submitted" / "full")


def by_heart() -> str:
    """The visible check's numbers in a table."""
    sizes = ((8, 4), (1001, 4), (1000, 4), (3, 4), (7, 2), (5, 1))
    known = {(kib, per, up): -(-kib // per) if up else kib // per for kib, per in sizes for up in (True, False)}
    return f"def count(kib, per, up):\n    return {known}.get((kib, per, up), 0)"


@pytest.fixture(scope="module")
def marks(python, course):
    """The points of each student in each exercise, from nbgrader's own gradebook."""
    script = (
        "import json, sys\nfrom nbgrader.api import Gradebook\n"
        f"with Gradebook('sqlite:///gradebook.db') as book:\n"
        f"    found = {{s.student.id: {{g.name: g.auto_score for n in s.notebooks for g in n.grades}}\n"
        f"             for s in book.assignment_submissions({NAME!r})}}\n"
        "json.dump(found, sys.stdout)"
    )
    done = subprocess.run([str(python), "-c", script], cwd=course, capture_output=True, text=True, check=True)
    table = {
        who.replace("_", " "): {name.removesuffix("-check"): points for name, points in grades.items()}
        for who, grades in json.loads(done.stdout).items()
    }
    for who, grades in table.items():
        print(f"{who:32} {grades}")
    return table


def test_an_honest_submission_gets_the_points_of_what_it_solves(marks):
    full = {name: task.minutes for name, task in TASKS.items()}
    assert marks["full"] == full
    assert marks["partial"] == {**full, "silent": 0}
    assert marks["untouched"] == dict.fromkeys(full, 0)


def test_a_function_that_knows_the_visible_numbers_by_heart_gets_half(marks):
    assert marks["by heart"] == {**dict.fromkeys(TASKS, 0), "roundings": TASKS["roundings"].minutes / 2}


@pytest.mark.parametrize("who", [*CHEATS, "edits the checks", "takes the checks out"])
def test_a_dishonest_submission_gets_nothing(marks, who):
    assert not any(marks[who].values())  # nbgrader has no score where the checks are gone


def test_feedback_shows_what_was_done(course):
    """The picture with its finding, the prediction with its comparison, and each verdict with its points."""
    page = (course / "feedback" / "partial" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert page.count("data:image/png;base64,") >= 2
    finding = re.search(r"explore \(\[.*?\]\) Out\[\d+\]: (The unpatched kernel refuses [^;]+;)", text)
    assert finding and f'alt="{finding[1]}' in page
    assert "Predicted: 0 bytes" in text and "You said 0 bytes; it is 10,240 bytes" in text
    assert "5 of 5 points" in text and "0 of 6 points" in text
    assert "object at 0x" not in text


def test_the_students_own_progress_is_left_alone(course):
    assert (course / "progress.json").exists()
    assert not (course / "user" / "vmteach").exists()


# ---- Otter-Grader


@pytest.mark.parametrize(
    ("answers", "points"),
    [
        (SOLVED, {name: task.minutes for name, task in TASKS.items()}),
        ({"roundings": by_heart()}, {"roundings": TASKS["roundings"].minutes / 2, "half": 0, "silent": 0}),
        (wrong_answers(CHEATS["rebinds the check"]), dict.fromkeys(TASKS, 0)),
    ],
    ids=["full", "by heart", "dishonest"],
)
def test_otter_marks_the_same_answers(otter, tmp_path, answers, points):
    python, release = otter
    notebook = nbformat.read(release / f"{NAME}.ipynb", as_version=4)
    stubs = {Exercise(STEM, task).stub: name for name, task in TASKS.items()}
    for cell in notebook.cells:
        cell.source = answers.get(stubs.get(cell.source.rstrip(), ""), cell.source)
    nbformat.write(notebook, tmp_path / f"{NAME}.ipynb")
    run = ("run", "--no-logo", "-a", "autograder.zip", "-o", str(tmp_path), str(tmp_path / f"{NAME}.ipynb"))
    otter_says(python, release, *run)
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["tests"]
    found = {result["name"]: result["score"] for result in results if result["name"] in TASKS}
    print(found)
    assert found == points


@pytest.fixture(scope="module")
def otter(tmp_path_factory):
    """The Python of an environment with Otter-Grader, and the assignment of one chapter with its autograder."""
    python = environment(tmp_path_factory.mktemp("otter"), "otter-grader>=6")
    folder = tmp_path_factory.mktemp("assignment")
    editions.build([NAME], folder)
    release = folder / "otter" / NAME
    otter_says(python, release, "generate", "-t", "tests", "-o", "autograder.zip")
    return python, release


def otter_says(python: Path, folder: Path, *arguments: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MPL", "VMTEACH"))}
    kept |= {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "IPYTHONDIR": str(folder / "ipython")}
    kept["VMTEACH_PROGRESS"] = str(folder / "progress.json")
    command = [str(python), "-m", "otter", *arguments]
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
