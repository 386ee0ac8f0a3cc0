"""What the API's memory does over many requests, half of them accepts and half status webhooks.

Prints the curve and ends with `memory_mb 112.3 growth_mb 0.4`: the peak, and what the second half of
the requests has added. MB are 10**6 bytes of resident memory.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Final

from tests.bench.harness.measuring import Bench
from tests.bench.harness.options import parser
from tests.bench.harness.report import describe, print_table, say
from tests.bench.harness.servers import Servers, running_servers
from tests.bench.harness.traffic import Kind
from tests.bench.harness.usage import Memory, memory

_MOST_SECONDS: Final = 600
"""Of one step; it ends when its requests are answered."""


def arguments() -> ArgumentParser:
    """Give what may be asked for on the command line."""
    made = parser(__doc__)
    made.add_argument("--requests", type=int, default=200_000, help="in all")
    made.add_argument("--samples", type=int, default=10, help="of the memory, after as many requests each")
    return made


def run(servers: Servers, told: Namespace) -> None:
    """Measure and print; raises `RoundInvalid` or `NotDurable` where the figures would not count."""
    describe(servers.database.settings())
    curve = measure(Bench(servers=servers, connections=told.connections), told.samples, told.requests // told.samples)
    cells = [[f"{requests}", f"{one.now_mb:.1f}", f"{one.peak_mb:.1f}"] for requests, one in curve]
    print_table([["requests", "MB", "peak MB"], *cells], markdown=told.markdown)
    peak, growth = curve[-1][1].peak_mb, curve[-1][1].now_mb - curve[told.samples // 2][1].now_mb
    say(f"memory_mb {peak:.1f} growth_mb {growth:.1f}")


def measure(bench: Bench, samples: int, step: int) -> Sequence[tuple[int, Memory]]:
    """Give the memory before the first request and after each step of so many; each step counts its rows."""
    curve = [(0, memory(bench.servers.api_pid))]
    for number in range(1, samples + 1):
        for kind in (Kind.ACCEPT, Kind.WEBHOOK):
            bench.load(kind, seconds=_MOST_SECONDS, requests=step // 2)
        curve.append((number * step, memory(bench.servers.api_pid)))
        say(f"{number * step:,} requests: {curve[-1][1].now_mb:.1f} MB")
    return curve


def main() -> None:
    """Start what is measured, and measure it."""
    told = arguments().parse_args()
    with running_servers(told.directory) as servers:
        run(servers, told)


if __name__ == "__main__":
    main()
