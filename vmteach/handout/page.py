"""An executed notebook as one HTML file that asks nothing of anybody: nbconvert, and what it lacks.

Everything that comes from the notebook is cleaned: no script, no event, no address but a link to follow. The file's
own policy (CSP) would stop what was overlooked. Tables get headers that a screen reader can use, folds a copy on the
last page of the print, formulas become MathML. Pictures, stories and explorers are data, which the page's script draws.
"""

import hashlib
import html
import json
import re
import tomllib
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from vmteach.figures import page as scenes
from vmteach.figures.story import sentences
from vmteach.figures.titles import alt, title
from vmteach.handout.bundles import COMPARED, DRAWING, EXPLORER, LEARNING, STORY
from vmteach.handout.template import HERE, macros, template
from vmteach.run import Values
from vmteach.tables import COURSE

LEFT_OUT = "What the model leaves out"

# A document or a module of the course, as notebooks and documents link to it.
BESIDE = re.compile(
    r"(?:\.\./)?(?:(?:docs/)?(?P<document>[\w-]+)\.md|vmteach/[\w/]*?(?P<module>\w+)\.py)(?P<place>#[\w-]*)?"
)

ALLOWED = {kind: words.split() for kind, words in tomllib.loads((HERE / "allowed.toml").read_text("utf-8")).items()}
# What makes a style or an attribute of a drawing ask for a file. (In a style a backslash could spell any of it.)
OUTWARD = re.compile(r"url\((?!['\"]?#)|image-set|image\(|src\(|cross-fade|element\(|@import")
AWAY = re.compile(r"https?://|mailto:|#|[\w-]+\.html")  # where a link may lead
# A sentence within a paragraph, and what makes one a matter of the screen.
SENTENCE = re.compile(r"(?:(?<=<p>)|(?<=[.!?:] ))(?:(?!</?p>|[.!?] ).)+(?:[.!?](?= |</p>)|(?=</p>))", re.S)
ON_SCREEN = re.compile(r"Press <em>Next|Shift\+Enter|above the controls|to unfold|run the cell|Run the cell")
Tag = Any  # an element of BeautifulSoup's: its types would ask for a check at every step


def page(title: str, body: str, facts: Mapping[str, str], contents: str = "", *, live: bool = False) -> str:
    """A whole file around a body that is clean already; `facts` are its version, date, key, where and links."""
    css, code = _css() + _running(title, facts), _script() if live else ""
    runtime = live and bool(facts.get("runtime"))
    parts = {"stem": "", "modules": "", **facts, "css": css, "code": code, "policy": _policy(css, code, runtime)}
    frame = template("frame").render(
        parts, title=title, body=body, contents=contents, runtime=runtime, left_out=LEFT_OUT
    )
    return str(frame)


