"""The order of application: one row a patch, one column a run, and what became of each patch.

Rows stand in byte order of the first run's names, with what each patch needs and gives beside the name.
"""

from collections.abc import Mapping
from typing import Any

from vmteach.figures.style import PREDICTION_COLOUR, QUIET, SMALL, Look, Picture, Span, Strips, number
from vmteach.patches.extraversion import Applied, Patch, Rejected, extraversion, ordered, split_name, topics
from vmteach.run import Run

ROWS, COLUMNS = 13, 4
LEFT = 3.0  # where the columns begin; each is 1 wide
LOOKS = {
    "applied": Look("#56B4E9"),
    "already in": Look("#F0E442", "\\\\"),
    "rejected": Look("#D55E00", "xx"),
    "not in the set": Look("#FFFFFF"),
}


def layout(run: Run) -> Picture:
    """Thirteen rows; names, needs and gives on the left, four columns on the right."""
    picture = Picture(9.6, 4.6)
    axes = picture.panel("set", (0.01, 0.02, 0.98, 0.96), xlim=(0, LEFT + COLUMNS), ylim=(-0.9, ROWS + 0.6), spines="")
    picture.parts["strips"] = Strips(picture, axes, LOOKS, thickness=0.8)
    how: dict[str, Any] = {"size": SMALL, "va": "center"}
    rows = range(ROWS)
    picture.parts["names"] = [picture.words(axes, 0, ROWS - 1 - row, **how) for row in rows]
    picture.parts["links"] = [picture.words(axes, 1.72, ROWS - 1 - row, **how) for row in rows]
    picture.parts["heads"] = [picture.words(axes, LEFT + column + 0.03, ROWS, **how) for column in range(COLUMNS)]
    picture.words(axes, LEFT + COLUMNS, -0.75, "the number is the serial", ha="right", **how, color=QUIET)
    picture.parts["guess"] = picture.words(axes, 0, -0.75, color=PREDICTION_COLOUR, **how)
    return picture


def release_of(run: Run) -> tuple[Patch, ...]:
    """The set of a run, in byte order."""
    return ordered(extraversion(run.scenario.base, run.policy) + topics(run.scenario.scsi_prefix))


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw the first four runs; the prediction is a number of rejected patches."""
    shown = list(runs.items())[:COLUMNS]
    patches = {split_name(patch.name)[0]: patch for _, run in shown for patch in release_of(run)}
    stems = sorted(patches, key=lambda stem: patches[stem].name.encode())
    for row, (name, link) in enumerate(zip(picture.parts["names"], picture.parts["links"], strict=True)):
        patch = patches[stems[row]] if row < len(stems) else None
        name.set_text(split_name(patch.name)[0] if patch else "")
        link.set_text(_links(patch) if patch else "")
    spans: list[Span] = []
    for column, head in enumerate(picture.parts["heads"]):
        head.set_text(shown[column][0] if column < len(shown) else "")
        if column < len(shown):
            spans += _spans(shown[column][1], stems, LEFT + column)
    picture.parts["strips"].show(spans)
    given = isinstance(prediction, int | float) and not isinstance(prediction, bool)
    picture.parts["guess"].set_text(f"your prediction: {number(prediction)} rejected" if given else "")
    finding = "; ".join(_verdict(label, run) for label, run in runs.items()) + "."
    picture.finding = finding[0].upper() + finding[1:]
    return " ".join([picture.finding, *(f"{label}: {_told(run)}." for label, run in shown)])


def _links(patch: Patch) -> str:
    words = [f"needs {symbol}" for symbol in sorted(patch.needs)] + [
        f"gives {symbol}" for symbol in sorted(patch.gives)
    ]
    return ", ".join(words)


def _fate(event: Any) -> str:
    if isinstance(event, Rejected):
        return "rejected"
    return "applied" if isinstance(event, Applied) else "already in"


def _spans(run: Run, stems: list[str], left: float) -> list[Span]:
    fates = {split_name(event.patch): _fate(event) for event in run.events}
    by_stem = {stem: (serial, fate) for (stem, serial), fate in fates.items()}
    spans = []
    for row, stem in enumerate(stems):
        serial, fate = by_stem.get(stem, (0, "not in the set"))
        word = f"{serial}: {fate}" if stem in by_stem else fate
        spans.append(Span(ROWS - 1 - row, left + 0.02, left + 0.98, fate, word))
    return spans


def _verdict(label: str, run: Run) -> str:
    n = run.numbers
    return f"{label}, {n['version string']}, {number(n['rejected'])} rejected"


def _told(run: Run) -> str:
    n = run.numbers
    why = "".join(f"; {event.patch} {event.why}" for event in run.events if isinstance(event, Rejected))
    return (
        f"{n['applied']} of {n['patches']} patches applied, {n['already in']} already in, {n['rejected']} rejected{why}"
    )
