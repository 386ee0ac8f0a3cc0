"""Resends under an idempotency key are sends, too: their lanes and providers are asked first, and charged."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.domain.grants import Grants, ProviderLimits
from app.store.engine import Connection
from app.store.lanes import charge_lanes
from app.store.provider_limits import begin_trials, charge_providers, lock_limits
from app.store.queue import Unresolved
from app.store.resends import lock_lanes_of, postpone

_AGAIN_SECONDS: Final = 1.0
"""When one is looked at again that may not go now: what is due behind it is not to wait for it."""


async def grant_resends(connection: Connection, wanted: Collection[Unresolved], *, lease: timedelta) -> set[UUID]:
    """Give those of these messages, which the caller has locked, that may go out again now; the others wait."""
    if not wanted:
        return set()
    lanes = await lock_lanes_of(connection, {each.state.id: each.attempt.provider for each in wanted})
    limited = {each.attempt.provider for each in wanted if each.state.id in lanes and lanes[each.state.id].is_limited}
    providers: dict[str, ProviderLimits] = {}
    if limited:
        providers, _ = await lock_limits(connection, limited)
    grants = Grants(providers, others=len(wanted), now=next(iter(wanted)).now)
    granted: set[UUID] = set()
    for each in wanted:
        lane, provider = lanes.get(each.state.id), each.attempt.provider
        # None of them is more urgent than another: what they ask has waited long already.
        if lane and grants.take(lane.id, lane.meter, provider, rank=0, segments=each.segments):
            granted.add(each.state.id)
    await charge_lanes(connection, grants.lanes())
    await charge_providers(connection, grants.providers())
    called = {each.attempt.provider for each in wanted if each.state.id in granted}
    if trials := [name for name in called if name in providers and providers[name].trial]:
        await begin_trials(connection, trials, lasts=lease)
    await postpone(connection, [each.state.id for each in wanted if each.state.id not in granted], _AGAIN_SECONDS)
    return granted
