"""Changing the share and the queue of an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from app.domain.errors import ErrorCode, Refusal
from app.services.editing import Editor, note
from app.store.accounts import Account, change_account, find_account
from app.store.engine import Engine, transaction

UNKNOWN_ACCOUNT: Final = "There is no such account. `gateway accounts list` shows them."


class Accounts:
    """The use cases of operators about accounts. Who may is asked before; each raises `StoreUnavailable`."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine."""
        self._engine = engine

    async def change(self, editor: Editor, account: UUID | str, changes: Mapping[str, Any]) -> Account:
        """Change columns of an account, named by its id or its name; raises `not-found`."""
        async with transaction(self._engine) as connection:
            if isinstance(account, str):
                named = await find_account(connection, account)
                changed = None if named is None else await change_account(connection, named.id, changes)
            else:
                changed = await change_account(connection, account, changes)
            if changed is None:
                raise Refusal(ErrorCode.NOT_FOUND, UNKNOWN_ACCOUNT)
            await note(connection, editor, "accounts.change", {"account": str(changed.id), **changes})
            return changed

    async def id_of(self, name: str) -> UUID:
        """Find an account by its name; raises `not-found`."""
        async with transaction(self._engine) as connection:
            account = await find_account(connection, name)
        if account is None:
            raise Refusal(ErrorCode.NOT_FOUND, UNKNOWN_ACCOUNT)
        return account.id
