"""The hook pictures: notebooks/pictures/NN_STEM.svg, drawn from scenes by the page's own script, in Chromium.

    python scripts/hooks.py          draws those whose scene has changed (all of them with --all)

A chapter's hook is what its figure module's `hook()` gives, a scene or a list of (label, scene); without one, both
kernels at the defaults. The file carries its scene as metadata: a handout draws it anew for its width and theme, and a
test finds a stale one without a browser. It is light on paper: an image cannot know a notebook's theme.
"""

import html
import importlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from vmteach.course import CHAPTERS
from vmteach.figures.page import script
from vmteach.figures.scene import Scene
from vmteach.figures.titles import title

FOLDER = Path(__file__).resolve().parent.parent / "notebooks" / "pictures"
WIDTH = 800  # px: a Markdown cell of JupyterLab is at least that wide on a laptop
METADATA = re.compile(r'<metadata id="scene">(.*?)</metadata>', re.DOTALL)


def hooks() -> dict[Path, list[list[Any]]]:
    """The panels of every hook there is, by its file: [label, scene's data] each."""
    named = {"course": "00_start_here", **{stem: Path(row.notebook).stem for stem, row in CHAPTERS.items()}}
    found = {FOLDER / f"{name}.svg": panels(stem) for stem, name in named.items()}
    return {path: given for path, given in found.items() if given}


def panels(stem: str) -> list[list[Any]]:
    """A chapter's hook as panels: its own, or the two kernels' scenes."""
    figure = importlib.import_module(f"vmteach.figures.{stem}")
    if hasattr(figure, "hook"):
        given = figure.hook()
        return [["", given.data]] if isinstance(given, Scene) else [[label, one.data] for label, one in given]
    patch = importlib.import_module(f"vmteach.patches.{stem}")
    pair = (patch.UNPATCHED, patch.PATCHED)
    return [[label, figure.scene(patch.simulate(policy=patch.POLICIES[label])).data] for label in pair]


def stored(path: Path) -> Any:
    """The panels that a file was drawn from; None if there is no file."""
    found = METADATA.search(path.read_text(encoding="utf-8")) if path.is_file() else None
    return json.loads(html.unescape(found[1])) if found else None


def plain(given: Any) -> Any:
    """As it comes back from JSON."""
    return json.loads(json.dumps(given))


def draw(wanted: dict[Path, list[list[Any]]], browser: Any) -> None:
    """Write the files, in a browser that is there."""
    page = browser.new_page()
    page.set_content(f"<!doctype html><title>hooks</title><script>{script()}</script>")
    FOLDER.mkdir(exist_ok=True)
    for path, given in wanted.items():
        how = {"title": True, "full": False}
        text = page.evaluate("([panels, width, how]) => svgText(panels, width, how)", [given, WIDTH, how])
        data = html.escape(json.dumps(given, ensure_ascii=False, separators=(",", ":")), quote=False)
        text = text.replace("</desc>", f'</desc><metadata id="scene">{data}</metadata>', 1)
        path.write_text(text + "\n", encoding="utf-8")
    page.close()


def main(arguments: list[str]) -> None:
    """Draw what is stale, or all, and say what was drawn."""
    from playwright.sync_api import sync_playwright

    every = hooks()
    wanted = {path: given for path, given in every.items() if "--all" in arguments or stored(path) != plain(given)}
    with sync_playwright() as playwright:
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        draw(wanted, browser)
        browser.close()
    for path, given in wanted.items():
        print(f"{path.name}: {title(given)}")


if __name__ == "__main__":
    main(sys.argv[1:])
