"""Adding senders and changing what they may do; lanes follow in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.domain.errors import ErrorCode, FieldError, Refusal
from app.domain.sender import SenderAddress, SenderRefused, check_sender
from app.services.editing import Editor, note
from app.services.identity import new_id
from app.store.accounts import NotUnique, find_account, get_account
from app.store.engine import Connection, Engine, transaction
from app.store.senders import LimitedSender, add_sender, change_sender, find_sender, get_sender
from app.store.sending_rates import classes_of, hold_rates

UNKNOWN_SENDER: Final = "There is no sender of this name or id that this key may know of."


class SenderAdministration:
    """The use cases of operators about senders. Who may is asked before; each raises `StoreUnavailable`."""

    def __init__(self, engine: Engine, providers: Collection[str]) -> None:
        """Take the engine and the names of the configured provider accounts."""
        self._engine = engine
        self._providers = providers

    async def add(self, editor: Editor, account: UUID | str, address: str, values: Mapping[str, Any]) -> LimitedSender:
        """Add a sender to an account, named by its id or its name, with columns of its own.

        Raises `Refusal`: `validation-failed` for an address that is none, and for an account, a provider or a campaign
        class that is not there; `sender-exists` for a sender that somebody has.
        """
        checked = check_sender(address)
        if isinstance(checked, SenderRefused):
            raise _wrong(
                "address", checked.reason, "This cannot be a sender: use E.164, a short code, or a name with letters."
            )
        try:
            async with transaction(self._engine) as connection:
                await hold_rates(connection)
                owner = await _owner(connection, account)
                await self._require_known(connection, checked.number_type, values)
                added = await _add(connection, owner, checked, values)
                await note(connection, editor, "senders.add", _told(added, values))
                return added
        except NotUnique as error:
            raise _taken() from error

    async def change(self, editor: Editor, sender_id: UUID, changes: Mapping[str, Any]) -> LimitedSender:
        """Change columns of a sender; raises `not-found`, and `validation-failed` as `add` does."""
        async with transaction(self._engine) as connection:
            await hold_rates(connection)
            found = await get_sender(connection, sender_id)
            if found is None:
                raise unknown_sender()
            await self._require_known(connection, found.sender.number_type, changes)
            changed = await change_sender(connection, sender_id, changes)
            await note(connection, editor, "senders.change", _told(changed, changes))
            return changed

    async def change_named(
        self, editor: Editor, account: str, address: str, changes: Mapping[str, Any]
    ) -> LimitedSender:
        """Change a sender that an operator names by its account and its address."""
        return await self.change(editor, await self.id_of(account, address), changes)

    async def id_of(self, account: str, address: str) -> UUID:
        """Find a sender by the names that an operator knows it by; raises `not-found`."""
        async with transaction(self._engine) as connection:
            sender = await find_sender(connection, await _owner(connection, account), address)
        if sender is None:
            raise unknown_sender()
        return sender.id

    async def _require_known(self, connection: Connection, number_type: str, values: Mapping[str, Any]) -> None:
        if "provider" in values and values["provider"] not in self._providers:
            known = ", ".join(sorted(self._providers))
            raise _wrong("provider", "not-configured", f"No provider account of that name. Configured: {known}.")
        wanted = values.get("campaign_class")
        if wanted and wanted not in (known_classes := await classes_of(connection, number_type)):
            there_are = ", ".join(known_classes) or "none"
            raise _wrong(
                "campaign_class",
                "unknown-class",
                f"There is no rate for this campaign class. For this number type there are: {there_are}.",
            )


def unknown_sender() -> Refusal:
    """Refuse what names no sender that the caller may know of."""
    return Refusal(ErrorCode.NOT_FOUND, UNKNOWN_SENDER)


async def _owner(connection: Connection, account: UUID | str) -> UUID:
    find = get_account(connection, account) if isinstance(account, UUID) else find_account(connection, account)
    found = await find
    if found is None:
        raise _wrong("account", "unknown-account", "There is no such account. `gateway accounts list` shows them.")
    return found.id


async def _add(connection: Connection, owner: UUID, checked: SenderAddress, values: Mapping[str, Any]) -> LimitedSender:
    return await add_sender(
        connection,
        sender_id=new_id(owner),
        account_id=owner,
        address=checked.address,
        number_type=checked.number_type.value,
        **values,
    )


def _told(limited: LimitedSender, values: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is written down of a change: which sender, and the new values as JSON has them."""
    told = {name: float(value) if isinstance(value, Decimal) else value for name, value in values.items()}
    return {"sender_id": str(limited.sender.id), **told}


def _taken() -> Refusal:
    detail = "This sender is taken already. `gateway senders list` shows whose it is."
    error = FieldError(pointer="/address", code="sender-exists", detail=detail)
    return Refusal(ErrorCode.SENDER_EXISTS, detail, errors=(error,))


def _wrong(field: str, code: str, detail: str) -> Refusal:
    error = FieldError(pointer=f"/{field}", code=code, detail=detail)
    return Refusal(ErrorCode.VALIDATION_FAILED, detail, errors=(error,))
