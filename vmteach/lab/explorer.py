"""The explorer of a chapter: its goals, its controls, the kernels to compare, a picture and the numbers.

The face (explorer.js) asks for the answer to a position, one question at a time, always the latest; what is shown comes
from the chapter's stage. Between questions the kernel thinks ahead, a piece at a time, and sends what it found: the
page keeps these answers by their position, shows one at once, and tells the kernel where it is. Both give way when the
machine is busy or the line is slow.
"""

import asyncio
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from contextlib import suppress
from time import perf_counter, process_time
from typing import Any

import traitlets

from vmteach.exercises import card, chapter, marked
from vmteach.lab.face import Face
from vmteach.lab.goal import Judge, follow_newest
from vmteach.lab.note import QUIET, told
from vmteach.lab.stage import At, Figure, Patch, Shown, Stage, remembered
from vmteach.patches import STEMS
from vmteach.run import Record, Run

thread_time = getattr(time, "thread_time", process_time)  # a browser's Python has one thread and no such clock
PAUSE, LONGEST_PAUSE = 0.01, 2.0  # s before a piece of thinking ahead: in between, for questions to come in
WAITED = 1.5  # a piece that takes more than this times its work has waited for the processor: the machine is busy
MOST_SENT = 200  # positions that the page is known to have been told


def explore(patch: Patch, figure: Figure, policies: Sequence[str] | None = None, **fixed: object) -> "Explorer":
    """An explorer of a chapter: `patch` and `figure` are its modules, `policies` the kernels shown at first.

    Other fields of the Scenario may be given by name; they stay as they are.

    >>> from vmteach.figures import shm_big_iron as figure
    >>> from vmteach.patches import shm_big_iron as patch
    >>> explorer = explore(patch, figure)
    >>> explorer.set(machine="256 MB")
    >>> explorer.state["machine"], explorer.numbers["unpatched"]["free (KiB)"]
    ('256 MB', 2108)
    """
    return Explorer(Stage(patch, figure, policies, fixed))


