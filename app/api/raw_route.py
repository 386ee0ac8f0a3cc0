"""Routes for hot paths: the request goes to its function and the response comes back, with nothing between.

FastAPI would resolve dependencies and open several exit stacks around each call, which takes longer than
accepting a message. What a raw route reads and answers is described by hand, and tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send


class RawRoute(APIRoute):
    """Calls its endpoint with the request alone; refusals go to the application's error handlers as ever."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        """Take what FastAPI takes; `endpoint` is a coroutine function from a request to a response."""
        super().__init__(path, endpoint, **given)
        self.app = _raw(endpoint)


def install(app: FastAPI, router: APIRouter) -> None:
    """Put a router's routes before those of the application, as they are: inclusion would wrap them again."""
    app.router.routes[:0] = router.routes


def _raw(endpoint: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return call
