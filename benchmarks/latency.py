"""From a key press to the painted picture, in Chromium over a live JupyterLab: medians and 95th percentiles.

    python benchmarks/latency.py [--write] [--link 150] [--pace 1] [--jumps 12] [chapter ...]

A *stop* goes one stop on along a control, to its last stop and back, a second after the picture before: a reader looks
at it, and the explorer thinks ahead. A *jump* takes a control far away, to where the explorer has not been. The clock
runs from the control's event to the end of the frame that has the new picture in it: it is painted then, not only in
the page. With `--link` every chunk between page and server is held half as many milliseconds each way, as on the way to
a hub abroad; nothing of the machine is changed for that. Absolute times are for people: the tests assert none.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import median
from sys import path
from typing import Any

from playwright.sync_api import sync_playwright

path.insert(0, str(Path(__file__).parent.parent / "tests"))

from conftest import CHROMIUM_OPTIONS, chromium_program
from lab import Visit, jupyterlab, slow_link
from page import asked, high, notebooks, put, table

FAR = 4  # stops of a jump, at least: nearer ones may have been thought of
HAND = Path(__file__).with_name("hand.js").read_text(encoding="utf-8")
Times = dict[str, list[float]]  # field -> ms of each move


class Reader:
    """A browser, and a JupyterLab at the other end of a link of so many milliseconds there and back."""

    def __init__(self, stack: ExitStack, link: float) -> None:
        self.scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._stack, self._link = stack, link
        lab: Any = stack.enter_context(jupyterlab(self.scratch / "lab"))
        self.lab = lab._replace(url=self.behind(int(lab.url.rsplit(":", 1)[1])))
        chromium = stack.enter_context(sync_playwright()).chromium
        self.browser = chromium.launch(executable_path=chromium_program(), args=list(CHROMIUM_OPTIONS))

    def behind(self, port: int) -> str:
        """The address of a port of this machine, through the link."""
        held = self._stack.enter_context(slow_link(port, self._link / 2000)) if self._link else port
        return f"http://127.0.0.1:{held}"

    def visit(self) -> Visit:
        """A new page of the JupyterLab."""
        return Visit(self.browser, self.lab)


class Hand:
    """Somebody at the explorer of a chapter: moves one control at a time, waits for the picture, and looks at it."""

    def __init__(self, visit: Visit, notebook: str, pace: float) -> None:
        visit.open(notebook)
        visit.run_all()
        self.page, self.pace = visit.page, pace
        self.face = visit.explorer().element_handle()
        self.page.wait_for_function("(face) => face.dataset.at", arg=self.face)
        self.page.evaluate(HAND)
        self.face.evaluate("(face) => hand.clock(face)")
        self.page.wait_for_timeout(3000 * pace)
        self.controls: dict[str, list[int]] = self.face.evaluate("(face) => hand.controls(face)")

    def move(self, field: str, stop: int) -> float:
        """Milliseconds from the event to the painted picture."""
        self.page.evaluate("() => { window.spent = []; }")
        self.page.evaluate("(asked) => hand.move(asked)", [self.face, field, stop])
        self.page.wait_for_function("() => window.spent.length")
        self.controls[field][0] = stop
        self.page.wait_for_timeout(1000 * self.pace)
        return float(self.page.evaluate("() => window.spent[0]"))

    def stops(self, field: str) -> Iterator[float]:
        """A control to its last stop, to its first, and back, one stop after the other."""
        here, count = self.controls[field]
        way = [*range(here + 1, count), *reversed(range(count - 1)), *range(1, here + 1)]
        for stop in way:
            yield self.move(field, stop)

    def jumps(self, count: int, random: Random) -> Iterator[tuple[str, float]]:
        """Controls that have room for it go far, to where nobody has been; fewer where there is no such place left."""
        been: set[tuple[int, ...]] = set()
        for _ in range(count):
            far = {place: move for place, move in self._far() if place not in been}
            if not far:
                return
            place = random.choice(sorted(far))
            been.add(place)
            field, stop = far[place]
            yield field, self.move(field, stop)

    def _far(self) -> Iterator[tuple[tuple[int, ...], tuple[str, int]]]:
        """Each place that one control can reach in a jump, and the move that leads there."""
        here = {field: at for field, (at, _) in self.controls.items()}
        for field, (at, stops) in self.controls.items():
            for stop in range(stops):
                if stops > FAR + 1 and abs(stop - at) >= FAR:
                    yield tuple({**here, field: stop}.values()), (field, stop)


def measure(visit: Visit, notebook: str, pace: float, jumps: int) -> tuple[Times, list[float]]:
    """Milliseconds of each stop, by control, and of the jumps."""
    hand = Hand(visit, notebook, pace)
    times = {field: list(hand.stops(field)) for field in hand.controls}
    return times, [ms for _, ms in hand.jumps(jumps, Random(2004))]


def line(name: str, times: Times, jumped: list[float]) -> list[str]:
    """A row of the table."""
    every = [ms for spent in times.values() for ms in spent]
    worst = max(times, key=lambda field: high(times[field]))
    slowest = f"{worst} {high(times[worst]):.0f}"
    middle = f"{median(jumped):.0f}" if jumped else "-"
    return [name, str(len(every)), f"{median(every):.0f}", f"{high(every):.0f}", slowest, middle]


def main() -> None:
    want = asked(__doc__, chapters=(), write=False, link=0.0, pace=1.0, jumps=12)
    head = ["chapter", "stops", "median, ms", "p95, ms", "slowest control, its p95", "a jump, median, ms"]
    rows = []
    with ExitStack() as stack:
        reader = Reader(stack, want.link)
        for name in notebooks(want.chapters, explored=True):
            visit = reader.visit()
            times, jumped = measure(visit, f"{name}.ipynb", want.pace, want.jumps)
            visit.close()
            for field, spent in times.items():
                print(f"{name:24}{field:24}{len(spent):5}{median(spent):8.0f}{high(spent):8.0f}", flush=True)
            rows.append(line(name, times, jumped))
            print("  ".join(rows[-1]), f"p95 {high(jumped):.0f}", flush=True)
    if want.write and not want.link:
        put("latency", table(head, rows))


if __name__ == "__main__":
    main()
