"""The course's questions for a learning platform: GIFT for Moodle, text2qti's Markdown (and so QTI) for Canvas.

source      predictions, recall questions and goals of vmteach/exercises; formats as Moodle's and text2qti's pages say
left out    exercises: a platform cannot check code against the models

    vmteach questions --gift FILE --qti FILE [STEM ...]
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vmteach.exercises import Asked, chapter, marked
from vmteach.patches import STEMS
from vmteach.run import one_of

NEAR = 0.02  # of a number: what counts as it


class Item(NamedTuple):
    """A question: `choices` are text, feedback and whether it is right; `numbers` value and feedback, the right one
    first. With neither it is answered in words, and `reason` is what there is to say afterwards."""

    name: str
    asks: str
    choices: tuple[tuple[str, str, bool], ...] = ()
    numbers: tuple[tuple[float, str], ...] = ()
    reason: str = ""


def items(stem: str) -> list[Item]:
    """The questions of a chapter: its predictions, its recall questions, its goals.

    >>> [item.name for item in items("scsi_deadlock")][:2]
    ['scsi_deadlock prediction way', 'scsi_deadlock recall 1']
    """
    one_of("chapter", stem, STEMS)
    module = chapter(stem)
    found = [_prediction(f"{stem} prediction {name}", asked) for name, asked in module.PREDICTIONS.items()]
    for n, question in enumerate(module.RECALL, 1):
        options = tuple((option.text, option.feedback, option.right) for option in question.options)
        found.append(Item(f"{stem} recall {n}", question.asks, options))
    return [*found, *(Item(f"{stem} goal {goal.name}", goal.asks, reason=goal.reason) for goal in module.GOALS)]


def _prediction(name: str, asked: Asked) -> Item:
    if asked.choices:
        said = {**asked.overlooked, asked.result: "So it is."}
        return Item(name, asked.question, tuple((c, said.get(c, ""), c == asked.result) for c in asked.choices))
    unit = f" (in {asked.unit})" if asked.unit else ""
    wrong = ((float(value), said) for value, said in asked.overlooked.items())
    return Item(name, asked.question + unit, numbers=((float(asked.result), "So it is."), *wrong))


# ---- Moodle


def gift(wanted: Iterable[Item]) -> str:
    r"""The questions in Moodle's GIFT format, as HTML texts.

    >>> print(gift([Item("one", "2 + 3 = ?", (("4", "Too few.", False), ("5", "Yes.", True)))]))
    ::one::[html]2 + 3 \= ? {
    ~4#Too few.
    =5#Yes.
    }
    """
    return "\n\n".join(f"::{_gift(item.name)}::[html]{_html(item.asks)} {{{_answers(item)}}}" for item in wanted)


def _answers(item: Item) -> str:
    if item.choices:
        lines = [f"{'=' if right else '~'}{_html(text)}#{_html(said)}" for text, said, right in item.choices]
        return "\n".join(["", *lines, ""])
    if item.numbers:
        (result, said), *others = item.numbers
        right = f"={result:g}:{abs(result) * NEAR:g}#{_html(said)}"
        wrong = (f"=%0%{value:g}:{abs(value) * NEAR / 2:g}#{_html(words)}" for value, words in others)
        return "\n".join(["#", right, *wrong, ""])
    return f"####{_html(item.reason)}"


def _html(text: str) -> str:
    return _gift(marked(text))


def _gift(text: str) -> str:
    """Text in which nothing is a sign of the format."""
    return re.sub(r"([~=#{}:\\])", r"\\\1", " ".join(text.split()))


# ---- Canvas


def markdown(wanted: Iterable[Item], title: str = "vmteach") -> str:
    """The questions in the Markdown that text2qti turns into a QTI package."""
    return "\n".join([f"Quiz title: {title}", *(_written(n, item) for n, item in enumerate(wanted, 1))]) + "\n"


def _written(number: int, item: Item) -> str:
    lines = [f"\nTitle: {item.name}", f"{number}.  {_one_line(item.asks)}"]
    if item.choices:
        for letter, (text, said, right) in zip("abcdefghij", item.choices):
            lines.append(f"{'*' if right else ''}{letter})  {_one_line(text)}")
            lines += [f"...  {_one_line(said)}"] if said else []
    elif item.numbers:
        (result, _), *others = item.numbers
        overlooked = "; ".join(f"{value:g}: {words}" for value, words in others)
        lines += [f"...  {_one_line(overlooked)}"] if overlooked else []
        # text2qti takes no number as small as 0: there the answer is the text "0".
        lines.append(f"=   {result:g} +- {abs(result) * NEAR:g}" if result else "*   0")
    else:
        lines += [f"...  {_one_line(item.reason)}", "____"]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def qti(wanted: Sequence[Item], file: Path) -> None:
    """Write a QTI package. ModuleNotFoundError where text2qti is not installed."""
    from text2qti.config import Config  # type: ignore[import-untyped]
    from text2qti.qti import QTI  # type: ignore[import-untyped]
    from text2qti.quiz import Quiz  # type: ignore[import-untyped]

    config = Config()
    quiz = Quiz(markdown(wanted), config=config, source_name=str(file))
    QTI(quiz).save(str(file))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of `vmteach questions`."""
    from argparse import ArgumentParser

    parser = ArgumentParser(prog="vmteach questions", description="Write the course's questions for Moodle or Canvas.")
    parser.add_argument("stems", nargs="*", metavar="STEM", help="chapters, such as scsi_deadlock; all by default")
    parser.add_argument("--gift", type=Path, help="a file for Moodle (GIFT)")
    parser.add_argument("--qti", type=Path, help="a package for Canvas (QTI, needs text2qti)")
    given = parser.parse_args(arguments)
    try:
        wanted = list(_all(given.stems or STEMS))
        if given.gift:
            given.gift.write_text(gift(wanted) + "\n", encoding="utf-8")
        if given.qti:
            qti(wanted, given.qti)
    except ValueError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    except ModuleNotFoundError:
        sys.stderr.write("a QTI package needs text2qti: pip install 'vmteach[quiz]'\n")
        return 2
    sys.stdout.write(
        f"{len(wanted)} questions: {', '.join(str(f) for f in (given.gift, given.qti) if f) or 'no file named'}\n"
    )
    return 0


def _all(stems: Iterable[str]) -> Iterator[Item]:
    for stem in stems:
        yield from items(stem)
