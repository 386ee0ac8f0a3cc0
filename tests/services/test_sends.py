"""The places of a worker: so many sends at once, and others for those that a hanging provider has taken."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

from app.domain.provider import SendRequest
from app.domain.references import AttemptRef
from app.services.sends import Sends
from app.services.submitting import Assignment


def assignment() -> Assignment:
    send = SendRequest(sender="+12025550100", recipient="+12025550101", body="Hello", segments=1, validity_seconds=60)
    return Assignment(
        attempt=AttemptRef(message_id=uuid4(), number=1),
        provider="acme",
        fence=1,
        begin_before=time.monotonic() + 60,
        worth_until=time.monotonic() + 60,
        send=send,
    )


async def test_as_many_sends_again_take_the_places_of_calls_that_hang_at_a_provider_that_was_left() -> None:
    end, hanging = asyncio.Event(), 0

    async def send(_assignment: Assignment) -> None:
        await end.wait()

    sends = Sends(send, concurrency=8, on_room=lambda: None, spare=lambda: hanging)
    sends.begin([assignment() for _ in range(6)])  # two places are kept for one-time codes
    assert (sends.room().others, len(sends.tasks)) == (0, 6)
    hanging = 6
    assert sends.room().others == 6
    sends.begin([assignment() for _ in range(20)])
    assert (sends.room().others, len(sends.tasks)) == (0, 12)
    hanging = 1_000
    assert sends.room().all <= 8
    end.set()
    await asyncio.wait(sends.tasks)
