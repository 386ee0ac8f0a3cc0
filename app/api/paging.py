"""Lists: which filters they take, and cursors that fit one list only."""

from __future__ import annotations

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from app.api.schemas import Line
from app.domain.errors import ErrorCode, FieldError, Refusal
from app.domain.status import Direction, MessageStatus
from app.store.messages import MessageFilter

MAX_LIMIT: Final = 200
_ID_BYTES: Final = 16
_CHECK_BYTES: Final = 8


def _restore_plus(value: str) -> str:
    """Undo what `?to=+1555…` becomes in a query: an unescaped plus is a space there."""
    return f"+{value[1:]}" if value.startswith(" ") else value


Address = Annotated[Line, Field(max_length=64), AfterValidator(_restore_plus)]


class ListQuery(BaseModel):
    """The query of a list of messages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipient: Address | None = Field(default=None, alias="to")
    sender: Address | None = Field(default=None, alias="from")
    status: MessageStatus | None = None
    direction: Direction | None = None
    client_reference: Line | None = Field(default=None, max_length=128)
    provider: Line | None = Field(default=None, max_length=64)
    error_code: Line | None = Field(default=None, max_length=64)
    created_after: AwareDatetime | None = Field(default=None, description="At or after this moment.")
    created_before: AwareDatetime | None = Field(default=None, description="Before this moment.")
    account: UUID | None = Field(default=None, description="Only for keys with the scope ops:read.")
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, max_length=64, description="`next_cursor` of the page before.")

    def filter_for(self, account_id: UUID | None) -> MessageFilter:
        """Bind the filters to what the caller may read."""
        return MessageFilter(
            account_id=account_id,
            recipient=self.recipient,
            sender=self.sender,
            status=self.status,
            direction=self.direction,
            client_reference=self.client_reference,
            provider=self.provider,
            error_code=self.error_code,
            created_after=self.created_after,
            created_before=self.created_before,
        )


def write_cursor(last: UUID, wanted: MessageFilter) -> str:
    """Write where the next page begins, with a check of the filters that it belongs to."""
    return urlsafe_b64encode(last.bytes + _check(last, wanted)).decode().rstrip("=")


def read_cursor(cursor: str | None, wanted: MessageFilter) -> UUID | None:
    """Read a cursor; raises `invalid-cursor` for one that was not written for these filters."""
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error
    if len(raw) != _ID_BYTES + _CHECK_BYTES:
        raise _invalid()
    last = UUID(bytes=raw[:_ID_BYTES])
    if raw[_ID_BYTES:] != _check(last, wanted):
        raise _invalid()
    return last


def _check(last: UUID, wanted: MessageFilter) -> bytes:
    """Catch mistakes, not attacks: a forged cursor reads nothing that its key could not list anyway."""
    text = repr((last, sorted((name, str(value)) for name, value in asdict(wanted).items())))
    return hashlib.sha256(text.encode()).digest()[:_CHECK_BYTES]


def _invalid() -> Refusal:
    detail = "This cursor belongs to another list. Keep all filters as they were, or begin without a cursor."
    return Refusal(
        ErrorCode.INVALID_CURSOR,
        detail,
        errors=(FieldError(pointer="cursor", code="invalid-cursor", detail=detail),),
    )
