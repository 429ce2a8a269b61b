"""The page's script in Chromium: primitives are read, not screenshots; the stepper is used by its keys."""

import importlib
import json
import re
from functools import cache

import pytest
from pictures import all_forms, storm, two_threads

from vmteach.figures import page as script
from vmteach.figures.scene import ring
from vmteach.figures.story import stories
from vmteach.figures.titles import alt, title
from vmteach.machine import PRESETS
from vmteach.patches import STEMS

pytestmark = pytest.mark.browser
WIDTHS = (848, 560, 366)

# What is wrong with a layout, by its primitives: small type, words outside, words on words, words on a line that is
# not their own (a plate of paper or a box below them, or a grid line, is fine).
FAULTS = """
function flat(items) { return items.flatMap((item) => (item.kids ? flat(item.kids) : [item])); }
function crosses([x0, y0, x1, y1], [[ax, ay], [bx, by]]) {
  if (Math.max(ax, bx) <= x0 || Math.min(ax, bx) >= x1 || Math.max(ay, by) <= y0 || Math.min(ay, by) >= y1) return false;
  const steps = Math.max(1, Math.ceil(Math.hypot(bx - ax, by - ay) / 2));
  for (let n = 0; n <= steps; n++) {
    const x = ax + ((bx - ax) * n) / steps, y = ay + ((by - ay) * n) / steps;
    if (x > x0 + 1 && x < x1 - 1 && y > y0 + 1 && y < y1 - 1) return true;
  }
  return false;
}
function covers(item, [x0, y0, x1, y1]) { // a box with its own words, drawn over the line
  return item.kind === "rect" && item.fill && item.fill !== "none" && item.x <= x0 && item.y <= y0 + 2 && item.x + item.w >= x1 && item.y + item.h >= y1 - 2;
}
function nameless(picture) { // brackets without their name, words without their end
  const items = flat(picture.items), keys = new Set(items.map((item) => item.key));
  return items.flatMap(({ key, text = "" }) => (/\\.bracket\\d+$/.test(key) && !keys.has(`${key}.words`) ? [`no name: ${key}`]
    : text.includes("\\u2026") && !/^.{9,}\\u2026.{9,}$/.test(text) ? [`cut: ${text}`] : []));
}
function faults(picture) {
  const items = flat(picture.items), found = [];
  const texts = items.filter((item) => item.kind === "text");
  const lines = items.filter((item) => item.points && !item.rule);
  texts.forEach((text, i) => {
    const [x0, y0, x1, y1] = text.box;
    if (text.size < 12) found.push(`${text.size} px: ${text.text}`);
    if (x0 < -1 || x1 > picture.width + 1 || y0 < -2 || y1 > picture.height + 1) found.push(`outside: ${text.text}`);
    texts.slice(i + 1).forEach((other) => { if (overlap(text.box, other.box, -1)) found.push(`${text.text} on ${other.text}`); });
    if (!text.plate) lines.forEach((line) => {
      if (line.own && line.own === text.own) return;
      const meets = line.points.some((point, n) => n && crosses(text.box, [line.points[n - 1], point]));
      if (meets && !items.slice(items.indexOf(line)).some((item) => covers(item, text.box))) found.push(`${text.text} on the line ${line.key}`);
    });
  });
  return found;
}
"""


@pytest.fixture(scope="module")
def sheet(browser):
    """A page with the script; `faults` and the two stories are there."""
    context = browser.new_context(viewport={"width": 900, "height": 1000})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_content(
        f'<!doctype html><html lang="en"><head><title>A page</title><style>{script.style()}</style></head>'
        f'<body><main><h1>Pictures</h1><button id="out">out</button><div id="at"></div></main><script>{script.script()}'
        f"{FAULTS}</script></body></html>"
    )
    page.complaints = complaints
    yield page
    assert not complaints
    context.close()