def _policy(css: str, code: str, runtime: bool) -> str:
    """What the page may do: its own style and script, by their hashes, and pictures in it; no network."""
    style, script = (f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (css, code))
    scripts = script if code else "'none'"
    if runtime:  # Python beside the page: its script, the worker's modules, and compiling what they bring
        scripts += " 'self' file: data: 'wasm-unsafe-eval'; worker-src data:"
    return (
        f"default-src 'none'; script-src {scripts}; style-src {style}; style-src-attr 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _running(title: str, facts: Mapping[str, str]) -> str:
    """The running header of the print, its page numbers, and what a page's footer says on the screen."""
    font = "font: 8pt system-ui, sans-serif"
    boxes = {
        "top-left": _quoted(title.removesuffix(" · vmteach")),
        "top-right": _quoted("vmteach"),
        "bottom-left": _quoted(f"vmteach {facts['version']}, {facts['date']} · text CC BY 4.0, code BSD-3-Clause"),
        "bottom-right": 'counter(page) " of " counter(pages)',
    }
    inside = " ".join(f"@{place} {{ content: {content}; {font}; }}" for place, content in boxes.items())
    return f"\n@page {{ {inside} }}\n"


def _quoted(words: str) -> str:
    """Words as a string of a style sheet."""
    plain = words.replace("\\", "").replace('"', "'")
    return f'"{plain}"'


@cache
def _css() -> str:
    """The one style sheet."""
    lab = HERE.parent / "lab"
    files = (lab / "explorer.css", lab / "learn.css", HERE / "page.css")
    return "\n".join(["", scenes.style(), *(file.read_text(encoding="utf-8") for file in files)])


@cache
def _script() -> str:
    """The one script: what draws, the notebook's faces, wrapped, and what answers them from the page."""
    lab = HERE.parent / "lab"
    parts = [scenes.script(), _wrapped("faces", lab / "explorer.js"), _wrapped("learning", lab / "learn.js")]
    own = ((HERE / name).read_text(encoding="utf-8") for name in ("live.js", "lecture.js", "page.js"))
    return "\n".join(["", *parts, *own])


def _wrapped(name: str, file: Path) -> str:
    """A module of the notebook as a constant with its `mount`: a page has no second file to import from."""
    text = file.read_text(encoding="utf-8")
    if text.count("export function mount(") != 1 or text.count("export default {") != 1 or text.count("export ") != 2:
        raise ValueError(f"{file.name} must export the function mount and a default, and nothing else")
    inside = text.replace("export function", "function").replace("export default {", "const notebook = {")
    return f"const {name} = (() => {{\n{inside}\nreturn {{ mount }};\n}})();"


# ---- a notebook


def handout(notebook: object, facts: Mapping[str, str]) -> tuple[str, str]:
    """An executed notebook as (title, page)."""
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    body = Body(answers=bool(facts.get("answers", "yes")), beside=facts.get("beside", "").split())
    settings = Config({"NbConvertBase": {"display_data_priority": ["text/html"]}})
    exporter: Any = HTMLExporter(config=settings)  # type: ignore[no-untyped-call]
    exporter.raw_template = (HERE / "cells.html").read_text(encoding="utf-8")
    filters: dict[str, Callable[..., str]] = {
        "prose": body.prose,
        "shown": body.shown,
        "clean": clean,
        "checks": checks,
    }
    for name, function in filters.items():
        exporter.register_filter(name, function)
    text, _ = exporter.from_notebook_node(notebook)
    title = body.title or "vmteach"
    inside = f"{text}\n{body.answers()}"
    return title, page(f"{title} · vmteach", inside, facts, body.contents(), live=body.live)


class Body:
    """The cells of one notebook on their way to HTML: what was seen is kept for the frame around them."""

    def __init__(self, answers: bool = True, beside: Collection[str] = ()) -> None:
        self.title, self.live, self._with_answers, self._beside = "", False, answers, frozenset(beside)
        self._headings: list[tuple[str, str]] = []
        self._folds: list[tuple[str, str]] = []

    def prose(self, source: str, cell: str) -> str:
        """A Markdown cell."""
        from bs4 import BeautifulSoup

        try:
            soup = BeautifulSoup(_markdown(source), "html.parser")
        except ValueError as trouble:
            raise ValueError(f"cell {cell}: {trouble}") from trouble
        for link in soup.find_all("a"):
            self._point(link)
        pictures = [self._hook(soup, image, cell) for image in soup.select('img[src^="pictures/"]')]
        _mend(soup, cell)
        for heading in soup.find_all(["h1", "h2", "h3"]):
            self._keep(heading)
        _name_what_is_left_out(soup)
        _mark_code_in_folds(soup)
        self._number_folds(soup)
        text = for_the_screen(clean(str(soup)))
        for mark, picture in pictures:
            text = text.replace(mark, picture)
        return text

    def _point(self, link: Tag) -> None:
        """Point a link to a document or a module at its page, where there is one beside this."""
        page = BESIDE.fullmatch(str(link.get("href", "")))
        name = page and (page["document"] or f"code-{page['module']}")
        if page and name in self._beside:
            link["href"] = f"{name}.html{page['place'] or ''}"

    def _keep(self, heading: Tag) -> None:
        """Give a heading its address; the first h1 is the title, each h2 stands in the contents."""
        words = heading.get_text(" ", strip=True)
        heading["id"] = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") or "part"
        if heading.name == "h1":
            self.title = self.title or words
        if heading.name == "h2":
            self._headings.append((heading["id"], words))

    def _hook(self, soup: Tag, image: Tag, cell: str) -> tuple[str, str]:
        """A stored picture, from the scene that its file carries: a mark for it, and what the mark becomes."""
        text = (COURSE / "notebooks" / image["src"]).read_text(encoding="utf-8")
        found = re.search(r'<metadata id="scene">(.*?)</metadata>', text, re.S)
        if not found:
            raise ValueError(f"cell {cell}: {image['src']} carries no scene: draw it with scripts/hooks.py")
        panels = json.loads(html.unescape(found[1]))
        self.live = True
        still = {"finding": title(panels), "alt": alt(panels), "labels": [], "rows": []}
        mark = f"[[picture {len(self._folds)} {image['src']}]]"
        image.replace_with(soup.new_string(mark))
        return mark, self._played("drawing", {"panels": panels, "full": False}, in_words(still), cell)

    def shown(self, output: Values, cell: str) -> str:
        """One output of a code cell, in the first of its kinds that a page knows."""
        if output["output_type"] == "stream":
            return _printed(output["text"])
        if output["output_type"] == "error":
            raise ValueError(f"cell {cell} raised {output['ename']}: {output['evalue']}")
        data = output["data"]
        played = {
            EXPLORER: self._explorer,
            STORY: self._story,
            DRAWING: self._drawing,
            LEARNING: self._learning,
            COMPARED: self._compared,
        }
        for mime in filter(data.__contains__, played):
            if "error" in data[mime]:
                raise ValueError(f"cell {cell}: {data[mime]['error']}")
            self.live = True
            return played[mime](data[mime], cell)
        flat = {
            "text/html": self._html,
            "image/svg+xml": self._html,
            "image/png": _no_picture,
            "text/markdown": self.prose,
            "application/vnd.jupyter.widget-view+json": _no_widget,
        }
        for mime in filter(data.__contains__, flat):
            return f'<div class="output">{flat[mime](data[mime], cell)}</div>\n' if data[mime] else ""
        return _printed(data.get("text/plain", ""))

    def _html(self, text: str, cell: str) -> str:
        from bs4 import BeautifulSoup

        soup = BeautifulSoup(text, "html.parser")
        _mend(soup, cell)
        self._number_folds(soup)
        return clean(str(soup))

    def _number_folds(self, soup: Tag) -> None:
        """Keep a copy of what each fold holds; those of a figure are opened where they stand."""
        for fold in soup.find_all("details"):
            summary = fold.find("summary", recursive=False)
            if summary is None or fold.find_parent("figure"):
                continue
            number = str(len(self._folds) + 1)
            fold["class"], summary["data-answer"] = "fold", number
            told = (part for part in fold.contents if part is not summary and getattr(part, "name", "") != "details")
            answer = "".join(map(str, told))  # a fold within this one has a number of its own
            self._folds.append((summary.get_text(" ", strip=True), clean(re.sub(r'\sid="[^"]*"', "", answer))))

    def _learning(self, data: Values, cell: str) -> str:
        """A prediction, a goal or questions: data for the script, and how they look on paper."""
        stored = macros("parts").learning(data["spec"], self._with_answers)
        if data["spec"]["kind"] == "recall" and not self._with_answers:  # the data would hold what is right
            return f'<div class="learning">{self._html(stored, cell)}</div>\n'
        return self._played("learning", _cleaned(data), stored, cell)

    def _compared(self, data: Values, cell: str) -> str:
        """What came out where a reader predicted something."""
        live = '<p class="live" role="status" hidden></p>'
        return self._played("compared", _cleaned(data), macros("parts").compared(data), cell, live)

    def _explorer(self, bundle: Values, cell: str) -> str:
        """The stored runs for the script, and what there is without it."""
        if not re.fullmatch(r"[A-Za-z0-9+/=]+", bundle["data"]):
            raise ValueError(f"cell {cell}: the runs of an explorer must be base64")
        goals = self._html(macros("parts").aims(bundle["goals"], self._with_answers), cell)
        return str(macros("parts").explorer(bundle, goals, self._html(in_words(bundle["still"]), cell)))

    def _story(self, data: Values, cell: str) -> str:
        """A story for the stepper; without a script its sentences."""
        first = data["stories"][0]
        return self._played("story", data, macros("parts").story(first["title"], sentences(first)), cell)

    def _drawing(self, data: Values, cell: str) -> str:
        """Panels for the script; without one the picture in words and its numbers."""
        panels = {key: data[key] for key in data if key != "still"}
        return self._played("drawing", panels, in_words(data["still"]), cell)

    def _played(self, kind: str, data: Values, stored: str, cell: str, *live: str) -> str:
        """Data for the script, the place where it plays them, and what there is without it."""
        return str(macros("parts").played(kind, as_json(data), self._html(stored, cell), *live))

    def contents(self) -> str:
        """Links to the sections."""
        return str(macros("parts").contents(self._headings))

    def answers(self) -> str:
        """A copy of what the folds hold, for the last page of a print."""
        return str(macros("parts").copies(self._folds if self._with_answers else ()))


def for_the_screen(text: str) -> str:
    """HTML in which the sentences that mean nothing on paper are marked, so that a print leaves them out.

    >>> for_the_screen("<p>Small cases. Press <em>Next</em>, then look.</p>")
    '<p>Small cases. <span class="only-screen">Press <em>Next</em>, then look.</span></p>'
    """

    def marked(found: re.Match[str]) -> str:
        sentence = found[0]
        whole = len(re.findall("<[a-z]", sentence)) == sentence.count("</")
        return f'<span class="only-screen">{sentence}</span>' if ON_SCREEN.search(sentence) and whole else sentence

    return SENTENCE.sub(marked, text)


def checks(source: str) -> str:
    """The attribute of a cell that checks an answer: whose it is.

    >>> checks('ch = 1'), checks('exercise("mremap", "refuse").check(refuse)')
    ('', ' data-check="mremap/refuse"')
    """
    found = re.search(r'exercise\((?:"(\w+)", )?"(\w+)"\)\.check\(', source)
    return f' data-check="{found[1] or ""}/{found[2]}"' if found else ""


def in_words(still: Values) -> str:
    """A picture as HTML without a script: the finding, the picture in words, the numbers."""
    return str(macros("parts").in_words(still))


def _printed(text: str) -> str:
    """Text as a program prints it, without a terminal's colours; nothing for nothing."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).rstrip()
    return f'<div class="output"><pre>{html.escape(plain)}</pre></div>\n' if plain else ""


def _no_picture(_: object, cell: str) -> NoReturn:
    raise ValueError(f"cell {cell} shows a picture without words: give it an alt text (ch.draw does)")


def _no_widget(_: object, cell: str) -> NoReturn:
    raise ValueError(f"cell {cell} shows a widget that a handout cannot keep: use vmteach.lab.explorer")


# ---- Markdown


def _markdown(source: str) -> str:
    """Markdown as HTML, formulas as MathML."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def inline_math(self, body: str) -> str:
            return formula(body, "inline")

        def block_math(self, body: str) -> str:
            return formula(body, "block")

        def latex_environment(self, name: str, body: str) -> str:
            raise ValueError(f"a formula may not use the environment {name}: write plain formulas")

    return str(MarkdownWithMath(renderer=Renderer(escape=False, exclude_anchor_links=True)).render(source))


def formula(source: str, display: str) -> str:
    """A formula as MathML; ValueError for what would be shown as it is written."""
    from latex2mathml.converter import convert

    try:
        text = str(convert(source, display=display))
    except Exception as trouble:
        raise ValueError(f"the formula {source} cannot be shown ({type(trouble).__name__})") from None
    if unknown := re.search(r"\\\w+", text):
        raise ValueError(f"the formula {source} cannot be shown: {unknown[0]} is not known")
    return text


def _mark_code_in_folds(soup: Tag) -> None:
    """Make `code` in folds code: Markdown leaves what stands in a line of HTML as it is."""
    from bs4 import BeautifulSoup

    for words in soup.find_all(string=re.compile("`[^`]+`")):
        if words.find_parent("details") and not words.find_parent(["code", "pre"]):
            marked = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(words, quote=False))
            words.replace_with(BeautifulSoup(marked, "html.parser"))


