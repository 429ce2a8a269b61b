"""What a student sees, in Chromium: explorers that need no scrolling, first screens, words of 12 px, titles."""

import ast
import json
import re
from importlib import import_module
from io import BytesIO
from itertools import combinations
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from vmteach.figures import page as script
from vmteach.figures.data import LONGEST_TITLE
from vmteach.figures.story import MOST_ASKS, MOST_BYTES, stories
from vmteach.figures.titles import title
from vmteach.handout import page as pages
from vmteach.handout.front import HOME
from vmteach.lab import explorer as lab_explorer
from vmteach.lab.explorer import explore
from vmteach.machine import PRESETS
from vmteach.patches import STEMS

ROOT = Path(__file__).parent.parent
LAB = Path(lab_explorer.__file__).parent
NOTEBOOKS = {path.stem[3:]: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
FACTS = {"version": "0", "date": "1 May 2026", "key": "k", "where": " · chapter 12 of 12", "links": HOME}
LOWEST = 640  # px that an explorer takes of a window at most, where it is 840 px wide
IN_A_FRAME = 818  # px that are left of 840 in a handout's frame, which is 6 px higher than nothing
SCREEN = 800  # px of a laptop's first screen
PHONES = ((366, 844, 1), (390, 844, 1), (390, 664, 0.9))  # px, and how much of the picture is in the first screen

# The explorer's face and what it draws with, without a kernel: it shows one answer.
FACE = """([spec, shown, width]) => { const at = document.getElementById('at'); at.replaceChildren();
  at.style.width = width + 'px';
  const draw = (place, answer) => { place.replaceChildren();
    mountPanels(place, { full: false, title: false, panels: answer.panels }) };
  mountFace(at, spec, { at: () => shown.at, request: () => shown, draw });
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))) }"""
SMALL = """() => [...document.querySelectorAll('#at *')].filter((e) => e.checkVisibility()
  && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && parseFloat(getComputedStyle(e).fontSize) < 12)
  .map((e) => e.textContent)"""
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT = """() => [...document.querySelectorAll('#at .vmt-finding, #at .vmt-said, #at button, #at legend, #at output')]
  .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && e.clientWidth).map((e) => e.textContent)"""


def explorers(stem):
    """The explorer as the chapter's notebook shows it."""
    text = "\n".join(cell.source for cell in nbformat.read(NOTEBOOKS[stem], 4).cells if cell.cell_type == "code")
    given = re.search(r"ch\.explore\((.*)\)", text)[1]
    if given.isidentifier():
        given = re.search(rf"^{given} = (.*)$", text, re.M)[1]
    kernels = ast.literal_eval(given) if given else None
    return explore(import_module(f"vmteach.patches.{stem}"), import_module(f"vmteach.figures.{stem}"), kernels)


@pytest.fixture(scope="module")
def sheet(browser):
    """A page of the scripts alone."""
    face = (
        (LAB / "explorer.js")
        .read_text(encoding="ascii")
        .replace("export function mount(", "window.mountFace = function (")
    )
    looks = "".join((LAB / name).read_text(encoding="ascii") for name in ("explorer.css", "learn.css"))
    context = browser.new_context(viewport={"width": 900, "height": 1000})
    page = context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.set_content(
        f'<!doctype html><html lang="en"><title>Explorers</title><style>body {{ margin: 8px }} {script.style()}'
        f"{looks}</style><main><h1>Explorers</h1><div id=at></div></main>"
        f"<script>{script.script()}</script><script type=module>{face}</script></html>"
    )
    yield page
    assert page.complaints == []
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("stem", STEMS)
def test_an_explorer_is_low_and_its_words_are_readable_and_whole(sheet, axe, stem):
    """At 840 px nothing scrolls while a control is moved; on a phone nothing is wider than the screen."""
    explorer = explorers(stem)
    state = explorer.get_state()
    shown = {**state["shown"], "at": explorer.at}
    for width in (840, IN_A_FRAME, 1200, 560, 366):
        sheet.set_viewport_size({"width": width + 24, "height": 1000})
        sheet.evaluate(FACE, [state["spec"], shown, width])
        assert sheet.evaluate(SMALL) == [], width
        assert sheet.evaluate(CUT) == [], width
        assert sheet.evaluate(WIDE) <= 0, width
        if width in (840, IN_A_FRAME):
            assert sheet.locator(".vmt").bounding_box()["height"] <= LOWEST - (width == IN_A_FRAME) * 6
        if width == 840:
            for theme in ("light", "dark"):
                sheet.emulate_media(color_scheme=theme)
                found = axe.run(sheet, options={"resultTypes": ["violations"]}).response["violations"]
                assert [(one["id"], one["nodes"][0]["html"][:90]) for one in found] == [], theme
            sheet.emulate_media(color_scheme="light")


LINES = """() => [...document.querySelectorAll('.vmt-goal')].map((goal) => goal.clientHeight
  / parseFloat(getComputedStyle(goal).lineHeight)).map(Math.floor)"""
MOST_LINES = 3  # of a goal with its verdict


def places(explorer):
    """Every preset, and both ends of each control that matters (of the flagship the presets alone)."""
    spec, first = explorer.get_state()["spec"], explorer.stage.first
    yield from ({**first, **preset["at"]} for preset in spec["presets"])
    for control in spec["controls"]:
        if not control["why"] and explorer.stem != "shm_big_iron":
            yield from ({**first, control["field"]: end} for end in (0, len(control["stops"]) - 1))


@pytest.mark.browser
@pytest.mark.parametrize("stem", STEMS)
def test_wherever_a_control_is_put_nothing_scrolls_and_goals_are_short(sheet, stem, tmp_path, monkeypatch):
    monkeypatch.setenv("VMTEACH_PROGRESS", str(tmp_path / "progress.json"))
    explorer = explorers(stem)
    sheet.set_viewport_size({"width": 864, "height": 1000})
    for at in places(explorer):
        explorer.at = at
        explorer._show()
        state = explorer.get_state()
        sheet.evaluate(FACE, [state["spec"], {**state["shown"], "at": at}, 840])
        assert sheet.locator(".vmt").bounding_box()["height"] <= LOWEST, at
        assert max(sheet.evaluate(LINES)) <= MOST_LINES, at


LAB_DARK = """(kinds) => { const box = document.createElement('div'); document.body.dataset.jpThemeLight = 'false';
  document.body.append(box);
  const said = (kind) => `<div class="vml"><p class="vml-said" data-outcome="${kind}">x</p><input></div>`;
  box.innerHTML = kinds.map(said).join('') + `<div class="vmt">
    <section class="vmt-goal" data-outcome="right">x</section><span class="vmt-range"><input></span></div>`;
  const looks = [...box.querySelectorAll('.vml, .vml-said, .vmt-goal')].map((e) => getComputedStyle(e).borderLeftColor);
  looks.push(...[...box.querySelectorAll('input')].map((e) => getComputedStyle(e).accentColor));
  const schemes = [...box.children].map((e) => getComputedStyle(e).colorScheme);
  box.remove(); delete document.body.dataset.jpThemeLight; return [looks, schemes] }"""


def brightness(colour: str) -> float:
    """The relative luminance of a computed colour."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.browser
def test_marks_and_sliders_are_seen_in_a_dark_jupyterlab(sheet):
    """On its ground, #111111, every mark has three times its light; what the browser draws itself is dark as well."""
    looks, schemes = sheet.evaluate(LAB_DARK, ["right", "not yet", "lost"])
    assert [look for look in looks if (brightness(look) + 0.05) / (brightness("17 17 17") + 0.05) < 3] == []
    assert set(schemes) == {"dark"}


CHOSEN = {
    ".vmt-choices input:checked + span": ".vmt-choices input:not(:checked) + span",
    '.vm-story button[aria-pressed="true"]': '.vm-story button[aria-pressed="false"]',
    ".vm-rules li.vm-lit": ".vm-rules li:not(.vm-lit)",
}


def ground(sheet, what) -> tuple[int, ...]:
    """The colour that most of an element has on the screen."""
    shot = Image.open(BytesIO(sheet.locator(what).first.screenshot())).convert("RGB")
    return max(shot.getcolors(1 << 20))[1]


@pytest.mark.browser
def test_what_is_chosen_is_seen_with_forced_colours(sheet):
    """A row of buttons, the story that is shown, the rule that fires: none by a colour that the system takes away."""
    explorer = explorers("shm_big_iron")
    state = explorer.get_state()
    told = stories(import_module("vmteach.figures.shm_big_iron"))
    sheet.set_viewport_size({"width": 900, "height": 1000})
    sheet.evaluate(FACE, [state["spec"], {**state["shown"], "at": explorer.at}, 840])
    sheet.evaluate("(told) => mountStory(document.getElementById('at'), told).to(12)", told)
    sheet.emulate_media(forced_colors="active")
    same = [chosen for chosen, other in CHOSEN.items() if ground(sheet, chosen) == ground(sheet, other)]
    sheet.emulate_media(forced_colors="none")
    assert same == []


@pytest.mark.browser
def test_every_stepper_fits_a_phone_and_a_wide_window_and_axe_finds_nothing(sheet, axe):
    told = [stories(import_module(f"vmteach.figures.{stem}")) for stem in STEMS]
    for width in (366, 1200):
        sheet.set_viewport_size({"width": width + 24, "height": 1000})
        sheet.evaluate(
            "([told, width]) => { const at = document.getElementById('at'); at.replaceChildren();"
            " at.style.width = width + 'px'; for (const stories of told) mountStory(at, stories).to(4) }",
            [told, width],
        )
        sheet.wait_for_timeout(200)
        assert sheet.evaluate(SMALL) == [], width
        assert sheet.evaluate(WIDE) <= 0, width
        for theme in ("light", "dark"):
            sheet.emulate_media(color_scheme=theme)
            found = axe.run(sheet, options={"resultTypes": ["violations"]}).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"][:90]) for one in found] == [], (width, theme)
        sheet.emulate_media(color_scheme="light")


# ---- the first screen


def opening(name):
    """A chapter's page before anything has run: the cells up to its first code."""
    notebook = nbformat.read(name, 4)
    first = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells = notebook.cells[:first]
    return pages.handout(notebook, FACTS)[1]


FIRST_WORDS = """() => [...document.querySelectorAll('main .prose > p')].filter((p) => p.textContent.trim())
  .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)[0].textContent.slice(0, 20)"""


def story(name) -> str:
    """The first paragraph of an opening that is not the line of minutes and needs."""
    parts = nbformat.read(name, 4).cells[0].source.split("\n\n")[1:]
    return next(part for part in parts if " min**" not in part)


@pytest.fixture(scope="module")
def window(browser):
    """A page in which one chapter after the other is opened."""
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_the_first_screen_has_title_story_and_picture(window, stem, tmp_path):
    """The picture's end too: nothing of it is below the fold of a laptop."""
    file = tmp_path / "page.html"
    file.write_text(opening(NOTEBOOKS[stem]), encoding="utf-8")
    page = window
    page.set_viewport_size({"width": 1280, "height": SCREEN})
    page.goto(file.as_uri())
    assert page.locator("main h1").bounding_box()["y"] < SCREEN / 4
    picture = page.locator("main img, main svg").first
    assert picture.bounding_box()["y"] + picture.bounding_box()["height"] <= SCREEN
    for width, height, shown in PHONES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(100)
        assert page.evaluate(WIDE) <= 0, "nothing scrolls sideways on a phone"
        box = picture.bounding_box()
        assert box["y"] + box["height"] * shown <= height, (width, height)
    assert page.evaluate(FIRST_WORDS) == re.sub(r"[*`]", "", story(NOTEBOOKS[stem]))[:20], "the story is below it"


@pytest.mark.parametrize("stem", [stem for stem in NOTEBOOKS if stem != "start_here"])
def test_a_chapter_opens_with_one_line_three_sentences_and_a_picture(stem):
    """A line of minutes and needs; a story that ends in its question; nothing else."""
    head, line, *story, picture = nbformat.read(NOTEBOOKS[stem], 4).cells[0].source.split("\n\n")
    assert head.startswith("# ") and picture.startswith("![") and len(story) == 1
    assert re.match(r"\*\*\d\d min\*\* · needs: .* · \[objectives\]\(#Objectives\)$", line)
    assert story[0].endswith("?**") and len(re.findall(r"[.?](?= |\*\*|$)", story[0])) <= 7


# ---- titles and stories


def pictures(stem):
    """The default picture and that of each end of each control, of every kernel."""
    patch, figure = import_module(f"vmteach.patches.{stem}"), import_module(f"vmteach.figures.{stem}")
    ends = [(c.field, stop) for c in patch.CONTROLS if c.matters for stop in (c.stops[0], c.stops[-1])]
    for field, stop in [("", ""), *(ends if stem != "shm_big_iron" else [("machine", "256 MB")])]:
        given = {field: PRESETS[stop] if field == "machine" else stop} if field else {}
        try:
            scenario = patch.Scenario(**given)
        except ValueError:
            continue  # a scenario that cannot be
        yield [(label, figure.scene(patch.simulate(scenario, it)).data) for label, it in patch.POLICIES.items()]


@pytest.mark.parametrize("stem", STEMS)
def test_a_title_has_a_verb_and_fits_whatever_is_compared(stem):
    for panels in pictures(stem):
        for many in range(1, len(panels) + 1):
            chosen = combinations(panels, many) if many <= 3 else [panels[:many]]
            assert [said for said in map(title, chosen) if len(said) > LONGEST_TITLE] == []
        for label, scene in panels:
            said = scene.get("clause") or ""
            first = said if isinstance(said, str) else said[0]
            assert not first or re.match(r"(?:never |hardly )?[a-z]+s\b", first), (label, first)


@pytest.mark.parametrize("stem", STEMS)
def test_a_story_is_small_and_asks_three_times_at_most(stem):
    told = list(stories(import_module(f"vmteach.figures.{stem}")))
    assert told
    for story in told:
        asks = [frame["ask"]["q"] for track in story["tracks"] for frame in track["frames"] if "ask" in frame]
        size = len(json.dumps(story, ensure_ascii=False, separators=(",", ":")).encode())
        assert len(set(asks)) <= MOST_ASKS and size <= MOST_BYTES
