"""Scenes and stories: what they refuse, what they leave out, how kernels are paired. The page has its own tests."""

import json
import re

import pytest

from vmteach.figures import scene as s
from vmteach.figures.story import Ask, Frame, Story, pair
from vmteach.figures.titles import title

SECTORS = s.axis("sector", 0, 16)
D = {"D": ("dirty", "attention")}


def refused(words, build, *args, **more):
    with pytest.raises(ValueError, match=words):
        build(*args, **more)


def test_a_builder_names_the_value_and_the_mending():
    refused("must end at its start or later, got 5 to 4", s.axis, "sector", 5, 4)
    refused("must lie within 0 to 9, got 4 to 12", s.axis, "sector", 0, 9, windows=[(4, 12)])
    refused("has 3 cells for 2 slots", s.ring, "list", "D1 D2 D3", slots=2)
    refused("as in \"D15\", got '15'", s.ring, "list", "15")
    refused("length must be 0 or more, got -1", s.row, "r", [s.Cell("D", 0, -1)], SECTORS)
    refused("at must be between 0 and 1, got 2", s.script, "R0", [("R1", "lock")], 2)
    refused("must name thread 'X'", s.lanes, "l", [("E", "recovery")], [s.Stay("X", 0, "D", 0, 1)], SECTORS)
    refused("must have 2 boxes, got 1", s.grid, "g", ["a", "b"], [("row", [s.Box("", "x")])])
    refused("knows columns, .* low, got color", s.chart, "c", SECTORS, SECTORS, color="red")
    refused("from long to short", s.row, "r", [s.Cell("D", 0, 1, ["short", "much longer"])], SECTORS)


def test_a_scene_refuses_what_the_page_could_not_draw():
    cells = s.row("r", [s.Cell("D", 0)], SECTORS)
    refused("uses state 'D'; states has none", s.Scene, "loses it", [cells], "alt")
    refused("alt must say", s.Scene, "loses it", [cells], "", D)
    refused("shortest spelling", s.Scene, "x" * 35, [], "alt")
    refused("numbers must be 4 at most, got 5", s.Scene, "loses it", [], "alt", numbers=dict.fromkeys("abcde", "1"))
    refused("one capital letter, got 'dirty'", s.Scene, "loses it", [], "alt", {"dirty": ("dirty", "data")})
    red = s.row("r", [], SECTORS, brackets=[s.Bracket(0, 1, "x", "red")])
    refused("a tone must be one of ink, .*, got 'red'", s.Scene, "loses it", [red], "alt")
    refused("a link must be one of", s.Scene, "loses it", [], "alt", links=[s.Link("a", "eats", "b")])


def test_every_form_is_plain_json():
    time, bytes_ = s.axis("time", 0, 9, "s"), s.axis("swap", 0, 4 << 30, "B")
    groups = [
        s.ring("list", [("D", 1)], 4),
        s.belt("active", "D2"),
        s.row("r", [s.Cell("D", 0, 2.50000001, ["long", "l"], "a")], SECTORS, [s.Edge(2, "end")], [s.Bracket(0, 2)]),
        s.script("R0", [("R1", ["lock Q0", "+Q0"])], 0, True),
        s.nodes("locks", ["R0"], ["Q0"], {"Q0": "held"}),
        s.lanes("steps", [("E", "recovery")], [s.Stay("E", 0, "D", 0, None)], time, [s.Mark(3, "x")]),
        s.grid("map", ["1"], [("8 GB", [s.Box(0.5, "50", {"machine": "8 GB"})])], [s.Outline(0, 0, 0, 0)]),
        s.chart("c", time, bytes_, [s.Line("done", [(0, 0)])], end=(9, "done"), beyond=[("right", 3, "far")]),
        s.strip("copy", [s.Span("D", 0, 9)], time),
        s.bands("list", time, bytes_, [[("D", 1 << 30)]], 9),
    ]
    data = s.Scene("loses it", groups, "alt", D).data
    assert json.loads(json.dumps(data)) == data
    assert data["groups"][2]["cells"] == [["D", 0, 2.5, ["long", "l"], "a"]]


def columns_of(*column):
    """The first column of bands of 1,000 pages, as it travels."""
    return s.bands("list", s.axis("t", 0, 1), s.axis("pages", 0, 1000), [column], 1)["columns"][0]


def test_fine_stripes_become_one_mixture_and_a_tall_band_stays():
    assert columns_of(("D", 800), *[("C", 10), ("M", 10)] * 10) == "D800CM4:200"


def test_a_mixture_tells_how_much_of_each_it_has():
    assert columns_of(*[("M", 20), ("C", 3)] * 20) == "MC1:460"
    assert columns_of(*[("M", 15), ("C", 5)] * 20) == "MC2:400"
    assert columns_of(*[("M", 23.8), ("C", 0.2)] * 20) == "M480", "what cannot be seen is not drawn"


