"""Lanes and entries: who holds which lock, what the two entries hold, and where the lock is free in between."""

from collections import Counter
from collections.abc import Iterator, Mapping

from vmteach.figures.data import Group, stretches
from vmteach.figures.lanes import Bar, bars
from vmteach.figures.scene import Box, Link, Mark, Scene, Span, Stay, axis, grid, lanes, nodes, prediction, strip
from vmteach.figures.scene import script as script_of
from vmteach.figures.story import Ask, Frame, Story, tracks
from vmteach.figures.words import number
from vmteach.kernel.entry import LIST, NONE, OOPS, PRESENT, PTL, SWAP, Clearer
from vmteach.kernel.threads import END, Data, Stepped, Thread, Waited
from vmteach.machine import PRESETS
from vmteach.patches import mremap_race as model
from vmteach.patches.mremap_race import MMAP_SEM, Scenario, program, states_of
from vmteach.run import Record, Run, of_kind

STATES = {
    "P": (["page-table lock, PTL", "PTL"], "attention"),
    "M": ("mmap_sem", "other"),
    "L": (["lock of the file's list", "list lock"], "in use"),
    "E": (["entry present", "present"], "data"),
    "S": (["swap entry", "swap"], "moving"),
    "N": (["entry none", "none"], "nothing"),
    "W": (["waits", ""], "waits"),
    "X": (["waits for ever", ""], "blocked"),
}
LOCKS = {PTL: "P", MMAP_SEM: "M", LIST: "L"}
SHORTER = {SWAP: ["swap entry", "swap"]}
LOCKS_SHOWN = [MMAP_SEM, PTL]  # in the story
ENTRIES = {PRESENT: "E", SWAP: "S", NONE: "N"}
BREAKS = {
    "I1": "reads a null pointer",
    "I2": "has two entries for one page",
    "I3": "maps a page that was freed",
    "I4": "sleeps with an atomic map",
    "I5": "keeps a lock",
    "I6": "leaves the old entry behind",
    "I7": "loses or doubles a swap entry",
    "I8": "does not move the page",
    "I9": "keeps a page after truncate",
}
ROLES = {Clearer.TRUNCATE: "truncates", Clearer.LISTED: "truncates by the list"}


# ---- the picture of a run ----


def scene(run: Run) -> Scene:
    """The schedule in lanes, and below it what the source's and the target's entry hold after each step."""
    n, way = run.numbers, run.numbers["shortest way there (steps)"]
    taken = of_kind(run.events, Stepped)
    x = axis("step", 0, len(taken), "step")
    role = ROLES.get(run.scenario.clearer, "swaps out")
    threads = [(thread.name, "moves the page" if thread.name == "M" else role) for thread in _program(run)]
    stays = [_stay(bar) for bar in bars(run.events)]
    rails = [MMAP_SEM, PTL] + ["list"] * (run.scenario.clearer is Clearer.LISTED)
    picture = lanes("steps", threads, stays, x, _marks(taken), rails)
    states = [state.data for state in states_of(run)]
    entries = [
        strip(label, _spans([getattr(each, name) for each in states[1 : len(taken) + 1]]), x)
        for label, name in ((["source entry", "source"], "old"), (["target entry", "target"], "new"))
    ]
    return Scene(
        clause=_clause(run),
        groups=[picture, *entries],
        states=STATES,
        numbers={
            "what can happen": str(n["what can happen"]),
            "shortest way": f"{way} steps" if way != "none" else "none",
            "states explored": number(n["states explored"]),
            "own reclaim reaches swap_out": str(n["own reclaim reaches swap_out"]),
        },
        end="good" if n["what can happen"] == "nothing bad" else "bad",
        alt=_alt(run, taken),
    )


def _program(run: Run) -> tuple[Thread, ...]:
    return program(run.scenario, run.policy).threads


def _stay(bar: Bar) -> Stay:
    """The bar on its rail; mmap_sem is held all the time and has its name in the legend."""
    rail = [MMAP_SEM, PTL, LIST].index(bar.lock)
    if bar.waits_on:
        words = [f"waits for {bar.lock}", "waits"]
        return Stay(bar.thread, rail, "X" if bar.end is None else "W", bar.start, bar.end, words)
    return Stay(bar.thread, rail, LOCKS[bar.lock], bar.start, bar.end, {PTL: PTL, LIST: "list"}.get(bar.lock, ""))


def _marks(taken: list[Stepped]) -> list[Mark]:
    """Where M lets PTL go to allocate, and where it reads through the null pointer."""
    at = [event.at for event in taken]
    marks = []
    if {"M5", "M7"} <= set(at) and at.index("M7") - at.index("M6") > 1:  # somebody used the gap
        marks.append(Mark(at.index("M5") + 1, "PTL is free", "blue"))
    if at[-1:] == ["M10"]:
        marks.append(Mark(len(taken) - 0.5, ["null pointer", "null"], "alert"))
    return marks


