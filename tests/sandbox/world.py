"""A sandbox, a receiver of its webhooks and a client, all real and on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import uvicorn
from starlette.types import Receive, Scope, Send

from app.domain.http import HttpRequest, HttpResponse, TransportFailure, WebhookRequest
from app.domain.provider import SendContext, SendOutcome, SendRequest, StatusReport
from app.domain.references import AttemptRef
from app.providers.sandbox import Adapter, Config, Evidence
from app.sandbox.config import SandboxConfig
from app.sandbox.server import SandboxServer
from app.transport import Transport

CONFIG = SandboxConfig(api_key="key", api_secret="secret", webhook_secret="whsec", pace=0.1)
MESSAGE = UUID("0190f3a2-7d11-7cc3-98c4-dc0c0c07398f")


@dataclass(kw_only=True)
class Receiver:
    """An ASGI application that keeps what is posted to it, and answers with its list of statuses, then 204."""

    url: str
    answers: list[int] = field(default_factory=list)
    delay_seconds: float = 0.0
    at_once: int = 0
    most_at_once: int = 0
    received: list[WebhookRequest] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        request = WebhookRequest(method=scope["method"], url=f"{self.url}{scope['path']}", headers=headers, body=body)
        self.received.append(request)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(self.delay_seconds)
        self.at_once -= 1
        status = self.answers.pop(0) if self.answers else 204
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def of(self, url: str) -> list[WebhookRequest]:
        """What was posted to one URL, in the order of arrival."""
        return [request for request in self.received if request.url == url]


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything that a test needs."""

    url: str
    receiver: Receiver
    adapter: Adapter
    client: Transport
    tester: Transport
    """For what only looks on: it waits however short a deadline the client has."""

    server: SandboxServer

    def using(self, evidence: Evidence) -> World:
        """The same, with an adapter that uses this evidence and reads the records."""
        config = self.adapter.config.model_copy(update={"evidence": evidence, "records": True})
        return replace(self, adapter=Adapter(config))

    async def send(
        self, recipient: str, *, body: str = "hello", attempt: AttemptRef | None = None, validity_seconds: int = 600
    ) -> Sent:
        """Send one message as the gateway does."""
        attempt = attempt or AttemptRef(message_id=uuid4(), number=1)
        status_url = f"{self.receiver.url}/webhooks/{attempt}"
        message = SendRequest(
            sender="+12025550100", recipient=recipient, body=body, segments=1, validity_seconds=validity_seconds
        )
        context = SendContext(attempt=attempt, now=datetime.now(UTC), status_url=status_url, nonce="nonce")
        answer = await self.client.perform(self.adapter.build_send(message, context))
        return Sent(attempt=attempt, status_url=status_url, answer=answer, adapter=self.adapter)

    async def ask(self, request: HttpRequest) -> HttpResponse:
        """Perform one of the adapter's questions."""
        answer = await self.client.perform(request)
        assert isinstance(answer, HttpResponse)
        return answer

    async def call(self, method: str, path: str) -> HttpResponse:
        """Use one of the tester's routes."""
        answer = await self.tester.perform(HttpRequest(method=method, url=f"{self.url}{path}"))
        assert isinstance(answer, HttpResponse)
        return answer

    async def look(self, path: str) -> Any:
        """Read one of the tester's routes."""
        answer = await self.call("GET", path)
        assert answer.status == 200
        return orjson.loads(answer.body)

    def reports(self, sent: Sent) -> list[StatusReport]:
        """The reports of one attempt, each with its signature verified, in the order of arrival."""
        found: list[StatusReport] = []
        for request in self.receiver.of(sent.status_url):
            self.adapter.verify_webhook(request, now=datetime.now(UTC), documents={})
            (event,) = self.adapter.parse_webhook(request)
            assert isinstance(event, StatusReport)
            found.append(event)
        return found


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One submission and its answer."""

    attempt: AttemptRef
    status_url: str
    answer: HttpResponse | TransportFailure
    adapter: Adapter

    @property
    def outcome(self) -> SendOutcome:
        """What the adapter makes of the answer."""
        assert isinstance(self.answer, HttpResponse)
        return self.adapter.parse_send(self.answer)


def bound_socket(port: int = 0) -> socket.socket:
    """A socket on loopback, on a free port unless one is named."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def url_of(listener: socket.socket) -> str:
    """Its base URL."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def running(server: uvicorn.Server, listener: socket.socket) -> AsyncIterator[None]:
    """Serve until the block ends."""
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await until(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def a_receiver(
    *, answers: Sequence[int] = (), delay_seconds: float = 0.0, port: int = 0
) -> AsyncIterator[Receiver]:
    """A receiver that listens until the block ends."""
    listener = bound_socket(port)
    receiver = Receiver(url=url_of(listener), answers=list(answers), delay_seconds=delay_seconds)
    config = uvicorn.Config(receiver, log_level="warning", lifespan="off", access_log=False)
    async with running(uvicorn.Server(config), listener):
        yield receiver


@asynccontextmanager
async def a_world(
    config: SandboxConfig = CONFIG, *, receiver: Receiver, deadline_seconds: float = 5.0
) -> AsyncIterator[World]:
    """A sandbox that posts to the receiver."""
    listener = bound_socket()
    adapter = Adapter(
        Config.model_validate(
            {"url": url_of(listener), "api_key": "key", "api_secret": "secret", "webhook_secret": "whsec"}
        )
    )
    server = SandboxServer(config, host="127.0.0.1", port=0)
    async with (
        Transport(deadline_seconds=deadline_seconds) as client,
        Transport(deadline_seconds=30) as tester,
        running(server, listener),
    ):
        yield World(
            url=url_of(listener), receiver=receiver, adapter=adapter, client=client, tester=tester, server=server
        )


async def until(condition: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Wait for a condition; the assertion that follows says what was missing, so running out is no error here."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for lies behind HTTP, where no event reaches
                await asyncio.sleep(0.005)


def attempt(number: int, message_id: UUID) -> AttemptRef:
    """One attempt of one message."""
    return AttemptRef(message_id=message_id, number=number)
