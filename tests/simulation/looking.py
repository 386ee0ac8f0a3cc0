"""What a worker does about a message that its provider has had for long, step by step as the services do it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.domain.change import Work
from app.domain.evidence import FetchAnswer, NoAnswer, ProviderMessage
from app.domain.message import AttemptState
from app.domain.status import MessageStatus
from tests.simulation.crew import Labour, Step, Worker
from tests.simulation.database import StoreUnavailable
from tests.simulation.scenario import Text
from tests.simulation.sending import Surroundings


@dataclass(frozen=True, kw_only=True)
class Looking:
    """Count a look, ask for the message, conclude."""

    around: Surroundings

    def look_up(self, worker: Worker, text: Text) -> Labour:  # noqa: ARG002 - a look belongs to nobody
        """Ask once what became of a message."""
        around, store, message_id = self.around, self.around.database.store, text.state.id
        row = store.queue.get(message_id)
        if row is None or row.leased_until is not None or row.due_at > around.database.now:
            return
        if row.work is not Work.RECONCILE:
            return
        # The newest one that has an id there: of two copies, one may be all that is known.
        attempts = store.attempts[message_id].values()
        attempt = max(attempts, key=lambda each: (each.provider_message_id is not None, each.number))
        looks = row.tries + 1
        try:
            around.database.take_look(message_id, unless_concluded=timedelta(seconds=around.scenario.lease))
        except StoreUnavailable:
            return
        yield Step.LOOKING, around.chances.queueing()
        answer = self._ask(attempt)
        yield Step.LOOKING, around.chances.between(0, 5)
        while not self._conclude(text, attempt, answer, looks):
            yield Step.STORE_AWAY, around.chances.between(0.5, 2)

    def _ask(self, attempt: AttemptState) -> FetchAnswer:
        if attempt.provider_message_id is None:
            return NoAnswer(reason="cannot be asked")
        return self.around.provider.fetch(attempt.provider_message_id)

    def _conclude(self, text: Text, asked: AttemptState, answer: FetchAnswer, looks: int) -> bool:
        around, store, key = self.around, self.around.database.store, (text.state.id, asked.number)
        change = around.decisions.looked_up(
            store.messages[text.state.id],
            store.attempts[text.state.id][asked.number],
            answer,
            looks=looks,
            now=around.database.now,
            policy=around.scenario.policy,
        )

        def done() -> None:
            if isinstance(answer, ProviderMessage):
                around.database.hears(key, answer.status or MessageStatus.SENT)

        try:
            around.database.commit([change], done=done)
        except StoreUnavailable:
            return False
        return True