def _spans(values: list[str]) -> list[Span]:
    """The stretches in which an entry holds the same; column n is what it holds after that step."""
    held = stretches(values)
    return [Span(ENTRIES[value], at, at + steps, SHORTER.get(value, value)) for value, at, steps in held]


def _clause(run: Run) -> list[str]:
    n = run.numbers
    happens, steps = str(n["what can happen"]), n["shortest way there (steps)"]
    if happens == "nothing bad":
        return [f"breaks nothing in any of {number(n['states explored'])} states", "breaks nothing"]
    words = BREAKS[happens[:2]]
    return [f"{words} after {steps} steps", words]


def _alt(run: Run, taken: list[Stepped]) -> str:
    steps = ", ".join(f"{event.at} {event.does}" for event in taken)
    *_, last = (state.data for state in states_of(run))
    way = run.numbers["shortest way there (steps)"]
    head = "One run to the end" if way == "none" else f"The shortest way, {way} steps"
    return (
        f"{head}: {steps}. At the end the source entry is {last.old}, the target entry {last.new}. "
        f"{number(run.numbers['states explored'])} states explored: {run.numbers['what can happen']}."
    )


def predicted(value: float) -> Record:
    """A predicted number of steps, as a line in the lanes."""
    return prediction("step", float(value), [f"your prediction: {number(value)} steps", f"you: {number(value)}"])


# ---- the map ----


def reach(runs: Mapping[str, Mapping[tuple[str, int], Run]]) -> dict[str, Scene]:
    """The map: for each policy, over machine and vm_cache_scan_ratio, whether M alone can crash.

    `runs` maps a policy's label to {(machine, ratio): run}, as `mremap_race.over_machines` makes it.
    """
    return {label: _map(cells) for label, cells in runs.items()}


def _map(cells: Mapping[tuple[str, int], Run]) -> Scene:
    machines, ratios = (list(dict.fromkeys(part)) for part in zip(*cells))
    bad = [where for where, run in cells.items() if run.numbers["what can happen"] != "nothing bad"]
    rows = [
        (machine, [_box(machine, ratio, (machine, ratio) in bad) for ratio in sorted(ratios)]) for machine in machines
    ]
    where = ", ".join(f"{machine} at {ratio}" for machine, ratio in bad) or "none"
    return Scene(
        clause=[f"crashes in {len(bad)} of {len(cells)} cells" if bad else "crashes in none"],
        groups=[grid("M alone", list(map(str, sorted(ratios))), rows, corner="vm_cache_scan_ratio")],
        states={"C": ("can crash", "promised"), "N": ("safe", "nothing")},
        alt=f"Machines by ratio, one thread alone. It can crash at: {where}.",
    )


def _box(machine: str, ratio: int, bad: bool) -> Box:
    return Box("C" if bad else "N", "crash" if bad else "", {"machine": machine, "vm_cache_scan_ratio": ratio})


# ---- step by step ----

STORIES = {
    "M moves, C truncates": Scenario(),
    "One thread alone": Scenario(machine=PRESETS["32 MB"], clearers=0, clearer=Clearer.FILE),
}
RULES = {
    "move_one_page": "looks the source up, makes room for the target, looks again, moves the entry",
    "alloc_one_pte": "an allocation may sleep: give up the map and the lock first",
    "zap_page_range": "takes PTL alone and clears the entry",
    "the second test": "did the second look-up find anything? If not, leave",
}
SHORT = {
    "look the source up (none: leave)": ["look the source up", "look up"],
    "target's table there? (if not: drop the map)": ["table there? drop the map", "table there?"],
    "allocate a table page (may sleep)": ["allocate, may sleep", "allocate"],
    "lock PTL, install the table": ["lock PTL, install", "lock PTL"],
    "map the target slot": ["map the target", "map"],
    "look the source up again": ["look it up again", "look again"],
    "look the source up again (nothing: leave)": ["look it up again, test", "look again"],
    "read through the pointer (null: oops)": ["read the pointer", "read"],
    "clear the source, write the target": ["move the entry", "move"],
    "drop the maps, unlock PTL": ["unmap, unlock PTL", "unlock PTL"],
    "unlock mmap_sem, return 0": ["unlock mmap_sem", "return 0"],
    "own reclaim: lock PTL": ["reclaim: lock PTL", "lock PTL"],
    "swap_out clears the entry": ["swap_out clears it", "swap_out"],
}
SAID = {
    "M1": "M takes `mmap_sem` and keeps it to the end.",
    "M2": "M locks PTL, which protects the entries.",
    "M3": "M looks the source entry up. It is present.",
    "M4": "The target's table is missing. M gives up its atomic map of the source.",
    "M5": "M unlocks PTL, because an allocation may sleep.",
    "M6": "M allocates a page for the table.",
    "M6a": "There is no free memory: M's own reclaim locks PTL.",
    "M6b": "`swap_out` clears the entry of the page that M is moving.",
    "M6c": "The reclaim unlocks PTL.",
    "M7": "M locks PTL again and installs the table.",
    "M8": "M maps the slot of the target.",
    "M10": "M reads through the null pointer: oops, with both locks held.",
    "M11": "M clears the source and writes the target.",
    "M12": "M gives up its maps and unlocks PTL.",
    "M13": "M unlocks `mmap_sem` and returns 0: there was nothing left to move.",
    "C1": "C locks PTL. It is free, and C never asks for `mmap_sem`.",
    "C2": "C clears the entry. The file was cut short, so the page is freed.",
    "C3": "C unlocks PTL.",
}
RULE_AT = {"M4": "alloc_one_pte", "M5": "alloc_one_pte", "M6": "alloc_one_pte", "M6b": "zap_page_range"}
ASK = Ask(
    "Who can change the source entry while M allocates?",
    ["Nobody: M holds mmap_sem", "C", "Nobody: M holds PTL"],
    1,
    "C needs PTL alone, and M has just given it back.",
    ["C never asks for mmap_sem.", "", "M gave PTL back at M5."],
)
MARKS = {"M5": "PTL is free", "C2": "the entry is cleared", "M9": "the second look-up", "M10": "null pointer"}


