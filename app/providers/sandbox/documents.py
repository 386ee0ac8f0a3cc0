"""What the sandbox's JSON documents say, read piece by piece; nothing here raises."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

import orjson

from app.domain.delivery_errors import DeliveryError
from app.domain.evidence import Price
from app.domain.status import MessageStatus
from app.providers.sandbox.tables import ERRORS

_AMOUNT: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)


def load(body: bytes) -> Any:
    """Read JSON; None for what is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def error_code(body: bytes) -> int | None:
    """Give the code of the sandbox's error document; None for any other body."""
    match load(body):
        case {"error": {"code": int(code)}} if not isinstance(code, bool):
            return code
        case _:
            return None


def delivery_error(status: MessageStatus | None, code: int | None) -> DeliveryError | None:
    """Say why a message was lost; None for one that was not."""
    if status not in {MessageStatus.UNDELIVERED, MessageStatus.FAILED}:
        return None
    return ERRORS.get(code or 0, DeliveryError.UNKNOWN)


def read_price(value: object) -> Price | None:
    """Read `{amount, currency}`; an unreadable price is none, for what stands beside it matters more."""
    match value:
        case {"amount": str(amount), "currency": str(currency)}:
            if _AMOUNT.fullmatch(amount) and _CURRENCY.fullmatch(currency):
                return Price(amount=Decimal(amount), currency=currency)
    return None


def read_segments(value: object) -> int | None:
    """Read how many segments are billed; None for what is no count."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
