"""A provider that takes messages and answers badly, slowly or not at all: nothing is doubled, nothing made up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from app.domain.change import EventReason
from app.domain.message import DeliveryGuarantee
from app.domain.status import MessageStatus
from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.batches import BOTH_GUARANTEES, ordinary
from tests.support.fake_provider.conduct import CUT_OFF, UNCLEAR, WRONG, Conduct, always, in_turn, seeded
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_provider.webhooks import Habits
from tests.support.fake_run import settled_with
from tests.support.gateway import Tenant
from tests.support.invariants import Message, Run, violations
from tests.support.load import Load
from tests.support.observation import count, until
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

SEED: Final = 20_261
DEADLINE_SECONDS: Final = 2.5
"""Of one provider call, in all hasty fleets."""

UNTIDY: Final = Habits(
    statuses=("sending", "sent", "delivered"), shuffled=True, doubled=0.2, dropped=0.1, early=0.2, strangers=0.05
)
LATE: Final = Habits(statuses=("delivered",), delay_seconds=(DEADLINE_SECONDS + 0.8, DEADLINE_SECONDS + 1.2))
SHARES: Final = {
    **dict.fromkeys(UNCLEAR, 0.03),
    Conduct.HANG: 0.04,
    Conduct.LOST: 0.03,
    Conduct.UNAVAILABLE: 0.02,
    Conduct.REFUSED: 0.01,
}
PATIENT: Final = {"GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "30"}
"""Where all is reported in the end, so that nothing is resent only because this machine is slow."""

_LONGEST_CALL: Final = """
SELECT coalesce(max(extract(epoch FROM e.at - a.started_at) * 1000), 0) FROM status_events e
JOIN attempts a ON a.message_id = e.message_id AND a.no = e.attempt WHERE e.reason = 'outcome-unknown'
"""
_ORPHANS: Final = "SELECT count(*) FROM orphan_reports"


async def run_against(
    provider: FakeProvider, fleet: Fleet, engine: Engine, load: Load, *, messages: int, over_seconds: float
) -> Run:
    """Send a batch of both guarantees and wait until it has settled."""
    fleet.start("api", "worker-1", "worker-2")
    fleet.wait_until_ready()
    await load.send(ordinary(messages, guarantees=BOTH_GUARANTEES), over_seconds=over_seconds)
    return await settled_with(engine, fleet, load, provider, within_seconds=180)


def delivered(provider: FakeProvider) -> set[str | None]:
    """Name the messages of which the gateway has acknowledged a delivery."""
    return {posted.message for posted in provider.log.posted if posted.status == "delivered"} - {None}


def met_of(met: Counter[Conduct], kinds: Iterable[Conduct]) -> int:
    """Count the requests that were treated in one of these ways."""
    return sum(met[kind] for kind in kinds)


def second_copy_did_not_leave(message: Message) -> bool:
    """Whether a message was resent without evidence, and it is known of the resend that it was not taken."""
    given_up = {event.attempt for event in message.events if event.reason == EventReason.NO_EVIDENCE}
    return bool(given_up) and message.attempts not in given_up and message.open_attempts == 0


async def test_answers_that_tell_nothing_double_nothing_and_every_acknowledged_report_counts(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    """In full the faults of three runs in one: 20 % cut of 500 messages, 20 % hanging of 200, 20 % wrong of 500."""
    with (
        FakeProvider(seeded(SEED, SHARES), habits=UNTIDY, seed=SEED) as provider,
        Fleet(own_database_url, tmp_path, **provider.settings) as fleet,
    ):
        load = Load(api_url=fleet.api_url, credentials=shop.test, asked_twice=0.1)
        run = await run_against(
            provider, fleet, engine, load, messages=1_200 if FULL else 100, over_seconds=12 if FULL else 1
        )
        complaints = fleet.complaints()
    assert violations(run) == []
    met = provider.log.conducts()
    assert met.keys() >= ({*SHARES} if FULL else set())
    assert not FULL or min(met_of(met, CUT_OFF), met_of(met, WRONG)) >= 100
    assert not FULL or met[Conduct.HANG] >= 40
    assert {m.id for m in run.messages if m.status is MessageStatus.DELIVERED} == delivered(provider)
    taken = run.taken()
    unsure = [m for m in run.messages if m.status is MessageStatus.UNCONFIRMED and not m.possible_duplicate]
    assert all(m.guarantee is DeliveryGuarantee.AT_MOST_ONCE or second_copy_did_not_leave(m) for m in unsure)
    assert all(m.possible_duplicate for m in run.messages if taken[m.id] == 2)
    assert load.improper() == []
    assert complaints == []


async def test_a_call_ends_at_its_deadline_whether_the_provider_hangs_or_drips(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    """In full 50 that hang (20 % of 200, and more), 50 that drip, and 100 that do neither."""
    conducts = (Conduct.HANG, Conduct.DRIP, *[Conduct.PROPER] * (2 if FULL else 1))
    with (
        FakeProvider(in_turn(*conducts), habits=LATE) as provider,
        # A place for each, for what is measured from the claim on would hold a wait for a place as well.
        Fleet(own_database_url, tmp_path, GATEWAY_DISPATCH__CONCURRENCY="200", **PATIENT, **provider.settings) as fleet,
    ):
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        run = await run_against(
            provider, fleet, engine, load, messages=200 if FULL else 60, over_seconds=2 if FULL else 1
        )
        longest = await count(engine, _LONGEST_CALL) / 1000
        complaints = fleet.complaints()
    assert violations(run) == []
    assert {(m.status, m.attempts) for m in run.messages} == {(MessageStatus.DELIVERED, 1)}
    # Claiming and writing take their time, too; without a deadline it would be minutes.
    assert DEADLINE_SECONDS <= longest <= 2 * DEADLINE_SECONDS
    assert complaints == []


async def test_reports_that_come_before_the_answer_are_not_lost(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    with (
        FakeProvider(habits=Habits(statuses=("sending", "sent", "delivered"), early=1)) as provider,
        Fleet(own_database_url, tmp_path, **PATIENT, **provider.settings) as fleet,
    ):
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        run = await run_against(
            provider, fleet, engine, load, messages=500 if FULL else 60, over_seconds=8 if FULL else 1
        )
        complaints = fleet.complaints()
    assert violations(run) == []
    assert len(run.webhooks) == 3 * len(run.messages)
    assert {(m.status, m.attempts) for m in run.messages} == {(MessageStatus.DELIVERED, 1)}
    assert complaints == []


async def test_reports_on_an_id_that_is_not_known_yet_wait_until_it_is(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    messages, held_seconds = (100, 5.0) if FULL else (40, 0.0)
    calm = {
        # A quarter of the places is for one-time codes alone.
        "GATEWAY_DISPATCH__CONCURRENCY": str(messages + messages // 3),
        "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "25",
        "GATEWAY_DISPATCH__LEASE_SECONDS": "30",
    }
    with (
        FakeProvider(always(Conduct.HELD), habits=Habits(nameless=True, delay_seconds=(0, 0.1))) as provider,
        Fleet(own_database_url, tmp_path, **PATIENT, **calm, **provider.settings) as fleet,
    ):
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        fleet.start("api", "worker")
        fleet.wait_until_ready()
        async with asyncio.TaskGroup() as group:
            group.create_task(load.send(ordinary(messages)))
            await until(engine, fleet, _ORPHANS, 2 * messages, within_seconds=15)
            await asyncio.sleep(held_seconds)
            provider.let_go()
        run = await settled_with(engine, fleet, load, provider)
        complaints = fleet.complaints()
    assert violations(run) == []
    assert {(m.status, m.attempts) for m in run.messages} == {(MessageStatus.DELIVERED, 1)}
    assert complaints == []
