"""A class's predictions as its common good: what was predicted alone, after talking, and what came of it.

source      progress files (docs/progress.md), one a student; no name is read, and nothing leaves the machine
left out    who wrote a file: a file is a student
"""

import csv
import json
import sys
import tomllib
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from itertools import count
from math import isfinite
from pathlib import Path
from statistics import median
from time import sleep
from typing import Any, NamedTuple

from vmteach.course import CHAPTERS
from vmteach.exercises import Asked, chapter, marked
from vmteach.lab import kept
from vmteach.lab.table import Table
from vmteach.patches import STEMS
from vmteach.run import Values, one_of

NEAR = 0.02  # a number this close to the result, as a share of it, is right
MOST_BARS = 12  # of a histogram; what is rarer is put together


def _beside(kind: str) -> str:
    """The text of a file beside this one: the style, the parts of the page, the notebook."""
    return Path(__file__).with_suffix(f".{kind}").read_text(encoding="utf-8")


FORM: dict[str, str] = tomllib.loads(_beside("toml"))
Vote = Any  # a number, or a choice in words


class Bar(NamedTuple):
    """One answer of a class: how many gave it first and after talking, and what it overlooks."""

    answer: str
    first: int
    second: int
    right: bool
    overlooks: str = ""


@dataclass(frozen=True)
class Votes:
    """What a class predicted: `pairs` are the first and the last vote of each student, `talked` of how many differ."""

    stem: str
    name: str
    asked: Asked
    pairs: tuple[tuple[Vote, Vote, bool], ...]  # first, last, whether there was a second vote

    @property
    def right_first(self) -> float:
        """Share of all who were right at first."""
        return self._share(first for first, _, _ in self.pairs)

    @property
    def right_last(self) -> float:
        """Share of all who were right in the end."""
        return self._share(last for _, last, _ in self.pairs)

    @property
    def _twice(self) -> list[tuple[Vote, Vote]]:
        """The two votes of each student who gave two."""
        return [(first, last) for first, last, again in self.pairs if again]

    @property
    def nearer(self) -> float | None:
        """Of those who voted twice, the share whose second vote was nearer to the result; None without any."""
        nearer = [self._distance(last) < self._distance(first) for first, last in self._twice]
        return sum(nearer) / len(nearer) if nearer else None

    @property
    def gain(self) -> float | None:
        """Hake's normalised gain of those who voted twice: the share of what could be gained by talking that was.

        None where nobody voted twice, or nothing could be gained.

        >>> asked = Asked("How many steps?", 6, {4: "Those are the steps of one thread."})
        >>> Votes("scsi_deadlock", "way", asked, ((4, 6, True), (4, 4, True), (6, 6, False))).gain
        0.5
        """
        first, last = (sum(self._is_right(pair[i]) for pair in self._twice) for i in (0, 1))
        wrong = len(self._twice) - first
        return round((last - first) / wrong, 6) if wrong else None

    @property
    def bars(self) -> tuple[Bar, ...]:
        """The histogram: the result first, then each other answer, the most frequent ones first."""
        first, last = (Counter(self._named(pair[i]) for pair in self.pairs) for i in (0, 1))
        result = self._named(self.asked.result)
        others = sorted((first + last).keys() - {result}, key=lambda answer: (-first[answer] - last[answer], answer))
        bars = [Bar(result, first[result], last[result], True)]
        bars += [Bar(answer, first[answer], last[answer], False, self._overlooks(answer)) for answer in others]
        if rest := bars[MOST_BARS:]:
            together = Bar(f"{len(rest)} other answers", sum(b.first for b in rest), sum(b.second for b in rest), False)
            bars[MOST_BARS:] = [together]
        return tuple(bars)

    @property
    def in_order(self) -> tuple[Bar, ...]:
        """The same bars by the size of their answers, or as the choices stand: nothing says which one is right."""
        places = {self._named(value): value for pair in self.pairs for value in (*pair[:2], self.asked.result)}
        choices = {choice: n for n, choice in enumerate(self.asked.choices)}
        return tuple(sorted(self.bars, key=lambda bar: choices.get(bar.answer, places.get(bar.answer, float("inf")))))

    def _repr_html_(self) -> str:
        return _in_a_cell([_histogram(self)])

    def _is_right(self, vote: object) -> bool:
        return self._distance(vote) <= NEAR

    def _distance(self, vote: object) -> float:
        """How far a vote is from the result, as a share of it; a word is right or far away."""
        result = self.asked.result
        if vote == result:
            return 0.0
        if isinstance(vote, str) or isinstance(result, str):
            return float("inf")
        return abs(vote - result) / abs(result) if result else float("inf")

    def _share(self, votes: Iterable[Vote]) -> float:
        return sum(map(self._is_right, votes)) / len(self.pairs) if self.pairs else 0.0

    def _named(self, vote: object) -> str:
        """The answer that a vote counts as: the result or a known thought, where it is near to one."""
        if self._is_right(vote):
            vote = self.asked.result
        for known in self.asked.overlooked:
            if self.asked.to(vote, self.asked.result) == self.asked.overlooked[known]:
                vote = known
                break
        return vote if isinstance(vote, str) else f"{vote:,g} {self.asked.unit}".strip()

    def _overlooks(self, answer: str) -> str:
        return next((said for known, said in self.asked.overlooked.items() if self._named(known) == answer), "")


