"""Does to a site what its schedule says, and keeps a record of what it did; from the main thread alone.

Processes and Postgres end with the thread that started them, so that is the thread which outlives them all.
"""

from __future__ import annotations

import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text

from app.store.engine import StoreUnavailable, transaction
from tests.faults.torture.schedule import SERVERS, WORKERS, Fault, Injection
from tests.faults.torture.site import Site
from tests.support.chaos_proxy import BLACK_HOLE, CLEAR
from tests.support.processes import Process

_GLANCE_SECONDS: Final = 0.05
_QUESTION_SECONDS: Final = 1.0
_EXIT_SECONDS: Final = 30.0
_HELD: Final = text("SELECT message_id FROM dispatch_queue WHERE worker = :worker AND leased_until > now()")
_END_SOME: Final = text(
    """
    SELECT count(pg_terminate_backend(pid)) FROM (
        SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'gateway-%'
            AND application_name <> 'gateway-tests'
        ORDER BY random() LIMIT 2
    ) AS victims
    """
)


@dataclass(frozen=True, kw_only=True)
class Death:
    """A worker that was killed."""

    at: datetime
    held: frozenset[str]
    """The messages that it had at that moment."""


@dataclass(kw_only=True)
class Record:
    """What was done."""

    counts: Counter[Fault] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    """Kills of each process."""

    deaths: list[Death] = field(default_factory=list)
    calm_at: datetime | None = None
    """From when on the providers answered as they should."""

    returns: list[float] = field(default_factory=list)
    """When Postgres took connections again, on the monotonic clock."""

    exits: list[str] = field(default_factory=list)
    """Processes that ended by themselves, or otherwise than asked to."""

    lines: list[str] = field(default_factory=list)
    """All of it, with its time."""


