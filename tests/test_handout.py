"""Handouts: what is stored, what is cleaned away, what stops a build. (In a browser: test_handout_browser.py)"""

import base64
import gzip
import json
import os
import re
import sys
from html import escape

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vmteach import handout
from vmteach.exercises import chapter, marked
from vmteach.figures import scsi_deadlock as scsi_figure
from vmteach.handout import BuildError, build, build_one, bundles, execute, key_of, main, page
from vmteach.handout.stored import Stored, layers
from vmteach.lab.explorer import explore
from vmteach.patches import scsi_deadlock

FACTS = {"version": "0", "date": "1 May 2026", "key": "k", "where": "", "links": ""}


def rendered(*cells) -> str:
    return page.handout(new_notebook(cells=list(cells)), FACTS)[1]


def body(*cells) -> str:
    return re.search("<main.*?</main>", rendered(*cells), re.S)[0]


def written(folder, *cells, name="01_blkdev_eof"):
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def opened(data: str):
    """The header, and each run as it is stored: as page.js reads them."""
    header, *lines = gzip.decompress(base64.b64decode(data)).decode().split("\n")
    return json.loads(header), [json.loads(line) for line in lines]


# ---- the runs that are stored


@pytest.fixture(scope="module")
def stored():
    explorer = explore(scsi_deadlock, scsi_figure)
    goals = [judge.goal for judge in explorer.judges]
    return explorer, goals, opened(Stored(explorer.stage, explorer.at, goals).bundle()["data"])


def test_every_stored_run_is_what_the_explorer_shows(stored):
    explorer, _, (header, lines) = stored
    assert len(header["positions"]) == 120
    for key, runs in header["positions"].items():
        at = {**dict(zip(header["fields"], map(int, key.split(",")))), "policies": list(explorer.stage.labels)}
        shown = explorer.stage.drawn(at)
        panels = [[label, lines[line]["scene"]] for label, line in zip(explorer.stage.labels, runs)]
        assert panels == json.loads(json.dumps(shown["panels"]))
        for name, *cells in shown["rows"]:
            assert [dict(lines[line]["rows"])[name] for line in runs] == cells


def test_every_stored_verdict_is_what_the_goal_says(stored):
    explorer, goals, (header, _) = stored
    outcomes = set()
    for key, said in header["said"].items():
        at = dict(zip(header["fields"], map(int, key.split(","))))
        for i, goal in enumerate(goals):
            shown = {**at, "policies": list(goal.needs)}
            verdict = goal.verdict(explorer.stage.state(shown), explorer.stage.numbers(shown))
            outcome, html = header["verdicts"][i][said[i]]
            assert outcome == verdict.outcome and marked(verdict.message) in html
            outcomes.add(outcome)
    assert outcomes == {"right", "not yet"}


def test_equal_runs_are_stored_once(stored):
    _, _, (header, lines) = stored
    assert len({json.dumps(line) for line in lines}) == len(lines)
    assert len(lines) < len(header["positions"]) * len(scsi_deadlock.POLICIES) / 2


def test_what_does_not_fit_is_left_out_by_whole_layers_and_said():
    explorer = explore(scsi_deadlock, scsi_figure)
    explorer.set(machine="4 GB")
    first, *_ = layers(explorer.stage, explorer.at)
    axes = set(first.positions)
    kept = Stored(explorer.stage, explorer.at, most=len(axes) * len(explorer.stage.labels))
    assert set(kept.positions) == axes and kept.where == [first.words]
    assert tuple(explorer.at[field] for field in explorer.stage.controls) in kept.positions
    assert kept.said_where().startswith(f"This page stores {len(axes)} positions of the controls, with every kernel: ")
    assert "all 120 positions" in Stored(explorer.stage, explorer.at).said_where()


def test_a_control_that_cannot_matter_does_not_multiply_the_positions(stored):
    explorer, _, (header, _) = stored
    idle = [header["fields"].index(field) for field, c in explorer.stage.controls.items() if not c.matters]
    assert idle and all(len({key.split(",")[i] for key in header["positions"]}) == 1 for i in idle)


def test_storing_leaves_the_readers_explorer_where_it_is():
    explorer = explore(scsi_deadlock, scsi_figure)
    explorer.set(machine="1 GB")
    heard = []
    explorer.observe(heard.append, "at")
    bundle = bundles.explorer(explorer)
    assert explorer.state["machine"] == "1 GB" and heard == []
    assert bundle["still"]["finding"] == explorer.finding and bundle["still"]["alt"] == explorer.alt
    header, _ = opened(bundle["data"])
    at = [spelled == "machine=PRESETS['1 GB']" for spelled in header["code"]["spelled"]["machine"]]
    assert not any(at) and "PRESETS['1 GB']" in header["code"]["spelled"]["machine"]


