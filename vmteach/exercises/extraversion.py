"""Exercises of extraversion: fates of names, a rule that forgives context, a wrong name that nobody sees."""

from collections.abc import Mapping, Sequence
from typing import Any

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, misfit, not_yet, right
from vmteach.patches import extraversion as patch
from vmteach.patches.extraversion import BASES, PATCHED, POLICIES, UNPATCHED, Scenario, simulate

NEEDS = "from vmteach.patches.extraversion import Scenario\n"

REDIFFED = "what if: rediffed"
STALE = "2.4.23 with -33"


# ---- fates

WORDS = ("new", "dropped", "superseded", "unchanged")


def check_fates(mine: Any, given: Mapping[str, Any]) -> Verdict:
    true = patch.classify(given["old"], given["new"])
    if not isinstance(mine, Mapping) or set(mine) != set(true):
        return not_yet("Hand in the table, with the topics as they are and a word for each.")
    if odd := [word for word in mine.values() if word not in WORDS]:
        return not_yet(f"The words are {', '.join(WORDS)}. You have {odd[0]!r} too.")
    for topic, fate in true.items():
        if mine[topic] == fate:
            continue
        if fate == "superseded" and mine[topic] in ("new", "dropped"):
            return not_yet(f"`{topic}`: a name that stands in one list only need not be a topic that does.")
        if mine[topic] == "superseded":
            return not_yet(f"`{topic}`: is there the same prefix and topic, with another serial, in the other list?")
        if fate in ("superseded", "unchanged"):
            return not_yet(f"`{topic}`: look for it in both lists, and compare the serials.")
        return not_yet(f"`{topic}`: which of the two lists has it?")
    return right("By names alone. What has become of the contents, the names do not tell.")


def _lists(old: Sequence[str], new: Sequence[str]) -> Mapping[str, Any]:
    fates = patch.classify(old, new)
    blank = "\n".join(f'    "{topic}": "?",' for topic in fates)
    solved = "\n".join(f'    "{topic}": "{fate}",' for topic, fate in fates.items())
    texts = {name: str(names).replace("'", '"') for name, names in (("was", old), ("now", new))}
    return {"old": old, "new": new, "blank": blank, "solved": solved, **texts}


FATES = Task(
    name="fates",
    rung="fill one line",
    minutes=4,
    asks="Two made-up listings of a set. What is the fate of each topic, by the names alone: new, dropped, "
    "superseded, or unchanged? The prefix counts as part of the topic here.",
    stub="""\
old = $was
new = $now
mine = {
$blank
}
""",
    answer="mine",
    solution="""\
old = $was
new = $now
mine = {
$solved
}
""",
    hints=(
        "Take the serial off each name. Which of the rest stand in both lists?",
        "Those in both lists have two fates, and the serial decides. Those in one list have two, and the list decides.",
        "`30_irq-balance-15` in the old list and `30_irq-balance-16` in the new one: without the serials the names are "
        "the same, and the serials differ. With `31_irq-balance-16` in the new list they would be two topics, each in "
        "one list.",
    ),
    reason="In both lists with the same serial: unchanged. In both with another one: superseded. Else it is new or "
    "dropped.",
    wrong_turn="To read `Only in` as new. A change shows as a pair of such lines, one for each serial.",
    kernel="This is all that the announcement tells. A patch can be dropped because the base has taken it over.",
    check=check_fates,
    variants=(
        _lists(
            ["00_csum-trail-1", "00_extraversion-33", "05_vm_28-1", "20_pte-highmem-1"],
            ["00_extraversion-34", "00_ncpfs-1", "05_vm_28-2", "20_pte-highmem-1"],
        ),
        _lists(
            ["00_nfs-pathconf-2", "00_mremap-1", "30_19-direct-1", "9930_locks-3"],
            ["00_mremap-2", "30_14-pathconf-2", "30_19-direct-1"],
        ),
        _lists(
            ["00_elf-1", "00_rawio-crash-1", "21_scale-1", "9999900_fix-1"],
            ["00_blkdev-eof-1", "00_rawio-crash-2", "21_scale-2", "9999900_fix-1"],
        ),
    ),
)


# ---- fits

Hunk = list[tuple[str, str]]


def check_fits(fits: Any, _: Mapping[str, Any]) -> Verdict:
    for what, text, hunk in _trials():
        answer = fits(list(text), list(hunk))
        if wrong := misfit(answer, bool):
            return not_yet(wrong)
        if answer != _forgives(text, hunk):
            return not_yet(f"{what}: yours says {answer}.")
    return right("Context is forgiven, and what is to be taken out must be there.")


