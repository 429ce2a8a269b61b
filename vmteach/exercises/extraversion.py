"""Exercises of extraversion: fates of names, a rule that forgives context, a wrong name that nobody sees."""

from collections.abc import Mapping, Sequence

from vmteach.exercises import Answer, Faults, Given, Numbers, Position, check, misfit, not_yet, right, written
from vmteach.kernel.patchset import classify
from vmteach.patches import extraversion as patch
from vmteach.patches.extraversion import BASES, PATCHED, POLICIES, UNPATCHED, Scenario, simulate

REDIFFED = "what if: rediffed"
STALE = "2.4.23 with -33"
WORDS = ("new", "dropped", "superseded", "unchanged")


@check
def check_fates(mine: Answer, given: Given) -> Faults:
    true = classify(given["old"], given["new"])
    if not isinstance(mine, Mapping) or set(mine) != set(true):
        return not_yet("Hand in the table, with the topics as they are and a word for each.")
    for word in mine.values():
        yield word not in WORDS, f"The words are {', '.join(WORDS)}. You have {word!r} too."
    for topic, fate in true.items():
        yield mine[topic] != fate, f"`{topic}`: {_overlooked(fate, mine[topic])}"
    return right("By names alone. What has become of the contents, the names do not tell.")


def _overlooked(fate: str, mine: str) -> str:
    if fate == "superseded" and mine in ("new", "dropped"):
        return "a name in one list only can still be a topic in both."
    if mine == "superseded":
        return "is there the same prefix and topic, with another serial, in the other list?"
    if fate in ("superseded", "unchanged"):
        return "look for it in both lists, and compare the serials."
    return "which of the two lists has it?"


def _lists(old: Sequence[str], new: Sequence[str]) -> Given:
    fates = classify(old, new)
    blank = "\n".join(f'    "{topic}": "?",' for topic in fates)
    solved = "\n".join(f'    "{topic}": "{fate}",' for topic, fate in fates.items())
    texts = {name: str(names).replace("'", '"') for name, names in (("was", old), ("now", new))}
    return {"old": old, "new": new, "blank": blank, "solved": solved, **texts}


Hunk = list[tuple[str, str]]


@check
def check_fits(fits: Answer, _: Given) -> Faults:
    for what, text, hunk in _trials():
        answer = fits(list(text), list(hunk))
        yield misfit(answer, bool)
        yield answer != _forgives(text, hunk), f"{what}: yours says {answer}."
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


@check
def check_misnamed(mine: Answer, _: Given) -> Faults:
    before, after = (simulate(mine, POLICIES[label]).numbers for label in (UNPATCHED, PATCHED))
    name = after["version string"]
    yield str(name).endswith("aa2"), f"This kernel says {name}, which is what it should."
    if before["rejected"] >= after["rejected"]:
        return not_yet(f"It says {name}. But -33 is rejected there as well: the patch does not lose.")
    score, most = int(str(after["applied"])), int(str(simulate(Scenario(base=mine.base)).numbers["applied"]))
    more = f" {most - score} more could." if score < most else ""
    return right(f"It says {name}. The score is how many patches went in.{more}", score)


@check
def check_scsi(_: Position, numbers: Numbers) -> Faults:
    first = numbers[PATCHED]["first rejected"]
    yield "scsi" not in first, f"With -34, first rejected: {first}."
    return right("It comes before the patch that splits the locks, and nothing else is wrong with the set.")


@check
def check_mended(state: Position, numbers: Numbers) -> Faults:
    yield state["scsi_prefix"] != "9999900", "Put the scsi fix in its place, 9999900."
    one, other = (numbers[label]["rejected"] for label in (PATCHED, REDIFFED))
    rejected = f"Rejected: {one} with -34, {other} with the rediffed one."
    yield one <= other, rejected
    return right(f"{rejected} Its context was another Makefile.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "extraversion",
    globals(),
    fates=(
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
