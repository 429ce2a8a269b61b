"""The page's script and style sheet, put together: they draw scenes and play stories, and know no chapter.

The script has no import and no export, so that it can stand in a widget's module, in a handout and in a test. What it
offers is in docs/pictures.md: `mountPanels`, `mountStory`, `layout`, `paint`.
"""

import json
from functools import cache
from pathlib import Path

from vmteach.run import Values

HERE = Path(__file__).parent
PARTS = ("words", "layout", "rows", "lists", "charts", "paint", "panels", "stepper")
TOKENS: Values = json.loads((HERE / "tokens.json").read_text(encoding="utf-8"))


@cache
def script() -> str:
    """The script: plain ASCII; comments and indents stay behind."""
    tokens = {"pattern": TOKENS["pattern"], "light": variables("light"), "dark": variables("dark")}
    parts = [f"const TOKENS = {json.dumps(tokens)};"]
    for name in PARTS:
        lines = (line.strip() for line in (HERE / f"{name}.js").read_text(encoding="utf-8").splitlines())
        parts += [line for line in lines if line and not line.startswith("//")]
    return "\n".join(parts)


@cache
def style() -> str:
    """The style sheet, with the colours of both themes."""
    sheet = (HERE / "page.css").read_text(encoding="utf-8")
    return sheet.replace("/*light*/", variables("light")).replace("/*dark*/", variables("dark"))


def variables(theme: str) -> str:
    """A theme's colours as CSS variables: --vm-KIND of a fill, --vm-on-KIND of words on it, --vm-text-KIND of words.

    >>> "--vm-in-use: #132E86;" in variables("light")
    True
    """
    groups = {"": TOKENS[theme], "on-": TOKENS["on"][theme], "text-": TOKENS["text"][theme]}
    pairs = [
        (f"--vm-{kind}{name.replace(' ', '-')}", colour)
        for kind, names in groups.items()
        for name, colour in names.items()
    ]
    return " ".join(f"{name}: {colour};" for name, colour in pairs)