class Work(NamedTuple):
    """What a class did of one exercise, goal or question: how many tried and solved it, with what tries and hints."""

    stem: str
    kind: str
    name: str
    tried: int
    solved: int
    tries: float  # the median of those who solved it
    hints: int  # how many asked for at least one


@dataclass(frozen=True)
class Classroom:
    """What the progress files of a folder say together; `skipped` names each file that could not be used, and why."""

    students: int
    votes: tuple[Votes, ...]
    work: tuple[Work, ...]
    skipped: tuple[str, ...] = ()
    newest: str = ""  # "STEM/name" of the prediction with the last vote

    def of(self, prediction: str) -> Votes:
        """What was predicted for "STEM/name"; ValueError names what there is."""
        known = {f"{votes.stem}/{votes.name}": votes for votes in self.votes}
        if prediction not in known:
            one_of("prediction", prediction, tuple(known))
        return known[prediction]

    @property
    def table(self) -> Table:
        """One row an answer of each prediction, as `--csv` writes it."""
        head = ["chapter", "prediction", "answer", "alone", "after talking", "right", "what it overlooks"]
        return Table(head, [[v.stem, v.name, *bar] for v in self.votes for bar in v.bars])

    def _repr_html_(self) -> str:
        return _in_a_cell(_parts(self))


