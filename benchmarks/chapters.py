"""How long the chapters take: all of them from top to bottom, and each until its explorer shows a picture.

    python benchmarks/chapters.py [--write] [chapter ...]

Every chapter is executed headless, two at a time, each by a kernel of its own; the goal is a minute for all. Then each
chapter is opened alone, warm (all of it has just been run), as somebody does who runs its cells until the explorer is
there; the goal is two seconds:

kernel      from the start of the process until it answers
imports     the chapter's first code cell
between     the code cells from there to the explorer
explorer    the cell that makes it: two runs, the layout, the first picture
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from load import as_a_page, kernel, opened
from page import asked, notebooks, put, table

GOAL_ALL, GOAL_FIRST = 60, 2  # s
ROUNDS = 3


class Opened(NamedTuple):
    """Seconds of each part until the first picture."""

    kernel: float
    imports: float
    between: float
    explorer: float


def execute(chapter: str) -> float:
    """Seconds for a whole chapter, the start of its kernel among them."""
    began = perf_counter()
    with kernel(chapter):
        return perf_counter() - began


def execute_all(chapters: list[str]) -> tuple[float, dict[str, float]]:
    """Seconds for all chapters, two at a time, and for each."""
    began = perf_counter()
    with ThreadPoolExecutor(2) as students:
        each = dict(zip(chapters, students.map(execute, chapters)))
    return perf_counter() - began, each


def open_once(chapter: str) -> Opened:
    """Run a chapter's code cells in a new kernel up to the one that makes its explorer."""
    with opened(chapter) as (client, start):
        code = [index for index, cell in enumerate(client.nb.cells) if cell.cell_type == "code"]
        last = next(n for n, index in enumerate(code) if "explore(" in client.nb.cells[index].source)
        imports, *between, explorer = (as_a_page(client, index) for index in code[: last + 1])
    return Opened(start, imports, sum(between), explorer)


def medians(chapter: str, rounds: list[dict[str, Opened]]) -> list[str]:
    """Seconds to the first picture, and each part of them; dashes where a chapter has no explorer."""
    seen = [opened[chapter] for opened in rounds if chapter in opened]
    if not seen:
        return ["-"] * 5
    return [f"{median(values):.2f}" for values in (map(sum, seen), *zip(*seen))]


def main() -> None:
    want = asked(__doc__, chapters=(), write=False)
    chapters, explored = notebooks(want.chapters), notebooks(want.chapters, explored=True)
    whole, each = execute_all(chapters)
    print(f"{len(chapters)} chapters, two at a time: {whole:.1f} s (goal {GOAL_ALL})", flush=True)
    rounds = [{chapter: open_once(chapter) for chapter in explored} for _ in range(ROUNDS)]
    rows = [[chapter, f"{each[chapter]:.1f}", *medians(chapter, rounds)] for chapter in chapters]
    print(*map("  ".join, rows), sep="\n", flush=True)
    rows.append([f"all, two at a time; goals {GOAL_ALL} s and {GOAL_FIRST} s", f"{whole:.1f}", "", "", "", "", ""])
    if want.write:
        head = ["chapter", "all of it, s", "first picture, s", "kernel", "imports", "between", "explorer"]
        put("chapters", table(head, rows))


if __name__ == "__main__":
    main()
