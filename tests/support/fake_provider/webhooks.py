"""The fake provider's status webhooks: signed, and delayed, doubled, shuffled, dropped or early as told."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import httpx
import orjson

from app.providers.sandbox import SIGNATURE_HEADER, sign
from tests.support.fake_provider.send_log import Posted, SendLog

_WAITS_SECONDS: Final = (0.1, 0.2, 0.4, 0.8, *[1.0] * 30)
"""Between the tries of one webhook."""

_CONNECTIONS: Final = 16


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How a provider reports; shares are of 1."""

    statuses: tuple[str, ...] = ("sent", "delivered")
    """What is reported of each message, in this order."""

    delay_seconds: tuple[float, float] = (0.0, 0.2)
    """Before each report, between these."""

    shuffled: bool = False
    doubled: float = 0
    """How many are posted twice, byte for byte."""

    dropped: float = 0
    """How many are never posted."""

    early: float = 0
    """Of how many messages everything is reported before the request to send is answered."""

    strangers: float = 0
    """Beside how many messages there is a report on something that nobody here has sent."""

    nameless: bool = False
    """Reports name the provider's id alone, and go to the account's URL: our own reference does not come back."""


SILENT: Final = Habits(statuses=())


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A message that was taken."""

    id: str
    message: str
    reference: str | None
    url: str | None = field(repr=False)
    """Where its status is to be reported."""


class Reporter:
    """Posts the reports on messages; lives in the provider's event loop."""

    def __init__(self, habits: Habits, *, secret: str, log: SendLog, seed: int) -> None:
        """Post nothing yet."""
        self.habits = habits
        self._secret = secret
        self._log = log
        self._chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
        # A client's own queue for its connections takes longer with each that waits in it, and gives up.
        self._places = asyncio.Semaphore(_CONNECTIONS)
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        self._http = httpx.AsyncClient(limits=limits, timeout=10, trust_env=False, verify=False)  # noqa: S501 - plain HTTP
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """Whether nothing is left to post."""
        return not self._under_way

    async def report(self, subject: Subject) -> None:
        """Report on a message in the background; returns before anything is posted, unless all of it is early."""
        habits = self.habits
        tasks = [self._start(self._post_later(subject, status, body)) for status, body in self._bodies(subject)]
        if self._chance.random() < habits.strangers:
            stranger = Subject(id=f"stranger-{uuid4()}", message="", reference="of-another-system.1", url=subject.url)
            self._start(self._post_later(stranger, "delivered", _body(stranger, "delivered")))
        if tasks and self._chance.random() < habits.early:
            await asyncio.wait(tasks)

    async def aclose(self) -> None:
        """Leave what is not yet posted."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._http.aclose()

    def _bodies(self, subject: Subject) -> list[tuple[str, bytes]]:
        habits = self.habits
        named = (
            Subject(id=subject.id, message=subject.message, reference=None, url=None) if habits.nameless else subject
        )
        bodies = [(status, _body(named, status)) for status in habits.statuses]
        kept = [body for body in bodies if self._chance.random() >= habits.dropped]
        return kept + [body for body in kept if self._chance.random() < habits.doubled]

    def _start(self, post: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(post)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _post_later(self, subject: Subject, status: str, body: bytes) -> None:
        low, high = self.habits.delay_seconds
        position = 0 if self.habits.shuffled or status not in self.habits.statuses else self._position(status)
        await asyncio.sleep(self._chance.uniform(low, high) + position * high)
        if subject.url is None:
            return
        stranger = not subject.message
        url = subject.url.rpartition("/status/")[0] if self.habits.nameless or stranger else subject.url
        for wait in _WAITS_SECONDS:
            if await self._is_taken(url, body):
                message = subject.message or None
                self._log.posted.append(
                    Posted(at=datetime.now(UTC), url=url, message=message, status=status, body=body)
                )
                return
            await asyncio.sleep(wait)
        self._log.unposted += 1

    def _position(self, status: str) -> int:
        return self.habits.statuses.index(status)

    async def _is_taken(self, url: str, body: bytes) -> bool:
        async with self._places:
            signature = sign(self._secret, now=datetime.now(UTC), url=url, body=body)
            headers = {"content-type": "application/json", SIGNATURE_HEADER: signature}
            try:
                answer = await self._http.post(url, content=body, headers=headers)
            except httpx.HTTPError:
                return False
        return answer.is_success


def _body(subject: Subject, status: str) -> bytes:
    return orjson.dumps(
        {
            "type": "message.status",
            "id": subject.id,
            "reference": subject.reference,
            "status": status,
            "error_code": 3002 if status in {"undelivered", "failed"} else None,
            "timestamp": datetime.now(UTC),
        }
    )
