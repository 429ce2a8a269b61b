"""scripts/new_patch.py in a copy of the project: what it makes is whole, and the contract test decides."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEW = "aio_poll"
FOLDERS = ("vmteach", "tests", "notebooks", "data", "scripts")
SPEC = importlib.util.spec_from_file_location("new_patch", ROOT / "scripts" / "new_patch.py")
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)


@pytest.fixture
def project(tmp_path):
    """A copy to write in."""
    left_out = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=left_out)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def begin(project: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "scripts/new_patch.py", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)


def contract(project: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The contract test of the copy, on the copy's library."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_contract.py", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)


def files(project: Path) -> set[str]:
    return {path.relative_to(project).as_posix() for folder in FOLDERS for path in (project / folder).rglob("*.*")}


def test_a_chapter_begins_with_a_copy_and_counts_once_its_stem_is_listed(project):
    before = files(project)
    number = len(script.stems(project)) + 1
    done = begin(project, NEW)
    assert done.returncode == 0, done.stdout + done.stderr
    made = {name for name in files(project) - before if "__pycache__" not in name}
    assert made == {pattern.format(stem=NEW, number=number) for pattern in script.PARTS}
    assert all(name in done.stdout for name in made)
    assert "accepts only the stems in vmteach/patches/__init__.py" in done.stdout

    refused = contract(project, "-k", NEW)
    assert refused.returncode == 1
    assert f'add "{NEW}" as the last of STEMS' in refused.stdout

    listed = project / "vmteach" / "patches" / "__init__.py"
    listed.write_text(listed.read_text().replace("\n)", f'\n    "{NEW}",\n)'))
    missing = contract(project, "-k", "chapter_is_whole")
    assert f'vmteach/course.py: add a row Chapter("{NEW}", ...)' in missing.stdout

    course = project / "vmteach" / "course.py"
    course.write_text(
        course.read_text().replace("\n)\n\nCHAPTERS", f'\n    Chapter("{NEW}", "Polls", "many"),\n)\n\nCHAPTERS')
    )
    missing = contract(project, "-k", "chapter_is_whole")
    assert f"no line of a changelog*.csv has the stem {NEW}" in missing.stdout

    header = (project / "data" / "changelog.csv").read_text().partition("\n")[0]
    line = f"2.4.23aa3,00_aio-poll-1,00,aio-poll,1,{NEW},Poll for it."
    (project / "data" / "changelog_2.4.23aa3.csv").write_text(f"{header}\n{line}\n")
    whole = contract(project, "-k", NEW)
    failed = set(re.findall(rf"FAILED tests/test_contract.py::(\w+)\[{NEW}\]", whole.stdout))
    assert failed == {"test_nothing_is_left_as_it_was_copied", "test_model_and_card_name_an_entry_of_the_changelog"}
    assert f"notebooks/{number}_{NEW}.ipynb: still the copy of {script.PLAINEST}" in whole.stdout
    assert f"vmteach/patches/{NEW}.py, changelog: must name an entry" in whole.stdout


def test_the_files_that_are_still_copies_are_named(project):
    made = script.copy(NEW, project)
    names = [path.relative_to(project).as_posix() for path in made]
    for done, path in enumerate(made):
        still = contract(project, "-k", f"left_as_it_was_copied and {NEW}")
        assert f"AssertionError: {', '.join(names[done:])}: still the copy of {script.PLAINEST}" in still.stdout
        path.write_text(path.read_text() + "\n")
    done = contract(project, "-k", f"left_as_it_was_copied and {NEW}")
    assert done.returncode == 0, done.stdout[-3000:]


def test_nothing_is_written_over(project):
    theirs = project / "vmteach" / "figures" / f"{NEW}.py"
    theirs.write_text("mine")
    before = files(project)
    done = begin(project, NEW)
    assert done.returncode == 1
    assert f"vmteach/figures/{NEW}.py is there already" in done.stdout
    assert theirs.read_text() == "mine"
    assert {name for name in files(project) - before if "__pycache__" not in name} == set()


@pytest.mark.parametrize("stem", ["aio-poll", "Aio", "2aio", "class", "../aio", "aio__poll", "mremap", "contract"])
def test_a_stem_that_will_not_do_is_refused_in_words(project, stem):
    before = files(project)
    done = begin(project, stem)
    assert (done.returncode, done.stderr) == (1, "")
    assert "stem" in done.stdout
    assert {name for name in files(project) - before if "__pycache__" not in name} == set()


def test_without_a_name_it_says_how(project):
    for arguments in ((), ("",), ("one", "two")):
        done = begin(project, *arguments)
        assert (done.returncode, done.stdout) == (2, "One name, please: make new-patch NAME=my_patch\n")


def test_a_copy_has_the_new_stem_in_place_of_the_old_one(project):
    made = script.copy(NEW, project)
    texts = {path.relative_to(project).as_posix(): path.read_text() for path in made}
    assert not any(script.PLAINEST in text for text in texts.values())
    assert [name for name, text in texts.items() if NEW not in text] == [f"vmteach/patches/{NEW}.py"]
