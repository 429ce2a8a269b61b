"""The course's questions for a learning platform: GIFT for Moodle, QTI 1.2 (by text2qti) for Canvas, QTI 2.1.

source      predictions, recall questions and goals of vmteach/exercises; formats as Moodle's and text2qti's pages say
left out    exercises: a platform cannot check code against the models

    vmteach questions --gift FILE --qti FILE --qti21 FILE [STEM ...]
"""

import re
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import quoteattr
from zipfile import ZIP_DEFLATED, ZipFile

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


def markdown(wanted: Iterable[Item]) -> str:
    """The questions in the Markdown that text2qti turns into a QTI package."""
    return "\n".join(["Quiz title: vmteach", *(_written(n, item) for n, item in enumerate(wanted, 1))]) + "\n"


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


# ---- QTI 2.1

QTI21: dict[str, str] = tomllib.loads((Path(__file__).parent / "qti21.toml").read_text(encoding="utf-8"))


def item21(item: Item, name: str) -> str:
    """One question as an assessmentItem of QTI 2.1: what it says to an answer are modal feedbacks.

    >>> item21(Item("one", "2 + 3 = ?", (("4", "Too few.", False), ("5", "Yes.", True))), "q1").count("<simpleChoice")
    2
    """
    kind = "identifier" if item.choices else "float" if item.numbers else "string"
    right, body, process, told = _choice21(item) if item.choices else _open21(item)
    return QTI21["item"].format(
        name=name,
        title=quoteattr(item.name),
        kind=kind,
        correct=QTI21["correct"].format(right) if right else "",
        asks=marked(item.asks),
        body=body,
        process=process,
        feedback="".join(QTI21["feedback"].format(key, marked(words)) for key, words in told),
    )


Parts21 = tuple[str, str, str, list[tuple[str, str]]]


def _choice21(item: Item) -> Parts21:
    choices = {f"A{n}": choice for n, choice in enumerate(item.choices, 1)}
    right = next(key for key, (_, _, is_right) in choices.items() if is_right)
    options = "".join(QTI21["option"].format(key, marked(text)) for key, (text, _, _) in choices.items())
    told = [(key, said) for key, (_, said, _) in choices.items() if said]
    return right, QTI21["choice"].format(options), QTI21["chosen"].format(score=QTI21["score"]), told


def _open21(item: Item) -> Parts21:
    """A number, with what each known one overlooks; or words, with what there is to say afterwards."""
    if not item.numbers:
        return "", QTI21["words"], QTI21["tell"].format("said"), [("said", item.reason)]
    cases = ""
    told: list[tuple[str, str]] = []
    for n, (value, said) in enumerate(item.numbers, 1):
        part, near, score = ("responseElseIf", 50 * NEAR, "") if told else ("responseIf", 100 * NEAR, QTI21["score"])
        mode = f'toleranceMode="relative" tolerance="{near:g} {near:g}"' if value else 'toleranceMode="exact"'
        cases += QTI21["case"].format(part=part, mode=mode, value=value, then=score + QTI21["tell"].format(f"N{n}"))
        told.append((f"N{n}", said))
    return f"{item.numbers[0][0]:g}", QTI21["number"], QTI21["conditions"].format(cases), told


def qti21(wanted: Sequence[Item], file: Path) -> None:
    """Write a package of QTI 2.1: one file a question, and the manifest."""
    names = [f"q{n:03}" for n in range(1, len(wanted) + 1)]
    with ZipFile(file, "w", ZIP_DEFLATED) as package:
        resources = "".join(map(QTI21["resource"].format, names))
        package.writestr("imsmanifest.xml", QTI21["manifest"].format(resources=resources))
        for name, item in zip(names, wanted):
            package.writestr(f"{name}.xml", item21(item, name))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of `vmteach questions`."""
    parser = ArgumentParser(prog="vmteach questions", description="Write the course's questions for Moodle or Canvas.")
    parser.add_argument(
        "stems", nargs="*", metavar="STEM", default=STEMS, help="chapters, such as scsi_deadlock; all by default"
    )
    parser.add_argument("--gift", type=Path, help="a file for Moodle (GIFT)")
    parser.add_argument("--qti", type=Path, help="a package for Canvas (QTI 1.2, needs text2qti)")
    parser.add_argument("--qti21", type=Path, help="a package of QTI 2.1")
    given = parser.parse_args(arguments)
    try:
        wanted = [item for stem in given.stems for item in items(stem)]
        if given.gift:
            given.gift.write_text(gift(wanted) + "\n", encoding="utf-8")
        if given.qti:
            qti(wanted, given.qti)
        if given.qti21:
            qti21(wanted, given.qti21)
    except ValueError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    except ModuleNotFoundError:
        sys.stderr.write("a QTI package needs text2qti: pip install 'vmteach[quiz]'\n")
        return 2
    files = map(str, filter(None, (given.gift, given.qti, given.qti21)))
    sys.stdout.write(f"{len(wanted)} questions: {', '.join(files) or 'no file named'}\n")
    return 0
