"""A unified diff: made, applied exactly, and taken back.

source      the format of diff -u, as POSIX has it and as patch(1) reads it
left out    fuzz and offsets, several files in one diff, a last line without its end
"""

import difflib
import re

Lines = tuple[str, ...]


class Conflict(ValueError):
    """A diff does not fit the text that it is applied to."""


def make_diff(name: str, old: Lines, new: Lines) -> str:
    """The unified diff from old to new.

    >>> print(make_diff("f", ("a",), ("b",)).replace("\\n", " | "))
    --- a/f | +++ b/f | @@ -1 +1 @@ | -a | +b
    """
    return "\n".join(difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm=""))


def apply_diff(text: Lines, diff: str) -> Lines:
    """The text with the diff applied, exactly: no fuzz, no offset.

    >>> apply_diff(("a", "b"), make_diff("f", ("a", "b"), ("a", "c")))
    ('a', 'c')
    >>> apply_diff(("a", "x"), make_diff("f", ("a", "b"), ("a", "c")))
    Traceback (most recent call last):
        ...
    vmteach.kernel.udiff.Conflict: line 2 must be 'b', got 'x'
    """
    out: list[str] = []
    at = 0  # lines of the text that are used up
    for line in diff.split("\n")[2:]:
        if head := re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@", line):
            start = int(head[1]) - (head[2] != "0")
            out += text[at:start]
            at = start
        elif line[:1] == "+":
            out.append(line[1:])
        else:
            found = text[at] if at < len(text) else "the end"
            if at >= len(text) or found != line[1:]:
                raise Conflict(f"line {at + 1} must be {line[1:]!r}, got {found!r}")
            out += [found] if line[0] == " " else []
            at += 1
    return (*out, *text[at:])


def reverse(diff: str) -> str:
    """The diff that takes the change back.

    >>> apply_diff(("b",), reverse(make_diff("f", ("a",), ("b",))))
    ('a',)
    """
    lines = diff.split("\n")
    swap = {"+": "-", "-": "+", " ": " "}
    body = [
        re.sub(r"-(\S+) \+(\S+)", r"-\2 +\1", line) if line[0] == "@" else swap[line[0]] + line[1:]
        for line in lines[2:]
    ]
    return "\n".join([*lines[:2], *body])
