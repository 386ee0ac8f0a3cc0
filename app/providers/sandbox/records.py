"""Questions about the sandbox's own records of messages, and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, assert_never
from urllib.parse import quote, urlencode

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from app.domain.evidence import (
    Absent,
    ByRecipient,
    ByReference,
    FetchAnswer,
    NoAnswer,
    ProviderMessage,
    SearchAnswer,
    SearchPage,
    SearchQuery,
    TakenBetween,
)
from app.domain.http import HttpResponse
from app.domain.references import AttemptRef
from app.domain.retry_after import read_retry_after
from app.providers.sandbox.documents import delivery_error, error_code, load, read_price, read_segments
from app.providers.sandbox.tables import NO_SUCH_MESSAGE, STATUSES

PAGE_SIZE: Final = 100
"""So that a page of the longest texts stays below the cap on answers."""

_FOUND: Final = 200
_NOT_FOUND: Final = 404


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)

    id: Annotated[str, Field(min_length=1)]
    reference: str | None
    sender: Annotated[str, Field(alias="from")]
    to: str
    body: str
    status: str
    error_code: int | None
    # Not strict: the value was read from JSON before, which has no times.
    created_at: Annotated[AwareDatetime, Field(strict=False)]
    segments: Any = None
    price: Any = None


def fetch_path(provider_message_id: str) -> str:
    """Give the path that shows one message."""
    return f"/v1/messages/{quote(provider_message_id, safe='')}"


def search_path(query: SearchQuery, page: str | None) -> str:
    """Give the path and query that show one page of messages."""
    asked = {**_asked(query), "limit": str(PAGE_SIZE)} | ({} if page is None else {"page": page})
    return f"/v1/messages?{urlencode(asked)}"


def read_fetch(response: HttpResponse) -> FetchAnswer:
    """Read the answer to a fetch: only a 404 with the sandbox's own document says that there is no such message."""
    match response.status, load(response.body):
        case status, _ if status == _NOT_FOUND and error_code(response.body) == NO_SUCH_MESSAGE:
            return Absent()
        case status, document if status == _FOUND:
            return _message(document) or NoAnswer(reason="unreadable")
        case _:
            return _no_answer(response)


def read_search(response: HttpResponse) -> SearchAnswer:
    """Read one page; a single message that cannot be read spoils it, since it might be the one."""
    if response.status != _FOUND:
        return _no_answer(response)
    match load(response.body):
        case {"messages": list(documents), "next_page": None | str() as next_page} if next_page != "":
            found = [_message(document) for document in documents]
            messages = tuple(message for message in found if message is not None)
            if len(messages) == len(found):
                return SearchPage(messages=messages, next_page=next_page)
    return NoAnswer(reason="unreadable")


def _asked(query: SearchQuery) -> Mapping[str, str]:
    match query:
        case ByReference(attempt=attempt):
            return {"reference": str(attempt)}
        case ByRecipient(sender=sender, recipient=recipient, since=since, until=until):
            return {"from": sender, "to": recipient, **_span(since, until)}
        case TakenBetween(since=since, until=until):
            return _span(since, until)
        case _:
            assert_never(query)


def _span(since: datetime, until: datetime) -> dict[str, str]:
    return {"since": since.isoformat(), "until": until.isoformat()}


def _message(document: object) -> ProviderMessage | None:
    try:
        record = _Record.model_validate(document)
    except ValidationError:
        return None
    status = STATUSES.get(record.status)
    return ProviderMessage(
        provider_message_id=record.id,
        provider_status=record.status,
        status=status,
        attempt=AttemptRef.parse(record.reference or ""),
        sender=record.sender,
        recipient=record.to,
        body=record.body,
        taken_at=record.created_at,
        error=delivery_error(status, record.error_code),
        provider_code=None if record.error_code is None else str(record.error_code),
        price=read_price(record.price),
        segments=read_segments(record.segments),
    )


def _no_answer(response: HttpResponse) -> NoAnswer:
    return NoAnswer(reason=f"HTTP {response.status}", retry_after_seconds=read_retry_after(response.headers))
