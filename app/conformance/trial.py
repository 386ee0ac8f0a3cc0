"""Calls code that may be broken and gives back what it raised as a value, so that a check can judge it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, kw_only=True)
class Returned(Generic[ValueT]):
    """The call came back."""

    value: ValueT


@dataclass(frozen=True, kw_only=True)
class Raised:
    """The call raised."""

    error: Exception

    @property
    def kind(self) -> str:
        """The exception's name, without what it says."""
        return type(self.error).__name__

    @property
    def text(self) -> str:
        """Everything that a log would show of it, with what it was caused by."""
        return "".join(traceback.format_exception(self.error))


Trial: TypeAlias = Returned[ValueT] | Raised


def tried(call: Callable[[], ValueT]) -> Trial[ValueT]:
    """Call, and give what came of it."""
    try:
        return Returned(value=call())
    except Exception as error:  # noqa: BLE001 - whatever a broken adapter raises is what the check has to report
        return Raised(error=error)
