"""The JSON that the sandbox reads and shows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, TypeAdapter

from app.sandbox.network import NewMessage
from app.sandbox.submissions import Submission

_HTTP_URL = TypeAdapter(HttpUrl)


def _checked_url(value: str) -> str:
    # Kept as it was written, since the webhook's signature covers it letter by letter.
    _HTTP_URL.validate_python(value)
    return value


class MessageBody(BaseModel):
    """The body of `POST /v1/messages`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sender: Annotated[str, Field(alias="from", min_length=1, max_length=32)]
    to: Annotated[str, Field(min_length=1, max_length=20)]
    body: Annotated[str, Field(min_length=1, max_length=1600)]
    reference: Annotated[str, Field(max_length=100)] | None = None
    status_callback_url: Annotated[str, Field(max_length=2000), AfterValidator(_checked_url)] | None = None
    validity_seconds: Annotated[int, Field(ge=1, le=14 * 86_400)] | None = None

    def message(self, idempotency_key: str | None) -> NewMessage:
        """Give it in the network's terms."""
        return NewMessage(
            sender=self.sender,
            recipient=self.to,
            body=self.body,
            reference=self.reference,
            status_callback_url=self.status_callback_url,
            validity_seconds=self.validity_seconds,
            idempotency_key=idempotency_key,
        )


class InboxEntry(BaseModel):
    """One text as a handset received it."""

    id: str
    reference: str | None
    sender: Annotated[str, Field(serialization_alias="from")]
    to: str
    body: str
    received_at: datetime

    @classmethod
    def of(cls, submission: Submission) -> Self:
        """Show a submission that has arrived; a bug if it never does."""
        if submission.arrives_at is None:
            raise ValueError("a submission that never arrives is in no inbox")
        return cls(
            id=submission.id,
            reference=submission.reference,
            sender=submission.sender,
            to=submission.recipient,
            body=submission.body,
            received_at=submission.arrives_at,
        )


class SubmissionEntry(BaseModel):
    """One submission as the provider saw it."""

    id: str
    reference: str | None
    sender: Annotated[str, Field(serialization_alias="from")]
    to: str
    body: str
    validity_seconds: int | None
    carrier: str
    received_at: datetime
    taken: bool
    answer: str

    @classmethod
    def of(cls, submission: Submission) -> Self:
        """Show one submission."""
        return cls(
            id=submission.id,
            reference=submission.reference,
            sender=submission.sender,
            to=submission.recipient,
            body=submission.body,
            validity_seconds=submission.validity_seconds,
            carrier=submission.carrier,
            received_at=submission.received_at,
            taken=submission.taken,
            answer=submission.answer,
        )


class Inbox(BaseModel):
    """What the handsets received, the newest first."""

    messages: list[InboxEntry]


class SubmissionList(BaseModel):
    """Submissions, the oldest first."""

    submissions: list[SubmissionEntry]


class Duplicate(BaseModel):
    """A message that was taken more than once."""

    message: str
    """The reference up to its dot."""

    taken: int


class DuplicateList(BaseModel):
    """Every message that was taken more than once."""

    duplicates: list[Duplicate]
