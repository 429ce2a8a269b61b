"""The site: a folder that a server or a disk shows, in which every link leads somewhere and no request leaves."""

import re
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import unquote, urldefrag

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from vmteach.handout.search import sections
from vmteach.handout.site import PAGES, site

bs4 = pytest.importorskip("bs4")
pytestmark = pytest.mark.xdist_group("site")
# Three small chapters: title, words with links, the model that is drawn.
CHAPTERS = {
    "01_blkdev_eof": ("1 The last block", "a device ends in a **tail**", "blkdev_eof"),
    "08_shm_big_iron": (
        "8 Swapping",
        "inactive list; [claims](../docs/claims.md), [data](../data/README.md), "
        "[fates.py](../vmteach/kernel/reclaim/fates.py)",
        "rawio",
    ),
    "12_scsi_deadlock": ("12 Two locks", "see [8](08_shm_big_iron.ipynb#watch-it-happen)", "scsi_deadlock"),
}

MODULES = ("code-claims", "code-fates", "code-rules")  # what the chapters and the teacher's pages link to


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    here = tmp_path_factory.mktemp("site")
    (here / "notebooks").mkdir()
    for name, (title, words, stem) in CHAPTERS.items():
        cells = [
            new_markdown_cell(f"# {title}\n\n**30 min** {words}\n\n![a picture](pictures/{name}.svg)"),
            new_code_cell(f'from vmteach import chapter, progress\nch = chapter("{stem}")\nch.draw()'),
            new_markdown_cell(f"## Watch it happen\n\nThe rule of {stem}: say nothing twice, tersely."),
            new_code_cell("progress()"),
        ]
        nbformat.write(new_notebook(cells=cells), here / "notebooks" / f"{name}.ipynb")
    site(here / "site", lite=False, source=here / "notebooks")
    return here / "site"


def pages(folder: Path) -> dict[str, "bs4.BeautifulSoup"]:
    return {p.name: bs4.BeautifulSoup(p.read_text(encoding="utf-8"), "html.parser") for p in folder.glob("*.html")}


def test_every_link_leads_to_a_file_and_a_place_in_it(built):
    there = pages(built)
    assert {f"{name}.html" for name in (*CHAPTERS, *PAGES, *MODULES, "index", "search")} == set(there)
    lost = []
    for name, soup in there.items():
        for node in soup.select("[href], [src]"):
            address, place = urldefrag(unquote(node.get("href") or node["src"]))
            if address.startswith(("https:", "mailto:", "data:")):
                continue
            file = address or name
            # The twelve cards of `progress()` name chapters that this small site has not.
            if re.fullmatch(r"\d\d_\w+\.html", file) and file not in there and not node.find_parent("nav"):
                continue
            if not (built / file).is_file() or (place and not there[file].find(id=place)):
                lost.append((name, address, place))
    assert lost == []


def test_next_leads_from_the_first_chapter_to_the_last_at_top_and_end(built):
    there = pages(built)
    first = there["index.html"].select_one(".cards a")["href"]
    for links in (0, 1):
        walked = [first]
        while (
            following := there[walked[-1]]
            .find_all("nav", attrs={"aria-label": re.compile("^Handouts")})[links]
            .find("a", string=re.compile("^Next: "))
        ):
            assert there[following["href"]].find("a", string=re.compile("^Previous: "))["href"] == walked[-1]
            walked.append(following["href"])
        assert walked == [f"{name}.html" for name in CHAPTERS]


def test_a_search_knows_each_section_and_the_teachers_pages(built):
    (head, part) = sections(built / "08_shm_big_iron.html")
    assert head["words"].startswith("8 Swapping 30 min inactive list; claims, data, fates.py")
    assert part["at"] == "08_shm_big_iron.html#watch-it-happen" and "say nothing twice" in part["words"]
    index = pages(built)["search.html"].find(id="index").string
    assert "teachers.html#" in index and "01_blkdev_eof.html" in index


def test_pages_of_the_site_link_to_each_other_where_a_notebook_names_a_document(built):
    chapter = pages(built)["08_shm_big_iron.html"]
    assert chapter.find("a", string="claims")["href"] == "claims.html"
    assert not chapter.find("a", string="data") and "data" in chapter.text  # no page: its name alone


