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
            (fates("dropped", "new", "new", "new", "unchanged"), "`00_extraversion`: a name that stands in one list"),
            (fates("superseded", *TRUE[1:]), "`00_csum-trail`: is there the same prefix"),
            (fates(*TRUE[:4], "superseded"), "`20_pte-highmem`: is there the same prefix"),
            (fates("new", *TRUE[1:]), "`00_csum-trail`: look for it in both lists"),
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
        ),
        raises=((fits(THERE, "return text[len(there)] == there[-1][1]"), 3, "IndexError"),),
        secret=(r'mark == " " or', r"len\(text\) >="),
    ),
    "misnamed": Case(
        right=(
            ('mine = Scenario(base="2.4.23aa1")\n', 13),
            ('mine = Scenario(base="2.4.23aa1", scsi_prefix="00")\n', 12),
            ('mine = Scenario(base="2.4.23aa1", scsi_prefix="9999")\n', 13),
        ),
        wrong=(
            ("mine = Scenario()\n", "This kernel says 2.4.23aa2"),
            ('mine = Scenario(scsi_prefix="00")\n', "This kernel says 2.4.23aa2"),
            ('mine = Scenario(base="2.4.25")\n', "It says 2.4.25. But -33 is rejected"),
            ('mine = Scenario(base="2.4.25", scsi_prefix="9930")\n', "the patch does not lose"),
            ('mine = Scenario(base="2.4.25", scsi_prefix="00")\nmine = (mine, mine)\n', "Hand in a `Scenario(...)`"),
            ('mine = "2.4.23aa1"\n', "Hand in a `Scenario(...)`"),
        ),
        secret=(r"2\.4\.23aa1",),
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
        ({"policies": ["after: -34", "what if: rediffed"]}, "not yet", "Rejected: 0 with -34"),
        ({"base": "2.4.25", "policies": ["after: -34", "what if: rediffed"]}, "right", "another Makefile"),
        ({"base": "2.4.23aa1", "policies": ["after: -34", "what if: rediffed"]}, "right", "another Makefile"),
        (
            {"base": "2.4.25", "scsi_prefix": "00", "policies": ["after: -34", "what if: rediffed"]},
            "not yet",
            "in its place",
        ),
    ),
}
