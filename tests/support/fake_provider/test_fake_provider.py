"""The fake provider takes what its conduct says, writes it down, and answers and reports as told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from app.bootstrap import build_adapters
from app.domain.http import HttpResponse, WebhookRequest
from app.domain.provider import Accepted, Deferred, Rejected, SendOutcome, StatusReport, Unknown
from tests.support.fake_provider.conduct import (
    NOT_TAKEN,
    TAKEN,
    THROTTLED,
    UNCLEAR,
    Conduct,
    always,
    at_first,
    in_turn,
    seeded,
)
from tests.support.fake_provider.records import PAGE_SIZE, Powers
from tests.support.fake_provider.send_log import Verdict
from tests.support.fake_provider.server import API_SECRET, FakeProvider
from tests.support.fake_provider.webhooks import SILENT, Habits
from tests.support.gateway import SANDBOX, settings_for
from tests.support.raw_server import RawServer, serve, written

REFERENCE = "01a211b4-3a6e-7fa9-9d70-2686f57390f1.1"
NOTHING: Any = {"messages": [], "next_page": None}
WITHOUT_ANSWER = {Conduct.CUT, Conduct.LOST, Conduct.RESET, Conduct.HALF, Conduct.GARBAGE}

Post = Callable[..., Any]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(auth=("sandbox", API_SECRET), timeout=0.4, trust_env=False) as made:
        yield made


@pytest.fixture
async def gateway() -> AsyncIterator[RawServer]:
    """Takes webhooks."""
    async with serve(written(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")) as server:
        yield server


async def send(
    client: httpx.AsyncClient,
    provider: FakeProvider,
    *,
    key: str | None = None,
    status_url: str | None = None,
    **changed: str | None,
) -> httpx.Response:
    document = {"from": "+15551234567", "to": "+15559876543", "body": "Hello", "reference": REFERENCE, **changed}
    headers = {} if key is None else {"idempotency-key": key}
    return await client.post(
        f"{provider.url}/v1/messages", json=document | {"status_callback_url": status_url}, headers=headers
    )


async def outcome_of(client: httpx.AsyncClient, provider: FakeProvider) -> SendOutcome:
    """Give what the sandbox's adapter makes of an answer."""
    answer = await send(client, provider)
    adapter = build_adapters(settings_for("postgresql://nowhere", sandbox=SANDBOX))["sandbox"]
    headers = dict(answer.headers.items())
    return adapter.parse_send(HttpResponse(status=answer.status_code, headers=headers, body=answer.content))


async def posted(gateway: RawServer, provider: FakeProvider) -> list[dict[str, Any]]:
    """Wait until all is reported, and give the bodies as they came."""
    async with asyncio.timeout(5):
        while not provider.idle:  # noqa: ASYNC110 - the event is in the provider's thread
            await asyncio.sleep(0.01)
    return [orjson.loads(request.partition(b"\r\n\r\n")[2]) for request in gateway.requests]


@pytest.mark.parametrize("conduct", sorted(Conduct))
async def test_what_is_taken_stands_in_the_log_whatever_was_answered(
    client: httpx.AsyncClient, conduct: Conduct
) -> None:
    with FakeProvider(always(conduct), habits=SILENT, drip_seconds=0.001) as provider:
        asked = asyncio.create_task(send(client, provider))
        if conduct is Conduct.HELD:
            done, _ = await asyncio.wait([asked], timeout=0.1)
            assert not done
            provider.let_go()
        if conduct in WITHOUT_ANSWER | {Conduct.HANG}:
            with pytest.raises(httpx.TransportError):
                await asked
        else:
            await asked
        [entry] = provider.log.sent
    assert entry.verdict is (Verdict.TAKEN if conduct in TAKEN else Verdict.NOT_TAKEN)
    assert (entry.reference, entry.conduct) == (REFERENCE, conduct)
    assert provider.log.taken() == Counter({REFERENCE.partition(".")[0]: 1} if conduct in TAKEN else {})


@pytest.mark.parametrize(
    ("conduct", "kind"),
    [
        (Conduct.PROPER, Accepted),
        (Conduct.DRIP, Accepted),
        (Conduct.REFUSED, Rejected),
        (Conduct.UNAVAILABLE, Deferred),
        (Conduct.DISOWNED, Rejected),
        *((conduct, Deferred) for conduct in THROTTLED),
        *((conduct, Unknown) for conduct in UNCLEAR if conduct not in WITHOUT_ANSWER),
    ],
)
async def test_an_answer_means_to_the_adapter_what_the_conduct_says(
    client: httpx.AsyncClient, conduct: Conduct, kind: type[SendOutcome]
) -> None:
    with FakeProvider(always(conduct), habits=SILENT, drip_seconds=0.001) as provider:
        outcome = await outcome_of(client, provider)
    assert isinstance(outcome, kind)
    if conduct is Conduct.THROTTLED_DATE:
        assert isinstance(outcome, Deferred)
        assert 1 <= (outcome.retry_after_seconds or 0) <= 2


