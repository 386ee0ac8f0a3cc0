"""Values of every kind become plain JSON and are masked on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from uuid import UUID

import pytest

from app.telemetry.masking import Logged, mask_fields
from tests.telemetry.canaries import HIDDEN, NUMBER


@dataclass
class Stranger:
    """Something whose text tells more than it should."""

    to: str = NUMBER


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        (NUMBER, "+***00"),
        (NUMBER.encode(), "+***00"),
        ([NUMBER, (NUMBER,)], ["+***00", ["+***00"]]),
        ({NUMBER}, ["+***00"]),
        ({NUMBER: {"a": NUMBER}}, {"+***00": {"a": "+***00"}}),
        ({15555550100: 1}, {"***00": 1}),
        (ValueError(f"no {NUMBER}"), "ValueError: no +***00"),
        (Stranger(), "Stranger(to='+***00')"),
        (UUID("12345678-1234-7234-8234-123456789012"), "12345678-1234-7234-8234-123456789012"),
        (datetime(2026, 11, 3, 12, 0, tzinfo=UTC), "2026-11-03T12:00:00+00:00"),
        (timedelta(seconds=90), "0:01:30"),
        (Decimal("0.0075"), "0.0075"),
        (ip_address("127.0.0.1"), "127.0.0.1"),
        (float("nan"), "nan"),
        (b"\xff\xfe", "\\xff\\xfe"),
    ],
    ids=repr,
)
def test_values_of_every_kind_become_plain_and_masked(value: object, masked: Logged) -> None:
    assert mask_fields({"seen": value}) == {"seen": masked}


@pytest.mark.parametrize("key", ["to", "from", "from_", "recipient", "sender", "phone_number", "msisdn"])
def test_a_number_under_its_own_key_is_masked_even_as_an_integer_or_without_country(key: str) -> None:
    assert mask_fields({key: 15555550100}) == {key: "***00"}
    assert mask_fields({key: ["1512345678"]}) == {key: ["***78"]}
    assert mask_fields({key: 32665}) == {key: 32665}


def test_values_that_contain_themselves_end() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert HIDDEN in json.dumps(mask_fields({"endless": endless}))
