"""Whose address counts: nobody but a trusted proxy can say that it is another's."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from app.api.client_address import client_address

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def scope(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return {"client": (peer, 50_000) if peer else None, "headers": [(b"host", b"x"), *headers]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("198.51.100.1",), "192.0.2.1"),
        ("2001:db8::1", ("198.51.100.1",), "2001:db8::1"),
        ("::ffff:192.0.2.1", (), "192.0.2.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("::ffff:10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("fd00::1", ("2001:db8::7",), "2001:db8::7"),
        ("10.0.0.1", ("203.0.113.9, 198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("203.0.113.9,198.51.100.1 , 10.2.2.2",), "198.51.100.1"),
        ("10.0.0.1", ("203.0.113.9", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.1", ("198.51.100.1", "10.2.2.2", "fd00::2"), "198.51.100.1"),
        ("10.0.0.1", ("garbage, 198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("198.51.100.1, garbage",), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1,",), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1:443",), "10.0.0.1"),
        ("10.0.0.1", ("\xb2.1.1.1",), "10.0.0.1"),
        ("10.0.0.1", ("unknown",), "10.0.0.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("10.0.0.1", ("10.3.3.3, 10.2.2.2",), "10.0.0.1"),
    ],
)
def test_the_peer_counts_or_what_trusted_proxies_say(peer: str, forwarded: tuple[str, ...], expected: str) -> None:
    assert client_address(scope(peer, *forwarded), PROXIES) == ip_address(expected)


def test_nobody_is_trusted_unless_told_so() -> None:
    assert client_address(scope("127.0.0.1", "198.51.100.1"), ()) == ip_address("127.0.0.1")


@pytest.mark.parametrize("peer", [None, "", "testclient"])
def test_a_peer_without_an_address_has_none(peer: str | None) -> None:
    assert client_address(scope(peer, "198.51.100.1"), PROXIES) is None


def test_a_chain_longer_than_any_of_proxies_is_not_followed() -> None:
    assert client_address(scope("10.0.0.1", "198.51.100.1" + ", 10.2.2.2" * 3_000), PROXIES) == ip_address("10.0.0.1")
