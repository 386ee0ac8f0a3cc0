"""New ids and secrets: the place where time and randomness enter them."""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from app.domain.credentials import (
    ID_RANDOM_BYTES,
    SECRET_RANDOM_BYTES,
    Credentials,
    KeyMode,
    new_credentials,
)
from app.domain.ids import account_hash, make_id

_POOL_BYTES: Final = 4096


def new_id(account_id: UUID | None = None) -> UUID:
    """Make an id, placed by its account; one without an account is placed at random."""
    placement = next(_RANDOM) if account_id is None else account_hash(account_id)
    return make_id(unix_ms=time.time_ns() // 1_000_000, placement=placement, random_bits=next(_RANDOM))


def new_request_id() -> str:
    """Make the id of a request: 32 hexadecimal digits."""
    return f"{next(_RANDOM):016x}{next(_RANDOM):016x}"


def _random_integers() -> Iterator[int]:
    """Give 64 random bits at a time; asked for one by one, the system's randomness costs more than the rest of an id.

    No process of ours forks itself, so no two share what is left of a pool.
    """
    while True:
        for (integer,) in struct.iter_unpack("<Q", secrets.token_bytes(_POOL_BYTES)):
            yield integer


_RANDOM: Final = _random_integers()


def new_key(mode: KeyMode) -> Credentials:
    """Make an API key; its secret exists nowhere else."""
    return new_credentials(
        mode,
        id_bytes=secrets.token_bytes(ID_RANDOM_BYTES),
        secret_bytes=secrets.token_bytes(SECRET_RANDOM_BYTES),
    )
