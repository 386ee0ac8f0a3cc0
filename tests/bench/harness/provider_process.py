"""The provider's process: started once, begun anew for each round, ended with the block that uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from tests.bench.harness.client_process import running_python


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """All that came since the last reset."""

    requests: int
    messages: int
    """Different ones."""

    at: Sequence[float]
    """When each request came, by the monotonic clock, which the machine's processes share."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A running provider."""

    url: str
    _orders: IO[str]
    _answers: IO[str]

    def reset(self, *, latency_seconds: float = 0) -> None:
        """Forget what came; from now on an answer takes so long."""
        self._order(latency_seconds=latency_seconds)

    def requests(self) -> int:
        """Count the requests since the last reset."""
        return int(self._order()["requests"])

    def cpu_seconds(self) -> float:
        """Give its own processor time."""
        return float(self._order()["cpu_seconds"])

    def arrived(self) -> Arrived:
        """Tell all of what came since the last reset."""
        told = self._order(whole=True)
        return Arrived(requests=told["requests"], messages=told["messages"], at=told["arrivals"])

    def first_seen(self, messages: Sequence[str]) -> list[float | None]:
        """Tell when each of these messages came first; None of one that has not come."""
        return list(self._order(first_seen=list(messages))["first_seen"])

    def _order(self, **order: float | bool | list[str]) -> dict[str, Any]:
        self._orders.write(f"{json.dumps(order)}\n")
        self._orders.flush()
        told: dict[str, Any] = json.loads(self._answers.readline())
        return told


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Start the provider, and end it with the block."""
    with running_python("tests.bench.harness.provider") as (orders, answers):
        yield Provider(url=f"http://127.0.0.1:{int(answers.readline())}", _orders=orders, _answers=answers)
