"""How many messages one API process accepts in a second, as a share of what Postgres stores by itself.

Prints every round and ends with `accept_ratio 0.57`: the median of accepts per second over loopback,
divided by pgbench's median for the same rows, one transaction each, on the same server in the same run.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from tests.bench.harness.client_process import client_limit
from tests.bench.harness.database import require_same
from tests.bench.harness.measuring import Bench, Measured
from tests.bench.harness.options import Options, options, parser_of_rounds, require
from tests.bench.harness.profiling import find_py_spy, profile
from tests.bench.harness.report import describe, say
from tests.bench.harness.rounds import run_rounds
from tests.bench.harness.servers import Servers, running_servers
from tests.bench.harness.traffic import Kind

PGBENCH_CLIENTS: Final = (16, 32)
"""The faster of the two is the yardstick."""

_LIMIT_SECONDS: Final = 0.5


class Keys(StrEnum):
    """Whether the requests carry an Idempotency-Key."""

    WITHOUT = "without"
    WITH = "with"
    BOTH = "both"
    """Measured each; the last line is of those without."""


def arguments() -> ArgumentParser:
    """Give what may be asked for on the command line."""
    made = parser_of_rounds(__doc__)
    made.add_argument(
        "--idempotency-keys", type=Keys, choices=list(Keys), default=Keys.BOTH, help="a key in each request"
    )
    return made


def run(servers: Servers, told: Namespace) -> None:
    """Measure and print; raises `NotTheSameRows`, `RoundInvalid` or `NotDurable` where the figures would not count."""
    asked = options(told)
    keyed = {Keys.WITHOUT: [False], Keys.WITH: [True], Keys.BOTH: [False, True]}[told.idempotency_keys]
    describe(servers.database.settings())
    print_limit(servers, asked)
    ratios = measure(Bench(servers=servers, connections=asked.connections), asked, keyed)
    for with_key, ratio in reversed(ratios.items()):
        say(f"accept_ratio{'_with_key' if with_key and len(ratios) > 1 else ''} {ratio:.2f}")
    require("accept_ratio", ratios.get(False, ratios.get(True, 0)), at_least=told.at_least)


def print_limit(servers: Servers, asked: Options) -> None:
    """Tell what the load generator could do if the API cost nothing."""
    plan = servers.plan(Kind.ACCEPT, connections=asked.connections, seconds=_LIMIT_SECONDS)
    per_second, microseconds = client_limit(servers.client, plan)
    say(f"client: {per_second:,.0f} requests a second against a peer that answers at once, {microseconds:.0f} µs each")


def measure(bench: Bench, asked: Options, keyed: list[bool]) -> dict[bool, float]:
    """Warm up, run the rounds, print them, and give the ratio by whether requests carry a key."""
    for with_key in keyed:
        warm_up(bench, asked, with_key=with_key)
    steps = [step for with_key in keyed for step in steps_of(bench, asked, with_key=with_key)]
    middle = run_rounds(bench, steps, asked)
    if asked.profile is not None:
        profile(bench, kind_of(with_key=keyed[0]), asked)
    return {with_key: ratio(middle, with_key=with_key) for with_key in keyed}


def steps_of(bench: Bench, asked: Options, *, with_key: bool) -> list[Callable[[], Measured]]:
    """Give what one round consists of: the API, then pgbench with each number of clients."""

    def accept() -> Measured:
        return bench.load(kind_of(with_key=with_key), seconds=asked.seconds)

    def pgbench(clients: int) -> Callable[[], Measured]:
        return lambda: bench.pgbench(keyed=with_key, clients=clients, seconds=asked.seconds)

    return [accept, *map(pgbench, PGBENCH_CLIENTS)]


def warm_up(bench: Bench, asked: Options, *, with_key: bool) -> None:
    """Run each once, unmeasured, and see that both write the same; raises `NotTheSameRows`."""
    database = bench.servers.database
    bench.load(kind_of(with_key=with_key), seconds=asked.warm_up_seconds)
    ours = database.shapes()
    bench.pgbench(keyed=with_key, clients=PGBENCH_CLIENTS[0], seconds=asked.warm_up_seconds)
    require_same(ours, database.shapes())
    say(f"rows: the API and pgbench write the same columns, of the same sizes, in {', '.join(sorted(ours))}")


def ratio(middle: Mapping[str, Measured], *, with_key: bool) -> float:
    """Divide the accepts by the better of the two pgbench runs."""
    names = [f"pgbench -c {clients}" + (" with key" if with_key else "") for clients in PGBENCH_CLIENTS]
    best = max(middle[name].per_second for name in names)
    return middle[kind_of(with_key=with_key).replace("_", " ")].per_second / best


def kind_of(*, with_key: bool) -> Kind:
    """Name the requests."""
    return Kind.ACCEPT_WITH_KEY if with_key else Kind.ACCEPT


def main() -> None:
    """Start what is measured, and measure it."""
    told = arguments().parse_args()
    if told.profile is not None:
        find_py_spy()
    with running_servers(told.directory) as servers:
        run(servers, told)


if __name__ == "__main__":
    main()
