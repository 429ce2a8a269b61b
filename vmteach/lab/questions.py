"""The course's questions for a learning platform: GIFT for Moodle, QTI 1.2 (by text2qti) for Canvas, QTI 2.1.

source      predictions, recall questions and goals of vmteach/exercises; formats as Moodle's and text2qti's pages say
left out    exercises: a platform cannot check code against the models

    vmteach questions --gift FILE --qti FILE --qti21 FILE [STEM ...]
"""

import re
import sys
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

QTI = "http://www.imsglobal.org/xsd/imsqti_v2p1"
CP = "http://www.imsglobal.org/xsd/imscp_v1p1"


def item21(item: Item, name: str) -> str:
    """One question as an assessmentItem of QTI 2.1: what it says to an answer are modal feedbacks.

    >>> item21(Item("one", "2 + 3 = ?", (("4", "Too few.", False), ("5", "Yes.", True))), "q1").count("<simpleChoice")
    2
    """
    kind = "identifier" if item.choices else "float" if item.numbers else "string"
    right, body, process, told = _choice21(item) if item.choices else _open21(item)
    correct = f"<correctResponse><value>{right}</value></correctResponse>" if right else ""
    feedback = "".join(
        f'<modalFeedback outcomeIdentifier="FEEDBACK" showHide="show" identifier="{key}"><p>{marked(words)}</p>'
        "</modalFeedback>"
        for key, words in told
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<assessmentItem xmlns="{QTI}" identifier="{name}" '
        f'title={quoteattr(item.name)} adaptive="false" timeDependent="false">'
        f'<responseDeclaration identifier="RESPONSE" cardinality="single" baseType="{kind}">{correct}'
        '</responseDeclaration><outcomeDeclaration identifier="SCORE" cardinality="single" baseType="float">'
        "<defaultValue><value>0</value></defaultValue></outcomeDeclaration>"
        '<outcomeDeclaration identifier="FEEDBACK" cardinality="single" baseType="identifier"/>'
        f"<itemBody><div><p>{marked(item.asks)}</p></div>{body}</itemBody>"
        f"<responseProcessing>{process}</responseProcessing>{feedback}</assessmentItem>\n"
    )


Parts21 = tuple[str, str, str, list[tuple[str, str]]]


def _choice21(item: Item) -> Parts21:
    keys = [f"A{n}" for n in range(1, len(item.choices) + 1)]
    right = next(key for key, (_, _, is_right) in zip(keys, item.choices) if is_right)
    options = "".join(
        f'<simpleChoice identifier="{key}">{marked(text)}</simpleChoice>'
        for key, (text, _, _) in zip(keys, item.choices)
    )
    body = (
        f'<choiceInteraction responseIdentifier="RESPONSE" shuffle="false" maxChoices="1">{options}</choiceInteraction>'
    )
    same = '<match><variable identifier="RESPONSE"/><correct identifier="RESPONSE"/></match>'
    told = [(key, said) for key, (_, said, _) in zip(keys, item.choices) if said]
    chosen = '<setOutcomeValue identifier="FEEDBACK"><variable identifier="RESPONSE"/></setOutcomeValue>'
    return (
        right,
        body,
        f"<responseCondition><responseIf>{same}{_set('SCORE', '1')}</responseIf></responseCondition>{chosen}",
        told,
    )


def _open21(item: Item) -> Parts21:
    """A number, with what each known one overlooks; or words, with what there is to say afterwards."""
    if not item.numbers:
        field = '<extendedTextInteraction responseIdentifier="RESPONSE"/>'
        return "", field, _set("FEEDBACK", "said"), [("said", item.reason)]
    field = '<p><textEntryInteraction responseIdentifier="RESPONSE" expectedLength="12"/></p>'
    keys = [f"N{n}" for n in range(1, len(item.numbers) + 1)]
    cases = []
    for n, (key, (value, _)) in enumerate(zip(keys, item.numbers)):
        part, near = ("responseElseIf", 100 * NEAR / 2) if n else ("responseIf", 100 * NEAR)
        mode = f'toleranceMode="relative" tolerance="{near:g} {near:g}"' if value else 'toleranceMode="exact"'
        equal = (
            f'<equal {mode}><variable identifier="RESPONSE"/><baseValue baseType="float">{value:g}</baseValue></equal>'
        )
        cases.append(f"<{part}>{equal}{'' if n else _set('SCORE', '1')}{_set('FEEDBACK', key)}</{part}>")
    process = f"<responseCondition>{''.join(cases)}</responseCondition>"
    return f"{item.numbers[0][0]:g}", field, process, [(key, said) for key, (_, said) in zip(keys, item.numbers)]


def _set(outcome: str, value: str) -> str:
    kind = "float" if outcome == "SCORE" else "identifier"
    return f'<setOutcomeValue identifier="{outcome}"><baseValue baseType="{kind}">{value}</baseValue></setOutcomeValue>'


def qti21(wanted: Sequence[Item], file: Path) -> None:
    """Write a package of QTI 2.1: one file a question, and the manifest."""
    names = [f"q{n:03}" for n in range(1, len(wanted) + 1)]
    listed = "".join(
        f'<resource identifier="{name}" type="imsqti_item_xmlv2p1" href="{name}.xml"><file href="{name}.xml"/>'
        "</resource>"
        for name in names
    )
    manifest = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<manifest xmlns="{CP}" identifier="vmteach"><metadata>'
        "<schema>QTIv2.1 Package</schema><schemaversion>1.0.0</schemaversion></metadata><organizations/>"
        f"<resources>{listed}</resources></manifest>\n"
    )
    with ZipFile(file, "w", ZIP_DEFLATED) as package:
        package.writestr("imsmanifest.xml", manifest)
        for name, item in zip(names, wanted):
            package.writestr(f"{name}.xml", item21(item, name))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of `vmteach questions`."""
    from argparse import ArgumentParser

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
