"""One round of dispatch: messages that wait, one worker that sends them, and the bare loop beside it; all counted."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.bench.harness.bare_loop import BarePlan, run_bare_loop
from tests.bench.harness.filling import add_history, fill
from tests.bench.harness.measuring import Measured, RoundInvalid, check_counts
from tests.bench.harness.profiling import sampled
from tests.bench.harness.provider_process import Provider
from tests.bench.harness.servers import Servers
from tests.bench.harness.usage import cpu_seconds, family_cpu_seconds
from tests.support.gateway import PUBLIC_URL, SECRET_KEY, WEBHOOK_SECRET
from tests.support.processes import Process, environment

_WARM_SHARE: Final = 0.2
"""Of a round's messages, sent before the clock starts: until then connections are opened and code is warmed."""

_FIRST_GUESS: Final = 1000.0
"""Messages a second, until a round has told how many there are."""

_PATIENCE_SECONDS: Final = 120
_LOOK_SECONDS: Final = 0.005


@dataclass(kw_only=True)
class Stock:
    """What the tables hold."""

    queued: int
    sent: int = 0
    delivered: int = 0
    """Long before, and never to be touched."""

    given_back: int = 0
    """Claims that a stopping worker had not begun; their messages are queued again."""

    def rows(self) -> dict[str, int]:
        """Count the rows that this leaves in each table that has any."""
        known = self.sent + self.delivered
        counts = {
            "messages": self.queued + known,
            "attempts": known + self.given_back,
            "status_events": self.queued + 3 * self.sent + 4 * self.delivered + 2 * self.given_back,
            "dispatch_queue": self.queued,
        }
        return {table: count for table, count in counts.items() if count}


@dataclass(frozen=True, kw_only=True)
class _Look:
    """The state at one moment."""

    at: float
    left: int
    """Messages that are not settled."""

    worker: float
    postgres: float
    provider: float


@dataclass(kw_only=True)
class DispatchBench:
    """The rounds that can be run on these servers, each with a worker of its own; none runs between them."""

    servers: Servers
    provider: Provider
    _rates: dict[tuple[int, float, int], float] = field(default_factory=dict, init=False)
    """What was last reached, by concurrency, latency and lanes: a round is given as many messages as it is to last."""

    def dispatch(
        self,
        concurrency: int,
        *,
        seconds: float,
        latency_seconds: float = 0,
        lanes: int = 1,
        stacks: Path | None = None,
    ) -> Measured:
        """Let a worker empty the queue, for about so many seconds; raises `RoundInvalid`.

        With `stacks`, the worker is sampled meanwhile and the stacks go there.
        """
        rate = self._rates.get((concurrency, latency_seconds, lanes), _FIRST_GUESS)
        stock = self.fill(round(rate * seconds / (1 - _WARM_SHARE)) + concurrency, lanes=lanes)
        self.provider.reset(latency_seconds=latency_seconds)
        with self.worker(concurrency) as worker:
            sampling = partial(sampled, worker.pid, seconds=seconds, file=stacks) if stacks else nullcontext
            watch = _Watch(servers=self.servers, provider=self.provider, worker=worker)
            looks = self.servers.database.ask(partial(watch.empty_queue, messages=stock.queued, sampling=sampling))
        self.check(stock, sent=stock.queued)
        name = f"dispatch {concurrency}" if lanes == 1 else f"dispatch {concurrency}, {lanes} lanes"
        one = _measured(name, *looks)
        self._rates[concurrency, latency_seconds, lanes] = one.per_second
        return one

    def dispatch_some(self, concurrency: int, *, seconds: float, stock: Stock) -> Measured:
        """Let a worker send for so many seconds from a queue that is longer; raises `RoundInvalid`."""
        self.provider.reset()
        with self.worker(concurrency) as worker:
            watch = _Watch(servers=self.servers, provider=self.provider, worker=worker)
            looks = self.servers.database.ask(partial(watch.for_some_time, seconds=seconds))
        stock.given_back = self.servers.database.ask(lambda connection: connection.fetchval(_GIVEN_BACK))
        self.check(stock, sent=self.provider.requests())
        return _measured(f"dispatch {concurrency}", *looks)

    def fill(self, messages: int, *, delivered: int = 0, lanes: int = 1) -> Stock:
        """Forget everything, queue so many messages in so many lanes and add those that were delivered long before."""
        database, rows = self.servers.database, self.servers.rows
        database.empty()
        if delivered:
            database.ask(partial(add_history, rows=rows, messages=delivered))
        database.ask(partial(fill, rows=rows, messages=messages, lanes=lanes))
        return Stock(queued=messages, delivered=delivered)

    def bare(self, concurrency: int, *, seconds: float, warm_up_seconds: float, latency_seconds: float = 0) -> Measured:
        """Let the worker's HTTP client send equal requests for so many seconds; raises `RoundInvalid`."""
        self.provider.reset(latency_seconds=latency_seconds)
        before = self.provider.cpu_seconds()
        tally = run_bare_loop(
            BarePlan(
                url=self.provider.url,
                public_url=PUBLIC_URL,
                concurrency=concurrency,
                warm_up_seconds=warm_up_seconds,
                seconds=seconds,
            )
        )
        provider = self.provider.cpu_seconds() - before
        if self.provider.requests() != tally.requests:
            raise RoundInvalid(f"the provider saw {self.provider.requests()} requests of {tally.requests}")
        return Measured(
            what=f"bare {concurrency}",
            count=tally.count,
            per_second=tally.count / tally.seconds,
            p50_ms=tally.p50_ms,
            p99_ms=tally.p99_ms,
            mean_ms=tally.mean_ms,
            gateway_us=tally.cpu_seconds / tally.count * 1e6,
            postgres_us=None,
            peer_us=provider / tally.requests * 1e6,
        )

    @contextmanager
    def worker(self, concurrency: int) -> Iterator[Process]:
        """Run one worker, with default settings but for a start without delay; raises `RoundInvalid` if it fails."""
        told = environment(
            GATEWAY_DATABASE_URL=self.servers.database.url,
            GATEWAY_SECRET_KEY=SECRET_KEY,
            GATEWAY_PUBLIC_URL=PUBLIC_URL,
            GATEWAY_SANDBOX__URL=self.provider.url,
            GATEWAY_SANDBOX__WEBHOOK_SECRET=WEBHOOK_SECRET,
            GATEWAY_SANDBOX__RECORDS="false",  # nothing is left to be looked up later
            GATEWAY_DISPATCH__CONCURRENCY=str(concurrency),
            GATEWAY_DISPATCH__START_SPREAD_SECONDS="0",
        )
        log = self.servers.directory / "worker.log"
        log.unlink(missing_ok=True)
        worker = Process("worker", log=log, environment=told)
        try:
            yield worker
            worker.send(signal.SIGTERM)
            if worker.wait(_PATIENCE_SECONDS) != 0:
                raise RoundInvalid(f"the worker failed:\n{worker.last_lines()}")
        finally:
            worker.kill()

    def check(self, stock: Stock, *, sent: int) -> None:
        """Move what was sent; raise `RoundInvalid` unless the provider saw each settled message once, and no other."""
        stock.queued, stock.sent = stock.queued - sent, stock.sent + sent
        arrived = self.provider.arrived()
        if (arrived.requests, arrived.messages) != (sent, sent):
            raise RoundInvalid(f"the provider saw {arrived.requests} requests, {arrived.messages} messages of {sent}")
        check_counts(self.servers.database.counts(), stock.rows())
        known = self.servers.database.ask(lambda connection: connection.fetchval(_SENT))
        if known != stock.sent:
            raise RoundInvalid(f"{known} messages are marked as sent, and the provider saw {stock.sent}")


