"""What is known of a run against the fake provider, as plain facts for the checkers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import replace
from typing import Final

from sqlalchemy import text

from app.store.engine import Engine, transaction
from tests.support.fake_provider.send_log import SendLog, Verdict
from tests.support.fake_provider.server import FakeProvider
from tests.support.invariants import Run, Submission, Webhook
from tests.support.load import Load
from tests.support.observation import our_side
from tests.support.processes import Fleet

_POLL_SECONDS: Final = 0.1

_WORKING: Final = """
SELECT EXISTS (SELECT FROM messages WHERE status IN ('queued', 'scheduled', 'sending'))
    OR EXISTS (SELECT FROM webhook_receipts WHERE state = 'pending')
    OR EXISTS (SELECT FROM orphan_reports o JOIN attempts a USING (provider_message_id))
"""


async def settled_with(
    engine: Engine, fleet: Fleet, load: Load, provider: FakeProvider, *, within_seconds: float = 60
) -> Run:
    """Wait until nothing is left to do, on either side, and give what is known then; at the deadline, what is anyway.

    A message may stay `sent` here: reports are dropped.
    """
    deadline = time.monotonic() + within_seconds
    while (not provider.idle or await _is_working(engine)) and time.monotonic() < deadline:
        fleet.check_alive()
        await asyncio.sleep(_POLL_SECONDS)
    return await observed(engine, load, provider)


async def observed(engine: Engine, load: Load, provider: FakeProvider) -> Run:
    """Give what is known of a run now."""
    run = await our_side(engine, load)
    log = provider.log
    return replace(
        run,
        queued=frozenset(),  # what is `sent` may wait there to be looked up
        submissions=tuple(Submission(message=s.message, taken=s.verdict is Verdict.TAKEN, at=s.at) for s in log.sent),
        inbox=tuple(log.taken().elements()),
        webhooks=await _webhooks(engine, log),
        strangers=len({posted.body for posted in log.posted if posted.message is None}),
    )


async def _is_working(engine: Engine) -> bool:
    async with transaction(engine) as connection:
        return bool(await connection.scalar(text(_WORKING)))


async def _webhooks(engine: Engine, log: SendLog) -> tuple[Webhook, ...]:
    """Count how often each acknowledged webhook is kept."""
    async with engine.connect() as connection:
        bodies = (await connection.execute(text("SELECT body FROM webhook_receipts"))).scalars().all()
    kept = Counter(bytes(body) for body in bodies)
    acknowledged = {posted.body: posted for posted in log.posted if posted.message is not None}
    return tuple(
        Webhook(message=str(posted.message), status=posted.status, receipts=kept[body])
        for body, posted in acknowledged.items()
    )
