"""What docs/accessibility.md states of a handout's size, focus and spacing, measured in Chromium."""

import os
from pathlib import Path

import pytest
from test_handout_browser import folder, visit  # noqa: F401 (fixtures)

pytestmark = pytest.mark.browser

# WCAG 2.5.8: 24 by 24 px, or a circle of 24 px around its middle that meets no other target; links in a line of text
# and what is not shown are exempt. A radio button's target is its label.
SMALL = """() => {
  const targets = "a[href], button, summary, select, input, textarea, [role=slider]";
  const inline = (node) => node.matches("a") && getComputedStyle(node).display === "inline"
    && node.closest("p, li, td, th")?.textContent.trim().length > node.textContent.trim().length + 3;
  const box = (node) => {
    const label = node.matches("[type=radio], [type=checkbox]") && node.closest("label");
    const { x, y, width, height } = (label || node).getBoundingClientRect();
    return { node, x: x + scrollX, y: y + scrollY, width, height };
  };
  const boxes = [...document.querySelectorAll(targets)].filter((n) => n.checkVisibility() && n.getClientRects().length).map(box);
  const small = (one) => one.width < 23.9 || one.height < 23.9;
  const middle = (one) => [one.x + one.width / 2, one.y + one.height / 2];
  const away = ([x, y], other) => Math.hypot(
    Math.max(other.x - x, 0, x - other.x - other.width), Math.max(other.y - y, 0, y - other.y - other.height));
  const meets = (one, other) => away(middle(one), other) < 12
    || (small(other) && Math.hypot(middle(one)[0] - middle(other)[0], middle(one)[1] - middle(other)[1]) < 24);
  const kin = (one, other) => one.contains(other) || other.contains(one);
  const bad = boxes.filter((one) => small(one) && !inline(one.node)
    && boxes.some((other) => !kin(one.node, other.node) && !inline(other.node) && meets(one, other)));
  return { count: boxes.length, bad: bad.map((one) => `${one.node.outerHTML.slice(0, 90)} ${one.width} x ${one.height}`) };
}"""

# What stands beyond the window and in nothing that can be scrolled; the link that is shown on focus is exempt.
BEYOND = """(pictures) => [...document.querySelectorAll("body *")].filter((node) => {
  const { left, right, width } = node.getBoundingClientRect();
  if (!width || !node.checkVisibility() || node.matches(".skip") || (!pictures && node.closest("svg"))) return false;
  if (right <= innerWidth + 1 && left >= -1) return false;
  for (let up = node; up; up = up.parentElement) if (/auto|scroll/.test(getComputedStyle(up).overflowX)) return false;
  return true;
}).map((node) => `${node.tagName}.${node.className.baseVal ?? node.className} ${node.textContent.trim().slice(0, 60)}`)"""

# What is cut off in a box that cannot be scrolled.
CUT = """() => [...document.querySelectorAll("body *")].filter((node) => node.checkVisibility() && !node.closest("svg")
  && node.clientWidth && getComputedStyle(node).overflow !== "visible" && !/auto|scroll/.test(getComputedStyle(node).overflowX)
  && (node.scrollWidth > node.clientWidth + 2 || node.scrollHeight > node.clientHeight + 2))
  .map((node) => node.textContent.trim().slice(0, 60))"""

SPACED = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important }"
    + " p { margin-bottom: 2em !important }");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}"""

FOCUS = """() => {
  const node = document.activeElement;
  if (node === document.body) return null;
  const label = node.closest("label"), ringed = (one) => {
    const look = one && getComputedStyle(one);
    return look && look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2;
  };
  const { top, bottom } = (label || node).getBoundingClientRect();
  const seen = [node, label, node.nextElementSibling, node.parentElement].some(ringed);
  return { what: node.outerHTML.slice(0, 90), seen, inside: bottom > 0 && top < innerHeight };
}"""


@pytest.fixture(params=["small", pytest.param("eighth", marks=pytest.mark.deep)])
def page(request, visit, folder):  # noqa: F811
    """A handout with all folds open: a small one, and chapter 8 where VMTEACH_HANDOUTS has it."""
    file = folder / "12_scsi_deadlock.html"
    if request.param == "eighth":
        file = Path(os.environ.get("VMTEACH_HANDOUTS", "")) / "08_shm_big_iron.html"
        if not file.is_file():
            pytest.skip("name a folder of built handouts in VMTEACH_HANDOUTS")
    return visit(file).page


def opened(page, width: int):
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    page.wait_for_timeout(400)
    return page


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_every_target_is_24_px_or_stands_alone(page, width):
    found = opened(page, width).evaluate(SMALL)
    assert found["count"] > 20 and found["bad"] == []


@pytest.mark.parametrize("width", [320, 390])
def test_nothing_stands_beyond_a_narrow_window(page, width):
    opened(page, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(BEYOND, True) == []


@pytest.mark.parametrize("width", [320, 1280])
def test_wider_spacing_of_text_loses_nothing(page, width):
    """Of prose, tables and controls; the words inside pictures are laid out by measure."""
    opened(page, width)
    before = page.evaluate(CUT)
    page.evaluate(SPACED)
    page.wait_for_timeout(200)
    assert page.evaluate(BEYOND, False) == []
    assert page.evaluate(CUT) == before


def test_the_focus_is_seen_wherever_tab_goes(page):
    page.set_viewport_size({"width": 1280, "height": 800})
    steps = []
    for _ in range(400):
        page.keyboard.press("Tab")
        if (step := page.evaluate(FOCUS)) is None:
            break
        steps.append(step)
    assert len(steps) > 20 and [step["what"] for step in steps if not (step["seen"] and step["inside"])] == []
