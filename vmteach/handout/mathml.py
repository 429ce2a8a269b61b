"""Formulas: a small part of LaTeX as MathML. What it does not know it refuses; nothing is shown wrong in silence."""

import html
import re

LETTERS = dict(
    zip(
        "alpha beta gamma delta epsilon lambda mu pi rho sigma tau phi omega Delta Sigma Omega".split(),
        "αβγδελμπρστφωΔΣΩ",
    )
)
SIGNS = {
    "cdot": "·",
    "times": "\u00d7",
    "le": "≤",
    "leq": "≤",
    "ge": "≥",
    "geq": "≥",
    "ne": "≠",
    "neq": "≠",
    "approx": "≈",
    "to": "→",
    "rightarrow": "→",
    "Rightarrow": "⇒",
    "in": "∈",
    "cup": "\u222a",
    "cap": "∩",
    "sum": "∑",
    "prod": "∏",
    "pm": "±",
    "ldots": "…",
    "dots": "…",
    "infty": "∞",
    "lfloor": "⌊",
    "rfloor": "⌋",
    "lceil": "⌈",
    "rceil": "⌉",
    "mid": "\u2223",
    "equiv": "≡",
    "bmod": "mod",
    "ll": "≪",
    "gg": "≫",
    "{": "{",
    "}": "}",
    "%": "%",
}
MINUS = "\u2212"
NAMES = ("min", "max", "log", "exp", "gcd")
SPACES = {",": "0.17em", ";": "0.28em", " ": "0.25em", "quad": "1em", "!": "0em"}
TOKEN = re.compile(r"\\([A-Za-z]+|[^A-Za-z])|(\d+(?:[.,]\d+)*)|(\s+)|(.)")


def mathml(source: str, block: bool = False) -> str:
    r"""A formula as a MathML element; ValueError names what is not known.

    >>> mathml(r"x^2 \le \frac 1 n")
    '<math><msup><mi>x</mi><mn>2</mn></msup><mo>≤</mo><mfrac><mn>1</mn><mi>n</mi></mfrac></math>'
    """
    reader = _Reader(source)
    inside = reader.row("")
    return f"<math{' display=' + chr(34) + 'block' + chr(34) if block else ''}>{inside}</math>"


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = [match for match in TOKEN.finditer(source) if not match[3]]
        self._at = 0

    def row(self, end: str) -> str:
        """Everything up to the closing brace `end`, or to the end of the formula."""
        parts: list[str] = []
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token[4] == end != "":
                self._at += 1
                return "".join(parts)
            if token[4] in ("^", "_"):
                self._at += 1
                base = parts.pop() if parts else "<mrow></mrow>"
                tag = "msup" if token[4] == "^" else "msub"
                parts.append(self._scripts(tag, base, self._one()))
            else:
                parts.append(self._one())
        if end:
            raise self._wrong("a brace is not closed")
        return "".join(parts)

    def _scripts(self, tag: str, base: str, script: str) -> str:
        """A base with a script; with both, one element that holds the two."""
        second = self._next()
        if second in ("^", "_"):
            if (second == "^") == (tag == "msup"):
                raise self._wrong("two scripts of one kind")
            self._at += 1
            below, above = (script, self._one()) if tag == "msub" else (self._one(), script)
            return f"<msubsup>{base}{below}{above}</msubsup>"
        return f"<{tag}>{base}{script}</{tag}>"

    def _next(self) -> str:
        return self._tokens[self._at][4] or "" if self._at < len(self._tokens) else ""

    def _one(self) -> str:
        """One thing: a letter, a number, a sign, a group."""
        if self._at >= len(self._tokens):
            raise self._wrong("it ends too soon")
        token = self._tokens[self._at]
        self._at += 1
        command, digits, _, letter = token.groups()
        if digits:
            return f"<mn>{digits}</mn>"
        if command:
            return self._command(command)
        if letter == "{":
            return f"<mrow>{self.row('}')}</mrow>"
        if letter in "}&#$~":
            raise self._wrong(f"{letter} may not stand here")
        if letter.isalpha():
            return f"<mi>{letter}</mi>"
        return f"<mo>{html.escape(MINUS if letter == '-' else letter)}</mo>"

    def _command(self, name: str) -> str:
        if name in ("frac", "dfrac", "tfrac"):
            return f"<mfrac>{self._one()}{self._one()}</mfrac>"
        if name == "sqrt":
            return f"<msqrt>{self._one()}</msqrt>"
        if name in ("text", "mathrm", "mathit", "texttt", "operatorname"):
            return f"<mtext>{html.escape(self._words())}</mtext>"
        if name in ("left", "right"):
            return self._one()
        if name in LETTERS:
            return f"<mi>{LETTERS[name]}</mi>"
        if name in NAMES:
            return f"<mi>{name}</mi>"
        if name in SIGNS:
            return f"<mo>{html.escape(SIGNS[name])}</mo>"
        if name in SPACES:
            return f'<mspace width="{SPACES[name]}"></mspace>'
        raise self._wrong(f"\\{name} is not known")

    def _words(self) -> str:
        """The text between the braces that come next."""
        if self._next() != "{":
            raise self._wrong("a { must follow")
        start = self._tokens[self._at].end()
        end = self._source.find("}", start)
        if end < 0:
            raise self._wrong("a brace is not closed")
        while self._at < len(self._tokens) and self._tokens[self._at].start() <= end:
            self._at += 1
        return self._source[start:end].replace("\\_", "_")

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"the formula {self._source.strip()!r} cannot be shown: {why}")
