"""A database that may lose what it commits, or that tells another time: warned of, or not worked with at all."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.bootstrap import build_worker
from app.services.soundness import Soundness, Verdict, judge
from app.store.engine import Engine, create_engine
from app.store.soundness import DatabaseFacts
from app.worker import Worker
from tests.services.conftest import Accept, State
from tests.support.gateway import api_client, settings_for

SOUND = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
AHEAD_BY_FAR = "this machine's clock is more than 60 s ahead of the database's; set both by NTP"


def facts(settings: dict[str, str], *, ahead: float = 0) -> DatabaseFacts:
    return DatabaseFacts(settings={**SOUND, **settings}, ahead=timedelta(seconds=ahead))


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("fsync", "off", "fsync is off in Postgres"),
        ("full_page_writes", "off", "full_page_writes is off in Postgres"),
        ("synchronous_commit", "off", "synchronous_commit is off in Postgres"),
        ("synchronous_commit", "local", "synchronous_commit is local in Postgres"),
        ("synchronous_commit", "remote_write", "synchronous_commit is remote_write in Postgres"),
    ],
)
def test_a_setting_that_may_lose_a_commit_hinders_unless_that_is_accepted(setting: str, value: str, said: str) -> None:
    unsafe = facts({setting: value})
    lost = f"{said}, so what was accepted may be lost in a crash"
    refused = f"{lost} (GATEWAY_DATABASE__ALLOW_UNSAFE accepts that)"
    assert judge(unsafe, allow_unsafe=False) == Verdict(hindrances=(refused,))
    assert judge(unsafe, allow_unsafe=True) == Verdict(warnings=(lost,))


@pytest.mark.parametrize("value", ["on", "remote_apply"])
def test_a_commit_that_waits_for_the_disk_is_sound(value: str) -> None:
    assert judge(facts({"synchronous_commit": value}), allow_unsafe=False) == Verdict()


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [
        (0, Verdict()),
        (2, Verdict()),
        (-2, Verdict()),
        (2.1, Verdict(warnings=("this machine's clock is more than 2 s ahead of the database's; set both by NTP",))),
        (-60, Verdict(warnings=("this machine's clock is more than 2 s behind the database's; set both by NTP",))),
        (60.1, Verdict(hindrances=(AHEAD_BY_FAR,))),
        (
            -90_000,
            Verdict(hindrances=("this machine's clock is more than 60 s behind the database's; set both by NTP",)),
        ),
    ],
)
def test_clocks_may_differ_a_little(ahead: float, verdict: Verdict, accepted: bool) -> None:
    assert judge(facts({}, ahead=ahead), allow_unsafe=accepted) == verdict


def shifted(seconds: float) -> type[datetime]:
    """Make a clock that is ahead by so much."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # it gives what the real one gives
            return datetime.now(tz) + timedelta(seconds=seconds)

    return Shifted


@pytest.fixture
async def durable_looking(own_database_url: str) -> str:
    """A database in whose sessions the one setting that a session has says `off`."""
    engine = create_engine(own_database_url, application="tests")
    async with engine.begin() as connection:
        name = engine.url.database
        await connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    await engine.dispose()
    return own_database_url


async def test_an_api_before_an_unsafe_database_is_not_ready_unless_that_is_accepted(durable_looking: str) -> None:
    async with api_client(durable_looking, database={"allow_unsafe": False}) as client:
        refused = await client.get("/readyz")
    async with api_client(durable_looking, database={"allow_unsafe": True}) as client:
        accepted = await client.get("/readyz")
    assert (refused.status_code, refused.json()["code"]) == (503, "temporarily-unavailable")
    assert "synchronous_commit is off in Postgres" in refused.json()["detail"]
    assert accepted.status_code == 200
    assert any("synchronous_commit is off" in warning for warning in accepted.json()["warnings"])


@pytest.mark.parametrize(("seconds", "status"), [(-10, 200), (90_000, 503), (-600, 503)])
async def test_an_api_whose_clock_is_far_off_is_not_ready(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch, seconds: float, status: int
) -> None:
    monkeypatch.setattr("app.store.soundness.datetime", shifted(seconds))
    async with api_client(shared_database_url) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == status
    assert "this machine's clock is more than" in answer.text


async def test_what_is_wrong_is_logged_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.store.soundness.datetime", shifted(90))
    soundness = Soundness(allow_unsafe=True)
    async with engine.connect() as connection:
        for _ in range(3):
            await soundness.judge(connection)
    # A command that ran in this process before may have sent the log to the other stream.
    assert "".join(capsys.readouterr()).count(AHEAD_BY_FAR) == 1


async def test_a_worker_claims_nothing_until_its_clock_is_right(
    accept: Accept, state: State, shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await accept()
    monkeypatch.setattr("app.worker._UNSOUND_SECONDS", 0.05)
    monkeypatch.setattr("app.store.soundness.datetime", shifted(90))
    settings = settings_for(shared_database_url)
    context = build_worker(settings)
    worker = Worker(context, settings.dispatch)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.3)
    waiting = await state(message_id)
    monkeypatch.setattr("app.store.soundness.datetime", datetime)
    async with asyncio.timeout(5):
        while not (await state(message_id))["attempts"]:  # noqa: ASYNC110 - the worker tells nobody
            await asyncio.sleep(0.01)
    worker.stop()
    await running
    assert (waiting["status"], waiting["attempts"]) == ("queued", 0)