def _name_what_is_left_out(soup: Tag) -> None:
    """Give the box that says what the model leaves out its address, to which the footer links."""
    for start in soup.find_all(string=re.compile(f"^{LEFT_OUT}")):
        block = start.find_parent(["p", "h2", "h3"])
        if block is not None and not soup.find(id="left-out"):
            block["id"] = "left-out"


# ---- mending and cleaning


def _mend(soup: Tag, cell: str) -> None:
    """Drop what no handout may hold, tell each table's headers, wrap wide tables, and see that pictures have words."""
    for node in soup.find_all(ALLOWED["dropped"]):
        node.decompose()
    for table in soup.find_all("table"):
        _headers(table)
        _bold_rows(table)
        _wrap(soup, table)
    _see_words(soup, cell)
    for figure in soup.select("figure:not(:has(table))"):
        _tell(soup, figure)
    for link in soup.find_all("a"):
        _lead(link)


def _lead(link: Tag) -> None:
    """A link to a chapter leads to its page; one that may not lead anywhere is none."""
    address = str(link.get("href", ""))
    if re.fullmatch(r"(?:\./)?\d\d_\w+\.ipynb(?:#[\w-]*)?", address):
        link["href"] = address.replace(".ipynb", ".html")
    elif not AWAY.match(address):
        link.unwrap()


