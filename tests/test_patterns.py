"""A pattern of a plain figure is seen, and is the same with every matplotlib that pyproject.toml allows."""

import io
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from vmteach.figures import plain
from vmteach.figures.drawing import Drawing
from vmteach.figures.scene import Cell, Scene, axis, row

# How much of each ground its marks cover, in per cent of the pixels; the same with matplotlib 3.10 and 3.11.
COVERED = {"lines down": (3, 40), "diagonal": (3, 40), "crosses": (5, 60), "dots": (1, 25), "lines across": (3, 40)}


PROGRAM = "import sys; from test_patterns import pixels; sys.stdout.buffer.write(pixels(sys.argv[1]).tobytes())"


def pixels(look: str) -> np.ndarray:
    """A picture of one look as rows of red, green and blue."""
    cells = row("all", [Cell("X", 0, 8)], axis("byte", 0, 8, "B"))
    picture = Drawing([("", Scene("One look", [cells], "A row.", {"X": ("one", look)}))])
    return matplotlib.image.imread(io.BytesIO(picture.png()))[:, :, :3]


def places(picture: np.ndarray, look: str) -> tuple[slice, slice]:
    """Where the ground of a look is, without its rim."""
    rows, columns = np.where(grounds(picture, look))
    return slice(rows.min() + 4, rows.max() - 4), slice(columns.min() + 4, columns.max() - 4)


def grounds(picture: np.ndarray, look: str) -> np.ndarray:
    return abs(picture - np.array(to_rgb(plain.LIGHT[look]))).max(axis=2) < 0.02


@pytest.mark.parametrize("look", plain.TOKENS["pattern"])
def test_the_marks_of_a_pattern_are_seen_on_their_ground(look):
    """White dots on white would be none."""
    picture = pixels(look)
    inside = ~grounds(picture, look)[places(picture, look)]
    low, high = COVERED[plain.TOKENS["pattern"][look]]
    assert low <= inside.mean() * 100 <= high


@pytest.mark.deep
def test_matplotlib_3_10_gives_the_same_pixels(tmp_path):
    """In an environment of its own, which pip fills."""
    env = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", env], check=True)
    python = env / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "matplotlib==3.10.8", "pytest"], check=True)
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (here, here.parent)))}
    for look in plain.TOKENS["pattern"]:
        command = [python, "-c", PROGRAM, look]
        theirs = subprocess.run(command, check=True, capture_output=True, env=environment, cwd=tmp_path).stdout
        ours = pixels(look)
        where = places(ours, look)
        assert (
            len(theirs) == ours.nbytes
            and (np.frombuffer(theirs, ours.dtype).reshape(ours.shape)[where] == ours[where]).all()
        ), look