@pytest.fixture(scope="module")
def forms():
    return {name: [[label, one.data] for label, one in panels] for name, panels in all_forms().items()}


CHAPTERS = {stem: importlib.import_module(f"vmteach.figures.{stem}") for stem in STEMS}
DRAWN = [stem for stem, figure in CHAPTERS.items() if hasattr(figure, "scene")]
TOLD = [stem for stem, figure in CHAPTERS.items() if hasattr(figure, "STORIES")]


def stops(stem):
    """The scenes of a chapter: every stop of every control, the others at their defaults; the what-ifs at the ends."""
    patch = importlib.import_module(f"vmteach.patches.{stem}")
    pair = (patch.UNPATCHED, patch.PATCHED)

    @cache  # each control has a stop at the defaults
    def drawn(scenario, label):
        return CHAPTERS[stem].scene(patch.simulate(scenario, patch.POLICIES[label])).data

    for control in patch.CONTROLS:
        for stop in control.stops if control.matters else ():
            value = PRESETS[stop] if control.field == "machine" else stop
            try:
                scenario = patch.Scenario(**{control.field: value})
            except ValueError:
                continue  # a scenario that cannot be
            labels = patch.POLICIES if stop in (control.stops[0], control.stops[-1]) else pair
            yield f"{control.field} {stop}", {label: drawn(scenario, label) for label in labels}, pair


def mounted(page, story, step=1):
    page.evaluate(
        "([story, step]) => { document.getElementById('at').replaceChildren(); const kept = {};"
        " window.kept = kept; window.stepper = mountStory(document.getElementById('at'), story,"
        " {keep: (key, i) => { kept[key] = i }, kept: (key) => kept[key]}); stepper.to(step) }",
        [story.data, step],
    )


def frames_of(story):
    """What is said at each step of each kernel."""
    return [[frames[i].say for frames, i in zip(story.tracks.values(), step)] for step in story.steps]


# ---- pictures ----


@pytest.mark.parametrize("width", WIDTHS)
def test_words_are_readable_inside_and_on_nothing_else(sheet, forms, width):
    found = sheet.evaluate(
        "([forms, width]) => Object.entries(forms).flatMap(([name, panels]) => [true, false].flatMap((full) =>"
        " faults(layout(panels, width, {full})).map((fault) => `${name}: ${fault}`)))",
        [forms, width],
    )
    assert found == []


@pytest.mark.parametrize("width", WIDTHS)
def test_so_are_the_words_of_every_frame(sheet, width):
    for story in (storm(), two_threads()):
        found = sheet.evaluate(
            "([story, width]) => { const at = document.getElementById('at'); at.replaceChildren();"
            " at.style.width = width + 'px'; const { stepper } = mountStory(at, story); at.style.width = '';"
            " return stepper.tracks.flatMap((track, t) => track.frames.flatMap((frame, n) =>"
            " faults(stepper.pictureOf(t, frame)).map((fault) => `${track.name} ${n}: ${fault}`))) }",
            [story.data, width],
        )
        assert found == [], story.title


@pytest.mark.parametrize("width", [848, 560, 275, 240])
def test_a_rings_names_stand_clear_of_it_wherever_the_head_is(sheet, width):
    rings = [ring("inactive list", [("D", n) for n in range(count)], 24) for count in range(1, 25)]
    states = {"D": ["dirty", "attention"]}
    found = sheet.evaluate(
        """([rings, states, width]) => rings.flatMap((ring, n) => {
        const picture = layout([["", {states, groups: [ring]}]], width, {legend: false});
        const free = flat(picture.items), cells = picture.items.filter((item) => item.kind === "g").map((g) => g.at);
        const texts = free.filter((item) => item.kind === "text" && /tail$|head$/.test(item.key));
        const outer = Math.min(width / 2 - 22, 128), cy = outer + 34, cx = width / 2;
        return texts.filter(({box}) => { const dx = Math.max(box[0] - cx, cx - box[2], 0), dy = Math.max(box[1] - cy, cy - box[3], 0);
          return Math.hypot(dx, dy) < outer - 1 || box[0] < -1 || box[2] > width + 1; }).map((t) => `${n + 1} cells: ${t.text}`)
          .concat(overlap(texts[0].box, texts[1].box) ? [`${n + 1}: head on tail`] : []); })""",
        [rings, states, width],
    )
    assert found == []


