"""The Retry-After header (RFC 9110 section 10.2.3), in both of its forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_LONGEST_SECONDS: Final = 1e9


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how many seconds a server asks us to wait, 1e9 at most; None where it says nothing that can be read.

    A date counts from the answer's own Date, so that neither clock matters. Header names are lower case.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if re.fullmatch(r"[0-9]+", value):
        return min(float(value), _LONGEST_SECONDS)
    until, answered = _http_date(value), _http_date(headers.get("date", ""))
    if until is None or answered is None:
        return None
    return max(0.0, (until - answered).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # "-0000" means UTC of an unknown zone and comes back naive (RFC 5322, section 3.3).
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
