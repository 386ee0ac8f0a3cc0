"""What a worker does about an attempt whose outcome is unknown, step by step as the services do it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.domain.change import Change, Work
from app.domain.evidence import ByRecipient, ByReference, NoAnswer, ProviderMessage, SearchAnswer, SearchPage
from app.domain.inquiry import Inquiry, Sighting, search_span
from app.domain.message import AttemptState
from app.domain.provider import Accepted, SendOutcome, SendRequest
from app.domain.references import AttemptRef
from app.domain.status import MessageStatus
from tests.simulation.crew import Labour, Step, Worker
from tests.simulation.database import Asked, Meaning, StoreUnavailable
from tests.simulation.faults import Fault
from tests.simulation.findings import NEVER_TAKEN
from tests.simulation.scenario import SENDER, Text
from tests.simulation.sending import Surroundings
from tests.simulation.store import QueueRow
from tests.simulation.timeline import seconds_of


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked about which attempt, under which fence."""

    ref: AttemptRef
    inquiry: Inquiry
    fence: int
    asked: Asked


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Choose a question, write that it is asked, ask it, conclude; or let the guarantee decide."""

    around: Surroundings

    def inquire(self, worker: Worker, text: Text) -> Labour:
        """Ask one question about a message's newest attempt."""
        around, store = self.around, self.around.database.store
        asked_at, row = around.timeline.seconds, store.queue.get(text.state.id)
        if row is None or row.leased_until is not None or row.due_at > around.database.now:
            return
        if row.work is not Work.RESOLVE:
            return
        attempt = store.newest_attempt(text.state.id)
        try:
            question = self._begin(worker, text, attempt, row)
        except StoreUnavailable:
            return
        if question is None:
            return
        yield Step.ASKED, around.chances.queueing()
        answer: SendOutcome | SearchAnswer
        if question.inquiry is Inquiry.RESEND:
            exchange = around.submit(question.ref, asked_at=asked_at, worth_until=text.expires_at)
            yield Step.ASKING, exchange.wait
            answer = exchange.outcome
        else:
            answer = around.provider.search(self._query(question, attempt, text))
            yield Step.ASKING, around.chances.between(0, around.chances.random.choice((1, 20)))
        while not self._conclude(question, answer, text):
            yield Step.STORE_AWAY, around.chances.between(0.5, 2)
        yield Step.SETTLED, 0

    def _begin(self, worker: Worker, text: Text, attempt: AttemptState, row: QueueRow) -> Question | None:
        around, store, now = self.around, self.around.database.store, self.around.database.now
        message, policy = store.messages[text.state.id], around.scenario.policy
        capabilities = around.scenario.capabilities
        inquiry = around.decisions.next_inquiry(
            message, attempt, capabilities, now=now, crashes=row.crashes, policy=policy.inquiry
        )
        self._count_spent_key(attempt, inquiry)
        if inquiry is None:
            change = around.decisions.resolve(
                message, attempt, now=now, capabilities=capabilities, policy=policy, crashes=row.crashes
            )
            around.database.commit([change])
            return None
        fence, asked = store.next_fence(), Asked(inquiry=inquiry)
        lease = timedelta(seconds=around.scenario.lease)
        change = around.decisions.ask(message, attempt, inquiry, fence=fence, now=now, lease=lease, worker=worker.shown)
        key = (message.id, attempt.number)
        around.database.commit([change], done=lambda: around.database.asked[key].append(asked))
        ref = AttemptRef(message_id=message.id, number=attempt.number)
        return Question(ref=ref, inquiry=inquiry, fence=fence, asked=asked)

    def _count_spent_key(self, attempt: AttemptState, inquiry: Inquiry | None) -> None:
        window = self.around.scenario.capabilities.idempotency_window
        if window is not None and inquiry is not Inquiry.RESEND and attempt.started_at is not None:
            ends_at = attempt.started_at + window - self.around.scenario.spent_early
            self.around.chances.counts[Fault.KEY_RAN_OUT] += self.around.database.now >= ends_at

    def _query(self, question: Question, attempt: AttemptState, text: Text) -> ByReference | ByRecipient:
        span = search_span(attempt, self.around.scenario.policy.inquiry)
        if question.inquiry is Inquiry.REFERENCE or span is None:
            return ByReference(attempt=question.ref)
        return ByRecipient(sender=SENDER, recipient=text.recipient, since=span[0], until=span[1])

    def _conclude(self, question: Question, answer: SendOutcome | SearchAnswer, text: Text) -> bool:
        around, store, ref = self.around, self.around.database.store, question.ref
        key, attempt = (ref.message_id, ref.number), store.attempts[ref.message_id][ref.number]
        fenced = question.fence != attempt.fence
        around.chances.counts[Fault.ZOMBIE] += fenced
        seen = self._judge(question, answer, text, attempt) if isinstance(answer, SearchPage) else None
        change = self._decide(question, answer, seen)
        meaning = self._meaning(question, answer, seen, text)

        def done() -> None:
            question.asked.meant = Meaning.NOTHING if fenced and meaning is Meaning.ABSENT else meaning
            question.asked.meant_at = around.database.now
            if isinstance(seen, ProviderMessage):
                around.database.hears(key, seen.status or MessageStatus.SENT)

        try:
            around.database.commit([change], done=done)
        except StoreUnavailable:
            return False
        return True

    def _decide(
        self, question: Question, answer: SendOutcome | SearchAnswer, seen: ProviderMessage | Sighting | None
    ) -> Change:
        around, store, ref = self.around, self.around.database.store, question.ref
        message, attempt = store.messages[ref.message_id], store.attempts[ref.message_id][ref.number]
        policy, capabilities = around.scenario.policy, around.scenario.capabilities
        fence, now, decisions = question.fence, around.database.now, around.decisions
        if isinstance(seen, ProviderMessage):
            return decisions.found(message, attempt, seen, now=now, capabilities=capabilities, policy=policy)
        if isinstance(seen, Sighting):
            row = store.queue.get(ref.message_id)
            return decisions.not_found(
                message,
                attempt,
                seen,
                fence=fence,
                tries=row.tries if row else 0,
                crashes=row.crashes if row else 0,
                now=now,
                jitter=around.chances.random.random(),
                capabilities=capabilities,
                policy=policy,
            )
        if isinstance(answer, NoAnswer):
            return decisions.unanswered(message, attempt, answer, fence=fence, now=now, policy=policy)
        return decisions.resent(
            message, attempt, answer, fence=fence, now=now, capabilities=capabilities, policy=policy
        )

    def _meaning(
        self,
        question: Question,
        answer: SendOutcome | SearchAnswer,
        seen: ProviderMessage | Sighting | None,
        text: Text,
    ) -> Meaning:
        """Say what an answer is worth, by the provider's own log and whatever the decisions make of it."""
        if isinstance(answer, SearchPage):
            if any(self._is_ours(each, question.ref, text) for each in answer.messages):
                return Meaning.TOLD
            return Meaning.NOTHING if seen is Sighting.UNCLEAR else Meaning.ABSENT
        return Meaning.TOLD if isinstance(answer, Accepted) else Meaning.NOTHING

    def _is_ours(self, each: ProviderMessage, ref: AttemptRef, text: Text) -> bool:
        """Whether this is the attempt's copy, shown so that it can be known."""
        copies = [copy for copy in self.around.provider.copies if copy.provider_id == each.provider_message_id]
        known = each.attempt == ref or each.body == text.body
        return known and any(copy.ref == ref for copy in copies)

    def _judge(
        self, question: Question, answer: SearchPage, text: Text, attempt: AttemptState
    ) -> ProviderMessage | Sighting:
        around, store, ref = self.around, self.around.database.store, question.ref
        ids = {each.provider_message_id for each in answer.messages}
        bound = {each for each in ids if store.by_provider_id.get(each, set()) - {(ref.message_id, ref.number)}}
        left = max(1, int(text.expires_at - seconds_of(around.database.now)))
        send = SendRequest(sender=SENDER, recipient=text.recipient, body=text.body, segments=1, validity_seconds=left)
        return around.decisions.judge(
            answer.messages,
            question.inquiry,
            ref,
            attempt,
            send,
            bound=bound,
            rivals=self._rivals(text),
            policy=around.scenario.policy.inquiry,
        )

    def _rivals(self, text: Text) -> list[AttemptState]:
        """Give the attempts of equal texts between the same numbers that may have been taken, under no known id."""
        store, equal = self.around.database.store, (text.recipient, text.body)
        twins = [each.state.id for each in self.around.scenario.texts if (each.recipient, each.body) == equal]
        return [
            attempt
            for twin in twins
            if twin != text.state.id
            for attempt in store.attempts.get(twin, {}).values()
            if attempt.provider_message_id is None and attempt.phase not in NEVER_TAKEN
        ]
