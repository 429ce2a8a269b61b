"""The colours can be told apart with any colour vision, and words on them can be read: computed from the tokens."""

from itertools import combinations
from math import atan2, cos, degrees, exp, hypot, radians, sin, sqrt

import pytest

from vmteach.figures.data import MEANINGS, TONES
from vmteach.figures.page import TOKENS

THEMES = ("light", "dark")
# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
VISIONS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red cones": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no green cones": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "no blue cones": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


def linear(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def lab(rgb):
    """CIE Lab, D65, of linear RGB."""
    to_xyz = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.072175), (0.0193339, 0.119192, 0.9503041))
    white = (0.95047, 1.0, 1.08883)
    xyz = [sum(m * c for m, c in zip(row, rgb)) / w for row, w in zip(to_xyz, white)]
    x, y, z = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one, other):
    """The difference that an eye sees between two Lab colours (Sharma, Wu, Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c = (hypot(a1, b1) + hypot(a2, b2)) / 2
    g = 0.5 * (1 - sqrt(c**7 / (c**7 + 25**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = hypot(a1, b1), hypot(a2, b2)
    h1, h2 = (degrees(atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    dh = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0
    dl, dc, dh_ = l2 - l1, c2 - c1, 2 * sqrt(c1 * c2) * sin(radians(dh) / 2)
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    hm = (h1 + dh / 2) % 360 if c1 * c2 else h1 + h2
    t = 1 - 0.17 * cos(radians(hm - 30)) + 0.24 * cos(radians(2 * hm)) + 0.32 * cos(radians(3 * hm + 6))
    t -= 0.2 * cos(radians(4 * hm - 63))
    turn = -2 * sqrt(cm**7 / (cm**7 + 25**7)) * sin(radians(60 * exp(-(((hm - 275) / 25) ** 2))))
    sl, sc, sh = 1 + 0.015 * (lm - 50) ** 2 / sqrt(20 + (lm - 50) ** 2), 1 + 0.045 * cm, 1 + 0.015 * cm * t
    return sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh_ / sh) ** 2 + turn * dc / sc * dh_ / sh)


def seen(colour, vision):
    rgb = linear(colour)
    return lab([min(1.0, max(0.0, sum(m * c for m, c in zip(row, rgb)))) for row in VISIONS[vision]])


def contrast(one, other):
    """WCAG's ratio of two colours."""
    bright = sorted(
        (sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(x))) for x in (one, other)), reverse=True
    )
    return (bright[0] + 0.05) / (bright[1] + 0.05)


def test_the_formula_gives_the_published_values():
    assert ciede2000((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert ciede2000((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387)) == pytest.approx(1.2644, abs=1e-4)


@pytest.mark.parametrize(("theme", "least"), [("light", 15), ("dark", 13)])
def test_any_two_meanings_can_be_told_apart_with_any_colour_vision(theme, least):
    near = {
        (vision, *pair): ciede2000(*(seen(TOKENS[theme][name], vision) for name in pair))
        for vision in VISIONS
        for pair in combinations(MEANINGS, 2)
    }
    closest = min(near, key=near.get)
    assert near[closest] >= least, (closest, near[closest])


@pytest.mark.parametrize("theme", THEMES)
def test_words_can_be_read_on_every_colour(theme):
    on = {name: contrast(ink, TOKENS[theme][name]) for name, ink in TOKENS["on"][theme].items()}
    assert set(MEANINGS) <= set(on) and min(on.values()) >= 4.8, on


@pytest.mark.parametrize("theme", THEMES)
def test_words_in_a_colour_can_be_read_on_every_ground(theme):
    colours = {**{name: TOKENS[theme][name] for name in (*TONES, "guess")}, **TOKENS["text"][theme]}
    for ground in ("paper", "shade", "debt", "lit"):
        ratios = {name: contrast(colour, TOKENS[theme][ground]) for name, colour in colours.items()}
        assert min(ratios.values()) >= 4.5, (ground, min(ratios, key=ratios.get))


def test_every_meaning_but_three_has_a_pattern_too():
    assert set(MEANINGS) - set(TOKENS["pattern"]) == {"data", "nothing", "other"}
    assert len(set(TOKENS["pattern"].values())) == len(TOKENS["pattern"])
