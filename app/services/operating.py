"""Who sets limits: operators, at a terminal or with a key that belongs to no account."""

from __future__ import annotations

from app.domain.credentials import Scope
from app.domain.errors import ErrorCode, Refusal
from app.services.authentication import Caller
from app.services.editing import Editor, editor_of


def limits_editor_of(caller: Caller) -> Editor:
    """Let a caller set limits; raises `forbidden` without the scope `admin`, and for keys of an account.

    What one account may send is taken from what all can: no account says how much that is.
    """
    editor = editor_of(caller)
    if editor.account_id is not None:
        raise Refusal(ErrorCode.FORBIDDEN, "Limits are set by operators: use a key that belongs to no account.")
    return editor


def require_operator(caller: Caller) -> None:
    """Let operators read what concerns all accounts; raises `forbidden` without a scope, and for keys of an account."""
    caller.require(Scope.OPS_READ, Scope.ADMIN)
    if caller.account_id is not None:
        raise Refusal(ErrorCode.FORBIDDEN, "This concerns all accounts: use a key that belongs to none.")
