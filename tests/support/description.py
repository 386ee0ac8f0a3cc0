"""Walks over an OpenAPI document: its operations, its references, its examples with the schemas that they must fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

Document: TypeAlias = dict[str, Any]
_METHODS = ("get", "put", "post", "delete", "patch")
_URI = "urn:description"


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    """Every operation with a name for it, those of the announced callbacks at the end."""
    for section in ("paths", "webhooks"):
        for path, item in document[section].items():
            yield from ((f"{method} {path}", item[method]) for method in _METHODS if method in item)


def references(node: Any) -> Iterator[str]:
    """Every reference, wherever it stands."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolved(document: Document, node: Document) -> Document:
    """What a node refers to, or the node; raises `KeyError` for a reference that leads nowhere."""
    while "$ref" in node:
        place: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        node = place
    return node


def examples(document: Document) -> Iterator[tuple[str, Any, Document]]:
    """Every example with the place where it stands and its schema: of parameters, headers, bodies and fields."""
    for place, node in _described(document, ""):
        schema = node["schema"]
        if "example" in node:
            yield place, node["example"], schema
        for name, example in node.get("examples", {}).items():
            yield f"{place} {name}", resolved(document, example)["value"], schema
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", []):
            yield name, example, schema
        for field, inner in schema.get("properties", {}).items():
            for example in inner.get("examples", []):
                yield f"{name}.{field}", example, inner


def _described(node: Any, place: str) -> Iterator[tuple[str, Document]]:
    """Every parameter, header and body: what has a schema of its own."""
    if isinstance(node, list):
        for value in node:
            yield from _described(value, place)
    elif isinstance(node, dict) and "value" not in node:
        if "schema" in node:
            yield place, node
        else:
            for name, value in node.items():
                yield from _described(value, f"{place}/{name}")


class Schemas:
    """Checks values against schemas of a document, formats included."""

    def __init__(self, document: Document) -> None:
        """Take the document that the schemas refer into."""
        resource = DRAFT202012.create_resource({"$id": _URI, **document})
        self._registry: Registry[Any] = Registry().with_resource(_URI, resource)

    def faults(self, value: Any, schema: Document) -> list[str]:
        """Say what does not fit."""
        absolute = _absolute(schema)
        validator = Draft202012Validator(absolute, registry=self._registry, format_checker=FormatChecker())
        return [error.message for error in validator.iter_errors(value)]


def _absolute(node: Any) -> Any:
    """Let references lead into the document, from wherever they are read."""
    if isinstance(node, dict):
        return {key: f"{_URI}{value}" if key == "$ref" else _absolute(value) for key, value in node.items()}
    return [_absolute(value) for value in node] if isinstance(node, list) else node