def _forgives(text: Sequence[str], hunk: Hunk) -> bool:
    there = [(mark, line) for mark, line in hunk if mark != "+"]
    return len(text) >= len(there) and all(mark == " " or line == got for (mark, line), got in zip(there, text))


def _hunk(diff: str) -> Hunk:
    return [(line[0], line[1:]) for line in diff.split("\n")[3:]]


def _trials() -> list[tuple[str, tuple[str, ...], Hunk]]:
    """What is tried, with the lines and the hunk."""
    (local,) = patch.extraversion("2.4.23", POLICIES[PATCHED])
    ncpfs = next(each for each in patch.topics() if each.topic == "ncpfs")
    hunk, name, makefile = _hunk(local.diff), _hunk(ncpfs.diff), BASES["2.4.23"].files["Makefile"]
    return [
        ("-34 on 2.4.23", makefile, hunk),
        ("ncpfs on 2.4.25, where another repair stands", BASES["2.4.25"].files[ncpfs.file], name),
        ("-34 on 2.4.25, where a line of context differs", BASES["2.4.25"].files["Makefile"], hunk),
        ("-34 on a Makefile whose version line has been changed already", BASES[STALE].files["Makefile"], hunk),
        ("-34 on a Makefile with a line more after it", (*makefile, "export VERSION"), hunk),
        ("-34 on a file that ends before the version line", makefile[:3], hunk),
        ("-34 on a Makefile whose version line stands elsewhere", (makefile[3], *makefile[:3]), hunk),
        ("A line put in between two of context", ("a", "c"), [(" ", "b"), ("+", "new"), (" ", "c")]),
        (
            "A file that ends where the hunk has one more line of context",
            ("a", "old"),
            [(" ", "a"), ("-", "old"), (" ", "z")],
        ),
        ("Two lines to take out, of which the file has the first", ("a", "z"), [("-", "a"), ("-", "b")]),
        ("Two lines of context that both differ", ("y", "z", "old"), [(" ", "a"), (" ", "b"), ("-", "old")]),
        (
            "A longer file, with the line to take out one place too far down",
            ("w", "a", "old", "z"),
            [(" ", "a"), ("-", "old")],
        ),
        ("A line put in before the one to take out", ("old", "b"), [("+", "new"), ("-", "old"), (" ", "b")]),
    ]


FITS = Task(
    name="fits",
    rung="change one rule",
    minutes=7,
    asks="This rule is exact: every line of the hunk that is not put in must stand in the file, one after the other. "
    "So -34 does not fit 2.4.25, where only the context differs. Change the rule so that it **forgives context**: "
    "context may be any line, but a line that is to be taken out must stand in its place.",
    stub='''\
def fits(text, hunk):
    """Whether a hunk, pairs of a mark (" ", "-" or "+") and a line, fits these lines from the first on."""
    there = [(mark, line) for mark, line in hunk if mark != "+"]
    return text[: len(there)] == [line for mark, line in there]
''',
    answer="fits",
    solution='''\
def fits(text, hunk):
    """Whether a hunk, pairs of a mark (" ", "-" or "+") and a line, fits these lines from the first on."""
    there = [(mark, line) for mark, line in hunk if mark != "+"]
    same = [mark == " " or line == found for (mark, line), found in zip(there, text)]
    return len(text) >= len(there) and all(same)
''',
    hints=(
        "Which of the three marks are compared with the file now, and which one need not be equal any more?",
        "The place still counts: go through hunk and file together, line by line. And the file must be long enough.",
        "`zip` stops at the shorter of the two. So a file of three lines would fit a hunk of four, if the first three "
        "do: that has to be asked for separately.",
    ),
    reason="Context says where, and a minus says what. A line that is put in stands in no file yet.",
    wrong_turn="To look only whether the line to be taken out stands anywhere in the file. The same line may stand in "
    "many places.",
    kernel="The patch program forgives up to two lines of context at each end, not the one next to the change: -34 "
    "would still be rejected on 2.4.25. A hunk that fits is no proof that the change is right there.",
    check=check_fits,
)


# ---- misnamed


def check_misnamed(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Scenario):
        return not_yet("Hand in a `Scenario(...)`: a base, and a prefix for the scsi fix.")
    after = simulate(mine, POLICIES[PATCHED]).numbers
    if str(after["version string"]).endswith("aa2"):
        return not_yet(f"This kernel says {after['version string']}, which is what it should.")
    if simulate(mine, POLICIES[UNPATCHED]).numbers["rejected"] >= after["rejected"]:
        return not_yet(
            f"It says {after['version string']}. But -33 is rejected there as well: the patch does not lose."
        )
    score, most = int(str(after["applied"])), int(str(simulate(Scenario(base=mine.base)).numbers["applied"]))
    more = f" {most - score} more could." if score < most else ""
    return right(f"It says {after['version string']}. The score is how many patches went in.{more}", score)


