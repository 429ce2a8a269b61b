"""The templates beside this module: what they are given is text and is escaped, unless they say that it is HTML."""

import html
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent


@cache
def template(name: str) -> "Template":
    """NAME.html.j2, to be rendered."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        finalize=_escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    return templates.get_template(f"{name}.html.j2")


def macros(name: str) -> Any:
    """The macros of NAME.html.j2, to be called.

    >>> str(macros("parts").story("a < b", ["one"]))
    '<p><strong>a &lt; b</strong></p><ol><li>one</li></ol>'
    """
    return template(name).module


def _escaped(value: object) -> object:
    """A text as the rest of the package escapes it; what is HTML stays."""
    from jinja2.filters import do_mark_safe

    return value if hasattr(value, "__html__") else do_mark_safe(html.escape(str(value)))
