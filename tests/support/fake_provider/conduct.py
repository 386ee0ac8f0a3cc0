"""How the fake provider treats one request, and scripts that choose it; values only, no I/O."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Conduct(StrEnum):
    """What becomes of one request. Whether the message is taken stands in `TAKEN`, not in the answer."""

    PROPER = "proper"
    """Taken, and answered so."""

    HELD = "held"
    """Taken, and answered so once the test lets it."""

    CUT = "cut"
    """Taken; the connection ends (FIN) without an answer."""

    RESET = "reset"
    """Taken; the connection is reset (RST) without an answer."""

    HALF = "half"
    """Taken; the connection ends in the middle of the answer."""

    HANG = "hang"
    """Taken, and never answered."""

    ERROR_500 = "error-500"
    ERROR_502 = "error-502"
    ERROR_504 = "error-504"
    HTML = "html"
    """Taken; answered with 200 and a page."""

    GARBAGE = "garbage"
    """Taken; answered with bytes that are no HTTP."""

    DRIP = "drip"
    """Taken; answered a byte at a time."""

    LOST = "lost"
    """Not taken, and the connection ends without an answer: from outside it looks like `CUT`."""

    THROTTLED_SECONDS = "throttled-seconds"
    THROTTLED_DATE = "throttled-date"
    THROTTLED_NEGATIVE = "throttled-negative"
    THROTTLED_ENORMOUS = "throttled-enormous"
    THROTTLED_TEXT = "throttled-text"
    UNAVAILABLE = "unavailable"
    """503 with the one code that is documented as not taken."""

    REFUSED = "refused"
    """422 with the provider's own error document."""

    DISOWNED = "disowned"
    """Taken, though refused with 402 for want of credit."""


NOT_TAKEN: Final = frozenset(
    {
        Conduct.LOST,
        Conduct.THROTTLED_SECONDS,
        Conduct.THROTTLED_DATE,
        Conduct.THROTTLED_NEGATIVE,
        Conduct.THROTTLED_ENORMOUS,
        Conduct.THROTTLED_TEXT,
        Conduct.UNAVAILABLE,
        Conduct.REFUSED,
    }
)
TAKEN: Final = frozenset(Conduct) - NOT_TAKEN

CUT_OFF: Final = (Conduct.CUT, Conduct.RESET, Conduct.HALF)
"""Taken; the connection ends before the answer does."""

WRONG: Final = (Conduct.ERROR_500, Conduct.ERROR_502, Conduct.ERROR_504, Conduct.HTML)
"""Taken; answered as if it were not, or by somebody else."""

UNCLEAR: Final = (*CUT_OFF, *WRONG, Conduct.GARBAGE)
"""Taken, and at once answered so that nobody can know it."""

THROTTLED: Final = (
    Conduct.THROTTLED_SECONDS,
    Conduct.THROTTLED_DATE,
    Conduct.THROTTLED_NEGATIVE,
    Conduct.THROTTLED_ENORMOUS,
    Conduct.THROTTLED_TEXT,
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, as far as a script may care."""

    reference: str | None
    message: str
    """What makes requests belong together: the reference up to its dot."""

    key: str | None
    earlier: int
    """How many requests for this message came before."""


Script = Callable[[Asked], Conduct]


def always(conduct: Conduct) -> Script:
    """Treat every request alike."""
    return lambda _asked: conduct


def at_first(conduct: Conduct, *, times: int = 1) -> Script:
    """Misbehave at the first requests of each message, and at none of the later ones."""
    return lambda asked: conduct if asked.earlier < times else Conduct.PROPER


def in_turn(*conducts: Conduct) -> Script:
    """Go through these, request by request, and begin again."""
    asked_before = 0

    def choose(_asked: Asked) -> Conduct:
        nonlocal asked_before
        asked_before += 1
        return conducts[(asked_before - 1) % len(conducts)]

    return choose


def seeded(seed: int, shares: Mapping[Conduct, float]) -> Script:
    """Draw each request's fate: these with their shares of 1, and otherwise a proper answer."""
    chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
    conducts, weights = [*shares, Conduct.PROPER], [*shares.values(), 1 - sum(shares.values())]
    return lambda _asked: chance.choices(conducts, weights)[0]
