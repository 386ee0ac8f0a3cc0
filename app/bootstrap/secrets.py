"""The secrets that the processes of one gateway share."""

from __future__ import annotations

import hashlib
import hmac

from pydantic import SecretStr

from app.settings import Settings


def secret_of(settings: Settings) -> bytes:
    """Give what the gateway signs with."""
    return settings.secret_key.get_secret_value().encode()


def sandbox_secret(settings: Settings, name: str) -> str:
    """Give a secret that the gateway and its sandbox share; none that everybody knows stands in for it."""
    given: SecretStr | None = getattr(settings.sandbox, name)
    if given is not None:
        return given.get_secret_value()
    return hmac.new(secret_of(settings), f"sandbox:{name}".encode(), hashlib.sha256).hexdigest()
