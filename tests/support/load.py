"""A client under load: sends a batch over a number of connections and repeats, under its key, what was not answered."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from app.domain.credentials import Credentials
from tests.support.batches import Planned

_PAUSE_SECONDS: Final = 0.1
_GLANCE_SECONDS: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and what came back; `status` 0 stands for no answer at all."""

    status: int
    content_type: str = ""
    retry_after: str | None = None
    code: str | None = None
    """The stable code of a problem document; without any answer, what was raised instead."""

    began: float = 0
    """On the monotonic clock."""

    seconds: float = 0
    """How long it took."""

    @property
    def is_proper_refusal(self) -> bool:
        """Whether a 503 says when to come back, in the shape of all problems."""
        told = (self.content_type, self.code) == ("application/problem+json", "temporarily-unavailable")
        return told and (self.retry_after or "").isdecimal()


@dataclass(kw_only=True)
class Load:
    """One batch under way: grows while `send` runs, and may be read meanwhile."""

    api_url: str
    credentials: Credentials
    acknowledged: dict[str, str] = field(default_factory=dict)
    """The id that each reference was answered with."""

    exchanges: list[Exchange] = field(default_factory=list)
    again: frozenset[int] = frozenset({503})
    """Statuses after which a request is repeated."""

    asked_twice: float = 0
    """How many of the accepted messages are asked for again under their key, as a share of 1."""

    last_begun_at: float = math.inf
    """From then on, by the monotonic clock, no message is begun that was not; those that were are sent to their end."""

    contradictions: list[str] = field(default_factory=list)
    """References that were answered with two different ids."""

    def statuses(self) -> Counter[int]:
        """Count the answers by status."""
        return Counter(exchange.status for exchange in self.exchanges)

    def improper(self) -> list[Exchange]:
        """Give every answer that is neither an acceptance nor a proper 503; no answer at all is one, too."""
        return [e for e in self.exchanges if e.status != 202 and not (e.status == 503 and e.is_proper_refusal)]

    def first_accepted_after(self, moment: float) -> float:
        """Give when the first request was answered with 202 that was so after a moment; infinity if none was."""
        answered = (e.began + e.seconds for e in self.exchanges if e.status == 202)
        return min((at for at in answered if at >= moment), default=math.inf)

    async def has_acknowledged(self, number: int, *, within_seconds: float = 60) -> None:
        """Wait until so many messages are acknowledged; raises `TimeoutError`."""
        async with asyncio.timeout(within_seconds):
            while len(self.acknowledged) < number:  # noqa: ASYNC110 - read by tests in other threads too, so no event
                await asyncio.sleep(_GLANCE_SECONDS)

    async def send(
        self,
        batch: Sequence[Planned],
        *,
        connections: int = 16,
        over_seconds: float = 0,
        patience_seconds: float = 120,
    ) -> None:
        """Send every message until it is answered, spread over a time; a refusal other than 503 fails the test."""
        started = time.monotonic()
        step = over_seconds / len(batch)
        due = iter([(started + step * number, planned) for number, planned in enumerate(batch)])
        auth = (self.credentials.user, self.credentials.secret)
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        async with (
            httpx.AsyncClient(base_url=self.api_url, auth=auth, limits=limits, timeout=20, trust_env=False) as client,
            asyncio.timeout(over_seconds + patience_seconds),
            asyncio.TaskGroup() as group,
        ):
            for _ in range(connections):
                group.create_task(self._work(client, due))

    async def _work(self, client: httpx.AsyncClient, due: Iterator[tuple[float, Planned]]) -> None:
        for moment, planned in due:
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            if time.monotonic() >= self.last_begun_at:
                return
            for _ in range(1 + (random.random() < self.asked_twice)):  # noqa: S311 - which of them does not matter
                answered = False
                while not answered:
                    answered = await self._try(client, planned)
                    await asyncio.sleep(0 if answered else _PAUSE_SECONDS)

    async def _try(self, client: httpx.AsyncClient, planned: Planned) -> bool:
        began = time.monotonic()
        try:
            answer = await client.post(
                "/v1/messages", json=planned.document(), headers={"idempotency-key": planned.reference}
            )
        except httpx.TransportError as error:
            seconds = time.monotonic() - began
            self.exchanges.append(Exchange(status=0, code=repr(error), began=began, seconds=seconds))
            return False
        document = answer.json()
        self.exchanges.append(
            Exchange(
                status=answer.status_code,
                content_type=answer.headers.get("content-type", ""),
                retry_after=answer.headers.get("retry-after"),
                code=document.get("code"),
                began=began,
                seconds=time.monotonic() - began,
            )
        )
        if answer.status_code in self.again:
            return False
        assert answer.status_code == 202, answer.text
        if self.acknowledged.setdefault(planned.reference, document["id"]) != document["id"]:
            self.contradictions.append(planned.reference)
        return True
