"""The experiments on the running kernel agree with the model, or say in words why they did not run."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmteach import live
from vmteach.patches.mremap import CASES, PATCHED, POLICIES, TODAY, Scenario, simulate


def rows(answer: live.Answer) -> tuple:
    """The rows of an experiment that ran; skips the test, with its words, where it did not."""
    if not answer.ran:
        pytest.skip(answer.why)
    return answer.rows


def rows_of_today(answer: live.Answer) -> tuple:
    given = rows(answer)
    if not live.is_of_today(answer.kernel):
        pytest.skip(f"the model's today is 6.17 and later, this is {answer.kernel}: {answer.why}")
    return given


@pytest.mark.parametrize("touched", [False, True], ids=["lists", "contents"])
@pytest.mark.parametrize("seed", [2004, 985])
def test_two_thousand_random_calls_show_no_difference_to_the_model_of_today(touched, seed):
    answer = live.compare_random(2000, seed, touched, seconds=60)
    assert rows_of_today(answer) == ()
    assert answer.why == "2000 random calls, 0 differences"


def test_the_comparison_notices_a_model_of_another_kernel(monkeypatch):
    monkeypatch.setitem(POLICIES, TODAY, POLICIES[PATCHED])
    differences = rows(live.compare_random(500, 2004, seconds=60))
    assert len(differences) > 10
    assert all(difference.call.startswith("remap") for difference in differences)


@pytest.mark.parametrize("below_limit", [None, 0, 5, 6])
def test_the_named_calls_return_what_the_model_says_also_with_a_full_list(below_limit):
    asked = rows_of_today(live.ask_calls(below_limit=below_limit, seconds=60))
    room = 1000 if below_limit is None else below_limit
    for row in asked:
        numbers = simulate(Scenario(call=row.call, below_limit=room), POLICIES[TODAY]).numbers
        assert (row.call, row.returned, row.broken) == (row.call, numbers["returned"], "none")
        assert row.below_limit == below_limit
    assert [row.call for row in asked] == list(CASES)


def test_some_calls_can_be_chosen():
    assert [row.call for row in rows(live.ask_calls(["move", "shrink"], seconds=60))] == ["move", "shrink"]


# Words instead of errors


def test_not_linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    for answer in (live.ask_calls(), live.compare_random(10), live.odd_tail()):
        assert not answer.ran and "Linux" in answer.why and answer.rows == ()


def test_not_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in live.odd_tail().why


def test_too_slow():
    answer = live.compare_random(100_000, seconds=0.2)
    assert (answer.ran, answer.why) == (False, "the experiment was stopped after 0.2 seconds")


@pytest.mark.parametrize(
    ("python", "words"),
    [("/bin/false", "the child process ended with 1"), ("/not/there", "no child process could be started")],
)
def test_no_child(monkeypatch, python, words):
    monkeypatch.setattr(sys, "executable", python)
    answer = live.ask_calls()
    assert not answer.ran and answer.why.startswith(words)


def test_a_raised_limit_is_not_filled(monkeypatch):
    monkeypatch.setattr(live, "MOST_FILLED", 10)
    answer = live.ask_calls(below_limit=0, seconds=60)
    assert not answer.ran and "only a list of up to 10 mappings is filled" in answer.why


def test_an_answer_is_the_same_twice():
    assert live.compare_random(200, seed=1, seconds=60) == live.compare_random(200, seed=1, seconds=60)


def test_live_imports_nothing_heavy():
    code = "import sys, vmteach.live; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("matplotlib", "pandas", "numpy", "IPython", "ipywidgets", "ctypes"):
        assert f"'{heavy}'" not in loaded


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
    given = rows(live.odd_tail(sectors, block, seconds=60))
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
        live.odd_tail(seconds=seconds)
    deadline = time.monotonic() + 10
    while backing_files() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert backing_files() == []


def test_a_device_of_no_sensible_size_is_refused():
    with pytest.raises(ValueError, match="sectors must be between 8 and 65536, got 2"):
        live.odd_tail(2)
