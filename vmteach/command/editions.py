"""`vmteach editions`: the chapters for students, teachers, nbgrader, Otter and Colab, built from the notebooks.

    vmteach editions [--into FOLDER] [names of chapters, such as 11_overflow_buffers]
    vmteach editions --minutes

student     the notebooks as they are, with stubs. One cell more tells the library to show no solutions.
teacher     the answer cells are solved, and notes stand after Predict, Vary and each exercise.
nbgrader    a course folder: each chapter with exercises is an assignment. `nbgrader generate_assignment NAME` there.
otter       each chapter with exercises as an assignment of Otter-Grader: a notebook, and the same checks as its tests.
colab       the notebooks with a cell on top that installs the course from your repository, for Colab and Kaggle.

Stub, solution and check come from vmteach/exercises, and so do the notes: that on the prediction from PREDICTIONS. A
chapter without exercises goes through as it is. Same notebooks, same bytes. The folder `editions` is not for working
in: files that this command writes are written over; others (a gradebook, what students hand in) it leaves alone.

left out    the solutions are still in the package's files, for who reads them there: docs/teachers.md
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import NamedTuple

from vmteach.exercises import RUNGS, Task, chapter, fill, teaching
from vmteach.figures.story import sentences, stories
from vmteach.lab.door import MINUTES
from vmteach.lab.exercise import Exercise, exercise, seeded
from vmteach.run import Record
from vmteach.tables import COURSE

NOTEBOOKS = COURSE / "notebooks"
Cell = Record
Notebook = Record

WORDS_A_MINUTE = 200  # of prose; a page of a textbook is read at this pace
A_QUESTION = 1  # minutes for a prediction, a goal or a question at the end

TEMPLATES = Path(__file__).parent / "templates"
HIDE, SEED, MARK, GRADER, BADGE, INSTALL = tomllib.loads((TEMPLATES / "cells.toml").read_text("utf-8")).values()
NOTES: dict[str, str] = tomllib.loads((TEMPLATES / "notes.toml").read_text("utf-8"))
OWNER = "OWNER/vmteach"  # a repository, until `--repository` names yours


# ---- notebooks


def source(cell: Cell) -> str:
    """The text of a cell; a notebook's file may hold it as a list of lines."""
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def rewrite(cell: Cell, text: str) -> None:
    """Put another text into a cell, as a list of lines."""
    cell["source"] = text.splitlines(keepends=True)


def new_cell(kind: str, name: str, text: str) -> Cell:
    """A cell of this kind ("code" or "markdown") with this id."""
    ran: Record = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": name, "metadata": {}, "source": text.splitlines(keepends=True), **ran}


def as_text(notebook: Notebook) -> str:
    """The notebook as the text of its file, as the committed ones are written."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def uses_learning(notebook: Notebook) -> bool:
    """Whether a chapter has exercises: the front door, which shows a chapter as an example, has none."""
    return any(re.match(r'(ch\.)?exercise\("', source(cell)) for cell in code(notebook))


def code(notebook: Notebook) -> list[Cell]:
    """The code cells."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


class Place(NamedTuple):
    """An exercise in a notebook: its answer cell and its check cell."""

    exercise: Exercise
    answer: Cell
    check: Cell


def places(notebook: Notebook) -> Iterator[Place]:
    """The exercises of a notebook in their order. An answer cell that is not the exercise's stub is an error."""
    cells, stem = code(notebook), re.search(r'= chapter\("(\w+)"\)', source_of(notebook))
    for before, cell in zip(cells, cells[1:]):
        check = in_full(source(cell).rstrip(), stem[1] if stem else "")
        called = re.match(r'exercise\("(\w+)", "(\w+)"\)\.check\(', check)
        if not called:
            continue
        found = exercise(*called.groups())
        for what, want, has, is_ in (
            ("check", found.check_cell, check, cell),
            ("answer", found.stub, source(before).rstrip(), before),
        ):
            if has != want:
                raise ValueError(f"the {what} cell of {called[2]} must be what vmteach/exercises says, got {is_['id']}")
        yield Place(found, before, cell)


def in_full(text: str, stem: str) -> str:
    """A call of a chapter's object as the call that it makes.

    >>> in_full('ch.exercise("seen").check(seen)', "overflow_buffers")
    'exercise("overflow_buffers", "seen").check(seen)'
    """
    return re.sub(r'^ch\.exercise\("(\w+)"\)', rf'exercise("{stem}", "\1")', text)


def section_end(notebook: Notebook, name: str) -> int | None:
    """The place of the cell after a section's last one, or None where there is no such section."""
    cells = notebook["cells"]
    starts = [i for i, cell in enumerate(cells) if is_heading(cell)]
    ends = {source(cells[start]).partition("\n")[0]: end for start, end in zip(starts, [*starts[1:], len(cells)])}
    return ends.get(f"## {name}")


