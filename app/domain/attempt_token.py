"""The token that travels in a status webhook's URL: our message id, the attempt's number, and a MAC.

It lets a report find its attempt without a search, even before the send was recorded, and binds it to
one provider account, so that nobody can report on another's messages.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from typing import Final
from uuid import UUID

from app.domain.provider import AttemptRef

_TOKEN: Final = re.compile(
    r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([1-9][0-9]{0,3})\.([A-Za-z0-9_-]{22})", re.ASCII
)
_MAC_BYTES: Final = 16


def write_token(attempt: AttemptRef, *, provider: str, secret: bytes) -> str:
    """Write `<message id>.<attempt>.<mac>` for one attempt at one configured provider."""
    return f"{attempt}.{_mac(attempt, provider, secret)}"


def read_token(token: str, *, provider: str, secret: bytes) -> AttemptRef | None:
    """Read a token back; None if it is malformed, forged or another provider's."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    attempt = AttemptRef(message_id=UUID(match[1]), number=int(match[2]))
    expected = _mac(attempt, provider, secret)
    return attempt if hmac.compare_digest(match[3], expected) else None


def _mac(attempt: AttemptRef, provider: str, secret: bytes) -> str:
    digest = hmac.new(secret, f"attempt:{provider}:{attempt}".encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(digest[:_MAC_BYTES]).decode().rstrip("=")
