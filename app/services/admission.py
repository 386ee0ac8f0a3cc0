"""What a message must be to be accepted, as far as it can be told without looking anything up.

What is refused here is looked up under its idempotency key afterwards: what was accepted once is answered again,
whatever has passed since.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from app.domain.encoding import Segmentation, segment
from app.domain.errors import ErrorCode, FieldError, Refusal
from app.domain.phone import NumberProblem, RecipientRefused, check_recipient
from app.domain.schedule import check_expires_at, check_send_at
from app.domain.sender import SenderRefused, check_sender

_RECIPIENT_REMEDIES: Final[dict[NumberProblem, str]] = {
    NumberProblem.NOT_E164: "Write `to` in E.164: a plus, the country code and the number, digits only.",
    NumberProblem.NOT_POSSIBLE: "`to` is too long or too short for its country.",
    NumberProblem.NOT_VALID: "`to` is not a number that its country assigns. Test keys also take fictional numbers.",
    NumberProblem.UNKNOWN_COUNTRY_CODE: "`to` begins with a country code that does not exist.",
}


def require_timely(*, send_at: datetime | None, expires_at: datetime | None) -> None:
    """Raise `validation-failed` for moments that have passed or are too far away."""
    if send_at is None and expires_at is None:
        return
    now = datetime.now(UTC)
    objections = {
        "/send_at": check_send_at(send_at, now=now) if send_at else None,
        "/expires_at": check_expires_at(expires_at, send_at=send_at, now=now) if expires_at else None,
    }
    errors = tuple(
        FieldError(pointer=pointer, code=objection.code, detail=objection.detail)
        for pointer, objection in objections.items()
        if objection is not None
    )
    if errors:
        raise Refusal(ErrorCode.VALIDATION_FAILED, " ".join(error.detail for error in errors), errors=errors)


def recipient_of(text: str, *, test: bool) -> str:
    """Give a recipient in E.164; raises `recipient-invalid` or `destination-not-allowed`."""
    checked = check_recipient(text, fictional_allowed=test)
    if not isinstance(checked, RecipientRefused):
        return checked.e164
    if checked.problem is NumberProblem.DESTINATION_NOT_ALLOWED:
        detail = "Premium, shared-cost, satellite and service numbers are not texted."
        error = FieldError(pointer="/to", code=checked.problem, detail=detail)
        raise Refusal(ErrorCode.DESTINATION_NOT_ALLOWED, detail, errors=(error,))
    detail = _RECIPIENT_REMEDIES[checked.problem]
    if checked.suggestion:
        detail += f" Did you mean {checked.suggestion}?"
    error = FieldError(pointer="/to", code=checked.problem, detail=detail, suggestion=checked.suggestion)
    raise Refusal(ErrorCode.RECIPIENT_INVALID, detail, errors=(error,))


def sender_of(text: str) -> str:
    """Give a sender as it is registered; raises `validation-failed` for what cannot be one."""
    checked = check_sender(text)
    if not isinstance(checked, SenderRefused):
        return checked.address
    detail = (
        "`from` must be a number in E.164, a short code of 3 to 8 digits, "
        "or an alphanumeric id of at most 11 characters with a letter in it."
    )
    error = FieldError(pointer="/from", code="not-a-sender", detail=detail)
    raise Refusal(ErrorCode.VALIDATION_FAILED, detail, errors=(error,))


def segments_of(body: str, *, at_most: int) -> Segmentation:
    """Count a text's segments; raises `message-too-long` beyond `at_most`."""
    segmentation = segment(body)
    if segmentation.segments <= at_most:
        return segmentation
    detail = (
        f"The text takes {segmentation.segments} segments in {segmentation.encoding}, and {at_most} "
        "are allowed. Shorten it, or raise `max_segments` (at most 10)."
    )
    error = FieldError(pointer="/body", code="too-many-segments", detail=detail)
    raise Refusal(ErrorCode.MESSAGE_TOO_LONG, detail, errors=(error,))