def is_heading(cell: Cell) -> bool:
    return cell["cell_type"] == "markdown" and source(cell).startswith("## ")


# ---- the editions


def student(notebook: Notebook, _: str = "") -> Notebook:
    """The chapter with its stubs; where it has solutions to unfold, a cell hides them."""
    made = deepcopy(notebook)
    list(places(made))  # are the answer cells stubs?
    if uses_learning(made):
        first = made["cells"].index(code(made)[0])
        made["cells"].insert(first, new_cell("code", "edition", HIDE))
    return made


def solved(notebook: Notebook, _: str = "") -> Notebook:
    """The chapter with its exercises solved."""
    made = deepcopy(notebook)
    _solve(made)
    return made


def _solve(notebook: Notebook) -> list[Place]:
    """Put a solution into each answer cell; the exercises."""
    found = list(places(notebook))
    for place in found:
        rewrite(place.answer, place.exercise.solved)
    return found


def teacher(notebook: Notebook, stem: str) -> Notebook:
    """The chapter solved, with notes."""
    made = deepcopy(notebook)
    found = _solve(made)
    if not uses_learning(made):
        return made
    talks = teaching(stem)
    add_note(made, section_end(made, "Change it"), "change", note_on_change([p.exercise.task for p in found]))
    for place in found:
        text = note_on_exercise(place.exercise)
        add_note(made, made["cells"].index(place.check) + 1, place.exercise.task.name, text)
    add_note(made, section_end(made, "Watch it happen"), "board", note_on_board(stem))
    for head, asks in (("Change it", talks.change), ("Vary", talks.vary), ("Run", talks.run)):
        add_note(made, section_end(made, head), f"talk-{head.split()[0].lower()}", [f"**To discuss:** {asks}"])
    add_note(made, section_end(made, "Vary"), "vary", note_on_vary(stem))
    add_note(made, section_end(made, "Predict"), "predict", note_on_predict(stem))
    first = [*note_on_minutes(minutes(notebook, stem)), *NOTES["plan"].format(talks).splitlines()]
    add_note(made, made["cells"].index(code(made)[0]), "minutes", first)
    return made


def nbgrader(notebook: Notebook, _: str = "", seed: str = "") -> Notebook:
    """The chapter as an assignment: answer cells with stub and solution, locked check cells with points.

    A seed gives a class numbers of its own, where an exercise has some.
    """
    made = student(notebook)
    for cell in made["cells"]:
        rewrite(cell, beside(source(cell)))
        if cell["id"] == "edition":
            rewrite(cell, source(cell) + SEED.format(seed) * bool(seed))
            cell["metadata"]["nbgrader"] = graded("edition", locked=True)
    for place in places(made):
        name, task, stem = place.exercise.task.name, place.exercise.task, place.exercise.stem
        variant = seeded(stem, name, len(task.variants), seed)
        own = Exercise(stem, task, variant)
        rewrite(place.answer, f"{own.stub}\n### BEGIN SOLUTION\n{own.solved}\n### END SOLUTION")
        place.answer["metadata"]["nbgrader"] = graded(f"{name}-answer", solution=True)
        points = {"points": task.minutes}
        rewrite(place.check, MARK.format(stem, name, task.minutes, variant))
        place.check["metadata"]["nbgrader"] = graded(f"{name}-check", grade=True, locked=True) | points
    return made


def graded(name: str, grade: bool = False, solution: bool = False, locked: bool = False) -> Record:
    """What nbgrader must know of a cell; nothing here can be left out."""
    return {"grade": grade, "solution": solution, "locked": locked, "grade_id": name, "schema_version": 3}


def beside(text: str) -> str:
    """A cell's text for an assignment, which has the other chapters beside its own folder.

    >>> beside("[next](08_shm_big_iron.ipynb)")
    '[next](../08_shm_big_iron/08_shm_big_iron.ipynb)'
    """
    return re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](../\1/\1.ipynb)", text)


def otter(notebook: Notebook, _: str = "") -> Notebook:
    """The chapter as an assignment of Otter-Grader: a cell that asks for the test stands below each check."""
    made = student(notebook)
    first = made["cells"].index(code(made)[0])
    made["cells"].insert(first, new_cell("code", "grader", GRADER))
    for place in places(made):
        ask = new_cell("code", f"otter-{place.check['id']}", f'grader.check("{place.exercise.task.name}")')
        made["cells"].insert(made["cells"].index(place.check) + 1, ask)
    return made


