"""Runs a sandbox on uvicorn, and ends the answers that it holds back as soon as it is asked to stop."""

from __future__ import annotations

import socket

import uvicorn

from app.sandbox.api import create_sandbox
from app.sandbox.config import SandboxConfig


class SandboxServer(uvicorn.Server):
    """One sandbox on one port; `serve()` or `run()` it, and set `should_exit` to stop it."""

    def __init__(self, config: SandboxConfig, *, host: str, port: int) -> None:
        """Bind nothing yet."""
        self._app = create_sandbox(config)
        super().__init__(
            uvicorn.Config(
                self._app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=5,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; uvicorn waits for answers under way before the application hears of it, so the held ones go first."""
        self._app.state.network.closing.set()
        await super().shutdown(sockets)
