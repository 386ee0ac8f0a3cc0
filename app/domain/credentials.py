"""API keys: how they are written, checked for typing errors and hashed.

A key is a public id, `mgw_live_<id>` or `mgw_test_<id>`, and a secret of 32 random base62 characters
followed by a checksum of six. HTTP Basic carries them as user and password; Bearer carries both
joined by an underscore. The prefix lets secret scanners find a leaked key, and the checksum refuses
a mistyped one without a look into the database. Only SHA-256 of the secret is stored: it is random,
so a slow hash would add nothing but a way to exhaust the gateway.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_LENGTH: Final = 6
_ID: Final = r"[0-9A-Za-z]{12}"
_SECOND_PART: Final = r"[0-9A-Za-z]{38}"
_USER: Final = re.compile(rf"mgw_(live|test)_({_ID})", re.ASCII)
_BEARER: Final = re.compile(rf"(mgw_(?:live|test)_{_ID})_({_SECOND_PART})", re.ASCII)
_PASSWORD: Final = re.compile(_SECOND_PART, re.ASCII)
ID_RANDOM_BYTES: Final = 12
SECRET_RANDOM_BYTES: Final = 32


class KeyMode(StrEnum):
    """What a key's messages may reach."""

    LIVE = "live"
    TEST = "test"


class Scope(StrEnum):
    """What a key may do."""

    MESSAGES_WRITE = "messages:write"
    MESSAGES_READ = "messages:read"
    OPS_READ = "ops:read"
    """Reads every account's messages, sends nothing; its reads are audited."""

    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A well-formed key as presented; whether it exists is for the store to say."""

    mode: KeyMode
    key_id: str
    secret: str = field(repr=False)

    @property
    def user(self) -> str:
        """The public part, as printed and logged."""
        return f"mgw_{self.mode}_{self.key_id}"

    @property
    def bearer(self) -> str:
        """Both parts in one, for `Authorization: Bearer`."""
        return f"{self.user}_{self.secret}"


def new_credentials(mode: KeyMode, *, id_bytes: bytes, secret_bytes: bytes) -> Credentials:
    """Write a key from random bytes, twelve for the id and 32 for the secret."""
    key_id = _base62(id_bytes)
    secret = _base62(secret_bytes)
    return Credentials(mode=mode, key_id=key_id, secret=secret + _checksum(mode, key_id, secret))


def read_basic(user: str, password: str) -> Credentials | None:
    """Read the two parts of HTTP Basic; None where they cannot be a key of ours."""
    match = _USER.fullmatch(user)
    if match is None or _PASSWORD.fullmatch(password) is None:
        return None
    return _checked(Credentials(mode=KeyMode(match[1]), key_id=match[2], secret=password))


def read_bearer(token: str) -> Credentials | None:
    """Read a bearer token; None where it cannot be a key of ours."""
    match = _BEARER.fullmatch(token)
    return read_basic(match[1], match[2]) if match else None


def hash_secret(secret: str) -> bytes:
    """Hash a secret as it is stored."""
    return hashlib.sha256(secret.encode()).digest()


def _checked(credentials: Credentials) -> Credentials | None:
    secret, checksum = credentials.secret[:-_CHECKSUM_LENGTH], credentials.secret[-_CHECKSUM_LENGTH:]
    return credentials if _checksum(credentials.mode, credentials.key_id, secret) == checksum else None


def _checksum(mode: KeyMode, key_id: str, secret: str) -> str:
    remainder = zlib.crc32(f"mgw_{mode}_{key_id}_{secret}".encode())
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        remainder, digit = divmod(remainder, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _base62(random_bytes: bytes) -> str:
    return "".join(_ALPHABET[byte * len(_ALPHABET) // 256] for byte in random_bytes)