def test_two_mixtures_above_each_other_stay_two():
    """A list whose tail mixes two states and whose head mixes two others is not one mixture of the largest."""
    tail, head = [("D", 6), ("C", 6)] * 20, [("K", 6), ("S", 6)] * 40
    assert columns_of(*tail, *head) == "CD4:240KS4:480"


def test_a_title_takes_the_longest_spelling_that_fits_90_characters():
    clause = ["waits 2 min 44 s for 32 pages in one request", "waits 2 min 44 s"]
    panels = [("unpatched", {"clause": clause}), ("patched", {"clause": "waits 1 s"})]
    assert title(panels) == "The unpatched kernel waits 2 min 44 s; the patched kernel waits 1 s"
    assert title(panels[:1]) == "The unpatched kernel waits 2 min 44 s for 32 pages in one request"
    same = [(label, {"clause": "writes none", "both": "write none"}) for label in ("unpatched", "patched", "tail")]
    assert title(same) == "All 3 kernels write none"


def test_a_title_counts_the_kernels_that_it_has_no_room_for():
    """With every box ticked nobody is left out in silence, and "the other 2" are all others there are."""
    what = ["stops for a very long time", "runs", "runs", "comes to an end in an unusual manner"]
    panels = [(f"kernel {i}", {"clause": clause, "both": clause.rstrip("s")}) for i, clause in enumerate(what)]
    assert title(panels[:3]).endswith("; the other 2 run")
    assert title(panels).endswith("; 2 others run; 1 more below")
    short = [(label, {**scene, "clause": scene["clause"][:4].strip()}) for label, scene in panels]
    assert "; 2 others run" in title(short) and "the other" not in title(short)
    for many in range(2, 9):
        everybody = [(f"k{i}", {"clause": f"ends in way {i} of many ways"}) for i in range(many)]
        said = title(everybody)
        left = re.search(r"; (\d) more below$", said)
        assert said.count("ends in way") + (int(left[1]) if left else 0) == many


def test_kernels_meet_at_equal_keys_and_the_one_that_has_ended_keeps_its_last_frame():
    assert pair(["a", "x", "b"], ["a", "b"]) == [(0, 0), (1, 0), (2, 1)]
    assert pair(["a", "b"], ["a", "", "", "b"]) == [(0, 0), (0, 1), (0, 2), (1, 3)]
    assert pair(["a", "u", "v"], ["a", "p"]) == [(0, 0), (1, 1), (2, 1)]
    assert pair(["u"], ["p", "q"]) == [(0, 0), (0, 1)]


def test_a_story_sends_what_changed_and_nothing_else():
    def frame(cells, **more):
        return Frame("It goes on.", {"list": s.ring("list", cells, 4), "rest": s.belt("rest", "D9")}, **more)

    frames = [frame("D1 D2", gauges={"n": 0}), frame("D2 D1", gauges={"n": 1}), Frame("Gone.", {}, gauges={"n": 1})]
    first, second, third = Story("t", D, {}, {"patched": frames}).data["tracks"][0]["frames"]
    assert second == {"say": "It goes on.", "groups": {"list": {"cells": "D2 D1"}}, "gauges": {"n": 1}}
    assert third == {"say": "Gone.", "groups": {"list": None, "rest": None}}
    assert first["gauges"] == {"n": 0}


def test_a_story_refuses_what_a_reader_could_not_follow():
    one = {"list": s.ring("list", "D1")}
    refused("1 to 25 words, got 26", Frame, "word " * 26, one)
    refused("index of a choice, got 2", Frame, "So.", one, ask=Ask("How many?", ["1", "2"], 2, "Because."))
    track = {"patched": [Frame("So.", one, rule=["swap_out"])]}
    refused("lights rule 'swap_out'; rules has shrink_cache", Story, "t", D, {"shrink_cache": "shrinks"}, track)
    refused("has key 'a' 2 times", Story, "t", D, {}, {"patched": [Frame("So.", one, "a")] * 2})
    twice = {"list": s.ring("list", "D1"), "rest": s.belt("rest", "D1")}
    refused("has id '1' twice", Story, "t", D, {}, {"patched": [Frame("So.", twice)]})
    many = dict.fromkeys("DEFGHIJ", ("x", "data"))
    refused("states must be 6 at most, got 7", Story, "t", many, {}, {"patched": [Frame("So.", one)]})
    asks = [Frame("So.", one, ask=Ask(f"{n}?", ["1"], 0, "So.")) for n in range(4)]
    refused("asks at most 3 questions, got 4", Story, "t", D, {}, {"patched": asks})
    long = [Frame(f"Step {n}.", {"list": s.ring("list", f"D{n}", middle=str(n) * 90)}) for n in range(150)]
    refused("at most 30,000 bytes", Story, "t", D, {}, {"patched": [*long, *long]})
