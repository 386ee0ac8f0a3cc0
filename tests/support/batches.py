"""Batches of messages with every magic outcome among them, and where each message of a batch has to end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from app.domain.change import EventReason
from app.domain.delivery_errors import DeliveryError
from app.domain.message import DeliveryGuarantee
from app.domain.status import MessageStatus
from app.sandbox.magic import MAGIC_NUMBERS, MagicNumber, Scenario
from tests.support.invariants import Message, Run

AT_MOST_ONCE: Final = (DeliveryGuarantee.AT_MOST_ONCE,)
BOTH_GUARANTEES: Final = (
    DeliveryGuarantee.AT_MOST_ONCE,
    DeliveryGuarantee.AT_MOST_ONCE,
    DeliveryGuarantee.AT_LEAST_ONCE,
)
"""Two of three at most once, as a mixed traffic would be."""

_MAGIC: Final = {row.scenario: row for row in MAGIC_NUMBERS}

_AREA_CODES: Final = (
    *(202, 206, 212, 213, 214, 215, 216, 303, 305, 312),
    *(404, 415, 503, 512, 602, 617, 702, 713, 808, 907),
)

_ONCE: Final = ("taken",)
_SUBMISSIONS: Final[dict[Scenario, tuple[str, ...]]] = {
    Scenario.REFUSED_RECIPIENT: ("refused",),
    Scenario.REFUSED_OPTED_OUT: ("refused",),
    Scenario.REFUSED_UNREGISTERED: ("refused",),
    Scenario.REFUSED_SENDER: ("refused",),
    Scenario.REFUSED_MESSAGE: ("refused",),
    Scenario.REFUSED_CREDENTIALS: ("refused",),
    Scenario.REFUSED_BALANCE: ("refused",),
    Scenario.THROTTLED: ("refused", "refused", "taken"),
    Scenario.NOT_ACCEPTED: ("refused", "taken"),
    Scenario.LOST_AT_FIRST: ("refused",),
}
"""What the provider sees of a message that nobody disturbs, where it is not one submission that is taken."""

_ARRIVES_UNPROVEN: Final = frozenset(
    {Scenario.ERROR_THEN_SILENCE, Scenario.TIMEOUT_THEN_SILENCE, Scenario.ERROR_THEN_SECRECY, Scenario.SILENT},
)
"""On the handset, though no webhook ever says so."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One message of a batch; `reference` is its client reference and its Idempotency-Key."""

    reference: str
    recipient: str
    guarantee: DeliveryGuarantee
    magic: MagicNumber | None
    """None for an ordinary number, which is delivered."""

    sender: str = "+15551234567"
    words: str | None = None
    """What it says instead of the usual text."""

    validity_seconds: int | None = None
    """For how long it is worth sending; None leaves it to the gateway."""

    def document(self) -> dict[str, Any]:
        """Write the request body."""
        validity = {} if self.validity_seconds is None else {"validity_seconds": self.validity_seconds}
        return {
            **validity,
            "from": self.sender,
            "to": self.recipient,
            "body": self.words
            or f"Your order {self.reference} has shipped. Track: https://example.com/track/{self.reference}",
            "client_reference": self.reference,
            "delivery_guarantee": self.guarantee.value,
        }

    @property
    def expected(self) -> tuple[MessageStatus, DeliveryError | None]:
        """Where it ends if nobody disturbs it, and nobody asks the sandbox about it."""
        if self.magic is None or self.is_resent:
            return MessageStatus.DELIVERED, None
        return self.magic.end(asked=False, looked_up=False)

    @property
    def is_resent(self) -> bool:
        """Whether its first copy is lost and its guarantee sends a second one."""
        lost = self.magic is not None and self.magic.scenario is Scenario.LOST_AT_FIRST
        return lost and self.guarantee is DeliveryGuarantee.AT_LEAST_ONCE

    @property
    def is_silent(self) -> bool:
        """Whether no webhook ever speaks of it."""
        return self.magic is not None and self.magic.scenario in _ARRIVES_UNPROVEN

    @property
    def submissions(self) -> tuple[str, ...]:
        """What the provider sees of it, in order, if nobody disturbs it."""
        seen = _SUBMISSIONS.get(self.magic.scenario, _ONCE) if self.magic else _ONCE
        return (*seen, "taken") if self.is_resent else seen

    @property
    def texts(self) -> int:
        """How often a handset has it in the end, if nobody disturbs it."""
        return 1 if self.expected[0] is MessageStatus.DELIVERED or self.is_silent else 0


