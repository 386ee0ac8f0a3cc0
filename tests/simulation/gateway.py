"""The whole gateway in virtual time: accepts, wakes workers, rescues, hears reports, cancels and redrives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import UUID

from app.domain.change import Work
from app.domain.conclusions import after_acceptance
from app.domain.delivery_errors import DeliveryError
from app.domain.provider import StatusReport
from app.domain.references import AttemptRef
from app.domain.status import MessageStatus
from tests.simulation.asking import Asking
from tests.simulation.crew import Crew
from tests.simulation.database import Database, StoreUnavailable
from tests.simulation.decisions import Decisions
from tests.simulation.faults import Chances, Fault
from tests.simulation.looking import Looking
from tests.simulation.provider import Provider
from tests.simulation.scenario import Scenario
from tests.simulation.sending import Sending, Surroundings
from tests.simulation.timeline import Timeline, moment, seconds_of


class Gateway:
    """One run's gateway and its provider; `start` puts everything on the timeline that the callers do."""

    def __init__(
        self,
        scenario: Scenario,
        decisions: Decisions,
        timeline: Timeline,
        chances: Chances,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.database = Database(timeline, chances, self._committed, say)
        self.provider = Provider(scenario, timeline, chances, self._hear)
        self._texts = {text.state.id: text for text in scenario.texts}
        self._decisions = decisions
        self._scenario = scenario
        self._timeline = timeline
        self._chances = chances
        self._crew = Crew(scenario, timeline, chances, self._worker_died)
        self._orphans: defaultdict[str, list[StatusReport]] = defaultdict(list)
        around = Surroundings(
            scenario=scenario,
            decisions=decisions,
            timeline=timeline,
            chances=chances,
            database=self.database,
            provider=self.provider,
        )
        self._sending, self._asking, self._looking = (
            Sending(around=around),
            Asking(around=around),
            Looking(around=around),
        )

    def start(self) -> None:
        """Let the callers come."""
        for text in self._scenario.texts:
            self._timeline.at(text.accepted_at, partial(self._accept, text.state.id))
            if text.cancel_at is not None:
                self._timeline.at(text.cancel_at, partial(self._cancel, text.state.id))

    def _accept(self, message_id: UUID) -> None:
        text, now = self._texts[message_id], self._timeline.now
        due_at = now if text.send_at is None else moment(text.send_at)
        self.database.store.accept(text.state, now=now, due_at=due_at)
        self._committed(message_id)

    def _committed(self, message_id: UUID) -> None:
        """See to it that somebody looks when there is something to do: notifications and polling come to this."""
        store = self.database.store
        row = store.queue.get(message_id)
        if row is None:
            if store.messages[message_id].error is DeliveryError.POISON:
                self._perhaps_redrive(message_id)
        elif row.leased_until is not None:
            self._timeline.at(
                seconds_of(row.leased_until) + self._chances.between(0.001, 1), partial(self._rescue, message_id)
            )
        else:
            self._timeline.at(seconds_of(row.due_at) + self._chances.between(0, 0.5), partial(self._look, message_id))
        self._perhaps_cancel(message_id)
        for attempt in store.attempts[message_id].values():
            provider_id = attempt.provider_message_id
            if provider_id is not None and provider_id in self._orphans:
                self._timeline.after(1, partial(self._sweep, provider_id))

    def _look(self, message_id: UUID) -> None:
        row = self.database.store.queue.get(message_id)
        if row is None or row.leased_until is not None or row.due_at > self.database.now:
            return
        # Whoever looks may fail or die before it has written anything.
        again_in = self._crew.free_in() + self._chances.between(1, 2)
        self._timeline.after(again_in, partial(self._look, message_id))
        worker = self._crew.pick()
        if worker is None:
            return
        text = self._texts[message_id]
        match row.work:
            case Work.SEND | Work.SEND_ALONE:
                work = self._sending.deliver(worker, text)
            case Work.RESOLVE:
                work = self._asking.inquire(worker, text)
            case Work.RECONCILE:
                work = self._looking.look_up(worker, text)
        self._crew.give(worker, work)

    def _worker_died(self) -> None:
        for message_id, row in self.database.store.queue.items():
            if row.worker in self._crew.dead:
                self._timeline.after(self._chances.between(0, 0.5), partial(self._rescue, message_id))

    def _rescue(self, message_id: UUID) -> None:
        store, now = self.database.store, self.database.now
        row = store.queue.get(message_id)
        if row is None or row.leased_until is None:
            return
        if row.leased_until >= now and row.worker not in self._crew.dead:
            return
        change = self._decisions.rescue(
            store.messages[message_id],
            store.newest_attempt(message_id),
            fence=store.next_fence(),
            crashes=row.crashes,
            now=now,
            capabilities=self._scenario.capabilities,
            policy=self._scenario.policy,
        )
        try:
            self.database.commit([change])
        except StoreUnavailable:
            self._timeline.after(self._chances.between(0.5, 2), partial(self._rescue, message_id))

    def _hear(self, said: StatusReport) -> None:
        """Read a webhook; it was stored before its provider was answered, so it is read until it is written."""
        provider_id = said.provider_message_id or ""
        ref = said.attempt or self._find(provider_id)
        if ref is None:
            self._chances.counts[Fault.REPORT_ORPHANED] += 1
            self._orphans[provider_id].append(said)
            return
        try:
            self._report(ref, said)
        except StoreUnavailable:
            # What was committed without an answer is marked as read; whether it was makes no difference here.
            self._timeline.after(1, partial(self._hear, said))

    def _report(self, ref: AttemptRef, said: StatusReport) -> None:
        store, key = self.database.store, (ref.message_id, ref.number)
        change = self._decisions.report(
            store.messages[ref.message_id],
            store.attempts[ref.message_id][ref.number],
            replace(said, attempt=None),
            follow_up=after_acceptance(
                self._scenario.capabilities, now=self.database.now, policy=self._scenario.policy
            ),
        )
        self.database.commit([change], done=lambda: self.database.hears(key, said.status))

    def _find(self, provider_id: str) -> AttemptRef | None:
        """Name the attempt that a provider's id belongs to; an id that two share is no evidence."""
        keys = self.database.store.by_provider_id.get(provider_id, set())
        return AttemptRef(message_id=min(keys)[0], number=min(keys)[1]) if len(keys) == 1 else None

    def _sweep(self, provider_id: str) -> None:
        for said in self._orphans.pop(provider_id, []):
            self._hear(said)

    def _perhaps_cancel(self, message_id: UUID) -> None:
        """Let callers withdraw what waits for another try, too, which it does for a moment only."""
        message = self.database.store.messages[message_id]
        if message.status is MessageStatus.QUEUED and message.attempts and self._chances.strikes(Fault.CANCELED):
            self._timeline.after(self._chances.between(0, 0.3), partial(self._cancel, message_id))

    def _cancel(self, message_id: UUID) -> None:
        store = self.database.store
        row = store.queue.get(message_id)
        leased = row is not None and row.leased_until is not None
        change = self._decisions.cancel(store.messages[message_id], leased=leased)
        if change is None:
            return
        try:
            self.database.commit([change])
        except StoreUnavailable:
            self._timeline.after(1, partial(self._cancel, message_id))

    def _perhaps_redrive(self, message_id: UUID) -> None:
        if self._chances.random.random() < 0.5:
            self._chances.counts[Fault.REDRIVEN] += 1
            self._timeline.after(self._chances.between(10, 1_000), partial(self._redrive, message_id))

    def _redrive(self, message_id: UUID) -> None:
        store, now = self.database.store, self.database.now
        change = self._decisions.redrive(store.messages[message_id], now=now)
        if change is None:
            return
        try:
            self.database.commit([change])
        except StoreUnavailable:
            self._timeline.after(1, partial(self._redrive, message_id))
