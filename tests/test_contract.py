"""What every chapter owes its reader, over all patch modules that there are.

With `-k STEM` it says of a chapter that is being made what is missing: CONTRIBUTING.md has the steps.
"""

import ast
import csv
import inspect
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import mypy.api
import pytest

from vmteach import chapter
from vmteach.course import CHAPTERS
from vmteach.figures.titles import alt, title
from vmteach.figures.words import number
from vmteach.machine import PRESETS, Machine
from vmteach.patches import STEMS
from vmteach.run import Control, Run

ROOT = Path(__file__).parent.parent
PATCHES = [stem for stem in STEMS if (ROOT / "vmteach" / "patches" / f"{stem}.py").exists()]
LABELS = ("changelog", "source", "unpatched", "patched", "left out")
PARTS = (
    "vmteach/patches/{stem}.py",
    "vmteach/figures/{stem}.py",
    "vmteach/exercises/{stem}.py",
    "tests/bank/{stem}.py",
    "tests/test_{stem}.py",
    "notebooks/{number:02d}_{stem}.ipynb",
)
FLAGSHIP = "shm_big_iron"
PLAINEST = "blkdev_eof"  # the chapter to be copied for a new one

every_patch = pytest.mark.parametrize("stem", PATCHES)


def patch(stem: str) -> ModuleType:
    return module("patches", stem)


def figure(stem: str) -> ModuleType:
    return module("figures", stem)


def module(folder: str, stem: str) -> ModuleType:
    """A module of a chapter; where it cannot be imported, its file and why."""
    try:
        return import_module(f"vmteach.{folder}.{stem}")
    except ImportError as error:
        why = f"vmteach/{folder}/{stem}.py: {error}. Is it still written for another model?"
    pytest.fail(why, pytrace=False)


def scenario(stem: str, **stops: Any) -> Any:
    """The scenario at these stops of the controls; a machine goes by its name."""
    if "machine" in stops:
        stops["machine"] = PRESETS[stops["machine"]]
    return patch(stem).Scenario(**stops)


def run(stem: str, label: str, **stops: Any) -> Run:
    return patch(stem).simulate(scenario(stem, **stops), patch(stem).POLICIES[label])


def numbers(stem: str, label: str, *stops: tuple[str, Any]) -> Mapping[str, Any]:
    """The numbers of a run."""
    return seen(stem, label, *stops)[0]


@cache
def seen(stem: str, label: str, *stops: tuple[str, Any]) -> tuple[Mapping[str, Any], Any]:
    """Numbers, and the picture of a kernel that the chapter compares. The run goes: its events may be many."""
    one, compared = run(stem, label, **dict(stops)), (patch(stem).UNPATCHED, patch(stem).PATCHED)
    return one.numbers, figure(stem).scene(one).data if label in compared else None


def corners(stem: str) -> Iterator[tuple[tuple[str, Any], ...]]:
    """Each way to have every control at its first or last stop."""
    ends = [[(c.field, stop) for stop in (c.stops[0], c.stops[-1])] for c in patch(stem).CONTROLS]
    return product(*ends)


# ---- the module ----


@every_patch
def test_docstring_is_one_line_and_five_labelled_ones(stem):
    point, blank, *lines = inspect.getdoc(patch(stem)).splitlines()
    file = f"vmteach/patches/{stem}.py, docstring"
    assert point.endswith("."), f"{file}: its first line must be a sentence: {point!r}"
    assert blank == "", f"{file}: its second line must be empty: the point has one line"
    labels = tuple(re.findall(rf"^({'|'.join(LABELS)})  +\S", "\n".join(lines), re.M))
    assert labels == LABELS, f"{file}: must have a line for each of {LABELS} in this order; has {labels}"


@every_patch
def test_scenario_and_policy_are_frozen_values(stem):
    for kind in (patch(stem).Scenario, patch(stem).Policy):
        assert is_dataclass(kind)
        assert kind.__dataclass_params__.frozen
    assert patch(stem).Scenario() == patch(stem).Scenario()


