"""A provider over real HTTP that speaks the sandbox's API and misbehaves as told; it shares no code with the sandbox.

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
from uuid import uuid4

import orjson

from tests.support.fake_provider.answers import Line, answer, document, refusal
from tests.support.fake_provider.conduct import TAKEN, Asked, Conduct, Script, always
from tests.support.fake_provider.send_log import SendLog, Sent, Verdict
from tests.support.fake_provider.webhooks import Habits, Reporter, Subject
from tests.support.gateway import WEBHOOK_SECRET

API_SECRET: Final = "secret-of-the-fake-provider"
_AUTHORIZATION: Final = b"Basic " + base64.b64encode(f"sandbox:{API_SECRET}".encode())
_PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Powers:
    """What this provider offers beyond taking messages."""

    folds_keys: bool = True
    """Whether it looks at the header Idempotency-Key."""

    answers_questions: bool = True
    """Whether messages can be fetched and searched for."""

    search_lag_seconds: float = 0
    """How long a message is missing from searches after it was taken."""


@dataclass(frozen=True, kw_only=True)
class _Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(kw_only=True)
class _Kept:
    """A message that was taken."""

    id: str
    document: dict[str, Any]
    at: datetime


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
    ) -> None:
        """Take how requests to send are treated, and how `questions` are: fetches and searches.

        `latency_seconds` lie between a message's being taken and the answer, whatever that is.
        """
        self.log = SendLog()
        self.script = script or always(Conduct.PROPER)
        self.questions = questions or always(Conduct.PROPER)
        self.port = 0
        self._habits = habits or Habits()
        self._powers = powers or Powers()
        self._seed = seed
        self._drip_seconds = drip_seconds
        self._latency_seconds = latency_seconds
        self._chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
        self._messages: dict[str, _Kept] = {}
        self._keys: dict[str, _Kept] = {}
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

    @property
    def idle(self) -> bool:
        """Whether it has no webhook left to post."""
        return self._reporter.idle

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
            listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
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
            await line.say(refusal(404, 1404))

    async def _send(self, request: _Request, line: Line) -> None:
        """Decide, write it down, and only then answer."""
        content = orjson.loads(request.body)
        reference = content.get("reference")
        message = str(reference).partition(".")[0]
        key = request.headers.get("idempotency-key") if self._powers.folds_keys else None
        asked = Asked(reference=reference, message=message, key=key, earlier=self._requests[message])
        self._requests[message] += 1
        conduct = self.script(asked)
        known = self._keys.get(key) if key is not None else None
        if known is not None and conduct is Conduct.REFUSED:
            conduct = Conduct.PROPER  # whoever folds keys does not refuse what he has taken
        kept, verdict = known, Verdict.FOLDED
        if conduct not in TAKEN:
            kept, verdict = None, Verdict.NOT_TAKEN
        elif known is None:
            kept, verdict = self._take(content, key), Verdict.TAKEN
        self._write_down(conduct, verdict, reference=reference, key=key, kept=kept)
        if kept is not None and verdict is Verdict.TAKEN:
            url = content.get("status_callback_url")
            await self._reporter.report(Subject(id=kept.id, message=message, reference=reference, url=url))
        if conduct is Conduct.HELD:
            await self._let_go.wait()
        await asyncio.sleep(self._chance.uniform(*self._latency_seconds))
        proper = b"" if kept is None else document(202, {"id": kept.id, "status": "queued"})
        await answer(conduct, proper, line, drip_seconds=self._drip_seconds)

    def _take(self, content: dict[str, Any], key: str | None) -> _Kept:
        kept = _Kept(id=f"fake-{uuid4()}", document=content, at=datetime.now(UTC))
        self._messages[kept.id] = kept
        if key is not None:
            self._keys[key] = kept
        return kept

    def _write_down(
        self, conduct: Conduct, verdict: Verdict, *, reference: str | None, key: str | None, kept: _Kept | None
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
        if identifier:
            kept = self._messages.get(identifier)
            return refusal(404, 1404) if kept is None else document(200, self._shown(kept))
        now, lag = datetime.now(UTC), self._powers.search_lag_seconds
        seen = [kept for kept in self._messages.values() if (now - kept.at).total_seconds() >= lag]
        return document(200, {"messages": [self._shown(kept) for kept in seen if _fits(kept, request.query)]})

    def _shown(self, kept: _Kept) -> dict[str, Any]:
        """Write a message as it stands: its reports come true on time, whether they are ever posted or not."""
        statuses = self._habits.statuses
        is_over = (datetime.now(UTC) - kept.at).total_seconds() > self._habits.delay_seconds[1] * len(statuses)
        names = ("from", "to", "body", "reference")
        return {
            "id": kept.id,
            "status": statuses[-1] if statuses and is_over else "queued",
            "created_at": kept.at,
            "error_code": None,
            **{name: kept.document.get(name) for name in names},
        }


def _fits(kept: _Kept, query: dict[str, str]) -> bool:
    same = all(kept.document.get(name) == query[name] for name in ("reference", "from", "to") if name in query)
    since, until = query.get("since"), query.get("until")
    return (
        same
        and (since is None or kept.at >= datetime.fromisoformat(since))
        and (until is None or kept.at < datetime.fromisoformat(until))
    )


async def _read(reader: StreamReader) -> _Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return _Request(method=method, path=parts.path, query=query, headers=headers, body=body)
