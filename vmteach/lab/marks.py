"""Marks that stand on their own: an answer cell's source is judged in a fresh Python, where the notebook has no say.

    vmteach marks FOLDER [--seed WORD] [--csv marks.csv]

reads notebooks that were handed in and never runs them: it takes the answer cells' sources, refuses what is no answer
(answer.py), and judges the rest in a process of its own. nbgrader's settings in the nbgrader edition ask for the same
after a notebook has run, so that nothing which the notebook did counts; a check cell asks `mark`, for its reader.

left out    an answer that was copied from the package's own files: nothing in a file can tell (docs/teachers.md)
"""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from vmteach.exercises import Task, chapter, fill, task_of
from vmteach.lab.answer import names, why_not
from vmteach.patches import STEMS
from vmteach.run import Values, one_of

SECONDS = 30  # that an answer may take
DRAWS = 40  # calls with other numbers than the visible check's


class Mark(NamedTuple):
    """Points, of how many, and what the check said."""

    points: float
    of: float
    said: str

    def __str__(self) -> str:
        return f"{self.said}\n{self.points:g} of {self.of:g} points"


def judged(stem: str, name: str, source: str, points: float = 1.0, variant: int = 0, every: bool = True) -> Mark:
    """The mark for an answer cell's source.

    With `every`, other numbers than those of the visible check count too: an answer that is right for the visible ones
    alone gets half of the points.

    >>> judged("ncpfs", "longest", "import os").points
    0.0
    """
    task = task_of(stem, name)
    if trouble := why_not(source):
        return Mark(0.0, points, f"Not judged: {trouble}.")
    asked = {"stem": stem, "name": name, "source": source, "variant": variant, "every": every}
    command = [sys.executable, "-I", "-c", "from vmteach.lab.marks import child; child()"]
    try:
        done = subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, timeout=SECONDS, check=False
        )
        told = json.loads(done.stdout.rpartition("\n@")[2])
    except subprocess.TimeoutExpired:
        return Mark(0.0, points, f"The answer was still running after {SECONDS} s.")
    except ValueError:
        return Mark(0.0, points, f"The answer ended its Python: {done.stderr.strip()[-200:]}")
    if told["right"] and not told["others"]:
        return Mark(points / 2, points, f"Right for the numbers of the visible check, and not for others: {task.rung}.")
    return Mark(points * told["right"], points, told["said"])


def child() -> None:
    """In the fresh Python: judge what stands on the standard input, and print what came of it."""
    import contextlib
    import io

    from vmteach.lab.bounded import Bounds
    from vmteach.lab.exercise import Exercise

    asked = json.load(sys.stdin)
    task, stem = task_of(asked["stem"], asked["name"]), asked["stem"]
    one = Exercise(stem, task, asked["variant"])
    one.judge(..., Bounds())  # what the stub defines is known before any answer runs
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            answer = _defined(stem, task, asked["source"])
            _forget()
            verdict = one.judge(answer, Bounds())
            told = {"right": bool(verdict), "others": True, "said": f"{verdict.word} {verdict.text}"}
            if verdict and asked["every"]:
                told["others"] = _right_for_others(stem, task, one.given, answer)
        except BaseException as trouble:
            told = {"right": False, "said": f"Your cell ended with {type(trouble).__name__}: {trouble}"}
    sys.__stdout__.write("\n@" + json.dumps(told))  # type: ignore[union-attr]


def _defined(stem: str, task: Task, source: str) -> Any:
    """What a cell's source defines as its answer, run with few names."""
    namespace = names(stem, task)
    exec(compile(source, "<the answer>", "exec"), namespace)
    return namespace.get(task.answer, ...)


