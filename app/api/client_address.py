"""Whose address a request comes from: the peer's, unless the peer is a proxy that we were told to trust.

X-Forwarded-For can be written by anybody. What counts is only what trusted proxies have appended to it:
read from its right end, the first address that is not a trusted proxy's.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from starlette.types import Scope

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
_HOPS: Final = 20
"""How many addresses are read at most: a chain of proxies is short, a forged header need not be."""


def client_address(scope: Scope, trusted: Sequence[Network]) -> Address | None:
    """Find the caller's address; None where there is no peer, as on a Unix socket.

    Where a trusted proxy forwarded something that is no address, or trusted addresses only, the peer's own
    counts.
    """
    peer = _read(scope["client"][0]) if scope.get("client") else None
    if peer is None or not _is_in(peer, trusted):
        return peer
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    for written in reversed(forwarded.decode("latin-1").rsplit(",", _HOPS)[-_HOPS:]):
        address = _read(written.strip())
        if address is None:
            return peer
        if not _is_in(address, trusted):
            return address
    return peer


def _read(written: str) -> Address | None:
    """Read an address; an IPv4 one is one, even where a socket of both families shows it inside an IPv6 one."""
    try:
        address = ip_address(written)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
