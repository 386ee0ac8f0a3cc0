"""The Authorization header: HTTP Basic or Bearer, read into credentials and checked."""

from __future__ import annotations

import base64
import binascii

from fastapi import Request

from app.api.context import context
from app.domain.credentials import Credentials, read_basic, read_bearer
from app.domain.errors import ErrorCode, Refusal
from app.services.authentication import Caller


async def authenticate(request: Request) -> Caller:
    """Find out who calls; raises `unauthenticated`, or `bad-request` for more than one header."""
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise Refusal(ErrorCode.BAD_REQUEST, "Send one Authorization header.")
    return await context(request).authenticator.authenticate(_credentials(headers[0]) if headers else None)


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
