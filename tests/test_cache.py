"""Panels that a machine keeps: what is read is what would be drawn, whoever changes a rule, however many write."""

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest

from vmteach.figures import shm_big_iron as figure
from vmteach.kernel.reclaim import rules
from vmteach.lab import cache, stage
from vmteach.lab.stage import Stage
from vmteach.patches import STEMS
from vmteach.patches import shm_big_iron as patch


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VMTEACH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def all_slow(monkeypatch, folder):
    """Every panel is kept, also those that are quicker drawn than read."""
    monkeypatch.setattr(stage, "SLOW", 0)
    return folder


def small(stem="shm_big_iron"):
    new = Stage(*(import_module(f"vmteach.{room}.{stem}") for room in ("patches", "figures")))
    new._slow = True
    return new, new.moved(new.first, machine="256 MB")


@pytest.mark.parametrize("stem", STEMS)
def test_what_is_read_is_what_would_be_drawn(all_slow, monkeypatch, stem):
    first, at = small(stem)
    drawn, numbers = first.show(at), first.numbers(at)
    second, _ = small(stem)
    monkeypatch.setattr(second, "run", lambda *_: pytest.fail("it is simulated again"))
    assert json.dumps(second.show(at)) == json.dumps(drawn)
    assert second.numbers(at) == numbers
    assert len(list(all_slow.glob("*.json"))) == len(at["policies"])


def test_a_panel_that_is_quickly_drawn_is_not_kept(folder, monkeypatch):
    monkeypatch.setattr(stage, "SLOW", 3600)
    first, at = small()
    first._slow = False
    first.show(at)
    assert not folder.exists()


def swapped(scenario, policy):
    """Another model: what it says is of another machine."""
    return ORIGINAL(patch.Scenario("32 MB"), policy)


ORIGINAL = patch.simulate
CHANGES = {
    "the simulation": (patch, "simulate", swapped),
    "a rule": (rules, "refill_inactive", lambda *given, **named: pytest.fail("the changed rule")),
    "a number": (patch, "VISIT", 3 * patch.VISIT),
    "a table": (patch, "POLICIES", {**patch.POLICIES, "patched": patch.POLICIES["unpatched"]}),
    "the picture": (figure, "scene", lambda run: ORIGINAL_SCENE(run)),
}
ORIGINAL_SCENE = figure.scene


@pytest.mark.parametrize(("where", "name", "changed"), CHANGES.values(), ids=CHANGES)
def test_who_changes_the_course_s_code_gets_nothing_that_was_kept_and_leaves_nothing(
    all_slow, monkeypatch, where, name, changed
):
    """Before an explorer is made or after: what was kept belongs to the code that made it."""
    before, at = small()
    before.show(at)
    kept = {file.name for file in all_slow.iterdir()}
    with monkeypatch.context() as patched:
        patched.setattr(where, name, changed)
        after, _ = small()
        assert not before._code.same() and after._code.same()
        assert before._code.name(before.scenario(at), patch.POLICIES["patched"]) == "", (
            "nothing to be put under the old"
        )
        new = {f"{after._code.name(after.scenario(at), policy)}.json" for policy in patch.POLICIES.values()}
        assert not new & kept
    assert before._code.same()


def test_a_changed_model_is_shown_at_once_and_sent_as_another_edition(all_slow, monkeypatch):
    here, at = small()
    first, edition = here.show(at), here.edition
    monkeypatch.setattr(patch, "simulate", swapped)
    here.renew()
    assert here.edition == edition + 1 and here.show(at)["rows"] != first["rows"]
    monkeypatch.undo()
    monkeypatch.setenv("VMTEACH_CACHE", str(all_slow))
    here.renew()
    assert json.dumps(here.show(at)) == json.dumps(first)


def test_a_rule_that_is_changed_inside_a_table_is_another_rule(monkeypatch):
    here, _ = small()
    monkeypatch.setitem(patch.POLICIES, "patched", patch.POLICIES["unpatched"])
    assert not here._code.same()


@pytest.mark.parametrize("stem", STEMS)
def test_simulating_and_drawing_change_nothing_of_the_code(folder, stem):
    here, at = small(stem)
    here.show(at)
    assert here._code.same()


SAID = """
from importlib import import_module
from vmteach.lab import cache
from vmteach.patches import STEMS
for stem in STEMS:
    patch, figure = (import_module(f"vmteach.{room}.{stem}") for room in ("patches", "figures"))
    code = cache.Code(patch, figure)
    print(*(code.name(patch.Scenario(), policy) for policy in patch.POLICIES.values()))
"""


def test_every_kernel_of_a_machine_gives_a_panel_the_same_name_and_no_two_panels_one():
    def said(seed):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", SAID], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    names = said("1")
    policies = sum(len(import_module(f"vmteach.patches.{stem}").POLICIES) for stem in STEMS)
    assert names == said("2") and len(set(names)) == len(names) == policies


# ---- the folder


def test_a_scenario_or_a_policy_that_prints_as_its_address_is_not_kept():
    here, _ = small()
    assert here._code.name(here.scenario(here.first), {object().__repr__}) == ""
    cache.put("", 1)
    assert cache.get("") is None


def write_and_read(folder, n):
    """Write one name again and again among others; whether everything that was read was whole."""
    os.environ["VMTEACH_CACHE"] = folder
    whole = []
    for i in range(50):
        cache.put("shared", [n, "x" * 20_000, n])
        cache.put(f"own-{n}-{i}", i)
        first, text, last = cache.get("shared")
        whole.append(first == last and len(text) == 20_000)
        cache.sweep(Path(folder), 400_000)
    return all(whole)


def test_many_kernels_write_and_nobody_reads_half(folder):
    folder.mkdir()
    with ProcessPoolExecutor(4) as kernels:
        assert all(kernels.map(write_and_read, [str(folder)] * 4, range(4)))
    assert not list(folder.glob("*.new"))


def test_the_folder_is_bounded_and_what_is_asked_for_stays(folder, monkeypatch):
    for i in range(40):
        cache.put(f"{i:02}", "x" * 1000)
        os.utime(folder / f"{i:02}.json", (i, i))
    assert cache.get("00") == "x" * 1000
    (folder / "somebody's.txt").write_text("y" * 100_000)
    cache.sweep(folder, 20_000)
    kept = sorted(file.stem for file in folder.glob("*.json"))
    assert kept == ["00", *(f"{i:02}" for i in range(27, 40))] and (folder / "somebody's.txt").exists()
    monkeypatch.setattr(cache, "MOST_BYTES", 0)
    monkeypatch.setattr(cache, "_writes", 0)
    cache.put("last", 1)
    assert not list(folder.glob("*.json"))


@pytest.mark.parametrize("text", ["", "[1, 2", "\ud800", "nonsense"])
def test_a_file_that_is_not_whole_is_as_good_as_none(folder, text):
    folder.mkdir()
    (folder / "a.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert cache.get("a") is None
    cache.put("a", 1)
    assert cache.get("a") == 1


def test_where_nothing_can_be_written_nothing_is_kept_and_nothing_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    for place in (str(tmp_path / "file" / "cache"), ""):
        monkeypatch.setenv("VMTEACH_CACHE", place)
        cache.put("a", 1)
        assert cache.get("a") is None
    here, at = small()
    here.show(at)
    assert "known" not in vars(here._code), "no digest is made where nothing is kept"


def test_what_a_function_is_made_around_counts():
    def adder(n):
        return lambda page: page + n

    assert cache.described(adder(1)) == cache.described(adder(1)) != cache.described(adder(2))