def test_the_page_and_python_say_the_same_title(sheet, forms):
    labels = ["unpatched", "patched (hole)", "today: a setting", "what if: no bit", "fix 1", "later (form 2)", ""]
    waits = {"clause": ["waits 2 min 44 s for 32 pages", "waits 2 min"], "both": ["wait long", "wait"], "alt": "A."}
    made = [
        [[label, waits if n % 2 else {"clause": "goes on", "alt": "B."}] for n, label in enumerate(labels[:most])]
        for most in range(1, 8)
    ]
    made += [[[label, waits] for label in labels[:3]], [["", {"title": ["A map of all", "A map"], "alt": "C."}]]]
    for panels in [*forms.values(), *made]:
        said = sheet.evaluate("(panels) => [titleOf(panels), altOf(panels)]", panels)
        assert said == [title(panels), alt(panels)]


def test_a_name_stands_only_where_its_own_line_is_nearest(sheet, forms):
    wrong = sheet.evaluate(
        """(panels) => [848, 560, 366].flatMap((width) => { const items = layout(panels, width).items;
        const lines = items.filter((item) => item.join);
        return items.filter((item) => item.kind === "text" && lines.some((line) => line.own === item.own)).filter((text) => {
          const far = (line) => away(text.box, samplesOf(line.points));
          const near = far(lines.find((line) => line.own === text.own));
          const panel = text.key.split("/")[0];
          return lines.some((line) => line.own !== text.own && line.key.startsWith(panel + "/") && far(line) < near * 1.6);
        }).map((text) => `${width}: ${text.text}`); })""",
        forms["swap"],
    )
    assert wrong == []


def test_kernels_share_the_axis_and_the_longer_one_chooses_the_unit(sheet, forms):
    axis = sheet.evaluate(
        "(panels) => { const a = sharedAxes(panels.map((p) => p[1])).get('time'); return [a.to, ticksOf(a, 800)] }",
        forms["swap"],
    )
    assert axis[0] == 292 and axis[1][-1][1].endswith(" min")


@pytest.mark.parametrize("unit", ["B", "s", "", "%", "hex", "page"])
def test_every_axis_has_two_ticks(sheet, unit):
    """However long it is and however little room it has: one tick alone tells no scale."""
    alone = sheet.evaluate(
        """([unit, ends]) => ends.flatMap((to) => [[90, 44], [96, 44], [366, 70], [848, 70]].map(([room, least]) =>
        [to, ticksOf({ from: 0, to, unit }, room, least).length])).filter(([, n]) => n < 2 || n > 13)""",
        [unit, [1.01**n for n in range(3200)]],
    )
    assert alone == []


def test_a_prediction_and_the_last_position_are_drawn_on_the_shared_axis(sheet, forms):
    keys = sheet.evaluate(
        "([panels, options]) => flat(layout(panels, 848, options).items).map((item) => [item.key, item.text || ''])",
        [
            forms["swap"],
            {
                "prediction": {"axis": "time", "at": 77, "words": ["your prediction: 77 s", "77 s"]},
                "was": [forms["swap"][1], ["another kernel", forms["swap"][0][1]]],
            },
        ],
    )
    assert [text for key, text in keys if key.endswith("guess.words")] == ["your prediction: 77 s"] * 2
    was = [key for key, _ in keys if ".was" in key]
    assert len(was) == 2, "two lines of the last position, in the panel of the kernel that they are of"
    assert all(key.startswith(f"{forms['swap'][1][0]}/") for key in was)


