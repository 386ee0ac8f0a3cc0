"""What a caller asks to be sent, and by what a repeat of it is known."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Protocol

import orjson

from app.domain.message import DeliveryGuarantee
from app.domain.priority import Priority


class SendCommand(Protocol):
    """What a caller asks to be sent, of the right types and sizes, but not yet found acceptable."""

    sender: str | None
    """A sender, or `pool:` and a pool's name; None for where the account's routes lead."""

    recipient: str
    body: str
    client_reference: str | None
    metadata: dict[str, str]
    send_at: datetime | None
    expires_at: datetime | None
    validity_seconds: int | None
    delivery_guarantee: DeliveryGuarantee
    max_segments: int
    priority: Priority | None


def fingerprint_of(command: SendCommand) -> bytes:
    """Hash what is asked, whatever its spacing and order were.

    What is left out is left out here too, so that a field which the next version adds makes no earlier request
    another one.
    """
    asked = {
        "from": command.sender,
        "to": command.recipient,
        "body": command.body,
        "client_reference": command.client_reference,
        "metadata": command.metadata,
        "send_at": command.send_at,
        "expires_at": command.expires_at,
        "validity_seconds": command.validity_seconds,
        "delivery_guarantee": command.delivery_guarantee,
        "max_segments": command.max_segments,
        "priority": command.priority,
    }
    said = {name: value for name, value in asked.items() if value is not None}
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()
