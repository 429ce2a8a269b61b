"""The checks, checked: every answer of the bank gets its verdict, and no message gives an answer away."""

import ast
import inspect
import re
import sys
import time
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from bank import Case
from hypothesis import given, settings
from hypothesis import strategies as st

from vmteach import exercises
from vmteach.exercises import RUNGS, Goal, Outcome, Question, chapter, fill, prose, teaching, written
from vmteach.lab.exercise import Exercise, exercise
from vmteach.lab.explorer import explore
from vmteach.lab.goal import goal as goal_face
from vmteach.machine import PRESETS
from vmteach.patches import STEMS

FOLDER = Path(prose.__file__).parent
WRITTEN = [stem for stem in STEMS if (FOLDER / f"{stem}.py").exists()]


def bank(stem):
    return import_module(f"bank.{stem}")


def trouble(stem: str) -> str:
    """Why a chapter's exercises cannot be tried on their bank, or nothing. The other chapters are tested still."""
    for folder, package in (("vmteach/exercises", "vmteach.exercises"), ("tests/bank", "bank")):
        try:
            import_module(f"{package}.{stem}")
        except ImportError as error:
            return f"{folder}/{stem}.py: {error}. Is it still written for another model?"
    missing = sorted({task.name for task in chapter(stem).EXERCISES} - set(bank(stem).BANK))
    return f"tests/bank/{stem}.py: BANK has no case for {missing}" if missing else ""


CHAPTERS = [stem for stem in WRITTEN if not trouble(stem)]
TASKS = [(stem, task.name) for stem in CHAPTERS for task in chapter(stem).EXERCISES]
VARIANTS = [(stem, t.name, v) for stem in CHAPTERS for t in chapter(stem).EXERCISES for v in range(len(t.variants))]

every_chapter = pytest.mark.parametrize("stem", CHAPTERS)
every_task = pytest.mark.parametrize(("stem", "name"), TASKS, ids=[f"{stem}-{name}" for stem, name in TASKS])
every_variant = pytest.mark.parametrize(
    ("stem", "name", "variant"), VARIANTS, ids=[f"{stem}-{name}-{v}" for stem, name, v in VARIANTS]
)


@pytest.fixture(autouse=True)
def a_file_of_our_own(monkeypatch, tmp_path):
    monkeypatch.setenv("VMTEACH_PROGRESS", str(tmp_path / "progress.json"))


def case(stem: str, name: str) -> Case:
    return bank(stem).BANK[name]


def answers(kind):
    return [
        pytest.param(stem, name, *entry, id=f"{stem}-{name}-{i}")
        for stem, name in TASKS
        for i, entry in enumerate(getattr(case(stem, name), kind))
    ]


def defined(stem: str, name: str, cell: str, variant: int = 0):
    """The answer that a cell defines, after the chapter's imports."""
    task = task_of(stem, name)
    names: dict = {}
    exec(chapter(stem).NEEDS, names)
    exec(compile(cell, "<the answer cell>", "exec"), names)
    return names[task.answer]


def task_of(stem, name):
    return next(task for task in chapter(stem).EXERCISES if task.name == name)


def judged(stem, name, cell, variant=0):
    return Exercise(stem, task_of(stem, name), variant).check(defined(stem, name, cell))


# ---- what is there


@pytest.mark.parametrize("stem", WRITTEN)
def test_exercises_can_be_tried_on_their_bank(stem):
    assert not trouble(stem), trouble(stem)


@every_chapter
def test_a_chapter_has_each_rung_two_goals_and_three_questions(stem):
    module = chapter(stem)
    assert {task.rung for task in module.EXERCISES} == set(RUNGS)
    assert len(module.GOALS) == 2 and all(isinstance(goal, Goal) for goal in module.GOALS)
    assert len(module.RECALL) == 3 and all(isinstance(question, Question) for question in module.RECALL)


# ---- the prose, in Markdown


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """A copy of a chapter's prose with one text put in the place of another, read anew."""

    def edit(old: str, new: str):
        text = (FOLDER / "blkdev_eof.md").read_text(encoding="utf-8")
        assert old in text
        (tmp_path / "blkdev_eof.md").write_text(text.replace(old, new, 1), encoding="utf-8")
        monkeypatch.setattr(prose, "HERE", tmp_path)
        prose.sections.cache_clear()
        module = chapter("blkdev_eof")
        checks = {f"check_{thing.name}": thing.check for thing in (*module.EXERCISES, *module.GOALS)}
        try:
            return written("blkdev_eof", checks)
        finally:
            prose.sections.cache_clear()

    return edit


