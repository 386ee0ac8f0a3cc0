"""Which question about an attempt of unknown outcome comes next, and when: the cheapest that its provider offers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from app.domain.evidence import ProviderMessage
from app.domain.message import AttemptState, DeliveryGuarantee, MessageState
from app.domain.provider import Capabilities, SendRequest
from app.domain.references import AttemptRef
from app.domain.status import RANKS

_WINDOW_MARGIN: Final = timedelta(seconds=15)
"""The last resend has arrived this long before its key ends: the provider's clock decides when that is."""

_MOST_DOUBLINGS: Final = 20
"""Of the wait between questions; far beyond any that is kept."""

_CLOCKS_APART: Final = timedelta(seconds=60)
"""How far a provider's clock may be from the database's."""


class Inquiry(StrEnum):
    """One way to learn what became of an attempt."""

    RESEND = "resend"
    """The same request once more under the same idempotency key: taken before or not, it is taken once."""

    REFERENCE = "reference"
    """Search the provider's records for our reference."""

    RECIPIENT = "recipient"
    """Search the provider's records for the same text between the same numbers at that time."""


@dataclass(frozen=True, kw_only=True)
class InquiryPolicy:
    """The times that inquiries keep."""

    delays_seconds: tuple[float, ...] = (2, 15, 60, 60, 120, 300)
    """The wait before each inquiry, as long as none of them tells."""

    longest_delay_seconds: float = 900
    """An `at_least_once` message is asked about until it is stale: each further wait is twice the one before, up to
    this."""

    on_its_way: timedelta = timedelta(seconds=45)
    """How long after its intent was written an attempt's request may still be on its way: as long as the lease, for
    a worker may come to it late, and begins it as long as a whole call still ends within the lease."""

    sightings_apart: timedelta = timedelta(seconds=30)
    """How long after the first the second look must come that does not find it."""

    resends: int = 4
    """How many inquiries are resends before searching begins, where a provider offers both."""

    crashes: int = 3
    """After so many workers that died over it a message is not resent."""


def next_inquiry(
    message: MessageState,
    attempt: AttemptState,
    capabilities: Capabilities,
    *,
    now: datetime,
    crashes: int,
    policy: InquiryPolicy,
) -> Inquiry | None:
    """Choose how to ask now; None where nothing is left to ask, so that the message's guarantee decides.

    A resend is a send: nothing stale is resent, and nothing that kills workers.
    """
    worth_sending = now < message.expires_at
    # An absence that was seen once gets its second look, or the first would have been for nothing.
    due = len(policy.delays_seconds) + (attempt.absent_since is not None)
    if attempt.inquiries >= due and not _insists(message, policy, now=now):
        return None
    search = _search(capabilities)
    window = capabilities.idempotency_window
    may_resend = window is not None and attempt.started_at is not None and worth_sending and crashes < policy.crashes
    if may_resend and window is not None and attempt.started_at is not None:
        in_window = now < attempt.started_at + window - policy.on_its_way - _WINDOW_MARGIN
        if in_window and (search is None or attempt.inquiries < policy.resends):
            return Inquiry.RESEND
    return search


def can_be_asked(capabilities: Capabilities) -> bool:
    """Whether this provider offers any way to learn what became of an attempt."""
    return capabilities.idempotency_window is not None or _search(capabilities) is not None


def next_look(
    message: MessageState, attempt: AttemptState, *, now: datetime, evidence_wait: timedelta, policy: InquiryPolicy
) -> datetime:
    """Say when to ask next after an inquiry that did not tell, or when the guarantee decides after the last one."""
    delays = policy.delays_seconds
    if attempt.inquiries < len(delays):
        return now + timedelta(seconds=delays[attempt.inquiries])
    if not _insists(message, policy, now=now):
        return max(now, waits_until(attempt, evidence_wait) or now)
    doublings = min(attempt.inquiries - len(delays) + 1, _MOST_DOUBLINGS)
    wait = max(delays[-1], min(max(delays[-1], 1) * 2**doublings, policy.longest_delay_seconds))
    return min(now + timedelta(seconds=wait), message.expires_at)


