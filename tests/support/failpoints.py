"""The gateway's command with a worker that kills itself by SIGKILL when it first comes to a certain step.

FAILPOINT=answered python -m tests.support.failpoints worker
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from app.cli import run
from app.services.dispatch import Dispatcher
from app.services.reconciler import Reconciler
from app.services.reports import Reports
from app.services.rescue import Rescue
from app.services.resolver import Resolver

VARIABLE: Final = "FAILPOINT"

STEPS: Final[dict[str, tuple[type, str]]] = {
    "claimed": (Dispatcher, "claim"),
    "answered": (Dispatcher, "send"),
    "settled": (Dispatcher, "settle"),
    "taken-over": (Rescue, "take_over"),
    "to-be-asked": (Resolver, "begin"),
    "asked": (Resolver, "ask"),
    "concluded": (Resolver, "conclude"),
    "reports-read": (Reports, "process_receipts"),
    "looked-up": (Reconciler, "run"),
}
"""By what a worker has just done, committed or heard when it dies: the method that ends with it."""

_TELLS_NOTHING: Final = frozenset({"settle", "conclude"})
"""Methods that return nothing however much they did."""


def dying_after(kind: type, method: str) -> None:
    """Have the process die at the end of a method, once that has done something."""
    real: Callable[..., Awaitable[Any]] = getattr(kind, method)

    async def last(*given: Any, **named: Any) -> Any:
        done = await real(*given, **named)
        if done or method in _TELLS_NOTHING:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(kind, method, last)


if __name__ == "__main__":
    step = os.environ.get(VARIABLE)
    if step is not None:
        dying_after(*STEPS[step])
    sys.exit(run())
