"""What a reader would use instead of the explorer, over the same link: from a key press to the painted picture.

    python benchmarks/peers.py [--link 150] [--python PYTHON] [--moves 8]

The same model of chapter 8, the same two controls, a figure of matplotlib at every move: `interactive_output` in
JupyterLab, the same served by Voila, and Panel; the explorer beside them. `--python` is an interpreter that has voila
and panel (and vmteach); what it has not is left out. A move goes one stop on, a second after the picture before.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import nbformat
from latency import HAND, Hand, Reader
from page import asked, high

# isort: split
from lab import Visit, free_port, wait_for

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
HANDLE = ".noUi-handle"
# Of the programs that serve a page of their own: the command, what is there when they are ready, and the page.
SERVED = {
    "interactive_output, Voila": (
        "voila peer.ipynb --no-browser --port={port} --Voila.ip=127.0.0.1", "/voila/static/favicon.ico", "/"
    ),
    "Panel": (
        "panel serve peer.py --port={port} --allow-websocket-origin=*", "/static/js/bokeh.min.js", "/peer"
    ),
}  # fmt: skip
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


def pressed(page: Any, moves: int) -> list[float]:
    """Milliseconds of each move of a slider that is no part of ours."""
    handle = page.locator(HANDLE).first
    handle.wait_for(timeout=60_000)
    page.evaluate(HAND)
    page.evaluate("() => hand.watch()")
    page.wait_for_timeout(5000)
    for n in range(moves):
        handle.press(ROUND[n % len(ROUND)])
        page.wait_for_function(f"() => window.spent.length > {n}", timeout=30_000)
        page.wait_for_timeout(1000)
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
    want = asked(__doc__, link=0.0, python=sys.executable, moves=8)
    with ExitStack() as stack:
        reader = Reader(stack, want.link)
        in_jupyterlab(reader, want.moves)
        for name, (command, ready, place) in SERVED.items():
            if subprocess.run([want.python, "-c", f"import {command.split()[0]}"], capture_output=True).returncode:
                print(f"{name:42}not installed")
                continue
            port = free_port()
            words = command.format(port=port).split()
            with served(want.python, "-m", *words, port=port, scratch=reader.scratch, at=ready):
                page = reader.browser.new_page(viewport={"width": 1280, "height": 1400})
                page.goto(reader.behind(port) + place, timeout=120_000)
                tell(name, pressed(page, want.moves))
                page.close()


def in_jupyterlab(reader: Reader, moves: int) -> None:
    """The explorer, and interactive_output, in one JupyterLab."""
    notebook(reader.lab.folder / "ours.ipynb", EXPLORER)
    notebook(reader.lab.folder / "theirs.ipynb", DRAW, WIDGETS)
    visit = reader.visit()
    tell("the explorer, JupyterLab", ours(visit, moves))
    visit.close()
    visit = reader.visit()
    visit.open("theirs.ipynb")
    visit.run_all()
    tell("interactive_output, JupyterLab", pressed(visit.page, moves))
    visit.close()
    notebook(reader.scratch / "peer.ipynb", DRAW, WIDGETS)
    (reader.scratch / "peer.py").write_text(DRAW + PANEL)


def tell(name: str, spent: list[float]) -> None:
    print(f"{name:42}{len(spent):4}{median(spent):8.0f}{high(spent):8.0f}  ms", flush=True)


if __name__ == "__main__":
    main()