def read_class(folder: str | Path) -> Classroom:
    """The progress files in a folder and below it. NotADirectoryError where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder: name the one that holds the class's progress files")
    documents, skipped = [], []
    for path in sorted(folder.rglob("*.json")):
        document, trouble = kept.load(path)
        if trouble:
            skipped.append(f"{path.relative_to(folder)} {trouble}")
        else:
            documents.append(document["chapters"])
    newest = max(_moments(documents), default=("", ""))[1]
    return Classroom(len(documents), tuple(_votes(documents)), tuple(_work(documents)), tuple(skipped), newest)


def _predictions() -> Iterator[tuple[str, str, Asked]]:
    """Every prediction of the course: its chapter, its name, what is asked."""
    return ((stem, name, asked) for stem in STEMS for name, asked in chapter(stem).PREDICTIONS.items())


def _facts(documents: Sequence[Values], stem: str, kind: str, name: str) -> list[Values]:
    """What is kept of one thing, a student each; who has not tried it is left out."""
    return [facts for each in documents if (facts := each.get(stem, {}).get(kind, {}).get(name))]


def _moments(documents: Sequence[Values]) -> Iterator[tuple[str, str]]:
    """When each prediction of the course was made, and "STEM/name"."""
    for stem, name, _ in _predictions():
        whens = (facts.get("when") for facts in _facts(documents, stem, "predictions", name))
        yield from ((when, f"{stem}/{name}") for when in whens if isinstance(when, str))


def _votes(documents: Sequence[Values]) -> Iterator[Votes]:
    for stem, name, asked in _predictions():
        cast = (_pair(facts, asked) for facts in _facts(documents, stem, "predictions", name))
        if pairs := tuple(filter(None, cast)):
            yield Votes(stem, name, asked, pairs)


def _pair(entry: Values, asked: Asked) -> tuple[Vote, Vote, bool] | None:
    """First vote, last vote, and whether they are two; None where there is no answer to this question."""
    votes = entry.get("votes")
    cast = [vote.get("value") for vote in votes if isinstance(vote, dict)] if isinstance(votes, list) else []
    cast = cast or [entry.get("value")]
    if not all(_answers(vote, asked) for vote in cast):
        return None
    return cast[0], cast[-1], len(cast) > 1


def _answers(vote: object, asked: Asked) -> bool:
    if asked.choices:
        return vote in asked.choices
    return isinstance(vote, int | float) and not isinstance(vote, bool) and isfinite(vote)


def _work(documents: Sequence[Values]) -> Iterator[Work]:
    for stem in STEMS:
        module = chapter(stem)
        named = {kind: [one.name for one in getattr(module, kind.upper())] for kind in ("exercises", "goals")}
        named["recall"] = [str(n) for n, _ in enumerate(module.RECALL, 1)]
        for kind, name in ((kind, name) for kind, names in named.items() for name in names):
            if tried := _facts(documents, stem, kind, name):
                tries = [_tries(facts) for facts in tried if facts.get(kept.REACHED[kind])]
                hints = sum(bool(facts.get("hints")) for facts in tried)
                yield Work(stem, kind, name, len(tried), len(tries), median(tries or [0.0]), hints)


def _tries(entry: Values) -> int:
    tries = entry.get("tries", 1)
    return tries if isinstance(tries, int) and tries > 0 else 1


# ---- as one page, for the teacher's screen and for the wall


def page(classroom: Classroom, only: str = "", again: int = 0) -> str:
    """One HTML page: each prediction as a histogram, then the work. It needs no script and no network.

    `only` = "STEM/name" makes a page for the wall with this prediction alone, in large type. It says which answer is
    right only after "Show the result". `again` lets the browser load the page anew every so many seconds.
    """
    n, parts = classroom.students, [*_parts(classroom)]
    if only:
        n, parts = len(classroom.of(only).pairs), [_on_the_wall(classroom.of(only))]
    return FORM["page"].format(
        refresh=FORM["refresh"].format(again) if again else "",
        style=_beside("css"),
        kind="wall" if only else "desk",
        counted=f"{n} {'vote' if only else 'progress file'}{'s' * (n != 1)}",
        parts="".join(parts),
    )


def _in_a_cell(parts: Iterable[str]) -> str:
    return FORM["cell"].format(style=_beside("css"), parts="".join(parts))


def _parts(classroom: Classroom) -> Iterator[str]:
    yield from map(_histogram, classroom.votes)
    if not classroom.votes:
        yield "<p>No predictions yet.</p>"
    if classroom.work:
        yield FORM["work"].format("".join(map(_worked, classroom.work)))
    if classroom.skipped:
        yield FORM["skipped"].format("".join(f"<li>{escape(line)}</li>" for line in classroom.skipped))


def _worked(work: Work) -> str:
    asked = work.hints if work.kind == "exercises" else ""
    return FORM["worked"].format(title=CHAPTERS[work.stem].title, asked=asked, **work._asdict())


def _histogram(votes: Votes) -> str:
    bars = _bars(votes.bars)
    return FORM["desk"].format(asked=marked(votes.asked.question), summary=marked(summary(votes)), bars=bars)


def _on_the_wall(votes: Votes) -> str:
    """A prediction from the back row: the result is a link away, and stays shown while the page loads itself anew."""
    asked, said, result = marked(votes.asked.question), marked(summary(votes)), escape(votes.bars[0].answer)
    return FORM["wall"].format(asked=asked, bars=_bars(votes.in_order), result=result, summary=said)


def _bars(bars: Sequence[Bar]) -> str:
    most = max((max(bar.first, bar.second) for bar in bars), default=1) or 1
    return FORM["bars"].format("".join(_bar(bar, most) for bar in bars))


def _bar(bar: Bar, most: int) -> str:
    return FORM["bar"].format(
        mark=' class="right"' if bar.right else "",
        answer=escape(bar.answer),
        first=bar.first,
        second=bar.second,
        part=(bar.first / most, bar.second / most),
        words="the result" if bar.right else marked(bar.overlooks),
    )


def summary(votes: Votes) -> str:
    """A prediction in a sentence or two: how many were right, and what talking did.

    >>> asked = Asked("How many steps?", 6, {})
    >>> summary(Votes("scsi_deadlock", "way", asked, ((4, 6, True), (6, 6, False))))
    'Right alone: 1 of 2; in the end: 2 of 2. Of those who voted twice, 100 % came nearer; normalised gain 1.00.'
    """
    n = len(votes.pairs)
    said = f"Right alone: {round(votes.right_first * n)} of {n}; in the end: {round(votes.right_last * n)} of {n}."
    if votes.nearer is None:
        return said
    gain = "" if votes.gain is None else f"; normalised gain {votes.gain:.2f}"
    return f"{said} Of those who voted twice, {100 * votes.nearer:.0f} % came nearer{gain}."


def watch(
    folder: str | Path, target: str | Path, only: str = "", seconds: float = 2.0, rounds: int | None = None
) -> None:
    """Write the wall's page anew whenever a file of the folder changes, until interrupted (or for so many rounds).

    It shows the prediction `only`, or the one with the newest vote.
    """
    seen: Any = None
    for turn in count() if rounds is None else range(rounds):
        if turn:
            sleep(seconds)
        state = sorted(_stamps(Path(folder)))
        if state != seen:
            seen = state
            classroom = read_class(folder)
            known = {f"{votes.stem}/{votes.name}" for votes in classroom.votes}
            shown = next((one for one in (only, classroom.newest) if one in known), "")
            kept.replace(Path(target), page(classroom, shown, max(1, round(seconds))))


def _stamps(folder: Path) -> Iterator[tuple[str, int]]:
    """Each progress file with the time of its last change; one that has just gone is left out."""
    for path in folder.rglob("*.json"):
        with suppress(FileNotFoundError):
            yield str(path), path.stat().st_mtime_ns


def notebook(folder: Path) -> str:
    """A notebook for the teacher that shows what the page shows, as the text of its file."""
    return _beside("json").replace("FOLDER", json.dumps(repr(str(folder.resolve())))[1:-1])


# ---- the command


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of `vmteach class`."""
    parser = ArgumentParser(prog="vmteach class", description="Show what a class predicted, from its progress files.")
    parser.add_argument("folder", type=Path, help="the folder that holds the files; a file is a student")
    parser.add_argument("--target", type=Path, default=Path("class.html"), help="the page to write")
    parser.add_argument("--only", default="", metavar="STEM/NAME", help="one prediction, in large type for the wall")
    parser.add_argument("--watch", action="store_true", help="a page for the wall, anew as files arrive, until Ctrl-C")
    parser.add_argument("--csv", type=Path, help="write the answers as a table too")
    parser.add_argument("--notebook", type=Path, help="write a notebook that shows the same, to go on from")
    given = parser.parse_args(arguments)
    try:
        if given.watch:
            watch(given.folder, given.target, given.only)
        classroom = read_class(given.folder)
        given.target.write_text(page(classroom, given.only), encoding="utf-8")
        if given.csv:
            with given.csv.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([classroom.table.head, *classroom.table.rows])
        if given.notebook:
            given.notebook.write_text(notebook(given.folder), encoding="utf-8")
    except KeyboardInterrupt:
        return 0
    except ValueError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    sys.stdout.write(f"{given.target}\n")
    return 0