def _wrap(soup: Tag, table: Tag) -> None:
    """Put a table into a box that scrolls and can have the focus; that of a figure scrolls with it."""
    if "vmteach-wide" in table.parent.get("class", []):
        table.parent.unwrap()
    if table.find_parent("figure") is None:
        box = {"class": "table", "tabindex": "0", "role": "group", "aria-label": "Table"}
        table.wrap(soup.new_tag("div", attrs=box))


def _see_words(soup: Tag, cell: str) -> None:
    """Put words in place of pictures from elsewhere; ValueError for a picture in the page that has none."""
    for picture in soup.select('img:not([src^="data:image/"])'):
        picture.replace_with(picture.get("alt") or "")
    if soup.select_one('img:not([alt]), img[alt=""]'):
        raise ValueError(f"cell {cell} shows a picture without words: give it an alt text")
    if soup.select_one('svg:not(svg svg, [aria-label]:not([aria-label=""]), :has(title))'):
        raise ValueError(f"cell {cell} shows a drawing without words: give it an aria-label")


def _headers(table: Tag) -> None:
    """th with a scope where there is a header, td where there is none."""
    table.attrs.pop("border", None)
    head = table.find("thead")
    if head is not None and not head.get_text(strip=True):
        head.decompose()
    for cell in table.find_all("th"):
        if not cell.get_text(strip=True):
            cell.name = "td"
            cell.attrs.pop("scope", None)
            continue
        way, span = ("col", "colspan") if cell.find_parent("thead") else ("row", "rowspan")
        cell["scope"] = f"{way}group" if int(cell.get(span, 1)) > 1 else way


