"""The `gateway` command: what senders, types, providers and accounts may send, and what is in force after a change."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.services.administration import AdministrationError

Gateway = Callable[..., Result]
SENDER = ("+12025550100", "--account", "shop")


REFUSED = (
    (("senders", "set", *SENDER, "--rate", "0"), "--rate must be a number from 0.001 to 100000, or none."),
    (("senders", "set", *SENDER, "--rate", "fast"), "--rate must be a number"),
    (("senders", "set", *SENDER, "--burst", "1.5"), "--burst must be a whole number from 1 to 100000, or none."),
    (("senders", "set", *SENDER, "--daily-cap", "0"), "--daily-cap must be a whole number from 10 to 1000000000"),
    (("senders", "set", *SENDER, "--weight", "Infinity"), "--weight must be a number from 0.01 to 1000"),
    (("senders", "set", *SENDER, "--campaign-class", "H"), "There is no rate for this campaign class."),
    (("senders", "set", *SENDER, "--countries", "us"), "--countries must be codes of ISO 3166"),
    (("senders", "set", *SENDER, "--provider", "nobody"), "No provider account of that name"),
    (("senders", "set", "ACME", "--account", "shop"), "There is no sender of this name"),
    (("senders", "set", "+12025550100", "--account", "nobody"), "There is no such account."),
    (("rates", "set", "pigeon", "--rate", "1", "--source", "x"), "Rates are kept for 10dlc, toll_free"),
    (("rates", "set", "10dlc", "--rate", "none", "--source", "x"), "--rate must be a number"),
    (("rates", "set", "10dlc", "--rate", "1", "--source", " "), "--source must say who publishes this rate."),
    (("providers", "set", "nobody", "--rate", "1"), "No provider account of that name is configured."),
    (("accounts", "set", "nobody", "--weight", "1"), "There is no such account."),
)
"""What cannot be, and what is said of it."""


@pytest.fixture
def gateway(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    monkeypatch.setenv("GATEWAY_DATABASE_URL", own_database_url)
    monkeypatch.setenv("GATEWAY_SECRET_KEY", "k" * 32)
    runner = CliRunner()
    made: Gateway = lambda *words: runner.invoke(cli, list(words))  # noqa: E731 - a command line
    made("accounts", "create", "shop")
    made("senders", "add", *SENDER, "--provider", "sandbox")
    return made


def test_a_sender_is_changed_and_what_is_in_force_is_printed(gateway: Gateway) -> None:
    for words, told in (
        (("--rate", "0.25"), "0.25 segments/s, 1 at once"),
        (("--burst", "5", "--daily-cap", "2000"), "0.25 segments/s, 5 at once, 2000 a day"),
        (("--rate", "none", "--burst", "none", "--campaign-class", "T"), "1.25 segments/s, 2 at once, 2000 a day"),
        (("--daily-cap", "none", "--campaign-class", "none"), "1 segments/s, 1 at once"),
        (("--weight", "2", "--priority", "bulk", "--countries", "US,CA"), "1 segments/s, 1 at once"),
    ):
        said = gateway("senders", "set", *SENDER, *words)
        assert said.output == f"sender +12025550100 (10dlc) through sandbox, {told}\n", said.exception
    [row] = [line.split() for line in gateway("senders", "list").output.splitlines() if line.startswith("+12")]
    assert row[:-1] == ["+12025550100", "10dlc", "sandbox", "1", "1", "bulk", "2"]


def test_a_usual_rate_is_changed_for_all_senders_without_one_of_their_own(gateway: Gateway) -> None:
    said = gateway("rates", "set", "10dlc", "--rate", "2.5", "--source", "our provider", "--date", "2026-11-22")
    assert said.output == "10dlc: 2.5 segments/s, 3 at once\n"
    assert gateway("rates", "set", "10dlc", "T", "--rate", "2", "--source", "TCR", "--daily-cap", "90").output == (
        "10dlc T: 2 segments/s, 2 at once, 90 a day\n"
    )
    [row] = [line.split() for line in gateway("senders", "list").output.splitlines() if line.startswith("+12")]
    assert row[3:5] == ["2.5", "3"]
    listed = gateway("rates", "list").output
    assert [line.split() for line in listed.splitlines() if "our provider" in line] == [
        ["10dlc", "2.5", "3", "our", "provider", "2026-11-22"]
    ]
    assert "75 a minute" not in listed
    assert "4500 a minute" in listed


def test_a_provider_account_is_limited_and_freed(gateway: Gateway) -> None:
    set_it = ("providers", "set", "sandbox")
    assert gateway(*set_it, "--rate", "50", "--in-flight-cap", "20").output == (
        "provider sandbox: 50 segments/s, at most 20 calls at a time\n"
    )
    assert gateway("providers", "list").output.splitlines()[1].split() == ["sandbox", "sandbox", "50", "20", "closed"]
    assert gateway(*set_it, "--rate", "none", "--in-flight-cap", "none").output == (
        "provider sandbox: no rate of its own, no cap on calls\n"
    )


def test_an_account_gets_a_share_and_a_queue(gateway: Gateway) -> None:
    assert gateway("accounts", "set", "shop", "--weight", "2.5", "--queued-cap", "100").output == (
        "account shop: weight 2.5, messages that may wait: 100\n"
    )
    assert gateway("accounts", "list").output.splitlines()[1].split()[-2:] == ["2.5", "100"]
    assert gateway("accounts", "set", "shop", "--weight", "none", "--queued-cap", "none").output == (
        "account shop: weight 1, messages that may wait: as the settings say\n"
    )


def test_a_limit_that_cannot_be_is_refused_with_a_remedy(gateway: Gateway) -> None:
    # One database for all of them: none changes anything.
    before = gateway("senders", "list").output
    for words, told in REFUSED:
        refused = gateway(*words)
        assert isinstance(refused.exception, AdministrationError), (words, refused.output)
        assert told in str(refused.exception)
    assert gateway("senders", "list").output == before
