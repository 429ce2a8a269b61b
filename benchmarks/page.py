"""The tables of docs/speed.md: each stands between two comments and is written by the command that made it."""

from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "speed.md"


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
