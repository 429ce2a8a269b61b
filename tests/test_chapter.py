"""One plain object a chapter: everything a notebook needs, loaded when it is first asked for."""

import json
import subprocess
import sys
from collections import namedtuple
from statistics import median
from time import perf_counter

import pytest

from vmteach import chapter
from vmteach.lab.table import FEW, table
from vmteach.patches import STEMS
from vmteach.run import changed

HEAVY = {"matplotlib", "pandas", "numpy", "anywidget"}
TWO_LINES = "from vmteach import chapter\nch = chapter('shm_big_iron')\n"


def run(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    ).stdout


def loaded(program: str) -> set[str]:
    """Which of the heavy packages a program has loaded when it ends."""
    return HEAVY & set(json.loads(run(f"{program}\nimport json, sys\nprint(json.dumps(list(sys.modules)))")))


def test_the_two_import_lines_load_nothing_that_draws_or_tabulates():
    assert loaded(TWO_LINES) == set()
    assert loaded(f"{TWO_LINES}ch.table(ch.runs()), ch.changed(), ch.exercise('laps').check()") == set()


def test_predictions_goals_and_questions_load_no_package_that_draws():
    assert loaded(f"{TWO_LINES}ch.predict('copy'), ch.recall()") == {"anywidget"}


def seconds(program: str) -> float:
    began = perf_counter()
    run(program)
    return perf_counter() - began


@pytest.mark.perf
def test_the_two_lines_cost_no_more_than_anywidget_alone_and_half():
    """Paired, in one run: the median of five ratios."""
    pairs = [(seconds(TWO_LINES), seconds("import anywidget")) for _ in range(5)]
    assert median(ours / theirs for ours, theirs in pairs) <= 1.5


@pytest.mark.parametrize("stem", STEMS)
def test_a_chapter_has_its_model_its_kernels_and_its_questions(stem):
    ch = chapter(stem)
    assert ch.runs().keys() == {ch.model.UNPATCHED, ch.model.PATCHED}
    assert ch.kernels is ch.model.POLICIES and ch.simulate is ch.model.simulate and ch.Scenario is ch.model.Scenario
    for name, asked in ch_predictions(stem).items():
        assert ch.predict(name).asked == asked
    assert len(ch.changed().rows) == len(changed(ch.kernels[ch.model.UNPATCHED], ch.kernels[ch.model.PATCHED])) > 0
    assert all(f"ch.{name}" in ch.__doc__ for name in vars(type(ch)) if not name.startswith("_"))


def ch_predictions(stem):
    from vmteach import exercises

    return exercises.chapter(stem).PREDICTIONS


def test_goals_are_of_the_newest_explorer_and_make_one_where_there_is_none():
    ch = chapter("scsi_deadlock")
    crowd = ch.goal("crowd")
    explorer = ch.explore()
    assert crowd.explorer is explorer and ch.goal("alone").explorer is explorer


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: chapter("shm"), "chapter must be one of blkdev_eof"),
        (lambda: chapter("mremap").predict("copy"), "prediction must be one of"),
        (lambda: chapter("mremap").goal("copy"), "goal must be one of"),
        (lambda: chapter("mremap").exercise("copy"), "exercise must be one of"),
        (lambda: chapter("mremap").runs(kernels=["later"]), "kernels must be one of"),
        (lambda: chapter("mremap").changed("before"), "kernels must be one of"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(call, message):
    with pytest.raises(ValueError, match=message):
        call()


Row = namedtuple("Row", "page data")


def test_a_table_of_rows_of_any_kind():
    head, rows = ["page", "data"], [[1, "x"], [2, "y"]]
    for given in ([Row(1, "x"), Row(2, "y")], [{"page": 1, "data": "x"}, {"page": 2, "data": "y"}]):
        assert (table(given).head, table(given).rows) == (head, rows)
    assert (table([(1, "x"), (2, "y")], head).head, table([(1, "x"), (2, "y")], head).rows) == (head, rows)
    assert table({"a": Row(1, "x")}).rows == [["a", 1, "x"]]


def test_a_table_escapes_what_it_shows_and_says_when_it_is_not_whole():
    long = table([{"n": f"<b>{i}"} for i in range(FEW + 3)])
    assert "<b>" not in long._repr_html_() and long._repr_html_().count("<tr>") == FEW + 1
    assert "and 3 more rows" in repr(long) and "and 3 more rows" in long._repr_html_()


def test_a_table_that_may_have_to_be_scrolled_is_reached_by_the_keyboard():
    """A narrow one is no stop on the way through a chapter."""
    wide, narrow = (table([{f"column {i}": i for i in range(n)}])._repr_html_() for n in (12, 3))
    assert wide.startswith('<div class="vmteach-wide" tabindex="0" role="group"') and wide.count("<div") == 1
    assert "tabindex" not in narrow
