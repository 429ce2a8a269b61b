"""The course's own tables, whole or not at all: a file that was cut or changed by hand says so where it is read.

source      data/README.md and docs/cases.md say what each column is
left out    a wrong word or number in the right place: nothing in a file can tell
"""

import csv
import gzip
import io
import json
import re
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from vmteach.run import Record, one_of

HERE = Path(__file__).parent
COURSE = HERE if (HERE / "data").is_dir() else HERE.parent  # holds data/ and notebooks/: installed, or a checkout


class Shape(NamedTuple):
    """What a table must look like: `*` marks whole numbers, `~` numbers, `?` fields that may be empty."""

    rows: int
    columns: str

    @property
    def names(self) -> list[str]:
        return [column.rstrip("*~?") for column in self.columns.split()]


SHAPES = {
    "changelog.csv": Shape(14, "release patch prefix topic serial stem says?"),
    "vmstat_storm.csv": Shape(32, "r* b* swpd* free* buff* cache* si* so* bi* bo* in* cs* us* sy* id* wa*"),
    "claims.csv": Shape(26, "id check claim value~? unit? low~? high~? tolerance compare kind source"),
    "machines.csv": Shape(10, "name ram* cpus* word* page* stack* swap* swap_rate* disk_rate* source"),
}


class DamagedTable(ValueError):
    """A table that is not as it was handed out."""

    def __init__(self, path: Path, what: str) -> None:
        how = "pip install --force-reinstall vmteach" if path.is_relative_to(HERE) else f"git checkout {path}"
        again = f"Get the file again, for example with: {how} (what you changed in it is lost)"
        super().__init__(f"{path} is damaged: {what}. {again}")


def read_table(table: str | Path) -> Any:
    """A table of data/ as a pandas.DataFrame: columns of whole numbers as such, all else as text.

    `table` is its name, wherever you are, or the path of a file of that name. DamagedTable names the file, the line
    and the mending; a path where no file is gives a FileNotFoundError.

    >>> read_table("vmstat_storm").shape
    (32, 16)
    """
    import pandas as pd

    header, *rows = _lines(_file(table))
    return pd.DataFrame(rows, columns=header)


def table_rows(table: str | Path) -> list[Record]:
    """The rows of a table of data/ as dicts, whole numbers as such: `read_table` without pandas.

    >>> table_rows("vmstat_storm")[0]["swpd"]
    35156
    """
    header, *rows = _lines(_file(table))
    return [dict(zip(header, row)) for row in rows]


def _file(table: str | Path) -> Path:
    """Where the table is: a name alone is a file here, or the course's own."""
    path = Path(table)
    if len(path.parts) == 1 and not path.is_file():
        path = COURSE / "data" / path.with_suffix(".csv")
    one_of("a table's name", path.name, tuple(SHAPES))
    return path


def _lines(path: Path) -> list[list[Any]]:
    """The header and the rows, checked against the table's shape."""
    shape = SHAPES[path.name]
    try:
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")  # as git for Windows may write it
        if not text.endswith("\n") or "\r" in text:
            raise DamagedTable(path, "a line has no end" if text else "it is empty")
        lines = list(csv.reader(io.StringIO(text), strict=True))
    except UnicodeDecodeError as error:
        raise DamagedTable(path, f"byte {error.start} is not text") from None
    except csv.Error as error:
        raise DamagedTable(path, f"its quotes do not match ({error})") from None
    header, *rows = lines
    if header != shape.names:
        raise DamagedTable(path, f"its columns must be {', '.join(shape.names)}; they are {', '.join(header)}")
    if len(rows) != shape.rows:
        raise DamagedTable(path, f"it must have {shape.rows} rows, it has {len(rows)}")
    return [header, *(_row(path, line, row, shape) for line, row in enumerate(rows, 2))]


def _row(path: Path, line: int, row: list[str], shape: Shape) -> list[Any]:
    """The values of one line."""
    if len(row) != len(shape.names):
        raise DamagedTable(path, f"line {line} must have {len(shape.names)} fields, it has {len(row)}")
    for column, name, value in zip(shape.columns.split(), shape.names, row):
        if trouble := _misfit(value, column):
            raise DamagedTable(path, f"line {line}, {name}: {trouble}")
    return [int(value) if "*" in column else value for column, value in zip(shape.columns.split(), row)]


def _misfit(value: str, column: str) -> str:
    """Why a value is none of its column's; empty if it fits."""
    if not value:
        return "" if "?" in column else "nothing is there"
    for mark, pattern, what in (("*", "[0-9]+", "a whole number"), ("~", r"[0-9]+(\.[0-9]+)?", "a number")):
        if mark in column and not re.fullmatch(pattern, value):
            return f"{value!r} is not {what}"
    return ""


# Words that look like numbers in some tables of data/cases: hexadecimal addresses, lists of one page.
TEXT = re.compile(r"(result|stop|pages|leaked)_2_4_\d\d")
Case = Record  # one row: column -> int, float or str; None where a column of numbers has a gap


def read_cases(name: str | Path) -> list[Case]:
    """What the kernel's own functions did, one dict a row: a table of data/cases by its name, or a file by its path.

    A column whose values are all numbers gives int or float, and None where it is empty; all else is text.
    docs/cases.md says what each column means. DamagedTable names the file and the mending.

    >>> read_cases("mremap_race-whole")[0]["page_after_truncate"]
    'gone'
    """
    path = name if isinstance(name, Path) else _case_file(name)
    if not (text := _unpacked(path)):
        raise DamagedTable(path, "it is empty")
    if ".jsonl" in path.name:
        return [row for row in map(json.loads, text.splitlines()) if "_columns" not in row]
    header, *rows = csv.reader(io.StringIO(text), strict=True)
    if any(len(row) != len(header) for row in rows):
        raise DamagedTable(path, "not every line has as many fields as the first")
    columns = [_column(column, values) for column, values in zip(header, zip(*rows))]
    return [dict(zip(header, values)) for values in zip(*columns)]


def case_tables() -> list[str]:
    """The names of all tables of the kernel's own cases, in order."""
    return sorted(path.name.split(".")[0] for path in (COURSE / "data" / "cases").glob("*.gz"))


def _case_file(name: str) -> Path:
    one_of("a table of cases", name, tuple(case_tables()))
    return next((COURSE / "data" / "cases").glob(f"{name}.*.gz"))


def _unpacked(path: Path) -> str:
    try:
        return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text("utf-8")
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise DamagedTable(path, f"it cannot be unpacked ({error})") from None


def _column(name: str, values: tuple[str, ...]) -> list[str | float | None]:
    """The values of one column, as numbers if all of them are."""
    for kind, pattern in ((int, r"-?\d+"), (float, r"-?\d+(\.\d+)?")):
        if not TEXT.fullmatch(name) and all(re.fullmatch(pattern, value) for value in values if value):
            return [kind(value) if value else None for value in values]
    return list(values)
