"""The point of no return: the format against struct and readelf, the rows of the facts, the invariants."""

import os
import shutil
import struct
import subprocess
from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmteach import cases
from vmteach.figures import elf_interp as figure
from vmteach.kernel import binfmt
from vmteach.kernel.binfmt import ARCHS, INTERPRETER, Checked, check_machine, check_magic, check_type, interpreter_path
from vmteach.kernel.elf import DYN, EXEC, REL, elf, header_fields, parse, segment_fields, write
from vmteach.patches.elf_interp import (
    AOUT,
    CONTROLS,
    ERRNO,
    FILES,
    MISSING,
    NATIVE,
    NONE,
    PATCHED,
    POLICIES,
    PROGRAMS,
    RELOCATABLE,
    TEXT,
    UNPATCHED,
    Closed,
    Crossed,
    Files,
    Killed,
    Mapped,
    Opened,
    Policy,
    Returned,
    Scenario,
    Started,
    image,
    load_elf_binary,
    simulate,
)
from vmteach.tables import read_cases

SETTINGS = settings(max_examples=200, deadline=None, print_blob=True)
WHAT_IF = "what if: type too"
HEADERS = {32: "16sHHIIIIIHHHHHH", 64: "16sHHIQQQIHHHHHH"}  # as struct spells them
SEGMENTS = {32: "8I", 64: "2I6Q"}
MARKS = {"little": "<", "big": ">"}
EVERY = [Scenario(arch=a, program=p, interpreter=i) for a, p, i in product(ARCHS, PROGRAMS, FILES)]


def outcome(label, **scenario):
    return simulate(Scenario(**scenario), POLICIES[label]).numbers["outcome"]


def crossing(run):
    """Events before the point of no return, and from there on."""
    at = next((i for i, event in enumerate(run.events) if isinstance(event, Crossed)), len(run.events))
    return run.events[:at], run.events[at:]


def test_claim():
    """A foreign interpreter kills the caller before; after, and in each architecture, the caller is told ELIBBAD."""
    for arch, other in product(ARCHS, ARCHS):
        same = arch == other
        assert outcome(UNPATCHED, arch=arch, interpreter=other) == ("runs" if same else "SIGSEGV")
        assert outcome(PATCHED, arch=arch, interpreter=other) == ("runs" if same else "ELIBBAD")


# ---- the rows of the facts: architecture, program, interpreter, outcome before and after ----

ROWS = [
    pytest.param("i386", NATIVE, "i386", "runs", "runs", id="row1"),
    pytest.param("i386", NATIVE, "x86-64", "SIGSEGV", "ELIBBAD", id="row3"),
    pytest.param("ppc64", NATIVE, "ppc", "SIGSEGV", "ELIBBAD", id="row4"),
    *(pytest.param("i386", "ppc", name, "ENOEXEC", "ENOEXEC", id=f"row5-{name}") for name in FILES),
    pytest.param("i386", NATIVE, TEXT, "ELIBBAD", "ELIBBAD", id="row6"),
    pytest.param("i386", NATIVE, AOUT, "runs", "runs", id="row7"),
    pytest.param("i386", NATIVE, NONE, "runs", "runs", id="row8"),
    pytest.param("i386", NATIVE, MISSING, "ENOENT", "ENOENT", id="row9"),
    pytest.param("i386", NATIVE, RELOCATABLE, "SIGSEGV", "SIGSEGV", id="row10"),
]


@pytest.mark.parametrize(("arch", "program", "interpreter", "before", "after"), ROWS)
def test_an_exec_as_the_facts_have_it(arch, program, interpreter, before, after):
    scenario = Scenario(arch=arch, program=program, interpreter=interpreter)
    for label, expected in ((UNPATCHED, before), (PATCHED, after)):
        run = simulate(scenario, POLICIES[label])
        assert run.numbers["outcome"] == expected
        kind = {"runs": Started, "SIGSEGV": Killed}.get(expected, Returned)
        assert isinstance(run.events[-1], kind)
        assert bool(crossing(run)[1]) == (kind is not Returned)
        assert run.numbers["errno that the caller gets"] == ERRNO.get(expected, "none")


