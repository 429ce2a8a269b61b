"""Handouts on paper, as Chromium prints them: running header, page numbers, full pages, no words for a screen only."""

import re
import zlib

import pytest
from test_handout_browser import folder, visit  # noqa: F401 (fixtures)

from vmteach import handout

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("handouts")]
NUMBER = r"-?\d*\.?\d+"
OPERATOR = re.compile(rf"\bq\b|\bQ\b|((?:{NUMBER} ){{6}})(cm|Tm)")
TOP, BOTTOM = 16 / 297, 1 - 18 / 297  # of a page of 297 mm, between the margins
SCREEN_ONLY = ("Not attempted", "Move a control", "Switch on Live", "Shift+Enter", "Nothing was predicted", "Check")


def printed(page) -> list[list[float]]:
    """Of each page of the print the places of its words, from 0 at the top to 1 at the bottom."""
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    height = float(re.search(rb"/MediaBox \[\S+ \S+ \S+ ([\d.]+)\]", pdf)[1])
    streams = []
    for found in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.S):
        try:
            streams.append(zlib.decompress(found[1]).decode("latin1"))
        except zlib.error:
            continue  # a font, a picture
    return [places(text, height) for text in streams if text.startswith(".23999999 0 0 -")]


def places(text: str, height: float) -> list[float]:
    """Where the words of a page's drawing stand: scales and shifts are followed through the stack of states."""
    scale, shift, stack, found = 1.0, 0.0, [], []
    for operator in OPERATOR.finditer(text):
        if operator[0] == "q":
            stack.append((scale, shift))
        elif operator[0] == "Q":
            scale, shift = stack.pop()
        else:
            *_, d, _, f = map(float, operator[1].split())
            if operator[2] == "cm":
                scale, shift = scale * d, shift + scale * f
            else:
                found.append(1 - (shift + scale * f) / height)
    return [place for place in found if 0 < place < 1]


def test_the_places_of_words_are_read_from_a_print(visit, tmp_path):  # noqa: F811
    file = tmp_path / "two.html"
    file.write_text("<p>top</p><p style='break-before:page'>a second page</p>", encoding="utf-8")
    first, second = printed(visit(file).page)
    assert max(first) < 0.2 and max(second) < 0.2


def checked(here) -> None:
    """Header and number on every page; none but the last ends in its first third; nothing for a screen only."""
    pages = printed(here.page)
    for number, words in enumerate(pages, 1):
        assert [place for place in words if place < TOP] and [place for place in words if place > BOTTOM], number
        last = max((place for place in words if TOP < place < BOTTOM), default=0)
        assert number == len(pages) or last - TOP > (BOTTOM - TOP) / 3, f"page {number} of {len(pages)} ends at {last}"
    here.page.emulate_media(media="print")
    here.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    text = here.page.inner_text("main")
    assert [words for words in SCREEN_ONLY if words in text] == []


def test_a_small_chapter_is_printed_whole(visit, folder):  # noqa: F811
    for file in folder.glob("[0-9]*.html"):
        checked(visit(file))


@pytest.mark.deep
@pytest.mark.parametrize("name", ["08_shm_big_iron", "12_scsi_deadlock"])
def test_no_page_of_a_chapter_is_left_empty(visit, tmp_path, name):  # noqa: F811
    handout.build([name], target=tmp_path)
    checked(visit(tmp_path / f"{name}.html"))