def ordinary(count: int, *, guarantees: Sequence[DeliveryGuarantee] = AT_MOST_ONCE) -> list[Planned]:
    """Plan messages that are all delivered, which take the guarantees in turn."""
    return [_planned(number, None, guarantees[number % len(guarantees)]) for number in range(count)]


def live(batch: Sequence[Planned], *, senders: Sequence[str]) -> list[Planned]:
    """Send a batch of ordinary messages from these senders in turn, to numbers that a live key may write to.

    They are set aside for fiction, 2,000 of them: the same one comes up again only after so many messages.
    """
    return [
        replace(
            planned,
            sender=senders[number % len(senders)],
            recipient=f"+1{_AREA_CODES[number // 100 % len(_AREA_CODES)]}55501{number % 100:02}",
        )
        for number, planned in enumerate(batch)
    ]


def mixed(
    count: int, *, guarantees: Sequence[DeliveryGuarantee] = AT_MOST_ONCE, unanswered_every: int = 0
) -> list[Planned]:
    """Plan messages of which every other one is ordinary and the rest take the magic numbers in turn.

    With `unanswered_every`, each so-manieth is one that the provider takes but neither answers nor
    reports: those are always in flight, for whoever wants to hit one.
    """
    unanswered = _MAGIC[Scenario.TIMEOUT_THEN_SILENCE]
    batch = []
    for number in range(count):
        magic = MAGIC_NUMBERS[number // 2 % len(MAGIC_NUMBERS)] if number % 2 == 0 else None
        if unanswered_every and number % unanswered_every == 0:
            magic = unanswered
        batch.append(_planned(number, magic, guarantees[number // 2 % len(guarantees)]))
    return batch


def of(scenario: Scenario, count: int, *, guarantees: Sequence[DeliveryGuarantee] = AT_MOST_ONCE) -> list[Planned]:
    """Plan messages to one magic number, which take the guarantees in turn."""
    return [_planned(number, _MAGIC[scenario], guarantees[number % len(guarantees)]) for number in range(count)]


def shortfalls(run: Run, batch: Sequence[Planned]) -> list[str]:
    """List the messages of an undisturbed run that did not end exactly as planned."""
    return [line for planned, message in _pairs(run, batch) for line in _differences(planned, message, run)]


def shortfalls_after_kills(run: Run, batch: Sequence[Planned]) -> list[str]:
    """List the messages that did not end as planned and whose end no lost worker explains.

    A message whose worker was lost may end `unconfirmed` if nothing was left to prove that it was
    sent: the provider never took it, or took it and is silent.
    """
    taken = run.taken()
    lines = []
    for planned, message in _pairs(run, batch):
        unproven = planned.is_silent or taken[message.id] == 0
        is_lost = message.was(EventReason.WORKER_LOST) and unproven
        ends = {planned.expected, *({_UNCONFIRMED} if is_lost else ())}
        if (message.status, message.error) not in ends:
            lines.append(f"{_name(planned, message)}: {message.status} {message.error}")
    return lines


_UNCONFIRMED: Final = (MessageStatus.UNCONFIRMED, DeliveryError.OUTCOME_UNKNOWN)


def _planned(number: int, magic: MagicNumber | None, guarantee: DeliveryGuarantee) -> Planned:
    recipient = magic.number if magic else f"+1555987{number:04}"
    return Planned(reference=f"order-{number}", recipient=recipient, guarantee=guarantee, magic=magic)


def _pairs(run: Run, batch: Sequence[Planned]) -> Iterator[tuple[Planned, Message]]:
    """Go through what is there; what is missing is the invariants' affair."""
    known = {message.reference: message for message in run.messages}
    return ((planned, known[planned.reference]) for planned in batch if planned.reference in known)


def _differences(planned: Planned, message: Message, run: Run) -> Iterator[str]:
    name = _name(planned, message)
    if (message.status, message.error) != planned.expected:
        yield f"{name}: {message.status} {message.error}"
    seen = tuple("taken" if s.taken else "refused" for s in run.submissions if s.message == message.id)
    if seen != planned.submissions:
        yield f"{name}: the provider saw {seen}"
    if (texts := run.inbox.count(message.id)) != planned.texts:
        yield f"{name}: received {texts} times"


def _name(planned: Planned, message: Message) -> str:
    return f"{message.id} ({planned.magic.scenario if planned.magic else 'ordinary'}, {planned.guarantee})"
