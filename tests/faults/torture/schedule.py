"""When what goes wrong in a run, drawn from one seed; values only, no I/O."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

WORKERS: Final = ("worker-1", "worker-2")
SERVERS: Final = ("api-1", "api-2")


class Fault(StrEnum):
    """One kind of thing that goes wrong; the words are those of the report."""

    KILL = "kill -9 of a worker or an API"
    STOP = "SIGSTOP of a worker, then SIGCONT"
    PARTITION = "partition between a worker and Postgres"
    HALF_OPEN = "half-open connections of a worker to Postgres"
    BACKENDS = "backends of Postgres terminated"
    RESTART = "restart by SIGTERM"
    CRASH = "Postgres stopped without a checkpoint, or killed, and started again"


@dataclass(frozen=True, kw_only=True)
class Injection:
    """One fault."""

    at: float
    """In seconds since the start."""

    fault: Fault
    victim: str = ""
    """The process that it happens to, or another of them if that one is down just then."""

    seconds: float = 0
    """How long it lasts."""


_EVERY: Final = {
    Fault.KILL: 1.0,
    Fault.STOP: 17.0,
    Fault.PARTITION: 19.0,
    Fault.HALF_OPEN: 31.0,
    Fault.BACKENDS: 5.0,
    Fault.RESTART: 23.0,
}
_LASTS: Final = {
    Fault.STOP: (1.0, 9.0),
    Fault.PARTITION: (1.0, 9.0),
    Fault.CRASH: (0.5, 2.0),
}
_VICTIMS: Final = {Fault.KILL: WORKERS + SERVERS, Fault.RESTART: WORKERS + SERVERS}
_BETWEEN_KILLS: Final = 5.0
_BETWEEN_CRASHES: Final = 10.0
_CRASHES_PER_SECOND: Final = 3 / 300
_FIRST_SECONDS: Final = 3.0
"""Of undisturbed work, so that there is something to disturb."""


def schedule(seed: int, seconds: float) -> list[Injection]:
    """Draw a run's faults in the order of their times; lasting ones end within the run."""
    chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
    return sorted([*_regular(chance, seconds), *_crashes(chance, seconds)], key=lambda injection: injection.at)


def one_at_a_time(seed: int, seconds: float) -> list[Injection]:
    """Draw kills of workers for the first half of a run and crashes of Postgres for the second, with time in between.

    So it shows how long it takes to get over each, where nothing else is wrong.
    """
    chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
    kills = [_FIRST_SECONDS + number * _BETWEEN_KILLS for number in range(round(seconds / 2 / _BETWEEN_KILLS))]
    crashes = [seconds / 2 + number * _BETWEEN_CRASHES for number in range(round(seconds / 2 / _BETWEEN_CRASHES))]
    return [
        *[Injection(at=at, fault=Fault.KILL, victim=chance.choice(WORKERS)) for at in kills],
        *[_drawn(chance, Fault.CRASH, at + _BETWEEN_KILLS, seconds) for at in crashes],
    ]


def _regular(chance: random.Random, seconds: float) -> Iterator[Injection]:
    for fault, every in _EVERY.items():
        at = _FIRST_SECONDS + chance.uniform(0, every)
        while at < seconds:
            yield _drawn(chance, fault, at, seconds)
            at += every if fault is Fault.KILL else every * chance.uniform(0.5, 1.5)


def _crashes(chance: random.Random, seconds: float) -> Iterator[Injection]:
    """Crash Postgres once in each part of the run, three times in five minutes and once at least."""
    times = max(1, round(seconds * _CRASHES_PER_SECOND))
    for number in range(times):
        at = seconds * (number + chance.uniform(0.3, 0.7)) / times
        yield _drawn(chance, Fault.CRASH, at, seconds)


def _drawn(chance: random.Random, fault: Fault, at: float, end: float) -> Injection:
    low, high = _LASTS.get(fault, (0.0, 0.0))
    lasts = min(chance.uniform(low, high), max(0.0, end - at))
    return Injection(at=at, fault=fault, victim=chance.choice(_VICTIMS.get(fault, WORKERS)), seconds=lasts)
