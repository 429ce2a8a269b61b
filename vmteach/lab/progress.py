"""What has been done, over all chapters: a table, and a picture of predictions against what came out."""

from collections.abc import Sequence
from html import escape
from math import isfinite, log10
from typing import TYPE_CHECKING

from vmteach.course import CHAPTERS
from vmteach.exercises import chapter
from vmteach.figures.svg import SMALL, Svg, line, words
from vmteach.figures.words import number
from vmteach.lab import kept
from vmteach.lab.door import DONE, STARTED, TO_DO, cards
from vmteach.lab.table import Table
from vmteach.patches import STEMS
from vmteach.run import Values

if TYPE_CHECKING:
    import pandas as pd

COUNTED = ("predictions", "exercises", "goals", "recall")
FAR = 3  # powers of ten: a prediction that is further off stands at the edge
SCALE = {-FAR: "1/1000", -1: "a tenth", 0: "as it is", 1: "ten times", FAR: "1000 times"}
ROW, GUESS = 26, "#C2479B"  # px of a line; a colour that is seen on white and on black


def progress() -> "Progress":
    """What has been done so far, over all chapters: a table, and a picture of the predictions."""
    return Progress(kept.read()["chapters"])


class Progress:
    """A table (`frame`) and a picture of the predictions against what came out (`picture`, None without any)."""

    def __init__(self, chapters: Values) -> None:
        self._chapters = chapters

    @property
    def frame(self) -> "pd.DataFrame":
        """One row a chapter: what was done, of how much."""
        import pandas as pd

        table = self._table()
        return pd.DataFrame([row[1:] for row in table.rows], [row[0] for row in table.rows], table.head[1:])

    def _table(self) -> Table:
        rows = {CHAPTERS[stem].title: self._row(stem) for stem in STEMS}
        return Table(["", *COUNTED], [[title, *row] for title, row in rows.items()])

    @property
    def states(self) -> dict[str, str]:
        """Each chapter's state: done (all exercises solved), started, to do."""
        return {stem: self._state(stem) for stem in STEMS}

    def _state(self, stem: str) -> str:
        solved = self._row(stem)[1].split(" of ")
        if solved[0] == solved[1]:
            return DONE
        return STARTED if any(self._chapters.get(stem, {}).values()) else TO_DO

    @property
    def predictions(self) -> list[tuple[str, float, float, str]]:
        """Each prediction of a number whose result is known: chapter/name, said, found, unit."""
        rows = (
            (f"{stem}/{name}", facts.get("value"), facts.get("result"), str(facts.get("unit", "")))
            for stem in STEMS
            for name, facts in self._chapters.get(stem, {}).get("predictions", {}).items()
        )
        return [row for row in rows if all(isinstance(v, int | float) and isfinite(v) and v > 0 for v in row[1:3])]

    @property
    def picture(self) -> Svg | None:
        """How each prediction stands to its result, on one scale; None if there are none."""
        return _picture(self.predictions) if self.predictions else None

    def __repr__(self) -> str:
        rows = {CHAPTERS[stem].title: zip(COUNTED, self._row(stem)) for stem in STEMS}
        lines = [f"{title}: {', '.join(map(' '.join, row))}" for title, row in rows.items()]
        return "\n".join([*lines, f"Kept in {kept.where()}"])

    def _repr_html_(self) -> str:
        table = f"<details><summary>In numbers</summary>{self._table()._repr_html_()}</details>"
        picture = self.picture._repr_html_() if self.picture else ""
        where = f"<p>Kept in <code>{escape(str(kept.where()))}</code>, a file of yours.</p>"
        return f"{cards(self.states)}{table}{picture}{where}"

    def _row(self, stem: str) -> tuple[str, ...]:
        module, done = chapter(stem), self._chapters.get(stem, {})
        of = {"exercises": module.EXERCISES, "goals": module.GOALS, "recall": module.RECALL}
        made = sum(facts.get("value") is not None for facts in done.get("predictions", {}).values())
        counted = (sum(bool(facts.get(kept.REACHED[kind])) for facts in done.get(kind, {}).values()) for kind in of)
        return (str(made), *(f"{n} of {len(all_)}" for n, all_ in zip(counted, of.values())))


def _picture(rows: Sequence[tuple[str, float, float, str]]) -> Svg:
    """A line for each prediction: how many times the result it was, on a scale of powers of ten."""
    said = [f"{name}: said {number(said)}, found {number(found)} {unit}".rstrip() for name, said, found, unit in rows]
    high = ROW * len(rows)
    scale = [words(_across(10.0**power), high + 12, text, SMALL, "middle") for power, text in SCALE.items()]
    label = words(_across(1), high + 30, "the prediction, measured by what came out", anchor="middle")
    drawn = [part for i, (text, row) in enumerate(zip(said, rows)) for part in _prediction(i, text, row[1] / row[2])]
    near = sum(0.5 <= said / found <= 2 for _, said, found, _ in rows)
    finding = f"{near} of {len(rows)} predictions within a factor of two"
    body = [line(f"M{_across(1):g} 0 V{high}"), *drawn, *scale, label]
    return Svg(finding, f"{finding}. {'; '.join(said)}.", 800, high + 40, body)


def _across(times: float) -> float:
    """Where a prediction that is so many times the result stands, in px."""
    return 570 + 180 / FAR * min(max(log10(times), -FAR), FAR)


def _prediction(i: int, text: str, times: float) -> tuple[str, str, str]:
    x, y = _across(times), (i + 0.5) * ROW
    dot = f'<circle cx="{x:.1f}" cy="{y:g}" r="4" style="fill:{GUESS}"/>'
    return words(370, y, text, SMALL, "end"), line(f"M{_across(1):g} {y:g} H{x:.1f}", GUESS, 2), dot
