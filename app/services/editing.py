"""Who changes what messages are sent by: keys with the scope `admin`, and operators at a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from app.domain.credentials import KeyMode, Scope
from app.domain.errors import ErrorCode, FieldError, Refusal
from app.services.authentication import Caller
from app.services.identity import new_id
from app.store.accounts import account_exists, add_audit_event
from app.store.engine import Connection


@dataclass(frozen=True, kw_only=True)
class Editor:
    """One who may change something."""

    account_id: UUID | None
    """Whose things it may change; None for everybody's."""

    key_id: str | None
    """By which key; None for an operator, whom nobody has to write down."""


OPERATOR: Final = Editor(account_id=None, key_id=None)


def editor_of(caller: Caller) -> Editor:
    """Let a caller change things; raises `forbidden` without the scope `admin`, and for test keys.

    What a test key could change here would decide where live messages go.
    """
    caller.require(Scope.ADMIN)
    if caller.mode is KeyMode.TEST:
        raise Refusal(ErrorCode.FORBIDDEN, "A test key changes nothing that live messages go by. Use a live key.")
    return Editor(account_id=caller.account_id, key_id=caller.key_id)


async def account_of(connection: Connection, editor: Editor, asked: UUID | None) -> UUID:
    """Give the account that something new is to belong to: the editor's own, or the one that it names.

    Raises `forbidden` for another than its own, and `validation-failed` where none is named or there is no such one.
    """
    if editor.account_id is not None:
        if asked not in {None, editor.account_id}:
            raise Refusal(ErrorCode.FORBIDDEN, "A key of an account changes that account's things alone.")
        return editor.account_id
    if asked is None:
        raise _not_valid("missing", "Name the account by its id: this key belongs to none.")
    if not await account_exists(connection, asked):
        raise _not_valid("unknown", "There is no account with this id. `gateway accounts list` shows them.")
    return asked


async def note(connection: Connection, editor: Editor, action: str, detail: dict[str, Any]) -> None:
    """Write down what a key changes, in the transaction that changes it."""
    if editor.key_id is not None:
        await add_audit_event(connection, event_id=new_id(), key_id=editor.key_id, action=action, detail=detail)


def _not_valid(code: str, detail: str) -> Refusal:
    error = FieldError(pointer="/account", code=code, detail=detail)
    return Refusal(ErrorCode.VALIDATION_FAILED, detail, errors=(error,))
