"""Provider accounts of one gateway, one for each kind of evidence, each with a fake provider behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from app.providers.sandbox import Evidence
from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.fake_provider.server import FakeProvider
from tests.support.gateway import FAST

NAMES: Final = {
    Evidence.IDEMPOTENCY_KEY: "key",
    Evidence.REFERENCE_SEARCH: "reference",
    Evidence.RECIPIENT_SEARCH: "recipient",
    Evidence.WEBHOOK: "webhook",
    Evidence.NONE: "none",
}
"""What the account of each kind is called."""

ASKABLE: Final = (Evidence.IDEMPOTENCY_KEY, Evidence.REFERENCE_SEARCH, Evidence.RECIPIENT_SEARCH)
"""Kinds by which a provider can be asked what became of a message: nothing may be doubled there."""

NEVER_TWICE: Final = frozenset(NAMES[evidence] for evidence in ASKABLE)


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """One account, and the number that is sent from through it."""

    evidence: Evidence
    sender: str
    provider: FakeProvider

    @property
    def name(self) -> str:
        """What the account is called."""
        return NAMES[self.evidence]


@contextmanager
def upstreams(kinds: Sequence[Evidence], make: Callable[[Evidence], FakeProvider]) -> Iterator[list[Upstream]]:
    """Run one provider for each kind until the block ends."""
    with ExitStack() as stack:
        yield [
            Upstream(evidence=evidence, sender=f"+120255501{number:02}", provider=stack.enter_context(make(evidence)))
            for number, evidence in enumerate(kinds, 20)
        ]


def settings_of(accounts: Sequence[Upstream]) -> dict[str, str]:
    """Give the variables that configure them all; of each, a message can be looked up once its id is known."""
    told: dict[str, str] = {}
    for account in accounts:
        told |= account.provider.account_settings(account.name, account.evidence, records="true")
    return told


async def add_senders(engine: Engine, tenant: str, accounts: Sequence[Upstream]) -> None:
    """Give an account of ours the sender of each of them."""
    admin = Administration(engine, {account.name for account in accounts})
    for account in accounts:
        await admin.add_sender(account=tenant, address=account.sender, provider=account.name, rate=FAST)
