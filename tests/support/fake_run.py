"""What is known of a run against the fake provider, as plain facts for the checkers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import text

from app.store.engine import Engine, transaction
from tests.support.fake_provider.send_log import Posted, Verdict
from tests.support.fake_provider.server import FakeProvider
from tests.support.invariants import Run, Submission, Webhook
from tests.support.load import Load
from tests.support.observation import our_side
from tests.support.processes import Fleet

_POLL_SECONDS: Final = 0.1

_WORKING: Final = """
SELECT EXISTS (SELECT FROM messages WHERE status IN ('queued', 'scheduled', 'sending') OR status = :sent)
    OR EXISTS (SELECT FROM webhook_receipts WHERE state = 'pending')
    OR EXISTS (SELECT FROM orphan_reports o JOIN attempts a USING (provider_message_id))
"""


async def settled_with(
    engine: Engine, fleet: Fleet, load: Load, *providers: FakeProvider, within_seconds: float = 60, final: bool = False
) -> Run:
    """Wait until nothing is left to do, on either side, and give what is known then; at the deadline, what is anyway.

    A message may stay `sent` here, for reports are dropped, unless it is to be `final`: looked up by then.
    """
    deadline = time.monotonic() + within_seconds
    while await _is_working(engine, providers, final=final) and time.monotonic() < deadline:
        fleet.check_alive()
        await asyncio.sleep(_POLL_SECONDS)
    return await observed(engine, load, *providers)


async def observed(engine: Engine, load: Load, *providers: FakeProvider) -> Run:
    """Give what is known of a run now."""
    run = await our_side(engine, load)
    posted = [each for provider in providers for each in provider.log.posted]
    logs = [provider.log for provider in providers]
    sent = sorted((entry for log in logs for entry in log.sent), key=lambda entry: entry.at)
    return replace(
        run,
        queued=frozenset(),  # what is `sent` may wait there to be looked up
        submissions=tuple(Submission(message=s.message, taken=s.verdict is Verdict.TAKEN, at=s.at) for s in sent),
        inbox=tuple(message for log in logs for message in log.taken().elements()),
        webhooks=await _webhooks(engine, posted),
        strangers=len({each.body for each in posted if each.message is None}),
    )


async def _is_working(engine: Engine, providers: Sequence[FakeProvider], *, final: bool) -> bool:
    if not all(provider.idle for provider in providers):
        return True
    async with transaction(engine) as connection:
        return bool(await connection.scalar(text(_WORKING), {"sent": "sent" if final else None}))


async def _webhooks(engine: Engine, posted: Sequence[Posted]) -> tuple[Webhook, ...]:
    """Count how often each acknowledged webhook is kept."""
    async with engine.connect() as connection:
        bodies = (await connection.execute(text("SELECT body FROM webhook_receipts"))).scalars().all()
    kept = Counter(bytes(body) for body in bodies)
    acknowledged = {each.body: each for each in posted if each.message is not None}
    return tuple(
        Webhook(message=str(each.message), status=each.status, receipts=kept[body])
        for body, each in acknowledged.items()
    )
