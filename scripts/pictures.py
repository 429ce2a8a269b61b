"""Write the moving picture of README.md: `make pictures`; needs Chromium.

Opens the real chapters in JupyterLab, moves their controls by keyboard as a reader would, and takes a picture at
each stop. Writes docs/chapters.gif, the same as a strip that does not move, and the first frame alone; then
scripts/readme.py. What each frame shows is kept in the GIF's comment, where tests/test_readme.py looks it up.
`python scripts/pictures.py FOLDER` leaves each frame there as well, to be looked at.
"""

import importlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import readme
from PIL import Image, ImageDraw, ImageFont

from vmteach.course import CHAPTERS
from vmteach.explore import explore

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MOVING, STRIP, STILL = DOCS / "chapters.gif", DOCS / "chapters-strip.png", DOCS / "chapters-still.png"

WIDTH, BAND, MARGIN = 860, 46, 6  # px: of a frame, of the words above it, round the screenshot
COLOURS = 256  # all that a GIF may have
INK, QUIET, GROUND, RULE = "#222222", "#595959", "#EDF3F8", "#0060A0"


class Shot(NamedTuple):
    """A frame: what of which chapter, the words above it, and how long it stays, ms.

    `cell` is the id of the notebook's cell; `state` is where an explorer's controls are moved to, from their defaults.
    """

    stem: str
    cell: str
    words: str
    stays: int = 2000
    state: dict[str, Any] = {}


STORM = ("shm_big_iron", "vary-1")
SHOTS = (
    Shot(*STORM, "Copying a file; 32 GB, three quarters of it shared", 2800),
    Shot(*STORM, "Vary the machine: 16 GB", 1600, {"machine": "16 GB"}),
    Shot(*STORM, "Vary the machine: 4 GB", 1600, {"machine": "4 GB"}),
    Shot(*STORM, "Vary vm_cache_scan_ratio: search the whole list", 2200, {"vm_cache_scan_ratio": 1}),
    Shot(*STORM, "Less shared memory: here the patch writes more", 2200, {"shm_percent": 40}),
    Shot(*STORM, "What if: the answer that 2.6 gave", 2200, {"policies": ["before", "what if: rotation as in 2.6"]}),
    Shot("shm_big_iron", "real-twin", "A real trace judges the model", 2600),
    Shot("scsi_deadlock", "vary-1", "All orders of the steps: does one hang?", 2600),
    Shot("mremap", "vary-1", "A call that leaves pages in no mapping", 2600, {"call": "cut and move"}),
    Shot("csum_trail", "vary-1", "Which bytes a checksum loads", 2600),
    Shot("shm_big_iron", "predict-1", "Every chapter asks for a prediction", 2000),
    Shot("shm_big_iron", "run-1", "The prediction, drawn in", 2600),
)
GUESS = "60"  # what a reader may well type


# ---- taking them


def shoot(scratch: Path) -> Iterator[tuple[Shot, Image.Image, dict[str, Any]]]:
    """Each shot with its screenshot, and what it shows."""
    os.environ["VMTEACH_PROGRESS"] = str(scratch / "progress.json")
    sys.path.append(str(ROOT / "tests"))
    import conftest
    import lab
    from playwright.sync_api import sync_playwright

    program = conftest.chromium_program()
    if not program:
        raise SystemExit("This needs Chromium: install the package chromium, or set CHROMIUM to its path.")
    for folder in ("notebooks", "data"):  # a copy: JupyterLab saves what it has open
        shutil.copytree(ROOT / folder, scratch / "course" / folder, ignore=shutil.ignore_patterns(".*"))
    lab.ROOT = scratch / "course"
    with sync_playwright() as playwright, lab.jupyterlab(scratch / "lab") as running:
        chromium = playwright.chromium.launch(executable_path=program, args=list(conftest.CHROMIUM_OPTIONS))
        visit = None
        for last, shot in zip((None, *SHOTS), SHOTS):
            again = last is None or last.stem != shot.stem or shot.cell == "run-1"  # a kept prediction is read anew
            if again:
                if visit:
                    visit.close()
                visit = lab.Visit(chromium, running)
                visit.open(CHAPTERS[shot.stem].notebook)
                visit.run_all()
                if visit.errors():
                    raise SystemExit(f"{shot.stem}: {visit.errors()}")
            cell = found(visit.page, shot.cell)
            if shot.cell == "vary-1":
                yield shot, *explored(visit, shot)
            elif shot.cell == "predict-1":
                yield shot, predicted(visit.page, cell), {}
            else:
                drawn = cell.locator("figure.vmteach-drawing")
                yield shot, picture(drawn.screenshot()), {"finding": drawn.locator("figcaption").inner_text()}
        visit.close()
        chromium.close()


