"""Ids as they stand in paths and bodies."""

from __future__ import annotations

import re
from typing import Annotated, Final
from uuid import UUID

from pydantic import BeforeValidator, Field

from app.domain.errors import ErrorCode, Refusal

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def read_identifier(text: str, *, otherwise: str) -> UUID:
    """Read an id from a path; raises `not-found` for what is none, with the sentence that is said of one not known."""
    if _UUID.fullmatch(text) is None:
        raise Refusal(ErrorCode.NOT_FOUND, otherwise)
    return UUID(text)


def _read(value: object) -> object:
    """Take an id as it is written, and not the many other things that can be read as one."""
    if isinstance(value, str):
        if _UUID.fullmatch(value) is None:
            raise ValueError("must be a UUID")
        return UUID(value)
    return value


Identifier = Annotated[UUID, BeforeValidator(_read)]
"""An id in a body."""

AccountId = Annotated[
    Identifier | None,
    Field(
        description="The account's id; only for keys that belong to none.",
        examples=["01a204b3-426e-7a1d-b5a3-147c6253cbc2"],
    ),
]
