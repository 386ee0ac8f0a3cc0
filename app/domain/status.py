"""The status of a message: its states, which command may follow which state, and the reports' ranks.

Commands are ours, and an illegal one is a bug that raises. Reports are the provider's: they come
late, doubled and out of order, and never raise; only their rank decides, so the final status does
not depend on the order of arrival.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class MessageStatus(StrEnum):
    """Where a message stands."""

    SCHEDULED = "scheduled"
    """Accepted, to be sent at its `send_at`."""

    HELD = "held"
    """Accepted, but kept back until somebody or some rule lets it go."""

    QUEUED = "queued"
    """Waiting for a worker, for the first time or for a retry."""

    SENDING = "sending"
    """A worker has written its intent; the provider may or may not have it."""

    UNCONFIRMED = "unconfirmed"
    """Nobody could tell whether the provider took it, and it was not sent again. Final unless late evidence comes."""

    SENT = "sent"
    """The provider has it; the handset is not yet known to."""

    EXPIRED = "expired"
    """Not sent within its validity."""

    FAILED = "failed"
    """Refused for good, by the provider or by us. Final unless a report contradicts it, or poison is redriven."""

    UNDELIVERED = "undelivered"
    """The carrier could not deliver it."""

    DELIVERED = "delivered"
    """On the handset."""

    CANCELED = "canceled"
    """Withdrawn by its account while it waited; it was not sent."""

    RECEIVED = "received"
    """An inbound message."""


class Direction(StrEnum):
    """Which way a message goes."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


FINAL: Final = frozenset(
    {
        MessageStatus.UNCONFIRMED,
        MessageStatus.EXPIRED,
        MessageStatus.FAILED,
        MessageStatus.UNDELIVERED,
        MessageStatus.DELIVERED,
        MessageStatus.CANCELED,
        MessageStatus.RECEIVED,
    }
)
"""Statuses in which we do nothing more by ourselves; late evidence may still raise some of them."""

COMMANDS: Final[dict[MessageStatus, frozenset[MessageStatus]]] = {
    MessageStatus.SCHEDULED: frozenset(
        {MessageStatus.QUEUED, MessageStatus.HELD, MessageStatus.CANCELED, MessageStatus.EXPIRED}
    ),
    MessageStatus.QUEUED: frozenset(
        {
            MessageStatus.SENDING,
            MessageStatus.HELD,
            MessageStatus.FAILED,
            MessageStatus.EXPIRED,
            MessageStatus.CANCELED,
            # A second copy that never left says nothing about the first.
            MessageStatus.UNCONFIRMED,
        }
    ),
    MessageStatus.HELD: frozenset(
        {
            MessageStatus.QUEUED,
            MessageStatus.FAILED,
            MessageStatus.EXPIRED,
            MessageStatus.CANCELED,
            # As for a queued one.
            MessageStatus.UNCONFIRMED,
        }
    ),
    MessageStatus.SENDING: frozenset(
        {
            MessageStatus.QUEUED,
            MessageStatus.SENT,
            MessageStatus.FAILED,
            MessageStatus.EXPIRED,
            MessageStatus.UNCONFIRMED,
        }
    ),
    # Only for what was set aside as poison, when an operator redrives it; `waiting.redrive` sees to that.
    MessageStatus.FAILED: frozenset({MessageStatus.QUEUED}),
}
"""What we may do to a message in each status; a status that is missing takes no command."""

RANKS: Final[dict[MessageStatus, int]] = {
    MessageStatus.SCHEDULED: 0,
    MessageStatus.HELD: 0,
    MessageStatus.QUEUED: 0,
    MessageStatus.SENDING: 1,
    MessageStatus.UNCONFIRMED: 2,
    MessageStatus.SENT: 3,
    MessageStatus.EXPIRED: 4,
    MessageStatus.FAILED: 5,
    MessageStatus.UNDELIVERED: 6,
    MessageStatus.DELIVERED: 7,
}
"""A report applies when its rank is higher than the message's; canceled and received take no report."""


class IllegalTransition(Exception):
    """A command was given that the message's status does not allow: a bug of ours."""

    def __init__(self, before: MessageStatus, after: MessageStatus) -> None:
        """Name both statuses; neither is personal data."""
        super().__init__(f"{before} -> {after} is not a legal command")


def require_command(before: MessageStatus, after: MessageStatus) -> None:
    """Raise `IllegalTransition` unless a command may lead from `before` to `after`."""
    if after not in COMMANDS.get(before, frozenset()):
        raise IllegalTransition(before, after)


def outranks(report: MessageStatus, current: MessageStatus) -> bool:
    """Whether a report raises a message that stands at `current`."""
    return current in RANKS and RANKS[report] > RANKS[current]


def is_legal_step(before: MessageStatus, after: MessageStatus) -> bool:
    """Whether any command or any report may lead from `before` to `after` (for checkers)."""
    return after in COMMANDS.get(before, frozenset()) or (after in RANKS and outranks(after, before))
