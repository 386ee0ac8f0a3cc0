"""Which sender of a pool a message goes from: who may send there, and who of them it falls to.

Sources of what a sender may reach: carriers of the US and Canada take texts of applications from registered ten-digit
numbers (10DLC), verified toll-free numbers and short codes, which work nowhere else, and from no name; elsewhere
ordinary numbers and names do. An operator who knows better names a sender's countries.

Nothing is stored of who was sent to from where: a recipient keeps its sender because the same hash falls to the same
member, for as long as that member is there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from app.domain.phone import Recipient, check_recipient
from app.domain.sender import SenderType

_NORTH_AMERICA: Final = ("US", "CA")
# No sets: the hash of an enum's member is written in Python, and takes longer than three comparisons.
_OF_NORTH_AMERICA: Final = (SenderType.TEN_DLC, SenderType.TOLL_FREE, SenderType.SHORT_CODE)
_NUMBERS: Final = (SenderType.TEN_DLC, SenderType.LONG_CODE)
"""The types whose own number says where they are at home."""

_BITS: Final = 52
"""Of a hash that are used: so many and a half are still exact in a float."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a number is at home, by its numbering plan."""

    country: str | None
    """ISO 3166-1 alpha-2; None for numbers of no country."""

    area: str | None
    """The three digits after +1; None elsewhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A sender in a pool."""

    sender_id: UUID
    address: str
    number_type: SenderType
    provider: str
    """The provider account that its messages go through."""

    weight: float
    """Its share beside the others. 0 drains it: no message is given to it any more, and those that were, stay."""

    countries: Collection[str] | None
    """Where it may send to, ISO 3166-1 alpha-2; None where its number type alone decides."""

    place: Place | None
    """Where its number is at home; None where its address says nothing of it."""


def place_of_sender(address: str, number_type: SenderType) -> Place | None:
    """Give where a sender is at home; None for toll-free numbers, short codes and names, which are of no place."""
    return _kept_place(address) if number_type in _NUMBERS else None


def place_of(e164: str) -> Place:
    """Give where a number is at home; one that nobody was given (fictional) is of its code's largest country."""
    judged = check_recipient(e164, fictional_allowed=True)
    country = judged.region if isinstance(judged, Recipient) else None
    return Place(country=country or _country_of_code(e164), area=e164[2:5] if e164.startswith("+1") else None)


def may_send_to(member: Member, country: str | None) -> bool:
    """Whether a member may send to a country; to numbers of no country, only where nothing binds it to any."""
    if member.number_type is SenderType.ALPHANUMERIC and country in _NORTH_AMERICA:
        return False
    if member.countries is not None:
        return country in member.countries
    return (country in _NORTH_AMERICA) is (member.number_type in _OF_NORTH_AMERICA)


def candidates(members: Sequence[Member], country: str | None) -> Sequence[Member]:
    """Give the members that may send to a country and are not drained, whatever their health and their place."""
    return [member for member in members if member.weight > 0 and may_send_to(member, country)]


def choose(
    members: Sequence[Member], *, pool_id: UUID, recipient: str, health: Mapping[str, float], match_area: bool
) -> Member | None:
    """Give the member that a recipient's messages go from; None where none may send there.

    `health` is that of provider accounts, from 0 to 1; one that is not named has all of it. Members of the recipient's
    country come first, with `match_area` those of its area code before them. Among equals the hash decides, by weight
    times health: while members come, go or change, only the recipients of those that did are moved.
    A member without any health is chosen only where nobody else is left.
    """
    place = place_of(recipient)
    able = candidates(members, place.country)
    well = [member for member in able if health.get(member.provider, 1.0) > 0]
    drawn_by = pool_id.bytes, recipient.encode()

    def turn(member: Member) -> tuple[float, UUID]:
        health_of = health.get(member.provider, 1.0) if well else 1.0
        return _drawn(*drawn_by, member) / (member.weight * health_of), member.sender_id

    return min(_nearest(well or able, place, match_area=match_area), key=turn, default=None)


def _nearest(members: Sequence[Member], recipient: Place, *, match_area: bool) -> Sequence[Member]:
    ranks = [_nearness(member, recipient, match_area=match_area) for member in members]
    best = max(ranks, default=0)
    return [member for member, rank in zip(members, ranks, strict=True) if rank == best]


def _nearness(member: Member, recipient: Place, *, match_area: bool) -> int:
    if member.place is None:
        at_home = member.countries is not None or member.number_type in _OF_NORTH_AMERICA
        return int(at_home)
    if member.place.country != recipient.country:
        return 0
    return 2 if match_area and recipient.area is not None and member.place.area == recipient.area else 1


def _drawn(pool: bytes, recipient: bytes, member: Member) -> float:
    """Draw when a member of weight 1 would come, the same for ever: who comes first has it.

    Weighted rendezvous hashing (Schindelhauer and Schomaker, 2005) as a race of exponential times: a member whose rate
    is twice as high comes first twice as often, and a change of one moves nothing between the others.
    """
    digest = hashlib.blake2b(pool + member.sender_id.bytes + recipient, digest_size=8).digest()
    return -math.log(((int.from_bytes(digest) >> (64 - _BITS)) + 0.5) / 2**_BITS)


def _country_of_code(e164: str) -> str | None:
    for digits in (1, 2, 3):
        regions = COUNTRY_CODE_TO_REGION_CODE.get(int(e164[1 : 1 + digits] or 0))
        if regions:
            return regions[0] if regions[0].isalpha() else None
    return None


@lru_cache(maxsize=10_000)
def _kept_place(address: str) -> Place:
    """A sender's place never changes; recipients' are not kept."""
    return place_of(address)
