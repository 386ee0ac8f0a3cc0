"""Finding out what became of attempts whose outcome is unknown: asked of their providers, or left to the guarantee."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, assert_never
from uuid import UUID

from app.domain.change import Change, EventReason
from app.domain.evidence import (
    ByRecipient,
    ByReference,
    NoAnswer,
    ProviderMessage,
    SearchAnswer,
    SearchPage,
    SearchQuery,
)
from app.domain.foreign import storable_message
from app.domain.inquiry import Inquiry, Sighting, judge, next_inquiry, search_span
from app.domain.provider import SendOutcome, SendRequest
from app.domain.references import AttemptRef
from app.domain.resolving import ask, found, not_found, resent, resolve, unanswered
from app.services.records import ProviderRecords
from app.services.resends import grant_resends
from app.services.sparing import Sparing
from app.services.submitting import Assignment, DispatchConfig, Submitter, whole_seconds
from app.services.webhooks import Adapters, capabilities_of, resenders_of
from app.store.among import Among
from app.store.changes import apply_changes
from app.store.engine import Connection, Engine, transaction
from app.store.ownership import bound_ids, hold_id, rivals
from app.store.queue import OpenWork, Unresolved, lock_attempts, lock_unresolved, next_fence, unresolved_ids
from app.telemetry import get_logger

_log = get_logger(__name__)
_SEARCH_PAGES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something to be asked of a provider; that it is asked is committed."""

    inquiry: Inquiry
    assignment: Assignment
    """The attempt, under the fence of this question; a resend submits it as it stands."""

    query: SearchQuery | None = field(default=None, repr=False)


Answer = SendOutcome | SearchAnswer


