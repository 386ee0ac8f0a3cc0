"""How much of its share a provider account is given after its circuit was open: little at first, then more and more.

A pool's choice multiplies each member's weight by the health of its provider. So a provider that is back does not get
all of its recipients in the same moment, which would be the next burst on the next dead provider.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

LOWEST: Final = 1 / 64
"""As low as health falls: from there it is back within six minutes."""

_DOUBLES_SECONDS: Final = 60.0


def halved(health: float) -> float:
    """Give the health of a provider whose circuit opens, from what it was at that moment."""
    return max(LOWEST, health / 2)


def health_now(
    health: float, health_at: datetime, now: datetime, *, closed: bool = True, trial_due: bool = False
) -> float:
    """Give what a health that was `health` at `health_at` is by now, from 0 to 1.

    It doubles every minute, continuously, while the circuit is closed; `health_at` is when it closed. While it is not
    closed there is none, so that nothing is chosen that goes through it unless nothing else is left; but where a trial
    is due somebody's message has to be it, or an account that only pools send through would never be tried again.
    """
    if not closed:
        return health if trial_due else 0.0
    minutes = max(0.0, (now - health_at).total_seconds()) / _DOUBLES_SECONDS
    # From anywhere 1 is passed long before the power of two grows too large for a float.
    return min(1.0, health * 2 ** min(minutes, 64.0))
