"""Posts the sandbox's webhooks: signed, tried again until the receiver answers 2xx, a bounded number at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import orjson

from app.domain.http import HttpRequest, HttpResponse
from app.providers.sandbox import SIGNATURE_HEADER, sign
from app.sandbox.billing import price_of
from app.sandbox.config import SandboxConfig
from app.sandbox.script import FINAL, Report
from app.sandbox.submissions import Submission
from app.transport import Transport


def status_body(submission: Submission, report: Report, *, now: datetime) -> bytes:
    """Write one status webhook; the figures of the bill are in it once nothing more becomes of the message."""
    final = report.word in FINAL
    return orjson.dumps(
        {
            "type": "message.status",
            "id": submission.id,
            "reference": submission.reference,
            "status": report.word,
            "error_code": report.code,
            "timestamp": now,
            "segments": submission.segments if final else None,
            "price": price_of(submission.segments) if final else None,
        }
    )


class WebhookPoster:
    """Posts bodies to URLs until they are taken or the schedule ends."""

    def __init__(self, transport: Transport, config: SandboxConfig) -> None:
        """Use a transport that somebody else closes."""
        self._transport = transport
        self._secret = config.webhook_secret
        self._waits = config.webhook_retry_waits_seconds
        self._slots = asyncio.Semaphore(config.webhooks_in_flight)

    async def post(self, url: str, body: bytes) -> bool:
        """Post one webhook and say whether it was ever taken; the waits between tries hold no slot."""
        if await self._is_taken(url, body):
            return True
        for wait in self._waits:
            await asyncio.sleep(wait)
            if await self._is_taken(url, body):
                return True
        return False

    async def _is_taken(self, url: str, body: bytes) -> bool:
        async with self._slots:
            # Signed at each try: a signature of the first would be too old at a slow schedule's end.
            signature = sign(self._secret, now=datetime.now(UTC), url=url, body=body)
            headers = {"content-type": "application/json", SIGNATURE_HEADER: signature}
            answer = await self._transport.perform(HttpRequest(method="POST", url=url, headers=headers, body=body))
        match answer:
            case HttpResponse(status=status):
                return 200 <= status <= 299  # noqa: PLR2004 - the 2xx range is the rule itself
            case _:
                return False