def found(page: Any, cell: str) -> Any:
    """A notebook's cell by its id, scrolled to."""
    page.evaluate(
        """async (id) => { const { content } = window.jupyterapp.shell.currentWidget;
        for (let i = 0; i < content.model.cells.length; i++) if (content.model.cells.get(i).id === id) {
          content.activeCellIndex = i; await content.scrollToItem(i, 'start');
          content.widgets[i].node.dataset.shot = id; return; }
        throw new Error('no cell ' + id) }""",
        cell,
    )
    return page.locator(f'[data-shot="{cell}"]')


def explored(visit: Any, shot: Shot) -> tuple[Image.Image, dict[str, Any]]:
    """An explorer moved to the shot's state by keyboard, from its controls to its picture; and what it says."""
    face = visit.explorer()
    face.locator("button", has_text="Reset").click()
    patch = importlib.import_module(f"vmteach.patches.{shot.stem}")
    stops = {control.field: control.stops for control in patch.CONTROLS}
    for field, stop in shot.state.items():
        if field == "policies":
            boxes = [(box.get_attribute("data-policy") in stop, box) for box in face.locator("[data-policy]").all()]
            for wanted, box in sorted(boxes, key=lambda pair: not pair[0]):  # checked first: one must stay
                box.set_checked(wanted)
            continue
        control = face.locator(f'[data-field="{field}"]')
        for key in ("Home", *["ArrowRight"] * stops[field].index(stop)):
            control.press(key)
    visit.page.wait_for_timeout(300)
    visit.page.wait_for_function("() => !document.querySelector('.vmt-busy')")
    labels = [box.get_attribute("data-policy") for box in face.locator("[data-policy]:checked").all()]
    state = {**shot.state, "policies": labels}
    said = {"state": state, "finding": face.locator(".vmt-finding").inner_text()}
    if said["finding"] != finding(shot.stem, state):
        raise SystemExit(f"{shot}: the page says {said}, the model {finding(shot.stem, state)!r}")
    whole = picture(face.screenshot())
    lowest = face.locator(".vmt-picture").bounding_box()
    bottom = lowest["y"] + lowest["height"] - face.bounding_box()["y"]
    return whole.crop((0, 0, whole.width, round(bottom))), said


def finding(stem: str, state: dict[str, Any]) -> str:
    """What a chapter's explorer says in a state, without any page."""
    patch, figure = (importlib.import_module(f"vmteach.{kind}.{stem}") for kind in ("patches", "figures"))
    explorer = explore(patch, figure)
    explorer.set(**state)
    return explorer.finding


def predicted(page: Any, cell: Any) -> Image.Image:
    """The question with a number typed in and kept, and the text above it."""
    face = cell.locator(".vml")
    face.locator("input").fill(GUESS)
    face.locator("button").click()
    face.get_by_text("Kept: ").wait_for()
    top = found(page, "predict").locator(".jp-RenderedMarkdown").bounding_box()
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0 }")  # takes its buttons
    last = face.bounding_box()
    height = last["y"] + last["height"] - top["y"]
    return picture(page.screenshot(clip={**last, "y": top["y"], "height": height}))


def picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


# ---- putting them together