def test_the_what_if_mends_row_10_and_nothing_else():
    for scenario in EVERY:
        after, mended = (simulate(scenario, POLICIES[label]).numbers["outcome"] for label in (PATCHED, WHAT_IF))
        assert (after, mended) == ("SIGSEGV", "ELIBBAD") or after == mended
        assert (after != mended) == (scenario.interpreter == RELOCATABLE and outcome_of_program(scenario) == "")


def test_elibbad_is_80():
    assert simulate().numbers["errno that the caller gets"] == 80


def test_the_log_of_both_kernels():
    checks = [Checked("program", "magic", "ELF", True), Checked("program", "type", "2", True)]
    start = (Opened("program"), *checks, Checked("program", "machine", "3", True), Opened(INTERPRETER))
    start += (Checked(INTERPRETER, "magic", "ELF", True),)
    kind, machine = Checked(INTERPRETER, "type", "3", True), Checked(INTERPRETER, "machine", "62", False)
    closed = (Closed(INTERPRETER), Closed("program"))
    before, after = (simulate(policy=POLICIES[label]).events for label in (UNPATCHED, PATCHED))
    assert before == (*start, Crossed(), Mapped("program"), kind, machine, *closed, Killed("SIGSEGV"))
    assert after == (*start, machine, *closed, Returned("ELIBBAD"))


# ---- the format, against struct and readelf ----

files = {
    "machine": st.integers(0, 0xFFFF),
    "kind": st.sampled_from([REL, EXEC, DYN]),
    "bits": st.sampled_from([32, 64]),
    "order": st.sampled_from(["little", "big"]),
    "interpreter": st.sampled_from(["", "/lib/ld.so", "/lib64/ld-linux-x86-64.so.2"]),
    "code": st.binary(max_size=9),
}


