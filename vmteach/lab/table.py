"""A table of rows as a cell shows it: no package is loaded for it, and it is plain text in a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from html import escape
from typing import Any

from vmteach.figures.words import number
from vmteach.run import Run, Values

FEW = 40  # rows that are shown
BROAD = 90  # characters; a line of more may have to be scrolled, which the keyboard must be able to do
WIDE = '<div class="vmteach-wide" tabindex="0" role="group" aria-label="Table" style="overflow-x:auto">'


def table(rows: Values | Iterable[object], head: Sequence[str] = ()) -> "Table":
    """A table. A row is a NamedTuple, a mapping, a Run (its numbers) or a plain sequence (then give a `head`).

    A mapping of rows has its keys as the first column; runs by label become a row a number, a column a kernel.

    >>> table({"unpatched": {"lost (B)": 1024}, "patched": {"lost (B)": 0}})
               lost (B)
    unpatched     1,024
    patched           0
    """
    if not isinstance(rows, Mapping):
        return _lines(rows, head)
    if all(isinstance(row, Run) for row in rows.values()):
        rows = _by_number(rows)
    below = _lines(rows.values(), head)
    return Table(["", *below.head], [[name, *row] for name, row in zip(rows, below.rows)])


def _by_number(runs: Mapping[str, Run]) -> Mapping[str, Mapping[str, object]]:
    """A row a number, a column a kernel."""
    names = dict.fromkeys(name for run in runs.values() for name in run.numbers)
    return {name: {label: run.numbers.get(name, "") for label, run in runs.items()} for name in names}


def _lines(rows: Iterable[object], head: Sequence[str]) -> "Table":
    """Rows below `head`, or below the names that they have themselves."""
    told = [_row(row) for row in rows]
    if head:
        return Table(head, [list(row.values()) for row in told])
    names = list(dict.fromkeys(name for row in told for name in row))
    return Table(names, [[row.get(name, "") for name in names] for row in told])


def _row(row: object) -> Mapping[Any, object]:
    """A row as names and values."""
    if isinstance(row, Run):
        return row.numbers
    if isinstance(row, Mapping):
        return row
    if hasattr(row, "_asdict"):
        return dict(row._asdict())
    if is_dataclass(row):
        return {f.name: getattr(row, f.name) for f in fields(row)}
    return dict(enumerate(row if isinstance(row, tuple | list) else [row]))


def _shown(cell: object) -> str:
    """A cell as a reader sees it: an enum by its value, a number with its digits grouped, a set as a list."""
    value = cell.value if isinstance(cell, Enum) else cell
    if isinstance(value, tuple | list | frozenset | set):
        return ", ".join(map(_shown, value)) or "none"
    return number(value) if isinstance(value, int | float | str) else str(value)


class Table:
    """`head` and `rows`; a long table shows its first rows and how many follow."""

    def __init__(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self.head, self.rows = list(head), [list(row) for row in rows]

    def _cells(self) -> list[list[str]]:
        return [[_shown(cell) for cell in row] for row in self.rows[:FEW]]

    @property
    def _more(self) -> str:
        return f"and {len(self.rows) - FEW} more rows" if len(self.rows) > FEW else ""

    def _left(self) -> list[bool]:
        """Which columns hold words and stand to the left."""
        return [all(isinstance(row[i], str) for row in self.rows) for i in range(len(self.head))]

    def __repr__(self) -> str:
        lines = [[str(name) for name in self.head], *self._cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        text = [
            "  ".join(f"{cell:<{w}}" if left else f"{cell:>{w}}" for cell, w, left in zip(line, widths, self._left()))
            for line in lines
        ]
        return "\n".join([line.rstrip() for line in text] + [self._more] * bool(self._more))

    def _repr_html_(self) -> str:
        looks = [f'style="text-align:{"left" if left else "right"}"' for left in self._left()]
        head = "".join(f'<th scope="col" {look}>{escape(str(n))}</th>' for n, look in zip(self.head, looks))
        body = "".join(
            f"<tr>{''.join(f'<td {look}>{escape(cell)}</td>' for cell, look in zip(row, looks))}</tr>"
            for row in self._cells()
        )
        more = f"<p>{self._more}</p>" if self._more else ""
        table = f'<table class="vmteach-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        return f"{WIDE}{table}</div>{more}" if len(str(self).partition("\n")[0]) > BROAD else f"{table}{more}"
