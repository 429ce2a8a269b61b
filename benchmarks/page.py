"""What measurements share: what is asked on the command line, the chapters to be measured, the tables of docs/speed.md.

Each table stands between two comments and is written by the command that made it.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):  # a reader's Python compiles a package once, not at each start
    os.environ["PYTHONPYCACHEPREFIX"] = str(ROOT / ".pytest_cache" / "bytecode")
PAGE, NOTEBOOKS = ROOT / "docs" / "speed.md", ROOT / "notebooks"


def asked(doc: str | None, **defaults: Any) -> argparse.Namespace:
    """What the command line asks for: an option for each default, a flag for False, words for an empty tuple."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        option = "--" + name.replace("_", "-")
        if default == ():
            parser.add_argument(name, nargs="*")
        elif default is False:
            parser.add_argument(option, action="store_true")
        else:
            parser.add_argument(option, type=type(default), default=default)
    return parser.parse_args()


def own_places(scratch: str) -> dict[str, str]:
    """The environment of a kernel that keeps the reader's settings and progress as they are."""
    return {**os.environ, "IPYTHONDIR": f"{scratch}/ipython", "VMTEACH_PROGRESS": f"{scratch}/progress.json"}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first stand at the right.

    >>> print(table(["what", "ms"], [["a", "1"]]))
    | what | ms |
    |---|--:|
    | a | 1 |
    """
    lines = [head, *rows]
    ruler = "|---|" + "--:|" * (len(head) - 1)
    texts = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([texts[0], ruler, *texts[1:]])


def high(spent: Sequence[float]) -> float:
    """The 95th percentile."""
    return sorted(spent)[min(len(spent) - 1, round(0.95 * len(spent)))] if spent else float("nan")


def notebooks(words: Sequence[str] = (), explored: bool = False) -> list[str]:
    """The chapters whose names have one of these words in them, or all; with `explored` those with an explorer."""
    return [
        path.stem
        for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
        if any(part in path.stem for part in words or [""])
        and (not explored or "explore(" in path.read_text(encoding="utf-8"))
    ]


def put(name: str, text: str, path: Path = PAGE) -> None:
    """Put text between the comments `<!-- NAME -->` and `<!-- /NAME -->` of the page."""
    page = path.read_text(encoding="utf-8")
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if page.count(start) != 1 or page.count(end) != 1:
        raise ValueError(f"{path.name} must have {start} and {end} once each")
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def number(value: float) -> str:
    """A measured number with three digits that mean something.

    >>> number(1506.3), number(4.759), number(0.0339), number(40.2)
    ('1,510', '4.76', '0.0339', '40.2')
    """
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"
