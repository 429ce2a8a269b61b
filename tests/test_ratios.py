"""Speed as ratios of two things measured in turn (benchmarks/ratios.py); a missed gate gets one more try."""

import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

import page
from paired import Ratio, paired
from ratios import LONG, ROWS, Row


def tables() -> dict[str, list[list[str]]]:
    """The rows of each table of docs/speed.md, without its head."""
    found = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", page.PAGE.read_text(encoding="utf-8"), re.S)
    split = {name: [line.strip("| ").split(" | ") for line in text.splitlines()] for name, text in found}
    return {name: rows[2:] for name, rows in split.items()}


def test_the_page_has_every_table():
    assert {name: bool(rows) for name, rows in tables().items()} == dict.fromkeys(
        ("ratios", "latency", "counts", "chapters"), True
    )


def test_the_page_has_the_rows_with_their_gates_and_goals():
    """To renew it: python benchmarks/ratios.py --long --write"""
    signs = {True: "≥", False: "≤"}
    rows = [[row.name, *(f"{signs[row.at_least]} {n:,g}" for n in (row.gate, row.goal))] for row in (*ROWS, *LONG)]
    shown = [[name, gate, goal] for name, _, _, gate, goal, _ in tables()["ratios"]]
    if len(ROWS) < len(shown) - len(LONG):  # memory is measured on Linux only
        shown = [row for row in shown if "memory" not in row[0]]
    assert shown == rows


def test_a_table_is_put_between_its_comments_and_nowhere_else(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("a\n<!-- x -->\nold\n<!-- /x -->\nb\n", encoding="utf-8")
    page.put("x", page.table(["what", "ms"], [["one", "1"]]), path)
    assert path.read_text() == "a\n<!-- x -->\n| what | ms |\n|---|--:|\n| one | 1 |\n<!-- /x -->\nb\n"
    with pytest.raises(ValueError, match=r"page\.md must have <!-- y --> and <!-- /y --> once each"):
        page.put("y", "", path)


@pytest.mark.perf
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_gate_holds(row):
    tries = row.tries()
    seen = [f"{ratio.median:.3g} ({ratio.low:.3g} to {ratio.high:.3g})" for ratio in tries]
    assert row.holds(tries[-1]), f"{row.name}: {seen}, gate {row.gate}"


def test_a_missed_gate_gets_one_more_try():
    slow, fast = Ratio(9, 9, 9, 9, 1), Ratio(1, 1, 1, 1, 1)
    for measured, tries in (([fast, slow], [fast]), ([slow, fast], [slow, fast]), ([slow, slow, fast], [slow, slow])):
        assert Row("a / b", iter(measured).__next__, 2, 1).tries() == tries


@pytest.mark.perf
def test_a_gate_can_fail():
    twice = paired(lambda: sum(range(40_000)), lambda: sum(range(10_000)), rounds=3)
    assert 2 < twice.median < 8  # as often as either side is repeated, it is divided
    assert not Row("four times as much", lambda: twice, 1.5, 1).holds(twice)
    assert Row("four times as much", lambda: twice, 2, 4, True).holds(Ratio(3, 3, 3, 3, 1))


def test_a_reader_who_jumps_stops_when_every_place_was_seen():
    """The measurement of a chapter with few far places came to no end."""
    from random import Random

    from latency import FAR, Hand

    hand, seen = object.__new__(Hand), []
    hand.controls = {"wide": [0, FAR + 2], "narrow": [1, 3]}

    def move(field: str, stop: int) -> float:
        assert abs(stop - hand.controls[field][0]) >= FAR
        hand.controls[field][0] = stop
        seen.append((field, stop))
        return 1.0

    hand.move = move
    jumps = list(hand.jumps(50, Random(1)))
    assert 2 <= len(jumps) == len(seen) == len(set(seen)) <= FAR
