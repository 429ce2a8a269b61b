"""The experiments on the running kernel agree with the model, or say in words why they did not run."""

import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmteach import live, tables
from vmteach.live import blkdev, csum, elf, mremap, names, offsets, rawio
from vmteach.patches.mremap import CASES, PATCHED, POLICIES, TODAY, Scenario, simulate

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="this needs Linux")


def rows(answer: live.Answer) -> tuple:
    """The rows of an experiment that ran; skips the test, with its words, where it did not."""
    if not answer.ran:
        pytest.skip(answer.why)
    return answer.rows


def rows_of_today(answer: live.Answer) -> tuple:
    given = rows(answer)
    if not mremap.is_of_today(answer.kernel):
        pytest.skip(f"the model's today is 6.17 and later, this is {answer.kernel}: {answer.why}")
    return given


@pytest.mark.parametrize("touched", [False, True], ids=["lists", "contents"])
@pytest.mark.parametrize("seed", [2004, 985])
def test_two_thousand_random_calls_show_no_difference_to_the_model_of_today(touched, seed):
    answer = mremap.compare_random(2000, seed, touched, seconds=60)
    assert rows_of_today(answer) == ()
    assert answer.why == "2000 random calls, 0 differences"


def test_the_comparison_notices_a_model_of_another_kernel(monkeypatch):
    monkeypatch.setitem(POLICIES, TODAY, POLICIES[PATCHED])
    differences = rows(mremap.compare_random(500, 2004, seconds=60))
    assert len(differences) > 10
    assert all(difference.call.startswith("remap") for difference in differences)


@pytest.mark.parametrize("below_limit", [None, 0, 5, 6])
def test_the_named_calls_return_what_the_model_says_also_with_a_full_list(below_limit):
    asked = rows_of_today(mremap.ask_calls(below_limit=below_limit, seconds=60))
    room = 1000 if below_limit is None else below_limit
    for row in asked:
        numbers = simulate(Scenario(call=row.call, below_limit=room), POLICIES[TODAY]).numbers
        assert (row.call, row.returned, row.broken) == (row.call, numbers["returned"], "none")
        assert row.below_limit == below_limit
    assert [row.call for row in asked] == list(CASES)


def test_the_tests_of_others_go_as_on_the_kernel_of_the_table():
    answer = mremap.play_tests_of_others(seconds=60)
    assert rows_of_today(answer) == ()
    assert answer.why == "39 tests of others made on this kernel, 0 not as on Linux 6.18.44"


def test_a_test_of_others_that_goes_another_way_is_named(monkeypatch):
    told = [row | {"kernel_6_18_44": "EFAULT"} for row in tables.read_cases("mremap-peers") if row["call_in_bytes"]]
    monkeypatch.setattr(tables, "read_cases", lambda name: told)
    first = rows(mremap.play_tests_of_others(seconds=60))[0]
    assert first == ("LTP mremap01", "grow 1000 to 2000 pages, may move", "source, and Linux 6.18.44 says EFAULT")


def test_some_calls_can_be_chosen():
    assert [row.call for row in rows(mremap.ask_calls(["move", "shrink"], seconds=60))] == ["move", "shrink"]


# Words instead of errors

EXPERIMENTS = {
    "mremap": mremap.compare_random,
    "blkdev": blkdev.odd_tail,
    "csum": csum.touch_every_buffer,
    "elf": elf.exec_with_interpreters,
    "names": names.try_names,
    "offsets": offsets.write_beyond,
    "rawio": rawio.read_into_a_hole,
}
every_experiment = pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=list(EXPERIMENTS))


def test_every_experiment_is_here():
    assert sorted(EXPERIMENTS) == sorted(path.stem for path in Path(live.__file__).parent.glob("[a-z]*.py"))


@every_experiment
def test_elsewhere_it_says_why_not(experiment, monkeypatch):
    monkeypatch.setattr(sys, "platform", "sunos")
    monkeypatch.setattr(os, "name", "riscos")
    answer = experiment()
    assert (answer.ran, answer.rows) == (False, ())
    assert re.fullmatch("this needs Linux.*, and here is sunos.*", answer.why)


def fails(error):
    def run(*args, **kwargs):
        raise error

    return run


def gives(*done):
    return lambda *args, **kwargs: subprocess.CompletedProcess([], *done)


