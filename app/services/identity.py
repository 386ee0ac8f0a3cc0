"""New ids and secrets: the place where time and randomness enter them."""

from __future__ import annotations

import secrets
import time
from uuid import UUID

from app.domain.credentials import (
    ID_RANDOM_BYTES,
    SECRET_RANDOM_BYTES,
    Credentials,
    KeyMode,
    new_credentials,
)
from app.domain.ids import RANDOM_BITS, account_hash, make_id


def new_id(account_id: UUID | None = None) -> UUID:
    """Make an id, placed by its account; one without an account is placed at random."""
    placement = secrets.randbits(12) if account_id is None else account_hash(account_id)
    return make_id(unix_ms=time.time_ns() // 1_000_000, placement=placement, random_bits=secrets.randbits(RANDOM_BITS))


def new_key(mode: KeyMode) -> Credentials:
    """Make an API key; its secret exists nowhere else."""
    return new_credentials(
        mode,
        id_bytes=secrets.token_bytes(ID_RANDOM_BYTES),
        secret_bytes=secrets.token_bytes(SECRET_RANDOM_BYTES),
    )
