"""Routes: which sender or pool a message goes from where its caller names none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

POOL: Final = "pool:"
"""How a pool is named where a sender could stand."""

POOL_NAME: Final = r"[a-z0-9][a-z0-9-]{0,31}"
"""What a pool may be called."""

PREFIX: Final = r"\+[1-9][0-9]{0,6}"
"""How recipients of a route may begin: a plus and up to seven digits, such as +1, +44 or +1212."""

MOST_WEIGHT: Final = 1_000
"""Of a member of a pool."""

_PREFIX: Final = re.compile(PREFIX)
_POOL_NAME: Final = re.compile(POOL_NAME)
_LONGEST: Final = len("+") + 7


def pool_of(text: str) -> str | None:
    """Give the name of the pool that stands in a sender's place; None for anything else.

    A name that no pool can have is given as it is: it is looked for, and not found.
    """
    return text.removeprefix(POOL) if text.startswith(POOL) else None


def may_be_called(name: str) -> bool:
    """Whether a pool may have this name."""
    return _POOL_NAME.fullmatch(name) is not None


def may_weigh(weight: float) -> bool:
    """Whether a member of a pool may have this weight."""
    return 0 <= weight <= MOST_WEIGHT


def may_be_prefix(text: str) -> bool:
    """Whether a route may be set for numbers that begin so."""
    return _PREFIX.fullmatch(text) is not None


def target_for(recipient: str, targets: Mapping[str, str]) -> str | None:
    """Give the target of the longest prefix that a recipient's number begins with; None where there is none."""
    for length in range(min(len(recipient), _LONGEST), 1, -1):
        target = targets.get(recipient[:length])
        if target is not None:
            return target
    return None
