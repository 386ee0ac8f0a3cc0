"""Anything that may happen to one message, in any order, until a promise falls or none is found that does."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum, auto
from typing import Final
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.domain.change import Work
from app.domain.delivery_errors import DeliveryError
from app.domain.evidence import NoAnswer
from app.domain.inquiry import Inquiry, Sighting, can_be_asked
from app.domain.message import DeliveryGuarantee, MessageState
from app.domain.provider import Accepted, Capabilities, Deferred, ProviderFailure, Rejected, SendOutcome, Unknown
from app.domain.status import FINAL, RANKS, MessageStatus
from tests.simulation import hands
from tests.simulation.deaths import deaths_at_each
from tests.simulation.findings import NOT_DELIVERED, is_flagged_rightly, most_attempts
from tests.simulation.life import POLICY, Errand, Life
from tests.simulation.timeline import BEGINNING

KINDS: Final = (
    Capabilities(message_status_url=True),
    Capabilities(message_status_url=True, fetch=True),
    Capabilities(idempotency_window=timedelta(minutes=10), fetch=True),
    Capabilities(reference_search=True, search_lag=timedelta(seconds=60)),
    Capabilities(recipient_search=True),
    Capabilities(idempotency_window=timedelta(hours=24), reference_search=True),
)
UNKNOWN: Final = Unknown(failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN))
ACCEPTED: Final = Accepted(provider_message_id=None)
REFUSED: Final = Rejected(failure=ProviderFailure(error=DeliveryError.LANDLINE))
IN_VAIN: Final[tuple[SendOutcome, ...]] = (
    Deferred(failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE)),
    Deferred(failure=ProviderFailure(error=DeliveryError.RATE_LIMITED), retry_after_seconds=30),
    Rejected(failure=ProviderFailure(error=DeliveryError.PROVIDER_BALANCE)),
    UNKNOWN,
)
WORDS: Final = (
    MessageStatus.QUEUED,
    MessageStatus.SENT,
    MessageStatus.EXPIRED,
    MessageStatus.FAILED,
    MessageStatus.UNDELIVERED,
    MessageStatus.DELIVERED,
)
TAKEN: Final = frozenset({MessageStatus.SENT, MessageStatus.UNDELIVERED, MessageStatus.DELIVERED})
NOT_TAKEN: Final = frozenset({MessageStatus.FAILED, MessageStatus.EXPIRED, MessageStatus.CANCELED})
MOST_STEPS: Final = 500

one_of_them = st.integers(0, 7)
messages = st.builds(
    MessageState,
    id=st.just(UUID(int=1)),
    status=st.sampled_from([MessageStatus.QUEUED, MessageStatus.QUEUED, MessageStatus.QUEUED, MessageStatus.SCHEDULED]),
    sequence=st.just(1),
    attempts=st.just(0),
    delivery_guarantee=st.sampled_from([*DeliveryGuarantee, DeliveryGuarantee.AT_LEAST_ONCE]),
    possible_duplicate=st.just(value=False),
    expires_at=st.sampled_from([BEGINNING + timedelta(seconds=seconds) for seconds in (600, 3_600, 7_200)]),
)
lives = st.builds(
    Life,
    accepted=messages,
    capabilities=st.sampled_from([*KINDS, *KINDS[:2]]),
    refused=st.sampled_from([False, False, False, True]),
)


class Mishap(Enum):
    """What may happen at any time, beside the work."""

    TIME_PASSES = auto()
    WORKER_DIES = auto()
    WORKER_IS_TAKEN_FOR_DEAD = auto()
    WORKER_STOPS = auto()
    ACCOUNT_CANCELS = auto()
    OPERATOR_REDRIVES = auto()
    PROVIDER_REPORTS = auto()
    """Late, twice, or contradicting itself."""

    PROVIDER_LIES = auto()
    """It speaks of a copy that it had said it would not send."""


class EveryLife(RuleBasedStateMachine):
    """Rules are what callers, workers and the provider may do at any time; invariants are the promises."""

    life: Life

    @initialize(life=lives)
    def accept(self, life: Life) -> None:
        """Accept a message for a provider of some kind."""
        self.life = life

    @precondition(lambda self: self.life.row is None)
    @rule(life=lives)
    def accept_another(self, life: Life) -> None:
        """Leave one that has come to rest."""
        self.life = life

    @precondition(lambda self: self.life.row is not None and not hands.is_at_work(self.life))
    @rule(said=st.sampled_from((None, MessageStatus.SENT, MessageStatus.UNDELIVERED, MessageStatus.DELIVERED)))
    def go_on(self, said: MessageStatus | None) -> None:
        """A worker does what is due; a look, if that is what is due, is told so."""
        hands.go_on(self.life, said)

    @precondition(lambda self: any(errand.learnt is None for errand in self.life.errands))
    @rule(
        which=one_of_them,
        answer=st.sampled_from((None, None, None, *IN_VAIN)),
        late=st.booleans(),
        told=st.sampled_from([True, True, False]),
    )
    def answer(self, which: int, answer: SendOutcome | None, *, late: bool, told: bool) -> None:
        """A request arrives, or comes to nothing in one way or another; a search is answered, or is not."""
        waiting = [errand for errand in self.life.errands if errand.learnt is None]
        errand = waiting[which % len(waiting)]
        if errand.sends:
            self._send(errand, answer, heard=not late)
        elif answer is None:
            self.life.search(errand, late=late)
        elif late and errand.inquiry is Inquiry.RECIPIENT:
            errand.learnt = Sighting.UNCLEAR
        else:
            errand.learnt = NoAnswer(reason="HTTP 500", retry_after_seconds=30)
        if told:
            self.life.conclude(errand, jitter=0.5)
            self.life.errands.remove(errand)

    @precondition(lambda self: any(errand.learnt is not None for errand in self.life.errands))
    @rule(which=one_of_them, jitter=st.sampled_from((0.0, 0.99)), again=st.booleans())
    def conclude(self, which: int, jitter: float, *, again: bool) -> None:
        """A worker writes what it learnt, however late; and once more, if it does not hear that it was written."""
        done = [errand for errand in self.life.errands if errand.learnt is not None]
        errand = done[which % len(done)]
        self.life.conclude(errand, jitter=jitter)
        if not again:
            self.life.errands.remove(errand)

    @precondition(lambda self: self.life.attempts)
    @rule(
        mishap=st.sampled_from([*Mishap, *[Mishap.PROVIDER_REPORTS] * 4]),
        which=one_of_them,
        said=st.sampled_from(WORDS),
    )
    def befall(self, mishap: Mishap, which: int, said: MessageStatus) -> None:
        """Something else happens, where it can."""
        life, number = self.life, which % len(self.life.attempts) + 1
        match mishap:
            case Mishap.TIME_PASSES:
                life.now += timedelta(seconds=(1, 10, 30, 120, 600)[which % 5])
            case Mishap.WORKER_DIES if life.errands:
                del life.errands[which % len(life.errands)]
            case Mishap.WORKER_IS_TAKEN_FOR_DEAD if hands.is_at_work(life):
                hands.take_over(life)
            case Mishap.WORKER_STOPS:
                hands.hand_back(life)
            case Mishap.ACCOUNT_CANCELS:
                hands.withdraw(life)
            case Mishap.OPERATOR_REDRIVES:
                hands.send_on(life)
            case Mishap.PROVIDER_REPORTS if life.taken[number]:
                hands.hear(life, number, said)
            case Mishap.PROVIDER_LIES if which == 0 and not life.taken[number]:
                life.lied_to = True
                hands.hear(life, number, said)
            case _:
                pass

    @invariant()
    def attempts_are_few_and_events_have_no_gap(self) -> None:
        """The store itself refuses illegal steps, a second open attempt and a gap; these are what it does not count."""
        life, events = self.life, [line.event for line in self.life.store.history[self.life.message.id]]
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert life.message.attempts == len(life.attempts) <= most_attempts(events, POLICY)

    @invariant()
    def it_is_flagged_exactly_where_a_second_copy_may_have_left_or_is_to_leave(self) -> None:
        """One that waits to be sent, or to be sent again, counts as well."""
        assert self.life.lied_to or is_flagged_rightly(self.life.message, self.life.attempts)

    @invariant()
    def it_is_taken_once_unless_it_is_flagged(self) -> None:
        """And never twice under `at_most_once`, or where the provider can be asked."""
        life, copies = self.life, sum(map(len, self.life.taken.values()))
        if copies > 1 and not life.lied_to:
            assert copies == 2
            assert life.message.possible_duplicate
            assert life.message.delivery_guarantee is DeliveryGuarantee.AT_LEAST_ONCE
            assert not can_be_asked(life.capabilities)

    @invariant()
    def it_says_what_is_known(self) -> None:
        """The highest word counts, whenever it came, but for the failure of a copy that another one followed."""
        life, status = self.life, self.life.message.status
        taken, newest = any(life.taken.values()), life.message.attempts
        if life.lied_to:
            return
        assert taken or status not in TAKEN
        words = [
            word
            for number, said in life.heard.items()
            for word in said
            if number == newest or word not in NOT_DELIVERED
        ]
        if words and status is not MessageStatus.CANCELED:
            assert status is max(words, key=RANKS.__getitem__)
        if not words and status in NOT_TAKEN:
            assert not taken

    @invariant()
    def it_waits_to_go_out_alone_exactly_where_a_death_counts_against_it(self) -> None:
        """And as many count as its history tells."""
        row, events = self.life.row, [line.event for line in self.life.store.history[self.life.message.id]]
        if row is None or row.leased_until is not None or row.work is Work.RECONCILE:
            return
        assert row.crashes == [count for _, count in deaths_at_each(events)][-1]
        assert row.work is Work.RESOLVE or (row.work is Work.SEND_ALONE) == (row.crashes > 0)

    def teardown(self) -> None:
        """Everybody goes away but the workers that find nothing out: it still comes to an end, in time."""
        if not hasattr(self, "life"):
            return
        life = self.life
        in_time = max(life.now, life.accepted.expires_at) + timedelta(hours=72)
        for _ in range(MOST_STEPS):
            if life.row is not None:
                hands.go_on(life, None)
        assert life.row is None
        assert life.message.status is MessageStatus.SENT or (life.message.status in FINAL and life.now <= in_time)

    def _send(self, errand: Errand, in_vain: SendOutcome | None, *, heard: bool) -> None:
        if in_vain is not None:
            self.life.depart(errand, in_vain, taken=False)
        elif self.life.refused:
            self.life.depart(errand, REFUSED if heard else UNKNOWN, taken=False)
        else:
            self.life.depart(errand, ACCEPTED if heard else UNKNOWN, taken=True)


TestEveryLife = EveryLife.TestCase
TestEveryLife.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
