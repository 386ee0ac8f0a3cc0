"""The load generator: one thread, one epoll loop, 64 kept connections, each with one request in flight.

It shares its cores with what it measures, so it does as little as it can: requests come as finished
bytes, and of an answer it reads the status and where it ends. It runs as a process of its own, which
reads a plan from each line of its standard input and writes a tally to its standard output, both as JSON.
Linux only.
"""

from __future__ import annotations

import gc
import json
import select
import socket
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Final

from tests.bench.harness.traffic import Traffic, traffic

_ANSWER_BYTES: Final = 4096
"""More than any answer of these routes has."""

_PATIENCE_SECONDS: Final = 30
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length: "


class LoadFailed(Exception):
    """The server hung, closed a connection, or answered in a way that this client does not read."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to send, to whom, over how many connections, and until when."""

    host: str
    port: int
    connections: int
    seconds: float
    """No request begins after this; those under way are still answered and counted."""

    requests: int | None = None
    """At most so many, where a number is given."""

    traffic: Traffic


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What came back."""

    statuses: dict[int, int]
    seconds: float
    """From the first request to the last answer."""

    p50_ms: float
    p99_ms: float
    mean_ms: float
    cpu_seconds: float
    """This process's own, without what it took to get the requests ready."""


@dataclass(slots=True)
class _Exchange:
    """One connection and the request in flight on it."""

    socket: socket.socket
    sent_at: float = 0.0
    received: bytes = field(default=b"", repr=False)

    def send(self, request: bytes, now: float) -> None:
        self.sent_at = now
        if self.socket.send(request) != len(request):
            raise LoadFailed("a request did not fit the socket's buffer")

    def receive(self) -> int | None:
        """Give the status once the whole answer is here; None before."""
        data = self.socket.recv(_ANSWER_BYTES)
        if not data:
            raise LoadFailed("the server closed a connection")
        if self.received:
            data = self.received + data
        head = data.find(_HEAD_END)
        length = data.find(_LENGTH, 0, head) if head >= 0 else -1
        if length < 0:
            if head >= 0:
                raise LoadFailed("an answer has no content-length")
            self.received = data
            return None
        number = length + len(_LENGTH)
        missing = head + len(_HEAD_END) + int(data[number : data.index(b"\r", number)]) - len(data)
        if missing < 0:
            raise LoadFailed("an answer has more bytes than it says")
        self.received = data if missing else b""
        return None if missing else int(data[9:12])


def drive(plan: Plan, requests: Iterator[bytes]) -> Tally:
    """Keep every connection busy until the time is over or the requests are used up; raises `LoadFailed`."""
    with ExitStack() as stack:
        exchanges = [_Exchange(stack.enter_context(_connect(plan))) for _ in range(plan.connections)]
        poller = stack.enter_context(select.epoll())
        for exchange in exchanges:
            poller.register(exchange.socket, select.EPOLLIN)
        return _drive(plan, requests, {exchange.socket.fileno(): exchange for exchange in exchanges}, poller)


def _drive(plan: Plan, requests: Iterator[bytes], exchanges: Mapping[int, _Exchange], poller: select.epoll) -> Tally:
    statuses: Counter[int] = Counter()
    latencies = array("d")
    clock = time.perf_counter
    cpu, started = time.process_time(), clock()
    until = started + plan.seconds
    busy = sum(_begin(exchange, requests, clock()) for exchange in exchanges.values())
    now = started
    while busy:
        events = poller.poll(_PATIENCE_SECONDS, plan.connections)
        if not events:
            raise LoadFailed(f"{busy} requests were not answered within {_PATIENCE_SECONDS} s")
        for number, _ in events:
            exchange = exchanges[number]
            status = exchange.receive()
            if status is None:
                continue
            now = clock()
            latencies.append(now - exchange.sent_at)
            statuses[status] += 1
            if now >= until or not _begin(exchange, requests, now):
                busy -= 1
    return _tally(statuses, latencies, seconds=now - started, cpu_seconds=time.process_time() - cpu)


def percentile(ordered: list[float], percent: float) -> float:
    """Give the smallest value that so many percent of all do not exceed; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def _connect(plan: Plan) -> socket.socket:
    connection = socket.create_connection((plan.host, plan.port), timeout=_PATIENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(0)
    return connection


def _begin(exchange: _Exchange, requests: Iterator[bytes], now: float) -> bool:
    request = next(requests, None)
    if request is None:
        return False
    exchange.send(request, now)
    return True


def _tally(statuses: Counter[int], latencies: array[float], *, seconds: float, cpu_seconds: float) -> Tally:
    ordered = sorted(latencies)
    return Tally(
        statuses=dict(statuses),
        seconds=seconds,
        p50_ms=percentile(ordered, 50) * 1000,
        p99_ms=percentile(ordered, 99) * 1000,
        mean_ms=sum(ordered) / len(ordered) * 1000 if ordered else 0.0,
        cpu_seconds=cpu_seconds,
    )


def plan_as_json(plan: Plan) -> str:
    """Write a plan for the client's process."""
    return json.dumps(asdict(plan))


def plan_from_json(text: str) -> Plan:
    """Read it back."""
    told = json.loads(text)
    return Plan(**{**told, "traffic": Traffic.from_json(told["traffic"])})


def tally_from_json(text: str) -> Tally:
    """Read what the client's process has written; JSON's keys are strings, and statuses are numbers."""
    told = json.loads(text)
    return Tally(**{**told, "statuses": {int(status): count for status, count in told["statuses"].items()}})


def main() -> None:
    """Do what each line of standard input says."""
    for line in sys.stdin:
        plan = plan_from_json(line)
        requests = traffic(plan.traffic, limit=plan.requests)
        gc.collect()
        gc.disable()
        tally = drive(plan, requests)
        gc.enable()
        sys.stdout.write(f"{json.dumps(asdict(tally))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
