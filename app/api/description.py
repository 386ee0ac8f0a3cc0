"""The OpenAPI description: the framework's account of the routes, completed with what it cannot know of them.

Routes name their operation id; `operations` says what each takes and answers, `components` holds what they share. The
result is meant for generators of clients: every refusal is declared, every answer has an example.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api import announced_callbacks, components, examples
from app.api.message_request import MessageRequest
from app.api.operation import Operation
from app.api.operations import LINKS, OPERATIONS, TAGS
from app.api.problems import Problem

_TEXT: Final = """
## Keys

Send an API key as HTTP Basic (its id as the user, its secret as the password) or as a Bearer token (both joined by
`_`). A test key sends to the sandbox and to nobody else.

## Refusals

What is refused changes nothing, and is answered as `application/problem+json` (RFC 9457), whatever it was. Act on
`code`: it is stable, the sentences are not. Each problem's `type` leads to a page that explains it, and `/v1/errors`
lists them all. Another method of a path is a 405, a path that is not described a 404.

## Repeating a request

After a 503, a time-out or no answer at all, send the same request with the same `Idempotency-Key` again: it gives the
first answer again, and no second message.

## Changes

New fields, new codes and new statuses may come; read past what you do not know.
"""
_CONTACT: Final = {"name": "Whoever runs this gateway"}
_LICENSE: Final = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
_SERVERS: Final = [{"url": "/", "description": "The gateway that serves this description."}]
_REF: Final = "#/components/schemas/{model}"
_REPLACED: Final = ("ValidationError", "HTTPValidationError")
"""The framework's own shapes of a refusal, which are never sent."""


def install(app: FastAPI) -> None:
    """Give the application a description that says what it does; written once, when first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app, now=datetime.now(UTC))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def describe(app: FastAPI, *, now: datetime) -> dict[str, Any]:
    """Write the description; the example of a scheduled message lies ahead of `now`."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary="Send SMS through any provider, and know what became of each message.",
        description=f"{app.description}\n{_TEXT}",
        routes=app.routes,
        openapi_version="3.1.0",
        tags=[*TAGS, announced_callbacks.TAG],
        servers=_SERVERS,
        contact=_CONTACT,
        license_info=_LICENSE,
    )
    schemas = document.get("components", {}).get("schemas", {})
    shared = _shared_refusals()
    for path in document["paths"].values():
        for operation in path.values():
            _complete(operation, OPERATIONS[operation["operationId"]], shared)
    _describe_sending(document["paths"]["/v1/messages"]["post"], now)
    _describe_webhooks(document["paths"])
    document["webhooks"] = announced_callbacks.CALLBACKS
    document["components"] = {
        "schemas": _schemas(schemas),
        "responses": shared,
        "parameters": components.PARAMETERS | announced_callbacks.PARAMETERS,
        "examples": components.problem_examples(),
        "headers": components.HEADERS,
        "securitySchemes": components.SECURITY_SCHEMES,
    }
    return document


def _shared_refusals() -> dict[str, Any]:
    """Give the refusals that more than one operation answers with, by name."""
    all_of_them = [
        each for operation in OPERATIONS.values() for each in components.refusals(operation.refusals).values()
    ]
    times = Counter(name for name, _ in all_of_them)
    return {name: response for name, response in all_of_them if times[name] > 1}


def _complete(operation: dict[str, Any], ours: Operation, shared: dict[str, Any]) -> None:
    """Put what we know in place of what the framework guessed."""
    query = [_without_null(each) for each in operation.get("parameters", []) if each["in"] == "query"]
    references = [{"$ref": f"#/components/parameters/{name}"} for name in ours.parameters]
    operation.pop("parameters", None)
    if query or references:
        operation["parameters"] = [*references, *query]
    status, success = next(iter(operation["responses"].items()))
    operation["responses"] = {
        status: _success(success, ours),
        **{
            refused: {"$ref": f"#/components/responses/{name}"} if name in shared else response
            for refused, (name, response) in components.refusals(ours.refusals).items()
        },
    }
    operation["security"] = components.SECURITY if ours.needs_key else []
    if ours.body is not None:
        operation["requestBody"] = _request_body(ours.body, ours.bodies)


def _success(success: dict[str, Any], ours: Operation) -> dict[str, Any]:
    content = success.get("content", {})
    if not ours.examples:
        content = {}
    for media in content.values():
        media["examples"] = {name.replace(" ", "-"): {"summary": name, "value": v} for name, v in ours.examples.items()}
    if ours.html:
        content = {**content, "text/html": {"schema": {"type": "string"}}}
    return {
        "description": ours.answers,
        "headers": components.headers(("X-Request-Id", *ours.headers)),
        **({"content": content} if content else {}),
    }


def _request_body(model: type[BaseModel], shown: dict[str, Any]) -> dict[str, Any]:
    named = {name.replace(" ", "-"): {"summary": name, "value": value} for name, value in shown.items()}
    media = {"schema": components.schema(model.__name__), "examples": named}
    return {"required": True, "content": {"application/json": media}}


def _without_null(parameter: dict[str, Any]) -> dict[str, Any]:
    """Drop the null of an optional parameter: a query can leave a value out, and cannot say null."""
    schema = {name: value for name, value in parameter["schema"].items() if name not in {"title", "description"}}
    kinds = [kind for kind in schema.pop("anyOf", []) if kind != {"type": "null"}]
    return {**parameter, "schema": {**schema, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})}}


def _describe_sending(operation: dict[str, Any], now: datetime) -> None:
    shown = {
        "shortest": ("A text, now", examples.SHORTEST_REQUEST),
        "full": ("With everything that is yours to send", examples.FULL_REQUEST),
        "later": ("Later, or not at all", examples.later_request(now)),
    }
    operation["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {
                "schema": components.schema(MessageRequest.__name__),
                "examples": {name: {"summary": summary, "value": value} for name, (summary, value) in shown.items()},
            }
        },
    }
    operation["responses"]["202"]["links"] = LINKS


def _describe_webhooks(paths: dict[str, Any]) -> None:
    for path, operations in paths.items():
        if path.startswith("/v1/webhooks/"):
            for operation in operations.values():
                operation["requestBody"] = {
                    "description": "Whatever the provider sends, in its own form.",
                    "content": {"application/json": {"schema": {}, "example": examples.PROVIDER_WEBHOOK}},
                }


def _schemas(of_routes: dict[str, Any]) -> dict[str, Any]:
    """Join the models that the framework found with those of raw routes; names of fields need no second title."""
    _, ours = models_json_schema(
        [
            (MessageRequest, "validation"),
            *((each.body, "validation") for each in OPERATIONS.values() if each.body is not None),
            (Problem, "serialization"),
            *((model, "serialization") for model in announced_callbacks.MODELS),
        ],
        ref_template=_REF,
    )
    schemas = {**of_routes, **ours["$defs"], "AnyErrorCode": components.ANY_ERROR_CODE}
    for schema in schemas.values():
        for each in schema.get("properties", {}).values():
            each.pop("title", None)
    return {name: schemas[name] for name in sorted(schemas) if name not in _REPLACED}
