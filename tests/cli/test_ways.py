"""`gateway pools` and `gateway routes` from a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.services.administration import AdministrationError

Gateway = Callable[..., Result]


@pytest.fixture
def gateway(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The command on a database with an account and two senders."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", own_database_url)
    monkeypatch.setenv("GATEWAY_SECRET_KEY", "k" * 32)
    runner = CliRunner()

    def run(*words: str) -> Result:
        return runner.invoke(cli, list(words))

    run("accounts", "create", "shop")
    for address in ("+12025550100", "+13105550100"):
        run("senders", "add", address, "--account", "shop", "--provider", "sandbox")
    return run


def lines(result: Result) -> list[list[str]]:
    """The words of each line."""
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.output.splitlines()]


def test_a_pool_is_made_filled_listed_and_deleted(gateway: Gateway) -> None:
    assert gateway("pools", "create", "support", "--account", "shop", "--match-area").output.startswith("pool support ")
    assert lines(gateway("pools", "list"))[1] == ["support", "shop", "yes"]
    added = gateway("pools", "add", "support", "+12025550100", "--account", "shop")
    assert added.output == "pool support: +12025550100 with weight 1\n"
    gateway("pools", "add", "support", "+13105550100", "--account", "shop", "--weight", "0.5")
    assert lines(gateway("pools", "list", "--account", "shop"))[1:] == [
        ["support", "shop", "yes", "+12025550100", "10dlc", "sandbox", "1"],
        ["support", "shop", "yes", "+13105550100", "10dlc", "sandbox", "0.5"],
    ]
    assert gateway("pools", "remove", "support", "+12025550100", "--account", "shop").output == "removed\n"
    assert len(lines(gateway("pools", "list"))) == 2
    assert gateway("pools", "delete", "support", "--account", "shop").output == "deleted\n"
    assert len(lines(gateway("pools", "list"))) == 1


def test_a_route_is_set_listed_and_removed(gateway: Gateway) -> None:
    gateway("pools", "create", "support", "--account", "shop")
    set_one = gateway("routes", "set", "+44", "pool:support", "--account", "shop")
    assert set_one.output == "route +44 to pool:support\n"
    gateway("routes", "set", "+1", "+12025550100", "--account", "shop")
    listed = [["+1", "shop", "+12025550100"], ["+44", "shop", "pool:support"]]
    assert lines(gateway("routes", "list"))[1:] == listed
    assert lines(gateway("routes", "list", "--account", "shop"))[1:] == listed
    assert gateway("routes", "remove", "+44", "--account", "shop").output == "removed\n"
    assert lines(gateway("routes", "list"))[1:] == listed[:1]


REFUSED: Final = [
    ("pools create support --account nobody", "There is no account 'nobody'."),
    ("pools create Support --account shop", "small letters, digits and hyphens"),
    ("pools create taken --account shop", "Use another name"),
    ("pools add nothing +12025550100 --account shop", "The account has no pool 'nothing'."),
    ("pools add taken +12025550199 --account shop", "The account has no sender '+12025550199'."),
    ("pools remove taken +12025550100 --account shop", "The pool has no member"),
    ("pools delete nothing --account shop", "The account has no pool 'nothing'."),
    ("pools delete taken --account shop", "Routes lead to this pool: +1."),
    ("routes set 1 +12025550100 --account shop", "a plus and one to seven digits"),
    ("routes set +1 pool:nothing --account shop", "The account has no pool of this name."),
    ("routes set +1 +12025550199 --account shop", "does not own this sender"),
    ("routes set +1 !! --account shop", "`target` must be a sender"),
    ("routes remove +44 --account shop", "The account has no route for '+44'."),
    ("routes list --account nobody", "There is no account 'nobody'."),
]


def test_what_cannot_be_is_refused_with_a_remedy(gateway: Gateway) -> None:
    gateway("pools", "create", "taken", "--account", "shop")
    gateway("routes", "set", "+1", "pool:taken", "--account", "shop")
    for words, told in REFUSED:
        refused = gateway(*words.split()).exception
        assert isinstance(refused, AdministrationError), words
        assert told in str(refused)


def test_a_weight_has_bounds(gateway: Gateway) -> None:
    gateway("pools", "create", "support", "--account", "shop")
    for weight in ("-1", "1001", "nan", "much"):
        refused = gateway("pools", "add", "support", "+12025550100", "--account", "shop", "--weight", weight)
        assert refused.exit_code != 0
    assert lines(gateway("pools", "list"))[1:] == [["support", "shop"]]
