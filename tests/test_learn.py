"""The learning layer without a browser: predictions, hints, bounds, and the one file that it keeps."""

import builtins
import contextlib
import inspect
import json
import os
import select
import signal
import sys
import threading
import time
import warnings
from fractions import Fraction
from pathlib import Path

import lab
import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows, get_win_folder_from_env_vars

from vmteach.exercises import Asked, Outcome, Verdict, card, chapter, marked, moved, right, task_of
from vmteach.figures import scsi_deadlock as lanes
from vmteach.lab import kept
from vmteach.lab.bounded import DEPTH, Bounds, Endless, Guarded, Raised, Unfinished, guard, same_code
from vmteach.lab.exercise import Exercise, exercise, folds
from vmteach.lab.explorer import explore
from vmteach.lab.goal import goal
from vmteach.lab.predict import Prediction, _how_far, predict
from vmteach.lab.progress import progress
from vmteach.lab.recall import recall
from vmteach.patches import scsi_deadlock


@pytest.fixture(autouse=True)
def file(monkeypatch, tmp_path):
    path = tmp_path / "folder" / "progress.json"
    monkeypatch.setenv("VMTEACH_PROGRESS", str(path))
    monkeypatch.setattr(kept, "_remembered", {})
    return path


def seconds(**limits):
    asked = Asked("How many seconds will it take?", None, {}, "s", **{"low": 0, "high": 10_000, **limits})
    return Prediction("shm_big_iron", "copy", asked)


def solve(stem="scsi_deadlock", name="turns"):
    return exercise(stem, name).check("E E E R0 R0 R0")


# ---- predict


def test_nothing_predicted_is_none_and_writes_nothing(file):
    prediction = seconds()
    assert prediction.value is None
    assert repr(prediction.against(164)) == "Nothing was predicted; it is 164 s."
    assert not file.exists()


def test_a_prediction_is_still_there_tomorrow():
    assert seconds().answer(60).value == 60
    assert seconds().value == 60
    assert seconds().spec["unit"] == "s"
    assert seconds().given == {"value": 60, "seq": 0}
    assert "Kept: 60 s." in seconds().said["html"]


@pytest.mark.parametrize("same", [np.int64(60), np.float32(60), Fraction(60), np.array([60])[0]])
def test_a_prediction_may_be_a_number_of_any_type(same, file):
    assert seconds().answer(same).value == 60
    assert type(seconds().value) in (int, float)  # read again from the file


@pytest.mark.parametrize("wrong", [True, np.True_, "60", float("nan"), np.float64("inf"), 1j, [60], 10**400])
def test_what_is_no_number_is_no_prediction(wrong):
    with pytest.raises(ValueError, match="prediction must be "):
        seconds().answer(wrong)


def test_a_prediction_can_be_taken_back():
    seconds().answer(60).answer(None)
    assert seconds().value is None


@pytest.mark.parametrize("value", [-1, 10_001, float("nan"), float("inf"), "60", True, [60]])
def test_a_value_that_is_no_answer_is_refused_and_the_old_one_stays(value):
    prediction = seconds().answer(60)
    with pytest.raises(ValueError, match="prediction must be"):
        prediction.answer(value)
    assert prediction.value == seconds().value == 60


def test_what_no_longer_fits_the_question_is_not_taken_up():
    seconds().answer(60)
    assert seconds(high=50).value is None
    assert Prediction("shm_big_iron", "copy", Asked("Which?", None, {}, choices=("a", "b"))).value is None


