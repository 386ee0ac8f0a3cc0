"""What stands behind one refusal: what happened, what to do, and an example, in words for newcomers."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.errors import ErrorCode, FieldError, Refusal


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What a caller needs to know of one refusal."""

    cause: str
    """What happened."""

    remedy: str
    """What to do about it."""

    example: Refusal


def one_field(code: ErrorCode, detail: str, pointer: str, field_code: str, suggestion: str | None = None) -> Refusal:
    """Make a refusal of one field, whose own sentence is the whole's."""
    error = FieldError(pointer=pointer, code=field_code, detail=detail, suggestion=suggestion)
    return Refusal(code, detail, errors=(error,))
