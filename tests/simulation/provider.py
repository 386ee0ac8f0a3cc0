"""A provider that keeps the properties which its kind declares, and goes wrong in every other way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final
from uuid import UUID

from app.domain.delivery_errors import DeliveryError
from app.domain.evidence import (
    Absent,
    ByRecipient,
    ByReference,
    FetchAnswer,
    NoAnswer,
    Price,
    ProviderMessage,
    SearchAnswer,
    SearchPage,
)
from app.domain.provider import Accepted, Deferred, ProviderFailure, Rejected, SendOutcome, StatusReport, Unknown
from app.domain.references import AttemptRef
from app.domain.status import MessageStatus
from tests.simulation.faults import Chances, Fault
from tests.simulation.reports import Life, reports_of
from tests.simulation.scenario import SEND_DEADLINE, SENDER, Kind, Scenario, Text
from tests.simulation.timeline import Timeline, moment

_PRICE: Final = Price(amount=Decimal("0.0075"), currency="USD")
_LOST: Final = Unknown(failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN, provider_code="cut"))
_ERROR: Final = Unknown(failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN, provider_code="500"))
_UNREACHED: Final = Deferred(failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code="refused"))
_REFUSED: Final = Rejected(failure=ProviderFailure(error=DeliveryError.LANDLINE, provider_code="30006"))


@dataclass(kw_only=True)
class Exchange:
    """One request: how long until its caller knows, and what it then knows."""

    wait: float
    outcome: SendOutcome


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that left for the provider."""

    ref: AttemptRef
    left_at: float


@dataclass(frozen=True, kw_only=True)
class Copy:
    """One text that the provider took, and so sends."""

    provider_id: str
    ref: AttemptRef
    recipient: str
    body: str
    taken_at: float
    visible_at: float
    """From when on searches show it."""

    life: tuple[Life, ...]
    """What becomes of it, whether or not anybody is told."""

    priced_at: float
    """From when on its record says what it costs."""


