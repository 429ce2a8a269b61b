"""exec on the reader's own kernel: what it answers here, and that it answers in words elsewhere."""

import os
import platform
import sys
import tempfile
from pathlib import Path

import pytest

from vmteach.live import Answer, in_child
from vmteach.live import elf as live_elf
from vmteach.live.elf import CPUS, EXIT, Exec, exec_with_interpreters, execute

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="this needs Linux")


def answered():
    answer = exec_with_interpreters()
    if not answer.ran:
        assert len(answer.why) > 10 and answer.rows == ()
        pytest.skip(answer.why)
    return answer


def test_this_kernel_tells_the_caller_of_another_machine():
    rows = {row.interpreter: row for row in answered().rows}
    assert len(rows) == 9
    for name in ("of another machine: ppc", "of another machine: ia64"):
        assert rows[name] == Exec(name, "ELIBBAD", "ELIBBAD", "lives on")
    for name in ("none (the control)", "of this machine"):
        assert rows[name] == Exec(name, "runs", f"exit {EXIT}", "became the program")
    assert rows["a missing file"].kernel == rows["a missing file"].model == "ENOENT"


def test_a_caller_lives_on_with_an_errno_and_is_killed_with_a_signal():
    for row in answered().rows:
        kind = {"E": "lives on", "S": "is killed", "e": "became the program", "t": "was stopped"}[row.kernel[0]]
        assert row.caller == kind, row


@pytest.mark.skipif(not platform.release().startswith("6.18"), reason="the chapter tells what Linux 6.18 answered")
def test_linux_6_18_answers_as_the_chapter_tells():
    rows = {row.interpreter: row for row in answered().rows}
    assert rows["of this machine, relocatable"][1:] == ("SIGSEGV", "SIGSEGV", "is killed")
    assert [name for name, row in rows.items() if row.model not in (row.kernel, "runs")] == ["a text file of 10 bytes"]
    assert rows["a text file of 10 bytes"].kernel == "EIO"
    assert rows["a.out"][1:3] == ("runs", "ELIBBAD")


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answered()
    assert list(tmp_path.iterdir()) == []


@on_linux
def test_what_can_become_of_a_caller(tmp_path):
    def script(text):
        path = tmp_path / "script"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return execute(str(path), 1.0)

    assert script("exit 7") == ("exit 7", "became the program")
    assert script("kill -SEGV $$") == ("SIGSEGV", "is killed")
    assert script("exec sleep 30") == ("too slow", "was stopped")
    assert execute(str(tmp_path / "missing"), 1.0) == ("ENOENT", "lives on")


def test_on_another_processor_it_says_why_not(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    assert exec_with_interpreters().why == f"this needs Linux on x86_64 or aarch64, and here is {sys.platform} on vax"


@pytest.mark.parametrize("cpu", CPUS)
def test_where_nothing_can_be_made_or_started_it_says_so(monkeypatch, cpu):
    def read_only(*_):
        raise OSError(30, "Read-only")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: cpu)
    monkeypatch.setattr(live_elf, "in_child", lambda *_: {"outcomes": [["EACCES", "lives on"]] * 9})
    assert exec_with_interpreters().why == "a program without an interpreter does not run here: EACCES"
    monkeypatch.setattr(live_elf, "_put", read_only)
    assert exec_with_interpreters() == Answer(False, "no program can be made here: Read-only", platform.release())


def test_a_folder_that_does_not_execute_is_left_for_the_next(monkeypatch):
    asked = []

    def first_refuses(module, request, seconds):
        asked.append(Path(request["programs"][0]).parent.parent)
        return {"outcomes": [["EACCES", "lives on"]] * 9} if len(asked) == 1 else in_child(module, request, seconds)

    answered()
    monkeypatch.setattr(live_elf, "in_child", first_refuses)
    monkeypatch.setattr(os.path, "expanduser", lambda _: tempfile.gettempdir())  # the last resort works for sure
    assert exec_with_interpreters().ran
    assert asked[0] == Path(tempfile.gettempdir()) and len(asked) > 1
