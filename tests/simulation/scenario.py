"""What a seed stands for: the provider, its habits, the policy, the messages, and which faults strike how often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from random import Random
from typing import Final, assert_never
from uuid import UUID

from app.domain.inquiry import InquiryPolicy
from app.domain.message import DeliveryGuarantee, MessageState
from app.domain.policy import LifecyclePolicy
from app.domain.provider import Capabilities
from app.domain.status import MessageStatus
from tests.simulation.faults import Fault
from tests.simulation.timeline import moment

SEND_DEADLINE: Final = 20.0
SENDER: Final = "+14155550100"


class Kind(StrEnum):
    """What a provider offers to learn what became of a send."""

    KEY = "idempotency key"
    KEY_AND_SEARCH = "idempotency key and reference search"
    REFERENCE = "reference search"
    RECIPIENT = "recipient search"
    WEBHOOK = "status webhook"
    NONE = "nothing"

    @property
    def can_be_asked(self) -> bool:
        """Whether nothing may be taken twice there."""
        return self not in {Kind.WEBHOOK, Kind.NONE}


@dataclass(frozen=True, kw_only=True)
class Text:
    """One message as its caller asked for it."""

    state: MessageState
    send_at: float | None
    """In seconds from the beginning, as every time here; None for at once."""

    accepted_at: float
    expires_at: float
    recipient: str
    body: str
    refused: bool
    """Whether the provider refuses it whenever it looks at it."""

    cancel_at: float | None
    twin: bool
    """Whether another message of the run says the same to the same recipient."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything that is settled before a run begins."""

    kind: Kind
    capabilities: Capabilities
    policy: LifecyclePolicy
    lease: float
    names_ids: bool
    """Whether an acceptance names the provider's id."""

    clock_apart: float
    """How many seconds the provider's clock is ahead."""

    workers: int
    lock_is_watched: bool
    """Whether the dead are known by their locks; else by their leases alone."""

    texts: tuple[Text, ...]
    rates: dict[Fault, float]

    @property
    def spent_early(self) -> timedelta:
        """How long before a key runs out it is not used any more."""
        return timedelta(seconds=self.lease + 15)


_DOUBT: Final = (
    Fault.CUT_BEFORE,
    Fault.ERROR_BEFORE,
    Fault.ERROR_AFTER,
    Fault.NO_ANSWER,
    Fault.DIED_CLAIMED,
    Fault.DIED_IN_FLIGHT,
    Fault.FROZEN,
)
"""What leaves it open whether a message was taken; without one of these there is little to decide."""

_MORE: Final = (
    Fault.NOT_CONNECTED,
    Fault.SLOW,
    Fault.THROTTLED,
    Fault.BUSY,
    Fault.REFUSED,
    Fault.ACCOUNT_REFUSED,
    Fault.REPORT_DROPPED,
    Fault.REPORT_DOUBLED,
    Fault.REPORT_DELAYED,
    Fault.REPORTS_SHUFFLED,
    Fault.REPORT_EARLY,
    Fault.REPORT_CONTRADICTED,
    Fault.DIED_SETTLED,
    Fault.BUSY_WORKER,
    Fault.LOCK_LOST,
    Fault.TRANSACTION_FAILED,
    Fault.COMMIT_UNANSWERED,
    Fault.CANCELED,
)


def scenario(random: Random) -> Scenario:
    """Draw one: each fault is possible in some runs only, so that none hides behind another."""
    kind = random.choice(tuple(Kind))
    names_ids = kind is not Kind.WEBHOOK or random.random() < 0.7
    capabilities = _capabilities(random, kind, names_ids=names_ids)
    rates = _rates(random, kind, capabilities)
    lease = random.choice((30.0, 45.0, 45.0, 120.0))
    return Scenario(
        kind=kind,
        capabilities=capabilities,
        policy=_policy(lease),
        lease=lease,
        names_ids=names_ids,
        clock_apart=random.uniform(-60, 60) if random.random() < 0.3 else 0.0,
        workers=random.choice((1, 2, 3)),
        lock_is_watched=random.random() < 0.7,
        texts=_texts(random, rates),
        rates=rates,
    )


