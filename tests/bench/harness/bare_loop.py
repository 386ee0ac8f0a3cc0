"""What the worker's HTTP client does by itself: equal requests to the provider, so many at once, and no database.

A process of its own that reads one plan from its standard input and writes one tally to its standard output,
both as JSON. It runs in the event loop that the worker runs in, with the collector as the worker has it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from app.bootstrap import spare_the_collector
from app.domain.attempt_token import write_token
from app.domain.http import HttpRequest, HttpResponse
from app.domain.provider import SendContext, SendRequest
from app.domain.references import AttemptRef
from app.providers.sandbox import Adapter, Config
from app.transport import Transport
from tests.bench.harness.client import percentile
from tests.bench.harness.client_process import running_python

_ATTEMPT: Final = AttemptRef(message_id=UUID("0192f3a0-1234-7abc-8def-0123456789ab"), number=1)


class RequestFailed(Exception):
    """The provider did not answer as it should; `args[0]` is what came instead."""


@dataclass(frozen=True, kw_only=True)
class BarePlan:
    """Whom to send to, and how long."""

    url: str
    public_url: str
    concurrency: int
    warm_up_seconds: float
    """Before the clock starts; the connections are open and the code is warm then."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class BareTally:
    """What came of it, the warm-up left out but for `requests`."""

    requests: int
    """All of them."""

    count: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float
    mean_ms: float


def run_bare_loop(plan: BarePlan) -> BareTally:
    """Run it in a process of its own."""
    with running_python("tests.bench.harness.bare_loop") as (plans, tallies):
        plans.write(f"{json.dumps(asdict(plan))}\n")
        plans.flush()
        return BareTally(**json.loads(tallies.readline()))


def equal_request(plan: BarePlan) -> HttpRequest:
    """Write the request as the worker does for one of the benchmark's messages."""
    config = {"url": plan.url, "api_key": "sandbox", "api_secret": "s" * 64, "webhook_secret": "s" * 64}
    token = write_token(_ATTEMPT, provider="sandbox", secret=b"s" * 40)
    return Adapter(Config.model_validate(config)).build_send(
        SendRequest(
            sender="+12025550100",
            recipient="+4915112345678",
            body="Your code is 12345678. It is valid for ten minutes.",
            segments=1,
            validity_seconds=35_999,
        ),
        SendContext(
            attempt=_ATTEMPT,
            now=datetime.now(UTC),
            status_url=f"{plan.public_url}/v1/webhooks/sandbox/status/{token}",
            nonce="0" * 32,
        ),
    )


async def perform(plan: BarePlan) -> BareTally:
    """Keep so many requests in flight; raises `RequestFailed`."""
    request, latencies = equal_request(plan), array("d")
    clock = time.perf_counter
    async with Transport(max_connections=plan.concurrency) as transport:

        async def keep_sending(until: float) -> None:
            while (began := clock()) < until:
                answer = await transport.perform(request)
                if not isinstance(answer, HttpResponse) or answer.status != 202:
                    raise RequestFailed(answer)
                latencies.append(clock() - began)

        async def keep_all_sending(seconds: float) -> int:
            before, until = len(latencies), clock() + seconds
            async with asyncio.TaskGroup() as group:
                for _ in range(plan.concurrency):
                    group.create_task(keep_sending(until))
            return len(latencies) - before

        warm = await keep_all_sending(plan.warm_up_seconds)
        cpu, started = time.process_time(), clock()
        count = await keep_all_sending(plan.seconds)
        ended, cpu = clock(), time.process_time() - cpu
    ordered = sorted(latencies[warm:])
    return BareTally(
        requests=warm + count,
        count=count,
        seconds=ended - started,
        cpu_seconds=cpu,
        p50_ms=percentile(ordered, 50) * 1000,
        p99_ms=percentile(ordered, 99) * 1000,
        mean_ms=sum(ordered) / count * 1000,
    )


def main() -> None:
    """Do what the line on standard input says."""
    spare_the_collector()
    tally = asyncio.run(perform(BarePlan(**json.loads(sys.stdin.readline()))))
    sys.stdout.write(f"{json.dumps(asdict(tally))}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
