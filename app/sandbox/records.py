"""The provider's records under `GET /v1/messages`: what was taken, by id or by what it is about, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.sandbox.billing import price_of
from app.sandbox.magic import script_for
from app.sandbox.submissions import Submission, Submissions

MOST_PAGE_BYTES: Final = 50_000
"""A page ends before it would be longer, so that a client with a cap on answers can read it; one message fits."""


class RecordsQuery(BaseModel):
    """What a client asks for. Without any restriction it is everything that was taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reference: str | None = None
    sender: Annotated[str | None, Field(alias="from")] = None
    to: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    """Exclusive."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    page: Annotated[int, Field(ge=0)] = 0
    """The number of the last message of the page before."""

    @property
    def is_about_one(self) -> bool:
        """Whether it looks for one message, and not for whatever there was."""
        return self.reference is not None or self.to is not None

    def find(self, submissions: Submissions) -> Iterator[Submission]:
        """Give what is asked for and not on an earlier page, in the order of arrival."""
        for submission in submissions.taken(reference=self.reference, recipient=self.to):
            if submission.number > self.page and self._covers(submission):
                yield submission

    def _covers(self, submission: Submission) -> bool:
        return (
            self.sender in {None, submission.sender}
            and (self.since is None or self.since <= submission.received_at)
            and (self.until is None or submission.received_at < self.until)
        )


@dataclass(frozen=True, kw_only=True)
class _Page:
    records: list[bytes]
    last_number: int
    complete: bool


def is_told(submission: Submission) -> bool:
    """Whether questions about this message are answered."""
    return script_for(submission.recipient).can_be_asked


def record_of(submission: Submission, now: datetime) -> dict[str, Any]:
    """Show one message as it stands."""
    word, segments = submission.fate.word(now), submission.segments
    return {
        "id": submission.id,
        "reference": submission.reference,
        "from": submission.sender,
        "to": submission.recipient,
        "body": submission.body,
        "status": word,
        "error_code": submission.fate.error_code if word is submission.fate.end else None,
        "created_at": submission.received_at,
        "segments": segments,
        "price": price_of(segments),
    }


def page_of(query: RecordsQuery, submissions: Submissions, now: datetime) -> bytes:
    """Write one page: `messages`, and as `next_page` what to ask for next, or null on the last one."""
    page = _cut(query, submissions, now)
    next_page = b"null" if page.complete else b'"%d"' % page.last_number
    return b'{"messages":[' + b",".join(page.records) + b'],"next_page":' + next_page + b"}"


def _cut(query: RecordsQuery, submissions: Submissions, now: datetime) -> _Page:
    records: list[bytes] = []
    size, last_number = 0, 0
    for submission in query.find(submissions):
        record = orjson.dumps(record_of(submission, now))
        size += len(record) + 1
        if records and (len(records) == query.limit or size > MOST_PAGE_BYTES):
            return _Page(records=records, last_number=last_number, complete=False)
        records.append(record)
        last_number = submission.number
    return _Page(records=records, last_number=last_number, complete=True)
