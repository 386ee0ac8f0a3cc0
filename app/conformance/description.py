"""Writes outcomes, events and records as the plain JSON values in which samples state them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.domain.references import AttemptRef


def described(value: object) -> Any:
    """Write a value of the contract: dataclasses as objects with `is` and without what is None."""
    match value:
        case AttemptRef() | Decimal() | StrEnum():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case tuple() | list():
            return [described(each) for each in value]
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case _ if is_dataclass(value) and not isinstance(value, type):
            named = {each.name: described(getattr(value, each.name)) for each in fields(value)}
            return {"is": type(value).__name__} | {name: field for name, field in named.items() if field is not None}
        case _:
            return value