def test_nothing_tells_of_the_machine_that_built_it(built):
    """No path of a scratch folder, of a home or of the checkout, and no progress but the reader's."""
    folders = (tempfile.gettempdir(), str(Path.home()), str(Path(__file__).parent.parent), "to do")
    for name, soup in pages(built).items():
        if name.removesuffix(".html") in CHAPTERS:
            assert [folder for folder in folders if folder in str(soup.main)] == [], name


def test_the_notebooks_can_be_downloaded(built):
    names = {f"notebooks/{name}.ipynb" for name in CHAPTERS}
    with zipfile.ZipFile(built / "notebooks.zip") as archive:
        assert names <= set(archive.namelist())
    links = {link["href"] for link in pages(built)["index.html"].select("a[download]")}
    assert links == {*names, "notebooks.zip"}


@pytest.fixture
def visit(browser):
    """A page from the disk, with the network cut; what it asked of anybody, and what it complained of."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page, asked, complaints
    context.close()


@pytest.mark.browser
def test_a_disk_is_enough_and_no_request_leaves(visit, built):
    page, asked, complaints = visit
    for file in sorted(built.glob("*.html")):
        page.goto(file.as_uri())
        if file.stem in CHAPTERS:
            page.wait_for_selector(".drawing.alive svg")
            assert page.locator(".drawing.alive").count() == 2, file.name  # the stored picture and the drawing
        assert page.locator("img").evaluate_all("all => all.every((image) => image.naturalWidth)"), file.name
    assert complaints == []
    assert {url for url in asked if not url.startswith(("data:", "blob:"))} == {
        f.as_uri() for f in built.glob("*.html")
    }


@pytest.mark.browser
def test_words_of_several_chapters_are_found_from_a_disk(visit, built):
    page, _, _ = visit
    page.goto((built / "search.html").as_uri())
    page.fill("#words", "rule nothing tersely")
    found = page.locator("#found a")
    assert found.evaluate_all("all => all.map((link) => link.getAttribute('href')).sort()") == [
        f"{name}.html#watch-it-happen" for name in CHAPTERS
    ]
    assert page.locator("#count").text_content() == "3 sections"
    page.fill("#words", "swapping INACTIVE")
    assert found.first.get_attribute("href") == "08_shm_big_iron.html"  # a word of the heading counts more
    found.first.click()
    page.wait_for_selector("main h1")
    page.go_back()
    page.fill("#words", "inactive")
    assert found.first.get_attribute("href") == "08_shm_big_iron.html"  # a chapter before the source that it links to
    assert found.last.get_attribute("href").startswith("code-")
    page.fill("#words", "nowhere-to-be-found")
    assert (found.count(), page.locator("#count").text_content()) == (0, "0 sections")


def test_a_module_that_a_chapter_links_to_is_a_page_with_its_functions(built):
    """fates.py and rules.py are to be read, also by who has no copy of the course."""
    there = pages(built)
    assert there["08_shm_big_iron.html"].find("a", string="fates.py")["href"] == "code-fates.html"
    code = there["code-fates.html"]
    shown = "".join(node.get_text() for node in code.select("main .code"))
    source = (Path(__file__).parent.parent / "vmteach/kernel/reclaim/fates.py").read_text(encoding="utf-8")
    assert "".join(shown.split()) == "".join(source.split())
    assert code.find(id="visit").name == "h2" and code.select(".contents a[href='#visit']")
    assert "code-fates.html#visit" in there["search.html"].find(id="index").string


def test_the_sources_of_every_chapter_lead_out_to_files_and_messages():
    """Kernel files by release and path, messages by id or by author and day; nothing else is linked outside."""
    file = re.compile(r"https://elixir\.bootlin\.com/linux/v?[\d.]+/source/[\w/.-]+\.[chS]")
    mail = re.compile(r"https://lore\.kernel\.org/lkml/([\w.$-]+@[\w.-]+/|\?q=.*d%3A\d{8}\.\.\d{8})")
    for path in sorted((Path(__file__).parent.parent / "notebooks").glob("*_*.ipynb")):
        cells = [cell["source"] for cell in nbformat.read(path, 4).cells if cell["cell_type"] == "markdown"]
        sources = " ".join(re.findall(r"\*\*Sources\.\*\*.*", "\n".join(cells)))
        links = re.findall(r"\]\((https?:.*?)\)(?=[\s,.;:]|$)", "\n".join(cells))
        assert not sources or links, path.name
        assert all(file.match(link) or mail.match(link) or "cdn.kernel.org" in link for link in links), (
            path.name,
            links,
        )
