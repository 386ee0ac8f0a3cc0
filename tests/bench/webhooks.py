"""How many status webhooks one API process verifies and stores in a second, beside how many messages it accepts.

Prints every round and ends with `webhooks_ratio 1.1`: the median of webhooks per second over loopback,
divided by the median of accepts per second of the same run.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from typing import Final

from tests.bench.harness.measuring import Bench
from tests.bench.harness.options import Options, options, parser_of_rounds, require
from tests.bench.harness.profiling import find_py_spy, profile
from tests.bench.harness.report import describe, say
from tests.bench.harness.rounds import run_rounds
from tests.bench.harness.servers import Servers, running_servers
from tests.bench.harness.traffic import Kind

KINDS: Final = (Kind.ACCEPT, Kind.WEBHOOK)


def arguments() -> ArgumentParser:
    """Give what may be asked for on the command line."""
    return parser_of_rounds(__doc__)


def run(servers: Servers, told: Namespace) -> None:
    """Measure and print; raises `RoundInvalid` or `NotDurable` where the figures would not count."""
    asked = options(told)
    describe(servers.database.settings())
    bench = Bench(servers=servers, connections=asked.connections)
    ratio = measure(bench, asked)
    if asked.profile is not None:
        profile(bench, Kind.WEBHOOK, asked)
    say(f"webhooks_ratio {ratio:.2f}")
    require("webhooks_ratio", ratio, at_least=told.at_least)


def measure(bench: Bench, asked: Options) -> float:
    """Warm up, run the rounds, print them, and give the ratio."""
    for kind in KINDS:
        bench.load(kind, seconds=asked.warm_up_seconds)
    steps = [partial(bench.load, kind, seconds=asked.seconds) for kind in KINDS]
    middle = run_rounds(bench, steps, asked)
    return middle[str(Kind.WEBHOOK)].per_second / middle[str(Kind.ACCEPT)].per_second


def main() -> None:
    """Start what is measured, and measure it."""
    told = arguments().parse_args()
    if told.profile is not None:
        find_py_spy()
    with running_servers(told.directory) as servers:
        run(servers, told)


if __name__ == "__main__":
    main()