def test_a_teacher_edits_a_question_and_nothing_else_changes(edited):
    as_it_was, now = edited("## Goal: most", "## Goal: most"), edited("- minutes: 4", "- minutes: 9")
    assert now.exercises[0].minutes == 9
    assert now[2:] == as_it_was[2:] and now.exercises[1:] == as_it_was.exercises[1:]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("### Hints", "### Hint", r"blkdev_eof\.md, line \d+, Exercise roundings: must have a part '### Hints'"),
        ("- minutes: 4\n", "", "must have a heading or a property 'minutes'"),
        ("```python\ndef count", "```\ndef count", r"line \d+, Exercise roundings: Stub must be one ```python block"),
        ("## Exercise: half", "## Exercise: helf", "must have an exercise or a goal named half"),
        ("- rung: fill one line", "- rung: fill a line", "rung must be one of fill one line"),
    ],
)
def test_what_is_wrong_in_the_prose_is_named(edited, old, new, said):
    with pytest.raises(ValueError, match=said):
        edited(old, new)


@every_chapter
def test_no_text_of_the_prose_is_lost(stem):
    """Every word of the file, marks apart, is in something that a page shows."""
    module = chapter(stem)
    shown = " ".join(map(repr, (module.NEEDS, *module.EXERCISES, *module.GOALS, *module.RECALL)))
    shown += repr((module.PREDICTIONS, teaching(stem)))
    words = set(re.findall(r"[A-Za-z]{3,}", (FOLDER / f"{stem}.md").read_text(encoding="utf-8").partition("\n")[2]))
    headings = set(
        re.findall(
            r"[A-Za-z]{3,}",
            "Teaching minutes Run Vary Change Imports Exercise Stub Solution Hints Why Wrong turn kernel Goal Recall "
            "Options Prediction Guesses rung minutes answer needs unit low high choices result python",
        )
    )
    assert {word for word in words - headings if word not in shown} == set()


@every_chapter
def test_some_exercise_has_other_numbers(stem):
    assert any(len(task.variants) > 1 for task in chapter(stem).EXERCISES)


@every_chapter
def test_names_are_unique(stem):
    for things in (chapter(stem).EXERCISES, chapter(stem).GOALS):
        assert len({thing.name for thing in things}) == len(things)


@every_task
def test_an_exercise_is_whole(stem, name):
    task = task_of(stem, name)
    assert len(task.hints) == 3
    for text in (task.asks, task.reason, task.wrong_turn, task.kernel, *task.hints):
        assert len(text) > 30, text
        assert text.rstrip("`)").endswith((".", "?")), text
    assert 1 <= task.minutes <= 15


@every_task
def test_a_cell_is_short(stem, name):
    for cell in (exercise(stem, name).stub, exercise(stem, name).solved):
        assert len(cell.splitlines()) <= 15
        assert max(map(len, cell.splitlines())) <= 120
        assert cell == cell.rstrip()  # word for word what a notebook's cell holds


@every_task
def test_the_bank_is_large_enough(stem, name):
    kept = case(stem, name)
    case_of = f'tests/bank/{stem}.py, "{name}"'
    assert len(kept.right) >= 2, f"{case_of}: two right answers or more, written differently"
    assert len(kept.wrong) >= 4, f"{case_of}: four wrong answers or more"
    assert kept.secret, f"{case_of}: secret must have a pattern of what no message may tell"


@every_chapter
def test_the_bank_has_no_case_for_what_is_not_there(stem):
    both = f"the same names in tests/bank/{stem}.py as in vmteach/exercises/{stem}.py, please"
    assert set(bank(stem).BANK) == {task.name for task in chapter(stem).EXERCISES}, both
    assert set(bank(stem).GOALS) == {goal.name for goal in chapter(stem).GOALS}, both


