"""What is peculiar to the sandbox's adapter; the rest is in the contract and its samples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.conformance.subject import STANDARD_CONTEXT, STANDARD_SEND
from app.domain.http import HttpResponse, WebhookRequest
from app.domain.provider import Accepted, Deferred, Rejected, SignatureInvalid, StatusReport, Unknown
from app.providers.sandbox import Adapter, Config, sign

SETTINGS = {"url": "http://127.0.0.1:8081", "api_key": "key", "api_secret": "secret", "webhook_secret": "whsec"}
ADAPTER = Adapter(Config.model_validate(SETTINGS))
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
URL = "https://gateway.example/webhooks/sandbox/x"
BODY = b'{"type":"other"}'
DIGEST = "18ef4c6a1ff5c20d5a072f1ec2905a2673e6e7c742be0f4b95cd37bc0e093f88"


def webhook(signature: str) -> WebhookRequest:
    return WebhookRequest(method="POST", url=URL, headers={"sandbox-signature": signature}, body=BODY)


def test_the_signature_is_the_documented_hmac() -> None:
    assert sign("whsec", now=NOW, url=URL, body=BODY) == f"t=1767323045,v1={DIGEST}"


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_signature_counts_for_300_seconds_both_ways(seconds: int) -> None:
    request = webhook(f"t=1767323045,v1={DIGEST}")
    ADAPTER.verify_webhook(request, now=NOW + timedelta(seconds=seconds), documents={})


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signature_counts_no_longer(seconds: int) -> None:
    with pytest.raises(SignatureInvalid, match="300 seconds"):
        ADAPTER.verify_webhook(webhook(f"t=1767323045,v1={DIGEST}"), now=NOW + timedelta(seconds=seconds), documents={})


@pytest.mark.parametrize(
    "header",
    [
        f"t=1767323045,v1={'0' * 64},v1={DIGEST}",
        f"t=1767323045, v1={DIGEST} ,v1={'0' * 64}",
        f"v1={DIGEST},t=1767323045",
        f"t=1767323045,v2=future,v1={DIGEST}",
    ],
)
def test_one_right_signature_among_others_is_enough(header: str) -> None:
    ADAPTER.verify_webhook(webhook(header), now=NOW, documents={})


@pytest.mark.parametrize(
    "header",
    [
        f"v1={DIGEST}",
        f"t=1767323045,t=1767323045,v1={DIGEST}",
        f"t=1767323046,v1={DIGEST}",
        f"t=1767323045,v1={DIGEST.upper()}",
        f"t=1767323045,v1={DIGEST[:63]}",
        f"t=1767323045,v0={DIGEST}",
        "t=1767323045," + f"v1={'0' * 64}," * 8 + f"v1={DIGEST}",
        f"t=\uff11767323045,v1={DIGEST}",
        f"t=1767323045.0,v1={DIGEST}",
    ],
)
def test_a_header_that_is_not_as_documented_is_refused(header: str) -> None:
    with pytest.raises(SignatureInvalid):
        ADAPTER.verify_webhook(webhook(header), now=NOW, documents={})


@given(st.text())
def test_no_header_breaks_the_verification(header: str) -> None:
    with pytest.raises(SignatureInvalid):
        ADAPTER.verify_webhook(webhook(header), now=NOW, documents={})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 17 "}, 17.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9999999999"}, 1e9),
        ({"retry-after": "9" * 5000}, 1e9),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT", "date": "Fri, 02 Jan 2026 03:04:05 GMT"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 -0000", "date": "Fri, 02 Jan 2026 03:04:05 GMT"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:00 GMT", "date": "Fri, 02 Jan 2026 03:04:05 GMT"}, 0.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT"}, None),
        ({"retry-after": "Fri, 99 Jan 2026 03:04:35 GMT", "date": "Fri, 02 Jan 2026 03:04:05 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(headers: dict[str, str], seconds: float | None) -> None:
    outcome = ADAPTER.parse_send(HttpResponse(status=429, headers=headers))
    assert isinstance(outcome, Deferred)
    assert outcome.retry_after_seconds == seconds


@given(st.text(), st.text())
def test_no_retry_after_breaks_the_reading(value: str, date: str) -> None:
    response = HttpResponse(status=429, headers={"retry-after": value, "date": date})
    assert isinstance(ADAPTER.parse_send(response), Deferred)


@given(st.integers(0, 999), st.binary())
def test_any_answer_gives_an_outcome(status: int, body: bytes) -> None:
    outcome = ADAPTER.parse_send(HttpResponse(status=status, body=body))
    assert isinstance(outcome, Accepted | Rejected | Deferred | Unknown)


@pytest.mark.parametrize(
    "body",
    [b'{"id":""}', b'{"id":7}', b'{"id":null}', b'{"message":{"id":"sbx_1"}}', b'[{"id":"sbx_1"}]', b'{"id":"sbx_1"'],
)
def test_a_2xx_without_an_id_is_unknown(body: bytes) -> None:
    assert isinstance(ADAPTER.parse_send(HttpResponse(status=202, body=body)), Unknown)


@pytest.mark.parametrize("code", [b"true", b'"1001"', b"1001.0", b"null", b"[]"])
def test_an_error_code_that_is_no_number_is_not_the_sandboxs_own(code: bytes) -> None:
    body = b'{"error":{"code":' + code + b"}}"
    assert isinstance(ADAPTER.parse_send(HttpResponse(status=400, body=body)), Unknown)


@pytest.mark.parametrize(
    "reference",
    [
        "0190f3a2-7d11-7cc3-98c4-dc0c0c07398f",
        "0190f3a2-7d11-7cc3-98c4-dc0c0c07398f.0",
        "0190f3a2-7d11-7cc3-98c4-dc0c0c07398f.-1",
        "0190F3A2-7d11-7cc3-98c4-dc0c0c07398f.1",
        "{0190f3a2-7d11-7cc3-98c4-dc0c0c07398f}.1",
        "0190f3a27d117cc398c4dc0c0c07398f.1",
        "0190f3a2-7d11-7cc3-98c4-dc0c0c07398f.1\\n",
        "",
    ],
)
def test_a_reference_that_we_did_not_write_names_no_attempt(reference: str) -> None:
    body = (
        '{"type":"message.status","id":"sbx_1","status":"sent","error_code":null,'
        f'"reference":"{reference}","timestamp":"2026-01-02T03:04:05Z"}}'
    )
    (report,) = ADAPTER.parse_webhook(WebhookRequest(method="POST", url=URL, body=body.encode()))
    assert isinstance(report, StatusReport)
    assert report.attempt is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://sandbox"},
        {"url": ""},
        {"api_key": ""},
        {"api_key": "a:b"},
        {"api_key": "a\nb"},
        {"api_token": "1"},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(SETTINGS | wrong)


@pytest.mark.parametrize("url", ["http://sms:1/a", "http://sms:1/a/"])
def test_a_base_url_with_a_slash_at_its_end_is_the_same(url: str) -> None:
    adapter = Adapter(Config.model_validate(SETTINGS | {"url": url}))
    assert adapter.build_send(STANDARD_SEND, STANDARD_CONTEXT).url == "http://sms:1/a/v1/messages"
