"""The kernel's own functions as judge: every row of a table of data/cases, asked of the model of its chapter.

source      docs/cases.md: which functions of which release were run, and what was put in their place
left out    what a table cannot say; its page has a line for that

A chapter's module here, vmteach/cases/STEM.py, has one function a table, in TABLES: it plays the row on the model and
returns the empty string where both agree, a few words for the kind of difference, or Outside with the reason why the
model does not claim to know such a row.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import NamedTuple

from vmteach.run import Values
from vmteach.tables import Case, read_cases

Judge = Callable[[Case], str]
FEW = 5  # columns of a row that a score shows


class Outside(str):
    """Why a row is not asked of the model."""

    __slots__ = ()


class Kind(NamedTuple):
    """Rows that differ in the same way, or are not asked for the same reason."""

    what: str
    rows: int
    smallest: Case


class Score(NamedTuple):
    """How many rows of a table the model repeats, and what the others have in common."""

    table: str
    equal: int
    asked: int
    differ: tuple[Kind, ...] = ()
    outside: tuple[Kind, ...] = ()

    def __repr__(self) -> str:
        lines = [f"{self.equal:,} of {self.asked:,} rows of {self.table} as the kernel's own functions"]
        for name, kinds in (("different", self.differ), ("not asked", self.outside)):
            lines += [
                f"  {name}, {kind.rows:,}: {kind.what}; the smallest: {_beginning(kind.smallest)}" for kind in kinds
            ]
        return "\n".join(lines)


def score(table: str, only: Callable[[Case], bool] = lambda row: True) -> Score:
    """The score of a chapter's model on one table of data/cases, or on those rows for which `only` is true.

    ValueError names the tables where there is none of that name.
    """
    return judged(table, filter(only, read_cases(table)), judge_of(table))


def judge_of(table: str) -> Judge:
    """The function that plays a row of this table on the model of its chapter."""
    stem, _, name = table.partition("-")
    judge: Judge = import_module(f"vmteach.cases.{stem}").TABLES[name]
    return judge


def differing(row: Case, told: Values) -> str:
    """The columns of a row that hold something else than the model told; empty where all agree.

    >>> differing({"loads": 3, "fault": 0, "sum": "62c4"}, {"loads": 3, "fault": 1, "sum": "62c5"})
    'fault, sum'
    """
    return ", ".join(name for name, value in told.items() if str(row[name]) != str(value))


def first_difference(pairs: Mapping[str, tuple[object, object]]) -> str:
    """The first thing of which the model says another than the kernel: {name: (model's, kernel's)}; empty if none.

    >>> first_difference({"loads": (3, 3), "sum": ("62c4", "62c5")})
    'sum'
    """
    return next((name for name, (ours, theirs) in pairs.items() if ours != theirs), "")


def judged(table: str, rows: Iterable[Case], judge: Judge) -> Score:
    """The score of a judge on any rows: the kinds in the order in which they come, each with its smallest row.

    >>> judged("halves", [{"n": 4}, {"n": 7}, {"n": 5}], lambda row: "odd" if row["n"] % 2 else "")
    1 of 3 rows of halves as the kernel's own functions
      different, 2: odd; the smallest: {'n': 7}
    """
    found: dict[str, list[Case]] = {}
    for row in rows:
        found.setdefault(judge(row), []).append(row)
    equal = len(found.pop("", ()))
    kinds = [Kind(what, len(these), min(these, key=_length)) for what, these in found.items()]
    outside = tuple(kind for kind in kinds if isinstance(kind.what, Outside))
    differ = tuple(kind for kind in kinds if not isinstance(kind.what, Outside))
    return Score(table, equal, equal + sum(kind.rows for kind in differ), differ, outside)


def _beginning(row: Case) -> str:
    """A row's first columns that hold something: enough to find it in its table.

    >>> _beginning({"id": "o1", "gap": None, "a": 1, "b": 2, "c": 3, "d": 4, "e": 5})
    "{'id': 'o1', 'a': 1, 'b': 2, 'c': 3, 'd': 4, ...}"
    """
    told = [f"{name!r}: {value!r}" for name, value in row.items() if value not in ("", None)]
    return f"{{{', '.join(told[:FEW] + ['...'] * (len(told) > FEW))}}}"


def _length(row: Case) -> int:
    return sum(len(str(value)) for value in row.values())