@SETTINGS
@given(**files)
def test_a_written_file_is_what_struct_reads(machine, kind, bits, order, interpreter, code):
    data = elf(machine, kind, bits, order, interpreter, code)
    size, entry = (struct.calcsize(MARKS[order] + form[bits]) for form in (HEADERS, SEGMENTS))
    ident, *numbers = struct.unpack_from(MARKS[order] + HEADERS[bits], data)
    assert ident == b"\x7fELF" + bytes([bits // 32, 1 + (order == "big"), 1]) + bytes(9)
    count = 2 if interpreter else 1
    start = len(data) - len(code) + (0x400000 if kind == EXEC else 0)
    assert numbers == [kind, machine, 1, start, size, 0, 0, size, entry, count, 0, 0, 0]
    segments = [struct.unpack_from(MARKS[order] + SEGMENTS[bits], data, size + i * entry) for i in range(count)]
    *named, loaded = [dict(zip((f.name for f in segment_fields(bits)), segment)) for segment in segments]
    assert (loaded["p_type"], loaded["p_offset"], loaded["p_filesz"]) == (1, 0, len(data))
    assert loaded["p_vaddr"] % loaded["p_align"] == 0
    for segment in named:
        path = data[segment["p_offset"] : segment["p_offset"] + segment["p_filesz"]]
        assert (segment["p_type"], path) == (3, interpreter.encode() + b"\0")
    assert interpreter_path(data, bits, order) == interpreter


@SETTINGS
@given(data=st.binary(min_size=64, max_size=64), bits=files["bits"], order=files["order"])
def test_parse_agrees_with_struct_on_any_bytes_and_write_undoes_it(data, bits, order):
    form = MARKS[order] + HEADERS[bits]
    fields = header_fields(bits)[5:]  # after the ident
    numbers = parse(data, fields, order)
    assert tuple(numbers.values()) == struct.unpack_from(form, data)[1:]
    assert write(numbers, fields, order) == data[16 : struct.calcsize(form)]
    segment = parse(data, segment_fields(bits), order)
    assert tuple(segment.values()) == struct.unpack_from(MARKS[order] + SEGMENTS[bits], data)


READELF_MACHINES = {"i386": "Intel 80386", "ppc": "PowerPC", "ppc64": "PowerPC64", "ia64": "Intel IA-64"}


@pytest.mark.skipif(not shutil.which("readelf"), reason="readelf is not installed")
@pytest.mark.parametrize(("arch", "bits", "order"), [(name, a.bits, a.order) for name, a in ARCHS.items()])
@pytest.mark.parametrize("kind", [REL, EXEC, DYN])
def test_readelf_reads_the_same(tmp_path, arch, bits, order, kind):
    path = tmp_path / "file"
    path.write_bytes(elf(ARCHS[arch].machine, kind, bits, order, "/lib/ld.so", b"\x90"))
    done = subprocess.run(
        ["readelf", "-W", "-h", "-l", path], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = dict(line.strip().split(":", 1) for line in done.stdout.splitlines() if ": " in line)
    told = {name: words.strip() for name, words in told.items()}
    assert told["Class"] == f"ELF{bits}" and f"{order} endian" in told["Data"]
    assert told["Type"].startswith({REL: "REL", EXEC: "EXEC", DYN: "DYN"}[kind])
    assert told["Machine"] == READELF_MACHINES.get(arch, "Advanced Micro Devices X86-64")
    assert told["Number of program headers"] == "2"
    assert told["Size of program headers"].split()[0] == {32: "32", 64: "56"}[bits]
    assert "[Requesting program interpreter: /lib/ld.so]" in done.stdout


def test_what_cannot_be_is_refused_in_words():
    for wrong, words in (
        (lambda: elf(70_000), "e_machine must be between 0 and 65535, got 70000"),
        (lambda: elf(3, bits=16), "bits must be one of 32, 64, got 16"),
        (lambda: elf(3, order="middle"), "order must be one of little, big, got middle"),
        (lambda: parse(b"\x7fELF", header_fields(32), "little"), "the file must have at least 52 bytes, got 4"),
        (lambda: Policy(("colour",)), "early must be one of machine, type, got colour"),
        (lambda: Scenario(arch="vax"), "arch must be one of i386, ppc, ppc64, ia64, x86-64, got vax"),
    ):
        with pytest.raises(ValueError, match=words):
            wrong()


# ---- the checks read bytes, in the kernel's own order ----


@SETTINGS
@given(data=st.binary(max_size=24), arch=st.sampled_from([*ARCHS]))
def test_checks_read_two_bytes_each_in_the_kernels_order(data, arch):
    mark, of = MARKS[ARCHS[arch].order], ARCHS[arch]
    kind, machine = struct.unpack_from(f"{mark}HH", data.ljust(20, b"\0"), 16)
    assert check_type("interpreter", data, of)[2:] == (str(kind), kind in (2, 3))
    assert check_machine("interpreter", data, of)[2:] == (str(machine), machine in of.accepts)
    word = struct.unpack(f"{mark}I", data[:4].ljust(4, b"\0"))[0] & 0xFFFF
    expected = "ELF" if data[:4] == b"\x7fELF" else "a.out" if word in (0o407, 0o413, 0o314) else "neither"
    assert check_magic("interpreter", data, of).found == expected
    assert check_magic("program", data, of).ok == (expected == "ELF")


def test_a_ppc_header_read_in_the_wrong_order_is_of_machine_5120():
    assert parse(image("ppc", "ppc", DYN), header_fields(32), "big")["e_machine"] == 20
    assert simulate(Scenario(arch="i386", interpreter="ppc")).numbers["interpreter's machine, as read"] == 5120


# ---- the invariants, over every scenario and every order of early checks ----

policies = st.lists(st.sampled_from(["machine", "type"]), unique=True).map(lambda names: Policy(tuple(names)))
runs = st.builds(simulate, st.sampled_from(EVERY), policies)


def accepted(data, arch):
    """Whether a file is of the kernel's machine: read by struct."""
    return struct.unpack_from(MARKS[ARCHS[arch].order] + "H", data, 18)[0] in ARCHS[arch].accepts


@SETTINGS
@given(runs)
def test_i1_an_exec_that_fails_before_the_point_of_no_return_leaves_the_caller_as_it_was_and_tells_him(run):
    early, late = crossing(run)
    assert not any(isinstance(event, Mapped | Killed | Started) for event in early)
    assert any(isinstance(event, Returned) for event in run.events) == (not late)
    if not late:
        assert run.numbers["errno that the caller gets"] > 0 and run.numbers["the caller"] == "lives on"
    assert sum(isinstance(event, Crossed) for event in run.events) <= 1


def keeps_i2(run):
    s = run.scenario
    if not crossing(run)[1]:
        return True
    exempt = s.interpreter in (NONE, AOUT)
    return accepted(s.program_file, s.arch) and (exempt or accepted(s.interpreter_file, s.arch))


@SETTINGS
@given(runs)
def test_i2_who_crosses_has_accepted_machines_if_the_machine_is_checked_early(run):
    assert keeps_i2(run) or "machine" not in run.policy.early


def test_i2_is_broken_before_by_every_foreign_interpreter_and_by_nothing_else():
    for scenario in EVERY:
        foreign = scenario.interpreter in set(ARCHS) - {scenario.arch} and not outcome_of_program(scenario)
        assert keeps_i2(simulate(scenario, POLICIES[UNPATCHED])) == (not foreign)


def keeps_i3(run):
    return all(event.ok for event in crossing(run)[1] if isinstance(event, Checked))


@SETTINGS
@given(runs)
def test_i3_no_check_of_contents_fails_late_if_both_are_early(run):
    assert keeps_i3(run) or len(run.policy.early) < 2
    assert keeps_i3(run) == (run.numbers["the caller"] != "is killed")


def test_i3_is_still_broken_after_by_the_type_alone():
    broken = [s for s in EVERY if not keeps_i3(simulate(s, POLICIES[PATCHED]))]
    assert {s.interpreter for s in broken} == {RELOCATABLE}


@SETTINGS
@given(runs)
def test_i4_every_file_that_was_opened_is_closed_once(run):
    opened, closed = (Counter(e.file for e in run.events if isinstance(e, kind)) for kind in (Opened, Closed))
    assert opened == closed and max(opened.values()) == 1
    assert run.events.index(Opened("program")) == 0


# ---- the same another way: the outcome by names, without a byte ----


def outcome_of_program(scenario):
    program = scenario.arch if scenario.program == NATIVE else scenario.program
    return "" if program == scenario.arch else "ENOEXEC"


def plain(scenario, early):
    """The outcome, told from the names alone."""
    interpreter = scenario.arch if scenario.interpreter == NATIVE else scenario.interpreter
    if error := outcome_of_program(scenario):
        return error
    easy = {NONE: "runs", AOUT: "runs", MISSING: "ENOENT", TEXT: "ELIBBAD", scenario.arch: "runs"}
    if interpreter in easy:
        return easy[interpreter]
    swapped = interpreter in ARCHS and ARCHS[interpreter].order != ARCHS[scenario.arch].order
    wrong = {"type"} if interpreter == RELOCATABLE else {"machine", "type"} if swapped else {"machine"}
    return "ELIBBAD" if wrong & set(early) else "SIGSEGV"


@pytest.mark.parametrize("early", [(), ("machine",), ("type",), ("machine", "type"), ("type", "machine")])
def test_names_alone_give_the_same_outcome(early):
    for scenario in EVERY:
        assert simulate(scenario, Policy(early)).numbers["outcome"] == plain(scenario, early), scenario


# ---- the kernel's own loader ----


def test_the_judge_would_notice_a_wrong_rule(monkeypatch):
    rows = [row for row in read_cases("elf_interp-headers") if "44:" in (row["interpreter_changes"] or "")]
    monkeypatch.setitem(binfmt.HEADERS_MAX, INTERPRETER, 16 * binfmt.PAGE)
    assert len(cases.judged("elf_interp-headers", rows, cases.judge_of("elf_interp-headers")).differ) > 0


PROGRAM_FILE = elf(3, interpreter="/lib/ld.so")


def last_event(interpreter, label=PATCHED, program=PROGRAM_FILE):
    *_, last = load_elf_binary(Files(program, interpreter), ARCHS["i386"], POLICIES[label])
    return last


@pytest.mark.parametrize("label", [UNPATCHED, PATCHED])
def test_what_a_cut_interpreter_lacks_comes_from_the_program(label):
    """An empty file, or four bytes, pass as a file of this machine, and a thread is started: the fix does not help."""
    for cut in (b"", b"\x7fELF"):
        assert last_event(cut, label) == Started(INTERPRETER)
    assert last_event(b"\x7fELX", label) == Returned("ELIBBAD")


def test_an_address_space_that_cannot_be_given_up():
    """ENOMEM, and the caller lives; without an interpreter the unpatched kernel lets go of a file that is not there."""
    for interpreter, expected in (("i386", "ENOMEM"), (NONE, "oops")):
        assert outcome(UNPATCHED, interpreter=interpreter, space_stays=True) == expected
    mended = simulate(Scenario(interpreter=NONE, space_stays=True), Policy(lets_go_of_nothing=False))
    assert mended.numbers["the caller"] == "lives on"


def test_a_mapping_that_fails_is_not_noticed_and_one_beyond_user_space_is():
    """The loader returns what it read last, 32 bytes, and that is taken for the entry: the process starts there."""
    broken = bytearray(elf(3, DYN))
    broken[52 + 16 : 52 + 20] = (0xC0000000).to_bytes(4, "little")  # p_filesz
    assert last_event(bytes(broken)) == Started(INTERPRETER)
    far = bytearray(elf(3, DYN))
    far[24:28] = (0x90000000).to_bytes(4, "little")  # e_entry, plus where it lies: beyond the border
    assert last_event(bytes(far)) == Killed("SIGSEGV")


def test_too_many_program_headers():
    """64 KiB of them are allowed in a program, one page in an interpreter."""
    for count, expected in ((128, Started(INTERPRETER)), (129, Killed("SIGSEGV"))):
        many = bytearray(elf(3, DYN))
        many[44:46] = count.to_bytes(2, "little")
        assert last_event(bytes(many)) == expected
    program = bytearray(PROGRAM_FILE)
    program[44:46] = (2049).to_bytes(2, "little")
    assert last_event(elf(3, DYN), program=bytes(program)) == Returned("ENOMEM")


# ---- picture and notebook ----


def test_the_picture_names_the_bytes_and_the_outcomes():
    panels = {label: figure.scene(simulate(policy=policy)) for label, policy in POLICIES.items()}
    assert [panel.numbers["gets"] for panel in panels.values()] == ["SIGSEGV", "ELIBBAD", "ELIBBAD"]
    assert "The caller's address space is given up" in panels[UNPATCHED].alt
    assert "The caller gets ELIBBAD and lives on" in panels[PATCHED].alt
    ((dump,),) = [panel.more() for label, panel in panels.items() if label == PATCHED]
    assert dump["rows"][1][1][2:4] == [["X", "3e"], ["X", "00"]]


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_interpreter_can_be_drawn(name):
    run = simulate(Scenario(interpreter=name))
    drawn, data = figure.scene(run), run.scenario.interpreter_file
    boxes = [box[1] for group in drawn.more() for _, row in group["rows"] for box in row if len(box) > 1]
    assert "".join(boxes) == data[:32].hex()


def test_the_picture_and_the_story_have_each_step_once():
    for scenario in EVERY[:: len(FILES) + 1]:
        for policy in POLICIES.values():
            run = simulate(scenario, policy)
            steps = [event for event in run.events if not isinstance(event, Closed)]
            (row,) = figure.scene(run).groups
            assert len(row["cells"]) == len(figure.frames(run)) == len(steps)
            assert [cell[0] for cell in row["cells"]].count("X") == sum(
                isinstance(event, Checked) and not event.ok for event in steps
            )


def test_the_solutions_of_the_exercises_are_right():
    def killed(early):
        return sum(
            simulate(s, Policy(early)).numbers["the caller"] == "is killed" for s in EVERY if s.program == NATIVE
        )

    assert [killed(early) for early in ((), ("machine",), ("machine", "type"), ("type", "machine"))] == [25, 5, 0, 0]
    assert killed(("type",)) == 8
    assert outcome(UNPATCHED, program="ppc", interpreter="x86-64") == "ENOEXEC"
    assert {c.field for c in CONTROLS if c.matters} == {"interpreter", "program"}
    narrow, wide = (parse(elf(20, DYN, 32, "big"), header_fields(bits), "big") for bits in (32, 64))
    assert (narrow["e_entry"], wide["e_entry"]) == (84, (84 << 32) + 52)


def test_the_last_cell_of_an_exec_says_what_became_of_the_caller():
    ends = {"SIGSEGV": "K", "oops": "K", "runs": "R"}
    for case, policy in product(CELLS, POLICIES.values()):
        run = simulate(case, policy)
        assert figure.scene(run).groups[0]["cells"][-1][0] == ends.get(str(run.numbers["outcome"]), "T")


CELLS = [Scenario(interpreter=name) for name in ("ppc", "i386", "relocatable")]
