"""The decisions that a run is driven by: the real ones, unless a test breaks one to see that it is missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.domain import failover, inquiry, lifecycle, reconciling, resolving, waiting
from app.domain.change import Change
from app.domain.delivery_errors import DeliveryError
from app.domain.evidence import ProviderMessage
from app.domain.inquiry import Inquiry, Sighting

Decision = Callable[..., Change]


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """Every decision over a message's life, as the services call them."""

    claim: Callable[..., tuple[Change, ...]] = waiting.claim
    cancel: Callable[..., Change | None] = waiting.cancel
    redrive: Callable[..., Change | None] = waiting.redrive
    settle: Decision = lifecycle.settle
    report: Decision = lifecycle.report
    give_back: Decision = lifecycle.give_back
    rescue: Decision = resolving.rescue
    next_inquiry: Callable[..., Inquiry | None] = inquiry.next_inquiry
    judge: Callable[..., ProviderMessage | Sighting] = inquiry.judge
    ask: Decision = resolving.ask
    resent: Decision = resolving.resent
    found: Decision = resolving.found
    not_found: Decision = resolving.not_found
    unanswered: Decision = resolving.unanswered
    resolve: Decision = resolving.resolve
    looked_up: Decision = reconciling.looked_up
    seeks_another: Callable[..., DeliveryError | None] = failover.seeks_another
    failed_over: Decision = failover.failed_over
    may_move: Callable[..., bool] = failover.may_move
    moved: Decision = failover.moved


REAL: Final = Decisions()