MISNAMED = Task(
    name="misnamed",
    rung="break it",
    minutes=5,
    asks="A patch that is rejected is left out, and the rest goes on. Find a scenario in which the kernel with -34 has "
    "a **wrong name**, the set with -33 in place of -34 has fewer rejected patches, and as many patches as possible "
    "go in all the same. Fields: `base`, one of the explorer's three, and `scsi_prefix`. The score is how many are "
    "applied.",
    stub="""\
mine = Scenario(base="2.4.25", scsi_prefix="00")  # change me
""",
    answer="mine",
    solution="""\
mine = Scenario(base="2.4.23 with -33")
""",
    hints=(
        "What must become of -34, so that the name stays what it was?",
        "On which base is -33 not rejected, although the Makefile is not the one that it was made against?",
        "A patch that is already in is not rejected. Choose each base in the explorer and read the column of -33; then "
        "see that no other patch is lost.",
    ),
    reason="Somebody began with a tree from which -33 was never taken out. It says aa1 already: -33 is already in, and "
    "-34 does not find the line that it takes out. All the fixes go in, under the old name.",
    wrong_turn="To take 2.4.25. There both are rejected, and three fixes are in before the set comes.",
    kernel="Nothing fails, and the machine runs well. But every report of a bug then names a kernel that it is not.",
    check=check_misnamed,
)

EXERCISES = (FATES, FITS, MISNAMED)


# ---- the explorer


def check_scsi(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    first = numbers[PATCHED]["first rejected"]
    if "scsi" not in first:
        return not_yet(f"With -34, first rejected: {first}.")
    return right("It comes before the patch that splits the locks, and nothing else is wrong with the set.")


def check_mended(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if state["scsi_prefix"] != "9999900":
        return not_yet("The scsi fix is to be in its place, 9999900.")
    one, other = (numbers[label]["rejected"] for label in (PATCHED, REDIFFED))
    if one <= other:
        return not_yet(f"Rejected: {one} with -34, {other} with the rediffed one.")
    return right(f"Rejected: {one} with -34, {other} with the rediffed one. Its context was another Makefile.")


GOALS = (
    Goal(
        name="scsi",
        asks="Make the scsi fix the first patch that is rejected with -34.",
        check=check_scsi,
        hints=("Which patch does it need, and where does that stand?", "And no other patch may be rejected before it."),
        reason="Base 2.4.23 and prefix 00. The fix then comes before the patch that splits the locks.",
        needs=(PATCHED,),
    ),
    Goal(
        name="mended",
        asks="With the scsi fix in its place, 9999900: a base on which -34 is rejected and the rediffed one is not.",
        check=check_mended,
        hints=("Against which Makefile was -34 made?", "Any other will do. See what else is rejected there."),
        reason="2.4.25 or 2.4.23 with -33: the Makefile is not the one that -34 was made against.",
        needs=(PATCHED, REDIFFED),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "Why does every change of a patch get a new serial?",
        (
            Option(
                "So that the names show it.",
                "The announcement lists names. So each of a change's two lines can be read.",
                True,
            ),
            Option("So that it is applied later.", "The prefix decides that. The serial tells versions apart."),
            Option("So that both versions can be applied.", "A topic has one serial in a set."),
        ),
    ),
    Question(
        "A patch is put on a new base. Which of these cannot be the result?",
        (
            Option("Already in.", "It can: the base has made the same change."),
            Option("Rejected.", "It can: a line is not as the patch expects, or something that it needs is missing."),
            Option("Superseded.", "That is the fate of a name between two listings, not of a patch on a base.", True),
        ),
    ),
    Question(
        "A topic has a line Only in aa1, no other line, and no remark. What is known of the bug that it mended?",
        (
            Option("The new base mends it.", "Perhaps. But a patch can also go because its bug cannot occur any more."),
            Option("It is back.", "Perhaps: a patch can be backed out. The line does not say so."),
            Option(
                "Nothing.",
                "A file is gone. Whether the base has its change, or the author gave it up, only a remark can say.",
                True,
            ),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "rejected": Guesses(
        2,
        {
            0: (
                "Two files have other lines than the set expects: the Makefile says 25 where 23 should be, and "
                "ncpfs has another repair."
            ),
            1: "The other repair is not alone: the Makefile says 25 where the set expects 23.",
            3: (
                "The three fixes that this base has word for word are already in, which is no rejection. Rejected are "
                "the one that was repaired in another way, and the Makefile's."
            ),
            4: "Three of these are there word for word, so not rejected. The second rejection is the Makefile's.",
            5: "Three of these are there word for word. They are found to be already in, which is no rejection.",
        },
    ),
}