@on_linux
@pytest.mark.parametrize(
    ("run", "words"),
    [
        (fails(subprocess.TimeoutExpired("x", 1)), "the experiment was stopped after [0-9]+ seconds"),
        (fails(OSError(1, "Not permitted")), "no child process could be started: Not permitted"),
        (gives(-9, "", "killed"), "the child process ended with -9: killed"),
        (gives(0, '{"why": "no room"}', ""), "no room"),
    ],
)
@every_experiment
def test_what_goes_wrong_is_told_in_words(experiment, run, words, monkeypatch):
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    answer = experiment()
    assert (answer.ran, answer.rows) == (False, ())
    assert re.fullmatch(words, answer.why)


@on_linux
def test_not_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in blkdev.odd_tail().why


@on_linux
def test_too_slow():
    answer = mremap.compare_random(100_000, seconds=0.2)
    assert (answer.ran, answer.why) == (False, "the experiment was stopped after 0.2 seconds")


@on_linux
def test_a_raised_limit_is_not_filled(monkeypatch):
    monkeypatch.setattr(mremap, "MOST_FILLED", 10)
    answer = mremap.ask_calls(below_limit=0, seconds=60)
    assert not answer.ran and "only a list of up to 10 mappings is filled" in answer.why


def test_an_answer_is_the_same_twice():
    assert mremap.compare_random(200, seed=1, seconds=60) == mremap.compare_random(200, seed=1, seconds=60)


def test_live_imports_nothing_heavy():
    experiments = ", ".join(f"vmteach.live.{name}" for name in EXPERIMENTS if name != "rawio")
    code = f"import sys, {experiments}; print(sorted({{m.split('.')[0] for m in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("matplotlib", "pandas", "numpy", "IPython", "ipywidgets", "ctypes"):
        assert f"'{heavy}'" not in loaded


# A file, and names


def test_of_a_buffer_with_a_hole_the_mapped_pages_are_read():
    given = rows(rawio.read_into_a_hole())
    pages, results = rawio.PAGES, {(row.how, row.mapped): row for row in given}
    full = results["direct", pages].result
    assert full == results["direct", pages].right == results["cached", pages].result and full % pages == 0
    for row in given:
        assert isinstance(row, rawio.Read) and row.wanted == pages
        assert row.result <= row.mapped * full // pages  # never more than the pages that are there
        assert row.right == row.mapped * full // pages or row.result < 0
    assert {results[how, 0].errno for how in ("direct", "cached")} == {"EFAULT"}
    assert results["cached", 3].result == 3 * full // pages


@pytest.mark.live
def test_today_a_name_of_256_bytes_is_refused():
    answer = names.try_names(60)
    given, limit = rows(answer), int(answer.why.split()[-2])
    assert [row.errno for row in given if row.bytes <= limit] == [""] * sum(row.bytes <= limit for row in given)
    assert {row.errno for row in given if row.bytes > limit} <= {"ENAMETOOLONG"}
    assert [(row.letters, row.bytes) for row in given if row.name == "é"] == [(127, 254), (128, 256)]


# The loop device


def backing_files() -> list[str]:
    """The files under the loop devices of this machine that are ours."""
    paths = Path("/sys/block").glob("loop*/loop/backing_file")
    found = []
    for path in paths:
        try:
            found.append(path.read_text())
        except OSError:  # it went away meanwhile
            continue
    return [name for name in found if "vmteach-" in name]


@pytest.mark.parametrize(
    ("sectors", "block", "tail", "odd"),
    [(2002, 4096, 1024000, 1024), (2004, 4096, 1024000, 2048), (2002, 2048, 1024000, 1024)],
)
def test_today_the_odd_tail_can_be_read_and_written_and_nothing_lies_beyond_it(sectors, block, tail, odd):
    given = rows(blkdev.odd_tail(sectors, block, seconds=60))
    done = {(row.operation, row.offset, row.length): (row.result, row.errno, row.data) for row in given}
    for reader in ("read", "direct read"):
        assert done[reader, tail, block] == (odd, "", "true data")
        assert done[reader, tail - block, 2 * block] == (block + odd, "", "true data")
    for writer in ("write", "direct write"):
        assert done[writer, tail, block] == (odd, "", "is there")
        assert done[writer, tail + odd, 512] == (-1, "ENOSPC", "")
    assert backing_files() == []


def test_a_child_that_is_stopped_leaves_no_loop_device():
    for seconds in (0.03, 0.06, 0.09):
        blkdev.odd_tail(seconds=seconds)
    deadline = time.monotonic() + 10
    while backing_files() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert backing_files() == []


def test_a_device_of_no_sensible_size_is_refused():
    with pytest.raises(ValueError, match="sectors must be between 8 and 65536, got 2"):
        blkdev.odd_tail(2)
