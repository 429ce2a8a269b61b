"""The loads at the end of a page, byte by byte: what is added, what is masked off, what is not there."""

from collections.abc import Iterator
from typing import NamedTuple

from vmteach.figures.data import Group
from vmteach.figures.scene import Bracket, Cell, Edge, Scene, axis, row
from vmteach.figures.story import Ask, Frame, Story, tracks
from vmteach.figures.words import number
from vmteach.patches import csum_trail as model
from vmteach.patches.csum_trail import POLICIES, UNPATCHED, Scenario
from vmteach.run import Run

STATES = {
    "K": (["loaded and added", "added"], "done"),
    "M": (["loaded and masked off", "masked"], "attention"),
    "D": (["of the buffer, not loaded yet", "buffer"], "data"),
    "O": (["somebody else's bytes", "other"], "other"),
    "N": (["next page", "next"], "nothing"),
    "F": (["not there: oops", "oops"], "promised"),
}
BEFORE, BEHIND = 12, 4  # bytes that are shown on either side of the page's edge


class Shown(NamedTuple):
    """The buffer after some loads; the last of them `faults`, or it does not."""

    run: Run
    loads: list[model.Loaded]
    faults: bool

    @property
    def page(self) -> int:
        return int(self.run.scenario.machine.page)

    @property
    def row(self) -> Group:
        """The last bytes of the page and the first of the next one, under the loads that reach them."""
        low, high = self.page - BEFORE, self.page + BEHIND
        cells = [Cell(self.state(at), at, 1, f"{at}"[-2:], f"b{at}") for at in range(low, high)]
        brackets = [self.bracket(n, load) for n, load in enumerate(self.loads, 1) if load.address + load.width > low]
        x = axis("byte", low, high, "byte", ticks=[low, self.page])
        return row("byte", cells, x, [Edge(self.page, ["end of the page", "page end"])], brackets)

    def state(self, at: int) -> str:
        """What has become of one byte."""
        for number_, load in enumerate(self.loads, 1):
            if at in _bytes(load):
                if self.faulted(number_):
                    return "F" if at >= self.page else "M"  # it has loaded nothing
                return "K" if at < load.address + load.kept else "M"
        s = self.run.scenario
        return "N" if at >= self.page else "D" if s.offset <= at < s.offset + s.length else "O"

    def faulted(self, n: int) -> bool:
        return self.faults and n == len(self.loads)

    def bracket(self, n: int, load: model.Loaded) -> Bracket:
        tone, words = ("alert", [f"load {n}: faults", "faults"]) if self.faulted(n) else ("ink", [f"load {n}", f"{n}"])
        return Bracket(max(load.address, self.page - BEFORE), load.address + load.width, words, tone)


def scene(run: Run) -> Scene:
    """The last bytes of the page and the first of the next one, with every load that reaches them."""
    faults, n = isinstance(run.events[-1], model.Faulted), run.numbers
    numbers = {"loads": number(n["loads"]), "of the next page": f"{n['bytes touched in the next page (B)']} B"}
    numbers["sum"] = str(n["sum"])
    groups = [Shown(run, list(_loads(run)), faults).row]
    return Scene(_clause(run), groups, _alt(run), STATES, numbers, end="bad" if faults else "")


def _bytes(load: model.Loaded) -> range:
    return range(load.address, load.address + load.width)


def _clause(run: Run) -> list[str]:
    """What this kernel touches beyond the page, and what comes of it."""
    beyond, page = run.numbers["bytes touched in the next page (B)"], run.scenario.machine.page
    if not beyond:
        return ["stays within the page"]
    which = f"byte {page}" if beyond == 1 else f"bytes {page} to {page + beyond - 1}"
    short = f"byte {page}" if beyond == 1 else f"{beyond} bytes too many"
    if run.numbers["oops"] == "yes":
        return [f"loads {which}, which is not there: oops", f"loads {short}: oops"]
    if any(isinstance(event, model.Caught) for event in run.events):
        return [f"loads {which}, and handles the fault", "handles the fault"]
    return [f"loads {which} of somebody else, unnoticed", f"loads {short}, unnoticed"]


def _loads(run: Run) -> Iterator[model.Loaded]:
    """All loads of the buffer, the one that faults included."""
    s = run.scenario
    for load in model.schedule(s.offset, s.length, run.policy, s.machine.page):
        yield load
        if isinstance(run.events[-1], model.Faulted) and load.address + load.width > s.machine.page:
            return


def _alt(run: Run) -> str:
    s, n, last = run.scenario, run.numbers, list(_loads(run))[-1:]
    told = "".join(f" The last load takes bytes {x.address} to {x.address + x.width - 1}." for x in last)
    return (
        f"A buffer of {number(s.length)} bytes from byte {s.offset} of a page of {number(s.machine.page)} bytes. "
        f"Loads: {number(n['loads'])}; bytes of the next page touched: {n['bytes touched in the next page (B)']}."
        f"{told} Oops: {n['oops']}. Sum: {n['sum']}."
    )


# ---- load by load ----

STORIES = {"Seven bytes": Scenario(), "Three bytes before it": Scenario(length=9, behind=2)}
RULES = {
    "prologue": "Uses up a byte or two. Unpatched: two if bit 1 of the address is set. Patched: one if bit 0 is, too.",
    "loop": "Adds four bytes at a time.",
    "tail": "One to three bytes are left: loads four, and masks off what is too much.",
}


def story(case: Scenario) -> Story:
    title = f"adding up {case.length} bytes near the end of a page"
    return Story(title, STATES, RULES, tracks(model, frames, case))


def frames(run: Run) -> list[Frame]:
    """The buffer, then one load a frame."""
    s, loads = run.scenario, list(_loads(run))
    first = next(model.schedule(s.offset, s.length, POLICIES[UNPATCHED]))
    ask = Ask(
        f"The buffer begins at byte {s.offset}. How many bytes does the unpatched kernel's first load take?",
        ["1", "2", "4"],
        ("1", "2", "4").index(str(first.width)),
        "Only bit 1 of the address decides there, and bit 0 is not looked at.",
    )
    begin = f"The buffer has {s.length} bytes from byte {s.offset} on. Nothing is loaded yet."
    made = [Frame(begin, {"bytes": Shown(run, [], False).row}, "start", ask=ask)]
    for count, load in enumerate(loads, 1):
        last = count == len(loads)
        shown = Shown(run, loads[:count], last and isinstance(run.events[-1], model.Faulted))
        end = ("bad" if shown.faults else "good") if last else ""
        hot, say = [f"b{at}" for at in _bytes(load)], _say(count, load, shown.faults, s.machine.page)
        made.append(Frame(say, {"bytes": shown.row}, "", [_part(load)], hot, mark="the end" * last, end=end))
    return made


def _part(load: model.Loaded) -> str:
    """Which part of the routine makes a load."""
    if load.width < 4:
        return "prologue"
    return "loop" if load.kept == 4 else "tail"


def _say(count: int, load: model.Loaded, faults: bool, page: int) -> str:
    end = load.address + load.width - 1
    where = f"byte {load.address}" if load.width == 1 else f"bytes {load.address} to {end}"
    if faults:
        return f"Load {count} takes {where}. Byte {page} is in the next page, which is not there: oops."
    rest = f" {load.kept} of them are added, the rest is masked off." if load.kept < load.width else ""
    return f"Load {count} takes {where}.{rest}"
