"""Marks that stand on their own: an answer cell's source is judged in a fresh Python, where the notebook has no say.

    vmteach marks FOLDER [--csv marks.csv]

reads notebooks that were handed in and never runs them: it takes the answer cells' sources, refuses what is no answer
(imports of the checks, writing into a module), and judges the rest in a process of its own. A check cell of the
nbgrader edition asks `mark` for the same, as a number.

left out    an answer that was copied from the package's own files: nothing in a file can tell (docs/teachers.md)
"""

import ast
import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vmteach.exercises import Task, chapter
from vmteach.patches import STEMS
from vmteach.run import Record, one_of

SECONDS = 30  # that an answer may take
LIBRARY = ("math", "collections", "itertools", "functools", "dataclasses", "fractions", "operator", "re")
ROOMS = ("vmteach.patches", "vmteach.kernel", "vmteach.machine", "vmteach.run")
FORBIDDEN = frozenset(
    "exec eval compile open input breakpoint globals locals vars setattr delattr getattr __import__ __builtins__ "
    "get_ipython exercise".split()
)


class Mark(NamedTuple):
    """Points, of how many, and what the check said."""

    points: float
    of: float
    said: str


def why_not(source: str, needs: str = "") -> str:
    """Why a cell cannot be judged as an answer; empty if it can.

    >>> why_not("import vmteach.exercises")
    'line 1 imports vmteach.exercises, which no answer needs'
    >>> why_not("def count(kib, per, up):\\n    return -(-kib // per)")
    ''
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return f"line {error.lineno} is no Python: {error.msg}"
    allowed = {name for node in ast.walk(ast.parse(needs)) for name in _imported(node)}
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if trouble := _trouble(node, allowed, own):
            return f"line {getattr(node, 'lineno', 1)} {trouble}"
    return ""


def _trouble(node: ast.AST, allowed: set[str], own: set[str]) -> str:
    """What is wrong with one node of an answer."""
    for name in _imported(node):
        if name not in allowed and not name.startswith(ROOMS) and name.split(".")[0] not in LIBRARY:
            return f"imports {name}, which no answer needs"
    if isinstance(node, ast.Name) and node.id in FORBIDDEN:
        return f"uses {node.id}, which no answer needs"
    if isinstance(node, ast.Attribute) and (node.attr.startswith("_") or node.attr in ("solved", "solution")):
        return f"asks for .{node.attr}, which no answer needs"
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
        return "writes into an attribute"
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        base = node.value
        if not (isinstance(base, ast.Name) and base.id in own):
            return "writes into something that is not its own"
    return ""


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or "."


def judged(stem: str, name: str, source: str, points: float = 1.0, variant: int = 0, every: bool = True) -> Mark:
    """The mark for an answer cell's source.

    With `every`, other numbers than the answer's own count too where its cell does not hold them: an answer that is
    right for its own numbers alone gets half of the points.

    >>> judged("ncpfs", "longest", "import os").points
    0.0
    """
    task = task_of(stem, name)
    if trouble := why_not(source, chapter(stem).NEEDS):
        return Mark(0.0, points, f"Not judged: {trouble}.")
    asked = {"stem": stem, "name": name, "source": source, "variants": _variants(task, variant, every)}
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
    share = 0.0 if not told["right"][0] else 1.0 if all(told["right"]) else 0.5
    return Mark(points * share, points, told["said"])


def task_of(stem: str, name: str) -> Task:
    """An exercise by its name; ValueError names what there is."""
    one_of("chapter", stem, STEMS)
    known: dict[str, Task] = {task.name: task for task in chapter(stem).EXERCISES}
    one_of("exercise", name, tuple(known))
    return known[name]


def _variants(task: Task, variant: int, every: bool) -> list[int]:
    """The numbers to judge with: the answer's own, then all others where the answer cell does not hold them."""
    others = [] if "$" in task.stub or not every else [i for i in range(len(task.variants)) if i != variant]
    return [variant, *others]


def child() -> None:
    """In the fresh Python: judge what stands on the standard input, and print the verdicts."""
    import contextlib
    import io

    from vmteach.lab.exercise import Exercise

    asked = json.load(sys.stdin)
    task = task_of(asked["stem"], asked["name"])
    exercises = [Exercise(asked["stem"], task, variant) for variant in asked["variants"]]
    for one in exercises:
        one.check()  # what the stub defines is known before any answer runs
    names: Record = {}
    exec(chapter(asked["stem"]).NEEDS, names)
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            exec(compile(asked["source"], "<the answer>", "exec"), names)
            verdicts = [one.check(names.get(task.answer, ...)) for one in exercises]
            told = {"right": [bool(v) for v in verdicts], "said": f"{verdicts[0].word} {verdicts[0].text}"}
        except BaseException as trouble:
            told = {"right": [False], "said": f"Your cell ended with {type(trouble).__name__}: {trouble}"}
    sys.__stdout__.write("\n@" + json.dumps(told))  # type: ignore[union-attr]


def mark(stem: str, name: str, points: float = 1.0, variant: int = 0, every: bool = False) -> float:
    """In a check cell: the points for the answer cell that ran last; the verdict is printed."""
    from vmteach.lab.cells import shell

    answer = task_of(stem, name).answer
    defines = re.compile(rf"^(?:def {answer}\b|{answer}\s*=)", re.M)
    ran = [text for text in (shell().history_manager.input_hist_raw if shell() else ()) if defines.search(text)]
    found = judged(stem, name, ran[-1], points, variant, every) if ran else Mark(0.0, points, "Not attempted.")
    sys.stdout.write(f"{found.said}\n{found.points:g} of {found.of:g} points\n")
    return found.points


# ---- the notebooks of a class


def marks_of(path: Path) -> list[tuple[str, str, Mark]]:
    """Chapter, exercise and mark of each answer cell of a notebook, which is read and not run."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    found = []
    for cell in notebook["cells"]:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        name = grade_id.removesuffix("-answer")
        if name == grade_id or cell["metadata"]["nbgrader"].get("solution") is not True:
            continue
        (stem,) = [
            stem for stem in STEMS if any(task.name == name for task in chapter(stem).EXERCISES) and stem in path.stem
        ]
        task = task_of(stem, name)
        found.append((stem, name, judged(stem, name, "".join(cell["source"]), task.minutes)))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of `vmteach marks`."""
    from argparse import ArgumentParser

    parser = ArgumentParser(
        prog="vmteach marks", description="Mark notebooks of the nbgrader edition without running them."
    )
    parser.add_argument("folder", type=Path, help="the folder with the notebooks that were handed in")
    parser.add_argument("--csv", type=Path, default=Path("marks.csv"), help="the table to write")
    given = parser.parse_args(arguments)
    rows: list[tuple[Any, ...]] = []
    for path in sorted(given.folder.rglob("*.ipynb")):
        try:
            rows += [(str(path.relative_to(given.folder)), stem, name, *mark_) for stem, name, mark_ in marks_of(path)]
        except (ValueError, KeyError, TypeError) as trouble:
            sys.stderr.write(f"{path} is no notebook of the nbgrader edition ({trouble}); it is left out\n")
    with given.csv.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["notebook", "chapter", "exercise", "points", "of", "said"], *rows])
    sys.stdout.write(
        f"{len(rows)} answers, {sum(row[3] for row in rows):g} of {sum(row[4] for row in rows):g} points: {given.csv}\n"
    )
    return 0
