"""`gateway audit`: a table of both sides, what differs, and an exit code to act on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from app.cli import cli
from app.providers.sandbox import Adapter
from app.services import audits
from app.services.administration import AdministrationError
from tests.sandbox.world import CONFIG, World, a_receiver, a_world
from tests.support.gateway import SECRET_KEY

SECRET = "sandbox-secret-of-the-tests"


@pytest.fixture
async def world(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A sandbox that the command line is led to."""
    config = type(CONFIG)(api_key="key", api_secret=SECRET, webhook_secret=SECRET, pace=0)
    async with a_receiver() as receiver, a_world(config, receiver=receiver) as made:
        for name, value in {
            "GATEWAY_DATABASE_URL": own_database_url,
            "GATEWAY_SECRET_KEY": SECRET_KEY,
            "GATEWAY_SANDBOX__URL": made.url,
            "GATEWAY_SANDBOX__API_KEY": "key",
            "GATEWAY_SANDBOX__API_SECRET": SECRET,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(audits, "_UNSETTLED", timedelta(0))
        monkeypatch.setattr(audits, "_PAUSES_SECONDS", ())
        adapter = Adapter(made.adapter.config.model_copy(update={"api_secret": SecretStr(SECRET)}))
        yield World(
            url=made.url, receiver=receiver, adapter=adapter, client=made.client, tester=made.tester, server=made.server
        )


async def gateway(*words: str) -> Result:
    """Run a command beside the sandbox, in a thread with a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, cli, list(words))


async def test_a_stranger_in_the_providers_list_is_shown_and_ends_with_exit_code_one(world: World) -> None:
    day = datetime.now(UTC).date().isoformat()
    agreed = await gateway("audit", "sandbox", "--date", day)
    assert (agreed.exit_code, "sandbox: 0 matched, no difference." in agreed.output) == (0, True)
    await world.send("+12025550123", body="✓" * 71)
    differs = await gateway("audit", "--date", day)
    assert differs.exit_code == 1
    assert "sandbox: 0 matched, 1 unknown-to-us." in differs.output
    lines = [" ".join(line.split()) for line in differs.output.splitlines()]
    assert f"sandbox {day} ours 0 0" in lines
    assert f"sandbox {day} theirs 1 2 0.0150 USD" in lines
    assert any(line.startswith("unknown-to-us sbx_") and line.endswith("delivered") for line in lines)


async def test_a_provider_that_cannot_be_compared_hides_nothing_of_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"adapter": "sandbox", "url": world.url, "api_key": "x", "records": "true"}
    wrong |= {"api_secret": "x" * 32, "webhook_secret": "x" * 32}
    for name, value in wrong.items():
        monkeypatch.setenv(f"GATEWAY_PROVIDERS__WRONG__{name.upper()}", value)
    ended = await gateway("audit", "--date", datetime.now(UTC).date().isoformat())
    assert "sandbox: 0 matched, no difference." in ended.output
    assert "wrong did not list its messages" in str(ended.exception)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--date", "yesterday"), "--date must be a day"),
        (("nobody",), "No provider account 'nobody' is configured."),
        (("--date", "2100-01-01"), "Nothing of 2100-01-01 has settled yet"),
    ],
)
async def test_what_cannot_be_compared_is_told(world: World, words: tuple[str, ...], told: str) -> None:
    assert world
    refused = await gateway("audit", *words)
    assert isinstance(refused.exception, AdministrationError)
    assert told in str(refused.exception)
