"""A class's progress files, read together: histograms, gains, what is skipped, and a page that needs nothing else."""

import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmteach.exercises import Asked, chapter, marked
from vmteach.lab import kept
from vmteach.lab.classroom import Votes, main, page, read_class, summary, watch
from vmteach.lab.exercise import Exercise

STEM, NAME = "scsi_deadlock", "way"
RESULT = chapter(STEM).PREDICTIONS[NAME].result
WRONG = next(iter(chapter(STEM).PREDICTIONS[NAME].overlooked))


def student(*votes, stem=STEM, name=NAME, **kinds):
    """A progress file's text."""
    cast = [{"value": vote, "when": "2026-11-27T10:00:00+00:00"} for vote in votes]
    predictions = {name: {"value": votes[-1], "votes": cast, "result": None}} if votes else {}
    return json.dumps({"version": kept.VERSION, "chapters": {stem: {"predictions": predictions, **kinds}}})


@pytest.fixture
def folder(tmp_path):
    def fill(*texts):
        for i, text in enumerate(texts):
            (tmp_path / f"s{i:03}.json").write_text(text, encoding="utf-8")
        return tmp_path

    return fill


def test_both_votes_are_counted_and_named(folder):
    classroom = read_class(folder(student(WRONG, RESULT), student(WRONG), student(RESULT, RESULT)))
    votes = classroom.of(f"{STEM}/{NAME}")
    result, wrong = votes.bars
    assert (classroom.students, result[1:4], wrong[1:4]) == (3, (1, 2, True), (2, 1, False))
    assert wrong.overlooks == chapter(STEM).PREDICTIONS[NAME].overlooked[WRONG]
    assert (votes.right_first, votes.right_last, votes.nearer, votes.gain) == (1 / 3, 2 / 3, 0.5, 1.0)


def test_a_file_of_before_there_were_two_votes_counts_once(folder):
    old = {"version": 1, "chapters": {STEM: {"predictions": {NAME: {"value": WRONG, "result": RESULT}}}}}
    votes = read_class(folder(json.dumps(old))).of(f"{STEM}/{NAME}")
    assert votes.pairs == ((WRONG, WRONG, False),) and votes.nearer is None


BROKEN = {
    "half": (student(RESULT)[:-20], "is not JSON"),
    "newer": (json.dumps({"version": 99, "chapters": {}}), "is of a newer version"),
    "foreign": ('{"cells": []}', "is not a progress file"),
    "list": ("[1, 2]", "is not a progress file"),
}


