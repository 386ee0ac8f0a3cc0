"""Lists: which filters they take, and cursors that fit one list only."""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict
from typing import Annotated, Final, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.api.moments import Moment
from app.api.texts import Line
from app.domain.errors import ErrorCode, FieldError, Refusal
from app.domain.figures import LaneFilter
from app.domain.priority import Priority
from app.domain.status import Direction, MessageStatus
from app.store.accounts import AccountFilter
from app.store.audits import DayRange
from app.store.messages import MessageFilter
from app.store.senders import SenderFilter

MAX_LIMIT: Final = 200
_ID_BYTES: Final = 16
_CHECK_BYTES: Final = 8
_SPACED_ZONE: Final = re.compile(r" (\d\d:\d\d)$", re.ASCII)


def _restore_plus(value: str) -> str:
    """Undo what `?to=+1555…` becomes in a query: an unescaped plus is a space there."""
    return f"+{value[1:]}" if value.startswith(" ") else value


def _restore_zone(value: object) -> object:
    """Undo the same of a moment's zone: `…T09:30:00 01:00`."""
    return _SPACED_ZONE.sub(r"+\1", value) if isinstance(value, str) else value


Address = Annotated[Line, Field(max_length=64), AfterValidator(_restore_plus)]
MomentInQuery = Annotated[Moment, BeforeValidator(_restore_zone)]


class ListQuery(BaseModel):
    """The query of a list of messages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipient: Address | None = Field(
        default=None, alias="to", description="The recipient, in E.164.", examples=["+15559876543"]
    )
    sender: Address | None = Field(default=None, alias="from", description="The sender.", examples=["+15551234567"])
    status: MessageStatus | None = Field(default=None, description="Where it stands.")
    direction: Direction | None = Field(default=None, description="Which way it goes.")
    client_reference: Line | None = Field(
        default=None, max_length=128, description="Your own id.", examples=["order-1042"]
    )
    provider: Line | None = Field(
        default=None, max_length=64, description="The provider account.", examples=["sandbox"]
    )
    priority: Priority | None = Field(default=None, description="How urgent it is.")
    error_code: Line | None = Field(
        default=None, max_length=64, description="Why it was not delivered.", examples=["landline"]
    )
    created_after: MomentInQuery = Field(
        default=None, description="At or after this moment.", examples=["2026-11-22T00:00:00Z"]
    )
    created_before: MomentInQuery = Field(
        default=None, description="Before this moment.", examples=["2026-11-23T00:00:00Z"]
    )
    account: UUID | None = Field(default=None, description="Only for keys with the scope ops:read.")
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="How many at most.", examples=[50])
    cursor: str | None = Field(default=None, max_length=64, description="`next_cursor` of the page before.")

    def filter_for(self, account_id: UUID | None, *, test: bool | None) -> MessageFilter:
        """Bind the filters to what the caller may read."""
        return MessageFilter(
            account_id=account_id,
            test=test,
            recipient=self.recipient,
            sender=self.sender,
            status=self.status,
            direction=self.direction,
            client_reference=self.client_reference,
            provider=self.provider,
            priority=None if self.priority is None else self.priority.rank,
            error_code=self.error_code,
            created_after=self.created_after,
            created_before=self.created_before,
        )


Filters: TypeAlias = MessageFilter | DayRange | SenderFilter | AccountFilter | LaneFilter
"""What a list is narrowed to, and a cursor belongs to."""


def write_cursor(last: UUID, wanted: Filters) -> str:
    """Write where the next page begins, with a check of the filters that it belongs to."""
    return urlsafe_b64encode(last.bytes + _check(last, wanted)).decode().rstrip("=")


def read_cursor(cursor: str | None, wanted: Filters) -> UUID | None:
    """Read a cursor; raises `invalid-cursor` for one that was not written for these filters."""
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError) as error:
        raise invalid_cursor() from error
    if len(raw) != _ID_BYTES + _CHECK_BYTES:
        raise invalid_cursor()
    last = UUID(bytes=raw[:_ID_BYTES])
    if raw[_ID_BYTES:] != _check(last, wanted):
        raise invalid_cursor()
    return last


def _check(last: UUID, wanted: Filters) -> bytes:
    """Catch mistakes, not attacks: a forged cursor reads nothing that its key could not list anyway."""
    text = repr((last, sorted((name, str(value)) for name, value in asdict(wanted).items())))
    return hashlib.sha256(text.encode()).digest()[:_CHECK_BYTES]


def invalid_cursor() -> Refusal:
    """Refuse a cursor that was not written for the list."""
    detail = "This cursor belongs to another list. Keep all filters as they were, or begin without a cursor."
    return Refusal(
        ErrorCode.INVALID_CURSOR,
        detail,
        errors=(FieldError(pointer="cursor", code="invalid-cursor", detail=detail),),
    )
