"""Sending on from another member of its pool what its own sender's provider did not take, as soon as that is settled.

What waits behind it is the affair of `moving`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.domain.change import Change
from app.domain.delivery_errors import DeliveryError
from app.domain.failover import Choice, Departure, Standing, elsewhere, failed_over, moves_at_once, seeks_another
from app.domain.provider import Deferred, Rejected, SendOutcome
from app.store.engine import Connection
from app.store.moving import LaneLimits, Pooled, departures_of, limits_of, ways_of
from app.store.pools import find_pool_named
from app.store.queue import OpenWork
from app.store.standing import read_standing


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A send's outcome, and what settling makes of it by itself."""

    work: OpenWork
    outcome: SendOutcome
    change: Change


@dataclass(frozen=True, kw_only=True)
class KnownPool:
    """A pool to choose from, and how fast its members are."""

    choice: Choice
    limits: Mapping[UUID, LaneLimits]


async def pools_of(connection: Connection, ways: Iterable[Pooled]) -> dict[tuple[UUID, str], KnownPool]:
    """Read the pools that these messages were sent from, by account and name; one that is gone is left out."""
    known: dict[tuple[UUID, str], KnownPool] = {}
    for account_id, name in {(way.account_id, way.pool) for way in ways}:
        pool = await find_pool_named(connection, account_id, name)
        if pool is None:
            continue
        limits = await limits_of(connection, [member.sender_id for member in pool.members])
        paused = frozenset(sender_id for sender_id, lane in limits.items() if lane.paused)
        choice = Choice(pool_id=pool.id, members=pool.members, match_area=pool.match_area, paused=paused)
        known[account_id, name] = KnownPool(choice=choice, limits=limits)
    return known


async def sent_on(connection: Connection, settled: Sequence[Settled]) -> list[Change]:
    """Give what becomes of these messages, which the caller has locked: another member's turn where there is one."""
    if all(_failure(each) is None for each in settled):
        return [each.change for each in settled]
    standing = await read_standing(connection)
    moving = [each.work.state.id for each in settled if _moves(each, standing)]
    ways = await ways_of(connection, moving) if moving else {}
    pools = await pools_of(connection, ways.values())
    departures = await departures_of(connection, list(ways)) if ways else {}

    def change(each: Settled) -> Change:
        way = ways.get(each.work.state.id)
        pool = pools.get((way.account_id, way.pool)) if way else None
        if way is None or pool is None or not _moves(each, standing):
            return each.change
        before = departures.get(way.message_id, [])
        return _sent_on(each, way, pool.choice, before=before, standing=standing)

    return [change(each) for each in settled]


def _sent_on(each: Settled, way: Pooled, choice: Choice, *, before: Sequence[Departure], standing: Standing) -> Change:
    left = Departure(sender=way.sender, provider=each.work.attempt.provider, error=_failure(each))
    member = elsewhere(choice, way.recipient, departures=[*before, left], standing=standing)
    if member is None or not isinstance(each.outcome, Rejected | Deferred):
        return each.change
    work = each.work
    return failed_over(
        work.state,
        each.outcome,
        each.change,
        member,
        from_sender=way.sender,
        tries=work.tries,
        crashes=work.crashes,
        now=work.now,
    )


def _failure(each: Settled) -> DeliveryError | None:
    return seeks_another(each.work.state, each.outcome, each.change)


def _moves(each: Settled, standing: Standing) -> bool:
    error = _failure(each)
    return error is not None and moves_at_once(error, each.work.attempt.provider, standing)