def test_the_line_of_the_last_position_stays_in_the_chart(sheet, forms):
    label, scene = forms["swap"][0]
    far = json.loads(json.dumps(scene))
    for line in [line for group in far["groups"] if group["as"] == "chart" for line in group["lines"]]:
        line[1] = [[3 * x, 3 * y] for x, y in line[1]]
    lines, last = sheet.evaluate(
        "([panels, was]) => { const { items } = layout(panels, 848, { was }); const boxOf = (what) => { const at ="
        " flat(items).filter((item) => item.points && what.test(item.key)).flatMap((item) => item.points);"
        " return [0, 1].map((i) => [Math.min, Math.max].map((f) => f(...at.map((point) => point[i])))) };"
        " return [boxOf(/\\.(line|rule)\\d/), boxOf(/\\.was\\d/)] }",
        [[[label, scene]], [[label, far]]],
    )
    assert all(low <= was[0] + 12 and was[1] <= high + 12 for (low, high), was in zip(lines, last)), (lines, last)


def test_no_picture_has_a_blank_band(sheet, forms):
    wide = sheet.evaluate(
        """(forms) => Object.entries(forms).flatMap(([name, panels]) => [848, 366].flatMap((width) => {
        const picture = layout(panels, width), spans = flat(picture.items).flatMap((item) => item.kind === "rect" ? [[item.y, item.y + item.h]]
          : item.kind === "text" ? [[item.box[1], item.box[3]]] : item.points ? [[Math.min(...item.points.map((p) => p[1])), Math.max(...item.points.map((p) => p[1]))]] : []);
        let low = 0, gap = 0;
        for (const [top, bottom] of spans.sort((a, b) => a[0] - b[0])) { gap = Math.max(gap, top - low); low = Math.max(low, bottom); }
        return gap > picture.height * 0.12 && gap > 40 ? [`${name} ${width}: ${Math.round(gap)} of ${picture.height}`] : [] }))""",
        forms,
    )
    assert wide == []


def test_a_drawing_has_ids_of_its_own_and_says_what_it_shows(sheet, forms):
    ids, roles = sheet.evaluate(
        """(forms) => { const at = document.getElementById('at'); at.replaceChildren();
        for (const panels of Object.values(forms)) mountPanels(at, {panels});
        return [[...at.querySelectorAll('[id]')].map((node) => node.id),
                [...at.querySelectorAll('svg')].map((svg) => [svg.querySelector('title').textContent, svg.querySelector('desc').textContent])] }""",
        forms,
    )
    assert len(ids) == len(set(ids))
    for (name, panels), (said, told) in zip(forms.items(), roles):
        assert said == title(panels), name
        assert told.startswith(said) and all(scene["alt"] in told for _, scene in panels)


def test_a_picture_takes_the_width_it_is_given(sheet, forms):
    widths = sheet.evaluate(
        """async (panels) => { const at = document.getElementById('at'); at.replaceChildren(); const seen = [];
        const picture = mountPanels(at, {panels});
        for (const width of [848, 366]) { at.style.width = width + 'px'; await new Promise((go) => setTimeout(go, 120));
          seen.push([picture.svg.getBoundingClientRect().width, at.scrollWidth]); }
        at.style.width = ''; return seen }""",
        forms["swap"],
    )
    assert widths == [[848, 848], [366, 366]]


def test_a_picture_is_drawn_again_without_a_layout_of_the_page(sheet, forms):
    panels = next(iter(forms.values()))
    found = sheet.evaluate(
        """async (panels) => { const at = document.getElementById('at'); at.replaceChildren();
        const frames = async () => { for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame); };
        const drawn = mountPanels(at, {panels}); await frames();
        const width = Object.getOwnPropertyDescriptor(Element.prototype, 'clientWidth'); let asked = 0;
        Object.defineProperty(Element.prototype, 'clientWidth', { get() { asked++; return width.get.call(this); } });
        drawn.update({panels}); Object.defineProperty(Element.prototype, 'clientWidth', width);
        drawn.destroy(); return asked }""",
        panels,
    )
    assert found == 0


