"""`gateway accounts`, `keys`, `senders` and `messages`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, TypeVar
from uuid import UUID

import typer

from app.bootstrap import build_administration, build_engine
from app.cli.tables import print_table
from app.domain.credentials import KeyMode, Scope
from app.domain.errors import Refusal
from app.services.administration import SENDING_SCOPES, Administration, AdministrationError, NewKey
from app.settings import load_settings

_T = TypeVar("_T")

AccountName = Annotated[str, typer.Option("--account", help="Name of the account.")]
MaybeAccount = Annotated[str | None, typer.Option("--account", help="Name of the account; all without it.")]


def register(cli: typer.Typer) -> None:
    """Add these commands."""
    accounts = typer.Typer(help="Accounts: the services and teams that send.", no_args_is_help=True)
    accounts.command(name="create")(create_account)
    accounts.command(name="list")(list_accounts)
    keys = typer.Typer(help="API keys; several per account, so that they can be rotated.", no_args_is_help=True)
    keys.command(name="create")(create_key)
    keys.command(name="list")(list_keys)
    keys.command(name="revoke")(revoke_key)
    senders = typer.Typer(help="Senders: the numbers and names that accounts send from.", no_args_is_help=True)
    senders.command(name="add")(add_sender)
    senders.command(name="list")(list_senders)
    messages = typer.Typer(help="Messages that an operator has to look after.", no_args_is_help=True)
    messages.command(name="redrive")(redrive)
    for name, group in (("accounts", accounts), ("keys", keys), ("senders", senders), ("messages", messages)):
        cli.add_typer(group, name=name)


def create_account(name: Annotated[str, typer.Argument(help="Its name, such as billing.")]) -> None:
    """Create an account."""
    account = _do(lambda admin: admin.create_account(name))
    print(f"account {account.name} {account.id}")


def list_accounts() -> None:
    """List all accounts."""
    rows = _do(lambda admin: admin.list_accounts())
    print_table(("name", "id", "created"), [(a.name, str(a.id), _moment(a.created_at)) for a in rows])


def create_key(
    account: Annotated[str | None, typer.Option(help="Name of the account; an ops key has none.")] = None,
    mode: Annotated[
        KeyMode | None, typer.Option(help="test reaches the sandbox only; the default for a key of an account.")
    ] = None,
    scope: Annotated[list[Scope] | None, typer.Option(help="May be given several times.")] = None,
    name: Annotated[str, typer.Option(help="A note, such as who holds it.")] = "",
    expires_in_days: Annotated[int | None, typer.Option(min=1, help="Days until it ends by itself.")] = None,
) -> None:
    """Create an API key; its secret is shown once."""
    scopes = scope or list(SENDING_SCOPES if account else (Scope.OPS_READ,))
    expires_at = datetime.now(UTC) + timedelta(days=expires_in_days) if expires_in_days else None
    kind = mode or (KeyMode.TEST if account else KeyMode.LIVE)
    made = _do(
        lambda admin: admin.create_key(account=account, mode=kind, scopes=scopes, name=name, expires_at=expires_at)
    )
    _show(made)


def list_keys(account: MaybeAccount = None) -> None:
    """List keys, without their secrets."""
    rows = _do(lambda admin: admin.list_keys(account))
    print_table(
        ("key", "scopes", "note", "created", "expires", "revoked", "last used"),
        [
            (
                f"mgw_{key.mode}_{key.id}",
                " ".join(sorted(key.scopes)),
                key.name,
                _moment(key.created_at),
                _moment(key.expires_at),
                _moment(key.revoked_at),
                _moment(key.last_used_at),
            )
            for key in rows
        ],
    )


def revoke_key(key: Annotated[str, typer.Argument(help="Its id, such as mgw_live_….")]) -> None:
    """Revoke a key; it stops working within five seconds, on every process."""
    _do(lambda admin: admin.revoke_key(key))
    print("revoked")


def add_sender(
    address: Annotated[str, typer.Argument(help="A number in E.164, a short code, or a name.")],
    account: AccountName,
    provider: Annotated[str, typer.Option(help="The provider account that its messages go through.")],
    rate: Annotated[str | None, typer.Option(help="Segments per second; by default its type's usual rate.")] = None,
) -> None:
    """Add a sender to an account."""
    sender = _do(lambda admin: admin.add_sender(account=account, address=address, provider=provider, rate=_rate(rate)))
    limit = f"{sender.rate} segments/s" if sender.rate else "its type's rate"
    print(f"sender {sender.address} ({sender.number_type}) through {sender.provider}, {limit}")


def list_senders(account: MaybeAccount = None) -> None:
    """List senders."""
    rows = _do(lambda admin: admin.list_senders(account))
    print_table(
        ("address", "type", "provider", "segments/s", "account id"),
        [(s.address, s.number_type, s.provider, str(s.rate or ""), str(s.account_id)) for s in rows],
    )


def redrive(message_id: Annotated[UUID, typer.Argument(help="Of a message that was set aside as poison.")]) -> None:
    """Send a message on its way again that was set aside because workers died over it."""
    try:
        _do(lambda admin: admin.redrive(message_id))
    except Refusal as refusal:
        raise AdministrationError(refusal.detail) from refusal
    print("queued")


def _do(use: Callable[[Administration], Awaitable[_T]]) -> _T:
    """Run one use case on an engine of its own."""

    async def run() -> _T:
        settings = load_settings()
        engine = build_engine(settings, "cli")
        try:
            return await use(build_administration(settings, engine))
        finally:
            await engine.dispose()

    return asyncio.run(run())


def _show(made: NewKey) -> None:
    credentials = made.credentials
    print("Keep the secret now; it is not shown again.")
    print(f"  key     {credentials.user}")
    print(f"  secret  {credentials.secret}")
    print(f"  bearer  {credentials.bearer}")


def _rate(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        rate = Decimal(text)
    except InvalidOperation as error:
        raise AdministrationError("--rate must be a number, in segments per second.") from error
    if not rate.is_finite() or rate <= 0:
        raise AdministrationError("--rate must be above zero.")
    return rate


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}Z"
