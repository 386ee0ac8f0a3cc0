"""Moments over the API: which are taken, what comes of them, and in which words the others are refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import text

from app.store.engine import Engine
from tests.support.lasting import lasting

MESSAGE: Final = {"from": "+15551234567", "to": "+15559876543", "body": "Your table is booked for 19:30."}


def moment(zone: timezone = UTC, **away: float) -> str:
    """A moment so far from now, as text."""
    return (datetime.now(zone) + timedelta(**away)).isoformat()


def read(written: str) -> datetime:
    return datetime.fromisoformat(written)


async def post(client: httpx.AsyncClient, key: dict[str, str], **change: Any) -> httpx.Response:
    return await client.post("/v1/messages", headers=key, json={**MESSAGE, **change})


async def test_a_message_for_later_is_scheduled_and_says_when(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    wanted = moment(timezone(timedelta(hours=5, minutes=45)), days=34)
    answer = await post(client, test_key, send_at=wanted, validity_seconds=600)
    document = answer.json()
    assert (answer.status_code, document["status"]) == (202, "scheduled")
    assert document["send_at"].endswith("Z")
    assert read(document["send_at"]) == read(wanted)
    assert read(document["expires_at"]) == read(wanted) + timedelta(seconds=600)
    stored = (await client.get(f"/v1/messages/{document['id']}", headers=test_key)).json()
    assert stored == document
    events = (await client.get(f"/v1/messages/{document['id']}/events", headers=test_key)).json()["data"]
    assert [(e["source"], e["status"], e["applied"]) for e in events] == [("api", "scheduled", True)]
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT due_at FROM dispatch_queue")) == read(wanted)


@pytest.mark.parametrize("seconds", [-55, -1])
async def test_a_moment_that_has_only_just_passed_means_now(
    client: httpx.AsyncClient, test_key: dict[str, str], seconds: float
) -> None:
    answer = await post(client, test_key, send_at=moment(seconds=seconds), validity_seconds=600)
    document = answer.json()
    assert (answer.status_code, document["status"]) == (202, "queued")
    left = read(document["expires_at"]) - read(document["created_at"])
    assert timedelta(seconds=599) < left < timedelta(seconds=605)


async def test_nothing_said_means_at_once(client: httpx.AsyncClient, test_key: dict[str, str]) -> None:
    for change in ({}, {"send_at": None, "expires_at": None}):
        document = (await post(client, test_key, **change)).json()
        assert (document["status"], document["send_at"]) == ("queued", None)


async def test_a_message_expires_at_the_moment_that_is_named(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    send_at, expires_at = moment(days=30), moment(days=32.9)
    document = (await post(client, test_key, send_at=send_at, expires_at=expires_at)).json()
    assert (read(document["send_at"]), read(document["expires_at"])) == (read(send_at), read(expires_at))
    soon = moment(minutes=5)
    assert read((await post(client, test_key, expires_at=soon)).json()["expires_at"]) == read(soon)


@pytest.mark.parametrize("written", ["{:%Y-%m-%dt%H:%M:%Sz}", "{:%Y-%m-%dT%H:%M:%S.123456789-00:00}"])
async def test_rfc_3339_is_taken_in_all_its_forms(
    client: httpx.AsyncClient, test_key: dict[str, str], written: str
) -> None:
    answer = await post(client, test_key, send_at=written.format(datetime.now(UTC) + timedelta(hours=1)))
    assert (answer.status_code, answer.json()["status"]) == (202, "scheduled")


async def test_the_same_moment_in_another_zone_is_the_same_request(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    instant = datetime.now(UTC) + timedelta(hours=1)
    headers = {**test_key, "idempotency-key": "order-8"}
    first, again = [
        await client.post("/v1/messages", headers=headers, json={**MESSAGE, "send_at": at.isoformat()})
        for at in (instant, instant.astimezone(timezone(timedelta(hours=-8))))
    ]
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert lasting(again) == lasting(first)


REFUSED: Final[list[tuple[dict[str, Any], str, str]]] = [
    ({"send_at": "1970-01-01T00:00:00Z"}, "/send_at", "in-the-past"),
    ({"send_at": "0001-01-01T00:00:00+23:59"}, "/send_at", "in-the-past"),
    ({"send_at": moment(seconds=-90)}, "/send_at", "in-the-past"),
    ({"send_at": moment(days=36)}, "/send_at", "too-far-ahead"),
    ({"send_at": "9999-12-31T23:59:59Z"}, "/send_at", "too-far-ahead"),
    ({"send_at": "9999-12-31T23:59:59-23:59"}, "/send_at", "too-far-ahead"),
    ({"send_at": "2026-12-31T23:59:60Z"}, "/send_at", "no-such-moment"),
    ({"send_at": "2027-02-29T12:00:00Z"}, "/send_at", "no-such-moment"),
    ({"send_at": "2027-02-28T24:00:01Z"}, "/send_at", "no-such-moment"),
    ({"send_at": "2027-02-28T12:00:00+24:00"}, "/send_at", "no-such-moment"),
    ({"send_at": "0000-02-28T12:00:00Z"}, "/send_at", "no-such-moment"),
    ({"send_at": "2027-02-28T12:00:00"}, "/send_at", "zone-missing"),
    ({"send_at": "2027-02-28T12:00Z"}, "/send_at", "not-rfc-3339"),
    ({"send_at": "2027-02-28 12:00:00Z"}, "/send_at", "not-rfc-3339"),
    ({"send_at": "2027-02-28"}, "/send_at", "not-rfc-3339"),
    ({"send_at": "20270228T120000Z"}, "/send_at", "not-rfc-3339"),
    ({"send_at": "2027-02-28T12:00:00Z\n"}, "/send_at", "not-rfc-3339"),
    ({"send_at": "\u0662\u0660\u0662\u0667-02-28T12:00:00Z"}, "/send_at", "not-rfc-3339"),
    ({"send_at": "tomorrow"}, "/send_at", "not-rfc-3339"),
    ({"send_at": ""}, "/send_at", "not-rfc-3339"),
    ({"send_at": 1_900_000_000}, "/send_at", "not-rfc-3339"),
    ({"send_at": 1.5}, "/send_at", "not-rfc-3339"),
    ({"send_at": True}, "/send_at", "not-rfc-3339"),
    ({"send_at": ["2027-02-28T12:00:00Z"]}, "/send_at", "not-rfc-3339"),
    ({"expires_at": 1_900_000_000}, "/expires_at", "not-rfc-3339"),
    ({"expires_at": "2027-02-28T12:00:00"}, "/expires_at", "zone-missing"),
    ({"expires_at": moment(seconds=-1)}, "/expires_at", "in-the-past"),
    ({"expires_at": moment(days=4)}, "/expires_at", "too-far-ahead"),
    ({"expires_at": "9999-12-31T23:59:59-23:59"}, "/expires_at", "too-far-ahead"),
    ({"expires_at": moment(hours=1), "send_at": moment(hours=2)}, "/expires_at", "before-send-at"),
    ({"expires_at": moment(hours=1), "validity_seconds": 60}, "/expires_at", "one-of-two"),
    ({"expires_at": moment(days=20), "send_at": "tomorrow"}, "/send_at", "not-rfc-3339"),
]


@pytest.mark.parametrize(("change", "pointer", "code"), REFUSED)
async def test_a_moment_that_cannot_be_taken_is_refused_with_what_to_do(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine, change: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await post(client, test_key, **change)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    document = answer.json()
    [error] = document["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    said = str({name: value for name, value in document.items() if name != "request_id"})
    for given in change.values():
        assert str(given) == "" or str(given) not in said
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM messages")) == 0


async def test_what_was_accepted_is_answered_again_although_its_moment_has_passed(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    headers = {**test_key, "idempotency-key": "order-9"}
    asked = {**MESSAGE, "expires_at": moment(seconds=0.7)}
    first = await client.post("/v1/messages", headers=headers, json=asked)
    await asyncio.sleep(0.8)
    again = await client.post("/v1/messages", headers=headers, json=asked)
    assert (again.status_code, again.json()) == (202, first.json())
    other = await client.post("/v1/messages", headers={**test_key, "idempotency-key": "order-10"}, json=asked)
    assert (other.status_code, other.json()["code"]) == (422, "validation-failed")