def frames(run: Run) -> list[Frame]:
    """One frame a step: the threads' scripts, the locks, the two entries."""
    return list(_Told(run).frames())


class _Told:
    """The steps of a run as frames; holds what stands between two of them."""

    def __init__(self, run: Run) -> None:
        self.run, self.threads = run, _program(run)
        self.taken: Counter[str] = Counter()
        self.order = {thread.name: [e.at for e in run.events if e.thread == thread.name] for thread in self.threads}
        self.held: dict[str, tuple[str, ...]] = {}

    def frames(self) -> Iterator[Frame]:
        states = [state.data for state in states_of(self.run)]
        steps = [event for event in self.run.events if not isinstance(event, Waited)]
        alone = "No other thread is there." if len(self.threads) == 1 else "C is about to cut the file short."
        yield self._frame(f"M is to move one page. {alone}", states[0], "start")
        for number_, (event, state) in enumerate(zip(steps, states[1:]), 1):
            self.taken[event.thread] += 1
            self.held[event.thread] = event.holds
            end = ("bad" if event.at == "M10" else "good") if number_ == len(steps) else ""
            yield self._frame(self._say(event, state), state, event.at, event, end)

    def _say(self, event: Stepped, state: Data) -> str:
        if event.at != "M9":
            return SAID.get(event.at, f"{event.thread}: {event.does}.")
        tested = "The patched kernel tests that, and M leaves."
        gone = tested if self.run.policy.skips_if_gone else "So M's pointer is null, and nobody tests it."
        found = f"There is nothing. {gone}" if state.old == NONE else "It is still there."
        return f"M looks the source up a second time. {found}"

    def _frame(self, say: str, data: Data, key: str, event: Stepped | None = None, end: str = "") -> Frame:
        at = event.at if event else ""
        names = [thread.name for thread in self.threads]
        groups = {thread.name: self._script(thread) for thread in self.threads}
        groups |= {"locks": nodes("lock", names, LOCKS_SHOWN), "entries": _entries(data)}
        links = [
            Link(name, "holds", lock) for name, locks in self.held.items() for lock in locks if lock in LOCKS_SHOWN
        ]
        ask = ASK if at == "M6" and len(names) > 1 else None
        return Frame(say, groups, key, self._rule(at, data), links=links, mark=MARKS.get(at, ""), ask=ask, end=end)

    def _rule(self, at: str, data: Data) -> list[str]:
        if at == "M9" and self.run.policy.skips_if_gone and data.old == NONE:
            return ["the second test"]
        return [RULE_AT.get(at, "zap_page_range" if at[0] == "C" else "move_one_page")] if at else []

    def _script(self, thread: Thread) -> Group:
        """A thread's lines that a reader follows, and the one that comes next."""
        order, done = self.order[thread.name], self.taken[thread.name]
        rows = [step for step in thread.steps if step.at not in (OOPS, END)]
        names = [step.at for step in rows]
        over = names.index("M10") if order[-1:] == ["M10"] else len(names)  # the line that ends in the oops is the last
        at = names.index(order[done]) if done < len(order) else over
        lines = [(step.at, SHORT.get(step.says, step.says)) for step in rows]
        return script_of(thread.name, lines, at, head="moves the page" if thread.name == "M" else "cuts the file short")


def _entries(data: Data) -> Group:
    boxes = [Box(ENTRIES[entry], entry) for entry in (data.old, data.new)]
    return grid("entries", ["source", "target"], [("entry", boxes)])


def story(case: Scenario) -> Story:
    """The same turns on version 1 and version 2."""
    title = "M moves a page" + (" while C truncates its file" if case.clearers else ", and no other thread is there")
    return Story(title, {key: STATES[key] for key in "ESN"}, RULES, tracks(model, frames, case))
