"""The conformance suite itself: each check catches the adapter that breaks its rule, and broken samples are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from app.conformance import SampleBroken, Subject, checks, examine, load_samples, load_subject
from app.domain.delivery_errors import DeliveryError
from app.domain.http import HttpRequest, HttpResponse, WebhookRequest
from app.domain.provider import (
    Accepted,
    Deferred,
    ProviderAdapter,
    ProviderEvent,
    ProviderFailure,
    SendContext,
    SendOutcome,
    SendRequest,
    SignatureInvalid,
    Unknown,
    WebhookUnreadable,
)
from app.providers.sandbox import SIGNATURE_HEADER, Adapter, sign
from tests.providers import broken_askers

SAMPLES: Final = Path(__file__).parent / "samples" / "sandbox"
NOT_SENT: Final = Deferred(failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE))
NOT_KNOWN: Final = Unknown(failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN))


class AcceptsUnsigned(Adapter):
    def verify_webhook(self, request: WebhookRequest, *, now: datetime, documents: Mapping[str, bytes]) -> None:
        pass


class IgnoresTheTime(Adapter):
    def verify_webhook(self, request: WebhookRequest, *, now: datetime, documents: Mapping[str, bytes]) -> None:
        signed_at = request.headers.get(SIGNATURE_HEADER, "").partition(",")[0].removeprefix("t=")
        if signed_at.isascii() and signed_at.isdecimal() and len(signed_at) < 12:
            now = datetime.fromtimestamp(int(signed_at), tz=now.tzinfo)
        super().verify_webhook(request, now=now, documents=documents)


class IgnoresTheBody(Adapter):
    def verify_webhook(self, request: WebhookRequest, *, now: datetime, documents: Mapping[str, bytes]) -> None:
        digest = sign("whsec-sample-4d0f", now=now, url=request.url, body=b"")
        header = request.headers.get(SIGNATURE_HEADER, "")
        super().verify_webhook(
            replace(request, body=b"", headers={SIGNATURE_HEADER: digest} if header else {}),
            now=now,
            documents=documents,
        )


class StumblesOverTheHeader(Adapter):
    def verify_webhook(self, request: WebhookRequest, *, now: datetime, documents: Mapping[str, bytes]) -> None:
        int(request.headers[SIGNATURE_HEADER].partition(",")[0].partition("=")[2])
        super().verify_webhook(request, now=now, documents=documents)


class DefersServerErrors(Adapter):
    def parse_send(self, response: HttpResponse) -> SendOutcome:
        return NOT_SENT if response.status == 500 else super().parse_send(response)


class DefersEvery503(Adapter):
    def parse_send(self, response: HttpResponse) -> SendOutcome:
        return NOT_SENT if response.status == 503 else super().parse_send(response)


class BelievesEvery2xx(Adapter):
    def parse_send(self, response: HttpResponse) -> SendOutcome:
        return Accepted(provider_message_id="1") if response.status // 100 == 2 else super().parse_send(response)


class StumblesOverAnEmptyBody(Adapter):
    def parse_send(self, response: HttpResponse) -> SendOutcome:
        orjson.loads(response.body)
        return super().parse_send(response)


class DoubtsA429(Adapter):
    def parse_send(self, response: HttpResponse) -> SendOutcome:
        return NOT_KNOWN if response.status == 429 else super().parse_send(response)


class StumblesOverRetryAfter(Adapter):
    def parse_send(self, response: HttpResponse) -> SendOutcome:
        int(response.headers.get("retry-after", "0"))
        return super().parse_send(response)


class WaitsForever(Adapter):
    def parse_send(self, response: HttpResponse) -> SendOutcome:
        outcome = super().parse_send(response)
        return replace(outcome, retry_after_seconds=float("inf")) if isinstance(outcome, Deferred) else outcome


class RetriesRedirects(Adapter):
    def parse_send(self, response: HttpResponse) -> SendOutcome:
        return NOT_SENT if response.status == 302 else super().parse_send(response)


class BuildsAnotherRequestEachTime(Adapter):
    counter = count()

    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        request = super().build_send(send, context)
        return replace(request, headers={**request.headers, "x-request-id": str(next(self.counter))})


class ForgetsTheStatusUrl(Adapter):
    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        return super().build_send(send, replace(context, status_url="https://gateway.example/webhooks/acme"))


class CannotBuild(Adapter):
    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        raise KeyError(send.recipient, context.nonce)


class ShowsItsSecret(Adapter):
    def __repr__(self) -> str:
        return f"Adapter({self.config.api_secret.get_secret_value()})"


class PutsItsSecretIntoTheUrl(Adapter):
    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        request = super().build_send(send, context)
        return replace(request, url=f"{request.url}?secret={self.config.api_secret.get_secret_value()}")


class SaysTheExpectedSignature(Adapter):
    def verify_webhook(self, request: WebhookRequest, *, now: datetime, documents: Mapping[str, bytes]) -> None:
        try:
            super().verify_webhook(request, now=now, documents=documents)
        except SignatureInvalid as problem:
            raise SignatureInvalid(f"not made with {self.config.webhook_secret.get_secret_value()}") from problem


class StumblesOverGarbage(Adapter):
    def parse_webhook(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        try:
            return super().parse_webhook(request)
        except WebhookUnreadable:
            raise KeyError("id") from None


class RefusesWhatItDoesNotKnow(Adapter):
    def parse_webhook(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        events = super().parse_webhook(request)
        if not events:
            raise WebhookUnreadable("unknown type")
        return events


class QuotesTheWebhook(Adapter):
    def parse_webhook(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        try:
            return super().parse_webhook(request)
        except WebhookUnreadable:
            raise WebhookUnreadable(f"cannot read {request.body!r}") from None


class SeesNothing(Adapter):
    def parse_webhook(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        super().parse_webhook(request)
        return []


BREACHES: Final[list[tuple[type[Adapter], str]]] = [
    (AcceptsUnsigned, "a wrong signature is refused"),
    (AcceptsUnsigned, "a tampered webhook is refused"),
    (AcceptsUnsigned, "a stale webhook is refused"),
    (IgnoresTheTime, "a stale webhook is refused"),
    (IgnoresTheBody, "a tampered webhook is refused"),
    (StumblesOverTheHeader, "a wrong signature is refused"),
    (DefersServerErrors, "a server error is unknown"),
    (DefersEvery503, "a server error is unknown"),
    (BelievesEvery2xx, "an unreadable success is unknown"),
    (StumblesOverAnEmptyBody, "an unreadable success is unknown"),
    (DoubtsA429, "a 429 is deferred"),
    (StumblesOverRetryAfter, "a 429 is deferred"),
    (WaitsForever, "a 429 is deferred"),
    (RetriesRedirects, "an answer by somebody else is no acceptance"),
    (BuildsAnotherRequestEachTime, "a request is built from its arguments alone"),
    (ForgetsTheStatusUrl, "our own id travels"),
    (CannotBuild, "our own id travels"),
    (ShowsItsSecret, "no secret is shown"),
    (PutsItsSecretIntoTheUrl, "no secret is shown"),
    (SaysTheExpectedSignature, "no secret is shown"),
    (StumblesOverGarbage, "a garbage webhook is unreadable or empty"),
    (RefusesWhatItDoesNotKnow, "an unknown event is an empty list"),
    (QuotesTheWebhook, "no error repeats what was received"),
    (DefersEvery503, "samples read as stored"),
    (SeesNothing, "samples verify and read as stored"),
]


@pytest.mark.parametrize(("adapter", "name"), BREACHES)
def test_a_broken_adapter_is_caught_by_the_check_of_that_name(adapter: type[Adapter], name: str) -> None:
    findings = examine(load_subject(adapter, SAMPLES))
    assert name in {finding.check for finding in findings}


def test_every_check_is_shown_to_catch_something() -> None:
    caught = {name for _, name in BREACHES} | {name for *_, name in broken_askers.BREACHES}
    assert caught == {check.name for check in checks()}


def test_a_finding_says_where_and_what() -> None:
    findings = examine(load_subject(DefersServerErrors, SAMPLES))
    (found,) = [f for f in findings if f.check == "samples read as stored"]
    assert found.where == "send_server_error"
    assert "'is': 'Deferred'" in found.problem
    assert "500, an HTML page" in {f.where for f in findings if f.check == "a server error is unknown"}


def test_a_subject_without_captured_signatures_is_checked_with_its_own_sign(tmp_path: Path) -> None:
    for path in SAMPLES.glob("*.json"):
        sample = orjson.loads(path.read_bytes())
        sample.pop("received_at", None)
        (tmp_path / path.name).write_bytes(orjson.dumps(sample))

    def seal(request: WebhookRequest, now: datetime) -> WebhookRequest:
        value = sign("whsec-sample-4d0f", now=now, url=request.url, body=request.body)
        return replace(request, headers={SIGNATURE_HEADER: value})

    assert examine(load_subject(Adapter, tmp_path, sign=seal)) == []
    unsigned = examine(load_subject(Adapter, tmp_path))
    assert [(finding.check, finding.where) for finding in unsigned] == [
        ("samples verify and read as stored", "samples")
    ]


def test_a_subject_without_samples_of_a_kind_is_not_passed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((SAMPLES / "config.json").read_bytes())
    assert [(finding.check, finding.where) for finding in examine(load_subject(Adapter, tmp_path))] == [
        ("samples read as stored", "samples"),
        ("samples verify and read as stored", "samples"),
        ("an unknown event is an empty list", "samples"),
    ]


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({}, "0 samples of the kind config"),
        ({"a.json": b'{"kind": "letter"}'}, "a.json"),
        ({"a.json": b"{"}, "a.json"),
        ({"a.json": b'{"kind": "send", "response": {"status": 200}, "expected": {}, "extra": 1}'}, "a.json"),
    ],
)
def test_a_broken_sample_is_named(tmp_path: Path, files: dict[str, bytes], named: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SampleBroken, match=named):
        load_samples(tmp_path)


def test_the_sandbox_passes_as_a_subject_of_its_own() -> None:
    adapter: type[ProviderAdapter[Any]] = Adapter
    subject = load_subject(adapter, SAMPLES)
    assert isinstance(subject, Subject)
    assert examine(subject) == []