def _bold_rows(table: Tag) -> None:
    """In a table without a head, make a row's first cell its header where it is bold."""
    for first in () if table.find("thead") else table.select("tbody > tr > td:first-child"):
        if len(first.contents) == 1 and first.find("strong"):
            first.name, first["scope"] = "th", "row"


def _tell(soup: Tag, figure: Tag) -> None:
    """A figure without a table of numbers says its alternative text in a fold."""
    drawn = figure.find(["svg", "img"])
    words = drawn and (drawn.get("aria-label") or drawn.get("alt"))
    if not words:
        return
    fold, summary, text = soup.new_tag("details"), soup.new_tag("summary"), soup.new_tag("p")
    summary.string, text.string = "The picture in words", words
    fold.extend([summary, text])
    figure.append(fold)


def _allowed(tag: str, name: str, value: str) -> bool:
    """Whether an attribute may stay."""
    if name in ("alt", "aria-label", "title"):
        return True
    if OUTWARD.search(value.lower()):
        return False
    if name == "style":
        return "\\" not in value  # its properties are looked at one by one
    if name in ("href", "xlink:href"):
        local = value.startswith("#") or (tag == "image" and value.startswith("data:image/png;base64,"))
        return bool(AWAY.match(value)) if tag == "a" else local
    if name == "src" and tag == "img":
        return bool(re.match(r"data:image/(png|webp|jpeg);base64,", value))
    return name in ALLOWED["attributes"]


@cache
def _cleaner() -> Any:
    import bleach  # type: ignore[import-untyped]
    from bleach.css_sanitizer import CSSSanitizer  # type: ignore[import-untyped]

    styles = CSSSanitizer(allowed_css_properties=ALLOWED["styles"], allowed_svg_properties=ALLOWED["styles"])
    return bleach.Cleaner(
        tags=frozenset(ALLOWED["elements"]),
        attributes=_allowed,
        protocols=["http", "https", "mailto", "data"],
        strip=True,
        strip_comments=True,
        css_sanitizer=styles,
    )


def clean(text: str) -> str:
    """HTML without anything that could run or ask the network.

    >>> clean('<p onclick="x()">a<img src="http://b/c" onerror="x()"> <a href="javascript:x()">d</a></p>')
    '<p>a<img> <a>d</a></p>'
    """
    return str(_cleaner().clean(text))


def _cleaned(value: object) -> Any:
    """JSON with its HTML cleaned; choices and units are text, which the page's script escapes itself."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {
            key: inside if key in ("choices", "unit", "shown") else _cleaned(inside) for key, inside in value.items()
        }
    return [_cleaned(inside) for inside in value] if isinstance(value, list | tuple) else value


def as_json(value: object) -> str:
    """JSON that may stand inside a script element.

    >>> as_json({"html": "</script>"})
    '{"html":"\\\\u003c/script>"}'
    """
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
