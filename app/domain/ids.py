"""Ids: UUIDv7 whose `rand_a` holds a hash of the account, so that data can be placed by account.

Ids of one millisecond are in no order, and none becomes visible before its commit: nothing may rely
on either. `created_at` of a message is its id's own time.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
RANDOM_BITS: Final = 62
"""How many random bits an id takes (RFC 9562 section 5.7, `rand_b`)."""


@lru_cache(maxsize=10_000)
def account_hash(account_id: UUID) -> int:
    """Twelve bits of a hash of the account, the same for everything that it owns."""
    return int.from_bytes(hashlib.sha256(account_id.bytes).digest()[:2], "big") >> 4


def make_id(*, unix_ms: int, placement: int, random_bits: int) -> UUID:
    """Build a UUIDv7 from its time (milliseconds), twelve placement bits and 62 random bits."""
    value = (unix_ms & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | (placement & 0xFFF) << 64
    value |= 0b10 << 62 | (random_bits & (1 << RANDOM_BITS) - 1)
    return UUID(int=value)


def created_at(identifier: UUID) -> datetime:
    """Read the time that an id was made at, to the millisecond."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)


def lowest_id(moment: datetime) -> UUID:
    """Give the bound that every id made at or after `moment` reaches: a time range is an id range."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return UUID(int=max(0, min(milliseconds, 0xFFFF_FFFF_FFFF)) << 80)