@every_patch
def test_every_scenario_has_a_machine_and_a_ratio(stem):
    default = patch(stem).Scenario()
    assert {"machine", "vm_cache_scan_ratio"} <= {field.name for field in fields(default)}
    assert isinstance(default.machine, Machine)
    assert default.machine == PRESETS[default.machine.name], f"vmteach/patches/{stem}.py: the default is no preset"
    assert default.vm_cache_scan_ratio == 6


@every_patch
def test_policies_begin_with_the_kernel_before(stem):
    module = patch(stem)
    assert all(isinstance(policy, module.Policy) for policy in module.POLICIES.values())
    assert next(iter(module.POLICIES)) == module.UNPATCHED
    assert module.PATCHED in module.POLICIES
    assert module.POLICIES[module.UNPATCHED] != module.POLICIES[module.PATCHED]
    assert inspect.signature(module.simulate).parameters["policy"].default == module.POLICIES[module.PATCHED]


@every_patch
def test_first_two_controls_are_those_of_every_chapter(stem):
    machine, ratio, *own = patch(stem).CONTROLS
    assert machine[:3] == ("machine", "machine size", tuple(PRESETS))
    assert ratio[:3] == ("vm_cache_scan_ratio", "vm_cache_scan_ratio", (1, 2, 3, 6, 10, 20, 60))
    assert len(own) <= (4 if stem == FLAGSHIP else 2)


@every_patch
def test_controls_turn_fields_of_the_scenario_and_begin_at_its_default(stem):
    default = patch(stem).Scenario()
    for control in patch(stem).CONTROLS:
        assert isinstance(control, Control)
        assert len(set(control.stops)) == len(control.stops) >= 2
        value = getattr(default, control.field)
        value = value.name if control.field == "machine" else value
        where = f"vmteach/patches/{stem}.py, control {control.field}"
        assert value in control.stops, f"{where}: the default of Scenario, {value!r}, must be one of its stops"


@every_patch
def test_a_reason_why_not_is_a_sentence(stem):
    for control in patch(stem).CONTROLS:
        reason = f"vmteach/patches/{stem}.py, control {control.field}: why_not must be a sentence: {control.why_not!r}"
        assert control.matters or re.fullmatch(r".{20,}\.", control.why_not), reason


@every_patch
def test_no_function_asks_which_policy_it_was_given(stem):
    """Nothing is compared with a whole policy or with the label of one."""
    wholes = {"policy", "label", "POLICIES", "UNPATCHED", "PATCHED"}
    for node in ast.walk(ast.parse(inspect.getsource(patch(stem)))):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                named = side.value if isinstance(side, ast.Subscript) else side
                assert not (isinstance(named, ast.Name) and named.id in wholes), ast.unparse(node)


# ---- what it gives ----


@every_patch
def test_a_run_says_what_went_in_what_happened_and_its_numbers(stem):
    module = patch(stem)
    names = module.simulate().numbers.keys()
    for label, policy in module.POLICIES.items():
        given = module.simulate(module.Scenario(), policy)
        assert (given.scenario, given.policy) == (module.Scenario(), policy)
        assert isinstance(given.events, tuple)
        assert all(isinstance(event, tuple) and hasattr(event, "_fields") for event in given.events)
        assert given.numbers.keys() == names, label
        for name, value in given.numbers.items():
            assert isinstance(value, int | float | str), name
            assert isinstance(value, str) or math.isfinite(value), name
            assert not isinstance(value, str) or len(value) <= 40, name


@every_patch
def test_same_input_gives_the_same_run(stem):
    for label in patch(stem).POLICIES:
        one, other = run(stem, label), run(stem, label)
        assert one.events == other.events
        assert one.numbers == other.numbers


@every_patch
def test_frame_is_a_table_of_the_events(stem):
    given = patch(stem).simulate()
    assert len(given.frame) == len(given.events)


@every_patch
def test_before_and_after_differ(stem):
    same = f"vmteach/patches/{stem}.py: the default Scenario gives the same numbers before and after; show the bug"
    assert numbers(stem, patch(stem).UNPATCHED) != numbers(stem, patch(stem).PATCHED), same


