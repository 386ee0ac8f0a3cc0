"""The `gateway` command: accounts, keys and senders from a terminal, and clear words for what cannot be."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli, run
from app.services.administration import AdministrationError

Gateway = Callable[..., Result]


@pytest.fixture
def gateway(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    monkeypatch.setenv("GATEWAY_DATABASE_URL", own_database_url)
    monkeypatch.setenv("GATEWAY_SECRET_KEY", "k" * 32)
    runner = CliRunner()
    return lambda *words: runner.invoke(cli, list(words))


def test_an_account_gets_keys_and_senders(gateway: Gateway) -> None:
    assert gateway("accounts", "create", "shop").output.startswith("account shop ")
    assert "shop" in gateway("accounts", "list").output

    made = gateway("keys", "create", "--account", "shop", "--mode", "live", "--name", "ci")
    user = re.search(r"mgw_live_\w{12}", made.output)
    assert user
    assert re.search(r"secret  \w{38}\n", made.output)
    shown = gateway("keys", "list", "--account", "shop").output
    assert user[0] in shown
    assert "messages:read messages:write" in shown

    added = gateway("senders", "add", "+12025550100", "--account", "shop", "--provider", "sandbox")
    assert added.output == "sender +12025550100 (10dlc) through sandbox, 1 segments/s, 1 at once\n"
    assert "+12025550100" in gateway("senders", "list").output

    assert gateway("keys", "revoke", user[0]).output == "revoked\n"


def test_a_test_key_is_what_one_gets_without_asking(gateway: Gateway) -> None:
    gateway("accounts", "create", "shop")
    assert "mgw_test_" in gateway("keys", "create", "--account", "shop").output


def test_an_ops_key_belongs_to_no_account(gateway: Gateway) -> None:
    assert gateway("keys", "create").exit_code == 0
    assert "ops:read" in gateway("keys", "list").output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("accounts", "create", "shop"), "There is an account named 'shop' already."),
        (("accounts", "create", " "), "1 to 64 printable characters"),
        (("keys", "create", "--account", "nobody"), "There is no account 'nobody'."),
        (("keys", "create", "--scope", "messages:write"), "may only have the scopes ops:read and admin"),
        (("keys", "create", "--account", "shop", "--scope", "ops:read"), "create that key without an account"),
        (("keys", "revoke", "mgw_live_000000000000"), "There is no such key."),
        (("senders", "add", "?", "--account", "shop", "--provider", "sandbox"), "cannot be a sender"),
        (("senders", "add", "ACME", "--account", "shop", "--provider", "x"), "No provider account of that name"),
        (
            ("senders", "add", "ACME", "--account", "shop", "--provider", "sandbox", "--rate", "0"),
            "--rate must be a number from 0.001 to 100000",
        ),
        (
            ("senders", "add", "ACME", "--account", "shop", "--provider", "sandbox", "--rate", "NaN"),
            "--rate must be a number from",
        ),
        (("senders", "add", "12345", "--account", "shop", "--provider", "sandbox"), "taken already"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(gateway: Gateway, words: tuple[str, ...], told: str) -> None:
    gateway("accounts", "create", "shop")
    gateway("senders", "add", "12345", "--account", "shop", "--provider", "sandbox")
    refused = gateway(*words)
    assert isinstance(refused.exception, AdministrationError)
    assert told in str(refused.exception)


def test_a_number_belongs_to_one_account_and_a_name_may_be_shared(gateway: Gateway) -> None:
    for account in ("shop", "bank"):
        gateway("accounts", "create", account)
    for address, second in (("+12025550100", 1), ("ACME", 0)):
        codes = [
            gateway("senders", "add", address, "--account", account, "--provider", "sandbox").exit_code
            for account in ("shop", "bank")
        ]
        assert codes == [0, second]


def test_an_expected_failure_is_one_text_and_exit_code_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "postgresql+asyncpg://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("GATEWAY_SECRET_KEY", "k" * 32)
    monkeypatch.setattr("sys.argv", ["gateway", "accounts", "list"])
    assert run() == 1
    told = capsys.readouterr().err
    assert "The database cannot be reached" in told
    assert "Traceback" not in told


def test_a_wrong_setting_is_one_text_and_exit_code_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_API__PORT", "http")
    monkeypatch.setattr("sys.argv", ["gateway", "api"])
    assert run() == 1
    assert "GATEWAY_API__PORT" in capsys.readouterr().err
