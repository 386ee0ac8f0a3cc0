"""Twenty senders of different limits and their random traffic: planned purely, put into tables, and sent over HTTP."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx
from sqlalchemy import text

from app.domain.credentials import Credentials
from app.services.administration import Administration
from app.store.engine import Engine
from app.store.senders import rerate
from tests.support.gateway import FAST
from tests.support.rate_checker import Allowed, Seen

RECIPIENT: Final = "+12065550123"
_SEGMENT_CHARACTERS: Final = 153
"""Of a text of several, in GSM-7."""

_CONNECTIONS: Final = 24
_CAPPED_AFTER: Final = 0.5
"""After which part of a run a daily cap is reached."""

_LEVELS: Final = (0.0, 0.5, 1.5, 3.0)
"""What is asked for in a spell, as a multiple of the rate: pauses, calm, a little and much too much."""

_SPELL_SECONDS: Final = (1.0, 12.0)

_SHAPES: Final[tuple[tuple[float, int, tuple[int, ...], bool], ...]] = (
    (0.1, 1, (1,), False),
    (0.2, 1, (1, 1, 2), False),
    (0.25, 4, (1, 2, 3), False),
    (0.5, 2, (1, 2, 3, 4, 5, 6), False),
    (0.5, 10, (1,), False),
    (1.0, 1, (1, 1, 1, 3), False),
    (1.0, 1, (1,), False),
    (1.0, 6, (1, 2, 6), False),
    (1.5, 2, (1, 2), True),
    (2.0, 2, (2, 3), False),
    (2.0, 20, (1, 2, 3, 4, 5, 6), False),
    (3.0, 3, (1,), False),
    (3.0, 3, (4, 5, 6), False),
    (3.0, 9, (1, 2), True),
    (4.0, 1, (1, 2, 3), False),
    (4.5, 5, (1, 1, 1, 6), False),
    (5.0, 30, (1, 2), False),
    (6.0, 6, (1, 2, 3), True),
    (8.0, 8, (1, 2), False),
    (10.0, 10, (1, 2, 3), False),
)
"""Segments per second, burst, the lengths of messages, and whether there is a daily cap."""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One sender."""

    address: str
    allowed: Allowed
    lengths: tuple[int, ...]
    """Of its messages, in segments; each as often as it stands here."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One message that is asked for."""

    at: float
    """Seconds since the traffic began."""

    sender: str
    segments: int

    def document(self, number: int) -> dict[str, str | int]:
        """Write the request body; the text has as many segments as is wanted."""
        words = f"Number {number}. "
        length = 100 if self.segments == 1 else self.segments * _SEGMENT_CHARACTERS
        return {"from": self.sender, "to": RECIPIENT, "body": words.ljust(length, "x"), "max_segments": 10}


def twenty_lanes(*, faster: float, seconds: float) -> list[Lane]:
    """Give the senders of a run, each `faster` than its shape says; daily caps are reached in the midst of it."""
    return [
        Lane(
            address=f"+120255502{number:02}",
            allowed=Allowed(
                rate=rate * faster,
                burst=burst,
                daily_cap=max(10, round(rate * faster * seconds * _CAPPED_AFTER)) if capped else None,
            ),
            lengths=lengths,
        )
        for number, (rate, burst, lengths, capped) in enumerate(_SHAPES)
    ]


def random_traffic(lanes: Sequence[Lane], *, seconds: float, seed: int) -> list[Wanted]:
    """Draw what is asked for, in the order of time: each sender has spells of too much, of less, and of nothing."""
    chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
    wanted = [each for lane in lanes for each in _traffic_of(lane, seconds, chance)]
    return sorted(wanted, key=lambda each: each.at)


def _traffic_of(lane: Lane, seconds: float, chance: random.Random) -> Iterator[Wanted]:
    mean = sum(lane.lengths) / len(lane.lengths)
    at = 0.0
    # The first spell is one of too much, so that a slow sender has something to send for all of a short run.
    level = _LEVELS[-1]
    while at < seconds:
        end = min(seconds, at + chance.uniform(*_SPELL_SECONDS))
        while level and (at := at + chance.expovariate(level * lane.allowed.rate / mean)) < end:
            yield Wanted(at=at, sender=lane.address, segments=chance.choice(lane.lengths))
        at, level = end, chance.choice(_LEVELS)


async def add_lanes(engine: Engine, account: str, lanes: Sequence[Lane]) -> None:
    """Give an account these senders, which go through the sandbox's account."""
    admin = Administration(engine, {"sandbox"})
    for lane in lanes:
        sender = await admin.add_sender(account=account, address=lane.address, provider="sandbox", rate=FAST)
        async with engine.begin() as connection:
            limits = {"rate": lane.allowed.rate, "burst": lane.allowed.burst, "cap": lane.allowed.daily_cap}
            await connection.execute(
                text("UPDATE senders SET rate = :rate, burst = :burst, daily_cap = :cap WHERE id = :id"),
                {**limits, "id": sender.id},
            )
            await rerate(connection, [sender.id])


@dataclass(kw_only=True)
class Traffic:
    """Traffic under way: grows while `send` runs."""

    api_url: str
    credentials: Credentials
    accepted: dict[str, tuple[str, Seen]] = field(default_factory=dict)
    """By the message's id: its sender, and when it was there to be sent."""

    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests that were not accepted, by their sender and the problem's code."""

    async def send(self, wanted: Sequence[Wanted]) -> None:
        """Ask for each message at its moment."""
        began = time.monotonic()
        auth = (self.credentials.user, self.credentials.secret)
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        due = iter(enumerate(wanted))
        async with (
            httpx.AsyncClient(base_url=self.api_url, auth=auth, limits=limits, timeout=20, trust_env=False) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(_CONNECTIONS):
                group.create_task(self._work(client, due, began))

    async def _work(self, client: httpx.AsyncClient, due: Iterator[tuple[int, Wanted]], began: float) -> None:
        for number, each in due:
            await asyncio.sleep(max(0.0, began + each.at - time.monotonic()))
            answer = await client.post("/v1/messages", json=each.document(number))
            if answer.status_code == httpx.codes.ACCEPTED:
                document = answer.json()
                assert document["segments"] == each.segments, document
                self.accepted[document["id"]] = each.sender, Seen(at=time.time(), segments=each.segments)
            else:
                self.refused[each.sender, str(answer.json().get("code"))] += 1


def by_sender(seen: Mapping[str, Sequence[float]], traffic: Traffic) -> tuple[dict[str, list[Seen]], ...]:
    """Give what was seen and what was there to be sent, by sender; `seen` tells by message when it was, each time.

    A message that was seen again was there to be sent again when it was: when it could have been, nobody knows outside.
    """
    at_the_wire: dict[str, list[Seen]] = {}
    asked: dict[str, list[Seen]] = {}
    for message, (sender, first) in traffic.accepted.items():
        moments = [Seen(at=at, segments=first.segments) for at in sorted(seen.get(message, ()))]
        at_the_wire.setdefault(sender, []).extend(moments)
        asked.setdefault(sender, []).extend([first, *moments[1:]])
    return at_the_wire, asked
