"""The command `vmteach`, JupyterLab as it opens it, and its connection to the kernels."""

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from lab import ASK, free_port, wait_for

from vmteach import command
from vmteach.command import lab
from vmteach.lab.server import PromptConnection

ROOT = Path(__file__).parent.parent


def test_a_connection_sends_each_message_at_once(monkeypatch):
    said = []
    monkeypatch.setattr(KernelWebsocketHandler, "set_nodelay", lambda self, value: said.append(value))
    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", lambda self: said.append("connected"))
    handler = KernelWebsocketHandler.__new__(KernelWebsocketHandler)
    PromptConnection.connect(_connection(handler))
    assert said == [True, "connected"]


def _connection(handler: KernelWebsocketHandler) -> PromptConnection:
    """A connection that has not been opened."""
    connection = PromptConnection.__new__(PromptConnection)
    connection.set_trait("websocket_handler", handler)
    return connection


def test_the_command_and_the_tests_use_it():
    assert f"{PromptConnection.__module__}.{PromptConnection.__name__}" == lab.CONNECTION
    assert f"--ServerApp.kernel_websocket_connection_class={lab.CONNECTION}" in lab.lab_options(Path())
    assert lab.CONNECTION in (Path(__file__).parent / "lab.py").read_text("utf-8")


def test_this_machine_is_asked_without_the_proxy_of_the_environment(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        server.RequestHandlerClass.do_GET = lambda asked: asked.send_response(204) or asked.end_headers()
        server.RequestHandlerClass.log_message = lambda *what: None
        threading.Thread(target=server.handle_request).start()
        assert ASK(f"http://127.0.0.1:{server.server_port}/", timeout=10).status == 204


# ---- vmteach lab


def test_notebooks_are_laid_out_once_and_a_changed_one_is_never_written_over(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(lab, "jupyterlab", lambda folder, options: asked.append((folder, options)) or 0)
    assert command.main(["lab", str(tmp_path / "mine"), "--no-browser"]) == 0
    ours = [file for file in (ROOT / "notebooks").rglob("*.*") if file.is_file() and ".ipynb_" not in str(file)]
    assert all((tmp_path / "mine" / file.relative_to(ROOT)).read_bytes() == file.read_bytes() for file in ours)
    laid_out = [file for file in (tmp_path / "mine").rglob("*") if file.is_file()]  # what notebooks link to as well
    assert len(laid_out) > len(ours)
    mine = sorted((tmp_path / "mine/notebooks").glob("*.ipynb"))
    mine[0].write_text("my own", encoding="utf-8")
    mine[1].unlink()
    assert command.main(["lab", str(tmp_path / "mine")]) == 0
    assert mine[0].read_text(encoding="utf-8") == "my own"
    assert mine[1].is_file()
    assert asked == [(tmp_path / "mine", ["--no-browser"]), (tmp_path / "mine", [])]
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith(f"mine: {len(laid_out)} files put there")
    assert said[1].endswith("mine: 1 files put there; 1 that differ from ours are yours and stay")


def test_without_a_folder_the_course_is_where_it_is_or_in_a_folder_of_its_name(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(lab, "jupyterlab", lambda folder, options: asked.append(folder) or 0)
    monkeypatch.chdir(tmp_path)
    assert command.main(["lab"]) == 0
    monkeypatch.chdir(tmp_path / "vmteach-course")
    assert command.main(["lab"]) == 0
    assert asked == [tmp_path / "vmteach-course"] * 2


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_the_commands_and_each_has_its_own(capsys, word):
    assert command.main([word]) == 0
    assert capsys.readouterr().out == command.__doc__
    for name in command.COMMANDS:
        assert f"    vmteach {name} " in command.__doc__
        with pytest.raises(SystemExit) as ended:
            command.main([name, "--help"])
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: vmteach {name} ")


def test_an_error_is_one_line_with_the_mending(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(lab, "jupyterlab", lambda folder, options: 0)
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "nbclient" else True)
    for words, line in (
        (["fly"], f"the command must be one of {', '.join(command.COMMANDS)}, got fly; see vmteach --help"),
        (["handouts"], "vmteach handouts needs nbclient: pip install 'vmteach[handouts]'"),
        (["lab", str(tmp_path / "file")], f"{tmp_path / 'file' / 'notebooks'}: Not a directory; name another folder"),
        (["editions", "13_none"], "a chapter must be one of"),
    ):
        assert command.main(words) != 0
        (said,) = capsys.readouterr().err.splitlines()
        assert said.startswith(line)


USERS = """
c.ServerApp.root_dir = "/"
c.ServerApp.preferred_dir = "/nowhere"
c.FileContentsManager.preferred_dir = "nowhere"
c.ServerApp.contents_manager_class = "not.installed"
c.LabApp.default_url = "/elsewhere"
"""


def test_a_reader_s_own_jupyter_configuration_does_not_end_it(tmp_path):
    """For real: the address of the first notebook is printed, and the course's settings are JupyterLab's."""
    home, port = tmp_path / "home", free_port()
    (home / ".jupyter").mkdir(parents=True)
    (home / ".jupyter/jupyter_server_config.py").write_text(USERS, encoding="utf-8")
    (home / ".jupyter/jupyter_lab_config.py").write_text(USERS, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "XDG"))}
    environment["JUPYTER_CONFIG_PATH"] = str(home / ".jupyter")
    program = [sys.executable, "-m", "vmteach", "lab", "course", "--no-browser", f"--port={port}"]
    program += ["--IdentityProvider.token=abc", "--ServerApp.port_retries=0"]
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(
            program, cwd=tmp_path, env={**environment, "HOME": str(home)}, stdout=log, stderr=log, text=True
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status?token=abc", running, tmp_path / "log")
            name = "@jupyterlab/apputils-extension:notification"
            with ASK(f"http://127.0.0.1:{port}/lab/api/settings/{name}?token=abc", timeout=30) as answer:
                assert '"default": "false"' in answer.read().decode()
        finally:
            running.terminate()
            running.wait(30)
    said = (tmp_path / "log").read_text()
    assert f"/lab/tree/{lab.START}?token=" in said
    assert f"Serving notebooks from local directory: {tmp_path / 'course'}" in said
