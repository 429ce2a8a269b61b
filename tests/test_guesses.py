"""What a prediction is answered: each result, each guess and each number in its words is computed here once more."""

import json
import re
from pathlib import Path

import pytest

import vmteach
from vmteach.exercises import Asked, chapter
from vmteach.kernel import threads as interleave
from vmteach.lab import kept as learn_kept
from vmteach.lab.predict import CALM, predict
from vmteach.machine import PRESETS
from vmteach.patches import (
    STEMS,
    blkdev_eof,
    csum_trail,
    elf_interp,
    extraversion,
    mremap,
    mremap_race,
    ncpfs,
    nfs_directio,
    overflow_buffers,
    rawio,
    scsi_deadlock,
    shm_big_iron,
)

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("[01][0-9]_*.ipynb"))[1:]
MIB, GIB = 1 << 20, 1 << 30


def before(patch, **scenario):
    """The numbers of the first kernel of a chapter."""
    return patch.simulate(patch.Scenario(**scenario), next(iter(patch.POLICIES.values()))).numbers


def steps(patch, thread):
    """How many steps a thread takes on the way that the chapter shows."""
    run = patch.simulate(patch.Scenario(), patch.POLICIES[patch.UNPATCHED])
    return sum(isinstance(event, interleave.Stepped) and event.thread == thread for event in run.events)


