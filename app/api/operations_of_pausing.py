"""What the operations that pause and resume take and answer."""

from __future__ import annotations

from typing import Final

from app.api.operation import LIMITS, WITH_KEY, Operation
from app.domain.errors import ErrorCode

_PAUSED: Final = {"paused": True, "paused_at": "2026-11-22T19:16:43.368000Z"}
_RESUMED: Final = {"paused": False, "paused_at": None}
_PARAMETERS: Final = {"sender": ("SenderId",), "account": ("AccountId",), "provider": ("Provider",)}

OF_PAUSING: Final[dict[str, Operation]] = {
    f"{verb}_{kind}": Operation(
        answers="It is paused." if verb == "pause" else "It goes on.",
        refusals=WITH_KEY | {ErrorCode.NOT_FOUND},
        examples={"paused": _PAUSED} if verb == "pause" else {"resumed": _RESUMED},
        headers=LIMITS,
        parameters=parameters,
        needs_key=True,
    )
    for kind, parameters in _PARAMETERS.items()
    for verb in ("pause", "resume")
}
"""By their ids."""
