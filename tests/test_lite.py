"""A kernel in the browser: the self-hosted JupyterLite, and a handout from the disk that is live."""

import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

import pytest
from conftest import without
from lab import ERRORS, READY, ROOT, Lab, Visit

from vmteach import exercises, handout
from vmteach.handout import lite
from vmteach.lab.asked import entry
from vmteach.lab.stage import Stage

pytestmark = [pytest.mark.deep, pytest.mark.browser, pytest.mark.xdist_group("lite")]
CHAPTERS = ("01_blkdev_eof", "08_shm_big_iron", "12_scsi_deadlock")
SOON = 30_000
UNRUN = """() => { const cells = window.jupyterapp.shell.currentWidget.content.model.cells; const left = [];
  for (let i = 0; i < cells.length; i++) {
    const cell = cells.get(i);
    if (cell.type === 'code' && cell.executionCount === null) left.push(cell.id);
  }
  return left }"""


def site_python() -> str:
    """A Python that has JupyterLite: this one, or that of `make site`."""
    own = ROOT / ".venv-site" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    for python in (sys.executable, str(own)):
        asks = [python, "-c", "import jupyterlite_core, jupyterlite_pyodide_kernel"]
        if shutil.which(python) and not subprocess.run(asks, capture_output=True, check=False).returncode:
            return python
    return without("JupyterLite, which `make site` brings")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A static server as a school has it."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

    def log_message(self, *_):
        pass


class LiteVisit(Visit):
    """A chapter opened in JupyterLite."""

    def open(self, notebook: str) -> None:
        self.page.goto(f"{self.lab.url}/lab/index.html?path=notebooks/{notebook}")
        self.page.wait_for_selector(".jp-Notebook .jp-MarkdownOutput h1", timeout=60_000)
        self.page.evaluate(READY)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lite") / "lite"
    program = "import sys; from pathlib import Path; from vmteach.handout.lite import build; build(Path(sys.argv[1]))"
    done = subprocess.run(
        [site_python(), "-c", program, folder], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        without(f"Pyodide and its wheels: {done.stderr.strip().splitlines()[-1]}")
    config = json.loads((folder / "jupyter-lite.json").read_text(encoding="utf-8"))
    whole = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}  # all cells are in the page
    config["jupyter-config-data"]["settingsOverrides"] = whole
    (folder / "jupyter-lite.json").write_text(json.dumps(config), encoding="utf-8")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Lab(f"http://127.0.0.1:{server.server_address[1]}", "", folder)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_from_top_to_bottom_in_the_browser(browser, served, name):
    """All cells; a control moves, a story steps, an exercise is answered; no request goes elsewhere."""
    visit = LiteVisit(browser, served)
    refused = []
    visit.page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    visit.open(f"{name}.ipynb")
    visit.run_all()
    assert visit.page.evaluate(ERRORS) == [] and visit.page.evaluate(UNRUN) == []
    assert visit.page.locator(".vmteach-table").count() > 0
    assert visit.page.locator(".jp-RenderedMarkdown img").first.evaluate("(image) => image.naturalWidth") > 0
    _explores(visit.page.locator(".vmt").first)
    _steps(visit.page.locator(".vm-screen").first)
    _answers(visit, name[3:])
    assert (visit.strangers, [url for url in refused if not url.endswith("favicon.ico")]) == ([], [])
    visit.close()


def _explores(face):
    """Each live control changes what is shown, or says why it cannot."""
    face.locator(".vmt-panels svg").first.wait_for(timeout=SOON)
    face.page.wait_for_function("(one) => one.dataset.answers", arg=face.element_handle(), timeout=SOON)
    answers = "(one) => Number(one.dataset.answers)"
    before, seen = face.evaluate(answers), set()
    for slider in face.locator('input[type="range"]').all():
        for key in ("End", "Home"):
            slider.press(key)
            face.page.wait_for_timeout(300)
            seen.add(face.locator(".vmt-numbers").text_content())
    face.page.wait_for_function(
        "([one, n]) => Number(one.dataset.answers) > n", arg=[face.element_handle(), before], timeout=SOON
    )
    face.page.wait_for_timeout(1500)
    seen.add(face.locator(".vmt-numbers").text_content())
    assert len(seen) > 1 and face.locator(".vmt-error").count() == 0


def _steps(story):
    begin = story.locator(".vm-say").text_content()
    story.get_by_role("button", name="Next").click()
    story.get_by_role("button", name="Next").click()
    assert story.locator(".vm-count").text_content().startswith("step 3")
    assert story.locator(".vm-say").text_content() != begin


