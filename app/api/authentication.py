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

    What cannot be a key is charged to its address at once, without a question to the store. What can be one
    is looked up while its address has anything left, and charged once it turned out to be wrong: right keys,
    however many at once and however slow the store, use nothing up. Guesses made at the same time may so pass
    until the first of them have failed; the pool of connections bounds how many are looked up meanwhile. A
    header that was right before is always looked up, so that guesses of others at its address do it no harm.
    """
    credentials = _credentials(header.decode("latin-1"))
    if credentials is None:
        found.limits.charge(scope)
        raise unauthenticated()
    if not found.authenticator.knows(header):
        found.limits.require_guess(scope)
    caller = await found.authenticator.verify(header, credentials)
    if caller is None:
        found.limits.note(scope)
        raise unauthenticated()
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
