"""Handouts on paper, as Chromium prints them: running header, page numbers, full pages, no words for a screen only."""

import re
import zlib
from math import hypot

import pytest
from test_handout_browser import course, folder, visit  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("handouts")]
NUMBER = r"-?\d*\.?\d+"
OPERATOR = re.compile(rf"\bq\b|\bQ\b|((?:{NUMBER} ){{6}})(cm|Tm)|({NUMBER}) Tf")
TOP, BOTTOM = 16 / 297, 1 - 18 / 297  # of a page of 297 mm, between the margins
SMALLEST = 5.99  # points
SCREEN_ONLY = (
    "Not attempted",
    "Press",
    "unfold",
    "above the controls",
    "Move a control",
    "Switch on Live",
    "Shift+Enter",
    "Nothing was predicted",
)


def printed(page) -> list[list[tuple[float, float]]]:
    """Of each page of the print its words: the place of each, from 0 at the top to 1 at the bottom, and its points."""
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    height = float(re.search(rb"/MediaBox \[\S+ \S+ \S+ ([\d.]+)\]", pdf)[1])
    streams = []
    for found in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.S):
        try:
            streams.append(zlib.decompress(found[1]).decode("latin1"))
        except zlib.error:
            continue  # a font, a picture
    return [places(text, height) for text in streams if text.startswith(".23999999 0 0 -")]


def places(text: str, height: float) -> list[tuple[float, float]]:
    """Where the words of a page's drawing stand: scales and shifts are followed through the stack of states."""
    scale, shift, size, stack, found = 1.0, 0.0, 0.0, [], []
    for operator in OPERATOR.finditer(text):
        if operator[0] == "q":
            stack.append((scale, shift))
        elif operator[0] == "Q":
            scale, shift = stack.pop()
        elif operator[3]:
            size = float(operator[3])
        else:
            _, _, c, d, _, f = map(float, operator[1].split())
            if operator[2] == "cm":
                scale, shift = scale * d, shift + scale * f
            else:
                found.append((1 - (shift + scale * f) / height, size * abs(scale) * hypot(c, d)))
    return [(place, points) for place, points in found if 0 < place < 1]


def test_the_places_of_words_are_read_from_a_print(visit, tmp_path):  # noqa: F811
    file = tmp_path / "two.html"
    text = "<p style='font-size: 16px'>top</p><p style='font-size: 8px; break-before: page'>a second page</p>"
    file.write_text(text, encoding="utf-8")
    ((first, large),), ((second, small),) = ({*words} for words in printed(visit(file).page))
    assert first < 0.2 and second < 0.2
    assert (round(large), round(small)) == (12, 6)


def checked(here) -> None:
    """Header and number on every page; none but the last ends in its first third; nothing for a screen only."""
    pages = printed(here.page)
    for number, sized in enumerate(pages, 1):
        words = [place for place, _ in sized]
        assert min(points for _, points in sized) > SMALLEST, f"page {number}"
        assert [place for place in words if place < TOP] and [place for place in words if place > BOTTOM], number
        last = max((place for place in words if TOP < place < BOTTOM), default=0)
        assert number == len(pages) or last - TOP > (BOTTOM - TOP) / 3, f"page {number} of {len(pages)} ends at {last}"
    here.page.emulate_media(media="print")
    here.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    text = here.page.inner_text("main")
    assert [words for words in SCREEN_ONLY if words in text] == []
    assert ("Goal 1." in text) == bool(here.page.locator(".vmt-goal").count())


def test_a_small_chapter_is_printed_whole(visit, folder):  # noqa: F811
    for file in folder.glob("[0-9]*.html"):
        checked(visit(file))


@pytest.mark.deep
def test_no_page_of_a_chapter_is_left_empty(visit, course):  # noqa: F811
    for file in sorted(course.glob("[01][1-9]_*.html")):
        checked(visit(file))
