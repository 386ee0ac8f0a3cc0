"""What requests and answers look like, for the description: documents that the gateway could have sent or been sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

MESSAGE_ID: Final = "01a204b0-76e8-7133-8069-fed851132188"
_BODY: Final = "Your order has shipped. Track: https://example.com/track/123"

SHORTEST_REQUEST: Final[dict[str, Any]] = {"from": "+15551234567", "to": "+15559876543", "body": _BODY}
FULL_REQUEST: Final[dict[str, Any]] = {
    **SHORTEST_REQUEST,
    "client_reference": "order-1042",
    "metadata": {"team": "checkout"},
    "validity_seconds": 3600,
    "delivery_guarantee": "at_least_once",
    "max_segments": 3,
}


def later_request(now: datetime) -> dict[str, Any]:
    """Give a message for the day after tomorrow: a fixed moment would be refused once it has passed."""
    send_at = now.replace(hour=9, minute=30, second=0, microsecond=0) + timedelta(days=2)
    return {
        "from": "+15551234567",
        "to": "+15559876543",
        "body": "Your appointment is tomorrow at 9:30. Reply C to cancel.",
        "send_at": send_at.isoformat(),
        "expires_at": (send_at + timedelta(hours=8)).isoformat(),
    }


QUEUED: Final[dict[str, Any]] = {
    "id": MESSAGE_ID,
    "status": "queued",
    "direction": "outbound",
    "from": "+15551234567",
    "to": "+15559876543",
    "body": _BODY,
    "encoding": "gsm-7",
    "segments": 1,
    "client_reference": "order-1042",
    "metadata": {"team": "checkout"},
    "delivery_guarantee": "at_most_once",
    "possible_duplicate": False,
    "attempts": 0,
    "provider": "sandbox",
    "error_code": None,
    "priority": "transactional",
    "pool": None,
    "test": True,
    "created_at": "2026-11-22T19:16:43.368000Z",
    "updated_at": "2026-11-22T19:16:43.368000Z",
    "send_at": None,
    "estimated_send_at": "2026-11-22T19:16:43.375412Z",
    "sent_at": None,
    "final_at": None,
    "expires_at": "2026-11-23T05:16:43.371031Z",
    "price": None,
    "price_currency": None,
    "billed_segments": None,
}
DELIVERED: Final[dict[str, Any]] = {
    **QUEUED,
    "status": "delivered",
    "attempts": 1,
    "updated_at": "2026-11-22T19:16:43.660282Z",
    "estimated_send_at": None,
    "sent_at": "2026-11-22T19:16:43.407858Z",
    "final_at": "2026-11-22T19:16:43.660282Z",
    "price": "0.0075",
    "price_currency": "USD",
    "billed_segments": 1,
}
UNDELIVERED: Final[dict[str, Any]] = {**DELIVERED, "status": "undelivered", "error_code": "landline"}
SCHEDULED: Final[dict[str, Any]] = {
    **QUEUED,
    "status": "scheduled",
    "send_at": "2026-12-01T08:30:00.000000Z",
    "estimated_send_at": "2026-12-01T08:30:00.000000Z",
    "expires_at": "2026-12-01T19:00:00.000000Z",
    "price": None,
    "price_currency": None,
    "billed_segments": None,
}
CANCELED: Final[dict[str, Any]] = {
    **SCHEDULED,
    "status": "canceled",
    "estimated_send_at": None,
    "updated_at": "2026-11-22T19:20:01.104511Z",
    "final_at": "2026-11-22T19:20:01.104511Z",
}
REDRIVEN: Final[dict[str, Any]] = {"id": QUEUED["id"], "status": "queued", "error_code": None}
RECEIVED: Final[dict[str, Any]] = {
    **QUEUED,
    "id": "01a204b1-0a52-7f19-9c44-5b0d8f8a61ce",
    "status": "received",
    "direction": "inbound",
    "from": "+15559876543",
    "to": "+15551234567",
    "body": "Thank you!",
    "client_reference": None,
    "metadata": {},
    "priority": "transactional",
    "pool": None,
    "test": False,
    "estimated_send_at": None,
    "final_at": "2026-11-22T19:17:20.011000Z",
    "expires_at": None,
}
PAGE: Final[dict[str, Any]] = {
    "data": [DELIVERED],
    "next_cursor": "AaIEsHboczOAaf7YURMhiPxrUG3UqbHX",
    "has_more": True,
}
AUDITS: Final[dict[str, Any]] = {
    "provider": "sandbox",
    "listing": True,
    "data": [
        {
            "day": "2026-11-22",
            "made_at": "2026-11-23T06:04:11.020113Z",
            "agrees": False,
            "ours": {"messages": 120, "segments": 134, "prices": {"USD": "1.0050"}},
            "theirs": {"messages": 121, "segments": 135, "prices": {"USD": "1.0125"}},
            "matched": 120,
            "differences": {"lag": 1, "unknown-to-us": 1},
            "listed": [
                {
                    "kind": "lag",
                    "message_id": MESSAGE_ID,
                    "attempt": 1,
                    "provider_message_id": "sbx_5f0c4a1e",
                    "ours": "sent",
                    "theirs": "delivered",
                },
                {
                    "kind": "unknown-to-us",
                    "message_id": None,
                    "attempt": None,
                    "provider_message_id": "sbx_77d01b92",
                    "ours": None,
                    "theirs": "delivered",
                },
            ],
        }
    ],
    "next_cursor": None,
    "has_more": False,
}
NO_AUDITS: Final[dict[str, Any]] = {**AUDITS, "listing": False, "data": []}

_FIRST_EVENT: Final[dict[str, Any]] = {
    "sequence": 1,
    "at": "2026-11-22T19:16:43.382346Z",
    "source": "api",
    "previous": None,
    "status": "queued",
    "applied": True,
    "reason": None,
    "attempt": None,
    "error_code": None,
    "provider_status": None,
    "provider_code": None,
    "reported_at": None,
    "from_sender": None,
    "to_sender": None,
}
_REPORTED: Final[dict[str, Any]] = {
    **_FIRST_EVENT,
    "sequence": 4,
    "at": "2026-11-22T19:16:43.503256Z",
    "source": "provider",
    "previous": "sent",
    "status": "sent",
    "applied": False,
    "reason": "duplicate",
    "attempt": 1,
    "provider_status": "sent",
    "reported_at": "2026-11-22T19:16:43.495402Z",
}
EVENTS: Final[dict[str, Any]] = {
    "data": [
        _FIRST_EVENT,
        {
            **_FIRST_EVENT,
            "sequence": 2,
            "at": "2026-11-22T19:16:43.401328Z",
            "source": "worker",
            "previous": "queued",
            "status": "sending",
            "attempt": 1,
        },
        {
            **_FIRST_EVENT,
            "sequence": 3,
            "at": "2026-11-22T19:16:43.432345Z",
            "source": "worker",
            "previous": "sending",
            "status": "sent",
            "attempt": 1,
            "provider_status": "queued",
        },
        _REPORTED,
        {
            **_REPORTED,
            "sequence": 5,
            "at": "2026-11-22T19:16:43.663569Z",
            "status": "delivered",
            "applied": True,
            "reason": None,
            "provider_status": "delivered",
            "reported_at": "2026-11-22T19:16:43.655675Z",
        },
    ]
}

PROVIDER_WEBHOOK: Final[dict[str, Any]] = {
    "type": "message.status",
    "id": "sbx_5f0c4a1e",
    "reference": f"{MESSAGE_ID}.1",
    "status": "delivered",
    "error_code": None,
    "timestamp": "2026-11-22T19:16:43.655675+00:00",
}
ALIVE: Final = {"status": "alive"}
READY: Final = {"status": "ready", "warnings": []}
VERSION: Final = {"version": "0.1.0", "schema_revision": "0001"}
