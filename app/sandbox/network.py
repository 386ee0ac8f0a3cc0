"""The simulated network: takes or refuses submissions by their scripts, and plays the reports that follow.

It knows nothing of HTTP's side of things beyond which answer a script asks for.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final
from uuid import uuid4

from app.providers.sandbox import KEY_OF_ANOTHER
from app.sandbox.carriers import carrier_of, journey_of
from app.sandbox.config import SandboxConfig
from app.sandbox.magic import script_for
from app.sandbox.script import Answer, Refusal, Report, Script, delay_of, end_of
from app.sandbox.submissions import Fate, Submission, Submissions
from app.sandbox.webhooks import WebhookPoster, status_body

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
NO_SUCH_NUMBER: Final = Refusal(status=400, code=1001)
KEY_OF_ANOTHER_MESSAGE: Final = Refusal(status=422, code=KEY_OF_ANOTHER)
TOO_BUSY: Final = Refusal(status=429, code=2901, retry_after_seconds=1)

EARLY_SECONDS: Final = 5.0
"""How long an answer waits at most for the reports that are to be posted before it."""


@dataclass(frozen=True, kw_only=True)
class NewMessage:
    """What a client asks to have sent; the numbers and the text stay out of the repr."""

    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    body: str = field(repr=False)
    reference: str | None
    status_callback_url: str | None = field(repr=False)
    validity_seconds: int | None
    idempotency_key: str | None = None

    def repeats(self, first: Submission) -> bool:
        """Whether this is the same message once more; its validity may have run down meanwhile."""
        return (
            (self.sender, self.recipient, self.body) == (first.sender, first.recipient, first.body)
            and self.reference == first.reference
            and self.status_callback_url == first.status_callback_url
        )


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A submission that is on its way; `answer` says how the client is told, or not told."""

    submission: Submission
    answer: Answer


class Network:
    """All of one sandbox's state and the tasks that play its reports; lives in one event loop."""

    def __init__(self, config: SandboxConfig, poster: WebhookPoster) -> None:
        """Start with nothing sent."""
        self.config = config
        self.submissions = Submissions(config.max_submissions)
        self.closing = asyncio.Event()
        """Set when the sandbox stops, so that held answers end."""

        self._poster = poster
        self._playing: set[asyncio.Task[None]] = set()
        self._numbers = count(1)

    async def submit(self, message: NewMessage) -> Taken | Refusal:
        """Take a message or refuse it; returns once the answer is due."""
        first = None if message.idempotency_key is None else self.submissions.taken_under(message.idempotency_key)
        if first is not None:
            return _taken_before(first) if message.repeats(first) else KEY_OF_ANOTHER_MESSAGE
        if not E164.fullmatch(message.recipient):
            return NO_SUCH_NUMBER
        script = script_for(message.recipient)
        submission = self._submission(message, script)
        refusal = self._refusal(submission, script)
        if refusal is not None:
            self.submissions.keep(replace(submission, taken=False, answer=str(refusal.status)))
            return refusal
        self.submissions.keep(submission)
        await self._start(submission, script)
        return Taken(submission=submission, answer=script.answer)

    async def clear(self) -> None:
        """Forget every submission and stop playing reports."""
        playing = list(self._playing)
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)
        self.submissions.clear()

    def _submission(self, message: NewMessage, script: Script) -> Submission:
        now, message_id = datetime.now(UTC), f"sbx_{uuid4().hex}"
        carrier = carrier_of(message.recipient)
        journey, pace = journey_of(message_id, carrier), self.config.pace
        return Submission(
            id=message_id,
            number=next(self._numbers),
            idempotency_key=message.idempotency_key,
            reference=message.reference,
            sender=message.sender,
            recipient=message.recipient,
            body=message.body,
            status_callback_url=message.status_callback_url,
            validity_seconds=message.validity_seconds,
            received_at=now,
            carrier=carrier,
            answer=script.answer,
            taken=True,
            fate=Fate(
                handed_over_at=now + timedelta(seconds=journey.handover * pace),
                ends_at=now + timedelta(seconds=end_of(script, journey) * pace),
                end=script.end.word,
                error_code=script.end.code,
            ),
        )

    def _refusal(self, submission: Submission, script: Script) -> Refusal | None:
        refusal = script.refusal
        if refusal is not None and (
            refusal.times is None or self.submissions.refusals(submission.message) < refusal.times
        ):
            return refusal
        return TOO_BUSY if len(self._playing) >= self.config.max_unreported else None

    async def _start(self, submission: Submission, script: Script) -> None:
        """Play the reports in a task of their own, and wait for those that go before the answer."""
        if submission.status_callback_url is None or not script.reports:
            return
        early = asyncio.Event()
        task = asyncio.create_task(self._play(submission, submission.status_callback_url, script, early))
        self._playing.add(task)
        task.add_done_callback(self._playing.discard)
        if script.reports_before_answer:
            # A receiver that is down must not hold the answer back; its webhooks then come after it, as always.
            with suppress(TimeoutError):
                await asyncio.wait_for(early.wait(), EARLY_SECONDS)

    async def _play(self, submission: Submission, url: str, script: Script, early: asyncio.Event) -> None:
        journey = journey_of(submission.id, submission.carrier)
        due = asyncio.get_running_loop().time()
        for number, report in enumerate(script.reports, 1):
            due += delay_of(report, journey) * self.config.pace
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            await self._post(submission, url, report)
            if number == script.reports_before_answer:
                early.set()

    async def _post(self, submission: Submission, url: str, report: Report) -> None:
        body = status_body(submission, report, now=datetime.now(UTC))
        for _ in range(report.copies):
            await self._poster.post(url, body)


def _taken_before(first: Submission) -> Taken:
    """Answer a repeat under the same key: the script's fault was in the first answer, not in the message."""
    script = script_for(first.recipient)
    return Taken(submission=first, answer=Answer.ACCEPTED if script.can_be_asked else script.answer)
