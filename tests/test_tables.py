"""The course's tables: read as they are, or refused by the file's name."""

import csv
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vmteach.tables import SHAPES, DamagedTable, read_table

DATA = Path(__file__).parent.parent / "data"
WHOLE_NUMBERS = {
    "vmstat_storm.csv": "r b swpd free buff cache si so bi bo in cs us sy id wa".split(),
    "machines.csv": "ram cpus word page stack swap swap_rate disk_rate".split(),
}
WHOLE = {name: (DATA / name).read_bytes().replace(b"\r\n", b"\n") for name in SHAPES}


@pytest.mark.parametrize("name", SHAPES)
def test_a_whole_table_is_read_as_it_is_written(name):
    table = read_table(DATA / name)
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert table.astype(str).to_dict("records") == written
    whole = [column for column in table if table[column].dtype.kind == "i"]
    assert whole == WHOLE_NUMBERS.get(name, [])


def test_every_table_has_a_shape():
    tables = sorted(path.name for path in DATA.glob("*.csv"))
    assert tables == sorted(SHAPES), "vmteach/tables.py: SHAPES must have a line for each table of data/"


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CR LF"])
def test_a_table_is_the_same_with_either_line_end(tmp_path, name, end):
    file = tmp_path / name
    file.write_bytes(WHOLE[name].replace(b"\n", end))
    assert read_table(file).equals(read_table(DATA / name))


def test_a_name_finds_the_course_s_table_wherever_one_is_and_a_file_here_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_table("machines").equals(read_table(DATA / "machines.csv"))
    assert read_table("machines.csv").equals(read_table("machines"))
    (tmp_path / "machines.csv").write_bytes(b"")
    with pytest.raises(DamagedTable, match=r"^machines\.csv is damaged: it is empty"):
        read_table("machines.csv")


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CR LF"])
@settings(deadline=None, max_examples=60)
@given(share=st.floats(0, 1, exclude_max=True))
@example(share=1 - 1e-9)  # inside its last line end
def test_a_table_that_is_cut_anywhere_is_refused(tmp_path_factory, name, end, share):
    """Whatever is left: never fewer rows, never half a word."""
    file, whole = tmp_path_factory.getbasetemp() / name, WHOLE[name].replace(b"\n", end)
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DamagedTable, match=f"{name} is damaged: .* git checkout"):
        read_table(file)


DAMAGE = {
    "empty": (lambda text: b"", "it is empty"),
    "not text": (lambda text: b"\xff\xfe" + text, "byte 0 is not text"),
    "another table": (lambda text: b"a,b\n1,2\n", "its columns must be r, b, swpd, .*; they are a, b"),
    "names exchanged": (lambda text: text.replace(b"swpd,free", b"free,swpd"), "they are r, b, free, swpd"),
    "a row less": (lambda text: text[: text[:-1].rindex(b"\n") + 1], "it must have 32 rows, it has 31"),
    "a row twice": (lambda text: text + text[text[:-1].rindex(b"\n") + 1 :], "it must have 32 rows, it has 33"),
    "a field less": (lambda text: text.replace(b",76,0,0\n", b",76,0\n"), "line 2 must have 16 fields, it has 15"),
    "a word": (lambda text: text.replace(b"33,1,35156", b"33,1,many"), "line 2, swpd: 'many' is not a whole number"),
    "no number": (lambda text: text.replace(b"33,1,35156", b"33,1,"), "line 2, swpd: nothing is there"),
    "a sign": (lambda text: text.replace(b"33,1,35156", b"33,1,-35156"), "swpd: '-35156' is not a whole number"),
    "half a quote": (lambda text: text.replace(b"33,1", b'"33,1'), "its quotes do not match"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_what_is_wrong_is_named(tmp_path, how):
    damage, message = DAMAGE[how]
    file = tmp_path / "vmstat_storm.csv"
    file.write_bytes(damage(WHOLE[file.name]))
    with pytest.raises(DamagedTable, match=message) as error:
        read_table(file)
    assert str(error.value).startswith(f"{file} is damaged")


def test_a_text_that_is_gone_is_named(tmp_path):
    file = tmp_path / "changelog.csv"
    file.write_bytes(WHOLE[file.name].replace(b"blkdev_eof,", b",", 1))
    with pytest.raises(DamagedTable, match="line 2, stem: nothing is there"):
        read_table(file)


@pytest.mark.parametrize("word", ["one", "nan", "-4", "4,"])
def test_a_bound_of_a_claim_that_is_no_number_is_named(tmp_path, word):
    """`nan` would make each comparison with it false, and so a verdict."""
    file = tmp_path / "claims.csv"
    file.write_bytes(WHOLE[file.name].replace(b"GiB converted,4,", f'GiB converted,"{word}",'.encode(), 1))
    with pytest.raises(DamagedTable, match=f"line 3, low: '{word}' is not a number"):
        read_table(file)


def test_a_missing_table_and_an_unknown_one_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"claims\.csv"):
        read_table(tmp_path / "claims.csv")
    with pytest.raises(ValueError, match="a table's name must be one of changelog"):
        read_table(tmp_path / "other.csv")
    with pytest.raises(ValueError, match=r"must be one of .*, got other\.csv"):
        read_table("other")