def framed(shot: Shot, image: Image.Image, height: int, place: int) -> Image.Image:
    """A screenshot on white, below a band that says what it is."""
    from matplotlib import get_data_path

    fonts = Path(get_data_path()) / "fonts" / "ttf"
    bold, plain = (ImageFont.truetype(str(fonts / f"{name}.ttf"), 16) for name in ("DejaVuSans-Bold", "DejaVuSans"))
    frame = Image.new("RGB", (WIDTH, BAND + height), "white")
    frame.paste(image.crop((0, 0, min(image.width, WIDTH - 2 * MARGIN), image.height)), (MARGIN, BAND))
    pen = ImageDraw.Draw(frame)
    pen.rectangle((0, 0, WIDTH, BAND - 9), fill=GROUND)
    pen.rectangle((0, 0, 4, BAND - 9), fill=RULE)
    chapter = f"{CHAPTERS[shot.stem].number}  {CHAPTERS[shot.stem].title}"
    pen.text((14, 9), chapter, INK, bold)
    pen.text((14 + pen.textlength(chapter, bold) + 16, 9), shot.words, INK, plain)
    count = f"{place}/{len(SHOTS)}"
    pen.text((WIDTH - 10 - pen.textlength(count, plain), 9), count, QUIET, plain)
    return frame


def together(frames: list[Image.Image]) -> Image.Image:
    """The frames one below another."""
    strip = Image.new("RGB", (WIDTH, sum(frame.height for frame in frames)), "white")
    for place, frame in enumerate(frames):
        strip.paste(frame, (0, sum(f.height for f in frames[:place])))
    return strip


def unique(image: Image.Image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The colours of an image, where each pixel's colour is among them, and how many pixels have it."""
    codes = np.asarray(image, dtype=np.int64) @ (1 << 16, 1 << 8, 1)
    found, places, counts = np.unique(codes.ravel(), return_inverse=True, return_counts=True)
    return np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1), places, counts


def palette(image: Image.Image) -> np.ndarray:
    """The most frequent colour, then always the one whose pixels are farthest from what there is, all together.

    Pillow's own ways to choose mix white with what is nearly white, and the paper comes out grey.
    """
    colours, _, counts = unique(image)
    chosen = [colours[counts.argmax()]]
    away = ((colours - chosen[0]) ** 2).sum(axis=1)
    while len(chosen) < COLOURS and away.any():
        chosen.append(colours[(away * counts).argmax()])
        away = np.minimum(away, ((colours - chosen[-1]) ** 2).sum(axis=1))
    return np.array(chosen)


def indexed(image: Image.Image, colours: np.ndarray) -> Image.Image:
    """The image in these colours, each pixel in the nearest."""
    own, places, _ = unique(image)
    nearest = ((own[:, None] - colours[None]) ** 2).sum(axis=2).argmin(axis=1).astype(np.uint8)
    drawn = Image.fromarray(nearest[places].reshape(image.height, image.width))
    drawn.putpalette(colours.astype(np.uint8).tobytes())
    return drawn


def write(taken: list[tuple[Shot, Image.Image, dict[str, Any]]], folder: Path | None = None) -> None:
    """The three files, and each frame in `folder`."""
    height = max(image.height for _, image, _ in taken) + MARGIN
    frames = [framed(shot, image, height, place) for place, (shot, image, _) in enumerate(taken, 1)]
    colours = palette(together(frames))
    first, *others = (indexed(frame, colours) for frame in frames)
    notes = [{"stem": shot.stem, "words": shot.words, **said} for shot, _, said in taken]
    first.save(
        MOVING,
        save_all=True,
        append_images=others,
        duration=[shot.stays for shot in SHOTS],
        loop=0,
        comment=json.dumps(notes).encode(),
    )
    first.save(STILL, optimize=True)
    short = [framed(shot, image, image.height + MARGIN, place) for place, (shot, image, _) in enumerate(taken, 1)]
    indexed(together(short), colours).save(STRIP, optimize=True)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(MOVING) as moving:
            for place in range(moving.n_frames):
                moving.seek(place)
                moving.convert("RGB").save(folder / f"{place + 1:02d}.png")


def main(folder: str = "") -> None:
    with tempfile.TemporaryDirectory() as scratch:
        write(list(shoot(Path(scratch))), Path(folder) if folder else None)
    readme.write()
    for path in (MOVING, STRIP, STILL):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
