"""Handouts in Chromium, opened from disk with the network cut."""

import os
import statistics
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from test_handout import HOSTILE, lessons  # noqa: F401 (a fixture)

from vmteach import handout
from vmteach.handout import page as pages
from vmteach.patches.scsi_deadlock import CONTROLS

pytestmark = pytest.mark.browser
FACTS = {"version": "0", "date": "1 May 2026", "key": "k", "where": "", "links": ""}
# The handouts to open: those of this folder if it is named and built, else one small chapter made here.
BUILT = os.environ.get("VMTEACH_HANDOUTS", "")
CHAPTER = """from vmteach import chapter
ch = chapter("scsi_deadlock")
ch.explore()"""


def small_chapter(here: Path) -> None:
    """The handout of one small chapter."""
    cells = [
        new_markdown_cell("# A chapter\n\n$x^2 \\le 4$\n\n| | |\n|---|---|\n| **entry** | a |"),
        new_markdown_cell("## Vary\n\n<details><summary>Why `so`?</summary>\n\nBecause.\n</details>"),
        new_code_cell("import pandas as pd\npd.DataFrame({'a': [1], 'b': ['x']})"),
        new_code_cell(CHAPTER),
        new_code_cell("ch.draw()"),
        new_code_cell("ch.watch()"),
        new_markdown_cell("**What the model leaves out**, in which direction it errs"),
    ]
    nbformat.write(new_notebook(cells=cells), here / "12_scsi_deadlock.ipynb")
    handout.build(source=here, target=here)


@pytest.fixture(scope="session")
def folder(once):
    return Path(BUILT) if BUILT else once("handouts", small_chapter)


@pytest.fixture(scope="session")
def course(once):
    """All chapters: those that VMTEACH_HANDOUTS names, else made here."""
    return Path(BUILT) if BUILT else once("course", lambda here: handout.build(target=here, jobs=2))


class Opened:
    """A handout in a context of its own, and what it asked of anybody and complained about."""

    def __init__(self, browser, file: Path, **context) -> None:
        self.context = browser.new_context(offline=True, viewport={"width": 1100, "height": 900}, **context)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.goto(file.as_uri())
        if self.page.locator(".explorer").count() and context.get("java_script_enabled", True):
            self.page.wait_for_selector(".explorer .vmt[data-answers]")

    def strangers(self, file: Path) -> list[str]:
        """Requests for anything but the file and what stands in it."""
        return [url for url in self.asked if url != file.as_uri() and not url.startswith(("data:", "blob:"))]