def waits_until(attempt: AttemptState, evidence_wait: timedelta) -> datetime | None:
    """Say until when a report of what may have left is waited for; None if nobody knows when it left."""
    last_sent_at = attempt.resent_at or attempt.started_at
    return None if last_sent_at is None else last_sent_at + evidence_wait


def _insists(message: MessageState, policy: InquiryPolicy, *, now: datetime) -> bool:
    """Whether to go on asking: it is to be sent at least once, and is never sent anew only because nobody answers."""
    at_least_once = message.delivery_guarantee is DeliveryGuarantee.AT_LEAST_ONCE
    return at_least_once and now < message.expires_at and bool(policy.delays_seconds)


def counts_from(attempt: AttemptState, capabilities: Capabilities, policy: InquiryPolicy) -> datetime | None:
    """Say from when on it counts that the provider's records do not show an attempt; None if nobody knows."""
    if attempt.started_at is None:
        return None
    last_sent_at = attempt.resent_at or attempt.started_at
    return last_sent_at + policy.on_its_way + capabilities.search_lag


class Sighting(StrEnum):
    """What a search amounts to where it did not find the one message."""

    NOTHING = "nothing"
    """The records show nothing that could be this attempt."""

    UNCLEAR = "unclear"
    """They show something that might be, or might not."""


def judge(
    found: Sequence[ProviderMessage],
    inquiry: Inquiry,
    ref: AttemptRef,
    attempt: AttemptState,
    send: SendRequest,
    *,
    bound: Collection[str],
    rivals: Collection[AttemptState],
    policy: InquiryPolicy,
) -> ProviderMessage | Sighting:
    """Say which of the messages found is this attempt; `bound` are provider ids that belong to other attempts.

    Our reference proves it. Without one, sender, recipient and text must be the same and the time at which it was
    taken must fall into the attempt's, and there must be only one such message; others beside it are other messages.
    Nor may it be that of a rival, an attempt of another message with the same text between the same numbers of which
    no provider id is known: its own answer or report may yet name this one. Where all that is there differs, it is
    unclear, not nothing: a provider may have changed the text, and nothing would mean another send.
    """
    referred = [message for message in found if message.attempt == ref]
    if referred:
        return max(referred, key=lambda message: -1 if message.status is None else RANKS[message.status])
    if inquiry is Inquiry.REFERENCE:
        return Sighting.NOTHING
    free = [m for m in found if m.provider_message_id not in bound and _may_be(m, attempt, send, policy)]
    equal = [m for m in free if (m.sender, m.body) == (send.sender, send.body) and m.taken_at is not None]
    if len(equal) == 1 and not any(_in_time(equal[0], rival, policy) for rival in rivals):
        return equal[0]
    return Sighting.UNCLEAR if free else Sighting.NOTHING


def search_span(attempt: AttemptState, policy: InquiryPolicy) -> tuple[datetime, datetime] | None:
    """Give the span of time in which a provider has taken an attempt, if it has; None if nobody knows."""
    if attempt.started_at is None:
        return None
    latest = attempt.resent_at or attempt.started_at
    return attempt.started_at - _CLOCKS_APART, latest + policy.on_its_way + _CLOCKS_APART


def _may_be(message: ProviderMessage, attempt: AttemptState, send: SendRequest, policy: InquiryPolicy) -> bool:
    if message.attempt is not None or message.recipient not in {None, send.recipient}:
        return False
    return _in_time(message, attempt, policy)


def _in_time(message: ProviderMessage, attempt: AttemptState, policy: InquiryPolicy) -> bool:
    span = search_span(attempt, policy)
    return span is None or message.taken_at is None or span[0] <= message.taken_at <= span[1]


def _search(capabilities: Capabilities) -> Inquiry | None:
    if capabilities.reference_search:
        return Inquiry.REFERENCE
    return Inquiry.RECIPIENT if capabilities.recipient_search else None
