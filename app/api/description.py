"""The OpenAPI description: what the framework cannot know of routes that read raw bytes."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from app.api.schemas import MessageRequest
from app.domain.errors import ErrorCode

_REF: Final = "#/components/schemas/{model}"
_SECURITY: Final[list[dict[str, list[str]]]] = [{"basic": []}, {"bearer": []}]
_SCHEMES: Final[dict[str, Any]] = {
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The key's id as the user, its secret as the password.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "The key's id and its secret, joined by `_`."},
}
_MEANINGS: Final[dict[int, str]] = {
    400: "The request cannot be read.",
    401: "No valid API key, or a webhook that does not prove where it comes from.",
    403: "The key may not do that.",
    404: "There is no such thing, or it is another account's.",
    413: "The body is too large.",
    415: "The body is not plain JSON.",
    422: "Something in it is not acceptable; `errors` names each field.",
    503: "Not now; Retry-After says when to try again.",
}


class ProblemError(BaseModel):
    """One field that was refused."""

    pointer: str = Field(description="JSON Pointer into the body, or the name of a parameter.")
    code: str
    detail: str
    suggestion: str | None = Field(default=None, description="A form of the field that would be accepted.")


class Problem(BaseModel):
    """A refusal, as RFC 9457 writes it."""

    type: str = Field(description="A stable URI for this kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What is wrong, and what to do.")
    code: ErrorCode
    errors: list[ProblemError]
    request_id: str | None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the refusals that a route may answer with."""
    schema = {"$ref": _REF.format(model="Problem")}
    return {
        status: {"description": _MEANINGS[status], "content": {"application/problem+json": {"schema": schema}}}
        for status in statuses
    }


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a JSON body that the route reads by itself."""
    schema = {"$ref": _REF.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def install(app: FastAPI) -> None:
    """Give the application a description that says what it does; written once, when first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _described(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.1.0"
    )
    components = document.setdefault("components", {})
    _, ours = models_json_schema([(MessageRequest, "validation"), (Problem, "serialization")], ref_template=_REF)
    schemas = {**components.get("schemas", {}), **ours["$defs"]}
    components["schemas"] = {name: schema for name, schema in schemas.items() if "ValidationError" not in name}
    components["securitySchemes"] = _SCHEMES
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _drop_undeclared(operation)
            if path.startswith("/v1/messages"):
                operation["security"] = _SECURITY
    return document


def _drop_undeclared(operation: dict[str, Any]) -> None:
    """Remove the framework's own 422, a shape that is never sent."""
    answer = operation["responses"].get("422", {})
    if "application/json" in answer.get("content", {}):
        del operation["responses"]["422"]
