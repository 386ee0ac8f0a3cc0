"""Limits that change while a lane sends: it goes by the new ones at once, and no change frees what was not there."""

from __future__ import annotations

import random
import time
from decimal import Decimal
from itertools import accumulate
from uuid import UUID

import pytest
from sqlalchemy import text

from app.services.editing import OPERATOR
from app.services.sender_administration import SenderAdministration
from app.store.engine import Engine, transaction
from app.store.lanes import charge_lanes, lane_meter
from tests.support.gateway import tenant

SENDER = "+12025550100"
BURST = 5


@pytest.fixture
async def sender_id(engine: Engine) -> UUID:
    """A sender with a burst of its own."""
    await tenant(engine, sender=SENDER)
    senders = SenderAdministration(engine, {"sandbox"})
    return (await senders.change_named(OPERATOR, "shop", SENDER, {"burst": BURST})).sender.id


async def set_rate(engine: Engine, sender_id: UUID, rate: str) -> None:
    await SenderAdministration(engine, {"sandbox"}).change(OPERATOR, sender_id, {"rate": Decimal(rate)})


async def seconds_ahead(engine: Engine, sender_id: UUID) -> float:
    """How far the lane has sent ahead of its rate."""
    async with transaction(engine) as connection:
        ahead = await connection.scalar(
            text("SELECT extract(epoch FROM arrival_at - clock_timestamp()) FROM lanes WHERE id = :id"),
            {"id": sender_id},
        )
    return float(ahead)


async def grant_all(engine: Engine, sender_id: UUID) -> tuple[float, int]:
    """Take from the lane whatever it gives; when, and how many segments."""
    async with transaction(engine) as connection:
        found = await connection.execute(
            text("SELECT *, now() AS now FROM lanes WHERE id = :id FOR UPDATE"), {"id": sender_id}
        )
        row = found.one()
        segments = lane_meter(row).available(row.now)
        await charge_lanes(connection, {sender_id: lane_meter(row).charge(segments, row.now)})
    return row.now.timestamp(), segments


@pytest.mark.parametrize(("rate", "seconds"), [("10", 3), ("0.5", 60), ("1", 30)])
async def test_what_was_sent_ahead_is_paid_off_at_the_new_rate(
    engine: Engine, sender_id: UUID, rate: str, seconds: float
) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE lanes SET rate = 1, arrival_at = now() + interval '30 s' WHERE id = :id"), {"id": sender_id}
        )
    began = time.monotonic()
    await set_rate(engine, sender_id, rate)
    ahead = await seconds_ahead(engine, sender_id)
    took = time.monotonic() - began
    # It goes on being paid off while the change is made.
    assert seconds - took * max(1, 1 / float(rate)) - 0.01 <= ahead <= seconds + 0.01


async def test_a_lane_that_rested_has_no_more_than_its_burst_after_a_change(engine: Engine, sender_id: UUID) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE lanes SET arrival_at = now() - interval '1 day'"))
    await set_rate(engine, sender_id, "0.001")
    assert (await grant_all(engine, sender_id))[1] == BURST
    assert (await grant_all(engine, sender_id))[1] == 0


async def test_a_rate_that_goes_up_and_down_lets_no_window_pass_the_higher_of_its_rates(
    engine: Engine, sender_id: UUID
) -> None:
    chance, rates = random.Random(5), ("2", "40", "7.5")  # noqa: S311 - a seed that repeats
    passed: list[tuple[float, int]] = []
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        await set_rate(engine, sender_id, chance.choice(rates))
        passed += [await grant_all(engine, sender_id) for _ in range(chance.randrange(3))]
    sums = [0, *accumulate(segments for _, segments in passed)]
    worst = max(
        sums[last + 1] - sums[first] - 40 * (passed[last][0] - passed[first][0])
        for first in range(len(passed))
        for last in range(first, len(passed))
    )
    assert worst <= BURST + 1e-6
    assert sums[-1] >= BURST
