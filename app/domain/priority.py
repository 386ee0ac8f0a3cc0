"""What goes first: each message has one of three priorities."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Priority(StrEnum):
    """How urgent a message is. A lane sends what is more urgent first, whatever waits behind it."""

    OTP = "otp"
    """One-time codes and what else somebody waits for with the telephone in the hand. Part of each worker is kept free
    for it."""

    TRANSACTIONAL = "transactional"
    """What follows from something that the recipient did. The default."""

    BULK = "bulk"
    """Campaigns, and whatever may wait."""

    @property
    def rank(self) -> int:
        """As it is stored, and in whose order messages go: 0 is the most urgent."""
        return _RANKS[self]


_RANKS: Final = {Priority.OTP: 0, Priority.TRANSACTIONAL: 1, Priority.BULK: 2}
PRIORITIES: Final = (Priority.OTP, Priority.TRANSACTIONAL, Priority.BULK)
"""By rank."""
