"""Routes: the longest prefix decides."""

from __future__ import annotations

import pytest

from app.domain.routes import may_be_called, pool_of, target_for

TARGETS = {"+1": "pool:us", "+1416": "+14165550100", "+44": "Shop", "+1212555": "24680"}


@pytest.mark.parametrize(
    ("recipient", "target"),
    [
        ("+12135550100", "pool:us"),
        ("+14165550100", "+14165550100"),
        ("+12125550100", "24680"),
        ("+447400123456", "Shop"),
        ("+4915123456789", None),
        ("+4", None),
        ("+", None),
        ("", None),
    ],
)
def test_the_longest_prefix_of_a_recipient_names_the_target(recipient: str, target: str | None) -> None:
    assert target_for(recipient, TARGETS) == target


def test_without_routes_there_is_no_target() -> None:
    assert target_for("+12125550100", {}) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [("pool:us", "us"), ("pool:", ""), ("pool: ", " "), ("Pool:us", None), ("+12125550100", None), ("pool", None)],
)
def test_a_pool_is_named_behind_a_prefix(text: str, name: str | None) -> None:
    assert pool_of(text) == name


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("support", True),
        ("1", True),
        ("us-east-1", True),
        ("x" * 32, True),
        ("x" * 33, False),
        ("", False),
        ("-x", False),
        ("Support", False),
        ("us east", False),
        ("us\n", False),
        ("\u0661", False),
    ],
)
def test_a_pools_name_is_of_small_letters_digits_and_hyphens(name: str, allowed: bool) -> None:
    assert may_be_called(name) is allowed
