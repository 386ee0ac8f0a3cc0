"""Pausing senders, provider accounts and accounts, and letting them go on; whoever does it twice does it once.

What is paused goes on accepting, up to the caps; what a worker has begun is finished. What is let go on takes up its
rate again, and the bucket that filled up meanwhile holds no more than its burst.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from app.domain.errors import ErrorCode, Refusal
from app.services.editing import Editor, note
from app.store.engine import Engine, transaction
from app.store.pausing import Paused, set_account_paused, set_provider_paused, set_sender_paused

UNKNOWN_SENDER = "There is no sender with this id that this key may pause."
UNKNOWN_ACCOUNT = "There is no account with this id that this key may pause."
UNKNOWN_PROVIDER = (
    "There is no provider account of this name. `gateway providers list` shows those that are configured."
)


class Pausing:
    """The use cases of stopping and going on. Workers follow with their next claim."""

    def __init__(self, engine: Engine, providers: Collection[str]) -> None:
        """Take the engine, and the names of the configured provider accounts."""
        self._engine = engine
        self._providers = providers

    async def sender(self, editor: Editor, sender_id: UUID, *, paused: bool) -> Paused:
        """Pause one sender of the editor's, or let it go on; raises `not-found`."""
        async with transaction(self._engine) as connection:
            result = await set_sender_paused(connection, sender_id, account_id=editor.account_id, paused=paused)
            if result is None:
                raise Refusal(ErrorCode.NOT_FOUND, UNKNOWN_SENDER)
            await note(connection, editor, _action("senders", paused=paused), {"sender_id": str(sender_id)})
        return result

    async def account(self, editor: Editor, account_id: UUID, *, paused: bool) -> Paused:
        """Pause an account that the editor may change, or let it go on; raises `not-found`."""
        async with transaction(self._engine) as connection:
            result = await set_account_paused(connection, account_id, account_id=editor.account_id, paused=paused)
            if result is None:
                raise Refusal(ErrorCode.NOT_FOUND, UNKNOWN_ACCOUNT)
            await note(connection, editor, _action("accounts", paused=paused), {"account_id": str(account_id)})
        return result

    async def provider(self, editor: Editor, name: str, *, paused: bool) -> Paused:
        """Pause a provider account, or let it go on; raises `not-found`, and `forbidden` for keys of an account."""
        if editor.account_id is not None:
            detail = "A provider account serves all accounts: use a key that belongs to none."
            raise Refusal(ErrorCode.FORBIDDEN, detail)
        if name not in self._providers:
            raise Refusal(ErrorCode.NOT_FOUND, UNKNOWN_PROVIDER)
        async with transaction(self._engine) as connection:
            result = await set_provider_paused(connection, name, paused=paused)
            await note(connection, editor, _action("providers", paused=paused), {"provider": name})
        return result


def _action(what: str, *, paused: bool) -> str:
    return f"{what}.{'pause' if paused else 'resume'}"
