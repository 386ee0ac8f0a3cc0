"""The signature of the sandbox's webhooks; the sandbox makes it and the adapter checks it."""

from __future__ import annotations

import hmac
import re
from datetime import datetime
from typing import Final

from app.domain.http import WebhookRequest
from app.domain.provider import SignatureInvalid

SIGNATURE_HEADER: Final = "sandbox-signature"
TOLERANCE_SECONDS: Final = 300
MOST_SIGNATURES: Final = 8
_TIME: Final = re.compile(r"[0-9]{1,12}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


def sign(secret: str, *, now: datetime, url: str, body: bytes) -> str:
    """Give the value of the `sandbox-signature` header for a webhook posted to `url` at `now`."""
    signed_at = str(int(now.timestamp()))
    return f"t={signed_at},v1={_digest(secret, signed_at, url, body)}"


def verify(secret: str, request: WebhookRequest, *, now: datetime) -> None:
    """Check the time and the HMAC; raises `SignatureInvalid`."""
    signed_at, signatures = _read_signature(request.headers.get(SIGNATURE_HEADER, ""))
    if abs(now.timestamp() - int(signed_at)) > TOLERANCE_SECONDS:
        raise SignatureInvalid("the signature's time is more than 300 seconds away")
    expected = _digest(secret, signed_at, request.url, request.body)
    if not any(hmac.compare_digest(expected, signature) for signature in signatures):
        raise SignatureInvalid("no v1 signature matches")


def _digest(secret: str, signed_at: str, url: str, body: bytes) -> str:
    # surrogatepass keeps this total: a URL that no provider could have called must not raise, only not match.
    signed = f"{signed_at}.{url}.".encode("utf-8", "surrogatepass") + body
    return hmac.digest(secret.encode(), signed, "sha256").hex()


def _read_signature(header: str) -> tuple[str, list[str]]:
    entries = [entry.strip().partition("=") for entry in header.split(",", 2 * MOST_SIGNATURES)]
    times = [value for key, _, value in entries if key == "t" and _TIME.fullmatch(value)]
    signatures = [value for key, _, value in entries if key == "v1" and _SIGNATURE.fullmatch(value)]
    if len(times) != 1:
        raise SignatureInvalid(f"{SIGNATURE_HEADER} is missing or has no single time")
    if not 1 <= len(signatures) <= MOST_SIGNATURES:
        raise SignatureInvalid(f"{SIGNATURE_HEADER} has no v1 signature, or too many")
    return times[0], signatures
