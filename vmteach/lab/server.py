"""A connection to the kernel that sends each message at once.

source      RFC 896: small segments wait until what was sent before is acknowledged; a receiver may take 40 ms for that
left out    servers that are not ours: there the same is one line of configuration (docs/teachers.md)

A kernel says that it is busy, then answers. Without this the answer waits for the reader's machine to acknowledge
the first message: most of the time from a key press to the picture.
"""

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's connection, without Nagle's algorithm."""

    def connect(self) -> Any:
        """A future of the connection."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
