"""A driver's connection that ends in time: a server that says nothing is not waited for when it is left."""

from __future__ import annotations

from typing import Any, Final

import asyncpg

_FAREWELL_SECONDS: Final = 0.25
"""How long a server has to take note of an end. A lost pool closes all of its connections, and others wait for that."""


class PromptConnection(asyncpg.Connection):  # type: ignore[misc]  # the driver ships no types
    """A connection whose graceful end is bounded, however long its caller would wait."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's signature
        """End it; one that is not answered is cut, and `TimeoutError` raised as the driver does."""
        bound: Any = super().close
        await bound(timeout=_FAREWELL_SECONDS if timeout is None else min(timeout, _FAREWELL_SECONDS))