@pytest.fixture
def visit(browser):
    opened: list[Opened] = []

    def open_(file: Path, **context) -> Opened:
        opened.append(Opened(browser, file, **context))
        return opened[-1]

    yield open_
    for one in opened:
        one.context.close()


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.html"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_asked_and_axe_finds_nothing(visit, folder, axe, scheme):
    for file in files(folder):
        here = visit(file, color_scheme=scheme)
        assert (here.strangers(file), here.complaints) == ([], []), file.name
        found = axe.run(here.page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == [], file.name
        here.context.close()


SHOWN = """(place) => place.querySelector('.vmt-panels svg').textContent
  + place.querySelector('.vmt-numbers').textContent"""


def test_every_control_and_every_kernel_works_by_keyboard(visit, folder):
    for file in files(folder):
        here = visit(file)
        for place in here.page.locator(".explorer").all():
            for slider in place.locator('input[type="range"]').all():
                place.locator("button", has_text="Default").click()
                assert len(swept(here.page, place, slider)) > 1, (file.name, slider.get_attribute("data-field"))
            place.locator("button", has_text="Default").click()
            menu = place.locator(".vmt-kernels select").first
            shown = set()
            for label in menu.locator("option").all_text_contents():
                menu.select_option(label=label)
                here.page.wait_for_timeout(60)
                assert place.locator(".vmt-error").count() == 0, (file.name, label)
                shown.add(place.evaluate(SHOWN))
            assert len(shown) > 2, file.name
        assert here.complaints == [], file.name
        here.context.close()


def swept(page, place, slider) -> set[str]:
    """What is shown while a slider goes through its range: every stop is stored, and the code follows each."""
    slider.focus()
    page.keyboard.press("Home")
    seen, codes = set(), set()
    steps = int(slider.get_attribute("max"))
    for step in range(steps + 1):
        page.wait_for_timeout(40)
        assert place.locator(".vmt-error").count() == 0
        seen.add(place.evaluate(SHOWN))
        codes.add(place.locator("pre code").text_content())
        if step < steps:
            page.keyboard.press("ArrowRight")
    assert len(codes) == steps + 1
    return seen


STEPS = """async () => {
  const root = document.querySelector('.explorer .vmt'); const times = [];
  for (const range of document.querySelectorAll('.explorer input[type=range]')) {
    for (let i = 0; i <= Number(range.max); i++) {
      if (i === Number(range.value)) continue;
      await new Promise((go) => requestAnimationFrame(() => setTimeout(go, 0)));
      const answers = root.dataset.answers;
      const start = performance.now();
      range.value = i;
      range.dispatchEvent(new Event('input', { bubbles: true }));
      while (root.dataset.answers === answers) await new Promise((go) => setTimeout(go, 0));
      document.body.getBoundingClientRect();
      times.push(performance.now() - start);
    }
  }
  return times }"""


@pytest.mark.perf
def test_a_step_fits_into_a_frame(visit, folder):
    """From the event of a control to picture, numbers, words and layout: the median of all steps."""
    for file in files(folder):
        here = visit(file)
        if here.page.locator(".explorer").count():
            times = here.page.evaluate(STEPS)
            print(f"{file.name}: {statistics.median(times):.1f} ms, at most {max(times):.1f} ms, {len(times)} steps")
            assert statistics.median(times) <= 16
        here.context.close()


def test_the_picture_changes_and_comes_back(visit, folder):
    here = visit(folder / "12_scsi_deadlock.html")
    place = here.page.locator(".explorer").first
    first = place.evaluate(SHOWN)
    here.page.locator('input[data-field="dispatchers"]').press("Home")
    here.page.wait_for_timeout(60)
    assert place.evaluate(SHOWN) != first
    place.locator("button", has_text="Default").click()
    here.page.wait_for_timeout(60)
    assert place.evaluate(SHOWN) == first


def test_code_in_the_page_is_that_of_the_explorer(visit, folder):
    """What "As code" says can be run, and gives the numbers that stand above it."""
    here = visit(folder / "12_scsi_deadlock.html")
    here.page.locator('input[data-field="machine"]').press("Home")
    here.page.wait_for_timeout(100)
    names: dict = {}
    exec(here.page.locator(".vmt pre code").first.text_content(), names)
    table = here.page.locator(".vmt-numbers tbody tr").all_text_contents()
    runs = names["runs"]
    assert names["scenario"].machine.name == "32 MB"
    assert len(table) == len(dict.fromkeys(name for run in runs.values() for name in run.numbers))
    assert table[0].startswith(next(iter(next(iter(runs.values())).numbers)))


def test_without_a_script_everything_is_said_in_words(visit, folder):
    here = visit(folder / "12_scsi_deadlock.html", java_script_enabled=False)
    assert here.page.locator(".explorer .stored table").is_visible()
    assert here.page.locator(".story .stored li").count() > 5
    assert here.page.locator(".live:visible").count() == 0


def test_a_story_is_stepped_by_keys_and_stands_in_the_address(visit, folder):
    here = visit(folder / "12_scsi_deadlock.html").page
    here.locator(".story button", has_text="Next").focus()
    for _ in range(3):
        here.keyboard.press("ArrowRight")
    assert here.locator(".story").first.inner_text().count("step 4 of") == 1
    assert here.evaluate("location.hash") == "#watch-4"


def test_on_paper_folds_are_open_and_answers_come_last(visit, folder):
    here = visit(folder / "12_scsi_deadlock.html")
    assert here.page.locator(".vmt-presets").is_visible()
    here.page.emulate_media(media="print")
    here.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert not here.page.locator(".vmt-presets").is_visible()
    assert here.page.locator(".explorer svg").first.is_visible()
    assert here.page.locator(".answers").is_visible()
    assert not here.page.locator("details.fold p").first.is_visible()
    here.page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert here.page.locator("details[open]").count() == 0
    assert len(here.page.pdf()) > 10_000


WIDE = """all => all.filter((one) => one.checkVisibility()
  && one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((one) => one.innerText.slice(0, 80))"""


def test_nothing_is_wider_than_the_paper(visit, folder):
    """A screen can scroll; what is cut off on A4 is lost."""
    for file in files(folder):
        here = visit(file)
        here.page.set_viewport_size({"width": 680, "height": 960})  # 180 mm
        here.page.emulate_media(media="print")
        here.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert here.page.locator("table, pre, img, svg").evaluate_all(WIDE) == [], file.name
        here.context.close()


def test_lessons_work_and_are_kept(visit, lessons):  # noqa: F811
    here = visit(lessons[1]).page
    assert here.locator(".compared [role=status]").text_content() == "Nothing was predicted; it is 6 steps."
    said = here.locator(".vml-said")
    here.locator(".vml .vml-number input").fill("6")
    here.keyboard.press("Enter")
    assert said.first.text_content() == "Kept in this page: 6 steps."
    compared = here.locator(".compared [role=status]")
    assert compared.text_content() == "You said 6 steps, and so it is."
    for given, begins, ends in (
        (5.05, "You said 5.05 steps; it is 6 steps. After five", "has a step to take."),
        (30, "You said 30 steps; it is 6 steps. ", "a prediction is there to be compared."),
    ):
        here.locator(".vml .vml-number input").fill(str(given))
        here.keyboard.press("Enter")
        assert compared.text_content().startswith(begins)
        assert compared.text_content().endswith(ends)
    assert said.nth(1).text_content().startswith("Not yet.")
    stops = {control.field: control.stops for control in CONTROLS}
    for field, stop in (("dispatchers", 3), ("disks", 3), ("machine", "32 MB")):
        slider = here.locator(f'input[data-field="{field}"]')
        slider.press("Home")
        for _ in range(stops[field].index(stop)):
            slider.press("ArrowRight")
    here.wait_for_timeout(100)
    assert said.nth(1).get_attribute("data-outcome") == "right"
    here.locator(".vml fieldset").first.locator("input").first.check()
    here.locator(".vml form button", has_text="Check").first.click()
    assert said.nth(2).text_content().startswith(("Right.", "Not yet."))
    here.reload()
    here.wait_for_selector(".explorer .vmt[data-answers]")
    assert here.locator(".vml .vml-number input").input_value() == "30"
    assert here.locator(".compared [role=status]").text_content().startswith("You said 30 steps")


def test_hostile_text_is_inert(visit, tmp_path):
    cells = [
        new_markdown_cell(HOSTILE),
        new_code_cell("x", outputs=[new_output("display_data", {"text/html": HOSTILE})]),
    ]
    file = tmp_path / "hostile.html"
    file.write_text(pages.handout(new_notebook(cells=cells), FACTS)[1], encoding="utf-8")
    here = visit(file)
    here.page.wait_for_timeout(300)
    assert (here.strangers(file), here.complaints) == ([], [])
    assert (
        here.page.evaluate("document.querySelectorAll('main script, main iframe, main form, main style').length") == 0
    )


def test_the_policy_stops_what_cleaning_would_miss(visit, tmp_path):
    """The same hostile text put into a page uncleaned: nothing runs, nothing is asked; the browser says so."""
    file = tmp_path / "uncleaned.html"
    run = "<script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\">"
    away = '<img src="https://example.org/a.png"><link rel="stylesheet" href="https://example.org/a.css">'
    sly = "<style>body { background: url(https://example.org/b.png) }</style>"
    file.write_text(pages.page("kept", run + away + sly + HOSTILE, FACTS), encoding="utf-8")
    here = visit(file)
    here.page.wait_for_timeout(300)
    assert here.page.title() == "kept"
    assert any("Content Security Policy" in complaint for complaint in here.complaints)
    assert not any("ERR_INTERNET_DISCONNECTED" in complaint for complaint in here.complaints)
