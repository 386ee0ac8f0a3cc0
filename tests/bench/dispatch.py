"""How many messages one worker process sends and settles in a second, as a share of what its HTTP client does alone.

Prints every round and ends with `dispatch_ratio 0.63`: the median of messages dispatched and settled per
second to a provider that answers at once, at the better of two concurrencies, divided by the median of the
bare loop of the same client, without a database, at the same concurrency in the same run.

With `--lanes`, it compares one lane with so many in the same way instead, and ends with `lanes_ratio 0.95`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from tests.bench.harness.client import percentile
from tests.bench.harness.database import require_same
from tests.bench.harness.dispatching import DispatchBench, Stock
from tests.bench.harness.filling import fill
from tests.bench.harness.lone_messages import waits
from tests.bench.harness.measuring import Bench, Measured
from tests.bench.harness.options import Options, options, parser_of_rounds, require
from tests.bench.harness.profiling import find_py_spy, print_summary
from tests.bench.harness.provider_process import running_provider
from tests.bench.harness.report import Round, describe, medians, print_rounds, say
from tests.bench.harness.rounds import in_turn
from tests.bench.harness.servers import Servers, running_servers
from tests.bench.harness.traffic import Kind

CONCURRENCIES: Final = (64, 256)
"""The best one counts."""

SLOW_SECONDS: Final = 0.1
"""What an ordinary provider takes for an answer."""

_PARTIES: Final = ("process", "provider")
_COMPARED: Final = 50
_SPARE_PER_SECOND: Final = 4_000
"""Messages queued for each second of a round that is ended by the clock: more than a worker sends."""


def arguments() -> ArgumentParser:
    """Give what may be asked for on the command line."""
    made = parser_of_rounds(__doc__)
    made.add_argument(
        "--concurrency", type=int, nargs="+", default=CONCURRENCIES, help="sends at once; the best counts"
    )
    made.add_argument("--beside", action="store_true", help="also a provider that takes 100 ms, and lone messages")
    made.add_argument("--lone-messages", type=int, default=100, help="of --beside")
    made.add_argument("--backlog", type=int, default=0, help="also with so many messages queued")
    made.add_argument("--lanes", type=int, help="compare one lane with a queue spread over so many, and nothing else")
    made.add_argument("--history", type=int, default=0, help="with --backlog: and so many that are long delivered")
    return made


def run(servers: Servers, told: Namespace) -> None:
    """Measure and print; raises `NotTheSameRows`, `RoundInvalid` or `NotDurable` where the figures would not count."""
    asked = options(told)
    describe(servers.database.settings())
    compare_rows(servers)
    with running_provider() as provider:
        bench = DispatchBench(servers=servers, provider=provider)
        if told.lanes is not None:
            compare_lanes(bench, asked, told.concurrency, lanes=told.lanes, at_least=told.at_least)
            return
        ratio, best = measure(bench, asked, told.concurrency, latency_seconds=0)
        if told.beside:
            print_beside(bench, asked, told.concurrency, lone_messages=told.lone_messages)
        if told.backlog:
            print_backlog(bench, asked, best, backlog=told.backlog, history=told.history)
        if asked.profile is not None:
            bench.dispatch(best, seconds=asked.seconds, stacks=asked.profile)
            print_summary(asked.profile, markdown=asked.markdown)
    say(f"dispatch_ratio {ratio:.2f}")
    require("dispatch_ratio", ratio, at_least=told.at_least)


def compare_rows(servers: Servers) -> None:
    """See that the queue is filled with what the API writes; raises `NotTheSameRows`."""
    Bench(servers=servers, connections=1).load(Kind.ACCEPT, seconds=60, requests=_COMPARED)
    accepted = servers.database.shapes()
    servers.database.empty()
    servers.database.ask(partial(fill, rows=servers.rows, messages=_COMPARED))
    require_same(accepted, servers.database.shapes())


def measure(
    bench: DispatchBench, asked: Options, concurrencies: Sequence[int], *, latency_seconds: float
) -> tuple[float, int]:
    """Warm up, run the rounds, print them, and give the ratio and the best concurrency."""
    for concurrency in concurrencies if asked.warm_up_seconds else ():
        bench.dispatch(concurrency, seconds=asked.warm_up_seconds, latency_seconds=latency_seconds)
    steps = [step for each in concurrencies for step in steps_of(bench, asked, each, latency_seconds=latency_seconds)]
    middle = in_turn(steps, asked, parties=_PARTIES)
    best = max(concurrencies, key=lambda each: middle[f"dispatch {each}"].per_second)
    return ratio_at(best, middle), best


def compare_lanes(
    bench: DispatchBench, asked: Options, concurrencies: Sequence[int], *, lanes: int, at_least: float
) -> None:
    """Print rounds of one lane and of many, none of which its rate limits, and the ratio at the better concurrency."""
    steps = [
        partial(bench.dispatch, each, seconds=asked.seconds, lanes=many)
        for each in concurrencies
        for many in (1, lanes)
    ]
    for warm_up in steps if asked.warm_up_seconds else ():
        warm_up(seconds=asked.warm_up_seconds)
    middle = in_turn(steps, asked, parties=_PARTIES)
    best = max(concurrencies, key=lambda each: middle[f"dispatch {each}"].per_second)
    ratio = middle[f"dispatch {best}, {lanes} lanes"].per_second / middle[f"dispatch {best}"].per_second
    say(f"lanes_ratio {ratio:.2f}")
    require("lanes_ratio", ratio, at_least=at_least)


def steps_of(
    bench: DispatchBench, asked: Options, concurrency: int, *, latency_seconds: float
) -> Sequence[Callable[[], Measured]]:
    """Give what one round consists of at one concurrency: the worker, then the bare loop."""
    return [
        partial(bench.dispatch, concurrency, seconds=asked.seconds, latency_seconds=latency_seconds),
        partial(
            bench.bare,
            concurrency,
            seconds=asked.seconds,
            warm_up_seconds=asked.warm_up_seconds / 4,
            latency_seconds=latency_seconds,
        ),
    ]


def ratio_at(concurrency: int, middle: Mapping[str, Measured]) -> float:
    """Divide the worker by the bare loop."""
    return middle[f"dispatch {concurrency}"].per_second / middle[f"bare {concurrency}"].per_second


def print_beside(bench: DispatchBench, asked: Options, concurrencies: Sequence[int], *, lone_messages: int) -> None:
    """Print what a slow provider and an idle worker give."""
    say(f"with a provider that takes {SLOW_SECONDS * 1000:.0f} ms:")
    ratio, best = measure(bench, asked, concurrencies, latency_seconds=SLOW_SECONDS)
    say(f"dispatch_ratio_slow {ratio:.2f}, at {best}")
    bench.servers.database.empty()
    bench.provider.reset()
    with bench.worker(concurrencies[0]):
        waited = sorted(waits(bench.servers, bench.provider, messages=lone_messages))
    bench.check(Stock(queued=lone_messages + 1), sent=lone_messages + 1)
    p50, p99 = (percentile(waited, percent) * 1000 for percent in (50, 99))
    say(f"lone messages: {p50:.1f} ms p50, {p99:.1f} ms p99 from the POST to the provider, of {lone_messages}")


def print_backlog(bench: DispatchBench, asked: Options, concurrency: int, *, backlog: int, history: int) -> None:
    """Print what a long queue and much history cost, beside a short queue and none, all ended by the clock."""
    rounds: list[Round] = []

    def add(what: str, stock: Stock) -> None:
        one = bench.dispatch_some(concurrency, seconds=asked.seconds, stock=stock)
        rounds.append((len(rounds) % asked.rounds + 1, replace(one, what=what)))

    for _ in range(asked.rounds):
        add("short queue", bench.fill(round(_SPARE_PER_SECOND * (asked.seconds + 1))))
    stock = bench.fill(backlog, delivered=history)
    say(f"filled: {backlog:,} queued, {history:,} delivered")
    for _ in range(asked.rounds):
        add("long queue", stock)
    bench.servers.database.empty()
    print_rounds(rounds, parties=_PARTIES, markdown=asked.markdown)
    middle = medians([one for _, one in rounds])
    say(f"backlog_ratio {middle['long queue'].per_second / middle['short queue'].per_second:.2f}")


def main() -> None:
    """Start what is measured, and measure it."""
    told = arguments().parse_args()
    if told.profile is not None:
        find_py_spy()
    with running_servers(told.directory) as servers:
        run(servers, told)


if __name__ == "__main__":
    main()
