"""What to do about refusals around senders and limits."""

from __future__ import annotations

from typing import Final

from app.api.remedy import Remedy, one_field
from app.domain.errors import ErrorCode

OF_LIMITS: Final = {
    ErrorCode.SENDER_EXISTS: Remedy(
        cause="The account has this sender, or another account has the number. Names may be shared, numbers not.",
        remedy="Change the one that there is. `gateway senders list` shows whose it is.",
        example=one_field(
            ErrorCode.SENDER_EXISTS,
            "This sender is taken already. `gateway senders list` shows whose it is.",
            "/address",
            "sender-exists",
        ),
    ),
}
"""By their codes."""