@pytest.mark.parametrize(
    ("said", "result", "words"),
    [
        (60, 163.98, "You said 60 s; it is 164 s: 2.7 times as much."),
        (60, 30, "You said 60 s; it is 30 s: half as much."),
        (60, 20, "You said 60 s; it is 20 s: less by a factor of 3."),
        (60, 66, "You said 60 s; it is 66 s: 10 % more."),
        (0, 5, "You said 0 s; it is 5 s: 5 more."),
        (7, 7, "You said 7 s, and so it is."),
        (1, 2, "You said 1 s; it is 2 s: 1 more."),
    ],
)
def test_how_far_off_it_was_is_said_calmly(said, result, words):
    told = repr(seconds().answer(said).against(result))
    assert told.startswith(words)
    assert ("Wrong is fine" in told) == (said != result)


def test_one_is_said_in_the_singular():
    words = {"patches": "1 patch", "pages": "1 page", "bytes": "1 byte", "s": "1 s", "MiB": "1 MiB", "": "1"}
    for unit, said in words.items():
        asked = Asked("How many?", None, {}, unit)
        told = repr(Prediction("extraversion", "rejected", asked).answer(1).against(2))
        assert told.startswith(f"You said {said}; it is 2 {unit}".rstrip())


def test_two_votes_are_kept_with_their_times_and_compared():
    prediction = seconds().answer(60)
    first = kept.entry("shm_big_iron", "predictions", "copy")["votes"][0]
    prediction.answer(120, after_talk=True)
    entry = kept.entry("shm_big_iron", "predictions", "copy")
    assert entry["value"] == 120 and entry["votes"][0] == first and entry["votes"][1]["value"] == 120
    assert all("T" in vote["when"] for vote in entry["votes"])
    assert seconds().votes == [60, 120] and seconds().given["first"] == 60
    told = repr(prediction.against(164))
    assert told.startswith(
        "You said 60 s, and 120 s after talking; it is 164 s: 37 % more. Talking brought you nearer."
    )
    assert "further off" in repr(prediction.answer(20, after_talk=True).against(164))
    assert "talking" not in repr(prediction.answer(60, after_talk=True).against(164))


def test_a_first_vote_anew_takes_the_second_back():
    assert seconds().answer(60).answer(120, after_talk=True).answer(70).votes == [70]
    assert seconds().answer(None).votes == [] and seconds().value is None


def test_a_file_of_version_1_is_read_and_written_as_version_2(file):
    file.parent.mkdir()
    chapters = {"shm_big_iron": {"predictions": {"copy": {"value": 60, "unit": "s", "when": "2026-01-01T10:00:00"}}}}
    file.write_text(json.dumps({"version": 1, "chapters": chapters}))
    assert seconds().votes == [60]
    seconds().answer(70, after_talk=True)
    document = json.loads(file.read_text())
    assert document["version"] == 2 and seconds().votes == [60, 70]


def test_what_the_page_gives_is_confirmed_by_its_number_and_only_when_it_is_written(file, monkeypatch):
    prediction = seconds()
    prediction.given = {"value": 45, "seq": 3}
    assert prediction.said["seq"] == 3 and prediction.said["html"].startswith("Kept: 45 s")
    prediction.given = {"value": 50, "first": 45, "seq": 4}
    assert prediction.said["seq"] == 4 and "Kept: 50 s, after 45 s" in prediction.said["html"]
    monkeypatch.setattr(kept, "replace", refuse)
    with pytest.warns(UserWarning, match="cannot be written"):
        prediction.given = {"value": 60, "seq": 5}
    assert "for this session only" in prediction.said["html"]
    prediction.given = {"value": -3, "seq": 6}
    assert prediction.said["seq"] == 6 and "must be between" in prediction.said["html"] and prediction.value == 60


def test_a_choice():
    which = Prediction("scsi_deadlock", "who", Asked("Who waits?", None, {}, choices=("E", "R0", "both")))
    with pytest.raises(ValueError, match="prediction must be one of E, R0, both, got all"):
        which.answer("all")
    assert repr(which.answer("E").against("both")).startswith("You said E; it is both.")
    assert repr(which.answer("both").against("both")) == "You said both, and so it is."