def otter_tests(notebook: Notebook) -> Mapping[str, str]:
    """The files of Otter's tests, by name."""
    found = [place.exercise for place in places(notebook)]
    parts = [(one.stem, one.task.name, one.task.minutes, one.task.minutes / 2) for one in found]
    return {f"{name}.py": template("otter_test").format(stem, name, whole, half) for stem, name, whole, half in parts}


def colab(notebook: Notebook, stem: str, repository: str = OWNER) -> Notebook:
    """The chapter with a badge that opens it, and a cell that installs the course first."""
    made = deepcopy(notebook)
    list(places(made))  # are the answer cells stubs?
    first = made["cells"].index(code(made)[0])
    (name,) = [path.name for path in chosen(()) if path.stem[3:] == stem]
    badge = new_cell("markdown", "badge", BADGE.format(repository, name))
    made["cells"][first:first] = [badge, new_cell("code", "install", INSTALL.format(repository))]
    return made


EDITIONS: Mapping[str, Callable[[Notebook, str], Notebook]] = {
    "student": student,
    "teacher": teacher,
    "solved": solved,
    "nbgrader": nbgrader,
    "otter": otter,
    "colab": colab,
}

MARKED = {"nbgrader": "source", "otter": "."}  # editions with a folder for each assignment, and where these are


def build(
    names: Sequence[str] = (), into: Path = Path("editions"), repository: str = OWNER, seed: str = ""
) -> dict[str, list[Path]]:
    """Write the editions of these chapters, or of all; the files of each edition."""
    editions: dict[str, Callable[[Notebook, str], Notebook]] = {
        **EDITIONS,
        "colab": partial(colab, repository=repository),
        "nbgrader": partial(nbgrader, seed=seed),
    }
    written: dict[str, list[Path]] = {edition: [] for edition in editions}
    for path in chosen(names):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for edition, make in editions.items():
            try:
                made = make(notebook, path.stem[3:])
            except ValueError as wrong:
                raise ValueError(f"{path.name}: {wrong}") from None
            if edition not in MARKED or uses_learning(notebook):  # else there is nothing to grade
                written[edition].append(sheet(path, notebook, made, edition, into / edition))
    write(into / "nbgrader" / "nbgrader_config.py", template("nbgrader_config").format(seed=seed))
    return written


def sheet(path: Path, notebook: Notebook, made: Notebook, edition: str, into: Path) -> Path:
    """Write one notebook of an edition, with its pictures, and with its tests where the edition has some."""
    folder = into / MARKED[edition] / path.stem if edition in MARKED else into / "notebooks"
    text = path.read_text(encoding="utf-8")
    for name, test in otter_tests(notebook).items() if edition == "otter" else ():
        write(folder / "tests" / name, test)
    write(folder / path.name, text if made == notebook else as_text(made))
    for picture in re.findall(r"[(\"](pictures/[\w.]+)", text):
        write(folder / picture, (NOTEBOOKS / picture).read_text(encoding="utf-8"))
    return folder / path.name


def source_of(notebook: Notebook) -> str:
    """All code of a notebook."""
    return "\n".join(map(source, code(notebook)))


def template(name: str) -> str:
    """A file of the folder templates, to be filled by str.format."""
    return (TEMPLATES / f"{name}.txt").read_text(encoding="utf-8")


