"""The prose of a chapter's exercises, read from STEM.md: what a teacher edits without touching a check.

source      STEM.md beside STEM.py; tests/test_exercises.py reads all twelve and writes one again
left out    Markdown beyond `code`, **bold** and paragraphs: that is all a page shows of these texts

A file has one `## Imports`, and any number of `## Exercise: NAME`, `## Goal: NAME`, `## Recall: N` and
`## Prediction: NAME`. Right below a heading stand its properties (`- minutes: 5`), then its text, then `###` parts.
"""

import re
from ast import literal_eval
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent


class Section(NamedTuple):
    """A heading's kind and name, its properties, its text, and its parts by their headings."""

    kind: str
    name: str
    given: Mapping[str, str]
    text: str
    parts: Mapping[str, str]
    line: int

    def part(self, heading: str) -> str:
        """The text under a `###` heading; ValueError names the file's place where there is none."""
        if heading not in self.parts:
            raise ValueError(f"line {self.line}, {self.kind} {self.name}: must have a part '### {heading}'")
        return self.parts[heading]

    def code(self, heading: str = "") -> str:
        """The one code block under a `###` heading, or of the section itself."""
        block = re.fullmatch(r"```python\n(.*\n)```", self.part(heading) if heading else self.text, re.S)
        if not block:
            raise ValueError(
                f"line {self.line}, {self.kind} {self.name}: {heading or 'it'} must be one ```python block"
            )
        return block[1]


@cache
def sections(stem: str) -> tuple[Section, ...]:
    """The sections of a chapter's file, in its order."""
    lines = (HERE / f"{stem}.md").read_text(encoding="utf-8").split("\n")
    starts = [n for n, line in _headings(lines, "## ")]
    return tuple(_section(lines, start, end) for start, end in zip(starts, [*starts[1:], len(lines)]))


def _headings(lines: list[str], mark: str) -> Iterator[tuple[int, str]]:
    """The lines that begin with a mark, outside code blocks."""
    inside = False
    for n, line in enumerate(lines):
        inside ^= line.startswith("```")
        if not inside and line.startswith(mark):
            yield n, line.removeprefix(mark).strip()


def _section(lines: list[str], start: int, end: int) -> Section:
    kind, _, name = lines[start].removeprefix("## ").partition(": ")
    given = {}
    n = start + 1
    while n < end and (prop := re.fullmatch(r"- ([\w ]+): (.*)", lines[n])):
        given[prop[1]] = prop[2]
        n += 1
    heads = [(at + n, head) for at, head in _headings(lines[n:end], "### ")]
    text = "\n".join(lines[n : heads[0][0] if heads else end]).strip("\n")
    ends = [at for at, _ in heads[1:]] + [end]
    parts = {head: "\n".join(lines[at + 1 : stop]).strip("\n") for (at, head), stop in zip(heads, ends)}
    return Section(kind, name, given, text, parts, start + 1)


def joined(text: str) -> str:
    """Paragraphs as single lines: where a line is broken in the file means nothing.

    >>> joined("One\\nsentence.\\n\\nAnother.")
    'One sentence.\\n\\nAnother.'
    """
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))


def items(text: str, mark: str = r"\d+\.") -> list[str]:
    """The items of a list; their further lines are indented.

    >>> items("1. A nudge.\\n2. Where\\n   to look.")
    ['A nudge.', 'Where to look.']
    """
    found = re.split(rf"^{mark} ", text, flags=re.M)
    return [joined(item) for item in found[1:]]


def options(text: str) -> list[tuple[str, str, bool]]:
    """The options of a question: text, feedback, whether it is the right one.

    >>> options("- [ ] Four.\\n  > One too few.\\n- [x] Five.\\n  > Yes.")
    [('Four.', 'One too few.', False), ('Five.', 'Yes.', True)]
    """
    found = re.split(r"^- \[([ x])\] ", text, flags=re.M)[1:]
    halves = ((mark, *re.split(r"^  > ", body, maxsplit=1, flags=re.M)) for mark, body in zip(found[::2], found[1::2]))
    return [
        (joined(said), joined(re.sub(r"^  > ", "", feedback, flags=re.M)), mark == "x")
        for mark, said, feedback in halves
    ]


def guesses(text: str) -> dict[float | str, str]:
    """Other answers with what each of them overlooks.

    >>> guesses("- 10: These are M's steps.\\n- `ENOENT`: There is a file.")
    {10: "These are M's steps.", 'ENOENT': 'There is a file.'}
    """
    pairs = (item.partition(": ") for item in items(text, "-"))
    return {value(answer): said for answer, _, said in pairs}


def value(answer: str) -> Any:
    """A number, or in backticks a word.

    >>> value("537.6"), value("`none`")
    (537.6, 'none')
    """
    return answer[1:-1] if answer.startswith("`") else literal_eval(answer)
