"""Reading messages and attempts as the decisions take them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row

from app.domain.delivery_errors import DeliveryError
from app.domain.message import AttemptPhase, AttemptState, DeliveryGuarantee, MessageState
from app.domain.status import MessageStatus

STATE: Final = """
    m.id, m.status, m.event_sequence, m.attempts, m.delivery_guarantee, m.possible_duplicate, m.expires_at,
    m.error_code, m.price IS NOT NULL AS priced, m.provider AS message_provider, now() AS now
"""
"""What is selected of a message `m`, for `message_state`, with the database's time."""

ATTEMPT: Final = """
    a.no, a.phase, a.provider AS attempt_provider, a.fence, a.provider_message_id, a.started_at, a.inquiries,
    a.resent_at, a.resending, a.absent_since
"""
"""What is selected of an attempt `a`, for `attempt_state`."""


def message_state(row: Row[Any]) -> MessageState:
    """Read a message; raises `ValueError` for a word that this code does not know."""
    return MessageState(
        id=row.id,
        status=MessageStatus(row.status),
        sequence=row.event_sequence,
        attempts=row.attempts,
        delivery_guarantee=DeliveryGuarantee(row.delivery_guarantee),
        possible_duplicate=row.possible_duplicate,
        expires_at=row.expires_at,
        error=DeliveryError(row.error_code) if row.error_code else None,
        priced=row.priced,
    )


def attempt_state(row: Row[Any]) -> AttemptState:
    """Read an attempt; raises `ValueError` as above."""
    return AttemptState(
        number=row.no,
        phase=AttemptPhase(row.phase),
        provider=row.attempt_provider,
        fence=row.fence,
        provider_message_id=row.provider_message_id,
        started_at=row.started_at,
        inquiries=row.inquiries,
        resent_at=row.resent_at,
        resending=row.resending,
        absent_since=row.absent_since,
    )
