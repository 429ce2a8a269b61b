"""What a reader would use instead of the explorer, over the same link: from a key press to the painted picture.

    python benchmarks/peers.py [--link 150] [--python PYTHON] [--moves 8]

The same model of chapter 8, the same two controls, a figure of matplotlib at every move: `interactive_output` in
JupyterLab, the same served by Voila, and Panel; the explorer beside them. `--python` is an interpreter that has voila
and panel (and vmteach); what it has not is left out. A move goes one stop on, a second after the picture before.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import nbformat
from latency import Hand, high
from playwright.sync_api import sync_playwright

# isort: split
from conftest import CHROMIUM_OPTIONS, chromium_program
from lab import Visit, free_port, jupyterlab, slow_link, wait_for

DRAW = """
from vmteach.figures import plain, shm_big_iron as figure
from vmteach.patches import shm_big_iron as patch
shares = next(control.stops for control in patch.CONTROLS if control.field == "file_percent")
def drawn(share):
    scenario = patch.Scenario(file_percent=shares[share])
    runs = {label: patch.simulate(scenario, patch.POLICIES[label]) for label in (patch.UNPATCHED, patch.PATCHED)}
    return plain.figure([(label, figure.scene(run)) for label, run in runs.items()])
"""
WIDGETS = """
import ipywidgets as widgets
from IPython.display import display
slider = widgets.IntSlider(value=1, max=len(shares) - 1)
display(slider, widgets.interactive_output(lambda share: display(drawn(share)), {"share": slider}))
"""
PANEL = """
import panel as pn
slider = pn.widgets.IntSlider(name="share", value=1, start=0, end=len(shares) - 1)
pn.Column(slider, pn.bind(lambda share: pn.pane.Matplotlib(drawn(share), format="png"), slider)).servable()
"""
EXPLORER = "from vmteach import chapter\nch = chapter('shm_big_iron')\nch.explore()"
# Pictures everywhere in the page, also in the shadow trees that Panel makes.
WATCH = """() => { const deep = (root) => [...root.querySelectorAll('*')].flatMap((one) =>
    [...(one.tagName === 'IMG' ? [one] : []), ...(one.shadowRoot ? deep(one.shadowRoot) : [])]);
  const seen = () => deep(document).filter((one) => one.naturalWidth > 99).map((one) => one.src.slice(-4000)).join();
  let began = null, before = seen(); window.spent = []; window.pictures = () => before.length;
  window.addEventListener('keydown', (event) => { before = seen(); began = event.timeStamp; }, true);
  const painted = new MessageChannel();
  painted.port1.onmessage = () => { window.spent.push(performance.now() - began); began = null; };
  const look = () => { const now = seen();
    if (began !== null && now && now !== before) { before = now; painted.port2.postMessage(0); }
    requestAnimationFrame(look); };
  requestAnimationFrame(look); }"""
HANDLE = ".noUi-handle"
ROUND = ("ArrowRight", "ArrowLeft", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowLeft")


def notebook(path: Path, *cells: str) -> None:
    made = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    made.cells = [nbformat.v4.new_markdown_cell("# Peer"), *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(made, path)


@contextmanager
def served(*command: str, port: int, scratch: Path, at: str) -> Iterator[None]:
    """A server of another program, until it is not needed any more."""
    with (scratch / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=scratch) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}{at}", server, scratch / "log")
            yield
        finally:
            server.terminate()


def pressed(page: Any, moves: int, pace: float = 1) -> list[float]:
    """Milliseconds of each move of a slider that is no part of ours."""
    handle = page.locator(HANDLE).first
    handle.wait_for(timeout=60_000)
    page.evaluate(WATCH)
    page.wait_for_timeout(5000)
    for n in range(moves):
        handle.press(ROUND[n % len(ROUND)])
        page.wait_for_function(f"() => window.spent.length > {n}", timeout=30_000)
        page.wait_for_timeout(1000 * pace)
    return list(page.evaluate("() => window.spent"))


def ours(visit: Visit, moves: int) -> list[float]:
    """The same moves of the explorer."""
    hand = Hand(visit, "ours.ipynb", 1)
    stop, spent = hand.controls["file_percent"][0], []
    for n in range(moves):
        stop += 1 if ROUND[n % len(ROUND)] == "ArrowRight" else -1
        spent.append(hand.move("file_percent", stop))
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--link", type=float, default=0, help="milliseconds there and back")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--moves", type=int, default=8)
    asked = parser.parse_args()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lab: Any = stack.enter_context(jupyterlab(scratch / "lab"))
        chromium = stack.enter_context(sync_playwright()).chromium
        browser = chromium.launch(executable_path=chromium_program(), args=list(CHROMIUM_OPTIONS))

        def behind(port: int) -> str:
            held = stack.enter_context(slow_link(port, asked.link / 2000)) if asked.link else port
            return f"http://127.0.0.1:{held}"

        def tell(name: str, spent: list[float]) -> None:
            print(f"{name:42}{len(spent):4}{median(spent):8.0f}{high(spent):8.0f}  ms", flush=True)

        lab_behind = lab._replace(url=behind(int(lab.url.rsplit(":", 1)[1])))
        notebook(lab.folder / "ours.ipynb", EXPLORER)
        notebook(lab.folder / "theirs.ipynb", DRAW, WIDGETS)
        visit = Visit(browser, lab_behind)
        tell("the explorer, JupyterLab", ours(visit, asked.moves))
        visit.close()
        visit = Visit(browser, lab_behind)
        visit.open("theirs.ipynb")
        visit.run_all()
        tell("interactive_output, JupyterLab", pressed(visit.page, asked.moves))
        visit.close()
        notebook(scratch / "peer.ipynb", DRAW, WIDGETS)
        (scratch / "peer.py").write_text(DRAW + PANEL)
        peers = {
            "interactive_output, Voila": (
                "voila",
                "peer.ipynb",
                "--no-browser",
                "--port={port}",
                "--Voila.ip=127.0.0.1",
            ),
            "Panel": ("panel", "serve", "peer.py", "--port={port}", "--allow-websocket-origin=*"),
        }
        for name, command in peers.items():
            if subprocess.run([asked.python, "-c", f"import {command[0]}"], capture_output=True).returncode:
                print(f"{name:42}not installed")
                continue
            port, at = free_port(), "/static/js/bokeh.min.js" if name == "Panel" else "/voila/static/favicon.ico"
            words = (word.format(port=port) for word in command)
            with served(asked.python, "-m", *words, port=port, scratch=scratch, at=at):
                page = browser.new_page(viewport={"width": 1280, "height": 1400})
                page.goto(behind(port) + ("/peer" if name == "Panel" else "/"), timeout=120_000)
                tell(name, pressed(page, asked.moves))
                page.close()


if __name__ == "__main__":
    main()
