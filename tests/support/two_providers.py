"""A pool of senders at two provider accounts, `a` and `b`, each with a provider behind it and a log of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from app.domain.ids import created_at
from app.providers.sandbox import Evidence
from app.services.administration import Administration
from app.services.identity import new_id
from app.store.engine import Engine
from app.store.pools import add_pool, put_member
from tests.support.fake_provider.send_log import Verdict
from tests.support.fake_provider.server import FakeProvider
from tests.support.invariants import Run

POOL: Final = "pool:alerts"
SENDERS: Final[Mapping[str, Sequence[str]]] = {
    "a": ("+12025550120", "+12025550121"),
    "b": ("+12025550122", "+12025550123"),
}
_RATE: Final = Decimal(200)
"""Of each sender, in segments a second: more than the tests send."""


async def make_pool(engine: Engine, tenant: str, *, weights: Mapping[str, float] | None = None) -> None:
    """Give an account of ours the senders and the pool; all members have weight 1, or that of their provider."""
    admin = Administration(engine, set(SENDERS))
    made = [
        (await admin.add_sender(account=tenant, address=address, provider=provider, rate=_RATE), provider)
        for provider, addresses in SENDERS.items()
        for address in addresses
    ]
    pool_id, account_id = new_id(), made[0][0].account_id
    async with engine.begin() as connection:
        await add_pool(connection, pool_id=pool_id, account_id=account_id, name="alerts", match_area=False)
        for sender, provider in made:
            weight = 1.0 if weights is None else weights[provider]
            await put_member(connection, pool_id, sender.id, account_id=account_id, weight=weight)


def settings_of(**providers: FakeProvider) -> dict[str, str]:
    """Give the variables that configure both accounts; all that they offer is webhooks."""
    told: dict[str, str] = {}
    for name, provider in providers.items():
        told |= provider.account_settings(name, Evidence.WEBHOOK)
    return told


def by_both(*providers: FakeProvider) -> set[str]:
    """Name the messages that more than one provider has taken."""
    taken = [set(provider.log.taken()) for provider in providers]
    return set.union(*(one & other for number, one in enumerate(taken) for other in taken[number + 1 :]), set())


def longest_wait(run: Run) -> float:
    """Give the most seconds between a message's being accepted and its being taken by a provider."""
    accepted = {message.id: created_at(UUID(message.id)) for message in run.messages}
    taken = [each for each in run.submissions if each.taken and each.at is not None]
    return max((each.at - accepted[each.message]).total_seconds() for each in taken if each.at is not None)


def shares(a: FakeProvider, b: FakeProvider, *, each_seconds: float) -> list[tuple[int, int]]:
    """Count what both took, span by span from the first that `a` took on."""
    taken = [[entry.at for entry in provider.log.sent if entry.verdict is Verdict.TAKEN] for provider in (a, b)]
    begin = min(taken[0])
    spans = [[int((at - begin).total_seconds() // each_seconds) for at in moments if at >= begin] for moments in taken]
    last = max(max(each, default=0) for each in spans)
    return [(spans[0].count(number), spans[1].count(number)) for number in range(last)]
