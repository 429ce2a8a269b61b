"""A pattern is seen, and is the same with every matplotlib that pyproject.toml allows."""

import io

import numpy as np
import pytest
from PIL import Image

from vmteach.figures.style import DATA_LOOKS, PAGE_LOOKS, Picture, Span, Strips

LOOKS = {name: look for name, look in {**PAGE_LOOKS, **DATA_LOOKS}.items() if look.hatch}
# How much of each ground its marks cover, in per cent of the pixels; the same with matplotlib 3.10 and 3.11.
COVERED = {"//": (8, 40), "\\\\": (8, 40), "xx": (15, 60), "..": (1, 25), "--": (5, 40)}


@pytest.mark.parametrize("name", LOOKS)
def test_the_marks_of_a_pattern_are_seen_on_their_ground(name):
    """White dots on white would be none."""
    look = LOOKS[name]
    picture = Picture(3, 2)
    axes = picture.panel("ground", (0, 0, 1, 1), xlim=(0, 1), ylim=(1, 0), spines="")
    Strips(picture, axes, LOOKS, thickness=1.0).show([Span(0.5, 0, 1, name)])
    pixels = np.asarray(Image.open(io.BytesIO(picture.png())).convert("RGB")).astype(int)[100:200, 100:300]
    ground = np.array([int(look.colour[i : i + 2], 16) for i in (1, 3, 5)])
    marked = (abs(pixels - ground).max(axis=2) > 40).mean() * 100
    low, high = COVERED[look.hatch]
    assert low <= marked <= high
