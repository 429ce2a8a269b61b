"""The explorer without a browser: its state, its answers, and the code that it shows."""

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import product

import pytest

from vmteach import exercises
from vmteach.figures import scsi_deadlock as lanes
from vmteach.figures import shm_big_iron as figure
from vmteach.lab import explorer as explorer_module
from vmteach.lab.explorer import explore
from vmteach.lab.stage import Stage
from vmteach.patches import STEMS, scsi_deadlock
from vmteach.patches import shm_big_iron as patch


@pytest.fixture
def explorer():
    small = explore(patch, figure)
    small.set(machine="256 MB")
    return small


def ask(explorer, at, kind="ask", seq=1):
    """What the page would get back for a position."""
    sent = []
    explorer.send = sent.append
    apart(lambda: explorer._on_message(explorer, {"kind": kind, "seq": seq, "at": at}, []))
    (answer,) = sent
    return answer


def panels(explorer):
    """The scenes on screen."""
    return explorer.get_state()["shown"].get("panels")


def apart(work):
    """What `work` gives in a thread of its own: in this one a browser's loop may be running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def test_what_an_explorer_leaves_out_is_not_even_made(explorer, monkeypatch):
    """The list over time takes as long as all else of the picture: a cell shows it, an explorer has no room for it."""
    made = []
    bands = figure.list_bands
    monkeypatch.setattr(figure, "list_bands", lambda *given: made.append(given) or bands(*given))
    shown = explorer.stage.drawn(explorer.at)
    assert not made and all("more" not in scene for _, scene in shown["panels"])
    ((_, scene),) = explorer.stage.runs({**explorer.at, "policies": ["patched"]}).items()
    assert figure.scene(scene).data["more"] and len(made) == 1


def test_it_begins_at_the_scenario_s_defaults():
    state = explore(patch, figure).state
    assert state == {
        "machine": "32 GB",
        "vm_cache_scan_ratio": 6,
        "wants": patch.Wants.BACKUP,
        "file_percent": 3,
        "unmapped_percent": 37,
        "swap": 10,
        "policies": ["unpatched", "patched"],
    }


def test_the_panel_comes_first_and_names_its_stops(explorer):
    first, second, _, fourth, *_ = explorer.spec["controls"]
    assert [first["field"], second["field"]] == ["machine", "vm_cache_scan_ratio"]
    assert fourth["stops"][fourth["first"]] == "3 % of the lists"


def test_a_control_that_cannot_matter_says_why():
    (ratio,) = [c for c in explore(scsi_deadlock, lanes).spec["controls"] if c["field"] == "vm_cache_scan_ratio"]
    assert ratio["why"]


def test_names_are_buttons_or_a_menu_and_sizes_a_slider():
    """Up to five names can be seen at once; more are a menu. A machine goes by a name and is a size."""
    kinds = {
        (stem, c["field"]): (c["kind"], len(c["stops"]))
        for stem in STEMS
        for c in Stage(import_module(f"vmteach.patches.{stem}"), lanes).spec()["controls"]
    }
    assert kinds["mremap", "call"] == ("menu", 8)
    for (_, field), (kind, stops) in kinds.items():
        assert kind == "slider" or field not in ("machine", "vm_cache_scan_ratio")
        assert kind != "buttons" or stops <= 5
    assert {kind for kind, _ in kinds.values()} == {"slider", "buttons", "menu"}


@pytest.mark.parametrize("stem", STEMS)
def test_a_preset_is_a_position_of_its_own_and_solves_no_goal(stem):
    """What is one click away is no goal reached: not by a preset, and not by the default."""
    stage = Stage(import_module(f"vmteach.patches.{stem}"), import_module(f"vmteach.figures.{stem}"))
    labels = [label for label in stage.labels if not label.startswith("what if")]
    shown = {**stage.first, "policies": labels}  # all real kernels, so that none that is not shown hides a goal
    places = [shown, *(stage.moved(shown, **preset.stops) for preset in stage.presets)]
    assert len({stage.key(place) for place in places[1:]}) == len(stage.presets)
    assert len({preset.label for preset in stage.presets}) == len(stage.presets)
    for place, goal in product(places, exercises.chapter(stem).GOALS):
        assert not goal.verdict(stage.state(place), stage.numbers(place)), (goal.name, stage.state(place))


def test_setting_moves_the_numbers_and_the_picture(explorer):
    numbers, picture, alt = explorer.numbers, panels(explorer), explorer.alt
    explorer.set(unmapped_percent=10)
    assert explorer.numbers != numbers
    assert panels(explorer) != picture
    assert explorer.alt != alt
    explorer.reset()
    assert explorer.state["unmapped_percent"] == 37


def test_the_code_it_shows_gives_the_numbers_it_shows(explorer):
    explorer.set(unmapped_percent=20, policies=["fix 1 only", "patched"])
    names = {}
    exec(explorer.code, names)  # the promise of "as code"
    assert {label: dict(run.numbers) for label, run in names["runs"].items()} == explorer.numbers


def test_code_spells_enums_and_machines():
    explorer = explore(patch, figure, machine=patch.PRESETS["32 MB"], order=patch.Order.STRETCHES)
    names = {}
    exec(explorer.code, names)
    assert names["scenario"] == explorer.scenario


def test_an_answer_carries_its_question_s_number_and_a_picture(explorer):
    at = {**explorer.at, "file_percent": 0}
    answer = ask(explorer, at, seq=7)
    assert (answer["kind"], answer["seq"], answer["labels"]) == ("answer", 7, ["unpatched", "patched"])
    assert [label for label, _ in answer["panels"]] == answer["labels"]
    assert explorer.state["file_percent"] == 1
    assert len(answer["rows"][0]) == 3


def test_positions_from_outside_are_held_within_their_ranges(explorer):
    ask(explorer, {"machine": 0, "vm_cache_scan_ratio": 99, "unmapped_percent": -4, "wants": 0, "policies": ["nobody"]})
    assert explorer.state["vm_cache_scan_ratio"] == 60
    assert explorer.state["unmapped_percent"] == 0
    assert explorer.state["policies"] == ["unpatched"]


def test_other_messages_are_not_answered(explorer):
    explorer.send = pytest.fail
    explorer._on_message(explorer, {"kind": "greeting"}, [])


def test_an_impossible_scenario_is_told_in_its_own_words_and_keeps_the_picture(explorer, monkeypatch):
    picture = panels(explorer)

    def refuse(**_):
        raise ValueError("unmapped_percent must be at most 50 here, got 75")

    monkeypatch.setattr(patch, "Scenario", refuse)
    answer = ask(explorer, {**explorer.at, "file_percent": 0})
    assert answer["error"] == "unmapped_percent must be at most 50 here, got 75"
    assert panels(explorer) == picture


def test_what_was_seen_is_not_simulated_again(explorer, monkeypatch):
    explorer.set(file_percent=1)
    explorer.set(file_percent=3)
    monkeypatch.setattr(patch, "simulate", lambda *_: pytest.fail("simulated again"))
    explorer.set(file_percent=1)


def thought_ahead(explorer, at, **more):
    """Ask for a position where a loop runs, as in a kernel; what is sent, in its order, until nothing is left.

    No pause grows, however busy the machine is with other tests.
    """
    sent = []

    async def kernel():
        explorer.send = sent.append
        explorer._on_message(explorer, {"kind": "ask", "at": at, **more}, [])
        while explorer._thinking:
            assert gc.isenabled(), "the garbage collector is the reader's"
            await asyncio.sleep(0.01)

    with pytest.MonkeyPatch.context() as eager:
        eager.setattr(explorer_module, "LONGEST_PAUSE", explorer_module.PAUSE)
        apart(lambda: asyncio.run(kernel()))
    return sent


def test_between_questions_the_positions_beside_are_worked_out(explorer, monkeypatch):
    thought_ahead(explorer, {**explorer.at, "file_percent": 2})
    monkeypatch.setattr(patch, "simulate", lambda *_: pytest.fail("simulated again"))
    for beside in ({"file_percent": 2}, {"file_percent": 4}, {"unmapped_percent": 50}, {"machine": "32 MB"}):
        explorer.set(**beside)
        explorer.set(file_percent=3, unmapped_percent=37, machine="256 MB")


def test_what_was_sent_ahead_is_what_would_have_been_answered(explorer):
    sent = thought_ahead(explorer, {**explorer.at, "file_percent": 3})
    assert sent[0]["kind"] == "answer" and len(sent) > 5
    for message in sent[1:]:
        assert message["kind"] == "ahead"
        fresh = ask(explore(patch, figure), message["at"])
        same = {"kind": 0, "seq": 0, "ms": 0}
        assert {**message, **same} == {**fresh, **same}


def test_what_the_page_has_is_not_sent_again_and_a_page_that_wants_less_gets_less(explorer):
    at = {**explorer.at, "file_percent": 3}
    first = thought_ahead(explorer, at)
    again = thought_ahead(explorer, at)
    assert len(first) > 1 and len(again) == 1
    assert len(thought_ahead(explore(patch, figure), at, ahead=2)) == 3
    assert len(thought_ahead(explore(patch, figure), at, ahead=0)) == 1


def test_a_page_that_is_opened_anew_is_sent_everything_again(explorer):
    at = {**explorer.at, "file_percent": 3}
    thought_ahead(explorer, at, seq=1)
    assert len(thought_ahead(explorer, at)) == 1 < len(thought_ahead(explorer, at, seq=1))


def test_a_page_that_shows_what_it_has_only_tells_where_it_is(explorer):
    at = {**explorer.at, "file_percent": 0}
    told = ask(explorer, at, kind="tell", seq=9)
    assert (told["kind"], told["seq"]) == ("told", 9)
    assert explorer.state["file_percent"] == 1 and explorer.alt == explore_at(at).alt


def explore_at(at):
    fresh = explore(patch, figure)
    fresh.at = at
    fresh._show()
    return fresh


def test_thinking_ahead_gives_way_when_the_processor_is_wanted_elsewhere(explorer, monkeypatch):
    """A piece that took longer than its work was made to wait: the next one comes later, and later again."""
    pauses = []
    monkeypatch.setattr(explorer_module, "perf_counter", iter(range(10_000)).__next__)
    monkeypatch.setattr(explorer_module, "thread_time", lambda: 0.0)
    monkeypatch.setattr(explorer, "_rest", lambda: pauses.append(explorer._pause))
    explorer._ahead.extend([(dict(explorer.at), "")] * 4)
    for _ in range(3):
        explorer._think()
    assert pauses == [2.0, 2.0, 2.0]
    monkeypatch.setattr(explorer_module, "perf_counter", lambda: 0.0)
    explorer._think()
    assert pauses[-1] == 1.0


def test_another_policy_under_a_label_is_simulated_anew(explorer, monkeypatch):
    before = ask(explorer, dict(explorer.at))
    monkeypatch.setitem(patch.POLICIES, "patched", patch.POLICIES["unpatched"])
    after = ask(explorer, dict(explorer.at))
    assert after["edition"] == before["edition"] + 1
    assert all(row[1] == row[2] for row in after["rows"])
    assert explorer.numbers["patched"] == explorer.numbers["unpatched"]


def test_the_way_that_the_control_moves_is_thought_of_first(explorer):
    stage, before = explorer.stage, dict(explorer.at)
    for step in (1, -1):
        at = {**before, "file_percent": before["file_percent"] + step}
        first, second, *others = stage.beside(at, before)
        assert first == {**at, "file_percent": at["file_percent"] + step}
        assert second == before
        assert sum(other["file_percent"] == at["file_percent"] for other in others) == 8


def test_a_control_that_cannot_matter_is_not_thought_of():
    stage = explore(scsi_deadlock, lanes).stage
    beside = stage.beside(stage.first, stage.first)
    assert beside and all(at["vm_cache_scan_ratio"] == stage.first["vm_cache_scan_ratio"] for at in beside)


def test_the_garbage_collector_stays_as_the_reader_has_it(explorer):
    gc.disable()
    try:
        ask(explorer, {**explorer.at, "file_percent": 2})
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_cannot_be_is_not_thought_of(explorer, monkeypatch):
    def refuse(**_):
        raise ValueError("no such machine")

    at = dict(explorer.at)
    monkeypatch.setattr(patch, "Scenario", refuse)
    assert [message["kind"] for message in thought_ahead(explorer, at)] == ["answer"]


def test_the_state_has_what_is_on_screen_so_that_it_can_be_saved(explorer):
    ask(explorer, {**explorer.at, "file_percent": 0})
    shown = explorer.get_state()["shown"]
    assert (shown["finding"], shown["at"]) == (explorer.finding, explorer.at)
    assert "shown" not in explorer.get_state(key="at")


def test_where_no_widget_is_shown_there_are_words_and_a_picture(explorer):
    page = explorer.still()
    assert explorer.finding in page and "<table" in page and "free (KiB)" in page
    assert explorer.finding in repr(explorer) and explorer.alt in repr(explorer)
    assert "<svg" not in explorer.still(page=True), "matplotlib is not loaded for a page that draws by itself"


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
