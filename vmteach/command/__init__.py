"""The command `vmteach`: the course from wherever you are.

    vmteach lab [FOLDER]      open the chapters in JupyterLab; FOLDER gets those that it has not
    vmteach handouts [NAME]   write the chapters as HTML files to handouts/
    vmteach site              write the course as a folder for a static server, with a kernel in the browser
    vmteach class FOLDER      show what a class predicted, from its progress files
    vmteach marks FOLDER      mark notebooks of the nbgrader edition without running them
    vmteach questions         write predictions and questions for Moodle (GIFT) or Canvas (QTI)
    vmteach editions [NAME]   write notebooks for students, teachers, nbgrader, Otter and Colab to editions/

`vmteach lab --help` and so on tell more.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from vmteach import __version__


class Command(NamedTuple):
    """What a word of the command line runs, and what must be installed for it."""

    module: str
    extra: str
    needs: tuple[str, ...]

    @property
    def lacking(self) -> list[str]:
        """What is not installed of it."""
        return [name for name in self.needs if not find_spec(name)]


COMMANDS = {
    "lab": Command("vmteach.command.lab", "lab", ("jupyterlab", "ipywidgets", "matplotlib", "pandas")),
    "handouts": Command("vmteach.handout", "handouts", ("nbconvert", "nbclient", "bs4", "bleach", "latex2mathml")),
    "site": Command("vmteach.handout.site", "site", ("nbconvert", "nbclient", "bs4", "bleach", "latex2mathml")),
    "class": Command("vmteach.lab.classroom", "", ()),
    "marks": Command("vmteach.lab.marks", "", ()),
    "questions": Command("vmteach.lab.questions", "", ()),
    "editions": Command("vmteach.command.editions", "", ()),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of `vmteach` with these arguments, by default the program's own."""
    # Whoever checks notebooks loads a grammar of addresses, 1.3 s; none is checked here.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    word, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    said = {"--version": f"vmteach {__version__}\n"} | dict.fromkeys(("-h", "--help", "help"), __doc__ or "")
    if word in said:
        sys.stdout.write(said[word])
        return 0
    if word not in COMMANDS:
        return _refuse(f"the command must be one of {', '.join(COMMANDS)}, got {word}; see vmteach --help")
    command = COMMANDS[word]
    if command.lacking:
        return _refuse(f"vmteach {word} needs {', '.join(command.lacking)}: pip install 'vmteach[{command.extra}]'")
    try:
        return int(import_module(command.module).main(rest))
    except OSError as trouble:
        return _refuse(f"{trouble.filename or word}: {trouble.strerror or trouble}; name another folder")


def _refuse(line: str) -> int:
    sys.stderr.write(f"{line}\n")
    return 2
