"""`gateway pause` and `gateway resume`: stop sending from a sender, through a provider account, or for an account."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.operators import do
from app.services.editing import OPERATOR
from app.services.operators import Operators
from app.store.pausing import Paused

Address = Annotated[str, typer.Argument(help="A number in E.164, a short code, or a name.")]
Owner = Annotated[str, typer.Option("--account", help="Name of the account.")]
AccountName = Annotated[str, typer.Argument(help="Name of the account.")]
ProviderName = Annotated[str, typer.Argument(help="The provider account, as the settings name it.")]


def register(cli: typer.Typer) -> None:
    """Add these commands."""
    pause = typer.Typer(help="Send nothing for now; what comes in waits.", no_args_is_help=True)
    pause.command(name="sender")(pause_sender)
    pause.command(name="provider")(pause_provider)
    pause.command(name="account")(pause_account)
    resume = typer.Typer(help="Go on sending what was paused.", no_args_is_help=True)
    resume.command(name="sender")(resume_sender)
    resume.command(name="provider")(resume_provider)
    resume.command(name="account")(resume_account)
    for name, group in (("pause", pause), ("resume", resume)):
        cli.add_typer(group, name=name)


def pause_sender(address: Address, *, account: Owner) -> None:
    """Send nothing from one sender."""
    _show(address, do(lambda operators: _sender(operators, account, address, paused=True)))


def resume_sender(address: Address, *, account: Owner) -> None:
    """Let a sender go on."""
    _show(address, do(lambda operators: _sender(operators, account, address, paused=False)))


def pause_provider(name: ProviderName) -> None:
    """Send nothing through one provider account; its messages are not led to another one."""
    _show(name, do(lambda operators: operators.pausing.provider(OPERATOR, name, paused=True)))


def resume_provider(name: ProviderName) -> None:
    """Let a provider account go on."""
    _show(name, do(lambda operators: operators.pausing.provider(OPERATOR, name, paused=False)))


def pause_account(name: AccountName) -> None:
    """Send nothing of one account, its test messages included."""
    _show(name, do(lambda operators: _account(operators, name, paused=True)))


def resume_account(name: AccountName) -> None:
    """Let an account go on."""
    _show(name, do(lambda operators: _account(operators, name, paused=False)))


async def _sender(operators: Operators, account: str, address: str, *, paused: bool) -> Paused:
    sender_id = await operators.senders.id_of(account, address)
    return await operators.pausing.sender(OPERATOR, sender_id, paused=paused)


async def _account(operators: Operators, name: str, *, paused: bool) -> Paused:
    return await operators.pausing.account(OPERATOR, await operators.accounts.id_of(name), paused=paused)


def _show(name: str, paused: Paused) -> None:
    print(f"{name} goes on" if paused.since is None else f"{name} is paused since {paused.since:%Y-%m-%d %H:%M:%S}Z")
