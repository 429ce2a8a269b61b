"""The chapters in a real browser: run, and every control moved."""

import time
from pathlib import Path

import pytest
from lab import Visit, jupyterlab

pytestmark = pytest.mark.browser
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SHOTS = Path(__file__).parent.parent / "build" / "screenshots"
CHAPTERS = [path.name for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
EXPLORED = [name for name in CHAPTERS if "explore(" in (NOTEBOOKS / name).read_text()]


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    with jupyterlab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def visit(browser, lab):
    visit = Visit(browser, lab)
    yield visit
    visit.close()


def picture(face) -> str:
    return face.evaluate(
        """async (face) => {
        const b = await (await fetch(face.querySelector('img').src)).arrayBuffer();
        const d = new Uint8Array(await crypto.subtle.digest('SHA-256', b));
        return Array.from(d.slice(0, 8)).join('.') }"""
    )


def move(face, control) -> bool:
    """Go through all stops by keyboard and back; whether the picture or the numbers changed on the way."""
    began, seen = control.input_value(), set()
    for key in ("Home", *["ArrowRight"] * int(control.get_attribute("max"))):
        control.press(key)
        _settle(face)
        seen.add((picture(face), face.locator(".vmt-numbers").inner_text()))
    while control.input_value() != began:
        control.press("ArrowLeft")
    _settle(face)
    return len(seen) > 1


SLOW_KERNEL = """async (source) => {
  const face = await import('data:text/javascript;base64,' + btoa(source));
  const heard = {}; let at = { size: 0, policies: ['before'] };
  const answer = { finding: 'f', alt: 'a', labels: [], rows: [], code: '' };
  const gif = 'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';
  const pixel = Uint8Array.from(atob(gif), (c) => c.charCodeAt(0));
  const spec = { panel: [{ field: 'size', label: 'size', stops: ['0', '1', '2', '3'], why: '' }], own: [],
    policies: ['before'], first: at };
  const model = {
    get: (name) => name === 'at' ? at : spec, on: (name, f) => { heard[name] = f; }, off: () => {},
    send: ({ seq, at: asked }) => {
      setTimeout(() => { at = asked; heard['change:at'](); }, 150);
      setTimeout(() => heard['msg:custom']({ seq, ...answer }, [pixel]), 200);
    },
  };
  const el = document.createElement('div'); document.body.append(el);
  face.default.render({ model, el });
  const range = el.querySelector('input[type=range]');
  const move = (to) => { range.value = to; range.dispatchEvent(new Event('input')); };
  const wait = (ms) => new Promise((go) => setTimeout(go, ms));
  await wait(300); move(1); await wait(100); move(2); await wait(1000);
  const after = [range.value, at.size];
  at = { size: 3, policies: ['before'] }; heard['change:at'](); await wait(500);
  return [...after, range.value]; }"""


def test_an_echo_from_a_slow_kernel_does_not_take_the_slider_back(browser):
    """The kernel repeats each position when the reader has moved on; a position set in Python is still taken."""
    page = browser.new_page()
    face = (Path(__file__).parent.parent / "vmteach" / "face.js").read_text(encoding="ascii")
    assert page.evaluate(SLOW_KERNEL, face) == ["2", 2, "3"]
    page.close()


def _settle(face) -> None:
    """Wait until nothing is being asked any more."""
    for _ in range(400):
        if "vmt-busy" not in (face.get_attribute("class") or ""):
            return
        time.sleep(0.02)
    raise AssertionError("the explorer was busy for 8 s")


@pytest.mark.parametrize("notebook", EXPLORED)
def test_chapter_runs_and_its_controls_are_alive(visit, notebook):
    visit.open(notebook)
    visit.run_all()
    assert visit.errors() == []
    face = visit.explorer()
    _settle(face)
    for control in face.locator('input[type="range"]').all():
        declared_dead = control.get_attribute("aria-describedby") is not None
        assert move(face, control) or declared_dead, control.get_attribute("data-field")
    SHOTS.mkdir(parents=True, exist_ok=True)
    face.screenshot(path=SHOTS / f"{notebook[:-6]}.png")
    first = face.locator('input[type="range"]').first
    box = first.bounding_box()
    visit.page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    _settle(face)
    assert first.input_value() == "0"
    face.locator("button", has_text="Reset").click()
    _settle(face)
    assert visit.strangers == []
    assert visit.complaints == []


@pytest.mark.parametrize("notebook", [name for name in CHAPTERS if name not in EXPLORED])
def test_page_runs(visit, notebook):
    visit.open(notebook)
    visit.run_all()
    assert (visit.errors(), visit.strangers, visit.complaints) == ([], [], [])


def test_letters_do_not_reach_the_notebook(visit):
    """On a focused control `b` would insert a cell, and `dd` delete one."""
    visit.open("08_shm_big_iron.ipynb")
    visit.run_all()
    face = visit.explorer()
    count = "() => window.jupyterapp.shell.currentWidget.content.model.cells.length"
    cells = visit.page.evaluate(count)
    face.locator('input[type="range"]').first.focus()
    visit.page.keyboard.type("bddrm")
    assert visit.page.evaluate(count) == cells


def test_outputs_are_accessible(visit):
    """axe-core over the outputs: nothing serious or critical in the explorer and the pictures."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    visit.open("08_shm_big_iron.ipynb")
    visit.run_all()
    visit.explorer()
    found = axe.run(visit.page, context=".jp-Notebook .vmt").response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