def test_a_box_of_a_map_sets_the_explorer(sheet, forms):
    sheet.evaluate(
        "(panels) => { const at = document.getElementById('at'); at.replaceChildren(); window.chosen = []; mountPanels(at, {panels, onSets: (v) => chosen.push(v)}) }",
        forms["table"],
    )
    sheet.locator("[data-sets]").nth(8).click()
    sheet.locator("[data-sets]").nth(0).focus()
    sheet.keyboard.press("Enter")
    assert sheet.evaluate("chosen") == [{"machine": "8 GB"}, {"machine": "32 MB"}]


def test_a_stored_picture_stands_alone(sheet, forms):
    text = sheet.evaluate("(panels) => svgText(panels, 848, {title: true})", forms["swap"])
    assert text.startswith("<svg") and "--vm-promised: #A24416" in text and "vm-paper" in text
    shown = sheet.evaluate(
        "async (text) => { const image = new Image(); image.src = 'data:image/svg+xml;utf8,' + encodeURIComponent(text);"
        " await image.decode(); return [image.naturalWidth, image.naturalHeight > 200] }",
        text,
    )
    assert shown == [848, True]


# ---- the chapters ----


@pytest.mark.parametrize("stem", DRAWN)
def test_a_chapters_picture_is_readable_at_every_stop(sheet, stem):
    found, titles = [], []
    for where, runs, pair in stops(stem):
        panels = [[[label, runs[label]] for label in pair], *([[label, data]] for label, data in runs.items())]
        titles += [(where, title(each)) for each in panels]
        found += sheet.evaluate(
            "([panels, widths, where]) => panels.flatMap((each) => widths.flatMap((width) => [true, false].flatMap((full) =>"
            " faults(layout(each, width, {full})).map((fault) => `${where}, ${each.map((p) => p[0])}, ${width}: ${fault}`))))",
            [panels, list(WIDTHS), where],
        )
    assert found == []
    assert [(where, said) for where, said in titles if len(said) > 90] == []


@pytest.mark.parametrize("stem", DRAWN)
def test_a_picture_of_all_kernels_at_once_is_readable_and_names_each(sheet, stem):
    patch = importlib.import_module(f"vmteach.patches.{stem}")
    scenario = patch.Scenario(machine="256 MB") if stem == "shm_big_iron" else patch.Scenario()  # a small storm
    panels = [[name, CHAPTERS[stem].scene(patch.simulate(scenario, it)).data] for name, it in patch.POLICIES.items()]
    found = sheet.evaluate(
        "([panels, widths]) => widths.flatMap((width) => [true, false].flatMap((full) =>"
        " faults(layout(panels, width, {full})).map((fault) => `${width}: ${fault}`)))",
        [panels, list(WIDTHS)],
    )
    assert found == []
    told = alt(panels).lower()
    assert [name for name, _ in panels if name.split(":")[-1].strip(" )").split("(")[-1].lower() not in told] == []


@pytest.mark.parametrize("stem", TOLD)
def test_a_chapters_story_is_readable_at_every_step(sheet, stem):
    for story in stories(CHAPTERS[stem]):
        for width in WIDTHS:
            found = sheet.evaluate(
                "([story, width]) => { const at = document.getElementById('at'); at.replaceChildren();"
                " at.style.width = width + 'px'; const { stepper } = mountStory(at, story); at.style.width = '';"
                " return stepper.tracks.flatMap((track, t) => track.frames.flatMap((frame, n) =>"
                " [...faults(stepper.pictureOf(t, frame)), ...nameless(stepper.pictureOf(t, frame))]"
                ".map((fault) => `${track.name} ${n}: ${fault}`))) }",
                [story, width],
            )
            assert found == [], (story["name"], width)


