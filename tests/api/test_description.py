"""The OpenAPI description: valid, complete, with examples that fit, and true to the code that it speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.api.announced_callbacks import CALLBACKS
from app.api.description import describe
from app.api.examples import SHORTEST_REQUEST
from app.api.message_request import MessageRequest
from app.api.operations import OPERATIONS
from app.api.problems import STATUSES
from app.domain.errors import ErrorCode
from app.main import create_app
from tests.support.description import Document, Schemas, examples, operations, references, resolved
from tests.support.gateway import settings_for

NOW: Final = datetime(2026, 11, 22, 19, 16, tzinfo=UTC)
APP: Final = create_app(settings_for("postgresql+asyncpg://nobody@127.0.0.1:1/none"))
DOCUMENT: Final = describe(APP, now=NOW)
SCHEMAS: Final = Schemas(DOCUMENT)
NAMES: Final = {operation["operationId"]: operation for _, operation in operations(DOCUMENT)}
OUTSIDE: Final = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc", "/static-offline-docs", "/healthz"}
"""Paths that the description leaves out: itself, its pages, and another name of /livez."""


def problem_responses(operation: Document) -> Iterator[tuple[str, Document]]:
    """The refusals of an operation, by their HTTP status."""
    for status, response in operation["responses"].items():
        if status >= "4":
            yield status, resolved(DOCUMENT, response)


def codes(operation: Document) -> set[str]:
    """The refusals that an operation shows."""
    media = [response["content"]["application/problem+json"] for _, response in problem_responses(operation)]
    return {code for each in media for code in each["examples"]}


def test_the_document_is_valid_openapi() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    used = set(references(DOCUMENT))
    for reference in used:
        resolved(DOCUMENT, {"$ref": reference})
    kinds = {kind: parts for kind, parts in DOCUMENT["components"].items() if kind != "securitySchemes"}
    assert {f"#/components/{kind}/{name}" for kind, parts in kinds.items() for name in parts} - used == set()


def test_every_route_is_described_and_nothing_else() -> None:
    routes = list(iter_route_contexts(APP.routes))
    shown = [route for route in routes if getattr(route, "include_in_schema", False)]
    assert {route.operation_id for route in shown} == set(OPERATIONS)
    described = {f"{method.lower()} {route.path}" for route in shown for method in route.methods or ()}
    assert described == {name for name, operation in operations(DOCUMENT) if operation["operationId"] in OPERATIONS}
    assert {route.path for route in routes} - {route.path for route in shown} == OUTSIDE


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_reads_well_as_a_function(name: str) -> None:
    operation = NAMES[name]
    assert re.fullmatch(r"[a-z]+(_[a-z]+){1,3}", name)
    assert operation["summary"]
    assert operation["description"]
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_declares_its_refusals_each_with_an_example_of_its_own_status(name: str) -> None:
    operation = NAMES[name]
    assert codes(operation) == {str(code) for code in OPERATIONS[name].refusals}
    for status, response in problem_responses(operation):
        assert "X-Request-Id" in response["headers"]
        media = response["content"]["application/problem+json"]
        assert media["schema"] == {"$ref": "#/components/schemas/Problem"}
        for code, example in media["examples"].items():
            shown = resolved(DOCUMENT, example)["value"]
            assert (shown["code"], str(shown["status"]), STATUSES[ErrorCode(code)]) == (code, status, int(status))


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_success_has_an_example_wherever_it_has_a_body(name: str) -> None:
    [success] = [response for status, response in NAMES[name]["responses"].items() if status < "3"]
    assert "X-Request-Id" in success["headers"]
    assert name.startswith("receive_") != bool(success.get("content", {}).get("application/json", {}).get("examples"))


def test_every_refusal_is_shown_somewhere() -> None:
    assert {code for name in OPERATIONS for code in codes(NAMES[name])} == {str(code) for code in ErrorCode}


@pytest.mark.parametrize(("place", "example", "schema"), list(examples(DOCUMENT)), ids=lambda part: str(part)[:60])
def test_an_example_fits_its_schema(place: str, example: Any, schema: Document) -> None:
    assert place
    assert SCHEMAS.faults(example, schema) == []


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        ("MessageView", {}),
        ("Problem", {"type": "/problems/not-found"}),
        ("MessageRequest", {"from": "+15551234567", "to": "+15559876543", "body": "Hello", "status": "delivered"}),
        ("ErrorList", {"data": [{"kind": "refusal"}]}),
    ],
)
def test_an_example_that_does_not_fit_would_be_noticed(model: str, wrong: Document) -> None:
    assert SCHEMAS.faults(wrong, {"$ref": f"#/components/schemas/{model}"}) != []


def test_an_example_of_a_wrong_format_would_be_noticed() -> None:
    assert SCHEMAS.faults("yesterday", {"type": "string", "format": "date-time"}) != []
    assert SCHEMAS.faults("1", {"type": "string", "format": "uuid"}) != []


def test_every_field_of_every_schema_says_what_it_is() -> None:
    silent = [
        f"{name}.{field}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for field, inner in schema.get("properties", {}).items()
        if not inner.get("description")
    ]
    unnamed = [name for name, schema in DOCUMENT["components"]["schemas"].items() if not schema.get("description")]
    assert (silent, unnamed) == ([], [])


def test_every_parameter_says_what_it_is_and_none_may_be_null() -> None:
    for name, operation in operations(DOCUMENT):
        for reference in operation.get("parameters", []):
            parameter = resolved(DOCUMENT, reference)
            assert parameter["description"], (name, parameter["name"])
            assert "null" not in str(parameter["schema"]), (name, parameter["name"])


def test_the_body_of_a_sent_message_is_described_by_the_model_that_reads_it() -> None:
    media = NAMES["send_message"]["requestBody"]["content"]["application/json"]
    assert media["schema"] == {"$ref": "#/components/schemas/MessageRequest"}
    described = DOCUMENT["components"]["schemas"]["MessageRequest"]
    model = MessageRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    for field in model["properties"].values():
        field.pop("title", None)
    assert model.pop("$defs").keys() == {"DeliveryGuarantee", "Priority"}
    assert described == model


def test_each_example_of_a_sent_message_is_read_by_the_model() -> None:
    document = describe(APP, now=datetime.now(UTC))
    body = document["paths"]["/v1/messages"]["post"]["requestBody"]["content"]["application/json"]
    read = {name: MessageRequest.model_validate(example["value"]) for name, example in body["examples"].items()}
    assert read.keys() == {"shortest", "full", "later"}


@pytest.mark.parametrize(
    ("key", "taken"),
    [
        ("order-1042", True),
        ('"order 1042"', True),
        ("!", True),
        ("x" * 255, True),
        ("x" * 256, False),
        ("a b", False),
        ('"', False),
        ("", False),
        ("\xe4", False),
        ('"a"b', False),
    ],
)
async def test_an_idempotency_key_is_described_as_it_is_read(
    client: httpx.AsyncClient, test_key: dict[str, str], key: str, taken: bool
) -> None:
    schema = DOCUMENT["components"]["parameters"]["IdempotencyKey"]["schema"]
    headers = [(b"idempotency-key", key.encode("latin-1")), *((k.encode(), v.encode()) for k, v in test_key.items())]
    answer = await client.post("/v1/messages", json=SHORTEST_REQUEST, headers=headers)
    assert (SCHEMAS.faults(key, schema) == [], answer.status_code) == ((True, 202) if taken else (False, 400))


GUARDED = ("messages", "queues", "audits", "pools", "routes", "senders", "sending-rates", "accounts", "providers")


def test_a_key_is_asked_for_wherever_something_of_an_account_is() -> None:
    assert DOCUMENT["components"]["securitySchemes"].keys() == {"basic", "bearer"}
    for name, operation in operations(DOCUMENT):
        is_guarded = any(f"/v1/{kind}" in name for kind in GUARDED)
        assert operation["security"] == ([{"basic": []}, {"bearer": []}] if is_guarded else []), name


@pytest.mark.parametrize(
    ("name", "status", "headers"),
    [
        ("send_message", "202", {"Location", "Idempotent-Replayed", "RateLimit", "RateLimit-Policy"}),
        ("list_messages", "200", {"Link", "RateLimit", "RateLimit-Policy"}),
        ("get_problem", "200", {"Vary"}),
        ("send_message", "401", {"WWW-Authenticate"}),
        ("send_message", "429", {"Retry-After"}),
        ("get_readiness", "503", {"Retry-After"}),
        ("receive_webhook", "405", {"Allow"}),
    ],
)
def test_an_answer_declares_its_headers(name: str, status: str, headers: set[str]) -> None:
    response = resolved(DOCUMENT, NAMES[name]["responses"][status])
    assert response["headers"].keys() == {"X-Request-Id", *headers}


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_is_announced_as_a_standard_webhook_that_is_not_sent_yet(name: str) -> None:
    operation = DOCUMENT["webhooks"][name]["post"]
    headers = [resolved(DOCUMENT, parameter)["name"] for parameter in operation["parameters"]]
    assert headers == ["webhook-id", "webhook-timestamp", "webhook-signature"]
    assert "Not sent yet" in operation["description"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert resolved(DOCUMENT, schema)["required"] == ["type", "timestamp", "data"]