@every_chapter
def test_right_options_stand_in_different_places(stem):
    questions = chapter(stem).RECALL
    assert [sum(option.right for option in question.options) for question in questions] == [1, 1, 1]
    assert len({[option.right for option in question.options].index(True) for question in questions}) > 1
    for question in questions:
        assert len(question.options) >= 3
        assert len({option.feedback for option in question.options}) == len(question.options)


# ---- the bank


@every_variant
def test_the_untouched_stub_is_not_attempted(stem, name, variant):
    task = task_of(stem, name)
    stub = fill(task.stub, task.variants[variant])
    assert judged(stem, name, stub, variant).outcome is Outcome.NOT_ATTEMPTED
    assert judged(stem, name, "# a remark of mine\n\n" + stub, variant).outcome is Outcome.NOT_ATTEMPTED


@every_variant
def test_the_solution_is_right(stem, name, variant):
    task = task_of(stem, name)
    verdict = judged(stem, name, fill(task.solution, task.variants[variant]), variant)
    assert verdict.outcome is Outcome.RIGHT, verdict


SAME = {  # what equals Python's own numbers and truths
    "numpy": lambda value: np.array([value])[0],
    "float": lambda value: value if isinstance(value, bool) else float(value),
    "fraction": lambda value: value if isinstance(value, bool) else Fraction(value),
}


def as_if(value, same):
    """A value in which each number is another that equals it."""
    if type(value) in (tuple, list):
        return type(value)(as_if(each, same) for each in value)
    if type(value) is dict:
        return {key: as_if(each, same) for key, each in value.items()}
    return same(value) if type(value) in (bool, int, float) else value


@pytest.mark.parametrize("same", SAME.values(), ids=SAME)
@every_variant
def test_what_equals_the_solution_is_right(stem, name, variant, same):
    task = task_of(stem, name)
    answer = defined(stem, name, fill(task.solution, task.variants[variant]))
    mine = as_if(answer, same)
    if callable(answer) and not isinstance(answer, type):
        mine = lambda *args, **named: as_if(answer(*args, **named), same)  # noqa: E731
    verdict = Exercise(stem, task, variant).check(mine)
    assert verdict.outcome is Outcome.RIGHT, verdict


@pytest.mark.parametrize(("stem", "name", "cell", "score"), answers("right"))
def test_a_right_answer_is_right(stem, name, cell, score):
    verdict = judged(stem, name, cell)
    assert verdict.outcome is Outcome.RIGHT, verdict
    assert score in (None, verdict.score)
    assert (verdict.score is not None) == (task_of(stem, name).rung == "break it")


@pytest.mark.parametrize(("stem", "name", "cell", "says"), answers("wrong"))
def test_a_wrong_answer_is_not_yet_right_and_is_told_its_mistake(stem, name, cell, says):
    verdict = judged(stem, name, cell)
    assert verdict.outcome is Outcome.NOT_YET, verdict
    assert says in verdict.message, verdict


@pytest.mark.parametrize(("stem", "name", "cell", "line", "error"), answers("raises"))
def test_code_that_raises_is_told_its_own_line(stem, name, cell, line, error):
    verdict = judged(stem, name, cell)
    assert verdict.outcome is Outcome.RAISED, verdict
    assert verdict.message.startswith("Calling it" if line == 0 else "Line " if line < 0 else f"Line {line}")
    assert error in verdict.message


FUNCTIONS = [(stem, name) for stem, name in TASKS if task_of(stem, name).stub.startswith("def ")]
BROKEN = {
    "raises": ("raise ZeroDivisionError('mine')", "ZeroDivisionError: mine"),
    "refuses": ("raise ValueError('a value of mine')", "ValueError: a value of mine"),
    "does not end": ("while True: pass", "Does the loop come to an end?"),
    "calls itself": ("return THIS(*args)", "RecursionError"),
    "asserts": ("assert 1 == 2", "AssertionError"),
}


@pytest.mark.parametrize(("stem", "name"), FUNCTIONS, ids=[name for _, name in FUNCTIONS])
@pytest.mark.parametrize(("line", "says"), BROKEN.values(), ids=BROKEN)
def test_any_function_may_break_and_only_that_is_said(stem, name, line, says):
    answer = task_of(stem, name).answer
    cell = f"def {answer}(*args):\n    {line.replace('THIS', answer)}\n"
    verdict = judged(stem, name, cell)
    assert verdict.outcome is Outcome.RAISED, verdict
    assert re.match("Line [12]", verdict.message)
    assert says in verdict.message