async def test_the_same_key_is_folded_into_what_was_taken_and_only_where_that_is_offered(
    client: httpx.AsyncClient,
) -> None:
    with FakeProvider(at_first(Conduct.CUT), habits=SILENT) as provider:
        with pytest.raises(httpx.TransportError):
            await send(client, provider, key="k")
        again = [(await send(client, provider, key="k")).json()["id"] for _ in range(2)]
        assert again == [provider.log.sent[0].id] * 2
        assert [entry.verdict for entry in provider.log.sent] == [Verdict.TAKEN, Verdict.FOLDED, Verdict.FOLDED]
    with FakeProvider(habits=SILENT, powers=Powers(folds_keys=False)) as provider:
        assert len({(await send(client, provider, key="k")).json()["id"] for _ in range(2)}) == 2


async def test_a_key_whose_request_was_not_taken_is_free(client: httpx.AsyncClient) -> None:
    with FakeProvider(at_first(Conduct.UNAVAILABLE), habits=SILENT) as provider:
        assert (await send(client, provider, key="k")).status_code == 503
        assert (await send(client, provider, key="k")).status_code == 202
        assert [entry.verdict for entry in provider.log.sent] == [Verdict.NOT_TAKEN, Verdict.TAKEN]


async def test_messages_are_found_by_id_reference_and_time_once_the_search_shows_them(
    client: httpx.AsyncClient,
) -> None:
    with FakeProvider(habits=SILENT, powers=Powers(search_lag_seconds=0.2)) as provider:
        made = (await send(client, provider)).json()
        where = f"{provider.url}/v1/messages"
        assert (await client.get(f"{where}/{made['id']}")).json()["reference"] == REFERENCE
        assert (await client.get(f"{where}/nobody")).status_code == 404
        assert (await client.get(where, params={"reference": REFERENCE})).json() == NOTHING
        await asyncio.sleep(0.2)
        for query in ({"reference": REFERENCE}, {"from": "+15551234567"}, {"since": "2026-01-01T00:00:00Z"}):
            [found] = (await client.get(where, params=query)).json()["messages"]
            assert found["id"] == made["id"]
        assert (await client.get(where, params={"reference": "another.1"})).json() == NOTHING
        assert (await client.get(where, params={"until": "2026-01-01T00:00:00Z"})).json() == NOTHING
        assert provider.log.asked == 8


async def test_a_search_that_finds_much_has_pages_without_gap_or_overlap(client: httpx.AsyncClient) -> None:
    with FakeProvider(habits=SILENT) as provider:
        made = [(await send(client, provider)).json()["id"] for _ in range(PAGE_SIZE + 1)]
        where, query = f"{provider.url}/v1/messages", {"to": "+15559876543", "limit": "100"}
        first = (await client.get(where, params=query)).json()
        rest = (await client.get(where, params={**query, "page": first["next_page"]})).json()
    assert [found["id"] for found in first["messages"] + rest["messages"]] == made
    assert (len(first["messages"]), rest["next_page"]) == (PAGE_SIZE, None)


async def test_a_key_that_comes_with_another_text_is_no_refusal_of_the_first(client: httpx.AsyncClient) -> None:
    with FakeProvider(habits=SILENT) as provider:
        assert (await send(client, provider, key="k")).status_code == 202
        other = await send(client, provider, key="k", body="Goodbye")
        assert (other.status_code, other.json()["error"]["code"]) == (422, 1006)
        assert len(provider.log.sent) == 1


async def test_a_message_without_our_reference_is_known_by_the_url_for_its_status(
    client: httpx.AsyncClient, gateway: RawServer
) -> None:
    with FakeProvider(habits=Habits(statuses=("delivered",))) as provider:
        url = gateway.url.replace("/messages", f"/v1/webhooks/fuzzy/status/{REFERENCE}.c2lnbmVk")
        await send(client, provider, status_url=url, reference=None)
        [body] = await posted(gateway, provider)
        assert [entry.reference for entry in provider.log.sent] == [REFERENCE]
        assert body["reference"] is None


