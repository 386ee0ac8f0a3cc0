"""A client under load: sends a batch over a number of connections and repeats, under its key, what was not answered."""

from __future__ import annotations

import asyncio
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
_AGAIN: Final = frozenset({503})


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and what came back; `status` 0 stands for no answer at all."""

    status: int
    content_type: str = ""
    retry_after: str | None = None
    code: str | None = None
    """The stable code of a problem document; without any answer, what was raised instead."""


@dataclass(kw_only=True)
class Load:
    """One batch under way: grows while `send` runs, and may be read meanwhile."""

    api_url: str
    credentials: Credentials
    acknowledged: dict[str, str] = field(default_factory=dict)
    """The id that each reference was answered with."""

    exchanges: list[Exchange] = field(default_factory=list)

    def statuses(self) -> Counter[int]:
        """Count the answers by status."""
        return Counter(exchange.status for exchange in self.exchanges)

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
            answered = False
            while not answered:
                answered = await self._try(client, planned)
                await asyncio.sleep(0 if answered else _PAUSE_SECONDS)

    async def _try(self, client: httpx.AsyncClient, planned: Planned) -> bool:
        try:
            answer = await client.post(
                "/v1/messages", json=planned.document(), headers={"idempotency-key": planned.reference}
            )
        except httpx.TransportError as error:
            self.exchanges.append(Exchange(status=0, code=repr(error)))
            return False
        document = answer.json()
        self.exchanges.append(
            Exchange(
                status=answer.status_code,
                content_type=answer.headers.get("content-type", ""),
                retry_after=answer.headers.get("retry-after"),
                code=document.get("code"),
            )
        )
        if answer.status_code in _AGAIN:
            return False
        assert answer.status_code == 202, answer.text
        self.acknowledged[planned.reference] = document["id"]
        return True
