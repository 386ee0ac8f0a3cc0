"""What becomes of a text that a provider took, and how the status webhooks about it lose their way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from app.domain.delivery_errors import DeliveryError
from app.domain.provider import StatusReport
from app.domain.references import AttemptRef
from app.domain.status import MessageStatus
from tests.simulation.faults import Chances, Fault

_ENDS: Final = (
    MessageStatus.DELIVERED,
    MessageStatus.DELIVERED,
    MessageStatus.DELIVERED,
    MessageStatus.UNDELIVERED,
    MessageStatus.FAILED,
    MessageStatus.EXPIRED,
)


@dataclass(frozen=True, kw_only=True)
class Life:
    """One stage of a text: when it was reached, the report of it, and when that arrives, if it does."""

    at: float
    report: StatusReport
    arrivals: tuple[float, ...]


def reports_of(
    provider_id: str, token: AttemptRef | None, *, taken_at: float, known_at: float, chances: Chances
) -> tuple[Life, ...]:
    """Draw what becomes of a text; `known_at` is when its sender has the answer."""
    random = chances.random
    stages = [MessageStatus.SENT, random.choice(_ENDS)]
    if random.random() < 0.3:
        stages.insert(0, random.choice((MessageStatus.QUEUED, MessageStatus.SENDING)))
    if chances.strikes(Fault.REPORT_CONTRADICTED):
        stages.append(random.choice(_ENDS))
    at, lives = taken_at, []
    hasty = known_at > taken_at and chances.strikes(Fault.REPORT_EARLY)
    held = chances.between(10, random.choice((200, 1_000, 100_000))) if chances.strikes(Fault.REPORT_DELAYED) else 0
    for status in stages:
        at += chances.between(0, 0.2 * (known_at - taken_at)) if hasty else chances.between(0.5, 20)
        report = _report(status, provider_id, token)
        lives.append(Life(at=at, report=report, arrivals=_arrivals(at + held, chances)))
    if chances.strikes(Fault.REPORTS_SHUFFLED):
        arrivals = [each.arrivals for each in lives]
        random.shuffle(arrivals)
        lives = [replace(each, arrivals=times) for each, times in zip(lives, arrivals, strict=True)]
    return tuple(lives)


def _report(status: MessageStatus, provider_id: str, token: AttemptRef | None) -> StatusReport:
    failed = status in {MessageStatus.UNDELIVERED, MessageStatus.FAILED}
    return StatusReport(
        status=status,
        provider_status=f"their {status}",
        provider_message_id=provider_id,
        attempt=token,
        error=DeliveryError.UNREACHABLE if failed else None,
    )


def _arrivals(earliest: float, chances: Chances) -> tuple[float, ...]:
    if chances.strikes(Fault.REPORT_DROPPED):
        return ()
    arrives = earliest + chances.between(0, 1)
    if chances.strikes(Fault.REPORT_DOUBLED):
        return arrives, arrives + chances.between(0, 100)
    return (arrives,)
