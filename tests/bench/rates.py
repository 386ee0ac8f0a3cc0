"""Whether twenty senders keep to their limits over an hour of random traffic, and how much of those is used.

Four workers send, one of which is killed in the middle. With `--faster 6`, rates and traffic are six times what they
are otherwise, so that ten minutes stand for an hour. Prints each sender, and ends with `worst_window 0.98`, the window
that came nearest to its bound as a share of it, and with `rates_used 0.997`: the segments that the provider saw, of
those that could have been sent. Ends with an error where any window exceeds its bound.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from pathlib import Path

from app.store.engine import create_engine
from tests.bench.harness.report import describe, say
from tests.bench.harness.servers import Servers, running_servers
from tests.support.lane_traffic import Lane, add_lanes, twenty_lanes
from tests.support.rate_report import RateReport
from tests.support.rate_run import run_rates


def arguments() -> ArgumentParser:
    """Give what may be asked for on the command line."""
    made = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    made.add_argument("--minutes", type=float, default=10, help="of traffic")
    made.add_argument("--faster", type=float, default=6, help="how many times faster than real everything goes")
    made.add_argument("--at-least", type=float, default=0, help="end with an error where less is used")
    made.add_argument("--directory", type=Path, help="where the database is made")
    return made


def run(servers: Servers, told: Namespace) -> None:
    """Measure and print; ends with an error where a bound is exceeded, or less is used than was asked for."""
    describe(servers.database.settings())
    servers.database.empty()
    seconds = told.minutes * 60
    lanes = twenty_lanes(faster=told.faster, seconds=seconds)
    found = asyncio.run(_measured(servers, lanes, seconds))
    servers.database.empty()
    for lane in found.lanes:
        say(str(lane))
    if found.worst is not None:
        say(f"worst_window {found.worst.segments / found.worst.bound:.3f}: {found.worst}")
    say(f"rates_used {found.used:.3f}")
    if violations := found.violations():
        raise SystemExit("\n".join(violations))
    if found.used < told.at_least:
        raise SystemExit(f"rates_used is {found.used:.3f}, less than {told.at_least:g}")


async def _measured(servers: Servers, lanes: list[Lane], seconds: float) -> RateReport:
    engine = create_engine(servers.database.url, application="bench")
    try:
        await add_lanes(engine, servers.tenant.name, lanes)
    finally:
        await engine.dispose()
    return await run_rates(servers.fleet, servers.tenant.live, lanes, seconds=seconds)


def main() -> None:
    """Start what is measured, and measure it."""
    told = arguments().parse_args()
    with running_servers(told.directory) as servers:
        run(servers, told)


if __name__ == "__main__":
    main()
