"""The chapters in a real browser: run, and every control moved."""

import time
from importlib import import_module
from pathlib import Path

import pytest
from lab import Visit, jupyterlab

from vmteach import exercises

pytestmark = pytest.mark.browser
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SHOTS = Path(__file__).parent.parent / "build" / "screenshots"
CHAPTERS = [path.name for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
TASK = 'exercise("{}", "{}")'
EXPLORED = [name for name in CHAPTERS if "explore(" in (NOTEBOOKS / name).read_text()]


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    with jupyterlab(tmp_path_factory.mktemp("lab"), whole=True) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def nothing_is_saved_in_the_checkout():
    before = {path.name: path.read_bytes() for path in NOTEBOOKS.glob("*.ipynb")}
    yield
    assert {path.name: path.read_bytes() for path in NOTEBOOKS.glob("*.ipynb")} == before


@pytest.fixture(scope="module", params=EXPLORED)
def chapter(request, browser, lab):
    """A chapter, run from top to bottom; the tests of one chapter share its page."""
    visit = Visit(browser, lab)
    visit.name = request.param[:-6]
    visit.open(request.param)
    visit.run_all()
    yield visit
    visit.close()


@pytest.fixture
def visit(browser, lab):
    visit = Visit(browser, lab)
    yield visit
    visit.close()


def shots() -> Path:
    """The folder of the screenshots, which are kept as build products."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    return SHOTS


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


def test_every_cell_runs(chapter):
    assert chapter.errors() == []


def test_every_control_is_alive(chapter):
    face = chapter.explorer()
    _settle(face)
    for control in face.locator('input[type="range"]').all():
        declared_dead = control.get_attribute("aria-describedby") is not None
        assert move(face, control) or declared_dead, control.get_attribute("data-field")
    face.screenshot(path=shots() / f"{chapter.name}.png")
    first = face.locator('input[type="range"]').first
    box = first.bounding_box()
    chapter.page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    _settle(face)
    assert first.input_value() == "0"
    face.locator("button", has_text="Reset").click()
    _settle(face)


def test_a_prediction_is_kept(chapter):
    """Nothing at first; then the first number or choice that will do, by keyboard."""
    widget = chapter.page.locator('.vml[aria-label="Prediction"]').first
    keys, said = chapter.page.keyboard, widget.locator(".vml-said")
    number = widget.locator("input[type=number]")
    if number.count():
        number.focus()
        keys.press("Control+a")
        keys.press("Delete")
        keys.press("Enter")
        said.get_by_text("Write a number").wait_for()
        keys.type(number.get_attribute("min") or "1")
    else:
        widget.locator("input[type=radio]").first.focus()
        keys.press("Space")
    keys.press("Enter")
    said.get_by_text("Kept: ").wait_for()


def test_an_exercise_from_wrong_to_right(chapter):
    """A wrong answer of the bank is told its mistake, hints and the solution unfold, and a right one is right."""
    stem, cells = chapter.name[3:], chapter.cells()
    task, begin = next(
        (t, i) for t in exercises.chapter(stem).EXERCISES for i in [cells.index(TASK.format(stem, t.name))]
    )
    check = next(i for i, source in enumerate(cells) if source.startswith(f"{TASK.format(stem, task.name)}.check("))
    bank = import_module(f"bank.{stem}").BANK[task.name]
    (wrong, told), (right, _) = bank.wrong[0], bank.right[0]

    verdict = chapter.cell(check).locator(".vmteach-card[role=status]")
    chapter.run(check - 1, wrong)
    chapter.run(check)
    verdict.get_by_text("Not yet.").wait_for()
    assert told.replace("`", "") in verdict.inner_text()

    card = chapter.cell(begin).locator(".vmteach-card")
    for fold in card.locator("details").all():
        fold.locator("> summary").focus()
        chapter.page.keyboard.press("Enter")
    assert card.locator("details[open] > summary").all_inner_texts()[0].startswith("Hint 1")
    assert card.get_by_text("Solution", exact=True).is_visible() and card.get_by_text("Why.").first.is_visible()
    card.screenshot(path=shots() / f"{chapter.name}_exercise.png")

    chapter.run(check - 1, right)
    chapter.run(check)
    verdict.get_by_text("Right.").wait_for()


def test_a_question_is_answered(chapter):
    widget = chapter.page.locator('.vml[aria-label="Recall"]').first
    question = widget.locator("form").first
    said = widget.locator(".vml-said").first
    answers = set()
    for option in question.locator("input[type=radio]").all():
        option.focus()
        chapter.page.keyboard.press("Space")
        chapter.page.keyboard.press("Enter")
        answers.add(said.get_attribute("data-outcome"))
        assert said.inner_text()
    assert answers == {"right", "not yet"}


def test_every_output_is_accessible(chapter):
    """axe-core over all outputs of the chapter: nothing serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    outputs = chapter.page.locator(".jp-Notebook .jp-OutputArea-output").count()
    assert outputs >= len([source for source in chapter.cells() if "draw(" in source or "explore(" in source])
    found = axe.run(chapter.page, context=".jp-Notebook .jp-OutputArea-output").response["violations"]
    assert [
        (v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found if v["impact"] in ("serious", "critical")
    ] == []


def test_nothing_was_asked_elsewhere_and_nothing_complained(chapter):
    assert (chapter.strangers, chapter.complaints) == ([], [])


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