@pytest.mark.parametrize(("stem", "name"), FUNCTIONS, ids=[name for _, name in FUNCTIONS])
@pytest.mark.parametrize("value", ["...", "None", "'text'", "()", "object()", "-1", "1e999", "[[]]", "{1: 2}"])
def test_a_function_may_give_anything(stem, name, value):
    verdict = judged(stem, name, f"def {task_of(stem, name).answer}(*args):\n    return {value}\n")
    expected = Outcome.NOT_ATTEMPTED if value == "..." else Outcome.NOT_YET
    assert verdict.outcome is expected, verdict


@every_task
@pytest.mark.parametrize(
    "answer",
    [0, -3, 7.5, "text", b"", (), [1], {"a": 1}, {1, 2}, object(), int, len, 1j],
    ids=lambda answer: type(answer).__name__,
)
def test_anything_may_be_handed_in(stem, name, answer):
    verdict = exercise(stem, name).check(answer)
    assert verdict.outcome in (Outcome.NOT_YET, Outcome.RAISED, Outcome.NOT_ATTEMPTED), verdict
    assert verdict.outcome is not Outcome.RAISED or callable(answer)
    assert verdict.outcome is not Outcome.NOT_ATTEMPTED or answer in ((), [])


@every_chapter
def test_every_message_is_called_for_by_some_answer(stem, explorers, monkeypatch):
    """A message that no answer of the bank gets may be wrong, or can never be said."""
    module, said = chapter(stem), set()
    for room, name in ((module, "right"), (module, "not_yet"), (exercises, "not_yet")):
        monkeypatch.setattr(room, name, noted(getattr(module, name), said))
    for task in module.EXERCISES:
        for cell, _ in (*case(stem, task.name).right, *case(stem, task.name).wrong):
            judged(stem, task.name, cell)
        for variant in range(len(task.variants)):
            judged(stem, task.name, fill(task.solution, task.variants[variant]), variant)
    for goal in module.GOALS:
        for state, *_ in bank(stem).GOALS[goal.name]:
            explorers[stem].reset()
            explorers[stem].set(**state)
            goal.verdict(explorers[stem].state, explorers[stem].numbers)
    nodes = list(ast.walk(ast.parse(inspect.getsource(module))))
    there = {node.lineno for node in nodes if getattr(getattr(node, "func", None), "id", "") in ("right", "not_yet")}
    checks = [
        node for node in nodes if "check" in [getattr(each, "id", "") for each in getattr(node, "decorator_list", ())]
    ]
    there |= {node.lineno for one in checks for node in ast.walk(one) if isinstance(node, ast.Yield)}
    unsaid = sorted(there - said)
    place = f"vmteach/exercises/{stem}.py, lines {unsaid}"
    assert not unsaid, f"{place}: no answer of tests/bank/{stem}.py gets these messages"


def noted(function, lines):
    def wrapped(*args, **named):
        caller = sys._getframe(1)
        faults = caller.f_locals.get("faults")  # a check that has stopped where it yielded what is said now
        lines.add((faults.gi_frame if faults else caller).f_lineno)
        return function(*args, **named)

    return wrapped


# ---- nothing is given away


def told(stem, name):
    """All that can be said before an answer is right, the first two hints among it."""
    kept, task = case(stem, name), task_of(stem, name)
    for cell, *_ in (*kept.wrong, *kept.raises, (exercise(stem, name).stub,)):
        verdict = judged(stem, name, cell)
        source = re.escape(cell.strip())
        yield (
            re.sub(r"\(`.*?`\)", "", verdict.message) if verdict.outcome is Outcome.RAISED else verdict.message,
            source,
        )
    for text in (*task.hints[:2], task.asks):
        yield fill(text, task.variants[0]), ""


@every_task
def test_no_message_gives_the_answer_away(stem, name):
    stub = set(exercise(stem, name).stub.splitlines())
    lines = [line.strip() for line in exercise(stem, name).solved.splitlines() if line not in stub]
    for message, _ in told(stem, name):
        for secret in case(stem, name).secret:
            assert not re.search(secret, message), (secret, message)
        for line in lines:
            assert line not in message