class Resolver:
    """The use cases of resolving. Any number of them may run at once."""

    def __init__(
        self,
        engine: Engine,
        adapters: Adapters,
        submitter: Submitter,
        records: ProviderRecords,
        config: DispatchConfig,
        *,
        worker: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Take the store, the providers, the two ways to ask them, the times, and the worker that asks."""
        self._worker = worker
        self._engine = engine
        self._adapters = adapters
        self._resenders = resenders_of(adapters)
        self._submitter = submitter
        self._records = records
        self._config = config
        self._sparing = Sparing("resolve")

    def aside(self) -> tuple[UUID, ...]:
        """Give the messages that could not be taken and are left alone now."""
        return self._sparing.aside()

    async def begin(self, *, limit: int) -> list[Question]:
        """Take what is due: end what nothing more can be asked about, and give the questions about the rest.

        What a worker died over is left to `begin_alone` where its provider may be asked by a resend. One that cannot
        be taken is logged and left alone for a while. Raises `StoreUnavailable`; a question that is not asked then is
        asked after its lease.
        """
        return [question for question in await self._begin(limit, alone=False) if question is not None]

    async def begin_alone(self) -> Question | None:
        """Take one of those that `begin` leaves, to be asked about while its worker sends and asks nothing else."""
        while taken := await self._begin(1, alone=True):
            for question in taken:
                if question is not None:
                    return question
        return None

    async def ask(self, question: Question) -> Answer:
        """Ask one question; whatever goes wrong is an answer that tells nothing."""
        if question.query is None:
            return await self._submitter.submit(question.assignment)
        return await self._records.search(question.assignment.provider, question.query, most_pages=_SEARCH_PAGES)

    async def conclude(self, question: Question, answer: Answer) -> None:
        """Write what an answer means; raises `StoreUnavailable`, and may then be called again."""
        ref = question.assignment.attempt
        async with transaction(self._engine) as connection:
            for work in await lock_attempts(connection, [(ref.message_id, ref.number)]):
                change = await self._decide(connection, work, question, answer)
                await apply_changes(connection, [change])
                _log.info(
                    "inquiry",
                    message_id=str(ref.message_id),
                    inquiry=question.inquiry.value,
                    reason=change.event.reason,
                    status=change.status.value,
                )

    async def _begin(self, limit: int, *, alone: bool) -> list[Question | None]:
        taken = await self._sparing.do(
            lambda among: self._take_due(limit, alone, among), lambda among: self._find(limit, alone, among)
        )
        for change, question in taken:
            if question is None and change.event.reason is EventReason.NO_EVIDENCE:
                _log.warning("no evidence", message_id=str(change.message_id), status=change.status.value)
        return [question for _, question in taken]

    async def _take_due(self, limit: int, alone: bool, among: Among) -> list[tuple[Change, Question | None]]:
        asked_at = time.monotonic()
        async with transaction(self._engine) as connection:
            work = await lock_unresolved(connection, limit=limit, resenders=self._resenders, alone=alone, among=among)
            if not work:
                return []
            fence = await next_fence(connection)
            decided = [(item, *self._take(item, fence, asked_at)) for item in work]
            resends = [item for item, _, question in decided if question and question.inquiry is Inquiry.RESEND]
            granted = await grant_resends(connection, resends, lease=self._config.lease)
            kept_back = {item.state.id for item in resends} - granted
            taken = [(change, question) for item, change, question in decided if item.state.id not in kept_back]
            await apply_changes(connection, [change for change, _ in taken])
        return taken

    async def _find(self, limit: int, alone: bool, among: Among) -> list[UUID]:
        async with transaction(self._engine) as connection:
            return await unresolved_ids(connection, limit=limit, resenders=self._resenders, alone=alone, among=among)

    def _take(self, work: Unresolved, fence: int, asked_at: float) -> tuple[Change, Question | None]:
        policy = self._config.policy
        worth_seconds = (work.state.expires_at - work.now).total_seconds()
        capabilities = capabilities_of(self._adapters, work.attempt.provider)
        inquiry = next_inquiry(
            work.state, work.attempt, capabilities, now=work.now, crashes=work.crashes, policy=policy.inquiry
        )
        query = self._query(work, inquiry)
        if inquiry is None or (query is None and inquiry is not Inquiry.RESEND):
            change = resolve(
                work.state,
                work.attempt,
                now=work.now,
                capabilities=capabilities,
                policy=policy,
                crashes=work.crashes,
            )
            return change, None
        lease = self._config.lease
        assignment = Assignment(
            attempt=AttemptRef(message_id=work.state.id, number=work.attempt.number),
            provider=work.attempt.provider,
            fence=fence,
            begin_before=self._config.begin_before(asked_at),
            worth_until=asked_at + worth_seconds,
            send=_send_request(work, worth_seconds),
        )
        change = ask(work.state, work.attempt, inquiry, fence=fence, now=work.now, lease=lease, worker=self._worker())
        return change, Question(inquiry=inquiry, assignment=assignment, query=query)

    def _query(self, work: Unresolved, inquiry: Inquiry | None) -> SearchQuery | None:
        if inquiry is Inquiry.REFERENCE:
            return ByReference(attempt=AttemptRef(message_id=work.state.id, number=work.attempt.number))
        span = search_span(work.attempt, self._config.policy.inquiry)
        if inquiry is not Inquiry.RECIPIENT or span is None:
            return None
        return ByRecipient(sender=work.sender, recipient=work.recipient, since=span[0], until=span[1])

    async def _decide(self, connection: Connection, work: OpenWork, question: Question, answer: Answer) -> Change:
        fence = question.assignment.fence
        capabilities = capabilities_of(self._adapters, question.assignment.provider)
        policy = self._config.policy
        if question.inquiry is Inquiry.RESEND:
            assert not isinstance(answer, SearchPage | NoAnswer)  # noqa: S101 - as `ask` gave it
            return resent(
                work.state, work.attempt, answer, fence=fence, now=work.now, capabilities=capabilities, policy=policy
            )
        if isinstance(answer, NoAnswer):
            return unanswered(work.state, work.attempt, answer, fence=fence, now=work.now, policy=policy)
        assert isinstance(answer, SearchPage)  # noqa: S101 - as `ask` gave it
        seen = await self._judge(connection, work, question, answer)
        match seen:
            case ProviderMessage():
                return found(
                    work.state,
                    work.attempt,
                    storable_message(seen),
                    now=work.now,
                    capabilities=capabilities,
                    policy=policy,
                )
            case Sighting():
                return not_found(
                    work.state,
                    work.attempt,
                    seen,
                    fence=fence,
                    tries=work.tries,
                    crashes=work.crashes,
                    now=work.now,
                    jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
                    capabilities=capabilities,
                    policy=policy,
                )
            case _:
                assert_never(seen)

    async def _judge(
        self, connection: Connection, work: OpenWork, question: Question, answer: SearchPage
    ) -> ProviderMessage | Sighting:
        seen = await self._compare(connection, work, question, answer)
        if isinstance(seen, ProviderMessage):
            # Another conclusion may be about to adopt it, for the same text to the same number: who waited sees that.
            await hold_id(connection, question.assignment.provider, seen.provider_message_id)
            seen = await self._compare(connection, work, question, answer)
        return seen

    async def _compare(
        self, connection: Connection, work: OpenWork, question: Question, answer: SearchPage
    ) -> ProviderMessage | Sighting:
        ref, provider, send = question.assignment.attempt, question.assignment.provider, question.assignment.send
        provider_ids = [message.provider_message_id for message in answer.messages]
        is_fuzzy = question.inquiry is Inquiry.RECIPIENT and bool(provider_ids)
        others = await rivals(connection, provider, send, besides=ref) if is_fuzzy else []
        bound = await bound_ids(connection, provider, provider_ids, besides=ref)
        return judge(
            answer.messages,
            question.inquiry,
            ref,
            work.attempt,
            send,
            bound=bound,
            rivals=others,
            policy=self._config.policy.inquiry,
        )


def _send_request(work: Unresolved, worth_seconds: float) -> SendRequest:
    return SendRequest(
        sender=work.sender,
        recipient=work.recipient,
        body=work.body,
        segments=work.segments,
        validity_seconds=whole_seconds(worth_seconds),
    )
