"""Who may post webhooks: whoever has the URL's secret, the Basic credentials, or the key of the HMAC."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final, assert_never
from urllib.parse import parse_qs

from app.domain.http import WebhookRequest
from app.domain.provider import SignatureInvalid
from app.providers.generic_rest.settings import Verification

_LONGEST_HEADER: Final = 4_096


def verify(settings: Verification, request: WebhookRequest) -> None:
    """Return where the webhook proves its origin; raises `SignatureInvalid`."""
    match settings.kind:
        case "url":
            _verify_url(settings, request)
        case "basic":
            _verify_basic(settings, request)
        case "hmac":
            _verify_hmac(settings, request)
        case _:
            assert_never(settings.kind)


def digest(settings: Verification, secret: str, body: bytes) -> str:
    """Give the header's value for a body."""
    raw = hmac.digest(secret.encode(), body, settings.algorithm)
    text = raw.hex() if settings.encoding == "hex" else base64.b64encode(raw).decode()
    return f"{settings.prefix}{text}"


def _verify_url(settings: Verification, request: WebhookRequest) -> None:
    try:
        found = parse_qs(request.query, max_num_fields=50).get(settings.parameter, [])
    except ValueError:
        found = []
    if len(found) != 1 or not any(_same(secret, found[0]) for secret in _secrets(settings)):
        raise SignatureInvalid("the secret is not in the URL")


def _verify_basic(settings: Verification, request: WebhookRequest) -> None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(credentials.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureInvalid("the Basic credentials cannot be read") from None
    expected = f"{settings.user}:{settings.password.get_secret_value()}".encode()
    if scheme.lower() != "basic" or not hmac.compare_digest(expected, given):
        raise SignatureInvalid("the Basic credentials are not ours")


def _verify_hmac(settings: Verification, request: WebhookRequest) -> None:
    given = request.headers.get(settings.header.lower(), "").strip()
    if not given or len(given) > _LONGEST_HEADER:
        raise SignatureInvalid("the signature's header is missing, or too long")
    # Hexadecimal digits come in both cases; the prefix does so nowhere.
    if settings.encoding == "hex" and given.startswith(settings.prefix):
        given = settings.prefix + given[len(settings.prefix) :].lower()
    if not any(_same(digest(settings, secret, request.body), given) for secret in _secrets(settings)):
        raise SignatureInvalid("the signature does not fit the body")


def _secrets(settings: Verification) -> list[str]:
    both = (settings.secret.get_secret_value(), settings.previous_secret.get_secret_value())
    return [secret for secret in both if secret]


def _same(expected: str, given: str) -> bool:
    # As bytes, for compare_digest raises where a text is not ASCII.
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))