_SENT: Final = "SELECT count(*) FROM messages WHERE status = 'sent'"
_GIVEN_BACK: Final = "SELECT count(*) FROM attempts WHERE phase = 'not_sent'"
_LEFT: Final = "SELECT count(*) FROM dispatch_queue"
_ANY_LEFT: Final = "SELECT EXISTS (SELECT FROM dispatch_queue)"


@dataclass(frozen=True, kw_only=True)
class _Watch:
    """Looks at a worker at its work, seldom enough not to disturb it."""

    servers: Servers
    provider: Provider
    worker: Process

    async def empty_queue(
        self,
        connection: asyncpg.Connection[Any],
        *,
        messages: int,
        sampling: Callable[[], AbstractContextManager[None]],
    ) -> tuple[_Look, _Look]:
        """Look once the work is well under way, and once the queue is empty."""
        await self._provider_has(round(messages * _WARM_SHARE))
        with sampling():
            first = await self._look(connection)
            await self._provider_has(messages)
            until = time.monotonic() + _PATIENCE_SECONDS
            while await connection.fetchval(_ANY_LEFT):
                await self._wait(until)
            last = await self._look(connection)
        return first, last

    async def for_some_time(self, connection: asyncpg.Connection[Any], *, seconds: float) -> tuple[_Look, _Look]:
        """Look once the work is well under way, and some seconds later."""
        await self._provider_has(round(_FIRST_GUESS))
        first = await self._look(connection)
        await asyncio.sleep(seconds)
        return first, await self._look(connection)

    async def _provider_has(self, messages: int) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        while self.provider.requests() < messages:
            await self._wait(until)

    async def _wait(self, until: float) -> None:
        if self.worker.exit_code is not None or time.monotonic() > until:
            raise RoundInvalid(f"the worker did not finish:\n{self.worker.last_lines()}")
        await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self, connection: asyncpg.Connection[Any]) -> _Look:
        at = time.perf_counter()
        return _Look(
            at=at,
            left=await connection.fetchval(_LEFT),
            worker=cpu_seconds(self.worker.pid),
            postgres=family_cpu_seconds(self.servers.postgres.process_id),
            provider=self.provider.cpu_seconds(),
        )


def _measured(what: str, first: _Look, last: _Look) -> Measured:
    count = first.left - last.left
    if count <= 0:
        raise RoundInvalid("the round was too short: nothing was settled between two looks")
    return Measured(
        what=what,
        count=count,
        per_second=count / (last.at - first.at),
        p50_ms=None,
        p99_ms=None,
        mean_ms=None,
        gateway_us=(last.worker - first.worker) / count * 1e6,
        postgres_us=(last.postgres - first.postgres) / count * 1e6,
        peer_us=(last.provider - first.provider) / count * 1e6,
    )
