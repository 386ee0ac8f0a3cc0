"""`gateway accounts`, `keys` and `messages`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer

from app.cli.operators import NONE_HELP, do, read_limits
from app.cli.tables import print_table
from app.domain.credentials import KeyMode, Scope
from app.services.administration import SENDING_SCOPES, NewKey
from app.services.editing import OPERATOR

MaybeAccount = Annotated[str | None, typer.Option("--account", help="Name of the account; all without it.")]


def register(cli: typer.Typer) -> None:
    """Add these commands."""
    accounts = typer.Typer(help="Accounts: the services and teams that send.", no_args_is_help=True)
    accounts.command(name="create")(create_account)
    accounts.command(name="list")(list_accounts)
    accounts.command(name="set")(set_account)
    keys = typer.Typer(help="API keys; several per account, so that they can be rotated.", no_args_is_help=True)
    keys.command(name="create")(create_key)
    keys.command(name="list")(list_keys)
    keys.command(name="revoke")(revoke_key)
    messages = typer.Typer(help="Messages that an operator has to look after.", no_args_is_help=True)
    messages.command(name="redrive")(redrive)
    for name, group in (("accounts", accounts), ("keys", keys), ("messages", messages)):
        cli.add_typer(group, name=name)


def create_account(name: Annotated[str, typer.Argument(help="Its name, such as billing.")]) -> None:
    """Create an account."""
    account = do(lambda operators: operators.administration.create_account(name))
    print(f"account {account.name} {account.id}")


def list_accounts() -> None:
    """List all accounts."""
    rows = do(lambda operators: operators.administration.list_accounts())
    print_table(
        ("name", "id", "created", "weight", "may wait"),
        [(a.name, str(a.id), _moment(a.created_at), f"{a.weight:g}", str(a.queued_cap or "")) for a in rows],
    )


def set_account(
    name: Annotated[str, typer.Argument(help="The account.")],
    weight: Annotated[str | None, typer.Option(help=f"Its share beside other accounts. {NONE_HELP}")] = None,
    queued_cap: Annotated[str | None, typer.Option(help=f"How many messages may wait. {NONE_HELP}")] = None,
) -> None:
    """Change the share and the queue of an account, from now on."""
    changes = read_limits({"weight": weight, "queued_cap": queued_cap})
    if "weight" in changes and changes["weight"] is None:
        changes["weight"] = 1.0
    account = do(lambda operators: operators.accounts.change(OPERATOR, name, changes))
    waiting = "as the settings say" if account.queued_cap is None else str(account.queued_cap)
    print(f"account {account.name}: weight {account.weight:g}, messages that may wait: {waiting}")


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
    made = do(
        lambda operators: operators.administration.create_key(
            account=account, mode=kind, scopes=scopes, name=name, expires_at=expires_at
        )
    )
    _show(made)


def list_keys(account: MaybeAccount = None) -> None:
    """List keys, without their secrets."""
    rows = do(lambda operators: operators.administration.list_keys(account))
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
    do(lambda operators: operators.administration.revoke_key(key))
    print("revoked")


def redrive(message_id: Annotated[UUID, typer.Argument(help="Of a message that was set aside as poison.")]) -> None:
    """Send a message on its way again that was set aside because workers died over it."""
    do(lambda operators: operators.administration.redrive(message_id))
    print("queued")


def _show(made: NewKey) -> None:
    credentials = made.credentials
    print("Keep the secret now; it is not shown again.")
    print(f"  key     {credentials.user}")
    print(f"  secret  {credentials.secret}")
    print(f"  bearer  {credentials.bearer}")


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}Z"