@every_task
def test_the_secret_is_what_the_solution_tells(stem, name):
    """A pattern that does not even find the solution guards nothing."""
    task = task_of(stem, name)
    everything = "\n".join((exercise(stem, name).solved, task.reason, *(cell for cell, _ in case(stem, name).right)))
    everything = fill(everything, task.variants[0]) if "$" in everything else everything
    for secret in case(stem, name).secret:
        assert re.search(secret, everything), secret


# ---- the same each time, and soon


@every_task
def test_the_same_answer_gets_the_same_verdict_again(stem, name):
    kept = case(stem, name)
    for cell, *_ in (*kept.right, *kept.wrong, *kept.raises):
        answer = defined(stem, name, cell)
        assert exercise(stem, name).check(answer) == exercise(stem, name).check(answer) == judged(stem, name, cell)


@settings(max_examples=60)
@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=5), st.lists, max_leaves=5))
def test_any_value_gets_the_same_verdict_twice_and_never_an_error(value):
    for stem, name in TASKS:
        assert repr(exercise(stem, name).check(value)) == repr(exercise(stem, name).check(value))


@every_task
@pytest.mark.perf
def test_a_check_takes_less_than_a_second(stem, name):
    kept = case(stem, name)
    for cell, *_ in (*kept.right, *kept.wrong, *kept.raises):
        answer = defined(stem, name, cell)
        start = time.perf_counter()
        exercise(stem, name).check(answer)
        assert time.perf_counter() - start < 5, cell  # the promise is one; shared machines are slow now and then


# ---- the goals


def states(stem):
    return [(goal, *row) for goal, rows in bank(stem).GOALS.items() for row in rows]


GOAL_STATES = [(stem, *row) for stem in CHAPTERS for row in states(stem)]


@pytest.fixture(scope="module")
def explorers():
    def of(stem):
        return explore(import_module(f"vmteach.patches.{stem}"), import_module(f"vmteach.figures.{stem}"))

    return {stem: of(stem) for stem in CHAPTERS}


@pytest.mark.parametrize(("stem", "goal", "state", "outcome", "says"), GOAL_STATES)
def test_a_goal_tells_a_state_that_meets_it_from_one_that_does_not(explorers, stem, goal, state, outcome, says):
    explorer = explorers[stem]
    explorer.reset()
    explorer.set(**state)
    verdict = goal_face(explorer, stem, goal).check()
    assert verdict.outcome == outcome, verdict
    assert says in verdict.message


@every_chapter
def test_a_goal_can_be_reached_and_does_not_begin_so(stem):
    for goal, rows in bank(stem).GOALS.items():
        of = f'tests/bank/{stem}.py, GOALS["{goal}"]'
        assert rows[0][:2] == ({}, "not yet"), f"{of}: the first row must be the default state, {{}}, and not yet right"
        assert sum(outcome == "right" for _, outcome, _ in rows) >= 1, f"{of}: a state that is right, please"
        assert sum(outcome == "not yet" for _, outcome, _ in rows) >= 3, f"{of}: three states that are not yet right"


@every_chapter
def test_a_goal_needs_nothing_but_state_and_numbers(explorers, stem):
    """So that the verdict of every state can be written into a page."""
    explorer = explorers[stem]
    explorer.reset()
    for goal in chapter(stem).GOALS:
        assert (
            goal.verdict(dict(explorer.state), dict(explorer.numbers)) == goal_face(explorer, stem, goal.name).check()
        )


@every_chapter
def test_no_preset_of_the_explorer_reaches_a_goal(stem):
    """A button is worth trying; what it shows is not the answer."""
    patch = import_module(f"vmteach.patches.{stem}")
    for preset in getattr(patch, "TRY", ()):
        given = {field: PRESETS[stop] if field == "machine" else stop for field, stop in preset.stops.items()}
        scenario = patch.Scenario(**given)
        state = {control.field: getattr(scenario, control.field) for control in patch.CONTROLS}
        state["machine"] = scenario.machine.name
        numbers = {label: patch.simulate(scenario, policy).numbers for label, policy in patch.POLICIES.items()}
        reached = [goal.name for goal in chapter(stem).GOALS if goal.verdict(state, numbers)]
        assert not reached, f"{stem}: the preset {preset.label!r} reaches {reached}"
