"""Rows 33 to 38 of the attack plan: keys of idempotency, whose they are and what they promise, and metadata."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tests.attack.asgi import MESSAGES, Answer, Headers
from tests.attack.gate import CANARY, MESSAGE, Gate, get, near, post, write
from tests.support.gateway import Tenant, basic

BAD_KEYS: Final[list[str | bytes]] = [
    "", " ", '""', '"', '"unclosed', '"a"b"', '"a" "b"', "with space", "a,b c", "a" * 256, f'"{"a" * 256}"',
    "a" * 10_000, "tab\tbed", "nul\x00", "\x00", "bell\x07", "line\nfeed", "carriage\r\nreturn", "delete\x7f",
    '"a\x01"', '"tab\tbed"', "caf\xe9", "café".encode(), b"\xff\xfe", "\U0001f511".encode(), "\u2028".encode(),
    r'"back\slash"', r'"a\"b"',
]  # fmt: skip


@pytest.mark.parametrize("value", BAD_KEYS)
async def test_row_33_a_malformed_key_is_refused(gate: Gate, test_key: Headers, value: str | bytes) -> None:
    asked = post(MESSAGE, ("idempotency-key", value), key=test_key)
    answer = await gate.refuses(asked, 400, "idempotency-key-invalid")
    assert answer.header("idempotent-replayed") is None


async def test_row_33_two_keys_are_refused_even_if_they_are_equal(gate: Gate, test_key: Headers) -> None:
    for first, second in (("one", "one"), ("one", "two"), ("", "one"), ("one", "")):
        asked = post(MESSAGE, ("idempotency-key", first), ("idempotency-key", second), key=test_key)
        await gate.refuses(asked, 400, "idempotency-key-invalid")


async def test_row_33_no_key_and_every_key_of_the_right_form_is_taken(gate: Gate, test_key: Headers) -> None:
    await gate.accepts(post(MESSAGE, key=test_key))
    forms = (
        "a",
        "a" * 255,
        f'"{"b" * 255}"',
        '"with space"',
        "{}[]:;,'\\!",
        "../../x",
        "' OR 1=1;--".replace(" ", "_"),
    )
    for form in forms:
        await gate.accepts(post(MESSAGE, ("idempotency-key", form), key=test_key))


def fresh() -> tuple[str, str]:
    """A key that nobody has used."""
    return ("idempotency-key", uuid.uuid4().hex)


def hours_from_now(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


CHANGES: Final[list[dict[str, Any]]] = [
    {"body": "Another text."},
    {"body": MESSAGE["body"] + " "},
    {"body": MESSAGE["body"].upper()},
    {"to": "+13125550144"},
    {"from": "+12065550189"},
    {"client_reference": "order-8"},
    {"client_reference": None},
    {"metadata": {"team": "billing"}},
    {"validity_seconds": 60},
    {"delivery_guarantee": "at_least_once"},
    {"max_segments": 5},
    {"send_at": hours_from_now(1)},
    {"expires_at": hours_from_now(1)},
]


@pytest.mark.parametrize("change", CHANGES)
async def test_row_34_a_key_does_not_stand_for_another_message(
    gate: Gate, test_key: Headers, change: dict[str, Any]
) -> None:
    key = fresh()
    first = await gate.accepts(post(MESSAGE, key, key=test_key))
    asked = post({**MESSAGE, **change}, key, key=test_key)
    await gate.refuses(asked, 422, "idempotency-key-reused", key[1], first["id"], MESSAGE["to"])


SAME: Final = [
    near(),
    b" \n" + near().replace(b",", b" ,\r\n\t").replace(b":", b" :  ") + b"\n",
    write(dict(reversed(MESSAGE.items()))),
    near(body=r'"\u0059our code is kumquat\u002d0f3a9c."'),
    near(to=r'"\u002b13125550143"'),
    near().replace(b'"to"', rb'"\u0074o"'),
]


@pytest.mark.parametrize("again", SAME)
async def test_row_35_the_same_message_written_otherwise_gets_the_first_answer(
    gate: Gate, test_key: Headers, again: bytes
) -> None:
    name, value = fresh()
    first = await gate.ask(post(MESSAGE, (name, value), key=test_key))
    stored = await gate.stored()
    for form in (value, f'"{value}"'):
        answer = await gate.ask(post(again, (name, form), key=test_key))
        assert (answer.status, answer.header("idempotent-replayed")) == (202, "true")
        assert answer.lasting == first.lasting
        assert answer.header("location") == first.header("location")
    assert first.header("idempotent-replayed") is None
    assert await gate.stored() == stored


async def test_row_35_metadata_in_another_order_is_the_same_metadata(gate: Gate, test_key: Headers) -> None:
    key = fresh()
    orders = ({"a": "1", "b": "2", "c": "3"}, {"c": "3", "b": "2", "a": "1"})
    ids = {(await gate.accepts(post({**MESSAGE, "metadata": each}, key, key=test_key)))["id"] for each in orders}
    assert len(ids) == 1


async def test_row_36_a_hundred_equal_requests_at_once_make_one_message(gate: Gate, test_key: Headers) -> None:
    asked = post(MESSAGE, fresh(), key=test_key)
    before = await gate.stored()
    answers: list[Answer] = await asyncio.gather(*(gate.ask(asked) for _ in range(100)))
    assert {answer.status for answer in answers} == {202}
    assert all(answer.lasting == answers[0].lasting for answer in answers)
    assert sum(answer.header("idempotent-replayed") is None for answer in answers) == 1
    # A message, its first event, its place in the queue and its key: four rows for one message.
    assert await gate.stored() == before + 4


async def test_row_36_a_key_fought_over_by_different_messages_goes_to_one_of_them(
    gate: Gate, test_key: Headers
) -> None:
    key = fresh()
    before = await gate.stored()
    texts = [f"{CANARY} number {number % 10}" for number in range(100)]
    answers = await asyncio.gather(*(gate.ask(post({**MESSAGE, "body": t}, key, key=test_key)) for t in texts))
    taken = [answer for answer in answers if answer.status == 202]
    assert all(answer.lasting == taken[0].lasting for answer in taken)
    assert len(taken) == 10
    codes = [answer.document["code"] for answer in answers if answer.status != 202]
    assert codes == ["idempotency-key-reused"] * 90
    assert await gate.stored() == before + 4


async def test_row_36_a_refused_message_does_not_use_its_key_up_however_many_try(gate: Gate, live_key: Headers) -> None:
    key = fresh()
    wrong = post({**MESSAGE, "from": "+12065550199"}, key, key=live_key)
    answers = await asyncio.gather(*(gate.ask(wrong) for _ in range(20)))
    assert {answer.status for answer in answers} == {403}
    await gate.accepts(post(MESSAGE, key, key=live_key))


async def test_row_37_the_same_key_of_another_account_or_mode_is_another_key(
    gate: Gate, test_key: Headers, live_key: Headers, rival: Tenant
) -> None:
    key = fresh()
    callers = (test_key, live_key, tuple(basic(rival.test).items()))
    answers = [await gate.ask(post(MESSAGE, key, key=caller)) for caller in callers]
    assert [answer.status for answer in answers] == [202, 202, 202]
    assert len({answer.document["id"] for answer in answers}) == 3
    assert [answer.header("idempotent-replayed") for answer in answers] == [None] * 3


BAD_METADATA: Final[list[object]] = [
    {f"key-{number}": "x" for number in range(51)},
    {"team": "x" * 10_240},
    {"team": "x" * 513},
    {"k" * 65: "x"},
    {"k" * 10_240: "x"},
    {"": "x"},
    {"team": None},
    {"team": 7},
    {"team": 7.5},
    {"team": True},
    {"team": ["x"]},
    {"team": {"name": "x"}},
    {"team": {}},
    [],
    [["team", "x"]],
    "team=x",
    '{"team":"x"}',
    7,
    True,
    None,
]


@pytest.mark.parametrize("metadata", BAD_METADATA)
async def test_row_38_metadata_is_a_few_short_strings_or_refused(
    gate: Gate, test_key: Headers, metadata: object
) -> None:
    asked = post({**MESSAGE, "metadata": metadata}, key=test_key)
    answer = await gate.refuses(asked, 422, "validation-failed")
    assert {error["pointer"] for error in answer.document["errors"]} == {"/metadata"}


GOOD_METADATA: Final[list[dict[str, str]]] = [
    {},
    {f"key-{number}": "x" * 512 for number in range(50)},
    {"k" * 64: ""},
    {"__proto__": "x", "constructor": "y", "prototype": "z", "toString": "", "hasOwnProperty": "", "__class__": "{}"},
    {"$where": "1==1", "$gt": "", "a.b": "c", "%s": "%n", "'; DROP TABLE messages;--": "x", "${jndi:ldap://x}": "x"},
    {"to": "+13125550199", "status": "delivered", "account_id": "0"},
    {" ": " ", "null": "null", "\U0001f600": "\u202e", "<b>": "<script>alert(1)</script>"},
]


@pytest.mark.parametrize("metadata", GOOD_METADATA)
async def test_row_38_what_metadata_says_is_plain_data(gate: Gate, test_key: Headers, metadata: dict[str, str]) -> None:
    accepted = await gate.accepts(post({**MESSAGE, "metadata": metadata}, key=test_key))
    read = (await gate.ask(get(f"{MESSAGES}/{accepted['id']}", key=test_key))).document
    assert accepted["metadata"] == read["metadata"] == metadata
    assert (read["to"], read["status"]) == (MESSAGE["to"], "queued")