class Explorer(Face):
    """Controls, a picture and a table of numbers, kept in step.

    `state` maps each control to its stop, and "policies" to the labels shown; `set` moves some of them, `reset`
    puts all back. `runs`, `numbers`, `finding`, `alt` and `code` belong to the state of the moment.
    """

    at = traitlets.Dict().tag(sync=True)  # positions: field -> index of its stop; "policies" -> labels
    shown = traitlets.Dict().tag(sync=True)  # the answer that is on screen; read when the state is asked for, see below

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.stem = stage.patch.__name__.rsplit(".", 1)[-1]
        goals = chapter(self.stem).GOALS if self.stem in STEMS else ()
        self.judges = [Judge(self.stem, goal) for goal in goals]
        self._ahead: deque[tuple[At, str]] = deque()  # to be thought of: positions and kernels, then all
        self._sent: OrderedDict[Hashable, bool] = OrderedDict()
        self._thinking: asyncio.TimerHandle | None = None
        self._pause, self._began = PAUSE, 0.0
        self._now: Shown = {}
        spec = {**stage.spec(), "goals": list(map(told, goals))}
        super().__init__(script="explorer", spec=spec, at=dict(stage.first))
        self._show()
        self.on_msg(self._on_message)
        follow_newest(self, self.stem)

    # ---- what it is set to

    @property
    def state(self) -> Record:
        """The stop of each control, and the labels of the policies shown."""
        return self.stage.state(self.at)

    def set(self, **state: object) -> None:
        """Move controls to stops, by the names of their fields; `policies` takes a list of labels."""
        self.at = self.stage.moved(self.at, **state)
        self._show()

    def reset(self) -> None:
        """Put every control back to where it began."""
        self.at = dict(self.stage.first)
        self._show()

    # ---- what it shows

    @property
    def scenario(self) -> Any:
        """The Scenario of the moment."""
        return self.stage.scenario(self.at)

    @property
    def runs(self) -> dict[str, Run]:
        """The run of each policy shown."""
        return self.stage.runs(self.at)

    @property
    def numbers(self) -> dict[str, Record]:
        """The named figures of each policy shown."""
        return self.stage.numbers(self.at)

    @property
    def finding(self) -> str:
        """The title of the picture."""
        return str(self._now["finding"])

    @property
    def alt(self) -> str:
        """The picture in words."""
        return str(self._now["alt"])

    @property
    def code(self) -> str:
        """The Python that gives what is shown."""
        return self.stage.code(self.at)

    def __repr__(self) -> str:
        return f"{self.finding}\n{self.alt}"

    def still(self, page: bool = False) -> str:
        answer = self._now
        head = "".join(f'<th scope="col">{label}</th>' for label in answer["labels"])
        rows = "".join(
            f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
            for name, *cells in answer["rows"]
        )
        picture = "" if page else self._picture()
        table = f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return card(f"<p><strong>{marked(self.finding)}</strong></p>{picture}<p>{marked(self.alt)}</p>{table}", QUIET)

    def _picture(self) -> str:
        from vmteach.figures.drawing import Drawing

        runs = self.runs
        return Drawing([(label, self.stage.figure.scene(run)) for label, run in runs.items()], runs=runs)._repr_html_()

    # ---- how

    def get_state(self, key: object = None, drop_defaults: bool = False) -> Any:
        """The state, with what is on screen: so a page that comes back, or a notebook that is saved, can show it."""
        state = super().get_state(key=key, drop_defaults=drop_defaults)
        if key is None and hasattr(self, "_now"):
            state["shown"] = self._whole(self._now, self.at)
        return state

    def _whole(self, shown: Shown, at: At) -> Record:
        """An answer with its position and what the goals say there, as text."""
        return {**shown, "edition": self.stage.edition, "at": at, "goals": self._goals(at)}

    def _goals(self, at: At, keep: bool = False) -> list[Record]:
        said = []
        for judge in self.judges:
            verdict = judge.verdict(self.stage.state(at), lambda: self.stage.numbers(at))
            if keep:
                judge.keep(verdict)
            said.append({"outcome": verdict.outcome.value, "html": marked(judge.say(verdict))})
        return said

    def _show(self) -> None:
        """Show what is at the position; the page follows by itself."""
        with suppress(ValueError):  # a scenario that cannot be is said when the page asks for it
            self._now = self.stage.show(self.at)
            self._goals(self.at, keep=True)

    def _on_message(self, _: object, message: object, buffers: object = None) -> None:
        """A position from the page: it asks for the answer there, or says that it shows the answer it has."""
        if not isinstance(message, dict) or message.get("kind") not in ("ask", "tell"):
            return
        self._began = perf_counter()
        if message.get("seq") == 1:  # a page that was opened anew has nothing yet
            self._sent.clear()
        self._renew()
        before, seq = dict(self.at), message.get("seq", 0)
        with self.hold_trait_notifications():
            self.at = self.stage.held(message["at"])
        try:
            self._now = self.stage.show(self.at)
        except ValueError as impossible:
            self.send({"kind": "answer", "seq": seq, "at": self.at, "error": str(impossible)})
        else:
            goals = self._goals(self.at, keep=True)
            if message["kind"] == "ask":
                self._answer("answer", self.at, self._now, seq)
            else:
                self.send({"kind": "told", "seq": seq, "goals": goals, "edition": self.stage.edition})
        self._plan(before, int(message.get("ahead", 99)))

    def _answer(self, kind: str, at: At, shown: Shown, seq: int = 0) -> None:
        remembered(self._sent, self.stage.key(at), lambda: True, MOST_SENT)
        ms = 1000 * (perf_counter() - self._began)
        answer = {"kind": kind, "seq": seq, "ms": ms, "edition": self.stage.edition, **shown}
        self.send({**answer, "at": at, "goals": self._goals(at)})

    def _renew(self) -> None:
        edition = self.stage.edition
        self.stage.renew()
        if self.stage.edition != edition:
            self._sent.clear()

    # ---- thinking ahead

    def _plan(self, before: At, most: int) -> None:
        """What to think of next: each kernel's run at the positions beside, then the picture. The likeliest first."""
        beside = [at for at in self.stage.beside(self.at, before) if self.stage.key(at) not in self._sent][:most]
        self._ahead = deque((at, label) for at in beside for label in (*at["policies"], ""))
        self._rest()

    def _rest(self) -> None:
        """Wait for questions, then think on; where no loop runs nobody is going to ask."""
        if self._thinking:
            self._thinking.cancel()
        self._thinking = None
        if self._ahead and "asyncio" in sys.modules:
            with suppress(RuntimeError):
                self._thinking = asyncio.get_running_loop().call_later(self._pause, self._think)

    def _think(self) -> None:
        """Work out one piece; send an answer that is whole. Go on later, the more so if the processor was wanted."""
        self._thinking = None
        if not self._ahead:
            return
        at, label = self._ahead.popleft()
        began, worked = perf_counter(), thread_time()
        with suppress(ValueError):  # what cannot be will be told when it is asked for
            if label:
                self.stage.panel(at, label)
            else:
                self._answer("ahead", at, self.stage.show(at))
        took, work = perf_counter() - began, thread_time() - worked
        busy = took > WAITED * work + 0.002
        self._pause = min(2 * max(self._pause, took), LONGEST_PAUSE) if busy else max(PAUSE, self._pause / 2)
        self._rest()
