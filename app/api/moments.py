"""Moments in a request's body: RFC 3339 with a zone, as text, and nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<zone>Z|[+-]\d\d:\d\d)?", re.ASCII | re.IGNORECASE
)
_EXAMPLE: Final = "2027-01-31T09:30:00Z, or 2027-01-31T10:30:00+01:00"


def read_moment(value: object) -> object:
    """Read a moment, in UTC; None passes, and everything that names none raises with a sentence on what to write."""
    if value is None:
        return None
    match = _RFC_3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("not_rfc_3339", f"must be a text as RFC 3339 writes a moment: {_EXAMPLE}")
    if match["zone"] is None:
        raise PydanticCustomError("zone_missing", f"must name its zone: {_EXAMPLE}")
    try:
        return _in_utc(datetime.fromisoformat(match[0].upper()))
    except ValueError as error:
        raise PydanticCustomError(
            "no_such_moment", "must be a day and a time that exist; seconds go up to 59, leap seconds are not taken"
        ) from error


def _in_utc(moment: datetime) -> datetime:
    """Write a moment in UTC, so that it is the same request whatever its zone."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        # At either end of time; whoever asks whether it is near enough will refuse it.
        return moment


Moment = Annotated[datetime | None, BeforeValidator(read_moment)]
"""A moment with a zone, or none."""
