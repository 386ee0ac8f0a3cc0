"""Audits: a provider's own list of a day's messages compared with ours, each day by some worker, or when asked for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice, product
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from app.domain.auditing import (
    AROUND,
    UNRESOLVED,
    AuditResult,
    DifferenceKind,
    OurAttempt,
    compare,
    span_of,
)
from app.domain.change import Change
from app.domain.evidence import ProviderMessage, SearchPage, TakenBetween
from app.domain.foreign import storable_message
from app.domain.ledger import Ledger
from app.domain.message import MessageState
from app.domain.policy import LifecyclePolicy
from app.domain.references import AttemptRef
from app.domain.resolving import found
from app.services.records import TOO_MANY_PAGES, ProviderRecords
from app.services.webhooks import Adapters, capabilities_of
from app.store.audits import (
    attempts_begun,
    attempts_called,
    attempts_named,
    claim_audit,
    database_now,
    first_audited,
    keep_audit,
    renew_audit,
)
from app.store.changes import apply_changes
from app.store.engine import Connection, Engine, StoreUnavailable, transaction
from app.store.queue import lock_attempts
from app.telemetry import get_logger

_log = get_logger(__name__)
RESULT: Final = TypeAdapter(AuditResult)
"""How results are kept and shown."""

_LOOK_SECONDS: Final = 600.0
"""How often a worker looks whether an audit is due."""

_DAYS_BACK: Final = 7
"""A day whose audit could not be made for so long, because a provider or all workers were away, is given up."""

_CLAIM: Final = timedelta(minutes=30)
"""After this an audit of which nothing was heard is another worker's, and one that failed is made again."""

_MOST_PAGES: Final = 100
"""A span with more pages is listed in two halves, so that memory holds no more than these."""

_SHORTEST: Final = timedelta(seconds=1)
_BATCH: Final = 100
_BREATH_SECONDS: Final = 0.02
"""After each batch, so that an audit of millions takes a small share of its worker."""

_PAUSES_SECONDS: Final = (1.0, 5.0, 20.0)
_LONGEST_PAUSE_SECONDS: Final = 300.0
_UNSETTLED: Final = timedelta(minutes=10)
"""What was sent so shortly ago is left to tomorrow's audit."""


