"""The presets: settings of known APIs. An account's own settings go before each single one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.domain.delivery_errors import DeliveryError
from app.domain.status import MessageStatus

STATUSES: Final[Mapping[str, MessageStatus]] = {
    "queued": MessageStatus.QUEUED,
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "failed": MessageStatus.FAILED,
    "undelivered": MessageStatus.UNDELIVERED,
}
"""What both presets' providers say; any other word is read as no event."""

SIGNALMASH_ERRORS: Final[Mapping[str, DeliveryError]] = {
    "1": DeliveryError.SENDER_NOT_ALLOWED,  # source not found, or not provisioned
    "6": DeliveryError.UNREACHABLE,  # absent subscriber
    "15": DeliveryError.CONTENT_FILTERED,  # screening block
    "21": DeliveryError.UNREACHABLE,  # expired on the way
    "31": DeliveryError.UNREACHABLE,  # subscriber busy
    "32": DeliveryError.UNREACHABLE,  # delivery failure
    "34": DeliveryError.UNREACHABLE,  # validity expired
    "45": DeliveryError.OPTED_OUT,  # STOP, complaint or deactivated
    "60": DeliveryError.UNREGISTERED_SENDER,  # campaign not active
    "61": DeliveryError.CARRIER_BLOCKED,  # destination blocked; not certainly an opt-out
    "64": DeliveryError.RATE_LIMITED,  # quota exceeded
    "66": DeliveryError.CONTENT_FILTERED,  # data coding blocked
    "69": DeliveryError.RATE_LIMITED,  # sending limit reached
    "153": DeliveryError.UNREACHABLE,  # absent subscriber
    "201": DeliveryError.UNREACHABLE,  # absent, detached
    "300": DeliveryError.INVALID_RECIPIENT,  # invalid destination
    "310": DeliveryError.SENDER_NOT_ALLOWED,  # invalid source
    "321": DeliveryError.UNKNOWN,  # receiver rejected, often spam
    "322": DeliveryError.PROVIDER_UNAVAILABLE,  # receiver's temporary error
    "349": DeliveryError.UNKNOWN,  # request failed, often a block
    "409": DeliveryError.UNKNOWN,  # vendor-specific
}
"""The portal's export of delivery codes, decoded by one third party (2026): unverified."""

_SEED: Final[Mapping[str, Any]] = {
    "path": "/v1/messages",
    "auth": {"kind": "basic"},
    "format": "json",
    "numbers": "e164",
    "fields": {"from": "from", "to": "to", "body": "body"},
    "answer": {
        "id": ["id", "message_id", "data.id"],
        "status": ["status", "data.status"],
        "error_code": ["error_code", "error.code", "code"],
        "error_text": ["error.message", "error"],
    },
    "statuses": dict(STATUSES),
    "webhook": {
        "id": ["message_id", "id"],
        "status": ["status"],
        "error_code": ["error_code"],
        "time": ["timestamp"],
        "inbound": {
            "id": ["message_id", "id"],
            "from": ["from", "sender"],
            "to": ["to"],
            "body": ["body", "text"],
            "time": ["timestamp"],
        },
    },
}

_SIGNALMASH_IDS: Final = ("messageId", "message_id", "id", "sid")

_SIGNALMASH: Final[Mapping[str, Any]] = {
    "url": "https://api.signalmash.com",
    "path": "/messages",
    "auth": {"kind": "header", "name": "authorization", "prefix": ""},
    "format": "form",
    "numbers": "nanp10",
    "fields": {"from": "FROM", "to": "TO", "body": "BODY"},
    "answer": {
        "id": [*(f"data.{name}" for name in _SIGNALMASH_IDS), "batch_id", *_SIGNALMASH_IDS],
        "id_required": False,
        "body_status": ["status"],
        "error_code": ["error_code", "data.error_code"],
        "error_text": ["message", "error"],
    },
    "statuses": dict(STATUSES),
    "errors": dict(SIGNALMASH_ERRORS),
    "webhook": {
        "type": ["type"],
        "status_types": ["message.status"],
        "inbound_types": ["message.inbound"],
        "id": ["data.message_id", "message_id", "data.id", "id"],
        "status": ["data.status", "status"],
        "error_code": ["data.error_code", "error_code"],
        "time": ["data.timestamp", "timestamp"],
        "inbound": {
            "id": ["data.message_id", "message_id", "data.id", "id"],
            "from": ["data.from", "from", "FROM"],
            "to": ["data.to", "to", "TO"],
            "body": ["data.body", "body", "BODY"],
            "time": ["data.timestamp", "timestamp"],
        },
    },
}

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {"seed": _SEED, "signalmash": _SIGNALMASH}


def merged(preset: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings over a preset, group by group; a list is replaced as a whole."""
    result = dict(preset)
    for name, value in given.items():
        below = result.get(name)
        inner = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[name] = merged(below, value) if inner else value  # type: ignore[arg-type]  # both are mappings here
    return result
