"""Handouts: what is stored, what is cleaned away, what stops a build. (In a browser: test_handout_browser.py)"""

import base64
import gzip
import itertools
import json
import re
import struct
import sys

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vmteach import handout
from vmteach.figures import mremap as mremap_figure
from vmteach.figures import rawio as rawio_figure
from vmteach.handout import BuildError, build, build_one, execute, key_of, main, page
from vmteach.handout.mathml import mathml
from vmteach.handout.states import COLOURS, TILE, Bag, Stored, shown
from vmteach.lab.explorer import explore
from vmteach.patches import mremap, rawio

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
    """The header, the tile of each picture at each place, and the tiles: as page.js reads them."""
    raw = gzip.decompress(base64.b64decode(data))
    (length,) = struct.unpack_from("<I", raw)
    header = json.loads(raw[4 : 4 + length])
    places, pictures = header["columns"] * header["rows"], len(header["sizes"])
    at = np.frombuffer(raw, "<u2", places * pictures, 4 + length).reshape(places, pictures)
    begin = 4 + length + -(-at.nbytes // 4) * 4
    return header, at, np.frombuffer(raw, np.uint8, offset=begin).reshape(-1, TILE, TILE)


def picture(opened_states, number: int) -> np.ndarray:
    """A stored picture, put together again."""
    header, at, tiles = opened_states
    width, height = header["sizes"][number]
    palette = np.array([[c >> 16, c >> 8 & 255, c & 255] for c in header["palette"]], np.uint8)
    whole = np.zeros((header["rows"] * TILE, header["columns"] * TILE, 3), np.uint8)
    for place, (row, column) in enumerate(itertools.product(range(header["rows"]), range(header["columns"]))):
        tile = palette[tiles[header["starts"][place] + at[place, number]]]
        whole[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE] = tile
    return whole[:height, :width]


# ---- the states


@pytest.fixture(scope="module")
def stored():
    explorer = explore(rawio, rawio_figure)
    lists = {"machine": ["32 MB", "8 GB"], "vm_cache_scan_ratio": [1, 6]}
    return explorer, opened(
        shown(explorer, {**lists, "limit_kib": []})["application/vnd.vmteach.explorer+json"]["data"]
    )


def test_every_stored_state_is_what_the_explorer_answers(stored):
    explorer, states = stored
    header = states[0]
    controls = {c["field"]: c for c in header["spec"]["controls"]}
    own = {c["field"]: c for c in explorer.spec["controls"]}
    for key, (number, said) in header["states"].items():
        positions, kernels = key.split("|")
        at = dict(explorer.stage.first)
        for field, i in zip(header["fields"], map(int, positions.split(","))):
            at[field] = own[field]["stops"].index(controls[field]["stops"][i])
        answer = explorer.stage.drawn({**at, "policies": header["sets"][int(kernels)]}).answer
        del answer["code"]
        assert header["answers"][said] == answer
        drawn = np.asarray(explorer.stage.bitmaps.picture.canvas.buffer_rgba())
        seen = picture(states, number)
        drawn = drawn[-seen.shape[0] :, :, :3].astype(int)
        assert abs(drawn - seen).mean() < 1.5  # of 255; 128 colours stand for all


def test_a_stop_that_the_author_does_not_list_is_not_in_the_page(stored):
    header = stored[1][0]
    stops = {c["field"]: c["stops"] for c in header["spec"]["controls"]}
    assert set(stops["machine"]) >= {"32 MB", "8 GB"} and len(stops["machine"]) <= 3  # and where it stands
    assert len(stops["limit_kib"]) == 1


def test_a_control_that_cannot_matter_does_not_multiply_the_states():
    kept = Stored(explore(mremap, mremap_figure), {"call": ["move", "move nothing"], "below_limit": [0]})
    kept.bundle()
    assert [c.field for c in mremap.CONTROLS if not c.matters] == ["vm_cache_scan_ratio"]
    assert "vm_cache_scan_ratio" not in kept.fields
    per_kernels = {len([s for s in kept.states if s.kernels == i]) for i in range(len(kept.sets))}
    assert per_kernels == {int(np.prod([len(kept.stops[f]) for f in kept.fields]))}


def test_storing_leaves_the_readers_explorer_where_it_is():
    explorer = explore(mremap, mremap_figure)
    explorer.set(call="move")
    heard = []
    explorer.observe(heard.append, "at")
    bundle = shown(explorer, {"machine": ["32 MB"], "call": [], "below_limit": []})
    assert explorer.state["call"] == "move" and heard == []
    assert bundle["text/plain"] == explorer.alt
    assert opened(bundle["application/vnd.vmteach.explorer+json"]["data"])[0]["code"]["fixed"] == []


def test_an_unknown_stop_is_named():
    with pytest.raises(ValueError, match=r"machine has the stops 32 MB.*\['3 GB'\]"):
        Stored(explore(mremap, mremap_figure), {"machine": ["3 GB"]})


def test_states_that_are_too_heavy_are_refused(monkeypatch):
    monkeypatch.setattr("vmteach.handout.states.HEAVIEST", 1000)
    kept = Stored(explore(mremap, mremap_figure), {"machine": ["32 MB"], "call": ["move"], "below_limit": [0]})
    with pytest.raises(ValueError, match="more than 1,000: list fewer stops"):
        kept.bundle()


def test_equal_pictures_and_equal_tiles_are_stored_once():
    bag = Bag()
    white = np.full((TILE * 2, TILE * 3 + 5, 3), 255, np.uint8)
    spot = white.copy()
    spot[3, 3] = 0
    assert [bag.add(white), bag.add(spot), bag.add(white.copy())] == [0, 1, 0]
    header, data = bag.packed([0, 1])
    places = header["columns"] * header["rows"]
    assert (places, len(data) - -(-places * 2 * 2 // 4) * 4) == (8, (places + 1) * TILE * TILE)


def test_many_colours_become_few_near_ones():
    ramp = np.zeros((TILE, 256, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(256), np.arange(256)[::-1]
    bag = Bag()
    bag.add(ramp)
    header, _ = bag.packed([0])
    assert len(header["palette"]) <= COLOURS


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


def test_states_that_are_not_base64_are_refused():
    bundle = {"data": "</script><script>alert(1)", "sets": [], "held": [], "strip": [], "states": 1, "figure": ""}
    with pytest.raises(ValueError, match="the states of an explorer must be base64"):
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


def test_formulas_become_mathml_and_an_unknown_command_stops():
    assert "<math><msup><mi>x</mi><mn>2</mn></msup></math>" in body(new_markdown_cell("where $x^2$"))
    assert '<math display="block">' in body(new_markdown_cell("$$\\frac{a}{b}$$"))
    with pytest.raises(ValueError, match=r"cell sums.*\\underbrace is not known"):
        body(new_markdown_cell(r"$\underbrace{a}$", id="sums"))


@pytest.mark.parametrize("source", [r"\begin{aligned}a\end{aligned}", "a & b", "a^", "{a", "a}", "x^2^3", r"\text a"])
def test_formulas_that_would_be_shown_wrong_are_refused(source):
    with pytest.raises(ValueError, match="cannot be shown"):
        mathml(source)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (r"a_i^2", "<msubsup><mi>a</mi><mi>i</mi><mn>2</mn></msubsup>"),
        (r"a^2_i", "<msubsup><mi>a</mi><mi>i</mi><mn>2</mn></msubsup>"),
        (r"\text{free pages}", "<mtext>free pages</mtext>"),
        ("a < b", "<mi>a</mi><mo>&lt;</mo><mi>b</mi>"),
        (r"\lfloor n/2\rfloor", "<mo>⌊</mo><mi>n</mi><mo>/</mo><mn>2</mn><mo>⌋</mo>"),
    ],
)
def test_formulas(source, found):
    assert mathml(source) == f"<math>{found}</math>"


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


def test_an_unchanged_chapter_is_not_built_again(tmp_path):
    first = written(tmp_path, new_markdown_cell("# A < B"), new_code_cell("print(6 * 7)"))
    told = []
    (anew,) = build(source=tmp_path, target=tmp_path / "out", tell=lambda *what: told.append(what))
    assert (anew.title, anew.anew) == ("A < B", True)
    assert told == [("01_blkdev_eof", 0, 1), ("", 1, 1)]
    assert ">42</pre>" in anew.file.read_text(encoding="utf-8")
    (same,) = build(source=tmp_path, target=tmp_path / "out")
    assert (same.title, same.anew) == ("A < B", False)
    assert 'href="01_blkdev_eof.html">A &lt; B</a>' in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    key = key_of(first)
    written(tmp_path, new_markdown_cell("# C"))
    assert key_of(first) != key


def test_the_key_follows_library_data_and_versions(tmp_path, monkeypatch):
    project = tmp_path / "project"
    for name in ("vmteach/run.py", "vmteach/page.css", "data/x.csv"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("1")
    notebook = written(tmp_path, new_markdown_cell("# A"))
    monkeypatch.setattr(handout, "PROJECT", project)
    keys = [key_of(notebook)]
    for name in ("vmteach/run.py", "vmteach/page.css", "data/x.csv"):
        (project / name).write_text("2")
        keys.append(key_of(notebook))
    monkeypatch.setattr(handout, "version", lambda package: "99")
    keys.append(key_of(notebook))
    assert len(set(keys)) == 5


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


def test_an_author_lists_what_a_page_stores(tmp_path):
    source = "from vmteach.lab.explorer import explore\nfrom vmteach.figures import mremap as figure\n"
    source += "from vmteach.patches import mremap\nexplore(mremap, figure)"
    lists = {"vmteach": {"stops": {"machine": ["32 MB"], "call": ["move"], "below_limit": [0]}, "kernels": []}}
    ran = execute(written(tmp_path, new_code_cell(source, metadata=lists)))
    bundle = ran.cells[0].outputs[0]["data"][page.EXPLORER]
    assert bundle["states"] <= 8 * (len(mremap.POLICIES) + 1)
    with pytest.raises(BuildError, match="cell odd: ValueError: the metadata of a cell may list stops and kernels"):
        execute(written(tmp_path, new_code_cell("1", id="odd", metadata={"vmteach": {"stop": 1}})))


LESSONS = """from vmteach.lab import learn
from vmteach.lab.explorer import explore
from vmteach.figures import scsi_deadlock as figure
from vmteach.patches import scsi_deadlock as patch
prediction = learn.predict("scsi_deadlock/way", "How many `steps`?", unit="steps", low=0, high=40)
explorer = explore(patch, figure)"""


@pytest.fixture(scope="session")
def lessons(tmp_path_factory):
    """A chapter with a prediction, an explorer, a goal and questions."""
    folder = tmp_path_factory.mktemp("lessons")
    lists = {"vmteach": {"stops": {"machine": ["32 MB", "8 GB"], "dispatchers": [1, 3], "disks": [1, 3]}}}
    cells = [
        new_markdown_cell("# Lessons"),
        new_code_cell(LESSONS),
        new_code_cell("prediction"),
        new_code_cell("explorer", metadata=lists),
        new_code_cell('learn.goal(explorer, "scsi_deadlock", "crowd")'),
        new_code_cell('learn.recall("scsi_deadlock")'),
        new_code_cell("prediction.against(6)"),
    ]
    notebook = written(folder, *cells, name="12_scsi_deadlock")
    return execute(notebook), build_one(notebook, folder).file


def test_a_goal_has_what_it_says_at_every_stored_state(lessons):
    outputs = [cell.outputs[0]["data"] for cell in lessons[0].cells[2:]]
    states = opened(outputs[1][page.EXPLORER]["data"])[0]["states"]
    goal = outputs[2][page.LEARNING]
    assert goal["explorer"] == 0 and set(goal["at"]) == set(states)
    said = {goal["said"][i]["outcome"] for i in goal["at"].values()}
    assert said == {"right", "not yet"}


def test_a_goal_without_its_explorer_stops_the_build(tmp_path):
    goal = new_code_cell('learn.goal(explorer, "scsi_deadlock", "crowd")', id="lost")
    with pytest.raises(BuildError, match=r"12_scsi_deadlock\.ipynb: cell lost: a goal must stand below its explorer"):
        build_one(written(tmp_path, new_code_cell(LESSONS), goal, name="12_scsi_deadlock"), tmp_path)


def test_lessons_stand_on_paper_too(lessons):
    text = lessons[1].read_text(encoding="utf-8")
    assert "My prediction: ________ steps" in text
    assert "<p>It is 6 steps.</p>" in text
    (answer,) = re.findall(r"What other answers overlook</strong>(.*?)</ul>", text, re.DOTALL)
    assert len(re.findall("<li>", answer)) == 4 and "<li>5 steps: After five steps" in answer
    assert text.count('<summary data-answer="') >= 3 + 1  # the questions, and the folds of the goal
    assert "<strong>1. Hint" in text


def test_html_for_the_script_is_cleaned_and_cannot_end_its_element():
    spec = {"kind": "predict", "html": "<img src=x onerror=alert(1)><b>q</b>", "unit": "</script>", "choices": []}
    found = body(new_code_cell("x", outputs=[new_output("display_data", {page.LEARNING: {"spec": spec}})]))
    data = re.search('<script type="application/json">(.*?)</script>', found)[1]
    assert json.loads(data)["spec"] == {**spec, "html": "<img><b>q</b>"}
    assert "onerror" not in found


def test_a_real_chapter(tmp_path):
    (built,) = build(["05_mremap"], target=tmp_path)
    text = built.file.read_text(encoding="utf-8")
    assert built.size < 1_000_000
    assert text.count('<div class="explorer">') == 1 and text.count('<ul class="strip">') == 2
    assert not re.search(r"<(?:script|img|image|link|iframe)\b[^>]*\s(?:src|href)=\"(?!data:)", text)
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    ids = re.findall(r'\sid="([^"]+)"', re.sub(r"<script.*?</script>", "", text, flags=re.S))
    assert len(ids) == len(set(ids))


def test_a_page_needs_no_kernel_side(tmp_path):
    """Writing a page loads neither matplotlib nor anywidget."""
    from test_layers import in_a_fresh_process

    program = "import sys, vmteach.handout.page\nprint({'matplotlib', 'anywidget', 'nbconvert'} & set(sys.modules))"
    assert in_a_fresh_process(program).stdout == "set()\n", sys.version
