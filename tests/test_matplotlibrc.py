"""A reader's matplotlibrc changes the reader's figures and not the course's."""

import json
import os
import subprocess
import sys
from pathlib import Path

RC = """
text.usetex: True
path.sketch: (4, 100, 2)
font.family: nowhere
font.size: 23
axes.facecolor: black
axes.grid: True
figure.dpi: 33
savefig.dpi: 33
savefig.bbox: tight
hatch.linewidth: 9
lines.linewidth: 9
image.cmap: gray
"""
DRAW = """
import hashlib, json, warnings
from importlib import import_module
import matplotlib
matplotlib.use("agg")
from vmteach.figures.drawing import Drawing
from vmteach.patches import STEMS
drawn = {}
for stem in STEMS:
    patch, figure = (import_module(f"vmteach.{room}.{stem}") for room in ("patches", "figures"))
    labels = list(patch.POLICIES)[:2]
    runs = {label: patch.simulate(patch.Scenario(), patch.POLICIES[label]) for label in labels}
    drawn[stem] = Drawing([(label, figure.scene(run)) for label, run in runs.items()]).png()
own = matplotlib.rcParams["font.size"]
print(json.dumps([own, {name: hashlib.sha256(png).hexdigest() for name, png in drawn.items()}]))
"""


def drawn(**environment: str) -> list:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MPL")}
    done = subprocess.run(
        [sys.executable, "-c", DRAW], env={**kept, **environment}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_every_picture_is_the_same_with_a_matplotlibrc_that_would_change_or_end_it(tmp_path: Path):
    (tmp_path / "matplotlibrc").write_text(RC, encoding="utf-8")
    plain, changed = drawn(), drawn(MATPLOTLIBRC=str(tmp_path / "matplotlibrc"))
    assert (plain[0], changed[0]) == (10, 23)  # what is the reader's stays the reader's
    assert {name for name in plain[1] if plain[1][name] != changed[1][name]} == set()
