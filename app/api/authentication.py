"""The Authorization header: HTTP Basic or Bearer, read into credentials and checked, within the limits of its key."""

from __future__ import annotations

import base64
import binascii

from fastapi import Request
from starlette.types import Scope

from app.api.context import ApiContext, context
from app.domain.credentials import Credentials, read_basic, read_bearer
from app.domain.errors import ErrorCode, Refusal
from app.services.authentication import Caller, unauthenticated
from app.store.engine import StoreUnavailable


async def authenticate(request: Request) -> Caller:
    """Find out who calls, and count the request.

    Raises `unauthenticated`; `bad-request` for more than one header; `rate-limited` for a key that sends too
    many requests, or an address that sends too many wrong keys; `StoreUnavailable`.
    """
    header = _authorization(request.scope)
    if header is None:
        raise unauthenticated()
    found = context(request)
    caller = found.authenticator.remembered(header)
    if caller is None:
        caller = await _verified(found, request.scope, header)
    found.limits.admit(request.scope, caller.key_id)
    return caller


def _authorization(scope: Scope) -> bytes | None:
    header: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if header is not None:
                raise Refusal(ErrorCode.BAD_REQUEST, "Send one Authorization header.")
            header = value
    return header


async def _verified(found: ApiContext, scope: Scope, header: bytes) -> Caller:
    """Have a header verified that is not remembered.

    It is charged to its address before anything is looked up, so that many guesses at once are stopped as
    well; a header that was right before is not, so that guesses of others at the same address do it no harm.
    """
    known = found.authenticator.knows(header)
    if not known:
        found.limits.charge(scope)
    credentials = _credentials(header.decode("latin-1"))
    try:
        caller = await found.authenticator.verify(header, credentials) if credentials else None
    except StoreUnavailable:
        if not known:
            found.limits.refund(scope)
        raise
    if caller is None:
        if known:
            found.limits.note(scope)
        raise unauthenticated()
    if not known:
        found.limits.refund(scope)
    return caller


def _credentials(header: str) -> Credentials | None:
    scheme, _, value = header.partition(" ")
    match scheme.lower():
        case "basic":
            return _basic(value)
        case "bearer":
            return read_bearer(value)
        case _:
            return None


def _basic(value: str) -> Credentials | None:
    try:
        user, separator, password = base64.b64decode(value, validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        return None
    return read_basic(user, password) if separator else None
