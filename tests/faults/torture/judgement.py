"""What came of a run: facts of the site in, figures and violations out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sqlalchemy import text

from app.domain.message import DeliveryGuarantee
from app.domain.status import MessageStatus
from app.store.engine import Engine
from tests.faults.torture.injector import Record
from tests.faults.torture.site import Site
from tests.support.fake_provider.conduct import Conduct
from tests.support.fake_run import settled_with
from tests.support.invariants import Run, violations
from tests.support.load import Load
from tests.support.upstreams import NEVER_TWICE

CLOCK_LAG_SECONDS: Final = 1.0
"""A provider that shares two cores with everything else may note a request so much later than it came."""

_SETTLE_SECONDS: Final = 150.0
"""What workers have died over goes out one by one afterwards, and is left in peace for as long as that takes."""

_TAKEOVERS: Final = "SELECT message_id, at FROM status_events WHERE reason = 'worker-lost'"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything that is known of a run after it has come to rest."""

    run: Run
    record: Record
    wrong: list[str]
    """What must not be, a sentence each, which begins with an id where it is about one message."""

    conducts: Counter[Conduct]
    """How the providers answered what they were sent, until they were told to answer as they should."""

    webhooks: Counter[str]
    takeovers: list[float] = field(default_factory=list)
    """Seconds from a kill until a message of the dead worker was taken over; what a report told before is not in it."""

    returns: list[float] = field(default_factory=list)
    """Seconds from Postgres' return to the first 202."""

    answers: Counter[int] = field(default_factory=Counter)


def judged(site: Site, record: Record) -> Outcome:
    """Wait until everything is final, and say what came of it; at the deadline, say it anyway."""
    providers = [account.provider for account in site.accounts]
    site.backstage.call(site.engine.dispose())  # its connections may have ended with a Postgres that was crashed
    run = site.backstage.call(
        settled_with(site.engine, site.fleet, site.load, *providers, within_seconds=_SETTLE_SECONDS, final=True)
    )
    run = replace(run, never_twice=NEVER_TWICE, clock_lag_seconds=CLOCK_LAG_SECONDS)
    return Outcome(
        run=run,
        record=record,
        wrong=[*violations(run), *_unfinished(run), *_improper(site), *record.exits, *_complaints(site)],
        conducts=Counter(
            entry.conduct
            for provider in providers
            for entry in provider.log.sent
            if record.calm_at is None or entry.at < record.calm_at
        ),
        webhooks=Counter(
            {
                "acknowledged": sum(len(provider.log.posted) for provider in providers),
                "given up": sum(provider.log.unposted for provider in providers),
            }
        ),
        takeovers=site.backstage.call(_takeovers(site.engine, record)),
        returns=[site.load.first_accepted_after(at) - at for at in record.returns],
        answers=site.load.statuses(),
    )


def taken_twice(run: Run) -> Counter[tuple[str, DeliveryGuarantee]]:
    """Count the messages that were taken more than once, by account and guarantee."""
    taken = run.taken()
    return Counter((m.provider, m.guarantee) for m in run.messages if taken[m.id] > 1)


def _unfinished(run: Run) -> Iterator[str]:
    """Nothing is open at the end; what a provider has for good, and says no more of, would be."""
    yield from (f"{m.id}: {m.status} at the end" for m in run.messages if m.status is MessageStatus.SENT)
    yield from (
        f"{m.id}: flagged possible_duplicate at an account that can be asked"
        for m in run.messages
        if m.possible_duplicate and m.provider in run.never_twice
    )


def _improper(site: Site) -> Iterator[str]:
    """The API answers 202 or a proper 503; what its proxy answers itself is no answer of the API's."""
    load: Load = site.load
    for exchange in load.improper():
        if exchange.status != 502:
            yield f"a client was answered {exchange.status} {exchange.code} {exchange.content_type}"
    if (answered := load.statuses()[502]) > site.balancer.lost + site.balancer.unserved:
        yield f"{answered} answers of 502, of which the proxy has given fewer"


def _complaints(site: Site) -> Iterator[str]:
    """Give what processes logged as errors, but for what the driver leaves behind of connections never made."""
    yield from (line for line in site.fleet.complaints() if "unexpected connection_lost() call" not in line)


async def _takeovers(engine: Engine, record: Record) -> list[float]:
    async with engine.connect() as connection:
        rows = (await connection.execute(text(_TAKEOVERS))).all()
    seen: dict[str, list[datetime]] = {}
    for row in rows:
        seen.setdefault(str(row.message_id), []).append(row.at)
    found = []
    for death in record.deaths:
        for message in death.held:
            after = [at for at in seen.get(message, []) if at >= death.at]
            if after:
                found.append((min(after) - death.at).total_seconds())
    return found
