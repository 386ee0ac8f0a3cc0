"""A client for the API in this process that sends exactly the bytes it is told to, right or wrong, from any address."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import httpx
import orjson
from starlette.types import ASGIApp, Message, Scope

Headers: TypeAlias = tuple[tuple[str, str | bytes], ...]
"""Names and values in their order, repeats kept; a text is sent as Latin-1, as HTTP reads it."""

MESSAGES: Final = "/v1/messages"
JSON: Final[Headers] = (("content-type", "application/json"),)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request."""

    method: str = "POST"
    target: str = MESSAGES
    headers: Headers = JSON
    chunks: tuple[bytes, ...] = ()
    announced: bool = True
    """Whether a Content-Length tells the size of the body; without one it is chunked."""

    peer: str = "192.0.2.1"
    """The address that the connection comes from."""

    @property
    def body(self) -> bytes:
        """All of the body."""
        return b"".join(self.chunks)

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Every header as it travels."""
        given = [(name.lower().encode(), _bytes(value)) for name, value in self.headers]
        size = (b"content-length", b"%d" % len(self.body)) if self.announced else (b"transfer-encoding", b"chunked")
        return [(b"host", b"gateway.example"), *given, *([size] if self.chunks else [])]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Give the header of this name; fails if it was sent twice."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) < 2, f"{name} came twice"
        return found[0] if found else None

    @property
    def document(self) -> dict[str, Any]:
        """The body as the JSON object that it has to be."""
        read = orjson.loads(self.body)
        assert isinstance(read, dict)
        return read

    @property
    def lasting(self) -> dict[str, Any]:
        """What it says that stays true: an estimate is of its moment, and a repeat of the answer has none."""
        return {**self.document, "estimated_send_at": None}


def application(client: httpx.AsyncClient) -> ASGIApp:
    """Give the application that a client of this process speaks to, middleware and all."""
    transport = client._transport  # noqa: SLF001 - httpx shows it nowhere else
    assert isinstance(transport, httpx.ASGITransport)
    return transport.app


async def ask(app: ASGIApp, asked: Asked) -> Answer:
    """Send a request; an exception that leaves the application is a bug and is passed on."""
    answered = asyncio.Event()
    pieces = [_piece(asked, number) for number in range(max(len(asked.chunks), 1))]
    sent: list[Message] = []

    async def receive() -> Message:
        if pieces:
            return pieces.pop(0)
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            answered.set()

    await app(_scope(asked), receive, send)
    start, *bodies = [message for message in sent if message["type"].startswith("http.response.")]
    return Answer(
        status=start["status"],
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"]),
        body=b"".join(message.get("body", b"") for message in bodies),
    )


def _piece(asked: Asked, number: int) -> Message:
    body = asked.chunks[number] if asked.chunks else b""
    return {"type": "http.request", "body": body, "more_body": number + 1 < len(asked.chunks)}


def _scope(asked: Asked) -> Scope:
    """Describe the request as uvicorn does."""
    raw_path, _, query = asked.target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8080),
        "client": (asked.peer, 40_000),
        "scheme": "http",
        "method": asked.method,
        "root_path": "",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": asked.raw_headers(),
        "state": {},
    }


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")
