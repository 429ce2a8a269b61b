"""The loads at the end of a page, byte by byte: what is added, what is masked off, what is not there."""

from collections.abc import Iterator
from typing import Any

from vmteach.figures.data import Group
from vmteach.figures.scene import Bracket, Cell, Edge, Scene, axis, row
from vmteach.figures.story import Ask, Frame, Story
from vmteach.figures.words import number
from vmteach.patches import csum_trail as model
from vmteach.patches.csum_trail import PATCHED, POLICIES, UNPATCHED, Scenario, simulate
from vmteach.run import Record, Run

STATES = {
    "K": (["loaded and added", "added"], "done"),
    "M": (["loaded and masked off", "masked"], "attention"),
    "D": (["of the buffer, not loaded yet", "buffer"], "data"),
    "O": (["somebody else's bytes", "other"], "other"),
    "N": (["next page", "next"], "nothing"),
    "F": (["not there: oops", "oops"], "promised"),
}
BEFORE, BEHIND = 12, 4  # bytes that are shown on either side of the page's edge


def scene(run: Run) -> Scene:
    """The last bytes of the page and the first of the next one, with every load that reaches them."""
    loads = list(_loads(run))
    faults = isinstance(run.events[-1], model.Faulted)
    n = run.numbers
    numbers = {"loads": number(n["loads"]), "of the next page": f"{n['bytes touched in the next page (B)']} B"}
    bytes_ = row("byte", _cells(run, loads, faults), _axis(run), [_edge(run)], _brackets(run, loads, faults))
    numbers["sum"] = str(n["sum"])
    return Scene(_clause(run), [bytes_], _alt(run), STATES, numbers, end="bad" if faults else "")


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


def _axis(run: Run) -> Group:
    page = run.scenario.machine.page
    return axis("byte", page - BEFORE, page + BEHIND, "byte", ticks=[page - BEFORE, page])


def _edge(run: Run) -> Edge:
    return Edge(run.scenario.machine.page, ["end of the page", "page end"])


def _cells(run: Run, loads: list[model.Loaded], faults: bool) -> list[Cell]:
    page = run.scenario.machine.page
    shown = range(page - BEFORE, page + BEHIND)
    return [Cell(_state(run, loads, faults, at), at, 1, f"{at}"[-2:], f"b{at}") for at in shown]


def _state(run: Run, loads: list[model.Loaded], faults: bool, at: int) -> str:
    """What has become of one byte after these loads; if the last of them faults, it has loaded nothing."""
    s, page = run.scenario, run.scenario.machine.page
    for number_, load in enumerate(loads, 1):
        if load.address <= at < load.address + load.width:
            if faults and number_ == len(loads):
                return "F" if at >= page else "M"
            return "K" if at < load.address + load.kept else "M"
    return "N" if at >= page else "D" if s.offset <= at < s.offset + s.length else "O"


def _brackets(run: Run, loads: list[model.Loaded], faults: bool) -> list[Bracket]:
    """The loads that reach into the picture, with their numbers."""
    low = run.scenario.machine.page - BEFORE
    shown = [(n, load) for n, load in enumerate(loads, 1) if load.address + load.width > low]
    return [
        Bracket(
            max(load.address, low),
            load.address + load.width,
            [f"load {n}: faults", "faults"] if faults and n == len(loads) else [f"load {n}", f"{n}"],
            "alert" if faults and n == len(loads) else "ink",
        )
        for n, load in shown
    ]


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
    tracks = {label: frames(simulate(case, POLICIES[label])) for label in (UNPATCHED, PATCHED)}
    return Story(f"adding up {case.length} bytes near the end of a page", STATES, RULES, tracks)


def frames(run: Run) -> list[Frame]:
    """The buffer, then one load a frame."""
    s, faulted = run.scenario, isinstance(run.events[-1], model.Faulted)
    loads = list(_loads(run))
    first = next(model.schedule(s.offset, s.length, POLICIES[UNPATCHED]))
    ask = Ask(
        f"The buffer begins at byte {s.offset}. How many bytes does the unpatched kernel's first load take?",
        ["1", "2", "4"],
        ("1", "2", "4").index(str(first.width)),
        "Only bit 1 of the address decides there, and bit 0 is not looked at.",
    )
    begin = f"The buffer has {s.length} bytes from byte {s.offset} on. Nothing is loaded yet."
    made = [_frame(run, [], False, begin, key="start", ask=ask)]
    for count, load in enumerate(loads, 1):
        last = count == len(loads)
        more: Record = {"end": "bad" if faulted else "good", "mark": "the end"} if last else {}
        say = _say(count, load, faulted and last, s.machine.page)
        made.append(_frame(run, loads[:count], faulted and last, say, rule=[_part(run, load)], **more))
    return made


def _frame(run: Run, loads: list[model.Loaded], faults: bool, say: str, **more: Any) -> Frame:
    hot = [f"b{at}" for load in loads[-1:] for at in range(load.address, load.address + load.width)]
    groups = {"bytes": row("byte", _cells(run, loads, faults), _axis(run), [_edge(run)], _brackets(run, loads, faults))}
    return Frame(say, groups, hot=hot, **more)


def _part(run: Run, load: model.Loaded) -> str:
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