# ---- the stepper ----


def test_the_live_region_says_the_frames_sentence_at_every_step(sheet):
    for story in (storm(), two_threads()):
        mounted(sheet, story)
        told = sheet.evaluate(
            "(most) => Array.from({length: most}, (_, n) => { stepper.to(n + 1); return document.querySelector('.vm-say').textContent })",
            len(story.steps),
        )
        assert sheet.locator(".vm-say").get_attribute("aria-live") == "polite"
        for n, (text, said) in enumerate(zip(told, frames_of(story))):
            for t, one in enumerate(said):
                moved = n == 0 or story.steps[n][t] != story.steps[n - 1][t]
                parts = [part.strip() for part in one.replace("**", "").split(". ")]
                assert not moved or all(part.rstrip(".").casefold() in text.casefold() for part in parts), (n, text)


SENTENCES = """([story, width]) => { const at = document.getElementById('at'); at.replaceChildren();
  at.style.width = width + 'px'; const stepper = mountStory(at, story), said = at.querySelector('.vm-say');
  const told = story.steps.map((_, n) => { stepper.to(n + 1); return said.textContent });
  stepper.destroy(); at.style.width = ''; return told }"""


@pytest.mark.parametrize("stem", TOLD)
def test_every_step_says_what_happens_to_each_kernel_that_moves(sheet, stem):
    """Beside each other, all of them, in one voice; on a phone the one that is shown, also when it has ended."""
    for story in stories(CHAPTERS[stem]):
        before = [None] * len(story["tracks"])
        for step, wide, narrow in zip(story["steps"], *(sheet.evaluate(SENTENCES, [story, w]) for w in (840, 366))):
            for t, (track, at) in enumerate(zip(story["tracks"], step)):
                parts = re.split(r"(?<=[.?!]) ", re.sub(r"[*`]", "", track["frames"][at]["say"]).casefold())
                missing = [part for part in parts if part not in wide.casefold()]
                assert before[t] == at or not missing, (story["name"], wide, missing)
                assert t or all(part in narrow.casefold() for part in parts), (story["name"], narrow)
            assert not re.search(r"(^|\. )(Unp|P)atched[^.:]*: [A-Z][a-z]+ ", wide), wide
            before = step


def test_keys_act_inside_the_stepper_only(sheet):
    mounted(sheet, storm())
    step = lambda: sheet.evaluate("stepper.at()[0]")  # noqa: E731
    sheet.locator("#out").focus()
    sheet.keyboard.press("ArrowRight")
    sheet.keyboard.press("End")
    assert step() == 1
    sheet.locator(".vm-scrub input").focus()
    for key, expected in (
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("PageDown", 3),
        ("PageDown", 5),
        ("PageUp", 3),
        ("End", 31),
        ("Home", 1),
    ):
        sheet.keyboard.press(key)
        assert step() == expected, key
    sheet.keyboard.press("Tab")
    assert sheet.evaluate("document.activeElement.closest('.vm-scrub') === null")
    heard = sheet.evaluate(
        "() => { let heard = 0; const listen = () => { heard++ }; document.addEventListener('keydown', listen);"
        " document.querySelector('.vm-next').dispatchEvent(new KeyboardEvent('keydown', {key: 'b', bubbles: true}));"
        " document.removeEventListener('keydown', listen); return heard }"
    )
    assert heard == 0  # a notebook would take a letter for a command


def test_the_scrub_bar_says_where_it_stands(sheet):
    mounted(sheet, storm(), 11)
    bar = sheet.locator(".vm-scrub input")
    assert bar.get_attribute("aria-valuetext") == "step 11 of 31: The scan takes page 14 from the tail."
    assert bar.input_value() == "11"


