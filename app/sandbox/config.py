"""What the sandbox is told when it is made: its credentials, its pace and its bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

RETRY_WAITS_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Quick, then slower, for about 60 seconds in all, as providers do."""


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """One sandbox. The two secrets stay out of the repr."""

    api_key: str
    api_secret: str = field(repr=False)
    webhook_secret: str = field(repr=False)

    pace: float = 1.0
    """Multiplies every latency of the carriers and of the scenarios; 0 is as fast as possible."""

    webhook_retry_waits_seconds: tuple[float, ...] = RETRY_WAITS_SECONDS
    """The wait before each further try of a webhook that was not answered with a 2xx; not multiplied by the pace."""

    webhook_deadline_seconds: float = 10.0
    """How long one try of a webhook may take."""

    webhooks_in_flight: int = 64
    """Webhooks being posted at once; the others wait."""

    hold_seconds: float = 60.0
    """The longest that the time-out scenarios keep an answer back, should the client not give up first."""

    max_submissions: int = 200_000
    """Submissions kept in memory. The oldest go first, and with them their part of the inbox and of the counts."""

    max_unreported: int = 50_000
    """Messages with reports still to post; beyond it a submission is refused with 429, so memory stays bounded."""
