"""The same numbers in a browser's Python: models, pictures, stories and checks in Pyodide, run by Node.js."""

import json
import shutil
import subprocess
import sys

import pytest
from conftest import without

from vmteach.handout import lite

pytestmark = pytest.mark.deep
# Everything that a page may ask of the models, as JSON, chapter by chapter; the same text on both sides.
PROGRAM = """
import json, sys
from importlib import import_module
from vmteach.exercises import chapter, fill
from vmteach.figures.story import stories
from vmteach.lab.asked import answer
from vmteach.lab.stage import Stage
from vmteach.patches import STEMS

def positions(stage):
    spec = stage.spec()
    first = {field: stage.first[field] for field in stage.controls}
    yield first
    yield from ({**first, **preset["at"]} for preset in spec["presets"])
    for field, control in stage.controls.items():
        yield from ({**first, field: stop} for stop in (0, len(control.stops) - 1))

def told(stem):
    patch, figure = (import_module(f"vmteach.{room}.{stem}") for room in ("patches", "figures"))
    stage = Stage(patch, figure)
    for at in positions(stage):
        yield json.loads(answer(json.dumps({"kind": "show", "stem": stem, "at": {**at, "policies": stage.labels}})))
    yield stories(figure)
    for task in chapter(stem).EXERCISES:
        for text in (task.stub, task.solution):
            asked = {"kind": "check", "stem": stem, "name": task.name, "source": fill(text, task.variants[0])}
            yield json.loads(answer(json.dumps(asked)))

json.dumps([[stem, list(told(stem))] for stem in STEMS])
"""
NODE = """
import { readFileSync } from "node:fs";
const [, , folder, wheel, program] = process.argv;
const { loadPyodide } = await import(`${folder}/pyodide.mjs`);
const { info } = JSON.parse(readFileSync(`${folder}/pyodide-lock.json`, "utf8"));
const lockFileContents = JSON.stringify({ info, packages: {} });
const python = await loadPyodide({ indexURL: `${folder}/`, lockFileContents });
python.unpackArchive(new Uint8Array(readFileSync(wheel)).buffer, "wheel");
process.stdout.write(python.runPython(readFileSync(program, "utf8")));
"""


@pytest.fixture(scope="module")
def told_in_a_browser(tmp_path_factory):
    if not shutil.which("node") or not shutil.which("npm"):
        without("Node.js with npm")
    folder = tmp_path_factory.mktemp("pyodide")
    try:
        lite.runtime(folder)
    except lite.BuildError as trouble:
        without(f"Pyodide's npm package: {trouble}")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "run.mjs").write_text(NODE, encoding="utf-8")
    command = ["node", "run.mjs", str(folder), str(lite.own_wheel(folder)), "program.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert not done.returncode, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def told_here():
    *body, last = PROGRAM.strip().splitlines()
    program = "\n".join([*body, f"print({last})"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600, check=True)
    return dict(json.loads(done.stdout))


def test_every_answer_is_the_same_bit_for_bit(told_here, told_in_a_browser):
    """JSON keeps every digit of a float: equal texts are equal numbers."""
    assert len(told_here) == 12 and told_here.keys() == told_in_a_browser.keys()
    for stem, answers in told_here.items():
        assert len(answers) > 8
        for here, there in zip(answers, told_in_a_browser[stem], strict=True):
            assert json.dumps(here) == json.dumps(there), stem


def test_solutions_are_right_and_stubs_are_not(told_in_a_browser):
    outcomes = {
        stem: [answer["outcome"] for answer in answers if isinstance(answer, dict) and "outcome" in answer]
        for stem, answers in told_in_a_browser.items()
    }
    for stem, found in outcomes.items():
        assert len(found) >= 4 and set(found[1::2]) == {"right"}, (stem, found)
        assert "right" not in found[::2], (stem, found)
