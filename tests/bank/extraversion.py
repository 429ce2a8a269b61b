"""Right and wrong answers to the exercises of extraversion."""

from bank import Case


def fates(csum: str, extra: str, ncpfs: str, vm: str, pte: str) -> str:
    return f"mine = {dict(zip(TOPICS, (csum, extra, ncpfs, vm, pte)))}\n"


TOPICS = ("00_csum-trail", "00_extraversion", "00_ncpfs", "05_vm_28", "20_pte-highmem")
TRUE = ("dropped", "superseded", "new", "superseded", "unchanged")


def fits(*lines: str) -> str:
    return "def fits(text, hunk):\n" + "".join(f"    {line}\n" for line in lines)


THERE = 'there = [(mark, line) for mark, line in hunk if mark != "+"]'
STEP_BY_STEP = """\
def fits(text, hunk):
    at = 0
    for mark, line in hunk:
        if mark == "+":
            continue
        if at >= len(text) or mark == "-" and text[at] != line:
            return False
        at += 1
    return True
"""

BANK = {
    "fates": Case(
        right=(
            (fates(*TRUE), None),
            (f"mine = dict(zip({TOPICS}, {TRUE}))\n", None),
        ),
        wrong=(
            (fates("dropped", "new", "new", "new", "unchanged"), "`00_extraversion`: a name in one list only"),
            (fates("superseded", *TRUE[1:]), "`00_csum-trail`: is there the same prefix"),
            (fates(*TRUE[:4], "superseded"), "`20_pte-highmem`: is there the same prefix"),
            (fates("new", *TRUE[1:]), "`00_csum-trail`: which of the two lists has it?"),
            (fates("dropped", "unchanged", *TRUE[2:]), "`00_extraversion`: look for it in both lists"),
            (fates("gone", *TRUE[1:]), "You have 'gone' too"),
            ("mine = {'00_csum-trail': 'dropped'}\n", "topics as they are"),
            ("mine = ('dropped', 'superseded')\n", "Hand in the table"),
        ),
        secret=(r'"00_csum-trail": "dropped"', r"with the same serial: unchanged"),
    ),
    "fits": Case(
        right=(
            (STEP_BY_STEP, None),
            (
                fits(
                    THERE,
                    "if len(there) > len(text):",
                    "    return False",
                    'return not any(mark == "-" and text[i] != line for i, (mark, line) in enumerate(there))',
                ),
                None,
            ),
            (
                "import numpy as np\n"
                + fits(
                    "out = np.array([(mark == '-', line) for mark, line in hunk if mark != '+'], dtype=object)",
                    "first = np.array(text[: len(out)], dtype=object)",
                    "if len(first) < len(out):",
                    "    return np.False_",
                    "return ((out[:, 1] == first) | ~out[:, 0].astype(bool)).all()",
                ),
                None,
            ),
        ),
        wrong=(
            (fits(THERE, "return list(text)[:len(there)] == [line for _, line in there]"), "a line of context differs"),
            (fits("return True"), "another repair stands: yours says True"),
            (fits("return False"), "-34 on 2.4.23: yours says False"),
            (fits('return all(line in text for mark, line in hunk if mark == "-")'), "stands elsewhere"),
            (
                fits(THERE, 'return all(mark == " " or line == found for (mark, line), found in zip(there, text))'),
                "ends before the version line",
            ),
            (
                fits(
                    "same = [mark == ' ' or line == found for (mark, line), found in zip(hunk, text)]",
                    "return len(text) >= 4 and all(same[:4])",
                ),
                "between two of context",
            ),
            (fits("return len(text) < 5 and text[-1] in (hunk[1][1], hunk[-2][1])"), "a line more after it"),
            (fits(THERE, "len(text) >= len(there)"), "is there a `return`?"),
            (fits("return 'clean'"), "a str, not"),
            (fits("return 1"), "an int, not a bool"),
            (
                fits(THERE, "return all(m == ' ' or i < len(text) and l == text[i] for i, (m, l) in enumerate(there))"),
                "one more line of context",
            ),
            (
                fits(
                    THERE,
                    "if len(text) < len(there):",
                    "    return False",
                    "for (mark, line), found in zip(there, text):",
                    "    if mark == '-':",
                    "        return line == found",
                    "return True",
                ),
                "Two lines to take out, of which the file has the first",
            ),
            (
                fits(
                    THERE,
                    "wrong = [m for (m, l), found in zip(there, text) if l != found]",
                    "return len(text) >= len(there) and wrong in ([], [' '])",
                ),
                "Two lines of context that both differ",
            ),
            (
                fits(
                    THERE,
                    "def at(k):",
                    "    return all(m == ' ' or l == found for (m, l), found in zip(there, text[k:]))",
                    "return any(at(k) for k in range(len(text) - len(there) + 1))",
                ),
                "one place too far down",
            ),
            (
                fits(
                    "if len(text) < sum(m != '+' for m, l in hunk):",
                    "    return False",
                    "return all(m != '-' or i < len(text) and text[i] == l for i, (m, l) in enumerate(hunk))",
                ),
                "put in before the one to take out",
            ),
        ),
        raises=((fits(THERE, "return text[len(there)] == there[-1][1]"), 3, "IndexError"),),
        secret=(r'mark == " " or', r"len\(text\) >="),
    ),
    "misnamed": Case(
        right=(
            ('mine = Scenario(base="2.4.23 with -33")\n', 12),
            ('mine = Scenario(base="2.4.23 with -33", scsi_prefix="00")\n', 11),
            ('mine = Scenario(base="2.4.23 with -33", scsi_prefix="9999")\n', 12),
        ),
        wrong=(
            ("mine = Scenario()\n", "This kernel says 2.4.23aa2"),
            ('mine = Scenario(scsi_prefix="00")\n', "This kernel says 2.4.23aa2"),
            ('mine = Scenario(base="2.4.25")\n', "It says 2.4.25. But -33 is rejected"),
            ('mine = Scenario(base="2.4.25", scsi_prefix="9930")\n', "the patch does not lose"),
            ('mine = Scenario(base="2.4.25", scsi_prefix="00")\nmine = (mine, mine)\n', "not a Scenario"),
            ('mine = "2.4.23 with -33"\n', "not a Scenario"),
        ),
        secret=(r"2\.4\.23 with",),
    ),
}

GOALS = {
    "scsi": (
        ({}, "not yet", "first rejected: none"),
        ({"scsi_prefix": "00"}, "right", "splits the locks"),
        ({"scsi_prefix": "00", "base": "2.4.25"}, "not yet", "first rejected: 00_extraversion-34"),
        ({"scsi_prefix": "9930"}, "not yet", "first rejected: none"),
    ),
    "mended": (
        ({}, "not yet", "Show the kernel 'what if: rediffed'"),
        ({"policies": ["patched (-34)", "what if: rediffed"]}, "not yet", "Rejected: 0 with -34"),
        ({"base": "2.4.25", "policies": ["patched (-34)", "what if: rediffed"]}, "right", "another Makefile"),
        ({"base": "2.4.23 with -33", "policies": ["patched (-34)", "what if: rediffed"]}, "right", "another Makefile"),
        (
            {"base": "2.4.25", "scsi_prefix": "00", "policies": ["patched (-34)", "what if: rediffed"]},
            "not yet",
            "in its place",
        ),
    ),
}
