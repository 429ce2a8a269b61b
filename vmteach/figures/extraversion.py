"""A set on a base: what became of each patch that was not simply applied, and the hunk of the one that names it."""

import re
from collections.abc import Iterator

from vmteach.figures.data import Group
from vmteach.figures.scene import Cell, Scene, axis, row, script
from vmteach.figures.story import Frame, Story, tracks
from vmteach.figures.words import number
from vmteach.patches import extraversion as model
from vmteach.patches.extraversion import Event, Scenario
from vmteach.run import Record, Run

STATES = {
    "A": ("applied", "done"),
    "I": (["already in the base", "already in"], "other"),
    "X": (["rejected; what differs", "rejected"], "attention"),
    "C": (["the same in both", "same"], "data"),
    "P": (["to be put in", "new"], "moving"),
}
FATES = {model.Applied: "A", model.AlreadyIn: "I", model.Rejected: "X"}


def scene(run: Run) -> Scene:
    """The patches that were rejected, the one that names the kernel, and its hunk beside the Makefile."""
    shown, rest = ([event for event in run.events if _plain(event) is plain] for plain in (False, True))
    n, base, fate = run.numbers, model.BASES[run.scenario.base], axis("fate", 0, 1, ticks=[(0, "")])
    hunks = [group for patch in model.extraversion(run.scenario.base, run.policy) for group in _hunk(patch, base)]
    return Scene(
        _clause(run, "calls itself"),
        [*(row(event.patch, [_fate(event)], fate) for event in shown), _name(str(n["version string"]))],
        _alt(run, shown),
        STATES,
        {name: str(n[name]) for name in ("applied", "already in", "rejected", "version string")},
        _clause(run, "call themselves"),
        more=lambda: hunks,
        note=_rest(rest),
        end="bad" if n["rejected"] else "good",
    )


def _plain(event: Event) -> bool:
    """Whether a patch is in, with no trouble, and says nothing of the kernel's name."""
    return not isinstance(event, model.Rejected) and "extraversion" not in event.patch


def _rest(plain: list[Event]) -> str:
    """What became of the patches that have no row."""
    base = sum(isinstance(event, model.AlreadyIn) for event in plain)
    had = f", and {number(base)} {'are' if base > 1 else 'is'} already in the base" if base else ""
    return f"{number(len(plain) - base)} more patches are applied{had}."


def _name(version: str) -> Group:
    """The kernel's name as the Makefile's lines make it: three numbers, and what the patch adds."""
    numbers = re.match(r"\d+\.\d+\.\d+", version)
    parts = [*version[: numbers.end()].split("."), version[numbers.end() :]] if numbers else [version]
    cells = [Cell("C" if at < 3 else "P", at, 1, words) for at, words in enumerate(parts) if words]
    return row("calls itself", cells, axis("part", 0, 4, ticks=[(0, "")]))


def _clause(run: Run, calls: str) -> list[str]:
    """The kernel's name, and how many patches it goes without."""
    name, count = f"{calls} {run.numbers['version string']}", run.numbers["rejected"]
    return [f"{name}, with {count} patch{'es' * (count != 1)} rejected", name]


def _fate(event: Event) -> Cell:
    state = FATES[type(event)]
    if isinstance(event, model.Rejected):
        return Cell(state, 0, 1, [f"rejected: {_why(event)}", "rejected"])
    return Cell(state, 0, 1, STATES[state][0])


def _why(event: model.Rejected) -> str:
    """The reason, without what the hunk beside it shows."""
    return event.why if event.why.startswith("needs") else "a line is not as it expects"


def _hunk(patch: model.Patch, base: model.Base) -> list[Group]:
    """The lines of the patch's hunk, and below each the line that the file has in its place."""
    expected, there = [], []
    for at, (mark, words, found) in enumerate(_lines_of(patch, base)):
        look = "P" if mark == "+" else "C" if words == found else "X"
        expected.append(Cell(look, at, 1, _spelled(f"{mark} {words}".strip())))
        if mark != "+":
            there.append(Cell(look, at, 1, _spelled(found)))
    x = axis("line", 0, len(expected), ticks=[(0, "")])
    return [row("patch", expected, x, note=patch.name), row("file", there, x)]


def _spelled(line: str) -> list[str]:
    """A line; in short a Makefile's value, or the last word."""
    short = line.partition("= ")[2] or line.rpartition(" ")[2]
    return [line, short] if 0 < len(short) < len(line) else [line]