class AuditNotMade(Exception):
    """There is no audit of this day; `args[0]` says why."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """One day of one provider account."""

    provider: str
    day: date
    made_at: datetime
    result: AuditResult


@dataclass(frozen=True, kw_only=True)
class _Span:
    """What of the list is asked for, and what of it counts."""

    since: datetime
    until: datetime
    first: datetime
    """Where the day begins."""

    after: datetime
    """Where the part of it that is audited ends."""

    def halves(self) -> tuple[_Span, _Span]:
        middle = self.since + (self.until - self.since) / 2
        rest = {"first": self.first, "after": self.after}
        return _Span(since=self.since, until=middle, **rest), _Span(since=middle, until=self.until, **rest)

    def holds(self, theirs: ProviderMessage) -> bool:
        """Whether a message belongs to this span; a list may show more than was asked for."""
        return theirs.taken_at is None or self.since <= theirs.taken_at < self.until

    def counts(self, theirs: ProviderMessage) -> bool:
        """Whether a message is one of the day."""
        return theirs.taken_at is None or self.first <= theirs.taken_at < self.after


class Auditor:
    """The use cases of audits; of any number of workers one makes each."""

    def __init__(
        self,
        engine: Engine,
        adapters: Adapters,
        records: ProviderRecords,
        policy: LifecyclePolicy,
        *,
        lag: timedelta = timedelta(hours=6),
    ) -> None:
        """Take the store, the providers, the way to ask them, and how long after its end a day is audited."""
        self._engine = engine
        self._adapters = adapters
        self._records = records
        self._policy = policy
        self._lag = lag

    @property
    def providers(self) -> list[str]:
        """The provider accounts whose messages can be listed."""
        return sorted(name for name in self._adapters if capabilities_of(self._adapters, name).listing)

    async def work(self) -> None:
        """Make what falls due, until cancelled; raises `StoreUnavailable`."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS * (0.5 + random.random()))  # noqa: S311 - spreads the workers
            await self.make_due()

    async def make_due(self) -> list[Audit]:
        """Make the audits of the last days, once the lag has passed, that nobody else has made or begun.

        Days before a provider's first audit are left alone: it need not have been ours to ask then.
        """
        async with transaction(self._engine) as connection:
            yesterday = (await database_now(connection) - self._lag).date() - timedelta(days=1)
            first = {provider: await first_audited(connection, provider) for provider in self.providers}
        made = []
        for provider, back in product(first, reversed(range(_DAYS_BACK))):
            day = yesterday - timedelta(days=back)
            if day < (first[provider] or yesterday):
                continue
            async with transaction(self._engine) as connection:
                is_ours = await claim_audit(connection, provider, day, claim=_CLAIM)
            if is_ours and (audit := await self._try(provider, day)) is not None:
                made.append(audit)
        return made

    async def make(self, provider: str, day: date) -> Audit:
        """Compare a day's messages now and keep the result, in place of an earlier one.

        What the provider lists is evidence: an attempt of ours whose outcome was not known is resolved by it. Raises
        `AuditNotMade`, and `StoreUnavailable`.
        """
        spans = [await self._whole(provider, day)]
        ledger = Ledger(until=spans[0].after)
        while spans:
            span = spans.pop()
            page = await self._list(provider, span)
            if page is None:
                spans += reversed(span.halves())
                continue
            ledger.pass_by(span.since)
            await self._enter(provider, span, page, ledger)
            async with transaction(self._engine) as connection:
                await renew_audit(connection, provider, day, claim=_CLAIM)
        ledger.pass_by()
        document: dict[str, Any] = RESULT.dump_python(ledger.result, mode="json")
        async with transaction(self._engine) as connection:
            made_at = await keep_audit(connection, provider, day, document)
        _log.info(
            "audit", provider=provider, day=day.isoformat(), agrees=ledger.result.agrees, **document["differences"]
        )
        return Audit(provider=provider, day=day, made_at=made_at, result=ledger.result)

    async def _try(self, provider: str, day: date) -> Audit | None:
        try:
            return await self.make(provider, day)
        except StoreUnavailable:
            raise
        except AuditNotMade as error:
            _log.warning("audit not made", provider=provider, day=day.isoformat(), reason=str(error))
        except Exception:  # noqa: BLE001 - an audit must not end a worker that sends; it is made again after its claim
            _log.exception("audit failed", provider=provider, day=day.isoformat())
        return None

    async def _whole(self, provider: str, day: date) -> _Span:
        if provider not in self._adapters:
            raise AuditNotMade(f"No provider account {provider!r} is configured.")
        if not capabilities_of(self._adapters, provider).listing:
            raise AuditNotMade(f"{provider} offers no list of its messages, so they cannot be compared.")
        first, after = span_of(day)
        async with transaction(self._engine) as connection:
            settled = await database_now(connection) - _UNSETTLED
        if settled <= first:
            raise AuditNotMade(f"Nothing of {day} has settled yet. Ask again in some minutes, or for an earlier day.")
        return _Span(since=first - AROUND, until=after + AROUND, first=first, after=min(after, settled))

    async def _list(self, provider: str, span: _Span) -> SearchPage | None:
        """Give everything that the provider lists of a span; None where it is too much at once."""
        query = TakenBetween(since=span.since, until=span.until)
        for pause in (*_PAUSES_SECONDS, None):
            answer = await self._records.search(provider, query, most_pages=_MOST_PAGES)
            if isinstance(answer, SearchPage):
                return answer
            if answer.reason == TOO_MANY_PAGES and span.until - span.since > _SHORTEST:
                return None
            if pause is None or answer.reason == TOO_MANY_PAGES:
                raise AuditNotMade(f"{provider} did not list its messages: {answer.reason}.")
            await asyncio.sleep(max(pause, min(answer.retry_after_seconds or 0, _LONGEST_PAUSE_SECONDS)))
        return None

    async def _enter(self, provider: str, span: _Span, page: SearchPage, ledger: Ledger) -> None:
        """Enter a span of both sides, theirs first."""
        listed = iter({each.provider_message_id: each for each in page.messages if span.holds(each)}.values())
        while batch := [storable_message(each) for each in islice(listed, _BATCH)]:
            async with transaction(self._engine) as connection:
                ours = await self._match(connection, provider, span, batch)
            adopted = {}
            for theirs, our in zip(batch, ours, strict=True):
                if _enter_theirs(ledger, theirs, our, counts=span.counts(theirs)) and our is not None:
                    adopted[our.ref] = theirs
            await self._adopt(provider, adopted)
            await asyncio.sleep(_BREATH_SECONDS)
        async with transaction(self._engine) as connection:
            since, until = max(span.since, span.first), min(span.until, span.after)
            async for our in attempts_begun(connection, provider, since, until):
                ledger.ours.add(segments=our.segments, price=our.price)
                ledger.look_for(our)

    async def _match(
        self, connection: Connection, provider: str, span: _Span, batch: Sequence[ProviderMessage]
    ) -> list[OurAttempt | None]:
        """Find our attempt of each message: by the reference that it carries, else by the provider's id."""
        refs = [each.attempt for each in batch if each.attempt is not None]
        named = {our.ref: our for our in await attempts_named(connection, provider, refs)}
        nameless = [each.provider_message_id for each in batch if each.attempt not in named]
        called: dict[str, OurAttempt | None] = {}
        for our in await attempts_called(connection, provider, nameless, around=span.since):
            key = our.provider_message_id or ""
            called[key] = None if key in called else our  # an id that two attempts claim proves nothing
        return [
            named[each.attempt] if each.attempt in named else called.get(each.provider_message_id) for each in batch
        ]

    async def _adopt(self, provider: str, listed: dict[AttemptRef, ProviderMessage]) -> None:
        """Resolve attempts of unknown outcome by what the provider lists."""
        if not listed:
            return
        capabilities = capabilities_of(self._adapters, provider)
        async with transaction(self._engine) as connection:
            changes: list[Change] = []
            messages: dict[UUID, MessageState] = {}
            for work in await lock_attempts(connection, [(ref.message_id, ref.number) for ref in listed]):
                if work.attempt.phase not in UNRESOLVED:
                    continue
                # A doubled message has two attempts here: the second is judged as the first leaves it.
                message = messages.get(work.state.id, work.state)
                theirs = listed[AttemptRef(message_id=message.id, number=work.attempt.number)]
                change = found(
                    message, work.attempt, theirs, now=work.now, capabilities=capabilities, policy=self._policy
                )
                messages[message.id] = change.apply_to(message)
                changes.append(change)
            await apply_changes(connection, changes)


def _enter_theirs(ledger: Ledger, theirs: ProviderMessage, ours: OurAttempt | None, *, counts: bool) -> bool:
    """Enter one message that the provider lists; tell whether it is news of an attempt of unknown outcome."""
    differences = compare(theirs, ours)
    kinds = {each.kind for each in differences}
    is_ours = ours is not None and DifferenceKind.UNKNOWN_TO_US not in kinds
    if ours is not None and is_ours:
        ledger.see(ours.ref, ours.started_at)
    if counts:
        ledger.theirs.add(segments=theirs.segments, price=theirs.price)
        ledger.matched += is_ours
        for difference in differences:
            ledger.note(difference)
    return DifferenceKind.FOUND in kinds
