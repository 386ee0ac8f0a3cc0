"""Routes for hot paths: the request goes to its function and the response comes back, with nothing between.

FastAPI would pass each call through five middlewares, resolve dependencies and open several exit stacks, which
together take longer than accepting a message. A raw route is a route of the application like any other, in its
description too; the lane only finds it first. What a raw route reads and answers is described by hand, and tests
hold the two together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import answer


class RawResponse(Response):
    """A response that is there already, with headers in bytes: nothing is left to be worked out."""

    def __init__(
        self, body: bytes, *, status: int, content_type: str, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """Take the body, the status, and the headers besides the length."""
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", content_type.encode("latin-1")),
            *headers,
        ]


RawEndpoint = Callable[[Request], Awaitable[Response]]


class RawRoute(APIRoute):
    """A route whose endpoint takes the request alone and does everything else by itself."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        """Take what FastAPI takes; `endpoint` is a coroutine function from a request to a response."""
        super().__init__(path, endpoint, **given)
        self.app = _raw(endpoint)


def install(app: FastAPI, router: APIRouter) -> None:
    """Put a router's routes before those of the application, as they are: inclusion would wrap them again."""
    app.router.routes[:0] = router.routes


class RawLane:
    """Finds raw routes before the application's middleware, and answers what they raise as the application would."""

    def __init__(self, app: FastAPI) -> None:
        """Take the application, with all of its routes."""
        self._app = app
        routes = [route for route in app.router.routes if isinstance(route, RawRoute)]
        # Most requests go to a path without parameters, and need no pattern to be found.
        self._fixed = {(m, r.path): r for r in routes if not r.param_convertors for m in r.methods or ()}
        self._patterned = [route for route in routes if route.param_convertors]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is for a raw route, and pass on the rest."""
        route = self._find(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["app"], scope["route"] = self._app, route
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
        except Exception as error:  # noqa: BLE001 - a bug is answered and logged like all errors of the application
            response = await answer(request, error)
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> RawRoute | None:
        fixed = self._fixed.get((scope["method"], scope["path"]))
        if fixed is not None:
            return fixed
        for route in self._patterned:
            found = route.path_regex.match(scope["path"])
            if found and scope["method"] in (route.methods or ()):
                scope["path_params"] = found.groupdict()
                return route
        return None


def _raw(endpoint: RawEndpoint) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return call
