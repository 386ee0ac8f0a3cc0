"""What the operation on queues takes and answers."""

from __future__ import annotations

from typing import Any, Final

from app.api.operation import LIMITS, WITH_KEY, Operation
from app.domain.errors import ErrorCode

_NOTHING: Final = {"messages": 0, "segments": 0}
_QUEUE: Final[dict[str, Any]] = {
    "id": "01a204b3-5d11-7a1d-8c52-9a6f0c2b7e14",
    "sender": "+12025550100",
    "account": "01a204b3-426e-7a1d-b5a3-147c6253cbc2",
    "provider": "sandbox",
    "waiting": {"otp": _NOTHING, "transactional": {"messages": 120, "segments": 134}, "bulk": _NOTHING},
    "later": {"messages": 3, "segments": 3},
    "oldest_seconds": 12.4,
    "rate": 5.0,
    "burst": 5,
    "actual_rate": 4.98,
    "drain_seconds": 26.8,
    "paused_by": [],
    "not_before": None,
    "circuit": "closed",
}

OF_QUEUES: Final[dict[str, Operation]] = {
    "list_queues": Operation(
        answers="One page, as the queues were at `as_of`.",
        refusals=WITH_KEY | {ErrorCode.INVALID_CURSOR, ErrorCode.VALIDATION_FAILED},
        examples={
            "one sender": {
                "as_of": "2026-11-22T19:16:43.368000Z",
                "data": [_QUEUE],
                "next_cursor": None,
                "has_more": False,
            }
        },
        headers=("Link", *LIMITS),
        needs_key=True,
    )
}
"""By its id."""