def test_runs_that_are_too_heavy_are_refused(monkeypatch):
    monkeypatch.setattr("vmteach.handout.stored.HEAVIEST", 1000)
    explorer = explore(scsi_deadlock, scsi_figure)
    with pytest.raises(ValueError, match="characters, not 1,000: store fewer runs"):
        Stored(explorer.stage, explorer.at, most=100).bundle()


# ---- cleaning


HOSTILE = """# Hello <img src=x onerror="alert(1)">

<script>alert(2)</script> <a href="javascript:alert(3)">a</a> [b](javascript:alert(4)) <p onclick="alert(5)">c</p>

<iframe src="https://example.org"></iframe><style>@import url(https://example.org/x.css)</style>
<p style="background: url(https://example.org/x.png); color: red">d</p>
<svg aria-label="x"><script>alert(6)</script><a xlink:href="javascript:alert(7)"><text>e</text></a></svg>
<details open ontoggle=alert(8)><summary>f</summary>g</details>
<form action="https://example.org"><input autofocus onfocus=alert(9)></form>
<math><mtext><img src="https://example.org/y.png" onerror=alert(1)></mtext></math>
![h](https://example.org/z.png)
"""
HOSTILE_OUTPUTS = [
    new_output("display_data", {"text/html": HOSTILE}),
    new_output(
        "display_data", {"image/svg+xml": '<svg aria-label="s" onload="alert(1)"><script>alert(2)</script></svg>'}
    ),
    new_output("display_data", {"application/javascript": "alert(3)", "text/plain": "<script>alert(4)</script>"}),
    new_output("display_data", {"text/markdown": HOSTILE}),
    new_output("stream", name="stdout", text="<script>alert(5)</script>"),
]


def test_what_could_run_or_ask_is_gone():
    code = new_code_cell('print("<script>alert(0)</script>")', outputs=HOSTILE_OUTPUTS)
    found = body(new_markdown_cell(HOSTILE), code)
    tags = re.findall(r"<[^>]*>", found)
    assert not [
        tag for tag in tags if re.search(r"<script|<iframe|<form|<input|<style|\son\w+=|javascript:", tag, re.I)
    ]
    assert not [tag for tag in tags if "example.org" in tag]
    assert "&lt;script&gt;alert(5)" in found and "&lt;script&gt;alert(4)" in found  # text stays text
    assert "<p>d</p>" in found


@pytest.mark.parametrize(
    "style",
    [
        "background: url(//a/b)",
        "background:URL('//a/b')",
        r"background: u\72l(//a/b)",
        "background: image-set('//a/b')",
    ],
)
def test_styles_that_would_ask_are_gone(style):
    assert page.clean(f'<p style="{style}">a</p>') == "<p>a</p>"
    assert page.clean('<p style="color: red; fill: url(#a)">a</p>') == '<p style="color: red; fill: url(#a);">a</p>'


def test_runs_that_are_not_base64_are_refused():
    still = {"finding": "", "alt": "", "labels": [], "rows": []}
    bundle = {"data": "</script><script>alert(1)", "stem": "mremap", "where": "", "still": still}
    with pytest.raises(ValueError, match="the runs of an explorer must be base64"):
        body(new_code_cell("x", outputs=[new_output("display_data", {page.EXPLORER: bundle})]))


def test_the_policy_names_this_style_and_this_script():
    text = rendered(new_markdown_cell("# A"))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'none'; style-src 'sha256-")
    assert "unsafe-eval" not in policy and "http" not in policy
    assert "<script" not in text


# ---- what the reader gets


def test_tables_have_headers_with_a_scope_and_no_empty_ones():
    markdown = "| | |\n|---|---|\n| **entry** | a |\n| **level** | b |\n"
    frame = (
        "<table class='dataframe' border=1><thead><tr><th></th><th>x</th></tr></thead><tbody><tr><th>0</th><td>1</td>"
    )
    found = body(
        new_markdown_cell(markdown),
        new_code_cell("x", outputs=[new_output("display_data", {"text/html": f"{frame}</tr></tbody></table>"})]),
    )
    assert '<th scope="row"><strong>entry</strong></th>' in found
    assert '<td></td><th scope="col">x</th>' in found and '<th scope="row">0</th>' in found
    assert not re.search(r"<th[^>]*>\s*</th>", found)


