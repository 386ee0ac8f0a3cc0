"""Running one use case of an operator from the terminal, and reading the limits that it is given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from app.bootstrap import build_engine, build_operators
from app.domain.errors import Refusal
from app.domain.limits import (
    MAX_BURST,
    MAX_IN_FLIGHT,
    MAX_RATE,
    MAX_SEGMENTS_A_DAY,
    MAX_WAITING,
    MAX_WEIGHT,
    MIN_RATE,
    MIN_SEGMENTS_A_DAY,
    MIN_WEIGHT,
)
from app.services.administration import AdministrationError
from app.services.operators import Operators
from app.settings import load_settings

_T = TypeVar("_T")
_NONE: Final = "none"
NONE_HELP: Final = "`none` takes the default again."

_BOUNDS: Final[dict[str, tuple[Decimal, Decimal]]] = {
    "rate": (MIN_RATE, MAX_RATE),
    "weight": (Decimal(str(MIN_WEIGHT)), Decimal(str(MAX_WEIGHT))),
}
_WHOLE: Final = {
    "burst": (1, MAX_BURST),
    "daily_cap": (MIN_SEGMENTS_A_DAY, MAX_SEGMENTS_A_DAY),
    "in_flight_cap": (1, MAX_IN_FLIGHT),
    "queued_cap": (1, MAX_WAITING),
}


def do(use: Callable[[Operators], Awaitable[_T]]) -> _T:
    """Run one use case on an engine of its own; raises `AdministrationError` for what is refused."""

    async def run() -> _T:
        settings = load_settings()
        engine = build_engine(settings, "cli")
        try:
            return await use(build_operators(settings, engine))
        finally:
            await engine.dispose()

    try:
        return asyncio.run(run())
    except Refusal as refusal:
        raise AdministrationError(refusal.detail) from refusal


def read_limits(given: Mapping[str, str | None]) -> dict[str, Any]:
    """Read those limits that were given, by column: a number in its bounds, or `none`, which is None.

    Raises `AdministrationError`.
    """
    return {name: None if text == _NONE else _number(name, text) for name, text in given.items() if text is not None}


def read_word(text: str) -> str | None:
    """Read a word, of which `none` is None."""
    return None if text == _NONE else text


def _number(name: str, text: str) -> Decimal | float | int:
    option = f"--{name.replace('_', '-')}"
    whole = name in _WHOLE
    low, high = _WHOLE[name] if whole else _BOUNDS[name]
    kind = "a whole number" if whole else "a number"
    wrong = AdministrationError(f"{option} must be {kind} from {low} to {high}, or none.")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise wrong from error
    if not number.is_finite() or not low <= number <= high or (whole and number != int(number)):
        raise wrong
    if whole:
        return int(number)
    return number if name == "rate" else float(number)
