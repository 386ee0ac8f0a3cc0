"""The catalogue of errors over HTTP, and whether its examples are what the API really answers."""

from __future__ import annotations

from typing import Any, Final

import httpx
import pytest

from app.api.remedies import REMEDIES
from app.domain.delivery_errors import DeliveryError
from app.domain.errors import ErrorCode

TEXT: Final = {"from": "+15551234567", "to": "+15559876543", "body": "Your order has shipped."}
JSON: Final = {"content-type": "application/json"}


async def test_all_errors_of_both_kinds_are_listed_without_a_key(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/errors")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    listed = [(entry["kind"], entry["code"]) for entry in answer.json()["data"]]
    assert listed == [("refusal", code) for code in ErrorCode] + [("delivery", code) for code in DeliveryError]


async def test_a_refusal_is_explained_with_an_example(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/errors/not-cancelable")
    [entry] = answer.json()["data"]
    assert entry.pop("cause").startswith("A message can be canceled while it waits.")
    assert entry.pop("remedy").startswith("Read the message to see what became of it.")
    assert entry == {
        "kind": "refusal",
        "code": "not-cancelable",
        "type": "/problems/not-cancelable",
        "title": "The message can no longer be canceled",
        "status": 409,
        "example": {
            "type": "/problems/not-cancelable",
            "title": "The message can no longer be canceled",
            "status": 409,
            "detail": REMEDIES[ErrorCode.NOT_CANCELABLE].example.detail,
            "code": "not-cancelable",
            "errors": [],
            "message_status": "sent",
            "request_id": "33cc90e195f04853838661a780c31a19",
        },
    }


async def test_a_delivery_error_says_whose_doing_it_is(client: httpx.AsyncClient) -> None:
    assert (await client.get("/errors/landline")).json()["data"] == [
        {
            "kind": "delivery",
            "code": "landline",
            "cause": "The number is a landline, or its carrier takes no text messages.",
            "remedy": "Reach this person by voice or e-mail, or ask for a mobile number.",
            "fault": "recipient",
            "retryable": False,
        }
    ]


async def test_a_code_of_both_kinds_is_explained_twice(client: httpx.AsyncClient) -> None:
    entries = (await client.get("/v1/errors/rate-limited")).json()["data"]
    assert [(entry["kind"], entry["code"]) for entry in entries] == [
        ("refusal", "rate-limited"),
        ("delivery", "rate-limited"),
    ]


@pytest.mark.parametrize("code", ["no-such-code", "RATE-LIMITED", "%00", "x" * 1_000])
async def test_a_code_that_nobody_gives_is_not_found(client: httpx.AsyncClient, code: str) -> None:
    answer = await client.get(f"/v1/errors/{code}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert code not in answer.text.replace("/problems/not-found", "").replace('"not-found"', "")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"content": b"{'to': 1}", "headers": JSON}, "invalid-json"),
        ({"content": b"{}", "headers": {"content-type": "text/plain"}}, "unsupported-media-type"),
        ({"content": b" " * 65_537, "headers": JSON}, "payload-too-large"),
        ({"json": {"from": "+15551234567", "to": "+15559876543"}}, "validation-failed"),
        ({"json": {**TEXT, "to": "(555) 987-6543"}}, "recipient-invalid"),
        ({"json": {**TEXT, "to": "+19002345678"}}, "destination-not-allowed"),
        ({"json": {**TEXT, "body": "x" * 1_000}}, "message-too-long"),
        ({"json": TEXT, "headers": {"idempotency-key": ""}}, "idempotency-key-invalid"),
        ({"json": TEXT, "auth": ("mgw_test_000000000000", "0" * 38)}, "unauthenticated"),
        ({"url": "/v1/messages/none", "method": "GET"}, "not-found"),
        ({"url": "/v1/messages?cursor=none", "method": "GET"}, "invalid-cursor"),
        ({"url": "/v1/messages", "method": "DELETE"}, "method-not-allowed"),
        ({"url": "/v1/webhooks/sandbox", "content": b"{}"}, "webhook-signature-invalid"),
        ({"url": "/livez", "method": "GET", "headers": {"x-filler": "x" * 16_384}}, "headers-too-large"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
async def test_the_example_of_a_refusal_is_what_the_api_answers(
    client: httpx.AsyncClient, test_key: dict[str, str], request_: dict[str, Any], code: str
) -> None:
    asked = {"url": "/v1/messages", "method": "POST", **request_}
    if "auth" not in asked:
        asked["headers"] = {**test_key, **asked.get("headers", {})}
    answer = await client.request(**asked)
    [entry] = [each for each in (await client.get(f"/v1/errors/{code}")).json()["data"] if each["kind"] == "refusal"]
    said = {**answer.json(), "request_id": entry["example"]["request_id"]}
    if code == "invalid-json":
        said["detail"] = said["detail"].replace("column 2", "column 9")
    assert said == entry["example"]


async def test_the_example_of_a_key_used_twice_is_what_the_api_answers(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    headers = {**test_key, "idempotency-key": "order-1042"}
    await client.post("/v1/messages", json=TEXT, headers=headers)
    answer = await client.post("/v1/messages", json={**TEXT, "body": "Another one."}, headers=headers)
    assert answer.json()["detail"] == REMEDIES[ErrorCode.IDEMPOTENCY_KEY_REUSED].example.detail


async def test_the_example_of_a_foreign_sender_is_what_the_api_answers(
    client: httpx.AsyncClient, live_key: dict[str, str]
) -> None:
    answer = await client.post("/v1/messages", json={**TEXT, "to": "+447911123456"}, headers=live_key)
    assert answer.json()["detail"] == REMEDIES[ErrorCode.SENDER_NOT_OWNED].example.detail


async def test_the_example_of_a_message_that_is_past_canceling_has_the_shape_of_the_api_s_answer(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    sent = (await client.post("/v1/messages", json=TEXT, headers=test_key)).json()
    await client.post(f"/v1/messages/{sent['id']}/cancel", headers=test_key)
    answer = await client.post(f"/v1/messages/{sent['id']}/cancel", headers=test_key)
    example = REMEDIES[ErrorCode.NOT_CANCELABLE].example
    assert answer.json()["detail"].replace("is canceled already", "is sent already") == example.detail
    assert answer.json()["message_status"] == "canceled"
