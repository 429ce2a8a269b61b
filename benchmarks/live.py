"""A move of a control in a live kernel, from the message of the page until the kernel is idle again.

The browser has no part in it: benchmarks/latency.py measures what a reader sees. The kernel holds three things that
can be moved: a slider that does nothing, the flagship's explorer, and the same picture made the usual way, by
interactive_output, with both runs and a new figure at every move. A jump goes to a place that the explorer has never
been to nor beside; a step goes on along a control, at the pace of somebody who looks at each picture.
"""

import ast
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from time import perf_counter, sleep
from typing import Any

from jupyter_client.manager import start_new_kernel
from page import ROOT, own_places
from paired import Ratio, of_rounds

WAIT = 60  # s
PLACES = tuple(product((0, 6), (1, 6)))  # stops of vm_cache_scan_ratio and of the share of file pages
STEPS = tuple((3, i) for i in range(7)) + tuple((i, 6) for i in range(4, 7))  # one stop at a time
PACE = 1.0  # s from a picture to the next step
REPEATS = 8  # of the move that does nothing

SETUP = """\
%matplotlib inline
import ipywidgets as widgets
from IPython.display import display
from vmteach.lab.explorer import explore
from vmteach.figures import shm_big_iron as figure
from vmteach.figures import plain
from vmteach.patches import shm_big_iron as patch

controls = {control.field: control.stops for control in patch.CONTROLS}
ratios, shares = controls["vm_cache_scan_ratio"], controls["file_percent"]
explorer = explore(patch, figure)

nothing = widgets.IntSlider(max=10_000)
nothing.observe(lambda change: None, "value")

def usual(place):
    ratio, share = divmod(place, len(shares))
    scenario = patch.Scenario(vm_cache_scan_ratio=ratios[ratio], file_percent=shares[share])
    runs = {label: patch.simulate(scenario, patch.POLICIES[label]) for label in (patch.UNPATCHED, patch.PATCHED)}
    display(plain.figure([(label, figure.scene(run)) for label, run in runs.items()]))

slider = widgets.IntSlider(max=len(ratios) * len(shares) - 1)
output = widgets.interactive_output(usual, {"place": slider})
"""


class Moves:
    """A kernel, and the three things in it that can be moved."""

    def __init__(self, client: Any) -> None:
        self.client, self.turn = client, 0
        self._run(SETUP)
        ids = "[explorer.model_id, slider.model_id, nothing.model_id]"
        self.explorer, self.slider, self.nothing = self._value(ids)
        self.first = self._value("explorer.stage.first")
        self.shares = self._value("len(shares)")

    def _run(self, code: str, **ask: str) -> Any:
        reply = self.client.execute_interactive(code, timeout=WAIT, user_expressions=ask, output_hook=lambda _: None)
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"]["traceback"]))
        return reply["content"]["user_expressions"]

    def _value(self, expression: str) -> Any:
        return ast.literal_eval(self._run("", value=expression)["value"]["data"]["text/plain"])

    def _send(self, model: str, data: dict[str, Any]) -> int:
        """Send a widget's message and wait until the kernel is idle; how much of pictures came back."""
        message = self.client.session.msg("comm_msg", {"comm_id": model, "data": data})
        self.client.shell_channel.send(message)
        pictures = 0
        while True:
            answer = self.client.get_iopub_msg(timeout=WAIT)
            if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            content = answer["content"]
            if answer["msg_type"] == "error":
                raise RuntimeError("\n".join(content["traceback"]))
            pictures += len(str(content.get("data", {}).get("content", {}).get("panels", "")))
            pictures += len(content.get("data", {}).get("image/png", ""))
            pictures += sum(len(out["data"].get("image/png", "")) for out in outputs(content))
            if content.get("execution_state") == "idle":
                return pictures

    def move_nothing(self, place: tuple[int, int] = (0, 0)) -> int:
        self.turn += 1
        return self._send(self.nothing, {"method": "update", "state": {"value": self.turn}, "buffer_paths": []})

    def move_ours(self, place: tuple[int, int]) -> int:
        at = {**self.first, "vm_cache_scan_ratio": place[0], "file_percent": place[1]}
        return self._send(self.explorer, {"method": "custom", "content": {"kind": "ask", "seq": 0, "at": at}})

    def move_theirs(self, place: tuple[int, int]) -> int:
        value = place[0] * self.shares + place[1]
        return self._send(self.slider, {"method": "update", "state": {"value": value}, "buffer_paths": []})


def outputs(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The pictures that an Output widget was given."""
    data = content.get("data", {})
    shown = data.get("state", {}).get("outputs", ()) if data.get("method") == "update" else ()
    return [output for output in shown if "data" in output]


@contextmanager
def kernel() -> Iterator[Moves]:
    """A live kernel with everything in it, and its end."""
    with tempfile.TemporaryDirectory() as scratch:
        manager, client = start_new_kernel(kernel_name="python3", env=own_places(scratch), cwd=str(ROOT))
        try:
            moves = Moves(client)
            assert moves.move_ours((1, 2)) > 1_000, "the explorer sends no picture"
            assert moves.move_theirs((1, 2)) > 10_000, "the usual notebook shows no picture"
            assert moves.move_nothing() == 0, "the slider that does nothing does something"
            yield moves
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def seconds(move: Callable[[tuple[int, int]], int], place: tuple[int, int], repeats: int = 1) -> float:
    began = perf_counter()
    for _ in range(repeats):
        move(place)
    return (perf_counter() - began) / repeats


def jump_over_nothing() -> Ratio:
    """A jump of the explorer, and a move of a slider that does nothing."""
    with kernel() as moves:
        return of_rounds([(seconds(moves.move_ours, p), seconds(moves.move_nothing, p, REPEATS)) for p in PLACES])


def step_over_nothing() -> Ratio:
    """A step of the explorer, and a move of a slider that does nothing."""
    with kernel() as moves:
        return of_rounds([(_step(moves, p), seconds(moves.move_nothing, p, REPEATS)) for p in STEPS][1:])


def usual_over_step() -> Ratio:
    """A move in the usual notebook, and a step of the explorer to the same place."""
    with kernel() as moves:
        return of_rounds([(seconds(moves.move_theirs, p), _step(moves, p)) for p in STEPS][1:])


def _step(moves: Moves, place: tuple[int, int]) -> float:
    spent = seconds(moves.move_ours, place)
    sleep(PACE)
    return spent