def test_space_plays_and_play_stops_at_the_question(sheet):
    mounted(sheet, storm(), 9)
    sheet.evaluate("stepper.stepper.speed = 30")
    sheet.locator(".vm-scrub input").focus()
    sheet.keyboard.press(" ")
    sheet.wait_for_function("stepper.at()[0] === 11 && !stepper.stepper.timer", timeout=5000)
    sheet.wait_for_timeout(150)
    assert sheet.evaluate("stepper.at()[0]") == 11


def test_play_stops_at_an_ending_and_while_it_plays_only_marks_are_read_out(sheet):
    mounted(sheet, storm(), 12)
    live = sheet.evaluate(
        """async () => { const seen = []; stepper.stepper.speed = 20; stepper.stepper.api.onStep = (n) => seen.push([n, document.querySelector('.vm-say').getAttribute('aria-live')]);
        stepper.stepper.play(); await new Promise((go) => { const wait = () => (stepper.stepper.timer ? setTimeout(wait, 20) : go()); wait(); }); return seen }"""
    )
    assert live[-1][0] == 19  # where the patched kernel ends
    assert {n for n, how in live if how == "polite"} <= {n + 1 for n, _ in storm().marks}


def test_a_question_is_answered_once_and_kept(sheet):
    mounted(sheet, storm(), 10)
    assert sheet.locator(".vm-ask").count() == 0
    sheet.keyboard.press("Tab")
    sheet.evaluate("stepper.to(11)")
    sheet.locator(".vm-ask button").nth(0).click()
    assert sheet.locator(".vm-ask [role=status]").inner_text().startswith("The run is longer. All 12")
    assert sheet.evaluate("Object.values(kept)") == [0]
    sheet.evaluate("stepper.to(12)")
    assert sheet.locator(".vm-ask").count() == 0
    sheet.evaluate("stepper.to(11)")
    assert sheet.locator(".vm-ask [data-answer=wrong]").inner_text() == "6"


def test_a_cell_that_stays_moves_and_jumps_for_those_who_asked_for_less_motion(sheet):
    mounted(sheet, storm(), 11)
    look = """() => { const node = document.querySelector('[data-cell$="cell.14"]'); const before = getComputedStyle(node).transform;
      stepper.to(12); const same = node === document.querySelector('[data-cell$="cell.14"]');
      return [same, getComputedStyle(node).transform === before, getComputedStyle(node).transitionDuration] }"""
    assert sheet.evaluate(look) == [True, True, "0.25s"]  # the same node, on its way
    sheet.emulate_media(reduced_motion="reduce")
    mounted(sheet, storm(), 11)
    same, still, duration = sheet.evaluate(look)
    sheet.emulate_media(reduced_motion="no-preference")
    assert same and not still and duration == "0s"


def test_with_less_motion_what_changed_keeps_a_thick_edge(sheet):
    thick = "(n) => { stepper.to(n); return [...document.querySelectorAll('.vm-panel:nth-child(2) [data-cell]')].filter((g) => g.querySelector('[stroke-width=\"3\"]')).map((g) => g.dataset.cell.split('.').pop()) }"
    mounted(sheet, storm())
    assert sheet.evaluate(thick, 12) == ["15"]  # the page that is taken
    sheet.emulate_media(reduced_motion="reduce")
    assert sheet.evaluate(thick, 12) == ["13", "15"]  # and the one whose write has ended
    sheet.emulate_media(reduced_motion="no-preference")


def test_a_kernel_that_has_ended_keeps_its_last_frame_and_says_so(sheet):
    mounted(sheet, storm(), 25)
    names = sheet.locator(".vm-panel .vm-name")
    assert names.nth(0).inner_text() == "Unpatched kernel"
    assert "finished" in names.nth(1).inner_text()