def _lines_of(patch: model.Patch, base: model.Base) -> Iterator[tuple[str, str, str]]:
    """Mark, the patch's line, and the file's line in its place."""
    text, at = base.files.get(patch.file, ()), 0
    for line in patch.diff.split("\n")[3:]:
        if line[0] == "+":
            yield "+", line[1:], ""
            continue
        yield line[0].strip(), line[1:], text[at] if at < len(text) else "(the end)"
        at += 1


def _alt(run: Run, shown: list[Event]) -> str:
    n = run.numbers
    told = "; ".join(f"{event.patch} {STATE_WORDS[type(event)]}" for event in shown) or "nothing stands out"
    return (
        f"The set on {run.scenario.base}: {told}. {n['applied']} of {n['patches']} patches applied, "
        f"{n['already in']} already in, {n['rejected']} rejected. The kernel calls itself {n['version string']}."
    )


STATE_WORDS = {model.Applied: "is applied", model.AlreadyIn: "is already in the base", model.Rejected: "is rejected"}

# ---- patch by patch ----

STORIES = {"On the base 2.4.25": Scenario(base="2.4.25"), "A fix too early": Scenario(scsi_prefix="00")}
RULES = {
    "byte order": "The patches are applied in the byte order of their names.",
    "already in?": "If the change can be taken back, the base has it already.",
    "needs": "A patch can need what another one brings.",
    "hunk": "Each line of context, and each line to take out, must stand in the file.",
}
MOST_LINES = 8  # of the set that are shown at once


def story(case: Scenario) -> Story:
    return Story(f"a set of patches on {case.base}", STATES, RULES, tracks(model, frames, case))


def frames(run: Run) -> list[Frame]:
    """One patch a frame, in order, with its hunk beside the file that it meets."""
    release = model.ordered(model.extraversion(run.scenario.base, run.policy) + model.topics(run.scenario.scsi_prefix))
    base = model.BASES[run.scenario.base]
    groups = {"set": _queue(release, 0, {})}
    made = [Frame(f"{len(release)} patches, in the byte order of their names.", groups, "start", ["byte order"])]
    fates: dict[str, str] = {}
    for n, patch in enumerate(release):
        hunk = _hunk(patch, base)
        base, event = model.apply_one(base, patch)
        fates[patch.name] = STATE_WORDS[type(event)].removeprefix("is ").removesuffix(" the base")
        last = n == len(release) - 1
        mark = patch.topic.split("-")[0] if isinstance(event, model.Rejected) else ""
        groups = {"set": _queue(release, n, fates), "patch": hunk[0], "file": hunk[1]}
        made.append(
            Frame(_say(patch, event), groups, patch.topic, [_rule(event)], mark=mark, **_end(run) if last else {})
        )
    return made


def _end(run: Run) -> Record:
    """What has become of the set."""
    rejected = run.numbers["rejected"]
    note = f"{rejected} of {run.numbers['patches']} patches rejected: the maintainer has to rediff them."
    return {"end": "bad", "note": note} if rejected else {"end": "good", "note": "Every patch is in."}


def _rule(event: Event) -> str:
    if isinstance(event, model.Rejected) and event.why.startswith("needs"):
        return "needs"
    return "already in?" if isinstance(event, model.AlreadyIn) else "hunk"


def _say(patch: model.Patch, event: Event) -> str:
    if isinstance(event, model.Rejected):
        needs = f"it {event.why}, and no patch before it has brought them"
        differs = "a line of its hunk is not what the file has"
        return f"`{patch.name}` is rejected: {needs if event.why.startswith('needs ') else differs}."
    if isinstance(event, model.AlreadyIn):
        return f"`{patch.name}` is left out: the base has its new line already."
    return f"`{patch.name}` is applied."


def _queue(release: tuple[model.Patch, ...], at: int, fates: dict[str, str]) -> Group:
    """The part of the set around one patch, and what became of those before it."""
    first = max(0, min(at - MOST_LINES // 2, len(release) - MOST_LINES))
    part = release[first : first + MOST_LINES]
    told = {p.name: [f"{name}: {fates[p.name]}" for name in (p.name, p.topic)] for p in part if p.name in fates}
    lines = [(str(n), told.get(p.name, p.name)) for n, p in enumerate(part, first + 1)]
    return script("the set", lines, at - first)