@every_patch
def test_a_control_that_matters_changes_a_number_and_one_with_a_reason_changes_none(stem):
    for control in patch(stem).CONTROLS:
        changing = (label for label in patch(stem).POLICIES if changes_a_number(stem, label, control))
        label = next(changing, None)
        where = f"vmteach/patches/{stem}.py, control {control.field}"
        if control.matters:
            assert label, f"{where}: no stop changes a number under any policy. Say why_not, or choose other stops"
        else:
            assert not label, f"{where}: has a why_not, and yet it changes a number under {label!r}"


def changes_a_number(stem: str, label: str, control: Control) -> bool:
    """At the defaults, or where a preset puts the other controls."""
    first, *others = control.stops
    places = [{}, *(preset.stops for preset in getattr(patch(stem), "TRY", ()))]
    return any(
        numbers(stem, label, *{**place, control.field: other}.items())
        != numbers(stem, label, *{**place, control.field: first}.items())
        for other in others
        for place in places
    )


@every_patch
def test_every_corner_of_the_controls_runs(stem):
    every_corner_runs(stem, [label for label in patch(stem).POLICIES if not label.startswith("what if: ")])


@pytest.mark.deep
@every_patch
def test_every_corner_of_the_controls_runs_in_every_what_if(stem):
    every_corner_runs(stem, [label for label in patch(stem).POLICIES if label.startswith("what if: ")])


def every_corner_runs(stem: str, labels: list[str]) -> None:
    names = numbers(stem, patch(stem).PATCHED).keys()
    for stops, label in product(corners(stem), labels):
        assert numbers(stem, label, *stops).keys() == names, (label, stops)


@every_patch
def test_a_ratio_of_0_is_refused_with_its_mending(stem):
    with pytest.raises(ValueError, match=r"vm_cache_scan_ratio must be .* got 0"):
        patch(stem).Scenario(vm_cache_scan_ratio=0)


# ---- its picture ----


def runs_of(stem: str, *labels: str, **stops: Any) -> dict[str, Run]:
    return {label: run(stem, label, **stops) for label in labels}


def filled(stem: str, *labels: str, stops: tuple[tuple[str, Any], ...] = ()) -> tuple[str, str]:
    """The title and the alt text of a picture of these kernels."""
    told = [(label, seen(stem, label, *stops)[1]) for label in labels]
    return title(told), alt(told)


def as_shown(value: Any) -> set[str]:
    """The ways in which a picture may write a number."""
    if isinstance(value, str):
        return {value}
    rounded = {f"{value:,.{places}f}" for places in range(4)}
    return {number(value), str(value), *rounded}


def mentions(text: str, value: Any) -> bool:
    return any(re.search(rf"(?<![\w.,]){re.escape(word)}(?![\w]|[.,]\d)", text) for word in as_shown(value))


@every_patch
def test_alt_text_says_a_number_of_the_runs_that_it_shows(stem):
    shown = patch(stem).UNPATCHED, patch(stem).PATCHED
    finding, words = filled(stem, *shown)
    assert finding, f"vmteach/figures/{stem}.py: its picture has no title"
    assert len(words) > 40, f"vmteach/figures/{stem}.py: the alt text must say what is drawn: {words!r}"
    said = any(mentions(words, value) for label in shown for value in numbers(stem, label).values())
    assert said, f"vmteach/figures/{stem}.py: the alt text has no number of the runs: {words!r}"


@every_patch
def test_another_run_gives_another_title_or_alt_text(stem):
    before, after = (filled(stem, label) for label in (patch(stem).UNPATCHED, patch(stem).PATCHED))
    assert before != after


@every_patch
def test_every_corner_of_the_controls_can_be_drawn(stem):
    for stops in corners(stem):
        finding, words = filled(stem, patch(stem).UNPATCHED, patch(stem).PATCHED, stops=stops)
        assert finding, stops
        assert words, stops


@every_patch
def test_a_notebook_can_show_it(stem):
    shown = chapter(stem).draw(runs_of(stem, *patch(stem).POLICIES))
    assert shown.alt
    assert shown.still().startswith("<figure")


# ---- one name everywhere ----


def parts(stem: str) -> list[str]:
    """The files of a chapter. One that is not listed yet has the next number."""
    number = STEMS.index(stem) + 1 if stem in STEMS else len(STEMS) + 1
    return [part.format(stem=stem, number=number) for part in PARTS]


