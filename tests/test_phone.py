"""Pictures of handouts at the widths of a phone, of JupyterLab beside its files, of a desk: read without panning."""

import pytest
from test_handout_browser import course, folder, visit  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("handouts")]
WIDTHS = (390, 900, 1280)
# Words of pictures that are smaller than 12 px as they are shown, and pictures that would have to be panned.
SMALL = """() => [...document.querySelectorAll('main svg text, .drawing *, .story *, .vmt-panels *')]
  .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && one.checkVisibility())
  .map((one) => [parseFloat(getComputedStyle(one).fontSize) * (one.getScreenCTM?.().a ?? 1), one.textContent])
  .filter(([size]) => size < 11.95)"""
WIDE = """() => [...document.querySelectorAll('main svg, main .vm-panels, main .vmt-panels')]
  .filter((one) => one.checkVisibility())
  .filter((one) => one.scrollWidth > one.clientWidth + 1 || one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.outerHTML.slice(0, 120))"""
ON = """() => {
  document.querySelectorAll('button').forEach((one) => one.textContent.startsWith('Next') && one.click());
  document.querySelectorAll('.vmt').forEach((one) => {
    const presets = [...one.querySelectorAll('.vmt-presets button')];
    presets[Number(one.dataset.at ?? 0) % presets.length]?.click();
    one.dataset.at = Number(one.dataset.at ?? 0) + 1;
  });
}"""


def measured(here, width: int) -> tuple:
    return here.evaluate(SMALL), here.evaluate(WIDE), max(here.evaluate("document.documentElement.scrollWidth"), width)


def read_at(here, width: int, name: str) -> None:
    """A page as it opens, then a step of each story and a preset of each explorer further, six times."""
    here.set_viewport_size({"width": width, "height": 900})
    for step in range(7):
        here.wait_for_timeout(250)
        assert measured(here, width) == ([], [], width), (name, width, step)
        here.evaluate(ON)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_word_of_a_picture_is_read_without_panning(visit, folder, width):  # noqa: F811
    for file in sorted(folder.glob("[0-9]*.html")):
        read_at(visit(file).page, width, file.name)


def test_a_story_is_stepped_in_a_page_opened_from_disk(visit, folder):  # noqa: F811
    page = visit(sorted(folder.glob("[0-9]*.html"))[-1]).page
    story = page.locator(".vm-story").first
    said = story.locator(".vm-say").inner_text()
    story.get_by_role("button", name="Next").click()
    assert page.url.startswith("file:") and story.locator(".vm-count").inner_text().startswith("step 2 of")
    assert story.locator(".vm-say").inner_text() != said


@pytest.mark.deep
@pytest.mark.parametrize("width", WIDTHS)
def test_every_chapter_is_read_without_panning(visit, course, width):  # noqa: F811
    for file in sorted(course.glob("*.html")):
        here = visit(file)
        read_at(here.page, width, file.name)
        here.context.close()