def of_blkdev_eof():
    page, block, size = 16384, 4096, 2004 * 512
    tail = size % block
    lost_before = before(blkdev_eof, sectors=2002)["bytes lost (B)"]
    result = before(blkdev_eof, sectors=2004, machine=PRESETS["64-bit 64 GB"])["bytes lost (B)"]
    assert result == size % page == 2 * block + tail
    return (
        result,
        {0, lost_before, tail, block, 2 * block, 3 * block, page},
        {2004, size // block, 1, 2002},
    )  # 1: KiB more than the first disk


def of_csum_trail():
    begin = 4096 - 1459
    last = max(at for at in range(begin % 4, 4096, 4) if at >= begin)
    assert begin % 4 == 1 and 4096 - last == 3
    return before(csum_trail, length=1459)["bytes touched in the next page (B)"], {0, 2, 3, 4}, {1, last}


def of_elf_interp():
    after = elf_interp.simulate(elf_interp.Scenario(), elf_interp.POLICIES[elf_interp.PATCHED]).numbers["outcome"]
    return after, {"ENOENT", "ENOEXEC", "SIGSEGV", "runs"}, {386}


def of_extraversion():
    run = extraversion.simulate(extraversion.Scenario(base="2.4.25"), extraversion.POLICIES[extraversion.PATCHED])
    kinds = [type(event).__name__ for event in run.events]
    fixes, (makefile, other) = kinds.count("AlreadyIn"), [e for e in run.events if type(e).__name__ == "Rejected"]
    assert fixes == 3 and "got 'SUBLEVEL = 25'" in makefile.why and "SUBLEVEL = 23" in makefile.why
    assert other.patch == "00_ncpfs-1"
    return run.numbers["rejected"], {0, 1, fixes, fixes + 1, fixes + 2}, {25, 23}


def of_mremap():
    result = before(mremap, call="cut and move", below_limit=0)
    assert (result["mappings"], result["orphan pages"]) == (2, 2)
    return result["broken"], {*mremap.INVARIANTS, "none"} - {result["broken"]}, set()


def of_ncpfs():
    result = before(ncpfs, on_server=False)
    assert (before(ncpfs)["answer"], result["sent (B)"]) == ("success", "255")
    taken = before(ncpfs, operation="create")["answer"]
    too_long = before(ncpfs, operation="create", length=1, expansion=2, on_server=False)["answer"]
    return result["answer"], {"success", taken, too_long}, {255}


def of_rawio():
    strict = rawio.simulate(rawio.Scenario(), rawio.POLICIES[rawio.PATCHED]).numbers
    chunk, wanted, got = 512 * 1024 // 4096, strict["pages wanted"], 768 * 1024 // 4096
    second = got - chunk
    assert before(rawio)["pages got"] == got and 4 * got == 3 * wanted
    return strict["bytes covered (B)"] // 4096, {wanted, got, second, 0}, {second, 512}


def of_shm_big_iron():
    run = shm_big_iron.simulate(shm_big_iron.Scenario(), shm_big_iron.POLICIES["unpatched"])
    file = 4 * GIB / MIB
    disk, swap = round(file / 80), round(file / run.scenario.swap)
    per_byte = run.numbers["swapped per byte copied"]
    assert run.end == pytest.approx(disk + per_byte * swap, rel=0.02)
    return round(run.end), {disk, 2 * disk, swap, disk + swap}, {swap, per_byte}


def of_mremap_race():
    m, c = steps(mremap_race, "M"), steps(mremap_race, "C")
    result = before(mremap_race)["shortest way there (steps)"]
    free = 5  # M5 gives the lock away
    assert result == m + c
    return result, {c, free + c, m, result - 1}, set()


def of_nfs_directio():
    wraps = (1 << 32) // MIB
    result = before(nfs_directio, offset_mib=5120)["first chunk on the wire (MiB)"]
    assert result == 5120 % wraps
    return result, {5120, 0, 5120 - (1 << 31) // MIB, wraps}, {wraps, 32, (1 << 31) // GIB, 0}


def of_overflow_buffers():
    scenario, told = overflow_buffers.Scenario(PRESETS["8 GB"]), "told to wait from (GiB)"
    runs = {k: overflow_buffers.simulate(scenario, p).numbers for k, p in overflow_buffers.POLICIES.items()}
    here, memory = runs[overflow_buffers.UNPATCHED], scenario.start.memory
    free = round((memory.dma + memory.normal + memory.high) * 4096 / GIB)
    assert here[told] == runs[overflow_buffers.PATCHED][told] == pytest.approx(3 / 8 * free, rel=0.03)
    others = {runs["2.4.22 (bytes)"][told], before(overflow_buffers)[told]}
    return here[told], {0.6 * free, here["background writing from (GiB)"], (1 << 32) / GIB, *others}, {60, 30, 16}


def of_scsi_deadlock():
    run = scsi_deadlock.simulate(scsi_deadlock.Scenario(), scsi_deadlock.POLICIES[scsi_deadlock.UNPATCHED])
    way, back = run.numbers["way to the deadlock (steps)"], run.numbers["no way back after (steps)"]
    stepped = [event.at for event in run.events if isinstance(event, interleave.Stepped)]
    waits = sum(isinstance(event, interleave.Waited) for event in run.events)
    assert stepped == ["R1", "E1", "R2", "R3", "E2", "E3.0"]
    result = before(scsi_deadlock, dispatchers=3, disks=3, machine=PRESETS["8 GB"])["way to the deadlock (steps)"]
    assert result == way
    return result, {2, back, way + waits, 3 * way}, set()


@pytest.mark.parametrize("stem", STEMS)
def test_results_guesses_and_numbers_are_those_of_the_model(stem):
    reckon = globals().get(f"of_{stem}")
    assert reckon, (
        f"tests/test_guesses.py must have of_{stem}(): the result, the answers of PREDICTIONS, numbers in its words"
    )
    result, answers, numbers = reckon()
    ((_, known),) = chapter(stem).PREDICTIONS.items()
    assert known.result == pytest.approx(result) if isinstance(result, float) else known.result == result
    assert (
        set(known.overlooked) == answers
        if any(isinstance(a, str) for a in answers)
        else sorted(known.overlooked) == pytest.approx(sorted(answers))
    )
    for said in known.overlooked.values():
        text = re.sub(r"\b[A-Z]\d\b", "", said)  # names of steps
        found = {float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)}
        assert found <= {float(number) for number in numbers}, said


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_chapter_asks_for_what_the_guesses_answer(path):
    """One prediction a chapter, under the name that PREDICTIONS has; every guess is an answer that it takes."""
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]
    (cell,) = (cell for cell in cells if re.search(r"= (ch\.)?predict\(", cell))
    (name,) = re.search(r'predict\("(?:\w+/)?([\w-]+)"', cell).groups()
    stem = path.stem[3:]
    assert list(chapter(stem).PREDICTIONS) == [name]
    names = {"predict": predict, "mremap": mremap, "ch": vmteach.chapter(stem)}
    exec(cell, names)
    known = chapter(stem).PREDICTIONS[name]
    for guess in known.overlooked:
        assert names["prediction"].answer(guess).value == guess
        assert repr(names["prediction"].against(known.result)).endswith(known.overlooked[guess])
    assert names["prediction"].answer(known.result).value == known.result
    assert "and so it is" in repr(names["prediction"].against(known.result))


def test_no_guess_is_as_good_as_another():
    for stem in STEMS:
        for known in chapter(stem).PREDICTIONS.values():
            for guess, said in known.overlooked.items():
                assert known.to(guess, known.result) == said  # none hides behind the one before it
            assert known.to(known.result, known.result) == ""
            assert len(known.overlooked) >= 3


def test_what_is_said_belongs_to_the_question_as_it_stands(tmp_path, monkeypatch):
    """Whoever changes the scenario gets another result, of which the words would not be true."""
    monkeypatch.setenv("VMTEACH_PROGRESS", str(tmp_path / "progress.json"))
    learn_kept._remembered.clear()
    prediction = predict("mremap_race", "way").answer(10)
    assert "must come in between" in repr(prediction.against(13))
    assert repr(prediction.against(14)).endswith(CALM)
    assert repr(prediction.answer(11).against(13)).endswith(CALM)


def test_two_percent_are_near_enough():
    known = Asked("How long?", 292, {51: "The disk alone.", "I4": "No."})
    assert [known.to(guess, 292) for guess in (50, 52, 53, "I4")] == ["The disk alone.", "The disk alone.", "", "No."]