def test_folds_have_their_answer_on_the_last_page():
    fold = "<details><summary>Why does `so` stay 0?</summary>\n\nBecause **nothing** is written.\n</details>"
    found = body(new_markdown_cell(f"# A\n\n{fold}"))
    assert found.count("Because <strong>nothing</strong> is written.") == 2
    assert '<summary data-answer="1">Why does <code>so</code> stay 0?</summary>' in found
    assert "<strong>1. Why does so stay 0?</strong>" in found


def test_formulas_become_mathml_and_what_cannot_stops():
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in body(new_markdown_cell("where $x^2$"))
    assert '<math display="block"' in body(new_markdown_cell("$$\\frac{a}{b}$$"))
    for source in ("\\nosuch{a}", "a^"):
        with pytest.raises(ValueError, match=r"cell sums: the formula .* cannot be shown"):
            body(new_markdown_cell(f"${source}$", id="sums"))


def test_an_output_without_a_word_leaves_nothing():
    blank = [new_output("display_data", {"text/plain": ""}), new_output("stream", name="stdout", text=" \n")]
    assert 'class="output"' not in body(new_code_cell("x", outputs=blank))


def test_a_figure_without_a_table_says_its_words_in_a_fold():
    figure = '<figure><svg role="img" aria-label="Two lines &lt; three."></svg></figure>'
    found = body(new_code_cell("x", outputs=[new_output("display_data", {"text/html": figure})]))
    assert "<summary>The picture in words</summary><p>Two lines &lt; three.</p>" in found


@pytest.mark.parametrize(
    "data",
    [
        {"image/png": "iVBORw0KGgo="},
        {"text/html": '<img src="data:image/png;base64,iVBORw0KGgo=">'},
        {"text/html": "<svg></svg>"},
        {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "IntSlider()"},
    ],
)
def test_what_a_handout_cannot_tell_stops_the_build(data):
    with pytest.raises(ValueError, match="cell bare shows a"):
        body(new_code_cell("x", id="bare", outputs=[new_output("display_data", data)]))


def test_links_between_notebooks_lead_to_handouts():
    found = body(new_markdown_cell("[a](08_shm_big_iron.ipynb) [b](../data/README.md) [c](https://lwn.net/)"))
    assert '<a href="08_shm_big_iron.html">a</a>' in found and '<a href="https://lwn.net/">c</a>' in found
    assert " b " in found


def test_the_footer_says_version_date_kernel_and_what_is_left_out():
    text = rendered(new_markdown_cell("# A"), new_markdown_cell("**What the model leaves out**, and why"))
    footer = re.search("<footer>.*?</footer>", text, re.S)[0]
    assert "vmteach 0, built on 1 May 2026" in footer and "2.4.23aa2" in footer
    assert '<a href="#left-out">' in footer and '<p id="left-out">' in text
    assert "left-out" not in rendered(new_markdown_cell("# A"))


# ---- the build


def test_a_cell_that_raises_stops_the_build_and_is_named(tmp_path, capsys, monkeypatch):
    written(tmp_path, new_markdown_cell("# A"), new_code_cell("x = 1"), new_code_cell("x.y", id="bad-one"))
    message = "01_blkdev_eof.ipynb: cell bad-one raised AttributeError: 'int' object has no attribute 'y'"
    with pytest.raises(BuildError, match=re.escape(message)):
        build_one(tmp_path / "01_blkdev_eof.ipynb", tmp_path)
    assert not list(tmp_path.glob("*.html"))


def test_the_command_says_why_there_is_no_handout(tmp_path, capsys):
    assert main(["13_nothing", "--target", str(tmp_path)]) == 1
    assert "chapter must be one of" in capsys.readouterr().err