class Provider:
    """One upstream account. `hear` is given every status webhook that arrives."""

    def __init__(
        self, scenario: Scenario, timeline: Timeline, chances: Chances, hear: Callable[[StatusReport], None]
    ) -> None:
        self.requests: list[Request] = []
        self.copies: list[Copy] = []
        self._scenario = scenario
        self._timeline = timeline
        self._chances = chances
        self._hear = hear
        self._texts: dict[UUID, Text] = {text.state.id: text for text in scenario.texts}
        self._keys: dict[AttemptRef, Copy] = {}

    def submit(self, ref: AttemptRef) -> Exchange:
        """Send a request on its way; what comes of it is known after the wait."""
        chances = self._chances
        if chances.strikes(Fault.NOT_CONNECTED):
            return Exchange(wait=chances.between(0, 5), outcome=_UNREACHED)
        self.requests.append(Request(ref=ref, left_at=self._timeline.seconds))
        if chances.strikes(Fault.CUT_BEFORE):
            return Exchange(wait=chances.between(0, SEND_DEADLINE), outcome=_LOST)
        refusal = self._refusal(ref)
        if refusal is not None:
            return Exchange(wait=chances.between(0, 2), outcome=refusal)
        late = chances.strikes(Fault.SLOW)
        travel = chances.between(1, SEND_DEADLINE - 1) if late else chances.between(0, 0.5)
        exchange = Exchange(wait=travel + chances.between(0, 1), outcome=_LOST)
        answers = False
        if chances.strikes(Fault.NO_ANSWER) or (late and chances.random.random() < 0.5):
            exchange.wait = chances.between(0, SEND_DEADLINE)
        elif chances.strikes(Fault.ERROR_AFTER):
            exchange.outcome = _ERROR
        else:
            answers = True
        self._timeline.after(travel, lambda: self._arrive(ref, exchange, answers=answers))
        return exchange

    def search(self, query: ByReference | ByRecipient) -> SearchAnswer:
        """Answer from the records as they show themselves now."""
        if self._chances.strikes(Fault.SEARCH_FAILED):
            return NoAnswer(reason="HTTP 500", retry_after_seconds=self._asked_wait())
        found = [copy for copy in self.copies if self._matches(copy, query)]
        shown = [copy for copy in found if copy.visible_at <= self._timeline.seconds]
        self._chances.counts[Fault.INDEXED_LATE] += len(found) - len(shown)
        return SearchPage(messages=tuple(self._record(copy) for copy in shown))

    def fetch(self, provider_id: str) -> FetchAnswer:
        """Show one message as it stands now."""
        if self._chances.strikes(Fault.FETCH_FAILED):
            return NoAnswer(reason="HTTP 500", retry_after_seconds=self._asked_wait())
        if self._chances.strikes(Fault.RECORD_GONE):
            return Absent()
        [copy] = [copy for copy in self.copies if copy.provider_id == provider_id]
        return self._record(copy)

    def _refusal(self, ref: AttemptRef) -> SendOutcome | None:
        chances = self._chances
        if chances.strikes(Fault.THROTTLED):
            failure = ProviderFailure(error=DeliveryError.RATE_LIMITED)
            return Deferred(failure=failure, retry_after_seconds=self._asked_wait())
        if chances.strikes(Fault.BUSY):
            failure = ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code="503")
            return Deferred(failure=failure, retry_after_seconds=self._asked_wait())
        if chances.strikes(Fault.ERROR_BEFORE):
            return _ERROR
        if chances.strikes(Fault.ACCOUNT_REFUSED):
            error = chances.random.choice((DeliveryError.PROVIDER_CREDENTIALS, DeliveryError.PROVIDER_BALANCE))
            return Rejected(failure=ProviderFailure(error=error))
        if self._texts[ref.message_id].refused:
            chances.counts[Fault.REFUSED] += 1
            return _REFUSED
        return None

    def _asked_wait(self) -> float | None:
        return self._chances.random.choice((None, 0.0, 5.0, 90.0, 1e9))

    def _arrive(self, ref: AttemptRef, exchange: Exchange, *, answers: bool) -> None:
        copy = self._keys.get(ref)
        window = self._scenario.capabilities.idempotency_window
        if copy is None or window is None or self._timeline.seconds >= copy.taken_at + window.total_seconds():
            copy = self._take(ref, known_at=exchange.wait if answers else SEND_DEADLINE)
        if answers:
            named = copy.provider_id if self._scenario.names_ids else None
            exchange.outcome = Accepted(provider_message_id=named, provider_status="queued")

    def _take(self, ref: AttemptRef, *, known_at: float) -> Copy:
        chances, now, text = self._chances, self._timeline.seconds, self._texts[ref.message_id]
        # Only a late index is a fault; most show a message at once.
        late = chances.between(0, 1) if chances.strikes(Fault.INDEXED_LATE) else 0
        changed = chances.strikes(Fault.TEXT_CHANGED)
        provider_id = f"p-{len(self.copies) + 1}"
        token = ref if self._scenario.capabilities.message_status_url else None
        life = reports_of(provider_id, token, taken_at=now, known_at=now + known_at, chances=chances)
        copy = Copy(
            provider_id=provider_id,
            ref=ref,
            recipient=text.recipient,
            body=f"{text.body} Reply STOP to end" if changed else text.body,
            taken_at=now,
            visible_at=now + late * self._scenario.capabilities.search_lag.total_seconds(),
            life=life,
            priced_at=life[-1].at + (chances.between(0, 1e6) if chances.strikes(Fault.PRICED_LATE) else 0),
        )
        self.copies.append(copy)
        self._keys[ref] = copy
        if token is not None or self._scenario.kind is not Kind.WEBHOOK:
            for each in life:
                for arrives_at in each.arrivals:
                    self._timeline.at(arrives_at, partial(self._hear, each.report))
        return copy

    def _matches(self, copy: Copy, query: ByReference | ByRecipient) -> bool:
        if isinstance(query, ByReference):
            return copy.ref == query.attempt
        by_their_clock = self._their_clock(copy.taken_at)
        return copy.recipient == query.recipient and query.since <= by_their_clock <= query.until

    def _record(self, copy: Copy) -> ProviderMessage:
        keeps_reference = self._scenario.capabilities.reference_search
        known = [each.report for each in copy.life if each.at <= self._timeline.seconds]
        status = known[-1].status if known else MessageStatus.QUEUED
        return ProviderMessage(
            provider_message_id=copy.provider_id,
            provider_status=status,
            status=status,
            attempt=copy.ref if keeps_reference else None,
            sender=SENDER,
            recipient=copy.recipient,
            body=copy.body,
            taken_at=self._their_clock(copy.taken_at),
            price=_PRICE if copy.priced_at <= self._timeline.seconds else None,
        )

    def _their_clock(self, seconds: float) -> datetime:
        return moment(seconds + self._scenario.clock_apart)
