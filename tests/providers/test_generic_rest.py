"""What is peculiar to the generic adapter: its settings, from the environment to a sentence for each mistake."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.conformance.subject import STANDARD_CONTEXT, STANDARD_SEND
from app.domain.http import HttpResponse, WebhookRequest
from app.domain.provider import Accepted, Deferred, Rejected, SignatureInvalid, Unknown
from app.domain.status import MessageStatus
from app.providers.generic_rest import Adapter, Config
from app.providers.generic_rest.documents import find, first_time
from app.providers.generic_rest.numbers import as_ours, as_theirs
from app.settings import load_settings

SECRET = "url-secret-of-the-tests"
SEED: dict[str, Any] = {
    "preset": "seed",
    "url": "https://api.example",
    "auth": {"user": "key", "password": "secret"},
    "webhook": {"verification": {"secret": SECRET}},
}
SIGNALMASH: dict[str, Any] = {
    "preset": "signalmash",
    "auth": {"token": "token"},
    "webhook": {"verification": {"secret": SECRET}},
}


def adapter(base: dict[str, Any] = SEED, **changes: Any) -> Adapter:
    return Adapter(Config.model_validate({**deepcopy(base), **changes}))


def sent(of: Adapter) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(of.build_send(STANDARD_SEND, STANDARD_CONTEXT).body)
    return found


def hmac_settings(**changes: Any) -> dict[str, Any]:
    proof = {"kind": "hmac", "secret": "generic-test-secret", "header": "X-Signature", **changes}
    return {"verification": proof}


def test_an_account_is_set_up_by_environment_variables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "ADAPTER": "generic_rest",
        "PRESET": "signalmash",
        "PATH": "/sms",
        "AUTH__TOKEN": "0123456789abcdef",
        "FIELDS__FROM": "SENDER",
        "FIELDS__REFERENCE": "REF",
        "EXTRA": '{"CAMPAIGN": "otp {reference}"}',
        "ANSWER__ID": "data.0.batch,batch_id",
        "ANSWER__NO_ERROR": '["0", "none"]',
        "ERRORS__45": "carrier-blocked",
        "ERRORS__EC_1": "landline",
        "STATUSES__QUEUED": "",
        "STATUSES__DELIVRD": "delivered",
        "HTTP__409": "rejected",
        "WEBHOOK__VERIFICATION__SECRET": SECRET,
        "WEBHOOK__INBOUND__OUR_NUMBER": "+12025550100",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"GATEWAY_PROVIDERS__MASH__{name}", value)
    account = load_settings(database_url="postgresql://gateway@127.0.0.1/gateway", secret_key="k" * 64).providers[
        "mash"
    ]
    built = Adapter(Config.model_validate(account.config))
    request = built.build_send(STANDARD_SEND, STANDARD_CONTEXT)
    assert request.url == "https://api.signalmash.com/sms"
    assert request.headers["authorization"] == "0123456789abcdef"
    assert request.body.startswith(b"SENDER=2025550100&TO=2025550123&BODY=")
    assert b"&CAMPAIGN=otp+0190f3a2-7d11-7cc3-98c4-dc0c0c07398f.2" in request.body
    assert built.config.answer.id == ("data.0.batch", "batch_id")
    assert built.config.errors["45"] == "carrier-blocked"
    assert built.config.errors["ec_1"] == "landline"
    assert built.config.errors["15"] == "content-filtered"
    assert "queued" not in built.config.statuses
    assert built.config.statuses["delivrd"] is MessageStatus.DELIVERED
    assert built.capabilities.own_id


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"preset": "acme"}, "Input should be 'seed' or 'signalmash'"),
        ({"fields": {"form": "x"}}, "Extra inputs are not permitted"),
        ({"auth": {"kind": "bearer"}}, "the kind bearer needs TOKEN"),
        ({"auth": {"kind": "header", "token": "t"}}, "the kind header needs NAME"),
        ({"auth": {"user": "a:b", "password": "c"}}, "a colon would end the USER"),
        ({"auth": {"kind": "bearer", "token": "a\nb"}}, "printable ASCII"),
        ({"webhook": {}}, "Field required"),
        ({"webhook": {"verification": {}}}, "needs SECRET: no webhook is taken unverified"),
        ({"webhook": {"verification": {"secret": "short"}}}, "at least 16 characters"),
        ({"webhook": {"verification": {"kind": "none"}}}, "Input should be 'url', 'basic' or 'hmac'"),
        ({"webhook": {**hmac_settings(), "method": "GET"}}, "proves nothing of a GET"),
        ({"fields": {"to": ""}}, "the request would not hold TO"),
        ({"fields": {"to": "from"}}, "from is written twice"),
        ({"fields": {"to": "from.number"}}, "from.number lies in a field that has a value already"),
        ({"extra": {"note": "{text}"}}, "EXTRA: there is no {text}"),
        ({"headers": {"x-note": "{body}"}}, "HEADERS: there is no {body}"),
        ({"headers": {"x note": "a"}}, "HEADERS: a name or value"),
        ({"http": {"500": "rejected"}}, "HTTP: tells what a 4xx"),
        ({"http": {"429": "rejected"}}, "HTTP: tells what a 4xx"),
        ({"errors": {"7": "poison"}}, "are never a provider's"),
        ({"answer": {"id": ""}}, "ANSWER: needs ID"),
        ({"format": "form", "fields": {"to": "a.b"}}, "a form has no nested fields"),
    ],
)
def test_a_mistake_in_the_settings_has_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        adapter(**changes)
    assert sentence in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_a_text_that_looks_like_a_variable_stays_what_it_is() -> None:
    body = sent(adapter(extra={"note": "{from}: {body}", "list.0.n": 1, "list.1.n": True}, fields={"to": "to.0"}))
    assert body["note"] == "+12025550100: Grüße & 100% ✓"
    assert body["list"] == [{"n": 1}, {"n": True}]
    assert body["to"] == ["+12025550123"]


def test_a_token_may_stand_in_the_query() -> None:
    made = adapter(auth={"kind": "query", "name": "api key", "token": "a&b"})
    request = made.build_send(STANDARD_SEND, STANDARD_CONTEXT)
    assert request.url == "https://api.example/v1/messages?api+key=a%26b"
    assert "authorization" not in request.headers


def test_the_status_url_carries_the_secret_that_will_prove_it() -> None:
    made = adapter(fields={"status_url": "callback"})
    url = sent(made)["callback"]
    assert url == f"{STANDARD_CONTEXT.status_url}?secret={SECRET}"
    assert made.capabilities.message_status_url
    made.verify_webhook(WebhookRequest(method="POST", url=url), now=datetime.now(UTC), documents={})


def test_the_hmac_is_the_one_of_the_fact_sheet() -> None:
    digest = "bb39788c425304ea916abbb9f7d3bd411cc03d9dc4a598cd976771bb9fbe49a3"
    made = adapter(webhook=hmac_settings(prefix="sha256="))
    body = b'{"message_id":"m-1","status":"delivered"}'
    for value in (f"sha256={digest}", f"sha256={digest.upper()}"):
        request = WebhookRequest(method="POST", url="https://a.example/", headers={"x-signature": value}, body=body)
        made.verify_webhook(request, now=datetime.now(UTC), documents={})
    unprefixed = WebhookRequest(method="POST", url="https://a.example/", headers={"x-signature": digest}, body=body)
    with pytest.raises(SignatureInvalid):
        made.verify_webhook(unprefixed, now=datetime.now(UTC), documents={})


@pytest.mark.parametrize("query", ["", "secret=", f"secret={SECRET}&secret={SECRET}", f"Secret={SECRET}", "&" * 200])
def test_a_url_without_the_one_secret_is_refused(query: str) -> None:
    with pytest.raises(SignatureInvalid):
        adapter().verify_webhook(
            WebhookRequest(method="POST", url=f"https://a.example/?{query}"), now=datetime.now(UTC), documents={}
        )


def test_a_webhook_by_get_is_read_from_its_query() -> None:
    made = adapter(webhook={"verification": {"secret": SECRET}, "method": "GET"})
    request = WebhookRequest(method="GET", url="https://a.example/v1/webhooks/a?message_id=7&status=sent")
    [report] = made.parse_webhook(request)
    assert getattr(report, "provider_message_id", None) == "7"
    assert made.capabilities.webhook_methods == {"GET"}


def test_an_event_that_cannot_be_read_costs_the_others_nothing() -> None:
    body = b'[null, {"message_id": "7", "status": "sent"}, {"odd": 1}]'
    request = WebhookRequest(method="POST", url="https://a.example/v1/webhooks/a", body=body)
    assert len(adapter().parse_webhook(request)) == 1


def test_a_503_is_deferred_by_setting_only_with_the_providers_own_document() -> None:
    made = adapter(http={"503": "deferred"})
    own = HttpResponse(status=503, body=b'{"error_code":"busy"}')
    assert isinstance(made.parse_send(own), Deferred)
    assert isinstance(made.parse_send(HttpResponse(status=503, body=b"<html>")), Unknown)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("messages.0.id", 7),
        ("messages.id", 7),
        ("messages.1.id", None),
        ("messages.-1.id", None),
        ("messages.0.id.more", None),
        ("two.1", "b"),
        ("two.x", None),
        ("a.b", "whole name"),
        ("", None),
        ("messages." + "9" * 5_000, None),
    ],
)
def test_a_path_leads_to_a_value_or_to_nothing(path: str, found: object) -> None:
    assert find({"messages": [{"id": 7}], "two": ["a", "b"], "a.b": "whole name"}, path) == found


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (1767323045, "2026-01-02T03:04:05+00:00"),
        ("1767323045250", "2026-01-02T03:04:05.250000+00:00"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T04:04:05+01:00", "2026-01-02T04:04:05+01:00"),
        ("9" * 5_000, None),
        (-1, None),
        ("yesterday", None),
    ],
)
def test_a_time_is_read_in_each_of_its_forms(written: object, read: str | None) -> None:
    moment = first_time({"at": written}, ["at"])
    assert (None if moment is None else moment.isoformat()) == read


@pytest.mark.parametrize(
    ("form", "ours", "theirs"),
    [
        ("e164", "+12025550123", "+12025550123"),
        ("digits", "+447400000000", "447400000000"),
        ("nanp10", "+12025550123", "2025550123"),
        ("nanp10", "+447400000000", "+447400000000"),
        ("nanp10", "72345", "72345"),
        ("digits", "ACME", "ACME"),
    ],
)
def test_a_number_is_written_as_the_provider_has_it_and_back(form: str, ours: str, theirs: str) -> None:
    assert as_theirs(ours, form) == theirs
    assert as_ours(theirs, form) == ours


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "data", "status", "error", "code", "error_code", "message", "from", "to", "body"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("base", [SEED, SIGNALMASH], ids=lambda base: str(base["preset"]))
@given(status=st.integers(-1, 1000), document=VALUES)
def test_any_answer_gives_an_outcome_and_only_a_2xx_accepts(base: dict[str, Any], status: int, document: Any) -> None:
    outcome = adapter(base).parse_send(HttpResponse(status=status, body=orjson.dumps(document)))
    assert isinstance(outcome, Accepted | Rejected | Deferred | Unknown)
    assert not isinstance(outcome, Accepted) or 200 <= status < 300
