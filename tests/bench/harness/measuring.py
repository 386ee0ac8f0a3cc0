"""One round of one kind: what was done, how long it took, and what each process used for it; every row is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from tests.bench.harness.pgbench import PgbenchRun, run_pgbench, script
from tests.bench.harness.servers import DATABASE, Servers
from tests.bench.harness.traffic import Kind
from tests.bench.harness.usage import cpu_seconds, family_cpu_seconds

_READY_PER_SECOND: Final = 12_000
"""Webhooks signed for each second of a round, more than this API has ever taken."""

_ACCEPTED: Final = ("messages", "status_events", "dispatch_queue")
_STORED: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.ACCEPT: _ACCEPTED,
    Kind.ACCEPT_WITH_KEY: (*_ACCEPTED, "idempotency_keys"),
    Kind.WEBHOOK: ("webhook_receipts", "webhook_digests"),
}
"""The tables in which each answered request has left exactly one row."""

_SUCCESS: Final[Mapping[Kind, int]] = {Kind.ACCEPT: 202, Kind.ACCEPT_WITH_KEY: 202, Kind.WEBHOOK: 200}

_Result = TypeVar("_Result")


class RoundInvalid(Exception):
    """A request was refused, or the database does not hold what was acknowledged."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One round. Processor times are in microseconds for each request or transaction."""

    what: str
    count: int
    per_second: float
    p50_ms: float | None
    """None for pgbench, which tells its mean only, and for a worker, which tells nothing."""

    p99_ms: float | None
    mean_ms: float | None
    gateway_us: float | None
    """Of the process that is measured: the API, the worker, or what stands beside the worker in its place."""

    postgres_us: float | None
    peer_us: float
    """Of whoever is on the other side: the load generator, pgbench, or the provider."""


@dataclass(kw_only=True)
class Bench:
    """The rounds that can be run on these servers; each begins with empty tables after a checkpoint."""

    servers: Servers
    connections: int
    _used: int = field(default=0, init=False)
    """How many of the client's numbers are used up."""

    def load(self, kind: Kind, *, seconds: float, requests: int | None = None) -> Measured:
        """Send requests for some seconds, or until so many are answered; raises `RoundInvalid`."""
        servers = self.servers
        servers.database.empty()
        plan = servers.plan(
            kind,
            connections=self.connections,
            seconds=seconds,
            first=self._used,
            ready=round(_READY_PER_SECOND * seconds),
            requests=requests,
        )
        tally, api, postgres = self._with_usage(lambda: servers.client.run(plan))
        answered = sum(tally.statuses.values())
        self._used += answered
        if set(tally.statuses) != {_SUCCESS[kind]}:
            raise RoundInvalid(f"{kind}: answered with {tally.statuses}")
        check_counts(servers.database.counts(), dict.fromkeys(_STORED[kind], answered))
        return Measured(
            what=kind.replace("_", " "),
            count=answered,
            per_second=answered / tally.seconds,
            p50_ms=tally.p50_ms,
            p99_ms=tally.p99_ms,
            mean_ms=tally.mean_ms,
            gateway_us=api / answered * 1e6,
            postgres_us=postgres / answered * 1e6,
            peer_us=tally.cpu_seconds / answered * 1e6,
        )

    def pgbench(self, *, keyed: bool, clients: int, seconds: float) -> Measured:
        """Let pgbench store the rows of accepts for some seconds; raises `RoundInvalid`."""
        servers = self.servers
        servers.database.empty()
        file = servers.directory / "accept.sql"
        file.write_text(script(servers.rows, keyed=keyed), encoding="utf-8")

        def run() -> PgbenchRun:
            return run_pgbench(
                servers.binaries,
                sockets=servers.sockets,
                database=DATABASE,
                file=file,
                clients=clients,
                seconds=max(1, round(seconds)),
            )

        done, _, postgres = self._with_usage(run)
        kind = Kind.ACCEPT_WITH_KEY if keyed else Kind.ACCEPT
        check_counts(servers.database.counts(), dict.fromkeys(_STORED[kind], done.transactions))
        return Measured(
            what=f"pgbench -c {clients}" + (" with key" if keyed else ""),
            count=done.transactions,
            per_second=done.per_second,
            p50_ms=None,
            p99_ms=None,
            mean_ms=done.mean_ms,
            gateway_us=None,
            postgres_us=postgres / done.transactions * 1e6,
            peer_us=done.cpu_seconds / done.transactions * 1e6,
        )

    def _with_usage(self, run: Callable[[], _Result]) -> tuple[_Result, float, float]:
        """Give what it gave, and the processor seconds of the API and of Postgres meanwhile."""
        api, postgres = self.servers.api_pid, self.servers.postgres.process_id
        before = cpu_seconds(api), family_cpu_seconds(postgres)
        result = run()
        return result, cpu_seconds(api) - before[0], family_cpu_seconds(postgres) - before[1]


def check_counts(counts: Mapping[str, int], expected: Mapping[str, int]) -> None:
    """Raise `RoundInvalid` unless exactly these tables have rows, and as many as were acknowledged."""
    if dict(counts) != dict(expected):
        raise RoundInvalid(f"the database has {dict(counts)}, and acknowledged were {dict(expected)}")