def test_a_value_from_the_page_is_kept_and_a_wrong_one_answered():
    prediction = seconds()
    prediction.given = {"value": 45}
    assert seconds().value == 45
    prediction.given = {"value": 1e9}
    assert "must be between" in prediction.said["html"]
    assert seconds().value == 45


@pytest.mark.parametrize(("stem", "name"), [("no_such_chapter", "copy"), ("shm_big_iron", "way"), ("", "")])
def test_a_prediction_belongs_to_a_chapter(stem, name):
    with pytest.raises(ValueError, match="must be one of"):
        predict(stem, name)


@given(st.floats(1e-6, 1e9), st.floats(1e-6, 1e9))
def test_any_two_numbers_can_be_compared(said, result):
    told = _how_far(said, result)
    if result > said * 1.1:
        assert told.endswith(("more", "as much"))
    if result < said * 0.9:
        assert told.endswith("less") or told.startswith(("less by a factor of ", "half as much"))


# ---- exercises


def fresh(stem="shm_big_iron", name="laps"):
    return Exercise(stem, next(task for task in chapter(stem).EXERCISES if task.name == name))


def test_hints_come_one_at_a_time_and_end():
    one = fresh()
    told = [repr(one.hint()) for _ in range(5)]
    assert [text[:11] for text in told[:3]] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3"]
    assert told[3] == told[4]
    assert "no more hint" in told[3]


def test_an_exercise_is_the_same_one_in_the_next_cell():
    assert exercise("shm_big_iron", "laps") is exercise("shm_big_iron", "laps")


def test_a_solution_says_answer_reason_wrong_turn_and_kernel():
    told = repr(fresh().solution())
    for part in (fresh().solved.strip(), "Why: ", "The usual wrong turn: ", "What the kernel does: "):
        assert part in told


def test_on_a_page_hints_lie_inside_each_other_and_all_is_folded():
    page = fresh()._repr_html_()
    assert page.count("<details>") == page.count("</details>") == 4
    assert "open" not in page
    assert page.index("Hint 1") < page.index("Hint 2") < page.index("Hint 3") < page.index("Solution")


