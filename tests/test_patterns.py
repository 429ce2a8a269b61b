"""A pattern of a plain figure is seen, and is the same with every matplotlib that pyproject.toml allows."""

import io

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from vmteach.figures import Drawing, plain
from vmteach.figures.scene import Cell, Scene, axis, row

# How much of each ground its marks cover, in per cent of the pixels; the same with matplotlib 3.10 and 3.11.
COVERED = {"lines down": (3, 40), "diagonal": (3, 40), "crosses": (5, 60), "dots": (1, 25), "lines across": (3, 40)}


@pytest.mark.parametrize("look", plain.TOKENS["pattern"])
def test_the_marks_of_a_pattern_are_seen_on_their_ground(look):
    """White dots on white would be none."""
    cells = row("all", [Cell("X", 0, 8)], axis("byte", 0, 8, "B"))
    picture = Drawing([("", Scene("One look", [cells], "A row.", {"X": ("one", look)}))])
    pixels = matplotlib.image.imread(io.BytesIO(picture.png()))[:, :, :3]
    ground = abs(pixels - np.array(to_rgb(plain.LIGHT[look]))).max(axis=2) < 0.02
    rows, columns = np.where(ground)
    inside = ~ground[rows.min() + 4 : rows.max() - 4, columns.min() + 4 : columns.max() - 4]
    low, high = COVERED[plain.TOKENS["pattern"][look]]
    assert low <= inside.mean() * 100 <= high
