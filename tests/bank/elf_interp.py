"""Right and wrong answers to the exercises of elf_interp."""

from bank import Case

READ = "def read(data, order):\n    "
HONEST = "def honest(run):\n    "
LATE = (
    "def honest(run):\n    late = False\n    for step in run.events:\n"
    "        if type(step) is elf_interp.Crossed:\n            late = True\n"
)

BANK = {
    "field": Case(
        right=(
            (READ + "a, b = data[18], data[19]\n    return a * 256 + b if order == 'big' else b * 256 + a\n", None),
            (
                "import struct\n" + READ + "return struct.unpack_from('>H' if order == 'big' else '<H', data, 18)[0]\n",
                None,
            ),
        ),
        wrong=(
            (READ + "return int.from_bytes(data[18:20], 'little')\n", "The two bytes are the other way round there"),
            (READ + "return data[18] * 256 + data[19]\n", "The two bytes are the other way round there"),
            (READ + "return data[18]\n", "The field has two bytes"),
            (READ + "return int.from_bytes(data[16:18], order)\n", "That is the field beside it"),
            (READ + "return int.from_bytes(data[18:22], order)\n", "comes out as"),
            (READ + "return data[18:20]\n", "gives a bytes"),
            (READ + "data[18]\n", "is there a `return`?"),
        ),
        secret=(r"18 ?: ?18 ?\+ ?2", r"\* 256 \+"),
        raises=((READ + "return data[999]\n", 2, "IndexError"),),
    ),
    "early": Case(
        right=(
            ('mine = Policy(early=("type", "machine"))\n', None),
            ('mine = Policy(("machine", "type", "machine"))\n', None),
        ),
        wrong=(
            ('mine = Policy(early=("machine",))\n', "on i386 with the interpreter `relocatable`"),  # the patch
            ('mine = Policy(early=("type",))\n', "is killed in 8 of 55 cases"),
            ('mine = Policy(early=("machine", "machine"))\n', "is killed in 5 of 55 cases"),
            ('mine = ("machine", "type")\n', "not a Policy"),
        ),
        secret=(r'"machine", "type"',),
    ),
    "honest": Case(
        right=(
            (
                LATE + "        if late and not getattr(step, 'ok', True):\n            return False\n    "
                "return True\n",
                None,
            ),
            (
                HONEST + "kinds = [type(e).__name__ for e in run.events]\n"
                "    at = kinds.index('Crossed') if 'Crossed' in kinds else len(kinds)\n"
                "    return all(e.ok for e in run.events[at:] if isinstance(e, elf_interp.Checked))\n",
                None,
            ),
        ),
        wrong=(
            (HONEST + "return True\n", "a check fails past the point, and you call it honest"),
            (HONEST + "return False\n", "no check fails, and you call it dishonest"),
            (
                HONEST + "return all(e.ok for e in run.events if isinstance(e, elf_interp.Checked))\n",
                "a check fails in time",
            ),
            (HONEST + "return run.numbers['the caller']\n", "gives a str"),
            (HONEST + "return run.numbers['outcome'] != 'SIGSEGV'\n", "nobody is killed, and yet a check fails late"),
            (
                HONEST + "return not any(isinstance(e, elf_interp.Killed) for e in run.events)\n",
                "nobody is killed, and yet a check fails late",
            ),
            (
                LATE + "        if late and (isinstance(step, elf_interp.Killed) or not getattr(step, 'ok', True)):\n"
                "            return False\n    return True\n",
                "somebody is killed, and no check fails",
            ),
            (HONEST + "run.events\n", "is there a `return`?"),
        ),
        secret=(r"passed and isinstance",),
        raises=((HONEST + "return run.steps\n", 2, "AttributeError"),),
    ),
    "kill": Case(
        right=(
            ('mine = [Scenario(arch="ppc", interpreter="relocatable")]\n', 1),
            ('mine = [Scenario(arch=a, interpreter="relocatable") for a in ("i386", "ppc", "ppc")]\n', 2),
            ('mine = tuple(Scenario(arch=a, program=a, interpreter="relocatable") for a in elf_interp.ARCHS)\n', 5),
        ),
        wrong=(
            (
                'mine = [Scenario(arch="ppc64", interpreter="ppc")]\n',
                "the caller is not killed",
            ),  # the unpatched kernel kills it
            (
                'mine = [Scenario(interpreter="relocatable"), Scenario(interpreter="text")]\n',
                "Number 2 of your list ends with ELIBBAD",
            ),
            ('mine = [Scenario(program="relocatable", interpreter="native")]\n', "the caller is not killed"),
            ("mine = []\n", "The list is empty"),
            ('mine = Scenario(interpreter="relocatable")\n', "Hand in a list"),
            ('mine = [Scenario(interpreter="relocatable")] * 51\n', "Fifty scenarios are enough"),
        ),
        secret=(r"relocatable",),
    ),
}

GOALS = {
    "spared": (
        ({}, "not yet", "The caller is killed"),
        ({"program": "ppc"}, "right", "never looked at"),
        ({"program": "ppc", "interpreter": "native"}, "not yet", "for another machine than i386"),
        ({"interpreter": "text"}, "not yet", "for another machine than i386"),
        ({"program": "ppc", "policies": ["patched"]}, "not yet", "Show the kernel 'unpatched' too"),
    ),
    "left": (
        ({}, "not yet", "ELIBBAD: the caller lives on"),
        ({"interpreter": "relocatable"}, "right", "This is the other one"),
        ({"interpreter": "relocatable", "program": "ppc"}, "not yet", "ENOEXEC: the caller lives on"),
        ({"interpreter": "text"}, "not yet", "the caller lives on"),
    ),
}