def _rates(random: Random, kind: Kind, capabilities: Capabilities) -> dict[Fault, float]:
    """Choose a few faults that strike often, or many that strike now and then, so that none hides behind another."""
    if random.random() < 0.05:
        return {}
    others = [*_DOUBT, *_MORE]
    count, most = random.choice(((1, 0.9), (2, 0.8), (4, 0.7), (7, 0.4), (12, 0.25)))
    chosen = {*random.sample(_DOUBT, 2), *random.sample(others, count)}
    rates = {fault: most * random.uniform(0.2, 1) for fault in sorted(chosen)}
    rates |= {fault: random.uniform(0.1, 0.7) for fault in _of_kind(kind, capabilities) if random.random() < 0.4}
    if (kind.can_be_asked or capabilities.fetch) and random.random() < 0.5:
        # Reports would tell before anything needs to be asked.
        rates[Fault.REPORT_DROPPED] = 1.0
    if random.random() < 0.3:
        rates |= {Fault.SENT_ON: random.uniform(0.3, 1), Fault.MOVED: random.uniform(0.1, 0.5)}
    return rates


_OF_FETCHING: Final = (Fault.FETCH_FAILED, Fault.RECORD_GONE, Fault.PRICED_LATE, Fault.DIED_LOOKING)


def _of_kind(kind: Kind, capabilities: Capabilities) -> tuple[Fault, ...]:
    """Name what can go wrong with the ways in which a provider of this kind tells."""
    return _of_asking(kind) + (_OF_FETCHING if capabilities.fetch else ())


def _of_asking(kind: Kind) -> tuple[Fault, ...]:
    match kind:
        case Kind.WEBHOOK | Kind.NONE:
            return Fault.REPORT_DELAYED, Fault.REPORT_DROPPED, Fault.CANCELED
        case Kind.KEY:
            return Fault.DIED_ASKED, Fault.DIED_ASKING, Fault.FROZEN, Fault.BUSY_WORKER
        case Kind.REFERENCE | Kind.KEY_AND_SEARCH:
            return Fault.DIED_ASKED, Fault.DIED_ASKING, Fault.INDEXED_LATE, Fault.SEARCH_FAILED
        case Kind.RECIPIENT:
            return Fault.DIED_ASKED, Fault.DIED_ASKING, Fault.INDEXED_LATE, Fault.SEARCH_FAILED, Fault.TEXT_CHANGED
        case _:
            assert_never(kind)


def _policy(lease: float) -> LifecyclePolicy:
    """As the settings make it."""
    return LifecyclePolicy(inquiry=InquiryPolicy(on_its_way=timedelta(seconds=lease)))


def _capabilities(random: Random, kind: Kind, *, names_ids: bool) -> Capabilities:
    keyed = kind in {Kind.KEY, Kind.KEY_AND_SEARCH}
    window = timedelta(minutes=random.choice((2, 3, 6, 24 * 60))) if keyed else None
    return Capabilities(
        idempotency_window=window,
        reference_search=kind in {Kind.REFERENCE, Kind.KEY_AND_SEARCH},
        recipient_search=kind is Kind.RECIPIENT,
        search_lag=timedelta(seconds=random.choice((0, 0, 200, 200))),
        fetch=names_ids and random.random() < 0.5,
        message_status_url=kind is Kind.WEBHOOK or (kind is not Kind.NONE and random.random() < 0.5),
    )


def _texts(random: Random, rates: dict[Fault, float]) -> tuple[Text, ...]:
    count = random.choice((1, 3, 6, 9))
    recipients = [f"+4917000000{number}" for number in range(random.choice((1, 3, 12)))]
    may_repeat = random.random() < 0.1
    drawn = [(random.choice(recipients), "hello" if may_repeat else f"hello {number}") for number in range(count)]
    return tuple(
        _text(random, rates, number, recipient, body, twin=drawn.count((recipient, body)) > 1)
        for number, (recipient, body) in enumerate(drawn, 1)
    )


def _text(random: Random, rates: dict[Fault, float], number: int, recipient: str, body: str, *, twin: bool) -> Text:
    accepted_at = random.uniform(0, random.choice((1, 30)))
    send_at = accepted_at + random.uniform(1, 100) if random.random() < 0.2 else None
    expires_at = (send_at or accepted_at) + random.choice((20, 120, 600, 3_600, 36_000, 36_000, 36_000, 259_200))
    guarantee = random.choice(tuple(DeliveryGuarantee))
    cancels = random.random() < rates.get(Fault.CANCELED, 0)
    state = MessageState(
        id=UUID(int=number),
        status=MessageStatus.QUEUED if send_at is None else MessageStatus.SCHEDULED,
        sequence=1,
        attempts=0,
        delivery_guarantee=guarantee,
        possible_duplicate=False,
        expires_at=moment(expires_at),
    )
    return Text(
        state=state,
        send_at=send_at,
        accepted_at=accepted_at,
        expires_at=expires_at,
        recipient=recipient,
        body=body,
        refused=random.random() < rates.get(Fault.REFUSED, 0),
        cancel_at=accepted_at + random.uniform(0, random.choice((2, 60, 600))) if cancels else None,
        twin=twin,
    )