def _answers(visit, stem):
    """A wrong answer of the bank is told its mistake; a right one is right."""
    task, cells = exercises.chapter(stem).EXERCISES[0], visit.cells()
    check = next(i for i, source in enumerate(cells) if source.startswith(f'ch.exercise("{task.name}").check('))
    bank = import_module(f"bank.{stem}").BANK[task.name]
    verdict = visit.cell(check).get_by_role("status")
    for source, word in ((bank.wrong[0][0], "Not yet."), (bank.right[0][0], "Right.")):
        visit.run(check - 1, source)
        visit.run(check)
        verdict.get_by_text(word).first.wait_for(timeout=SOON)


# ---- a handout that is live without a server


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    try:
        lite.runtime_script(folder)
    except lite.BuildError as trouble:
        without(f"Pyodide's npm package: {trouble}")
    handout.build(CHAPTERS[1:], target=folder, jobs=2)
    return folder


@pytest.fixture
def live(browser, alone):
    """Opens a handout from the disk, the network cut, and switches it on."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    def open_(name: str, before=lambda page: None):
        page.goto((alone / f"{name}.html").as_uri())
        page.wait_for_selector(".explorer .vmt[data-answers]")
        before(page)
        assert not any(url.endswith("runtime.js") for url in asked)  # nothing is loaded before it is wanted
        page.locator(".live-switch button").click()
        page.locator(".live-switch [role=status]", has_text=re.compile("^(Live:|It stays)")).wait_for(timeout=90_000)
        assert page.locator(".live-switch [role=status]").text_content().startswith("Live:")
        return page

    yield open_
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()


SHOWN = """(wanted) => {
  const rows = [...document.querySelectorAll('.explorer .vmt-numbers tr')].map((row) =>
    [...row.cells].map((cell) => cell.textContent));
  return wanted.every((row) => rows.some((one) => row.every((cell, i) => cell === one[i]))) }"""


def to_the_end(page):
    for slider in page.locator('.explorer input[type="range"]:enabled').all():
        slider.press("End")


def test_a_position_that_is_not_stored_is_worked_out_by_the_models(live):
    """The numbers in the page are those that the stage gives here."""

    def far(page):
        to_the_end(page)
        page.locator(".vmt-error", has_text="does not store").wait_for(timeout=SOON)

    page = live("08_shm_big_iron", far)
    page.locator('.explorer input[type="range"]:enabled').last.press("ArrowLeft")
    to_the_end(page)
    stage = Stage(*(import_module(f"vmteach.{room}.shm_big_iron") for room in ("patches", "figures")))
    sliders = {one.get_attribute("data-field") for one in page.locator('.explorer input[type="range"]').all()}
    ends = {f: len(c.stops) - 1 if f in sliders else stage.first[f] for f, c in stage.controls.items()}
    labels = ["unpatched", "patched"]
    told = [dict(entry(stage, {**ends, "policies": labels}, label)["rows"]) for label in labels]
    wanted = [[name, *(each[name] for each in told)] for name in told[0]]
    for _ in range(60):  # the page's policy lets no text become a function, so that Chromium cannot wait for one
        if page.evaluate(SHOWN, wanted):
            break
        page.wait_for_timeout(500)
    assert page.evaluate(SHOWN, wanted), page.locator(".explorer .vmt-numbers").first.text_content()


def test_an_exercise_is_checked_in_the_page(live):
    page = live("12_scsi_deadlock")
    bank = import_module("bank.scsi_deadlock").BANK["turns"]
    place = page.locator('.code[data-check$="/turns"]')
    field = place.locator("xpath=preceding::textarea[1]")
    for source, word in ((bank.wrong[0][0], "Not yet."), (bank.right[0][0], "Right.")):
        field.fill(source)
        place.get_by_role("button", name="Check").click()
        place.locator("[role=status]", has_text=word).wait_for(timeout=SOON)


def test_a_reader_s_own_order_leads_one_kernel_into_the_deadlock(live):
    """The same turns on both kernels; the words are those of `replay` in the notebook."""
    page = live("12_scsi_deadlock")
    box = page.locator(".order")
    for name in "E E E R0 R0 R0 R0 E".split():
        box.get_by_role("button", name=name, exact=True).click()
    unpatched, patched = box.locator(".end").all()
    unpatched.filter(has_text="R0 and E can never go on: a deadlock.").wait_for(timeout=SOON)
    assert patched.text_content() == ""
    box.get_by_role("button", name="Back").click()
    box.locator("[role=status]", has_text="Turns: E E E R0 R0 R0 R0").wait_for(timeout=SOON)


def test_without_the_runtime_a_page_stays_what_it_was(browser, alone, tmp_path):
    shutil.copy(alone / "12_scsi_deadlock.html", tmp_path)
    page = browser.new_page()
    page.goto((tmp_path / "12_scsi_deadlock.html").as_uri())
    page.locator(".live-switch button").click()
    said = page.locator(".live-switch [role=status]")
    said.filter(has_text="It stays as it was: runtime.js does not lie beside this page.").wait_for(timeout=SOON)
    assert Path(page.url.removeprefix("file://")).exists() and page.locator(".live-switch button").is_enabled()
    page.close()