def chosen(names: Sequence[str]) -> list[Path]:
    """The notebooks of these names, or all."""
    paths = {path.stem: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    if unknown := [name for name in names if name not in paths]:
        raise ValueError(f"a chapter must be one of {', '.join(paths)}, got {unknown[0]}")
    return [path for stem, path in paths.items() if not names or stem in names]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


# ---- a teacher's notes


def add_note(notebook: Notebook, where: int | None, name: str, lines: Sequence[str]) -> None:
    """Put a note in front of the cell at a place; without a place there is no note."""
    if where is not None:
        text = "\n".join(["> **For the teacher.** " + lines[0], *(f">\n> {line}" for line in lines[1:])])
        notebook["cells"].insert(where, new_cell("markdown", f"teacher-{name.replace('_', '-')}", text))


def note_on_minutes(sum_: "Minutes") -> list[str]:
    return [NOTES["minutes"].format(sum_)]


def note_on_predict(stem: str) -> list[str]:
    (known,) = chapter(stem).PREDICTIONS.values()

    def shown(value: object) -> str:
        return str(value) if isinstance(value, str) else f"{value:,} {known.unit}".rstrip()

    guesses = "\n".join(f"- *{shown(guess)}*: {said}" for guess, said in known.overlooked.items())
    return NOTES["predict"].format(result=shown(known.result), guesses=guesses, minutes=A_QUESTION).splitlines()


def note_on_board(stem: str) -> list[str]:
    """What to draw: the story's first frame, its named steps and its ends, in the stepper's own sentences."""
    story = stories(import_module(f"vmteach.figures.{stem}"))[0]
    marks = dict(map(tuple, story.get("marks", ())))
    wanted = sorted({1, *marks, len(story["steps"])})
    said = sentences(story, "*{}:* ")
    steps = [f"- step {n}{f' ({marks[n]})' if n in marks else ''}: {said[n - 1]}" for n in wanted]
    return [NOTES["board"].format(story["title"]), *steps]


def note_on_vary(stem: str) -> list[str]:
    return NOTES["vary"].format("\n".join(map(NOTES["goal"].format, chapter(stem).GOALS))).splitlines()


def note_on_exercise(place: Exercise) -> list[str]:
    return fill(NOTES["exercise"].format(place.task), place.given).splitlines()


def note_on_change(tasks: Sequence[Task]) -> list[str]:
    """What to skip: the highest rungs first; the first exercise always stays."""
    late = sorted(tasks, key=lambda task: -RUNGS.index(task.rung))
    together = sum(task.minutes for task in tasks)
    lines = [f"{len(tasks)} exercises, {together} minutes."]
    if len(tasks) > 1:
        first, second, *_, last = (*late, late[-1])
        lines.append(NOTES["late"].format(first, second, first.minutes + second.minutes, last))
    return lines


# ---- minutes


class Minutes(NamedTuple):
    """How long a chapter takes, in minutes, by a rule; `card` is what its card says, or None.

    Reading is the words of the Markdown cells at 200 a minute, rounded up. Exercises take what their author says.
    Each prediction, goal and question at the end takes one minute. The cells themselves run for seconds: not counted.
    """

    reading: int
    exercises: int
    questions: int
    card: int | None

    @property
    def together(self) -> int:
        return self.reading + self.exercises + self.questions


def minutes(notebook: Notebook, stem: str) -> Minutes:
    """The minutes of a chapter."""
    prose = [source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    reading = ceil(sum(map(words, prose)) / WORDS_A_MINUTE)
    says = MINUTES.search("\n".join(prose))
    card = int(says[1]) if says else None
    if not uses_learning(notebook):
        return Minutes(reading, 0, 0, card)
    calls = re.findall(r"^(?:\w+ = )?(ch\.explore|(?:ch\.)?(?:predict|goal|recall))\(", source_of(notebook), re.M)
    stands_above = "ch.goal" not in calls  # where goals have no cells of their own, they stand above the explorer
    asked = sum(_questions(call, stem, stands_above) for call in calls)
    return Minutes(reading, sum(p.exercise.task.minutes for p in places(notebook)), A_QUESTION * asked, card)


def _questions(call: str, stem: str, stands_above: bool) -> int:
    """How many questions a cell with this call asks."""
    if call == "ch.explore":
        return len(chapter(stem).GOALS) if stands_above else 0
    return len(chapter(stem).RECALL) if call.endswith("recall") else 1


def words(text: str) -> int:
    """How many words there are to read; marks of Markdown and HTML are none.

    >>> words("## Why it hurt"), words("| a | **b** |"), words("<details><summary>One way</summary>")
    (3, 2, 2)
    """
    return sum(any(map(str.isalnum, word)) for word in re.sub(r"<[^>]+>", " ", text).split())


def table() -> str:
    """The minutes of all chapters."""
    lines = [f"{'chapter':24}{'reading':>9}{'exercises':>11}{'questions':>11}{'together':>10}{'card':>6}"]
    for path in chosen(()):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        sum_ = minutes(notebook, path.stem[3:])
        numbers = f"{sum_.reading:9}{sum_.exercises:11}{sum_.questions:11}{sum_.together:10}"
        lines.append(f"{path.stem:24}{numbers}{sum_.card if sum_.card is not None else '-':>6}")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("vmteach editions", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="chapters, such as 11_overflow_buffers; all if there is none")
    parser.add_argument("--into", type=Path, default=Path("editions"), help="the folder to write to")
    parser.add_argument("--repository", default=OWNER, help="of yours, for Colab: OWNER/NAME")
    parser.add_argument("--seed", default="", help="a word for a class: exercises get numbers of its own (nbgrader)")
    parser.add_argument("--minutes", action="store_true", help="print how long each chapter takes, and write nothing")
    chose = parser.parse_args(arguments)
    if chose.minutes:
        print(table())
        return 0
    try:
        written = build(chose.names, chose.into, chose.repository, chose.seed)
    except ValueError as wrong:
        print(wrong, file=sys.stderr)
        return 1
    for edition, files in written.items():
        size = sum(path.stat().st_size for path in files)
        print(f"{edition:10}{len(files):3} notebooks, {size / 1024:.0f} KiB in {chose.into / edition}")
    return 0
