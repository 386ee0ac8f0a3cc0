"""Foreign words made fit to keep: whatever a provider says, our own tables must be able to hold it.

Adapters pass on what they were told; here it is bounded, so that one odd answer can never stand in the
way of the others that are stored with it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from app.domain.evidence import Price, ProviderMessage
from app.domain.provider import (
    Accepted,
    Deferred,
    ProviderFailure,
    Rejected,
    SendOutcome,
    StatusReport,
    Unknown,
)

WORD_LENGTH: Final = 128
ID_LENGTH: Final = 255
_EARLIEST_YEAR: Final = 2000
_LATEST_YEAR: Final = 2100
_MOST_MONEY: Final = 1_000_000
_MOST_SEGMENTS: Final = 255
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)


def storable_outcome(outcome: SendOutcome) -> SendOutcome:
    """Give an outcome whose words can be stored."""
    match outcome:
        case Accepted(provider_message_id=given, provider_status=word):
            identifier, kept = _identifier(given), _word(word)
            if identifier is given and kept is word:
                return outcome
            return replace(outcome, provider_message_id=identifier, provider_status=kept)
        case Rejected() | Deferred() | Unknown():
            return replace(outcome, failure=_failure(outcome.failure))
        case _:
            assert_never(outcome)


def storable_report(said: StatusReport) -> StatusReport:
    """Give a report whose words can be stored; a time that cannot be meant is left out."""
    at = said.reported_at
    return replace(
        said,
        provider_status=_word(said.provider_status) or "",
        provider_code=_word(said.provider_code),
        provider_message_id=_identifier(said.provider_message_id),
        reported_at=at if at is not None and _is_meant(at) else None,
        price=_price(said.price),
        segments=_segments(said.segments),
    )


def storable_message(seen: ProviderMessage) -> ProviderMessage:
    """Give a provider's record of a message whose words and figures can be stored."""
    return replace(
        seen,
        provider_message_id=_identifier(seen.provider_message_id) or "",
        provider_status=_word(seen.provider_status) or "",
        provider_code=_word(seen.provider_code),
        price=_price(seen.price),
        segments=_segments(seen.segments),
    )


def _price(price: Price | None) -> Price | None:
    """Take a price that can be meant; a wrong one is no price."""
    if price is None or not price.amount.is_finite() or not 0 <= price.amount < _MOST_MONEY:
        return None
    return price if _CURRENCY.fullmatch(price.currency) else None


def _segments(segments: int | None) -> int | None:
    return segments if segments is not None and 0 < segments <= _MOST_SEGMENTS else None


def _failure(failure: ProviderFailure) -> ProviderFailure:
    return replace(
        failure,
        provider_status=_word(failure.provider_status),
        provider_code=_word(failure.provider_code),
    )


def _word(text: str | None) -> str | None:
    """Cut a word to a length worth keeping, without what Postgres or a log line cannot hold."""
    if text is None or (len(text) <= WORD_LENGTH and text.isprintable()):
        return text
    return "".join(character for character in text if character.isprintable())[:WORD_LENGTH]


def _identifier(text: str | None) -> str | None:
    """Take an id whole or not at all: one that was changed would find nothing, or something else."""
    if not text or len(text) > ID_LENGTH or not text.isprintable():
        return None
    return text


def _is_meant(moment: datetime) -> bool:
    # Compared without converting: a zone can push a moment of year 1 or 9999 out of what exists.
    return _EARLIEST_YEAR <= moment.year <= _LATEST_YEAR
