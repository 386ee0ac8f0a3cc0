"""A provider over real HTTP that speaks the sandbox's API and misbehaves as told; its behaviour shares no code with it.

It runs in a thread of its own, so that it outlives every process of the gateway that a test kills, and keeps a log of
its own of what it saw, took and said.
"""

from __future__ import annotations

import asyncio
import base64
import random
import threading
from asyncio import StreamReader, StreamWriter
from collections import Counter
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import orjson

from app.providers.sandbox import KEY_OF_ANOTHER, NO_SUCH_MESSAGE, Evidence
from tests.support.fake_provider.answers import Line, answer, document, refusal
from tests.support.fake_provider.conduct import TAKEN, Asked, Conduct, Script, always
from tests.support.fake_provider.records import Kept, Powers, Records, same_message
from tests.support.fake_provider.send_log import SendLog, Sent, Verdict
from tests.support.fake_provider.webhooks import Habits, Reporter, Subject
from tests.support.gateway import WEBHOOK_SECRET

API_SECRET: Final = "secret-of-the-fake-provider"
_AUTHORIZATION: Final = b"Basic " + base64.b64encode(f"sandbox:{API_SECRET}".encode())
_PATIENCE_SECONDS: Final = 30.0
_GLANCE_SECONDS: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class _Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class FakeProvider:
    """The running provider, until the block ends; scripts and habits may be exchanged while it runs."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        habits: Habits | None = None,
        powers: Powers | None = None,
        questions: Script | None = None,
        seed: int = 0,
        drip_seconds: float = 1.0,
        latency_seconds: tuple[float, float] = (0, 0),
        port: int = 0,
    ) -> None:
        """Take how requests to send are treated, and how `questions` are: fetches and searches.

        `latency_seconds` lie between a message's being taken and the answer, whatever that is. A `port` of 0 is any
        that is free.
        """
        self.log = SendLog()
        self.script = script or always(Conduct.PROPER)
        self.questions = questions or always(Conduct.PROPER)
        self.port = port
        self._habits = habits or Habits()
        self._powers = powers or Powers()
        self._seed = seed
        self._drip_seconds = drip_seconds
        self._latency_seconds = latency_seconds
        self._chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
        statuses = self._habits.statuses
        over_after_seconds = self._habits.delay_seconds[1] * len(statuses)
        self._records = Records(
            self._powers, end=statuses[-1] if statuses else None, over_after_seconds=over_after_seconds
        )
        self._requests: Counter[str] = Counter()
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="fake-provider", daemon=True)

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """The variables that lead a gateway here instead of to its sandbox."""
        return {"GATEWAY_SANDBOX__URL": self.url, "GATEWAY_SANDBOX__API_SECRET": API_SECRET}

    def account_settings(self, name: str, evidence: Evidence, **others: str) -> dict[str, str]:
        """Give the variables that make a provider account of a gateway lead here, and use this of what is offered."""
        given = {
            "adapter": "sandbox",
            "url": self.url,
            "api_key": "sandbox",
            "api_secret": API_SECRET,
            "webhook_secret": WEBHOOK_SECRET,
            "evidence": evidence.value,
            **others,
        }
        return {f"GATEWAY_PROVIDERS__{name.upper()}__{key.upper()}": value for key, value in given.items()}

    @property
    def idle(self) -> bool:
        """Whether it has no webhook left to post."""
        return self._reporter.idle

    async def has_taken(self, number: int, *, within_seconds: float = 60) -> None:
        """Wait until it has taken so many messages; raises `TimeoutError`."""
        async with asyncio.timeout(within_seconds):
            while self.log.taken().total() < number:  # noqa: ASYNC110 - the event is in the provider's thread
                await asyncio.sleep(_GLANCE_SECONDS)

    def let_go(self) -> None:
        """Answer every request that is held, and hold no more."""
        self._loop.call_soon_threadsafe(self._let_go.set)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(_PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the provider does not end"

    async def _serve(self) -> None:
        self._loop, self._ended, self._let_go = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._reporter = Reporter(self._habits, secret=WEBHOOK_SECRET, log=self.log, seed=self._seed)
        self._connections: set[asyncio.Task[None]] = set()
        try:
            listener = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        except OSError as error:
            self._started.set_exception(error)
            return
        self.port = listener.sockets[0].getsockname()[1]
        self._started.set_result(None)
        await self._ended.wait()
        listener.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._reporter.aclose()

    def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = self._loop.create_task(self._converse(Line(reader=reader, writer=writer)))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _converse(self, line: Line) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while not line.writer.is_closing():
                    await self._answer(await _read(line.reader), line)
        finally:
            line.writer.close()

    async def _answer(self, request: _Request, line: Line) -> None:
        if request.headers.get("authorization", "").encode() != _AUTHORIZATION:
            await line.say(refusal(401, 2001))
        elif (request.method, request.path) == ("POST", "/v1/messages"):
            await self._send(request, line)
        elif request.method == "GET" and request.path.startswith("/v1/messages") and self._powers.answers_questions:
            self.log.asked += 1
            asked = Asked(reference=request.query.get("reference"), message="", key=None, earlier=0)
            await answer(self.questions(asked), self._found(request), line, drip_seconds=self._drip_seconds)
        else:
            await line.say(refusal(404, NO_SUCH_MESSAGE))

    async def _send(self, request: _Request, line: Line) -> None:
        """Decide, write it down, and only then answer."""
        content = orjson.loads(request.body)
        reference = _reference_of(content)
        message = str(reference).partition(".")[0]
        key = request.headers.get("idempotency-key") if self._powers.folds_keys else None
        asked = Asked(reference=reference, message=message, key=key, earlier=self._requests[message])
        self._requests[message] += 1
        conduct = self.script(asked)
        known = self._records.under(key)
        if known is not None and not same_message(known.document, content):
            await line.say(refusal(422, KEY_OF_ANOTHER))
            return
        if known is not None and conduct is Conduct.REFUSED:
            conduct = Conduct.PROPER  # whoever folds keys does not refuse what he has taken
        kept, verdict = known, Verdict.FOLDED
        if conduct not in TAKEN:
            kept, verdict = None, Verdict.NOT_TAKEN
        elif known is None:
            kept, verdict = self._records.take(content, key), Verdict.TAKEN
        self._write_down(conduct, verdict, reference=reference, key=key, kept=kept)
        if kept is not None and verdict is Verdict.TAKEN:
            url = content.get("status_callback_url")
            told = content.get("reference")
            await self._reporter.report(Subject(id=kept.id, message=message, reference=told, url=url))
        if conduct is Conduct.HELD:
            await self._let_go.wait()
        await asyncio.sleep(self._chance.uniform(*self._latency_seconds))
        proper = b"" if kept is None else document(202, {"id": kept.id, "status": "queued"})
        await answer(conduct, proper, line, drip_seconds=self._drip_seconds)

    def _write_down(
        self, conduct: Conduct, verdict: Verdict, *, reference: str | None, key: str | None, kept: Kept | None
    ) -> None:
        self.log.sent.append(
            Sent(
                at=datetime.now(UTC),
                reference=reference,
                message=str(reference).partition(".")[0],
                key=key,
                verdict=verdict,
                conduct=conduct,
                id=None if kept is None else kept.id,
            )
        )

    def _found(self, request: _Request) -> bytes:
        """Answer a fetch or a search."""
        identifier = request.path.removeprefix("/v1/messages").strip("/")
        if not identifier:
            return document(200, self._records.page(request.query))
        shown = self._records.fetch(identifier)
        return refusal(404, NO_SUCH_MESSAGE) if shown is None else document(200, shown)


def _reference_of(content: dict[str, Any]) -> str | None:
    """Name the attempt that a request is for: by our reference, or where none travels by the URL for its status."""
    reference = content.get("reference")
    if reference is not None:
        return str(reference)
    token = str(content.get("status_callback_url") or "").rpartition("/")[2]
    return token.rpartition(".")[0] or None


async def _read(reader: StreamReader) -> _Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return _Request(method=method, path=parts.path, query=query, headers=headers, body=body)