def _forget() -> None:
    """Empty the course's caches: what an answer was given from one, it may have changed."""
    for name, module in list(sys.modules.items()):
        if name.startswith("vmteach."):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def _right_for_others(stem: str, task: Task, given: Values, answer: Any) -> bool:
    """Whether a function gives what the solution gives, for arguments that are drawn."""
    from vmteach.lab.bounded import Bounds
    from vmteach.lab.drawn import DRAWN

    if (stem, task.name) not in DRAWN:
        return True
    solution: Callable[..., Any] = _defined(stem, task, fill(task.solution, given))
    for n in range(DRAWS):
        mine, theirs = (DRAWN[stem, task.name](Random(n), given) for _ in range(2))
        if _plain(Bounds().call(answer, *mine)) != _plain(solution(*theirs)):
            return False
    return True


def _plain(value: object) -> Any:
    return tuple(value) if isinstance(value, list) else value


def mark(stem: str, name: str, points: float = 1.0, variant: int = 0, every: bool = False) -> float:
    """In a check cell: the points for the answer cell that ran last; the verdict is printed."""
    from vmteach.lab import kept
    from vmteach.lab.cells import shell

    answer = task_of(stem, name).answer
    defines = re.compile(rf"^(?:def {answer}\b|{answer}\s*=)", re.M)
    ran = [text for text in (shell().history_manager.input_hist_raw if shell() else ()) if defines.search(text)]
    found = judged(stem, name, ran[-1], points, variant, every) if ran else Mark(0.0, points, "Not attempted.")
    if not found.said.startswith("Not attempted"):
        solved = bool(found.points) or kept.entry(stem, "exercises", name).get("solved", False)
        kept.keep(stem, "exercises", name, count="tries", solved=solved, outcome="right" if solved else "not yet")
    sys.stdout.write(f"{found}\n")
    return found.points


# ---- the notebooks of a class


def marks_of(notebook: Values, stem: str, seed: str = "") -> dict[str, Mark]:
    """Each exercise of a chapter with the mark for its answer cell; the notebook is read and not run.

    A cell that is missing, or that is there twice, gets no points.
    """
    from vmteach.lab.exercise import seeded

    one_of("chapter", stem, STEMS)
    cells = [(c["metadata"].get("nbgrader", {}).get("grade_id"), "".join(c["source"])) for c in notebook["cells"]]
    if not any(str(grade_id).endswith("-answer") for grade_id, _ in cells):
        raise ValueError("it has no answer cells")
    found = {}
    for task in chapter(stem).EXERCISES:
        answers = [text for grade_id, text in cells if grade_id == f"{task.name}-answer"]
        variant = seeded(stem, task.name, len(task.variants), seed)
        found[task.name] = (
            judged(stem, task.name, answers[0], task.minutes, variant)
            if len(answers) == 1
            else Mark(0.0, task.minutes, f"Not judged: there are {len(answers)} cells {task.name}-answer.")
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of `vmteach marks`."""
    from argparse import ArgumentParser

    parser = ArgumentParser(
        prog="vmteach marks", description="Mark notebooks of the nbgrader edition without running them."
    )
    parser.add_argument("folder", type=Path, help="the folder with the notebooks that were handed in")
    parser.add_argument("--csv", type=Path, default=Path("marks.csv"), help="the table to write")
    parser.add_argument("--seed", default="", help="the class's word, if the edition was made with one")
    given = parser.parse_args(arguments)
    rows: list[tuple[str, str, str, float, float, str]] = []
    for path in sorted(given.folder.rglob("*.ipynb")):
        try:
            stem = path.stem[3:]
            marks = marks_of(json.loads(path.read_text(encoding="utf-8")), stem, given.seed)
            rows += [(str(path.relative_to(given.folder)), stem, name, *mark_) for name, mark_ in marks.items()]
        except (ValueError, KeyError, TypeError, AttributeError) as trouble:
            sys.stderr.write(f"{path} is no notebook of the nbgrader edition ({trouble}); it is left out\n")
    with given.csv.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["notebook", "chapter", "exercise", "points", "of", "said"], *rows])
    sys.stdout.write(
        f"{len(rows)} answers, {sum(row[3] for row in rows):g} of {sum(row[4] for row in rows):g} points: {given.csv}\n"
    )
    return 0