def test_the_step_stands_in_the_address(browser):
    page = browser.new_page()
    page.set_content(f"<title>x</title><div id=at></div><script>{script.script()}</script>")
    page.evaluate(
        "(stories) => { location.hash = '#watch-8-13'; window.stepper = mountStory(document.getElementById('at'), stories, {address: 'watch-8'}) }",
        [storm().data, two_threads().data],
    )
    assert page.evaluate("stepper.at()") == [13, 0]
    page.evaluate("stepper.to(14)")
    assert page.evaluate("location.hash") == "#watch-8-14"
    page.evaluate("stepper.to(3, 1)")
    assert page.evaluate("location.hash") == "#watch-8-2-3"
    page.evaluate("location.hash = '#watch-8-5'")
    page.wait_for_function("stepper.at()[0] === 5 && stepper.at()[1] === 0")
    page.close()


def test_on_a_phone_one_kernel_is_shown_and_the_numbers_of_both(sheet):
    sheet.set_viewport_size({"width": 390, "height": 844})
    mounted(sheet, storm(), 11)
    sheet.wait_for_timeout(100)
    assert sheet.locator(".vm-panel:visible").count() == 1
    assert sheet.locator(".vm-both tbody tr").count() == 2
    assert sheet.locator(".vm-rules li:visible code").all_inner_texts() == ["shrink_cache", "shmem_writepage"]
    assert sheet.evaluate("document.documentElement.scrollWidth") <= 390
    heights = sheet.evaluate(
        "[...document.querySelectorAll('.vm-controls button')].map((b) => b.getBoundingClientRect().height).filter(Boolean)"
    )
    assert min(heights) >= 46
    sheet.locator(".vm-switch button").nth(1).click()
    assert "its write starts at once" in sheet.locator(".vm-say").inner_text()
    assert "swap_writepage" in sheet.locator(".vm-rules li:visible code").all_inner_texts()
    sheet.evaluate("stepper.to(99)")  # it has ended long before: what it says, and its rule, are of its last step
    assert re.match(r"Finished at step \d+\. ", sheet.locator(".vm-say").inner_text())
    assert sheet.locator(".vm-rules li:visible .vm-chip").all_inner_texts() == ["patched"]
    sheet.set_viewport_size({"width": 900, "height": 1000})


def test_paper_has_at_most_four_frames_with_their_sentences(sheet):
    mounted(sheet, storm(), 11)
    sheet.emulate_media(media="print")
    frames = sheet.locator(".vm-paper-frames figure:visible")
    assert frames.count() == 4 and not sheet.locator(".vm-controls").is_visible()
    assert frames.nth(0).inner_text().startswith("Step 3. A clean file page is freed at once.")
    sheet.emulate_media(media="screen")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(sheet, axe, forms, theme):
    sheet.emulate_media(color_scheme=theme)
    mounted(sheet, storm(), 11)
    sheet.evaluate(
        "(forms) => { for (const panels of Object.values(forms)) mountPanels(document.getElementById('at'), {panels}) }",
        forms,
    )
    findings = axe.run(sheet, options={"resultTypes": ["violations"]}).response["violations"]
    sheet.emulate_media(color_scheme="light")
    assert [(one["id"], [node["html"][:90] for node in one["nodes"][:3]]) for one in findings] == []


def test_forced_colours_leave_ink_on_paper(sheet, forms):
    sheet.emulate_media(forced_colors="active")
    sheet.evaluate(
        "(panels) => { const at = document.getElementById('at'); at.replaceChildren(); mountPanels(at, {panels}) }",
        forms["sectors"],
    )
    fills = sheet.evaluate(
        "() => ['.vm-paper', 'text'].map((what) => getComputedStyle(document.querySelector('.vm-figure svg ' + what)).fill)"
    )
    sheet.emulate_media(forced_colors="none")
    assert fills == ["rgb(255, 255, 255)", "rgb(27, 27, 27)"]


def test_the_script_is_small_and_plain():
    text = script.script()
    assert (
        text.isascii()
        and "import " not in text.split("\n", 2)[2][:200]
        and "http" not in text.replace("http://www.w3.org/2000/svg", "")
    )
    assert len(json.dumps(storm().data)) < 30_000
