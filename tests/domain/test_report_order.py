"""Reports arrive late, doubled and in any order: where a message ends does not depend on it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.change import Change
from app.domain.delivery_errors import DeliveryError
from app.domain.lifecycle import report
from app.domain.message import MessageState
from app.domain.provider import SendOutcome, StatusReport
from app.domain.status import MessageStatus, is_legal_step
from tests.domain.lives import ACCEPTED, UNKNOWN, after, said, sending, settled

REPORTS = (
    said(MessageStatus.QUEUED),
    said(MessageStatus.SENT),
    said(MessageStatus.UNDELIVERED, DeliveryError.UNREACHABLE),
    said(MessageStatus.DELIVERED),
)


def run(order: Iterable[StatusReport | SendOutcome]) -> tuple[MessageState, list[Change]]:
    """Play reports and the send's own outcome in one order."""
    message, attempt = sending()
    changes = []
    for item in order:
        change = report(message, attempt, item) if isinstance(item, StatusReport) else settled(message, attempt, item)
        changes.append(change)
        message, attempt = after(change, message)
    return message, changes


@pytest.mark.parametrize("outcome", [ACCEPTED, UNKNOWN])
def test_the_final_status_does_not_depend_on_the_order_of_arrival(outcome: SendOutcome) -> None:
    ends = {run(order)[0].status for order in permutations((*REPORTS, outcome))}
    assert ends == {MessageStatus.DELIVERED}


@given(st.lists(st.sampled_from([*REPORTS, ACCEPTED, UNKNOWN]), max_size=8), st.randoms())
def test_any_arrival_in_any_order_is_legal_gap_free_and_ends_alike(
    arrivals: list[StatusReport | SendOutcome], chance: Random
) -> None:
    outcomes = [item for item in arrivals if not isinstance(item, StatusReport)][:1]
    reports = [item for item in arrivals if isinstance(item, StatusReport)]
    shuffled = [*reports, *outcomes]
    chance.shuffle(shuffled)
    end, changes = run([*reports, *outcomes])
    other_end, _ = run(shuffled)
    assert end.status is other_end.status
    assert [change.event.sequence for change in changes] == list(range(3, 3 + len(changes)))
    for change in changes:
        moved = change.status is not change.expected_status
        assert moved == change.event.applied
        assert not moved or is_legal_step(change.expected_status, change.status)
