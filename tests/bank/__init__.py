"""Answers with the verdict that each must get: one module a chapter, of the chapter's name.

BANK maps the name of an exercise to its Case. An answer is the text of the answer cell. The untouched stub and the
exercise's own solution are tried with every exercise and need no line here.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """`right` are two answers or more, written differently, each with the score that it gets or None; `wrong` are
    four or more, each with a part of what must be said; `raises` are answers with the line and the error that must be
    named (-1: any line); `secret` are patterns of what no message may tell before the answer is right.
    """

    right: tuple[tuple[str, float | None], ...]
    wrong: tuple[tuple[str, str], ...]
    secret: tuple[str, ...]
    raises: tuple[tuple[str, int, str], ...] = ()
