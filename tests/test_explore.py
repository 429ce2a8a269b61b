"""The explorer without a browser: its state, its answers, and the code that it shows."""

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from vmteach.figures import scsi_deadlock as lanes
from vmteach.figures import shm_big_iron as figure
from vmteach.lab.explorer import explore
from vmteach.patches import scsi_deadlock
from vmteach.patches import shm_big_iron as patch


@pytest.fixture
def explorer():
    small = explore(patch, figure)
    small.set(machine="256 MB")
    return small


def ask(explorer, at, seq=1):
    """What the page would get back for a position."""
    sent = []
    explorer.send = lambda message, buffers=None: sent.append((message, buffers))
    question = {"kind": "ask", "seq": seq, "at": at}
    apart(lambda: explorer._on_question(explorer, question, []))
    (answer,) = sent
    return answer


def apart(work):
    """What `work` gives in a thread of its own: in this one a browser's loop may be running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def test_it_begins_at_the_scenario_s_defaults():
    state = explore(patch, figure).state
    assert state == {
        "machine": "32 GB",
        "vm_cache_scan_ratio": 6,
        "shm_percent": 75,
        "processes": 100,
        "policies": ["unpatched", "patched"],
    }


def test_the_panel_comes_first_and_names_its_stops(explorer):
    panel, own = explorer.spec["panel"], explorer.spec["own"]
    assert [control["field"] for control in panel] == ["machine", "vm_cache_scan_ratio"]
    assert "75 % of RAM" in own[0]["stops"]


def test_a_control_that_cannot_matter_says_why():
    (ratio,) = [c for c in explore(scsi_deadlock, lanes).spec["panel"] if c["field"] == "vm_cache_scan_ratio"]
    assert ratio["why"]


def test_setting_moves_the_numbers_and_the_picture(explorer):
    numbers, picture, alt = explorer.numbers, explorer.png(), explorer.alt
    explorer.set(shm_percent=10)
    assert explorer.numbers != numbers
    assert explorer.png() != picture
    assert explorer.alt != alt
    explorer.reset()
    assert explorer.state["shm_percent"] == 75


def test_the_code_it_shows_gives_the_numbers_it_shows(explorer):
    explorer.set(shm_percent=25, policies=["fix 1", "patched"])
    names = {}
    exec(explorer.code, names)  # the promise of "as code"
    assert {label: dict(run.numbers) for label, run in names["runs"].items()} == explorer.numbers


def test_code_spells_enums_and_machines():
    explorer = explore(patch, figure, machine=patch.PRESETS["32 MB"], start=patch.Start.RUN)
    names = {}
    exec(explorer.code, names)
    assert names["scenario"] == explorer.scenario


def test_an_answer_carries_its_question_s_number_and_a_picture(explorer):
    at = {**explorer.at, "processes": 0}
    answer, buffers = ask(explorer, at, seq=7)
    assert (answer["kind"], answer["seq"], answer["labels"]) == ("answer", 7, ["unpatched", "patched"])
    assert buffers[0][1:4] == b"PNG"
    assert explorer.state["processes"] == 1
    assert len(answer["rows"][0]) == 3


def test_positions_from_outside_are_held_within_their_ranges(explorer):
    ask(explorer, {"machine": 0, "vm_cache_scan_ratio": 99, "shm_percent": -4, "processes": 0, "policies": ["nobody"]})
    assert explorer.state["vm_cache_scan_ratio"] == 60
    assert explorer.state["shm_percent"] == 10
    assert explorer.state["policies"] == ["unpatched"]


def test_other_messages_are_not_answered(explorer):
    explorer.send = pytest.fail
    explorer._on_question(explorer, {"kind": "greeting"}, [])


def test_an_impossible_scenario_is_told_in_its_own_words_and_keeps_the_picture(explorer, monkeypatch):
    picture = explorer.png()

    def refuse(**_):
        raise ValueError("shm_percent must be at most 50 here, got 75")

    monkeypatch.setattr(patch, "Scenario", refuse)
    answer, buffers = ask(explorer, {**explorer.at, "processes": 0})
    assert answer["error"] == "shm_percent must be at most 50 here, got 75"
    assert buffers == []
    assert explorer.png() == picture


def test_what_was_seen_is_not_simulated_again(explorer, monkeypatch):
    explorer.set(processes=1)
    explorer.set(processes=100)
    monkeypatch.setattr(patch, "simulate", lambda *_: pytest.fail("simulated again"))
    explorer.set(processes=1)


def thought_ahead(explorer, at) -> bool:
    """Ask for a position where a loop runs, as in a kernel; whether garbage waits while it thinks ahead."""

    async def kernel():
        explorer.send = lambda message, buffers=None: None
        explorer._on_question(explorer, {"kind": "ask", "at": at}, [])
        waits = not gc.isenabled()
        while explorer._thinking:
            await asyncio.sleep(0.01)
        return waits

    return apart(lambda: asyncio.run(kernel()))


def test_between_questions_the_positions_beside_are_worked_out(explorer, monkeypatch):
    assert thought_ahead(explorer, {**explorer.at, "processes": 2})
    assert gc.isenabled()
    monkeypatch.setattr(patch, "simulate", lambda *_: pytest.fail("simulated again"))
    for beside in ({"processes": 2}, {"processes": 50}, {"shm_percent": 80}, {"machine": "32 MB"}):
        explorer.set(**beside)
        explorer.set(processes=10, shm_percent=75, machine="256 MB")


def test_what_was_thought_of_is_what_would_have_been_drawn(explorer):
    thought_ahead(explorer, {**explorer.at, "processes": 3})
    at = {**explorer.at, "processes": 4}
    assert (tuple(at[control.field] for control in explorer._controls), "unpatched", "patched") in explorer._seen
    answer, pictures = ask(explorer, at)
    fresh, drawn = ask(explore(patch, figure), at)
    assert (answer, pictures) == (fresh, drawn)


def test_the_way_that_the_control_moves_is_thought_of_first(explorer):
    before = dict(explorer.at)
    for processes in (before["processes"] + 1, before["processes"] - 1):
        explorer.at = {**before, "processes": processes}
        first, second, *others = explorer._beside(before)
        assert first == {**explorer.at, "processes": 2 * processes - before["processes"]}
        assert second == before
        assert len(others) == 6 and all(at["processes"] == processes for at in others)


def test_a_control_that_cannot_matter_is_not_thought_of():
    explorer = explore(scsi_deadlock, lanes)
    assert all(at["vm_cache_scan_ratio"] == explorer.at["vm_cache_scan_ratio"] for at in explorer._beside(explorer.at))


def test_garbage_that_was_not_collected_before_is_not_collected_after(explorer):
    gc.disable()
    try:
        thought_ahead(explorer, dict(explorer.at))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_cannot_be_is_not_thought_of(explorer, monkeypatch):
    def refuse(**_):
        raise ValueError("no such machine")

    at = dict(explorer.at)
    monkeypatch.setattr(patch, "Scenario", refuse)
    assert thought_ahead(explorer, at)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"machine": "48 GB"}, "machine must be one of 32 MB"),
        ({"ram": 3}, "control must be one of machine"),
        ({"policies": ["later"]}, "policies must be one of unpatched"),
        ({"policies": []}, "policies must name at least one"),
    ],
)
def test_wrong_settings_name_what_there_is(explorer, change, message):
    with pytest.raises(ValueError, match=message):
        explorer.set(**change)
