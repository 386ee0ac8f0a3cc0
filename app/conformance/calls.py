"""The adapter's methods as trials."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from app.conformance.subject import STANDARD_CONTEXT, STANDARD_SEND, SignedWebhook, Subject
from app.conformance.trial import Raised, Returned, Trial, tried
from app.domain.http import HttpRequest, HttpResponse, WebhookRequest
from app.domain.provider import ProviderEvent, SendOutcome, SignatureInvalid


def built(subject: Subject) -> HttpRequest:
    """Build the standard request; what the adapter raises becomes the check's finding."""
    return subject.adapter.build_send(STANDARD_SEND, STANDARD_CONTEXT)


def outcome_of(subject: Subject, response: HttpResponse) -> Trial[SendOutcome]:
    """Let the adapter read an answer."""
    return tried(lambda: subject.adapter.parse_send(response))


def events_of(subject: Subject, request: WebhookRequest) -> Trial[Sequence[ProviderEvent]]:
    """Let the adapter read a webhook."""
    return tried(lambda: list(subject.adapter.parse_webhook(request)))


def verified(subject: Subject, webhook: SignedWebhook, *, later: timedelta = timedelta()) -> Trial[None]:
    """Let the adapter verify a webhook, `later` than it was received."""
    now, documents = webhook.now + later, webhook.documents
    return tried(lambda: subject.adapter.verify_webhook(webhook.request, now=now, documents=documents))


def why_not_refused(trial: Trial[None]) -> str | None:
    """Say what is wrong with a verification that had to end in `SignatureInvalid`; None if it did."""
    match trial:
        case Raised(error=SignatureInvalid()):
            return None
        case Raised(kind=kind):
            return f"raised {kind} instead of SignatureInvalid"
        case Returned():
            return "was accepted"
