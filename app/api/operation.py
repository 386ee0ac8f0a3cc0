"""What is said of one operation beyond what its route tells the framework, and what many of them share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from app.domain.errors import ErrorCode


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation of the description."""

    answers: str
    """What a success means."""

    refusals: frozenset[ErrorCode]
    """With which codes it may refuse."""

    examples: dict[str, Any] = field(default_factory=dict)
    """Bodies of a success, by what they show."""

    headers: tuple[str, ...] = ()
    """Headers of a success, beside the request's id."""

    parameters: tuple[str, ...] = ()
    """Shared parameters that the route reads by itself, or that say more than its signature."""

    body: type[BaseModel] | None = None
    """The JSON document that it takes, where the route reads it by itself."""

    bodies: dict[str, Any] = field(default_factory=dict)
    """Bodies that it takes, by what they show."""

    needs_key: bool = False
    html: bool = False
    """Whether a success may also be a page for people."""


ANY: Final = frozenset({ErrorCode.BAD_REQUEST, ErrorCode.HEADERS_TOO_LARGE, ErrorCode.INTERNAL_ERROR})
WITH_KEY: Final = ANY | {
    ErrorCode.UNAUTHENTICATED,
    ErrorCode.FORBIDDEN,
    ErrorCode.RATE_LIMITED,
    ErrorCode.TEMPORARILY_UNAVAILABLE,
}
WITH_BODY: Final = frozenset({ErrorCode.REQUEST_TIMEOUT, ErrorCode.PAYLOAD_TOO_LARGE})
WITH_JSON: Final = WITH_BODY | {
    ErrorCode.INVALID_JSON,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.VALIDATION_FAILED,
}
LIMITS: Final = ("RateLimit", "RateLimit-Policy")
