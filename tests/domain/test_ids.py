"""Ids carry their time and their account, and attempt tokens cannot be forged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.domain.attempt_token import read_token, write_token
from app.domain.ids import account_hash, created_at, lowest_id, make_id
from app.domain.references import AttemptRef

MOMENT = datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=UTC)
ACCOUNT = UUID("0192f000-0000-7000-8000-000000000001")


def test_an_id_is_a_uuid_of_version_seven_that_holds_its_time_and_its_account() -> None:
    made = make_id(unix_ms=int(MOMENT.timestamp() * 1000), placement=account_hash(ACCOUNT), random_bits=(1 << 62) - 1)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert created_at(made) == MOMENT
    assert (made.int >> 64) & 0xFFF == account_hash(ACCOUNT)


def test_a_time_range_is_an_id_range() -> None:
    lowest = make_id(unix_ms=int(MOMENT.timestamp() * 1000), placement=0, random_bits=0)
    assert lowest_id(MOMENT) < lowest < lowest_id(MOMENT + timedelta(milliseconds=1))
    assert lowest_id(datetime(1969, 1, 1, tzinfo=UTC)) == UUID(int=0)


REF = AttemptRef(message_id=UUID("0192f3a0-1234-7abc-8def-0123456789ab"), number=2)
TOKEN = write_token(REF, provider="acme", secret=b"secret")


def test_a_token_reads_back_for_its_own_provider_and_secret_only() -> None:
    assert read_token(TOKEN, provider="acme", secret=b"secret") == REF
    assert read_token(TOKEN, provider="other", secret=b"secret") is None
    assert read_token(TOKEN, provider="acme", secret=b"another") is None


@pytest.mark.parametrize(
    "forged",
    [
        "",
        TOKEN[:-1],
        TOKEN[:-1] + ("A" if TOKEN[-1] != "A" else "B"),
        TOKEN.replace(".2.", ".3."),
        TOKEN.replace("0192f3a0", "0192f3a1"),
        TOKEN.replace(".2.", ".02."),
        TOKEN.upper(),
        TOKEN + "\n",
        "../" + TOKEN,
    ],
)
def test_a_token_that_was_touched_is_none(forged: str) -> None:
    assert read_token(forged, provider="acme", secret=b"secret") is None
