"""Lecture mode, played by keyboard in Chromium: every section in its order, every fold, every line shown once."""

import os
import re
from pathlib import Path

import pytest
from test_handout_browser import folder, visit  # noqa: F401 (fixtures)

from vmteach import handout

pytestmark = pytest.mark.browser
STATE = """() => {
  const shown = [...document.querySelectorAll("main > *")].filter((node) => node.getClientRects().length);
  const bar = document.querySelector(".lecture-bar").offsetHeight;
  return {
    where: document.querySelector(".lecture-bar [role=status]").textContent, top: scrollY,
    low: scrollY + innerHeight - bar,
    bottom: Math.max(...shown.map((node) => node.getBoundingClientRect().bottom)) + scrollY,
    folds: shown.flatMap((node) => [...node.querySelectorAll("details.fold:not([open])")])
      .filter((fold) => fold.checkVisibility()).length,
  };
}"""


def played(page, key: str = "PageDown", most: int = 300) -> list[dict]:
    """What stands on the screen after each press, until a press changes nothing."""
    states = [page.evaluate(STATE)]
    for _ in range(most):
        page.keyboard.press(key)
        page.wait_for_timeout(30)
        states.append(page.evaluate(STATE))
        if states[-1] == states[-2]:
            return states
    raise AssertionError(f"no end after {most} presses: {states[-1]}")


def check_lecture(page) -> int:
    """Start, play to the end and back; how many presses it took."""
    page.locator(".lecture-start").click()
    states = played(page)
    numbers = [int(state["where"].split()[0]) for state in states]
    last = int(re.search(r" of (\d+):", states[0]["where"])[1])
    assert sorted(set(numbers)) == list(range(1, last + 1)) and numbers == sorted(numbers)
    for n in range(1, last + 1):
        here = [state for state in states if state["where"].startswith(f"{n} of ")]
        assert here[0]["top"] == 0 and here[-1]["low"] >= here[-1]["bottom"] - 5, here[-1]
        assert all(after["top"] <= before["low"] for before, after in zip(here, here[1:]))  # no line is passed over
        assert all(after["folds"] >= before["folds"] - 1 for before, after in zip(here, here[1:]))  # one by one
        assert here[-1]["folds"] == 0
    back = played(page, "PageUp")
    assert back[-1]["where"].startswith("1 of ") and back[-1]["top"] == 0
    return len(states) - 1


@pytest.fixture(scope="module")
def eighth(tmp_path_factory):
    """The handout of chapter 8: the one that is named, or a new one."""
    named = Path(os.environ.get("VMTEACH_HANDOUTS", "")) / "08_shm_big_iron.html"
    if named.is_file():
        return named
    target = tmp_path_factory.mktemp("eighth")
    handout.build(["08_shm_big_iron"], target=target)
    return target / named.name


def test_a_lecture_goes_by_keyboard_from_start_to_end_and_back(visit, folder):  # noqa: F811
    one = visit(folder / "12_scsi_deadlock.html")
    check_lecture(one.page)
    one.page.keyboard.press("Escape")
    assert one.page.locator("h1").is_visible() and one.page.locator(".explorer").is_visible()
    assert one.page.evaluate("document.querySelector('main').style.zoom") == ""


def test_arrows_go_on_too_but_not_inside_a_control(visit, folder):  # noqa: F811
    page = visit(folder / "12_scsi_deadlock.html").page
    page.locator(".lecture-start").click()
    page.keyboard.press("ArrowRight")
    forward = page.evaluate(STATE)
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(STATE)["top"] == 0 and forward != page.evaluate(STATE)
    while not page.locator(".explorer input[type=range]").first.is_visible():
        page.keyboard.press("PageDown")
    page.locator(".explorer input[type=range]").first.focus()
    before = page.evaluate(STATE)["where"]
    page.keyboard.press("ArrowRight")
    assert page.evaluate(STATE)["where"] == before


def test_letters_are_large_on_a_projector(visit, folder):  # noqa: F811
    """At 1920 px a line of prose has letters of 28 px or more, and nothing stands beside the screen."""
    page = visit(folder / "12_scsi_deadlock.html").page
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.locator(".lecture-start").click()
    size = "17 * parseFloat(document.querySelector('main').style.zoom)"
    assert page.evaluate(size) >= 28
    assert page.evaluate("document.documentElement.scrollWidth") <= 1920


def test_a_clock_counts_the_section_and_the_lecture_against_the_plan(visit, folder):  # noqa: F811
    page = visit(folder / "12_scsi_deadlock.html").page
    page.locator(".lecture-start").click()
    page.wait_for_timeout(1200)
    found = re.search(r"(\d+):(\d\d) of (\d+) min; all (\d+):(\d\d) of (\d+) min", page.inner_text(".lecture-bar"))
    assert found and int(found[2]) >= 1 and int(found[3]) >= 1 and int(found[6]) >= int(found[3])


@pytest.mark.deep
@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)])
def test_chapter_eight_is_played_from_start_to_end(visit, eighth, size):  # noqa: F811
    one = visit(eighth)
    one.page.set_viewport_size(dict(zip(("width", "height"), size)))
    print(f"chapter 8 at {size}: {check_lecture(one.page)} presses")
    assert not one.complaints and not one.strangers(eighth)
