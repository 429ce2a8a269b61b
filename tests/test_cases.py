"""The tables of data/cases are whole, are documented, and are read as they were written."""

import ast
import gzip
import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from vmteach.cases import Outside, judge_of, judged, score
from vmteach.patches import STEMS
from vmteach.tables import DamagedTable, case_tables, read_cases

ROOT = Path(__file__).parent.parent
CASES = ROOT / "data" / "cases"
PAGE = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")
# Tables that no judge of vmteach/cases plays yet, or that are no rows of calls.
NO_CALLS = {"functions", "elf_interp-bases", "ncpfs-frames", "mremap-peers"}


def test_each_table_is_on_the_page_with_its_number_of_rows_and_its_columns():
    assert len(case_tables()) == 26
    for name in case_tables():
        rows = read_cases(name)
        section = re.search(rf"^### {re.escape(name)}: ([\d,]+) rows$(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
        assert section, f"docs/cases.md has no section '### {name}: {len(rows):,} rows'"
        assert section[1] == f"{len(rows):,}", name
        words = set(re.findall(r"`([^`]+)`", section[2]))
        told = {column for column in rows[0] if column in words or any(fits(column, word) for word in words)}
        assert told == set(rows[0]), f"{name}: docs/cases.md has no word about {sorted(set(rows[0]) - told)}"


def fits(column: str, word: str) -> bool:
    return "*" in word and re.fullmatch(re.escape(word).replace(r"\*", ".*"), column) is not None


def test_a_table_belongs_to_a_chapter():
    assert {name.split("-")[0] for name in case_tables()} <= {*STEMS, "functions"}


def test_numbers_are_numbers_and_addresses_stay_words():
    row = read_cases("mremap-random")[0]
    assert isinstance(row["limit"], int)
    assert row["addr"].isalnum()
    assert row["descriptors"] is None
    assert {type(row["result_2_4_27"]) for row in read_cases("mremap-edges")} == {str}
    assert {type(row["first_wait_s"]) for row in read_cases("overflow_buffers-rates")} == {float}
    assert isinstance(read_cases("scsi_deadlock-interleavings")[0]["ends"], list)


def test_a_damaged_table_is_named_with_the_mending(tmp_path):
    whole = (CASES / "ncpfs-calls.csv.gz").read_bytes()
    file = tmp_path / "ncpfs-calls.csv.gz"
    for damage in (whole[:-1], whole[:5000], whole[:6000] + b"x" + whole[6001:], b"rows\n"):
        file.write_bytes(damage)
        with pytest.raises(DamagedTable, match=r"ncpfs-calls\.csv\.gz is damaged: it cannot be unpacked.*git checkout"):
            read_cases(file)
    file.write_bytes(b"")
    with pytest.raises(DamagedTable, match="it is empty"):
        read_cases(file)
    file.write_bytes(gzip.compress(b"a,b\n1,2\n3\n"))
    with pytest.raises(DamagedTable, match="not every line has as many fields"):
        read_cases(file)


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_cases(tmp_path / "ncpfs-calls.csv.gz")
    with pytest.raises(ValueError, match=r"a table of cases must be one of blkdev_eof-tail, .*, got ncpfs"):
        read_cases("ncpfs")


def test_a_score_counts_what_differs_and_what_is_not_asked_apart():
    rows = [{"n": n} for n in (2, 30, 3, 500, 4)]
    found = judged("n", rows, lambda row: Outside("too big") if row["n"] > 99 else "not two" * (row["n"] != 2))
    assert (found.equal, found.asked) == (1, 4)
    assert [(kind.what, kind.rows, kind.smallest) for kind in found.differ] == [("not two", 3, {"n": 3})]
    assert [(kind.what, kind.rows) for kind in found.outside] == [("too big", 1)]
    assert "1 of 4 rows of n as the kernel" in repr(found)
    assert "not asked, 1: too big; the smallest: {'n': 500}" in repr(found)


# Rows of a table, all of which the models repeat, and rows beside them that are not asked. The tables that are not
# here have a test of their own: tests/test_scsi_deadlock.py, tests/test_shm_cases.py.
ROWS = {
    "blkdev_eof-tail": (2000, 0),
    "csum_trail-loads": (3974, 0),
    "elf_interp-headers": (587, 0),
    "mremap-edges": (1188, 0),
    "mremap-peers": (39, 5),
    "mremap-random": (1680, 0),
    "mremap-room": (1020, 0),
    "mremap_race-orders": (1548, 92),
    "mremap_race-whole": (66, 0),
    "ncpfs-calls": (1390, 24),
    "nfs_directio-wire": (1702, 0),
    "overflow_buffers-decisions": (2100, 0),
    "overflow_buffers-rates": (640, 0),
    "overflow_buffers-writer": (1620, 0),
    "rawio-map": (2097, 0),
    "rawio-read": (1098, 2),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_model_repeats_every_row_of_the_kernels_own_functions(name):
    found, (asked, outside) = score(name), ROWS[name]
    assert (found.equal, found.asked, found.differ) == (asked, asked, ())
    assert sum(kind.rows for kind in found.outside) == outside


@pytest.mark.parametrize("name", [name for name in case_tables() if name not in NO_CALLS])
def test_a_judge_that_is_there_can_be_found(name):
    if find_spec(f"vmteach.cases.{name.split('-')[0]}"):
        assert callable(judge_of(name))


# Which functions are the same in which release.

TEXTS: dict[str, dict[str, str]] = {}
for _row in read_cases("functions"):
    TEXTS.setdefault(_row["function"], {})[_row["release"]] = _row["sha256_tokens_12"]
FOLLOWS = re.findall(r"^\| `(\w+)` \| ([\d, ]+) \| (.+) \| (.+) \|$", PAGE, re.M)


def prose() -> dict[str, str]:
    """Every text that may name a kernel function, by its path."""
    found = {}
    for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("vmteach/**/*.*"), *ROOT.glob("docs/*.md")]:
        if path.suffix in {".ipynb", ".py", ".md"} and path.name != "cases.md":
            text = path.read_text(encoding="utf-8")
            found[str(path.relative_to(ROOT))] = text.replace("\\n", " ")  # a line's end in a notebook
    return found


# Words of the kernel in a chapter that are no functions: files, fields, locks, settings; and functions after 2.4.
NO_FUNCTIONS = set(
    """
    binfmt_elf block_dev ll_rw_blk ncplib_kernel page_alloc proc_misc scsi_error scsi_lib
    vm_anon_lru pte_chains e_entry e_machine e_type io_request_lock mmap_sem
    dirty_background_ratio dirty_ratio nfract_stop nfract_sync
    elf_check_arch load_unaligned_zeropad mremap_today
""".split()
)


def own_words() -> set[str]:
    """Every name that the library itself uses: a chapter may speak of those, too."""
    nodes = [node for path in (ROOT / "vmteach").rglob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    fields = ("name", "id", "attr", "arg")
    return {word for node in nodes for field in fields if isinstance(word := getattr(node, field, None), str)}


def named_words() -> set[str]:
    """Words with an underscore that a chapter, its exercises or its model's docstrings name."""
    texts = [path.read_text("utf-8") for path in (ROOT / "vmteach" / "exercises").glob("*.md")]
    for path in ROOT.glob("notebooks/*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        texts += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    words = set(re.findall(r"`([a-z_][a-z0-9_]*)(?:\(\))?`", " ".join(texts)))
    for path in (path for room in ("patches", "kernel") for path in (ROOT / "vmteach" / room).glob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        told = [ast.get_docstring(n) or "" for n in nodes if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef))]
        prose = re.sub(r"^ *(>>>|\.\.\.) .*$", "", "\n".join(told), flags=re.M)
        words |= set(re.findall(r"\b[a-z]\w*_\w+", prose))
    return {word for word in words if "_" in word.strip("_")}


def test_every_kernel_function_that_is_named_is_listed_with_its_releases():
    unknown = named_words() - set(TEXTS) - own_words() - NO_FUNCTIONS
    assert not unknown, f"no row of functions.csv says in which releases these have one text: {sorted(unknown)}"
    assert {len(releases) for releases in TEXTS.values()} == {4}
    assert not NO_FUNCTIONS & set(TEXTS)
    unused = NO_FUNCTIONS - named_words()
    assert not unused, f"named nowhere: {sorted(unused)}"


def test_a_function_that_changed_says_which_text_a_chapter_follows():
    """No chapter may read in 2.4.22 what 2.4.23 no longer had, without a word."""
    words = set(re.findall(r"\w+", " ".join(prose().values())))
    changed = {name for name, text in TEXTS.items() if name in words and text.get("2.4.22") != text.get("2.4.27")}
    assert {name for name, *_ in FOLLOWS} == changed


def test_a_function_that_changed_belongs_to_its_chapter():
    chapters = {row["function"]: set(row["chapters"].split()) for row in read_cases("functions")}
    for name, told, *_ in FOLLOWS:
        assert set(told.split(", ")) <= chapters[name] | {"09"}, name


def test_most_named_functions_have_one_text_in_all_releases_of_vanilla():
    named = {row["function"] for row in read_cases("functions") if row["named_in_main"] == "yes"}
    same = [name for name in named if TEXTS[name].get("2.4.22") == TEXTS[name].get("2.4.27")]
    assert (len(named), len(same)) == (41, 27)
