"""The checkers of runs must be able to fail: each violation is planted once, and has to be found and named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from app.domain.delivery_errors import DeliveryError
from app.domain.message import DeliveryGuarantee
from app.domain.status import MessageStatus
from app.sandbox.magic import Scenario
from tests.support.batches import of, ordinary, shortfalls, shortfalls_after_kills
from tests.support.invariants import Event, Message, Run, Submission, Webhook, violations

_QUEUED, _SENDING, _SENT = MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.SENT
_DELIVERED, _UNDELIVERED, _UNCONFIRMED = MessageStatus.DELIVERED, MessageStatus.UNDELIVERED, MessageStatus.UNCONFIRMED

ACCEPTED: Final = Event(sequence=1, source="api", previous=None, status=_QUEUED, applied=True)
BEGUN: Final = Event(sequence=2, source="worker", previous=_QUEUED, status=_SENDING, applied=True, attempt=1)
TAKEN: Final = Event(sequence=3, source="worker", previous=_SENDING, status=_SENT, applied=True, attempt=1)
REPEATED: Final = Event(
    sequence=4, source="provider", previous=_SENT, status=_SENT, applied=False, reason="duplicate", attempt=1
)
ARRIVED: Final = Event(
    sequence=5, source="provider", previous=_SENT, status=_DELIVERED, applied=True, attempt=1, word="delivered"
)
MESSAGE: Final = Message(
    id="m1",
    reference="order-0",
    status=_DELIVERED,
    guarantee=DeliveryGuarantee.AT_MOST_ONCE,
    attempts=1,
    events=(ACCEPTED, BEGUN, TAKEN, REPEATED, ARRIVED),
)
ONCE: Final = Submission(message="m1", taken=True)
CLEAN: Final = Run(acknowledged=frozenset({"m1"}), messages=(MESSAGE,), submissions=(ONCE,), inbox=("m1",))
NOON: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
HEARD: Final = Webhook(message="m1", status="delivered", receipts=1)
REPEATABLE: Final = replace(MESSAGE, guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
FLAGGED: Final = replace(REPEATABLE, possible_duplicate=True)
UNDELIVERED: Final = replace(
    MESSAGE, status=_UNDELIVERED, events=(*MESSAGE.events[:4], replace(ARRIVED, status=_UNDELIVERED))
)

AHEAD: Final = replace(ACCEPTED, status=MessageStatus.SCHEDULED)
CANCELED: Final = replace(
    MESSAGE,
    status=MessageStatus.CANCELED,
    attempts=0,
    events=(AHEAD, replace(AHEAD, sequence=2, previous=AHEAD.status, status=MessageStatus.CANCELED)),
)


def having(*events: Event) -> Run:
    return replace(CLEAN, messages=(replace(MESSAGE, events=events),))


def of_message(message: Message, *, taken: int = 1, texts: int = 1) -> Run:
    return replace(CLEAN, messages=(message,), submissions=(ONCE,) * taken, inbox=("m1",) * texts)


PLANTED: Final[list[tuple[Run, list[str]]]] = [
    (replace(CLEAN, acknowledged=frozenset({"m1", "m2"})), ["m2: acknowledged, but lost"]),
    (
        replace(
            CLEAN,
            messages=(MESSAGE, replace(UNDELIVERED, id="m2")),
            submissions=(ONCE, replace(ONCE, message="m2")),
        ),
        ["order-0: accepted 2 times"],
    ),
    (having(ACCEPTED, BEGUN, TAKEN, ARRIVED), ["m1: its history has gaps"]),
    (
        having(replace(ACCEPTED, source="worker"), BEGUN, TAKEN, REPEATED, ARRIVED),
        ["m1: its history does not begin with its acceptance"],
    ),
    (
        having(),
        [
            "m1: its history does not begin with its acceptance",
            "m1: its history leads to None, but it is delivered",
            "m1: has 1 attempts, but its history begins []",
        ],
    ),
    (
        having(ACCEPTED, BEGUN, TAKEN, REPEATED, replace(ARRIVED, previous=_SENDING)),
        ["m1: event 5 follows sending, but the message was sent"],
    ),
    (
        having(ACCEPTED, BEGUN, TAKEN, replace(REPEATED, reason=None), ARRIVED),
        ["m1: event 4 changed nothing and does not say why"],
    ),
    (
        having(ACCEPTED, BEGUN, TAKEN, replace(REPEATED, status=_UNCONFIRMED, applied=True), ARRIVED),
        [
            "m1: event 4 goes from sent to unconfirmed, which is not legal",
            "m1: event 5 follows sent, but the message was unconfirmed",
        ],
    ),
    (
        having(ACCEPTED, BEGUN, TAKEN, REPEATED, replace(ARRIVED, applied=False, reason="outranked")),
        ["m1: its history leads to sent, but it is delivered"],
    ),
    (of_message(replace(MESSAGE, attempts=2)), ["m1: has 2 attempts, but its history begins [1]"]),
    (
        replace(CLEAN, submissions=(ONCE, Submission(message="m9", taken=True))),
        ["m9: taken by the provider, but unknown here"],
    ),
    (
        of_message(MESSAGE, taken=2, texts=2),
        ["m1: taken 2 times under at_most_once", "m1: taken 2 times, but not flagged possible_duplicate"],
    ),
    (of_message(REPEATABLE, taken=2, texts=2), ["m1: taken 2 times, but not flagged possible_duplicate"]),
    (of_message(FLAGGED, taken=3, texts=3), ["m1: taken 3 times under at_least_once"]),
    (
        of_message(replace(MESSAGE, possible_duplicate=True)),
        ["m1: flagged possible_duplicate under at_most_once"],
    ),
    (of_message(CANCELED, texts=0), ["m1: canceled, but taken"]),
    (of_message(MESSAGE, texts=2), ["m1: received 2 times, but taken 1 times"]),
    (
        of_message(UNDELIVERED, taken=0, texts=1),
        ["m1: undelivered, but never taken", "m1: received 1 times, but taken 0 times"],
    ),
    (of_message(MESSAGE, texts=0), ["m1: delivered, but received 0 times"]),
    (
        of_message(MESSAGE, taken=0, texts=0),
        ["m1: delivered, but never taken", "m1: delivered, but received 0 times"],
    ),
    (replace(CLEAN, contradictions=("order-0",)), ["order-0: answered with different messages"]),
    (
        replace(of_message(FLAGGED, taken=2, texts=2), never_twice=frozenset({"sandbox"})),
        ["m1: taken 2 times under at_least_once"],
    ),
    (of_message(UNDELIVERED, taken=0, texts=0), ["m1: undelivered, but never taken"]),
    (of_message(replace(MESSAGE, open_attempts=2)), ["m1: has 2 open attempts"]),
    (
        replace(
            of_message(replace(MESSAGE, expires_at=NOON)),
            submissions=(replace(ONCE, at=NOON + timedelta(seconds=1.5)),),
        ),
        ["m1: sent 1.500 s after it expired"],
    ),
    (
        replace(CLEAN, webhooks=(replace(HEARD, receipts=2),)),
        ["m1: its webhook delivered was acknowledged and is kept 2 times"],
    ),
    (
        replace(CLEAN, webhooks=(replace(HEARD, receipts=0, status="undelivered"),)),
        [
            "m1: its webhook undelivered was acknowledged and is kept 0 times",
            "m1: its webhook undelivered stands in no history",
        ],
    ),
    (replace(CLEAN, strangers=1), ["1 reports on strangers are gone"]),
    (replace(CLEAN, queued=frozenset({"m1"})), ["m1: still in the queue"]),
    (replace(CLEAN, pending_receipts=3), ["3 webhook receipts are still pending"]),
    (replace(CLEAN, orphan_reports=1), ["1 reports found no attempt"]),
    (
        replace(CLEAN, messages=(replace(MESSAGE, status=_SENDING, events=(ACCEPTED, BEGUN)),)),
        ["m1: still sending"],
    ),
]


def test_a_clean_run_has_no_violations() -> None:
    assert violations(CLEAN) == []


def test_an_acknowledged_webhook_that_is_kept_and_told_and_a_stranger_s_report_are_no_violations() -> None:
    assert violations(replace(CLEAN, webhooks=(HEARD,), strangers=1, orphan_reports=1)) == []


def test_a_message_that_is_sent_before_it_expires_is_no_violation() -> None:
    timely = replace(of_message(replace(MESSAGE, expires_at=NOON)), submissions=(replace(ONCE, at=NOON),))
    assert violations(timely) == []


def test_a_flagged_resend_and_an_undelivered_message_are_no_violations() -> None:
    assert violations(of_message(FLAGGED, taken=2, texts=2)) == []
    assert violations(of_message(UNDELIVERED, texts=0)) == []


def test_a_flagged_resend_through_an_account_that_allows_it_is_no_violation_beside_one_that_allows_none() -> None:
    assert violations(replace(of_message(FLAGGED, taken=2, texts=2), never_twice=frozenset({"keyed"}))) == []


def test_a_scheduled_message_that_is_canceled_is_no_violation() -> None:
    assert violations(of_message(CANCELED, taken=0, texts=0)) == []


@pytest.mark.parametrize(("run", "found"), PLANTED, ids=[found[0] for _, found in PLANTED])
def test_a_planted_violation_is_found(run: Run, found: list[str]) -> None:
    assert violations(run) == found


def test_a_message_that_ends_otherwise_than_planned_is_a_shortfall() -> None:
    assert shortfalls(CLEAN, ordinary(1)) == []
    assert shortfalls(of_message(UNDELIVERED), ordinary(1)) == ["m1 (ordinary, at_most_once): undelivered None"]


def test_a_submission_too_many_and_a_text_too_few_are_shortfalls() -> None:
    assert shortfalls(of_message(MESSAGE, taken=2, texts=0), ordinary(1)) == [
        "m1 (ordinary, at_most_once): the provider saw ('taken', 'taken')",
        "m1 (ordinary, at_most_once): received 0 times",
    ]
    assert shortfalls(CLEAN, of(Scenario.NOT_ACCEPTED, 1)) == [
        "m1 (not-accepted, at_most_once): the provider saw ('taken',)"
    ]


UNCONFIRMED: Final = replace(MESSAGE, status=_UNCONFIRMED, error=DeliveryError.OUTCOME_UNKNOWN)
LOST: Final = replace(UNCONFIRMED, events=(ACCEPTED, BEGUN, replace(REPEATED, reason="worker-lost")))
BLAMED: Final = ["m1 (ordinary, at_most_once): unconfirmed outcome-unknown"]


def test_only_a_lost_worker_without_any_evidence_explains_an_unconfirmed_message() -> None:
    assert shortfalls_after_kills(of_message(LOST, taken=0, texts=0), ordinary(1)) == []
    assert shortfalls_after_kills(of_message(LOST, taken=1), ordinary(1)) == BLAMED
    assert shortfalls_after_kills(of_message(UNCONFIRMED, taken=0), ordinary(1)) == BLAMED
    assert shortfalls_after_kills(of_message(LOST, taken=1), of(Scenario.SILENT, 1)) == []
