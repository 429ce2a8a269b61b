"""The connection of `make lab` to its kernels: nothing waits in the socket."""

from pathlib import Path

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

from vmteach.command import lab
from vmteach.lab.server import PromptConnection


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