def found() -> list[str]:
    """The stems of all files that are named like a part of a chapter, listed or not."""
    folders = ("vmteach/patches", "vmteach/figures", "vmteach/exercises", "tests/bank")
    names = {path.stem for folder in folders for path in (ROOT / folder).glob("[a-z]*.py")}
    chapters = {path.stem.partition("_")[2] for path in (ROOT / "notebooks").glob("*.ipynb")}
    shared = set("svg course sweep scene data titles storm plain words tokens story drawing".split())
    shared |= {"prose", "drawn", "start_here", "lanes"}
    return sorted((names | chapters) - shared)


def entries(stem: str) -> list[str]:
    """The patches of this stem in the changelogs: the announcement's, and those of other announcements."""
    rows = []
    for path in sorted((ROOT / "data").glob("changelog*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += [row["patch"] for row in csv.DictReader(file) if row["stem"] == stem]
    return rows


@pytest.mark.parametrize("stem", found())
def test_nothing_has_a_name_of_its_own(stem):
    there = [part for part in parts(stem) if (ROOT / part).is_file()]
    assert stem in STEMS, f'vmteach/patches/__init__.py: add "{stem}" as the last of STEMS, or take away {there}'


@pytest.mark.parametrize("stem", STEMS)
def test_the_chapter_is_whole(stem):
    missing = [part for part in parts(stem) if not (ROOT / part).is_file()]
    assert not missing, f"{', '.join(missing)}: not there; copy the plainest chapter, as CONTRIBUTING.md says"
    assert stem in CHAPTERS, f'vmteach/course.py: add a row Chapter("{stem}", ...)'
    assert entries(stem), f"data/: no line of a changelog*.csv has the stem {stem}; see step 1 in CONTRIBUTING.md"


@every_patch
def test_model_and_card_name_an_entry_of_the_changelog(stem):
    (line,) = re.findall(r"^changelog  +(.+)$", inspect.getdoc(patch(stem)) or "", re.M)
    *_, notebook = parts(stem)
    card = json.loads((ROOT / notebook).read_text(encoding="utf-8"))["cells"][0]["source"]
    for file, text in ((f"vmteach/patches/{stem}.py, changelog", line), (f"{notebook}, card", "".join(card))):
        named = any(entry in text for entry in entries(stem))
        assert named, f"{file}: must name an entry that data/changelog*.csv has for {stem}: {entries(stem)}"


@pytest.mark.parametrize("stem", [stem for stem in found() if stem != PLAINEST])
def test_nothing_is_left_as_it_was_copied(stem):
    """A new chapter begins as a copy of the plainest one; each of its files must become its own."""
    copies = [part for part, plainest in zip(parts(stem), parts(PLAINEST)) if is_copy(part, plainest, stem)]
    assert not copies, f"{', '.join(copies)}: still the copy of {PLAINEST}; write it anew, as CONTRIBUTING.md says"


def is_copy(part: str, plainest: str, stem: str) -> bool:
    """Does the file say what the plainest chapter's says, under another stem?"""
    if not (ROOT / part).is_file():
        return False
    copied = re.sub(rf"\b{PLAINEST}\b", stem, (ROOT / plainest).read_text(encoding="utf-8"))
    return (ROOT / part).read_text(encoding="utf-8") == copied


def test_every_chapter_keeps_the_protocols_as_mypy_reads_them(tmp_path):
    """And mypy would say so: a module of pictures is no module of a patch."""
    kinds = {"vmteach.patches": "Patch", "vmteach.figures": "Figure"}
    modules = [(f"{room}.{stem}", kind) for stem in STEMS for room, kind in kinds.items()]
    lines = [
        *(f"import {module}" for module, _ in modules),
        "from vmteach.lab.stage import Figure, Patch",
        *(f"one_{n}: {kind} = {module}" for n, (module, kind) in enumerate(modules)),
        f"wrong: Patch = vmteach.figures.{FLAGSHIP}",
    ]
    program = tmp_path / "chapters.py"
    program.write_text("\n".join(lines), encoding="utf-8")
    said, trouble, _ = mypy.api.run([str(program)])
    assert not trouble
    errors = [int(line.split(":")[1]) for line in said.splitlines() if ": error:" in line]
    assert errors == [len(lines)], said