class Injector:
    """Goes through a schedule."""

    def __init__(self, site: Site, seed: int) -> None:
        """Take the site; the seed chooses where the schedule leaves a choice."""
        self.record = Record()
        self._site = site
        self._chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
        self._began = time.monotonic()
        self._stopped: list[tuple[float, Process]] = []
        self._partitioned: dict[str, float] = {}
        self._leaving: dict[str, float] = {}
        """Processes that were asked to stop, each with when it must have."""

        self._owed: list[str] = []
        """Processes that are to be asked to stop once something is up."""

    def run(self, injections: list[Injection], seconds: float) -> None:
        """Do all of it, each at its time."""
        self._began = time.monotonic()
        for injection in injections:
            self._wait_until(injection.at)
            if self._do(injection):
                self.record.counts[injection.fault] += 1
        self._wait_until(seconds)
        self._end_all()

    def _do(self, injection: Injection) -> bool:
        """Do one; give whether there was something to do it to."""
        victim, seconds = injection.victim, injection.seconds
        deeds: dict[Fault, Callable[[], bool]] = {
            Fault.KILL: lambda: self._kill(victim),
            Fault.STOP: lambda: self._stop(victim, injection.at + seconds),
            Fault.PARTITION: lambda: self._partition(victim, injection.at + seconds),
            Fault.HALF_OPEN: lambda: self._freeze(victim),
            Fault.BACKENDS: self._end_backends,
            Fault.RESTART: lambda: self._ask_to_stop(victim),
            Fault.CRASH: lambda: self._crash(seconds),
        }
        return deeds[injection.fault]()

    def _kill(self, wanted: str) -> bool:
        """Kill one that is up: what still starts is not hit before it has done anything."""
        for name in self._candidates(wanted):
            worker = _worker_number(self._site.fleet.process(name).own_output()) if name in WORKERS else None
            self._site.fleet.kill(name)
            killed_at = datetime.now(UTC)
            self._site.start(name)
            if worker is not None:
                self.record.deaths.append(Death(at=killed_at, held=self._held(worker)))
            self.record.killed[name.partition("-")[0]] += 1
            return self._note(f"{name}: killed")
        return False

    def _candidates(self, wanted: str) -> Iterator[str]:
        """Name what is up and stays, the one that is wanted first."""
        others = [name for name in (*WORKERS, *SERVERS) if name != wanted]
        self._chance.shuffle(others)
        yield from (name for name in (wanted, *others) if name not in self._leaving and self._site.is_up(name))

    def _held(self, worker: int) -> frozenset[str]:
        async def ask() -> frozenset[str]:
            async with transaction(self._site.engine) as connection:
                rows = (await connection.execute(_HELD, {"worker": worker})).scalars()
                return frozenset(str(row) for row in rows)

        try:
            return self._site.backstage.call(ask(), within_seconds=_QUESTION_SECONDS)
        except (StoreUnavailable, TimeoutError):
            return frozenset()  # Postgres is away

    def _stop(self, name: str, end: float) -> bool:
        process = self._site.fleet.process(name)
        process.send(signal.SIGSTOP)
        self._stopped.append((end, process))
        return self._note(f"{name}: stopped until {end:.1f}")

    def _partition(self, name: str, end: float) -> bool:
        self._site.proxies[name].turn(BLACK_HOLE)
        self._partitioned[name] = end
        return self._note(f"{name}: cut off from Postgres until {end:.1f}")

    def _freeze(self, name: str) -> bool:
        self._site.proxies[name].freeze()
        return self._note(f"{name}: connections half-open")

    def _end_backends(self) -> bool:
        async def end() -> int:
            async with transaction(self._site.engine) as connection:
                return int(await connection.scalar(_END_SOME) or 0)

        try:
            ended = self._site.backstage.call(end(), within_seconds=_QUESTION_SECONDS)
        except (StoreUnavailable, TimeoutError):
            return False
        return self._note(f"postgres: {ended} backends terminated")

    def _ask_to_stop(self, wanted: str) -> bool:
        """Ask one that is up and not stopped, for it could not hear; if there is none, the next one that is."""
        for name in self._candidates(wanted):
            process = self._site.fleet.process(name)
            if all(process is not each for _, each in self._stopped):
                process.send(signal.SIGTERM)
                self._leaving[name] = time.monotonic() + _EXIT_SECONDS
                return self._note(f"{name}: asked to stop")
        self._owed.append(wanted)
        return False

    def _crash(self, seconds: float) -> bool:
        by = self._chance.choice([signal.SIGQUIT, signal.SIGKILL])
        self._site.postgres.end(by)
        self._note(f"postgres: ended by {by.name}")
        self._wait_until(self._elapsed() + seconds)
        self._site.postgres.start()
        self.record.returns.append(time.monotonic())
        return self._note("postgres: back")

    def _wait_until(self, moment: float) -> None:
        """Wait, and meanwhile end what lasts and start what has ended."""
        while True:
            self._look_after()
            left = moment - self._elapsed()
            if left <= 0:
                return
            time.sleep(min(left, _GLANCE_SECONDS))

    def _look_after(self) -> None:
        now = self._elapsed()
        for end, process in [each for each in self._stopped if each[0] <= now]:
            process.send(signal.SIGCONT)
            self._stopped.remove((end, process))
        for name in [name for name, end in self._partitioned.items() if end <= now]:
            del self._partitioned[name]
            self._site.proxies[name].turn(CLEAR)
        if self._owed and self._ask_to_stop(self._owed.pop()):
            self.record.counts[Fault.RESTART] += 1
        for name in (*WORKERS, *SERVERS):
            code = self._site.fleet.process(name).exit_code
            if code is not None:
                self._ended(name, code)
            elif name in self._leaving and time.monotonic() > self._leaving[name]:
                self.record.exits.append(f"{name} did not stop within {_EXIT_SECONDS} s")
                del self._leaving[name]

    def _ended(self, name: str, code: int) -> None:
        if self._leaving.pop(name, None) is None or code != 0:
            self.record.exits.append(f"{name} ended with {code}")
            self._note(f"{name}: ended with {code}")
        self._site.start(name)

    def _end_all(self) -> None:
        """End what lasts, and heal what is half-open."""
        for _, process in self._stopped:
            process.send(signal.SIGCONT)
        self._stopped = []
        for proxy in self._site.proxies.values():
            proxy.turn(CLEAR)
            proxy.cut()
        self._partitioned = {}
        while self._leaving:
            self._look_after()
            time.sleep(_GLANCE_SECONDS)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _note(self, words: str) -> bool:
        self.record.lines.append(f"{self._elapsed():8.2f} {words}")
        return True


def _worker_number(output: str) -> int | None:
    """Read from a worker's log which number it holds a lock on."""
    found = re.findall(r'"lock held","worker":(\d+)', output)
    return int(found[-1]) if found else None
