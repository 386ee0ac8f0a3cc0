"""What operators do: accounts, keys and senders, and messages that were set aside."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from app.domain.credentials import Credentials, KeyMode, Scope, hash_secret
from app.services.editing import OPERATOR
from app.services.identity import new_id, new_key
from app.services.redriving import redrive_message
from app.services.sender_administration import SenderAdministration
from app.store.accounts import (
    Account,
    ApiKey,
    NotUnique,
    add_account,
    add_key,
    find_account,
    list_accounts,
    list_keys,
    revoke_key,
)
from app.store.engine import Connection, Engine, transaction
from app.store.senders import LimitedSender, Sender, list_senders

_NAME_LENGTH: Final = 64
SENDING_SCOPES: Final = (Scope.MESSAGES_WRITE, Scope.MESSAGES_READ)


class AdministrationError(Exception):
    """The operator asked for something that cannot be; `args[0]` says what to do instead."""


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key just made. Its secret is shown now and never again."""

    key: ApiKey
    credentials: Credentials


class Administration:
    """The use cases of operators; the callers are on the machine, so there is nothing to authenticate."""

    def __init__(self, engine: Engine, providers: Collection[str]) -> None:
        """Take the engine and the names of the configured provider accounts."""
        self._engine = engine
        self._senders = SenderAdministration(engine, providers)

    async def redrive(self, message_id: UUID) -> None:
        """Send a message that was set aside on its way again; raises `Refusal`."""
        await redrive_message(self._engine, message_id)

    async def create_account(self, name: str) -> Account:
        """Create an account; raises `AdministrationError` if the name is taken, or none."""
        if not name.strip() or not name.isprintable() or len(name) > _NAME_LENGTH:
            raise AdministrationError(f"An account's name has 1 to {_NAME_LENGTH} printable characters.")
        try:
            async with transaction(self._engine) as connection:
                return await add_account(connection, account_id=new_id(), name=name)
        except NotUnique as error:
            raise AdministrationError(f"There is an account named {name!r} already.") from error

    async def list_accounts(self) -> list[Account]:
        """List all accounts."""
        async with transaction(self._engine) as connection:
            return await list_accounts(connection)

    async def create_key(
        self,
        *,
        account: str | None,
        mode: KeyMode,
        scopes: Sequence[Scope],
        name: str = "",
        expires_at: datetime | None = None,
    ) -> NewKey:
        """Create a key of an account, or one for ops that belongs to none and only reads."""
        _require_fitting(account, scopes)
        credentials = new_key(mode)
        async with transaction(self._engine) as connection:
            owner = None if account is None else await _account(connection, account)
            key = await add_key(
                connection,
                key_id=credentials.key_id,
                account_id=owner.id if owner else None,
                mode=mode,
                secret_hash=hash_secret(credentials.secret),
                scopes=scopes,
                name=name,
                expires_at=expires_at,
            )
        return NewKey(key=key, credentials=credentials)

    async def list_keys(self, account: str | None = None) -> list[ApiKey]:
        """List the keys of one account, or all."""
        async with transaction(self._engine) as connection:
            owner = None if account is None else await _account(connection, account)
            return await list_keys(connection, owner.id if owner else None)

    async def revoke_key(self, key: str) -> None:
        """Revoke a key by its id, with or without its prefix."""
        key_id = key.rpartition("_")[2]
        async with transaction(self._engine) as connection:
            if not await revoke_key(connection, key_id):
                raise AdministrationError("There is no such key. `gateway keys list` shows them.")

    async def add_sender(self, *, account: str, address: str, provider: str, rate: Decimal | None) -> Sender:
        """Add a sender to an account, with its type's usual rate unless one is given; raises `Refusal`."""
        return (await self._senders.add(OPERATOR, account, address, {"provider": provider, "rate": rate})).sender

    async def list_senders(self, account: str | None = None) -> list[LimitedSender]:
        """List the senders of one account, or all."""
        async with transaction(self._engine) as connection:
            owner = None if account is None else await _account(connection, account)
            return await list_senders(connection, owner.id if owner else None)


async def _account(connection: Connection, name: str) -> Account:
    account = await find_account(connection, name)
    if account is None:
        raise AdministrationError(f"There is no account {name!r}. `gateway accounts list` shows them.")
    return account


def _require_fitting(account: str | None, scopes: Sequence[Scope]) -> None:
    if account is None and set(scopes) - {Scope.OPS_READ, Scope.ADMIN}:
        raise AdministrationError("A key without an account may only have the scopes ops:read and admin.")
    if account is not None and Scope.OPS_READ in scopes:
        raise AdministrationError("ops:read reads all accounts: create that key without an account.")
