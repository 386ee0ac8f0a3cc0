"""Who may read how an account's messages are sent: its senders, pools and routes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.domain.credentials import Scope
from app.domain.errors import ErrorCode, Refusal
from app.services.authentication import Caller
from app.services.identity import new_id
from app.store.accounts import add_audit_event
from app.store.engine import Connection


def account_read_by(caller: Caller, asked: UUID | None = None) -> UUID | None:
    """Give whose things a caller reads: its own account's, test keys too; None for everybody's.

    Raises `forbidden` without a scope that reads, and for another account than its own.
    """
    if caller.account_id is None:
        caller.require(Scope.OPS_READ, Scope.ADMIN)
        return asked
    caller.require(Scope.MESSAGES_READ, Scope.ADMIN)
    if asked not in {None, caller.account_id}:
        raise Refusal(ErrorCode.FORBIDDEN, "Only a key that belongs to no account reads another account's things.")
    return caller.account_id


async def note_reading(connection: Connection, caller: Caller, action: str, detail: dict[str, Any]) -> None:
    """Write down what a key without an account reads; an account's own reads are its own affair."""
    if caller.account_id is None:
        await add_audit_event(connection, event_id=new_id(), key_id=caller.key_id, action=action, detail=detail)
