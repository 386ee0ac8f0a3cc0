"""`gateway pause` and `gateway resume` from a terminal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.services.administration import AdministrationError

Gateway = Callable[..., Result]


@pytest.fixture
def gateway(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The command on a database with an account and a sender."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", own_database_url)
    monkeypatch.setenv("GATEWAY_SECRET_KEY", "k" * 32)
    runner = CliRunner()

    def run(*words: str) -> Result:
        return runner.invoke(cli, list(words))

    run("accounts", "create", "shop")
    run("senders", "add", "+12025550100", "--account", "shop", "--provider", "sandbox")
    return run


@pytest.mark.parametrize(
    "words", [("sender", "+12025550100", "--account", "shop"), ("provider", "sandbox"), ("account", "shop")]
)
def test_what_is_paused_is_said_to_be_so_and_goes_on(gateway: Gateway, words: tuple[str, ...]) -> None:
    assert gateway("pause", *words).output.startswith(f"{words[1]} is paused since 20")
    assert gateway("resume", *words).output == f"{words[1]} goes on\n"


@pytest.mark.parametrize(
    "words",
    [
        ("sender", "+12025550199", "--account", "shop"),
        ("sender", "+12025550100", "--account", "nobody"),
        ("provider", "nobody"),
        ("account", "nobody"),
    ],
)
def test_what_there_is_not_is_not_paused(gateway: Gateway, words: tuple[str, ...]) -> None:
    assert isinstance(gateway("pause", *words).exception, AdministrationError)
