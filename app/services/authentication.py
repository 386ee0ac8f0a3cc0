"""Who is calling: from presented credentials to a caller with an account, a mode and scopes."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.domain.credentials import Credentials, KeyMode, Scope, hash_secret
from app.domain.errors import ErrorCode, Refusal
from app.store.accounts import find_usable_key
from app.store.engine import Engine, transaction

_NOBODY: Final = bytes(32)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A key that was checked."""

    key_id: str
    account_id: UUID | None
    """None for an ops key, which reads all accounts and sends nothing."""

    mode: KeyMode
    scopes: frozenset[Scope]

    def require(self, *scopes: Scope) -> None:
        """Raise `forbidden` unless the key has one of these scopes."""
        if self.scopes.isdisjoint(scopes):
            wanted = " or ".join(scopes)
            raise Refusal(ErrorCode.FORBIDDEN, f"This needs a key with the scope {wanted}.")


class Authenticator:
    """Checks keys against the store, on each request: a revocation works at once."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine to read keys from."""
        self._engine = engine

    async def authenticate(self, credentials: Credentials | None) -> Caller:
        """Find the caller; raises `unauthenticated` for any key that is unknown, wrong, revoked or expired."""
        if credentials is None:
            raise _unauthenticated()
        presented = hash_secret(credentials.secret)
        async with transaction(self._engine) as connection:
            key = await find_usable_key(connection, credentials.key_id, presented)
        # Compared even where there is no key, so that an unknown id takes as long as a wrong secret.
        right = hmac.compare_digest(key.secret_hash if key else _NOBODY, presented)
        if key is None or not right or key.mode is not credentials.mode:
            raise _unauthenticated()
        return Caller(key_id=key.id, account_id=key.account_id, mode=key.mode, scopes=key.scopes)


def _unauthenticated() -> Refusal:
    return Refusal(
        ErrorCode.UNAUTHENTICATED,
        "Send an API key by HTTP Basic (its id as the user, its secret as the password) or as a Bearer token "
        "(both joined by an underscore). `gateway keys create` makes one.",
    )