async def test_without_credentials_nothing_is_taken() -> None:
    with FakeProvider(habits=SILENT) as provider:
        async with httpx.AsyncClient(trust_env=False) as stranger:
            assert (await send(stranger, provider)).status_code == 401
        assert provider.log.sent == []


async def test_each_report_is_signed_and_posted_in_order(client: httpx.AsyncClient, gateway: RawServer) -> None:
    with FakeProvider(habits=Habits(delay_seconds=(0, 0.05))) as provider:
        await send(client, provider, status_url=gateway.url)
        bodies = await posted(gateway, provider)
    assert [(body["status"], body["reference"]) for body in bodies] == [("sent", REFERENCE), ("delivered", REFERENCE)]
    assert [entry.status for entry in provider.log.posted] == ["sent", "delivered"]
    adapter = build_adapters(settings_for("postgresql://nowhere", sandbox=SANDBOX))["sandbox"]
    for request in gateway.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = (line.partition(b": ") for line in head.split(b"\r\n")[1:])
        headers = {name.lower().decode(): value.decode() for name, _, value in lines}
        webhook = WebhookRequest(method="POST", url=gateway.url, headers=headers, body=body)
        adapter.verify_webhook(webhook, now=datetime.now(UTC), documents={})
        assert all(isinstance(event, StatusReport) for event in adapter.parse_webhook(webhook))


async def test_reports_are_doubled_or_dropped_by_their_share(client: httpx.AsyncClient, gateway: RawServer) -> None:
    for habits, times in ((Habits(doubled=1), 2), (Habits(dropped=1), 0)):
        gateway.requests.clear()
        with FakeProvider(habits=habits) as provider:
            await send(client, provider, status_url=gateway.url)
            bodies = await posted(gateway, provider)
        assert Counter(body["status"] for body in bodies) == Counter({"sent": times, "delivered": times})
        assert len({request.partition(b"\r\n\r\n")[2] for request in gateway.requests}) == min(times, 1) * 2


async def test_an_early_report_is_acknowledged_before_the_request_to_send_is_answered(
    client: httpx.AsyncClient, gateway: RawServer
) -> None:
    with FakeProvider(habits=Habits(early=1)) as provider:
        await send(client, provider, status_url=gateway.url)
        assert len(provider.log.posted) == 2


async def test_a_stranger_s_report_names_nothing_of_ours_and_a_nameless_one_the_provider_s_id_alone(
    client: httpx.AsyncClient, gateway: RawServer
) -> None:
    url = gateway.url.replace("/messages", "/v1/webhooks/sandbox/status/token")
    with FakeProvider(habits=Habits(nameless=True, strangers=1)) as provider:
        made = (await send(client, provider, status_url=url)).json()
        bodies = await posted(gateway, provider)
    assert {request.split(b" ")[1] for request in gateway.requests} == {b"/v1/webhooks/sandbox"}
    assert sorted(str(body["reference"]) for body in bodies) == ["None", "None", "of-another-system.1"]
    assert {body["id"] for body in bodies if body["reference"] is None} == {made["id"]}


async def test_a_webhook_is_posted_until_it_is_taken(client: httpx.AsyncClient) -> None:
    answers = iter([b"503 Unavailable", b"200 OK"])

    async def moody(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 " + next(answers) + b"\r\ncontent-length: 0\r\n\r\n")

    async with serve(moody) as gateway:
        with FakeProvider(habits=Habits(statuses=("delivered",))) as provider:
            await send(client, provider, status_url=gateway.url)
            await posted(gateway, provider)
            assert [entry.status for entry in provider.log.posted] == ["delivered"]
        assert len(gateway.requests) == 2


async def test_a_seeded_script_repeats_itself_and_keeps_its_shares(client: httpx.AsyncClient) -> None:
    del client
    scripts = [seeded(7, {Conduct.CUT: 0.25, Conduct.LOST: 0.25}) for _ in range(2)]
    asked: Any = None
    drawn = [[script(asked) for _ in range(400)] for script in scripts]
    assert drawn[0] == drawn[1]
    counts = Counter(drawn[0])
    assert 60 < counts[Conduct.CUT] < 140
    assert 60 < counts[Conduct.LOST] < 140
    assert counts[Conduct.PROPER] > 140
    turn = in_turn(Conduct.CUT, Conduct.PROPER)
    assert [turn(asked) for _ in range(3)] == [Conduct.CUT, Conduct.PROPER, Conduct.CUT]
    assert set(Conduct) == TAKEN | NOT_TAKEN
