"""Who is calling: from presented credentials to a caller with an account, a mode and scopes."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from app.domain.credentials import Credentials, KeyMode, Scope, hash_secret
from app.domain.errors import ErrorCode, Refusal
from app.services.shared_lookups import SharedLookups
from app.store.accounts import ApiKey, find_usable_key
from app.store.engine import Engine, transaction

REMEMBERED: Final = 10_000
"""How many verified headers are remembered."""

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


@dataclass(frozen=True, kw_only=True)
class _Verified:
    caller: Caller
    until: float
    """When the store has to be asked again, by the monotonic clock."""


class Authenticator:
    """Checks keys against the store, and remembers for a few seconds what it said.

    A revocation works in each process once that time is over. What is remembered is found by the SHA-256
    of the whole Authorization header, so no secret is kept, and one who has a part of a key finds nothing.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        remember_seconds: float = 5,
        size: int = REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the engine to read keys from, and for how long and how many of its answers count."""
        self._engine = engine
        self._remember_seconds = remember_seconds
        self._size = size
        self._clock = clock
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._lookups: SharedLookups[bytes, Caller | None] = SharedLookups()

    def remembered(self, header: bytes) -> Caller | None:
        """Give the caller of a header that was verified moments ago; it costs a hash and a look into a table."""
        digest = hashlib.sha256(header).digest()
        found = self._verified.get(digest)
        if found is None or self._clock() >= found.until:
            return None
        self._verified.move_to_end(digest)
        return found.caller

    def knows(self, header: bytes) -> bool:
        """Tell whether a header was right when it was last verified, or is being verified now."""
        digest = hashlib.sha256(header).digest()
        return digest in self._verified or digest in self._lookups

    async def verify(self, header: bytes, credentials: Credentials) -> Caller | None:
        """Ask the store about a header, once for all who present it at the same time; None if it is not right.

        Raises `StoreUnavailable`.
        """
        digest = hashlib.sha256(header).digest()
        return await self._lookups.get(digest, lambda: self._verify(digest, credentials))

    async def authenticate(self, credentials: Credentials) -> Caller:
        """Ask the store, whatever is remembered; raises `unauthenticated` for any key that it does not hold usable."""
        key = await self._find(credentials)
        if key is None:
            raise unauthenticated()
        return _caller(key)

    async def _verify(self, digest: bytes, credentials: Credentials) -> Caller | None:
        # Counted from before the question: a revocation between the answer and now is not missed for longer.
        asked_at = self._clock()
        key = await self._find(credentials)
        if key is None:
            self._verified.pop(digest, None)
            return None
        lifetime = self._remember_seconds
        if key.expires_at is not None:
            lifetime = min(lifetime, (key.expires_at - datetime.now(UTC)).total_seconds())
        verified = _Verified(caller=_caller(key), until=asked_at + lifetime)
        self._verified[digest] = verified
        self._verified.move_to_end(digest)
        if len(self._verified) > self._size:
            self._verified.popitem(last=False)
        return verified.caller

    async def _find(self, credentials: Credentials) -> ApiKey | None:
        presented = hash_secret(credentials.secret)
        async with transaction(self._engine) as connection:
            key = await find_usable_key(connection, credentials.key_id, presented)
        # Compared even where there is no key, so that an unknown id takes as long as a wrong secret.
        right = hmac.compare_digest(key.secret_hash if key else _NOBODY, presented)
        return key if key is not None and right and key.mode is credentials.mode else None


def unauthenticated() -> Refusal:
    """The refusal of whoever did not prove who he is; the same whatever was wrong."""
    return Refusal(
        ErrorCode.UNAUTHENTICATED,
        "Send an API key by HTTP Basic (its id as the user, its secret as the password) or as a Bearer token "
        "(both joined by an underscore). `gateway keys create` makes one.",
    )


def _caller(key: ApiKey) -> Caller:
    return Caller(key_id=key.id, account_id=key.account_id, mode=key.mode, scopes=key.scopes)
