"""The checks of webhooks: who is believed, and what may come of what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from app.conformance.calls import events_of, verified, why_not_refused
from app.conformance.description import described
from app.conformance.garbage import GARBAGE, mutilated, of_wrong_types, truncated
from app.conformance.subject import SignedWebhook, Subject
from app.conformance.trial import Raised, Returned
from app.domain.http import WebhookRequest
from app.domain.provider import Confirmation, InboundSms, OptOut, StatusReport, WebhookUnreadable

Breaches = Iterator[tuple[str, str]]

NONSENSE: Final = (
    "", " ", "x", ",", "=", ",,,", "v1", "v1=", "v1,", "v1,###", "t=,v1=", "t=nan,v1=nan", "t=" + "9" * 5_000,
    "t=1,v1=" + "0" * 64, "Basic", "Basic !!!", "Bearer a.b.c", "\u0667\u00e9\u2713", "\x00", "," * 10_000,
)  # fmt: skip
"""Values of a signature header that must be refused, and must not break the code that reads them."""


def samples_verify_and_read_as_stored(subject: Subject) -> Breaches:
    """Each signed webhook sample verifies, and each sample gives its stored events."""
    signed = {webhook.name: webhook for webhook in subject.signed_webhooks()}
    if not signed:
        yield "samples", "no webhook sample has a captured signature (received_at), and the subject has no sign"
    for name, sample in subject.samples.webhooks.items():
        if name in signed and isinstance(trial := verified(subject, signed[name]), Raised):
            yield name, f"verify_webhook raised {trial.kind}"
        found = _events(subject, sample.request.incoming())
        if found != sample.expected:
            yield name, f"gave {found}, not {sample.expected}"


def an_unknown_event_is_an_empty_list(subject: Subject) -> Breaches:
    """At least one sample shows an event that the adapter has no use for, and it is read as nothing."""
    unknown = [name for name, sample in subject.samples.webhooks.items() if sample.expected == []]
    if not unknown:
        yield "samples", "no webhook sample shows an unknown event, which is expected to be an empty list"
    for name in unknown:
        found = _events(subject, subject.samples.webhooks[name].request.incoming())
        if found != []:
            yield name, f"gave {found}, not an empty list"


def a_garbage_webhook_is_unreadable_or_empty(subject: Subject) -> Breaches:
    """Garbage gives WebhookUnreadable or nothing; a damaged webhook gives those or events, never another exception."""
    for name, sample in subject.samples.webhooks.items():
        request = sample.request.incoming()
        for where, damaged in _garbage(request):
            found = _events(subject, damaged)
            if found not in ([], "unreadable"):
                yield f"{name}, {where}", f"gave {found}"
        for where, body in mutilated(request.body):
            found = _events(subject, replace(request, body=body))
            if isinstance(found, str) and found != "unreadable":
                yield f"{name}, {where}", f"gave {found}"


def a_tampered_webhook_is_refused(subject: Subject) -> Breaches:
    """A change of one bit of what the signature covers is noticed."""
    covers = subject.samples.config.signature
    for webhook in subject.signed_webhooks():
        body, url = webhook.request.body, webhook.request.url
        changes: dict[str, WebhookRequest] = {}
        if covers.body and body:
            places = sorted({0, len(body) // 2, len(body) - 1})
            changes |= {f"byte {place}": replace(webhook.request, body=_flipped(body, place)) for place in places}
            changes |= {
                "one byte more": replace(webhook.request, body=body + b" "),
                "no body": replace(webhook.request, body=b""),
            }
        if covers.url:
            changes |= {"another URL": replace(webhook.request, url=f"{url}0")}
        yield from _refused(subject, webhook, changes)


def a_wrong_signature_is_refused(subject: Subject) -> Breaches:
    """A signature that is missing, damaged or nonsense raises SignatureInvalid and nothing else."""
    headers = subject.samples.config.signature.headers
    for webhook in subject.signed_webhooks():
        changes: dict[str, WebhookRequest] = {}
        if not headers:
            base = webhook.request.url.partition("?")[0]
            changes = {"a URL without its query and end": replace(webhook.request, url=base.rpartition("/")[0])}
        for name in headers:
            value = webhook.request.headers.get(name, "")
            if not value:
                yield webhook.name, f"has no header {name}"
                continue
            place = len(value) * 3 // 4
            damaged = value[:place] + ("0" if value[place] != "0" else "1") + value[place + 1 :]
            changes |= {f"no {name}": _without(webhook.request, name)}
            changes |= {f"a damaged {name}": _with(webhook.request, name, damaged)}
            changes |= {f"{name}: {text[:20]!a}": _with(webhook.request, name, text) for text in NONSENSE}
        changes |= {"no headers": replace(webhook.request, headers={})} if headers else {}
        yield from _refused(subject, webhook, changes)


def a_stale_webhook_is_refused(subject: Subject) -> Breaches:
    """A signature counts for a while around its time only, in both directions."""
    if not subject.samples.config.signature.time:
        return
    for webhook in subject.signed_webhooks():
        for hours in (1, 24, -1, -24):
            problem = why_not_refused(verified(subject, webhook, later=timedelta(hours=hours)))
            if problem is not None:
                yield f"{webhook.name}, read {hours} hours after its time", problem


def _refused(subject: Subject, webhook: SignedWebhook, changes: Mapping[str, WebhookRequest]) -> Breaches:
    for where, request in changes.items():
        problem = why_not_refused(verified(subject, replace(webhook, request=request)))
        if problem is not None:
            yield f"{webhook.name}, {where}", problem


def _events(subject: Subject, request: WebhookRequest) -> list[object] | str:
    """Read a webhook: its events as samples write them, `unreadable`, or what went wrong."""
    match events_of(subject, request):
        case Returned(value=events):
            strangers = [
                event for event in events if not isinstance(event, StatusReport | InboundSms | OptOut | Confirmation)
            ]
            return f"a {type(strangers[0]).__name__}" if strangers else [described(event) for event in events]
        case Raised(error=WebhookUnreadable()):
            return "unreadable"
        case Raised(kind=kind):
            return f"raised {kind}"


def _garbage(request: WebhookRequest) -> Iterator[tuple[str, WebhookRequest]]:
    # A webhook by GET says everything in its query, so the garbage has to stand there.
    bare = replace(request, url=request.url.partition("?")[0])
    yield "nothing at all", replace(bare, body=b"")
    yield "a garbage query", replace(bare, url=f"{bare.url}?a=b&a=c&%zz=%ff&=&&", body=b"")
    for where, body in GARBAGE.items():
        yield where, replace(bare, body=body)
    for where, damaged in (("truncated", truncated(request.body)), ("of wrong types", of_wrong_types(request.body))):
        if damaged is not None:
            yield where, replace(bare, body=damaged)


def _flipped(body: bytes, place: int) -> bytes:
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def _without(request: WebhookRequest, name: str) -> WebhookRequest:
    return replace(request, headers={key: value for key, value in request.headers.items() if key != name})


def _with(request: WebhookRequest, name: str, value: str) -> WebhookRequest:
    return replace(request, headers={**request.headers, name: value})