@pytest.mark.parametrize(("text", "why"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_used_is_named_and_skipped(folder, text, why):
    classroom = read_class(folder(student(RESULT), text))
    assert classroom.students == 1
    (line,) = classroom.skipped
    assert line.startswith("s001.json ") and why in line
    assert line.replace('"', "&quot;") in page(classroom)


@pytest.mark.parametrize("vote", [None, "text", True, float("nan"), [1], {"a": 1}])
def test_an_answer_to_no_such_question_does_not_count(folder, vote):
    assert read_class(folder(student(vote), student(RESULT))).votes[0].pairs == ((RESULT, RESULT, False),)


def test_work_is_counted(folder):
    solved = {"exercises": {"pairs": {"tries": 3, "solved": True}}, "goals": {"crowd": {"reached": True}}}
    tried = {"exercises": {"pairs": {"tries": 7, "solved": False}}, "recall": {"1": {"tries": 2, "solved": True}}}
    work = {w.name: w for w in read_class(folder(student(**solved), student(**tried))).work}
    assert (work["pairs"].tried, work["pairs"].solved, work["pairs"].tries) == (2, 1, 3)
    assert (work["crowd"].solved, work["1"].tries) == (1, 2)


def test_three_hundred_files_of_mixed_quality(folder):
    """Made-up files: every chapter, one vote or two, some old, some broken, some empty."""
    random.seed(2004)
    stems = [
        (stem, name)
        for stem in ("scsi_deadlock", "ncpfs", "elf_interp", "mremap")
        for name in chapter(stem).PREDICTIONS
    ]
    texts, sound = [], 0
    for n in range(300):
        stem, name = random.choice(stems)
        asked = chapter(stem).PREDICTIONS[name]
        answers = [asked.result, *asked.overlooked]
        if n % 10 == 0:
            texts.append(random.choice(list(BROKEN.values()))[0])
        else:
            sound += 1
            texts.append(student(*random.choices(answers, k=random.choice((1, 2))), stem=stem, name=name))
    classroom = read_class(folder(*texts))
    assert (classroom.students, len(classroom.skipped)) == (sound, 30) == (270, 30)
    assert sum(len(votes.pairs) for votes in classroom.votes) == sound
    for votes in classroom.votes:
        assert sum(bar.first for bar in votes.bars) == sum(bar.second for bar in votes.bars) == len(votes.pairs)
    text = page(classroom)
    assert (
        text.count("<h2>") == len(classroom.votes) + 1 and "<script" not in text and not re.search(r"(src|href)=", text)
    )


@given(st.lists(st.tuples(st.integers(2, 20), st.integers(2, 20), st.booleans()), min_size=1, max_size=60))
def test_every_vote_stands_in_one_bar_and_shares_are_shares(pairs):
    pairs = tuple((first, last if again else first, again) for first, last, again in pairs)
    votes = Votes(STEM, NAME, Asked("?", 6, {4: "One thread."}, "steps"), pairs)
    assert sum(bar.first for bar in votes.bars) == sum(bar.second for bar in votes.bars) == len(pairs)
    assert 0 <= votes.right_first <= 1 and 0 <= votes.right_last <= 1
    assert votes.gain is None or votes.gain <= 1
    assert votes.bars[0].right and not any(bar.right for bar in votes.bars[1:])
    assert summary(votes).startswith("Right alone: ")


def test_the_wall_shows_one_prediction_and_follows_the_folder(folder, tmp_path):
    files = folder(student(WRONG))
    target = tmp_path / "wall.html"
    watch(files, target, f"{STEM}/{NAME}", seconds=0.01, rounds=1)
    first = target.read_text(encoding="utf-8")
    assert 'class="wall"' in first and 'http-equiv="refresh"' in first and "1 vote<" in first
    (files / "late.json").write_text(student(RESULT), encoding="utf-8")
    watch(files, target, f"{STEM}/{NAME}", seconds=0.01, rounds=2)
    assert "2 votes" in target.read_text(encoding="utf-8")


def test_the_wall_shows_the_newest_prediction_where_none_is_named(folder, tmp_path):
    later = chapter("mremap").PREDICTIONS
    (name,) = later
    old, new = student(WRONG), student(later[name].result, stem="mremap", name=name)
    files = folder(dated(old, "2026-11-27T10:00:00+00:00"), dated(new, "2026-11-27T10:05:00+00:00"))
    watch(files, tmp_path / "wall.html", seconds=0.01, rounds=1)
    assert marked(later[name].question) in (tmp_path / "wall.html").read_text(encoding="utf-8")


def dated(text, when):
    document = json.loads(text)
    for kinds in document["chapters"].values():
        for facts in kinds["predictions"].values():
            facts["when"] = when
    return json.dumps(document)


def test_the_order_of_bars_on_the_wall_does_not_tell_the_result(folder):
    votes = read_class(folder(student(WRONG), student(RESULT), student(18))).of(f"{STEM}/{NAME}")
    assert sorted(votes.in_order) == sorted(votes.bars)
    sizes = [float(bar.answer.split()[0].replace(",", "")) for bar in votes.in_order]
    assert sizes == sorted(sizes)


def test_hints_that_were_asked_for_are_counted(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("VMTEACH_PROGRESS", str(tmp_path / "own" / "s1.json"))
    one = Exercise(STEM, chapter(STEM).EXERCISES[0])
    one.hint(), one.hint()
    assert kept.entry(STEM, "exercises", one.task.name)["hints"] == 2
    (work,) = read_class(tmp_path / "own").work
    assert (work.name, work.tried, work.solved, work.hints) == (one.task.name, 1, 0, 1)


def test_the_teachers_notebook_runs_and_shows_the_same(folder, tmp_path):
    files, target = folder(student(WRONG, RESULT)), tmp_path / "class.ipynb"
    arguments = [str(files), "--target", str(tmp_path / "c.html"), "--notebook", str(target)]
    assert main([*arguments, "--csv", str(tmp_path / "c.csv")]) == 0
    names: dict = {}
    for cell in json.loads(target.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(cell["source"], names)
    assert names["room"]._repr_html_().count("<section>") == 1
    rows = (tmp_path / "c.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 3 and rows[0].startswith("chapter,prediction,answer,alone")


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(NotADirectoryError, match="nowhere is no folder"):
        read_class(tmp_path / "nowhere")
