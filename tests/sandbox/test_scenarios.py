"""Every magic number, over real HTTP: its answer, its webhooks in their order, and what the handset has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import pytest
import pytest_asyncio

from app.domain.delivery_errors import DeliveryError
from app.domain.http import FailurePhase, TransportFailure
from app.domain.provider import Accepted, Deferred, Rejected, Unknown
from app.domain.status import MessageStatus, outranks
from app.sandbox.magic import MAGIC_NUMBERS, MagicNumber
from tests.sandbox.world import World, a_receiver, a_world, attempt, until

USUAL: Final = ("queued", "sent", "delivered")
LOST: Final = ("queued", "sent", "undelivered")


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one number is to do."""

    answers: tuple[str, ...] = ("accepted",)
    """One for each attempt of the message, in the words of `describe`."""

    reports: tuple[str, ...] = USUAL
    arrives: bool = True


CASES: Final[dict[str, Case]] = {
    "+15005550000": Case(),
    "+15005550001": Case(),
    "+15005550002": Case(),
    "+15005550003": Case(),
    "+15005550010": Case(answers=("rejected invalid-recipient 1001",), reports=(), arrives=False),
    "+15005550011": Case(answers=("rejected opted-out 1002",), reports=(), arrives=False),
    "+15005550012": Case(answers=("rejected unregistered-sender 1003",), reports=(), arrives=False),
    "+15005550013": Case(answers=("rejected sender-not-allowed 1004",), reports=(), arrives=False),
    "+15005550014": Case(answers=("rejected message-refused 1005",), reports=(), arrives=False),
    "+15005550015": Case(answers=("rejected provider-credentials 2001",), reports=(), arrives=False),
    "+15005550016": Case(answers=("rejected provider-balance 2002",), reports=(), arrives=False),
    "+15005550020": Case(reports=LOST, arrives=False),
    "+15005550021": Case(reports=LOST, arrives=False),
    "+15005550022": Case(reports=LOST, arrives=False),
    "+15005550023": Case(reports=LOST, arrives=False),
    "+15005550024": Case(reports=LOST, arrives=False),
    "+15005550025": Case(reports=LOST, arrives=False),
    "+15005550026": Case(reports=("queued", "sent", "failed"), arrives=False),
    "+15005550030": Case(answers=("deferred rate-limited 1.0", "deferred rate-limited 1.0", "accepted")),
    "+15005550031": Case(answers=("deferred provider-unavailable None", "accepted")),
    "+15005550040": Case(answers=("unknown HTTP 500",)),
    "+15005550041": Case(answers=("unknown HTTP 500",), reports=()),
    "+15005550042": Case(answers=("unknown HTTP 200",)),
    "+15005550043": Case(answers=("connected deadline",)),
    "+15005550044": Case(answers=("connected deadline",), reports=()),
    "+15005550045": Case(answers=("connected cut",)),
    "+15005550046": Case(answers=("unknown HTTP 500",), reports=()),
    "+15005550047": Case(answers=("unknown HTTP 500", "accepted")),
    "+15005550050": Case(reports=()),
    "+15005550051": Case(),
    "+15005550052": Case(reports=("queued", "queued", "queued", "sent", "sent", "sent", *("delivered",) * 3)),
    "+15005550053": Case(reports=("delivered", "sent", "queued")),
    "+15005550054": Case(),
    "+15005550055": Case(reports=("queued", "sent", "delivered", "undelivered")),
    "+12025550123": Case(),
}
RESTING_PLACES: Final = {
    "unknown": MessageStatus.UNCONFIRMED,
    "connected": MessageStatus.UNCONFIRMED,
    "accepted": MessageStatus.SENT,
    "rejected": MessageStatus.FAILED,
}
"""Where a message stands after its last answer if no report ever comes, under `at_most_once`."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world() -> AsyncIterator[World]:
    async with a_receiver() as receiver, a_world(receiver=receiver, deadline_seconds=1.0) as world:
        yield world


def describe(sent: object) -> str:
    match sent:
        case Accepted(provider_message_id=str(), provider_status="queued"):
            return "accepted"
        case Rejected(failure=failure):
            return f"rejected {failure.error} {failure.provider_code}"
        case Deferred(failure=failure, retry_after_seconds=wait):
            return f"deferred {failure.error} {wait}"
        case Unknown(failure=failure):
            return f"unknown {failure.provider_status}"
        case TransportFailure(phase=FailurePhase.CONNECTED, reason=reason):
            return f"connected {reason}"
        case _:
            return repr(sent)


@pytest.mark.parametrize("number", CASES)
async def test_a_number_meets_its_fate(world: World, number: str) -> None:
    case, message_id = CASES[number], uuid4()
    sents = [await world.send(number, attempt=attempt(tries, message_id)) for tries, _ in enumerate(case.answers, 1)]
    answers = [describe(sent.answer if isinstance(sent.answer, TransportFailure) else sent.outcome) for sent in sents]
    assert answers == list(case.answers)
    await until(lambda: len(world.receiver.of(sents[-1].status_url)) >= len(case.reports))
    await asyncio.sleep(0.1)
    reports = world.reports(sents[-1])
    assert [report.provider_status for report in reports] == list(case.reports)
    assert {report.attempt for report in reports} <= {sents[-1].attempt}
    inbox = await world.look(f"/sandbox/inbox?to=%2B{number[1:]}")
    references = [text["reference"] for text in inbox["messages"] if text["reference"].startswith(str(message_id))]
    assert references == ([str(sents[-1].attempt)] if case.arrives else [])


@pytest.mark.parametrize("magic", MAGIC_NUMBERS, ids=lambda magic: magic.scenario)
def test_the_table_says_where_its_answer_and_reports_lead(magic: MagicNumber) -> None:
    case = CASES[magic.number]
    # What is deferred is sent again; an unknown outcome is not, unless somebody asks.
    certain = [answer for answer in case.answers if not answer.startswith("deferred")]
    status = RESTING_PLACES[certain[0].partition(" ")[0]]
    for word in case.reports if len(certain) == 1 else ():
        report = MessageStatus(word)
        status = report if outranks(report, status) else status
    assert status == magic.end(asked=False, looked_up=False)[0]


@pytest.mark.parametrize(
    ("number", "status", "error", "code"),
    [
        ("+15005550020", MessageStatus.UNDELIVERED, DeliveryError.LANDLINE, "3001"),
        ("+15005550021", MessageStatus.UNDELIVERED, DeliveryError.UNREACHABLE, "3002"),
        ("+15005550022", MessageStatus.UNDELIVERED, DeliveryError.CARRIER_BLOCKED, "3003"),
        ("+15005550023", MessageStatus.UNDELIVERED, DeliveryError.CONTENT_FILTERED, "3004"),
        ("+15005550024", MessageStatus.UNDELIVERED, DeliveryError.UNREGISTERED_SENDER, "3005"),
        ("+15005550025", MessageStatus.UNDELIVERED, DeliveryError.UNKNOWN, "3099"),
        ("+15005550026", MessageStatus.FAILED, DeliveryError.SENDER_NOT_ALLOWED, "3006"),
    ],
)
async def test_a_lost_message_is_reported_with_its_reason(
    world: World, number: str, status: MessageStatus, error: DeliveryError, code: str
) -> None:
    sent = await world.send(number)
    await until(lambda: len(world.receiver.of(sent.status_url)) == 3)
    *_, last = world.reports(sent)
    assert (last.status, last.error, last.provider_code) == (status, error, code)
    (magic,) = [magic for magic in MAGIC_NUMBERS if magic.number == number]
    ends = {magic.end(asked=asked, looked_up=looked_up) for asked in (True, False) for looked_up in (True, False)}
    assert ends == {(status, error)}


@pytest.mark.parametrize(
    ("number", "asked", "looked_up", "status"),
    [
        ("+15005550041", True, False, MessageStatus.DELIVERED),
        ("+15005550041", False, True, MessageStatus.UNCONFIRMED),
        ("+15005550046", True, True, MessageStatus.UNCONFIRMED),
        ("+15005550047", True, False, MessageStatus.DELIVERED),
        ("+15005550047", False, True, MessageStatus.UNCONFIRMED),
        ("+15005550050", False, True, MessageStatus.DELIVERED),
        ("+15005550050", True, False, MessageStatus.SENT),
    ],
)
def test_what_is_asked_changes_where_a_message_ends(
    number: str, asked: bool, looked_up: bool, status: MessageStatus
) -> None:
    (magic,) = [magic for magic in MAGIC_NUMBERS if magic.number == number]
    error = DeliveryError.OUTCOME_UNKNOWN if status is MessageStatus.UNCONFIRMED else None
    assert magic.end(asked=asked, looked_up=looked_up) == (status, error)


async def test_the_early_webhooks_come_before_the_answer(world: World) -> None:
    sent = await world.send("+15005550054")
    before = [report.provider_status for report in world.reports(sent)]
    assert before[:2] == ["queued", "sent"]


async def test_a_late_text_is_on_the_handset_before_its_report(world: World) -> None:
    sent = await world.send("+15005550051")
    await asyncio.sleep(0.2)
    inbox = await world.look("/sandbox/inbox?to=%2B15005550051")
    assert str(sent.attempt) in [text["reference"] for text in inbox["messages"]]
    assert [report.provider_status for report in world.reports(sent)] == ["queued", "sent"]


async def test_the_throttle_counts_each_message_for_itself(world: World) -> None:
    first, second = uuid4(), uuid4()
    order = [first, second, first, first, second, second]
    outcomes = [
        describe((await world.send("+15005550030", attempt=attempt(number, message))).outcome).partition(" ")[0]
        for number, message in enumerate(order, 1)
    ]
    assert outcomes == ["deferred", "deferred", "deferred", "accepted", "deferred", "accepted"]


def test_every_magic_number_has_a_case_and_stands_once() -> None:
    numbers = [magic.number for magic in MAGIC_NUMBERS]
    assert len(set(numbers)) == len(numbers)
    assert {*numbers, "+12025550123"} == set(CASES)