def test_another_one_has_other_numbers_and_the_seed_says_which():
    one = fresh(name="reach")
    assert one.another(1).stub == one.another().stub != one.stub
    assert one.another(5).stub == one.another(1).stub
    assert one.another(1).check(one.another(1).given["total"] // one.another(1).given["dirty"]).outcome == "right"
    with pytest.raises(ValueError, match="numbers that vary, got laps"):
        fresh().another(1)


def test_a_check_on_a_page_is_a_status_and_escapes_what_it_repeats():
    verdict = exercise("scsi_deadlock", "pairs").check([("<b>", "H")])
    page = verdict._repr_html_()
    assert 'role="status"' in page
    assert "<b>" not in page and "&lt;b&gt;" in page


def test_a_verdict_is_true_only_if_right():
    assert right("So it is.")
    for outcome in set(Outcome) - {Outcome.RIGHT}:
        assert not Verdict(outcome, "No.")


def test_the_check_cell_runs_below_the_answer_cell():
    one, names = exercise("shm_big_iron", "laps"), {"exercise": exercise}
    exec(chapter("shm_big_iron").NEEDS + one.solved, names)
    assert eval(one.check_cell, names)


def test_an_unknown_chapter_exercise_or_goal_is_named():
    with pytest.raises(ValueError, match="chapter must be one of blkdev_eof"):
        exercise("shm", "laps")
    with pytest.raises(ValueError, match="exercise must be one of quota, laps"):
        exercise("shm_big_iron", "lap")


def test_what_is_printed_is_shown_and_not_let_loose(capsys):
    verdict = fresh().check(lambda rules: print("I was here" * 1000))
    assert verdict.printed.startswith("I was here")
    assert len(verdict.printed) <= 600
    assert "Your code printed" in repr(verdict) and "Your code printed" in verdict._repr_html_()
    assert capsys.readouterr().out == ""


# ---- within bounds


def endless_quiet():
    while True:
        pass


def endless_generator():
    while True:
        yield 1


def endless_careful():
    while True:
        with contextlib.suppress(Exception):
            int("1")


@pytest.mark.parametrize("function", [endless_quiet, endless_generator, endless_careful])
def test_a_loop_without_an_end_is_ended(function):
    start = time.perf_counter()
    with pytest.raises(Raised) as raised:
        Bounds().call(function)
    assert isinstance(raised.value.error, Endless)
    assert raised.value.line > function.__code__.co_firstlineno
    assert time.perf_counter() - start < 5


def test_slow_steps_are_ended_by_the_clock():
    def slow():
        while True:
            time.sleep(0.001)

    with pytest.raises(Raised, match=r"still running after 0.2 s"):
        Bounds(seconds=0.2).call(slow)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no alarm")
@pytest.mark.parametrize(
    "wait", [lambda: time.sleep(60), lambda: threading.Event().wait(60), lambda: select.select([], [], [], 60)]
)
def test_a_wait_is_ended_by_the_clock_and_leaves_no_alarm(wait):
    def waits():
        return wait()

    before, began = signal.getsignal(signal.SIGALRM), time.monotonic()
    for _ in range(2):
        with pytest.raises(Raised, match=r"still running after 0.2 s") as raised:
            Bounds(seconds=0.2).call(waits)
        assert raised.value.line >= wait.__code__.co_firstlineno
    assert time.monotonic() - began < 5
    assert signal.getsignal(signal.SIGALRM) is before and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_budget_is_one_for_all_calls_of_a_check():
    bounds = Bounds(steps=50)

    def calls():
        return [bounds.call(lambda: 1) for _ in range(1000)]

    with pytest.raises(Raised):
        calls()


def test_an_error_of_the_library_is_told_at_the_line_that_called_it():
    def mine():
        return scsi_deadlock.Scenario(disks=9)

    with pytest.raises(Raised) as raised:
        Bounds().call(mine)
    assert raised.value.line == mine.__code__.co_firstlineno + 1
    assert "disks must be between 1 and 4" in str(raised.value)
    assert "return scsi_deadlock.Scenario(disks=9)" in str(raised.value)


def test_an_error_of_a_check_itself_is_not_the_learner_s(monkeypatch):
    """What the check does wrong is never reported as the learner's mistake."""
    task = next(t for t in chapter("shm_big_iron").EXERCISES if t.name == "laps")
    broken = type(task)(**{**vars(task), "check": lambda answer, given: 1 // 0})
    with pytest.raises(ZeroDivisionError):
        Exercise("shm_big_iron", broken).check(lambda rules: 1)


def test_interrupting_is_still_possible():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Bounds().call(interrupted)


def test_the_trace_of_a_debugger_or_of_coverage_is_put_back():
    def trace(frame, event, arg):
        return None

    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        Bounds().call(lambda: 1)
        with pytest.raises(Raised):
            Bounds().call(lambda: 1 // 0)
        found = sys.gettrace()
    finally:
        sys.settrace(outer)
    assert found is trace


def test_the_stub_s_dots_are_no_answer():
    with pytest.raises(Unfinished):
        Bounds().call(lambda: ...)


def test_functions_inside_an_answer_are_guarded_and_the_rest_is_left_alone():
    bounds = Bounds()
    guarded = guard({"one": len, "two": [abs, 2], "three": (1, 2)}, bounds)
    assert isinstance(guarded["one"], Guarded) and isinstance(guarded["two"][0], Guarded)
    assert guarded["three"] == (1, 2)
    policy = scsi_deadlock.POLICIES[scsi_deadlock.UNPATCHED]
    assert guard(policy, bounds) is policy
    assert Guarded(len, bounds) == Guarded(len, Bounds()) and hash(Guarded(len, bounds)) == hash(len)


def test_code_is_compared_by_what_it_does():
    def one(x):
        return [y + 1 for y in x]

    def same(x):
        # a remark

        return [y + 1 for y in x]

    def other(x):
        return [y + 2 for y in x]

    assert same_code(one, same) and not same_code(one, other)
    assert not same_code(one, 3)


# ---- goals and recall


@pytest.fixture
def explorer():
    return explore(scsi_deadlock, lanes)


def test_a_goal_follows_the_explorer(explorer, file):
    crowd = goal(explorer, "scsi_deadlock", "crowd")
    assert not crowd.met
    assert "Not yet." in crowd.said["html"]
    explorer.set(dispatchers=3, disks=3, machine="1 GB")
    assert crowd.met
    assert crowd.said["outcome"] == "right"
    assert json.loads(file.read_text())["chapters"]["scsi_deadlock"]["goals"]["crowd"]["reached"] is True
    explorer.reset()
    assert not crowd.met
    assert "Reached before" in crowd.said["html"]
    assert "Reached before" in goal(explorer, "scsi_deadlock", "crowd").said["html"]


def test_a_goal_that_is_not_reached_writes_nothing(explorer, file):
    goal(explorer, "scsi_deadlock", "crowd").check()
    assert not file.exists()


def test_an_impossible_state_is_told_in_its_own_words(explorer, monkeypatch):
    crowd = goal(explorer, "scsi_deadlock", "crowd")

    def refuse(**_):
        raise ValueError("disks must be fewer")

    monkeypatch.setattr(scsi_deadlock, "Scenario", refuse)
    explorer.stage.forget()  # it forgets where it has been
    assert "disks must be fewer" in crowd.check().message


def test_recall_gives_the_feedback_of_the_option():
    questions = recall("scsi_deadlock")
    for i, question in enumerate(questions.questions, 1):
        for j, option in enumerate(question.options, 1):
            verdict = questions.answer(i, j)
            assert bool(verdict) == option.right
            assert verdict.message == option.feedback
    with pytest.raises(ValueError, match="question must be between 1 and 3, got 4"):
        questions.answer(4, 1)
    with pytest.raises(ValueError, match="option must be between 1 and 3, got 0"):
        questions.answer(1, 0)


def test_recall_from_the_page_is_kept_and_once_right_stays_so():
    questions = recall("scsi_deadlock")
    questions.given = {"1": 1}
    assert kept.entry("scsi_deadlock", "recall", "1")["solved"] is False
    questions.given = {"1": 3}
    questions.given = {"1": 2}
    assert kept.entry("scsi_deadlock", "recall", "1") | {"when": ""} == {"tries": 3, "solved": True, "when": ""}


def test_the_page_has_all_that_it_needs_to_say():
    spec = recall("shm_big_iron").spec
    assert [len(question["options"]) for question in spec["questions"]] == [3, 3, 3]
    assert all(len(option) == 3 for question in spec["questions"] for option in question["options"])
    json.dumps(spec)


def test_moved_controls_are_named():
    state = {"machine": "32 MB", "disks": 1, "policies": ["unpatched"]}
    assert moved(state, scsi_deadlock.Scenario()) == ["machine"]
    assert moved(state, scsi_deadlock.Scenario(), but=("machine",)) == []


def test_text_is_escaped_but_for_its_marks():
    assert marked("**a** `b < c` <i>") == "<strong>a</strong> <code>b &lt; c</code> &lt;i&gt;"
    assert folds([]) == ""
    assert 'data-lm-suppress-shortcuts="true"' in card("x", "#000")


# ---- progress


def test_progress_makes_the_round_trip(file):
    seconds().answer(60).against(163.98)
    solve()
    recall("scsi_deadlock").answer(1, 3)
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["version"] == 2
    assert document == kept.read()
    assert progress().predictions == [("shm_big_iron/copy", 60, 163.98, "s")]
    frame = progress().frame
    assert list(frame.loc["Two locks, two orders"]) == ["0", "1 of 4", "0 of 2", "1 of 3"]
    assert list(frame.loc["Swapping shared memory"]) == ["1", "0 of 5", "0 of 2", "0 of 3"]
    assert "exercises 1 of 4" in repr(progress())


def test_the_picture_tells_each_prediction():
    assert progress().picture is None
    seconds().answer(60).against(163.98)
    Prediction("scsi_deadlock", "steps", Asked("How many?", None, {})).answer(8).against(9)
    picture = progress().picture
    assert picture.finding == "1 of 2 predictions within a factor of two"
    assert "shm_big_iron/copy: said 60, found 164 s" in picture.alt
    assert "<table" in progress()._repr_html_() and "<svg" in progress()._repr_html_()


def test_a_solved_exercise_stays_solved_and_the_best_score_stays():
    idle = exercise("scsi_deadlock", "idle")
    for disks in (2, 4, 3):
        assert idle.check(scsi_deadlock.Scenario(disks=disks, blocked=frozenset({0})))
    assert not idle.check(scsi_deadlock.Scenario(disks=2))
    facts = kept.entry("scsi_deadlock", "exercises", "idle")
    assert (facts["solved"], facts["score"], facts["tries"], facts["outcome"]) == (True, 3, 4, "not yet")


def test_an_untouched_one_is_not_kept(file):
    exercise("shm_big_iron", "reach").check(...)
    assert not file.exists()


def test_an_exercise_with_a_class_s_own_numbers_is_kept_as_any_other(file):
    Exercise("shm_big_iron", task_of("shm_big_iron", "reach"), variant=1).check(3)
    assert json.loads(file.read_text())["chapters"]["shm_big_iron"]["exercises"]["reach"]["tries"] == 1


def test_another_one_and_an_untouched_one_are_not_kept(file):
    exercise("shm_big_iron", "reach").check(...)
    exercise("shm_big_iron", "reach").another(1).check(3)
    assert not file.exists()


def test_nothing_is_read_but_when_called(monkeypatch):
    solve()
    prediction, questions = seconds().answer(3), recall("scsi_deadlock")
    opened = []
    true = builtins.open
    monkeypatch.setattr(builtins, "open", lambda *a, **k: opened.append(a) or true(*a, **k))
    monkeypatch.setattr(kept, "where", lambda: pytest.fail("looked for the file"))
    repr(prediction), repr(questions), repr(exercise("scsi_deadlock", "turns"))
    exercise("scsi_deadlock", "turns").solution()._repr_html_()
    assert opened == []


BROKEN = {
    "cut off": '{"version": 1, "chap',
    "empty": "",
    "another file": "[1, 2]",
    "no version": '{"chapters": {}}',
    "newer": '{"version": 3, "chapters": {}}',
    "text inside": '{"version": 1, "chapters": {"shm_big_iron": {"predictions": "none"}}}',
    "flat": '{"version": 1, "chapters": []}',
    "no text at all": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_costs_a_warning_and_is_left_alone(file, content):
    content = content if isinstance(content, bytes) else content.encode()
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="The chapter works without it"):
        prediction = seconds()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prediction.answer(60)
        assert solve()
        assert seconds().value == 60  # remembered until the session ends
        assert "1 of 4" in repr(progress())
    assert file.read_bytes() == content


def test_a_broken_file_that_is_mended_is_written_again(file):
    file.parent.mkdir()
    file.write_text("{")
    with pytest.warns(UserWarning, match="is not JSON"):
        seconds().answer(60)
    file.unlink()
    seconds().answer(61)
    assert json.loads(file.read_text())["chapters"]["shm_big_iron"]["predictions"]["copy"]["value"] == 61


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_read_only_file_costs_a_warning(file, what, monkeypatch):
    seconds().answer(60)
    if what == "file":
        file.chmod(0o444)
        monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anything
    else:
        monkeypatch.setattr(kept.tempfile, "mkstemp", refuse)
    try:
        with pytest.warns(UserWarning, match=r"cannot be written \((it is read-only|Read-only file system)\)"):
            seconds().answer(61)
        assert seconds().value == 61
    finally:
        file.chmod(0o644)
    assert json.loads(file.read_text())["chapters"]["shm_big_iron"]["predictions"]["copy"]["value"] == 60
    assert [path.name for path in file.parent.iterdir()] == ["progress.json"]


def refuse(*_, **__):
    raise OSError(30, "Read-only file system")


def test_a_folder_in_the_file_s_place_costs_a_warning(file):
    file.mkdir(parents=True)
    with pytest.warns(UserWarning, match="cannot be read"):
        assert seconds().value is None


def test_writers_at_the_same_time_leave_a_whole_file(file):
    def write(number):
        for i in range(25):
            kept.keep("shm_big_iron", "predictions", f"{number}-{i}", value=i)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if file.exists():
            assert json.loads(file.read_text())["version"] == 2  # whole at every moment
    assert [path.name for path in file.parent.iterdir()] == ["progress.json"]


@pytest.mark.parametrize(
    ("system", "variables", "place"),
    [
        (Unix, {"XDG_DATA_HOME": "/data"}, "/data/vmteach/progress.json"),
        (Unix, {"XDG_DATA_HOME": "relative"}, "/home/me/.local/share/vmteach/progress.json"),
        (Unix, {}, "/home/me/.local/share/vmteach/progress.json"),
        (MacOS, {}, "/home/me/Library/Application Support/vmteach/progress.json"),
        (Windows, {"LOCALAPPDATA": "/appdata"}, "/appdata/vmteach/progress.json"),
    ],
)
def test_the_file_is_where_the_platform_keeps_a_user_s_data_and_where_it_always_was(
    monkeypatch, system, variables, place
):
    for name in ("VMTEACH_PROGRESS", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("platformdirs.windows.get_win_folder", get_win_folder_from_env_vars)
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *a, **named: system(*a, **named).user_data_dir)
    found = kept.where().as_posix().replace("\\", "/")
    assert found == place


# ---- calls within calls


def deep(n):
    return deep(n - 1) + 1 if n else 0


def test_a_function_may_call_itself_but_not_for_ever():
    """Again and again: what one call has used is there for the next."""
    bounds, names = Bounds(), {}
    exec(compile(inspect.getsource(deep), "<the answer cell>", "exec"), names)
    for _ in range(3):
        assert bounds.call(names["deep"], DEPTH - 1) == DEPTH - 1
        with pytest.raises(Raised, match="RecursionError: maximum recursion depth exceeded"):
            bounds.call(names["deep"], DEPTH)


# ---- in a browser

ALONE = """async ([source, spec]) => {
  const face = await import('data:text/javascript;base64,' + btoa(source));
  let given = {};
  const api = { given: () => given, said: () => ({}), give: (value) => { given = value; } };
  const el = document.createElement('div'); document.body.append(el);
  face.mount(el, spec, api);
  const said = el.querySelector('.vml-said'), radios = el.querySelectorAll('input[type=radio]');
  const check = el.querySelector('button'), told = [];
  check.click(); told.push(said.textContent);
  for (const i of [0, 1]) { radios[i].checked = true; check.click(); told.push(said.textContent); }
  await new Promise((go) => setTimeout(go)); // answers are handed in one after another
  return [told, given, said.getAttribute('role')]; }"""


@pytest.mark.browser
def test_recall_needs_no_kernel(browser):
    """The page of a handout has the same questions, and answers them by itself."""
    page = browser.new_page()
    source = (Path(kept.__file__).parent / "learn.js").read_text(encoding="ascii")
    told, given, role = page.evaluate(ALONE, [source, recall("shm_big_iron").spec])
    page.close()
    first, second, *_ = (option.feedback.replace("`", "") for option in recall("shm_big_iron").questions[0].options)
    assert told == ["Choose one first.", f"Not yet. {first}", f"Right. {second}"]
    assert given == {"1": 2}
    assert role == "status"


CELLS = (
    "from vmteach.lab.explorer import explore\n"
    "from vmteach.figures import scsi_deadlock as figure\n"
    "from vmteach.lab.exercise import exercise\n"
    "from vmteach.lab.goal import goal\n"
    "from vmteach.exercises import Asked\n"
    "from vmteach.lab.predict import Prediction\n"
    "from vmteach.lab.recall import recall\n"
    "from vmteach.patches import scsi_deadlock as patch",
    'Prediction("scsi_deadlock", "steps", Asked("How many steps?", None, {}, "steps", low=1))',
    'exercise("scsi_deadlock", "turns")',
    "explorer = explore(patch, figure)\nexplorer",
    'goal(explorer, "scsi_deadlock", "alone")',
    'recall("scsi_deadlock")',
)


@pytest.mark.browser
def test_all_of_it_by_keyboard_in_jupyterlab(browser, axe, tmp_path, monkeypatch, file):
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_markdown_cell("# Learning"), *map(nbformat.v4.new_code_cell, CELLS)]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks" / "learn.ipynb")
    monkeypatch.setattr(lab, "ROOT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(kept.__file__).parent.parent.parent))
    with lab.jupyterlab(tmp_path / "lab") as running:
        visit = lab.Visit(browser, running)
        visit.page.set_viewport_size({"width": 1280, "height": 4000})  # all cells in view
        visit.open("learn.ipynb")
        visit.run_all()
        play(visit, axe)
        assert (visit.errors(), visit.strangers, visit.complaints) == ([], [], [])
        visit.close()
    chapter_kept = json.loads(file.read_text(encoding="utf-8"))["chapters"]["scsi_deadlock"]
    assert chapter_kept["predictions"]["steps"]["value"] == 9
    assert chapter_kept["goals"]["alone"]["reached"] is True
    assert chapter_kept["recall"]["1"]["solved"] is False


def play(visit, axe):
    """Predict, unfold two hints, reach the goal and answer a question, with keys alone."""
    page, keys = visit.page, visit.page.keyboard
    count = "() => window.jupyterapp.shell.currentWidget.content.model.cells.length"
    cells = page.evaluate(count)
    said = page.locator(".vml-said")
    said.nth(4).wait_for(state="attached", timeout=60_000)

    page.locator(".vml input[type=text]").focus()
    for typed, words in (
        ("0", "prediction must be"),
        ("9bdd", "Write a number, 1 or more."),  # letters are no number, and do not reach the notebook
        ("9", "Kept: 9 steps. Wrong is fine"),
    ):
        keys.press("Control+a")
        keys.type(typed)
        keys.press("Enter")
        said.nth(0).get_by_text(words).wait_for()

    page.locator(".vmteach-card summary").first.focus()
    keys.press("Enter")
    keys.press("Tab")
    keys.press("Space")
    assert page.locator(".vmteach-card details[open]").count() == 2

    assert "Not yet" in said.nth(1).inner_text()
    page.locator('.vmt input[data-field="dispatchers"]').focus()
    keys.press("Home")
    said.nth(1).get_by_text("Reached.").wait_for()

    page.locator(".vml input[type=radio]").first.focus()
    keys.press("Space")
    keys.press("Enter")
    said.nth(2).get_by_text("Not yet.").wait_for()
    page.wait_for_timeout(500)  # the kernel writes what the page has said already
    assert page.evaluate(count) == cells
    for context in (".jp-Notebook .vml", ".jp-Notebook .vmteach-card"):
        assert axe.run(page, context=context).response["violations"] == []