def test_the_kernels_of_a_build_share_what_they_compile(tmp_path, monkeypatch):
    """With no bytecode beside sources each kernel would compile every package again: half of its start."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "editions" / "teacher" / "notebooks"
    folder.mkdir(parents=True)
    written(folder, new_code_cell("import sys, nbformat\nprint(sys.dont_write_bytecode, bool(nbformat.__cached__))"))
    assert main(["--edition", "teacher", "--target", str(tmp_path / "out"), "--jobs", "1"]) == 0
    (page,) = (tmp_path / "out").glob("01_*.html")
    assert ">False True</pre>" in page.read_text(encoding="utf-8")
    assert (os.environ["PYTHONDONTWRITEBYTECODE"], os.environ["PYTHONPYCACHEPREFIX"]) == ("1", "")


def test_an_unchanged_chapter_is_not_built_again(tmp_path):
    first = written(tmp_path, new_markdown_cell("# A < B"), new_code_cell("print(6 * 7)"))
    told = []
    (anew,) = build(source=tmp_path, target=tmp_path / "out", tell=lambda *what: told.append(what))
    assert (anew.title, anew.anew) == ("A < B", True)
    assert told == [(0, 1, "01_blkdev_eof"), (1, 1, "")]
    assert ">42</pre>" in anew.file.read_text(encoding="utf-8")
    (same,) = build(source=tmp_path, target=tmp_path / "out")
    assert (same.title, same.anew) == ("A < B", False)
    assert 'href="01_blkdev_eof.html">A &lt; B</a>' in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    key = key_of(first)
    written(tmp_path, new_markdown_cell("# C"))
    assert key_of(first) != key


def test_the_key_follows_what_the_cells_loaded_what_pages_are_made_of_data_and_versions(tmp_path, monkeypatch):
    project = tmp_path / "project"
    made_of = ("vmteach/run.py", "vmteach/exercises/a.md", "vmteach/lab/page.css", "data/x.csv")
    for name in (*made_of, "vmteach/patches/another.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("1")
    notebook = written(tmp_path, new_markdown_cell("# A"))
    monkeypatch.setattr(handout, "LIBRARY", project / "vmteach")
    monkeypatch.setattr(handout, "COURSE", project)
    loaded = "vmteach.run vmteach.exercises.a"
    keys = [key_of(notebook, loaded)]
    for name in made_of:
        (project / name).write_text("2")
        keys.append(key_of(notebook, loaded))
    (project / "vmteach/patches/another.py").write_text("2")
    assert key_of(notebook, loaded) == keys[-1]  # another chapter's model
    monkeypatch.setattr(handout, "version", lambda package: "99")
    keys.append(key_of(notebook, loaded))
    assert len(set(keys)) == 6


def test_a_handout_tells_which_modules_its_cells_loaded(tmp_path):
    cell = new_code_cell('from vmteach import chapter\nchapter("rawio").simulate(chapter("rawio").Scenario())')
    page = build_one(written(tmp_path, cell), tmp_path).file.read_text(encoding="utf-8")
    loaded = re.search('<meta name="vmteach-modules" content="(.*?)">', page)[1].split()
    assert "vmteach.patches.rawio" in loaded and "vmteach.patches.mremap" not in loaded


def test_a_handout_that_is_too_heavy_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(handout, "HEAVIEST", 100)
    with pytest.raises(BuildError, match=r"01_blkdev_eof.ipynb: the handout has [\d,]+ bytes, more than 100"):
        build_one(written(tmp_path, new_markdown_cell("# A")), tmp_path)


def test_the_cells_of_a_notebook_stay_its_own(tmp_path):
    """The code that prepares the kernel leaves neither a cell nor a name nor a number behind."""
    ran = execute(written(tmp_path, new_code_cell("sorted(name for name in dir() if not name.startswith('_'))")))
    (cell,) = ran.cells
    assert cell.source.startswith("sorted(") and cell.execution_count == 1
    assert "vmteach" not in cell.outputs[0]["data"]["text/plain"]


def test_an_author_says_how_much_a_page_stores(tmp_path):
    source = "from vmteach import chapter\nchapter('scsi_deadlock').explore()"
    ran = execute(written(tmp_path, new_code_cell(source, metadata={"vmteach": {"runs": 100}})))
    header, _ = opened(ran.cells[0].outputs[0]["data"][page.EXPLORER]["data"])
    assert 1 < len(header["positions"]) <= 100 / len(scsi_deadlock.POLICIES)
    with pytest.raises(BuildError, match="cell odd: ValueError: the metadata of a cell may list runs, got stop"):
        execute(written(tmp_path, new_code_cell("1", id="odd", metadata={"vmteach": {"stop": 1}})))


LESSONS = """from vmteach import chapter
ch = chapter("scsi_deadlock")
prediction = ch.predict("way")
explorer = ch.explore()"""


@pytest.fixture(scope="session")
def lessons(tmp_path_factory):
    """A chapter with a prediction, an explorer, a goal and questions."""
    folder, ran = tmp_path_factory.mktemp("lessons"), []
    lists = {"vmteach": {"runs": 600}}
    cells = [
        new_markdown_cell("# Lessons"),
        new_code_cell(LESSONS),
        new_code_cell("prediction"),
        new_code_cell("explorer", metadata=lists),
        new_code_cell('ch.goal("crowd")'),
        new_code_cell("ch.recall()"),
        new_code_cell("prediction.against(6)"),
        new_code_cell("ch.draw()"),
        new_code_cell("ch.watch()"),
    ]
    notebook = written(folder, *cells, name="12_scsi_deadlock")
    with pytest.MonkeyPatch.context() as overheard:
        overheard.setattr(handout, "execute", lambda *given: ran.append(execute(*given)) or ran[-1])
        file = build_one(notebook, folder).file
    return ran[0], file


def test_a_goal_in_a_cell_of_its_own_names_its_explorer(lessons):
    outputs = [cell.outputs[0]["data"] for cell in lessons[0].cells[2:]]
    goal = outputs[2][page.LEARNING]
    assert (goal["explorer"], goal["goal"]) == (0, [g.name for g in chapter("scsi_deadlock").GOALS].index("crowd"))


def test_a_picture_and_a_story_are_data_and_are_said_in_words(lessons):
    text = lessons[1].read_text(encoding="utf-8")
    picture, story = (cell.outputs[0]["data"] for cell in lessons[0].cells[-2:])
    assert [label for label, _ in picture[page.DRAWING]["panels"]] == ["unpatched", "patched (form 1)"]
    assert escape(picture[page.DRAWING]["still"]["alt"]) in text
    for sentence in page.sentences(story[page.STORY]["stories"][0]):
        assert escape(sentence, quote=False) in text


def test_a_goal_without_its_explorer_stops_the_build(tmp_path):
    goal = new_code_cell('ch.goal("crowd")', id="lost")
    with pytest.raises(BuildError, match=r"12_scsi_deadlock\.ipynb: cell lost: .*a goal must stand below its explorer"):
        build_one(written(tmp_path, new_code_cell(LESSONS), goal, name="12_scsi_deadlock"), tmp_path)


def test_lessons_stand_on_paper_too(lessons):
    text = lessons[1].read_text(encoding="utf-8")
    assert "My prediction: ________ steps" in text
    assert "<p>It is 6 steps.</p>" in text
    (answer,) = re.findall(r"What other answers overlook</strong>(.*?)</ul>", text, re.DOTALL)
    assert len(re.findall("<li>", answer)) == 4 and "<li>5 steps: After five steps" in answer
    assert text.count('<summary data-answer="') >= 3 + 1  # the questions, and the folds of the goal
    assert re.search(r"<strong>1\. Goal 1: hints</strong></p><ol><li>", text) and "Goal 1: solution</strong>" in text


def test_html_for_the_script_is_cleaned_and_cannot_end_its_element():
    spec = {"kind": "predict", "html": "<img src=x onerror=alert(1)><b>q</b>", "unit": "</script>", "choices": []}
    found = body(new_code_cell("x", outputs=[new_output("display_data", {page.LEARNING: {"spec": spec}})]))
    data = re.search('<script type="application/json">(.*?)</script>', found)[1]
    assert json.loads(data)["spec"] == {**spec, "html": "<img><b>q</b>"}
    assert "onerror" not in found


def test_a_real_chapter(tmp_path):
    (built,) = build(["12_scsi_deadlock"], target=tmp_path)
    text = built.file.read_text(encoding="utf-8")
    assert built.size < 1_000_000
    assert text.count('<div class="explorer"') == 1 and text.count('class="held"') == 1
    assert not re.search(r"<(?:script|img|image|link|iframe)\b[^>]*\s(?:src|href)=\"(?!data:)", text)
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    ids = re.findall(r'\sid="([^"]+)"', re.sub(r"<script.*?</script>", "", text, flags=re.S))
    assert len(ids) == len(set(ids))


def test_writing_a_page_loads_nothing_that_draws(tmp_path):
    """Writing a page loads neither matplotlib nor anywidget."""
    from test_layers import in_a_fresh_process

    program = "import sys, vmteach.handout.page\nprint({'matplotlib', 'anywidget', 'nbconvert'} & set(sys.modules))"
    assert in_a_fresh_process(program).stdout == "set()\n", sys.version


def test_what_goes_with_everything_in_it_is_not_allowed_elsewhere():
    assert not {*page.ALLOWED["dropped"]} & {*page.ALLOWED["elements"]}
    assert not [name for name in page.ALLOWED["attributes"] if name.startswith(("on", "src", "href", "style"))]


@pytest.mark.parametrize(("answers", "copies"), [("yes", 1), ("", 0)])
def test_a_page_for_a_class_has_no_copy_of_what_its_folds_hold(answers, copies):
    fold = new_markdown_cell("<details><summary>Why?</summary>So.</details>")
    text = page.handout(new_notebook(cells=[fold]), {**FACTS, "answers": answers})[1]
    assert text.count('<section class="answers"') == copies
