"""How long a message takes from its acceptance to the provider when nothing else is under way."""

from __future__ import annotations

import random
import socket
import time
from typing import Final

from tests.bench.harness.measuring import RoundInvalid
from tests.bench.harness.provider_process import Provider
from tests.bench.harness.servers import Servers
from tests.bench.harness.traffic import Kind, traffic

_PAUSE_SECONDS: Final = (0.06, 0.12)
"""Between two messages: longer than notifications are held back, and in step with nothing."""

_PATIENCE_SECONDS: Final = 30
_LOOK_SECONDS: Final = 0.002


def waits(servers: Servers, provider: Provider, *, messages: int) -> list[float]:
    """Give the seconds from each POST's first byte to the provider's having the message; raises `RoundInvalid`.

    One at a time: the next is posted when the provider has had the one before it for a moment. One more is
    posted than is told of.
    """
    plan = servers.plan(Kind.ACCEPT, connections=1, seconds=1)
    posted = []
    with socket.create_connection((plan.host, plan.port), timeout=_PATIENCE_SECONDS) as connection:
        for number, request in enumerate(traffic(plan.traffic, limit=messages + 1), start=1):
            posted.append(time.monotonic())
            connection.sendall(request)
            answer = connection.recv(4096)
            if not answer.startswith(b"HTTP/1.1 202"):
                raise RoundInvalid(f"answered with {answer[:60]!r}")
            _wait_for(provider, number)
            time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - no secret
    # The first one waited for the worker's start.
    return [came - went for came, went in zip(provider.arrived().at, posted, strict=True)][1:]


def _wait_for(provider: Provider, number: int) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while provider.requests() < number:
        if time.monotonic() > until:
            raise RoundInvalid(f"message {number} has not reached the provider within {_PATIENCE_SECONDS} s")
        time.sleep(_LOOK_SECONDS)
