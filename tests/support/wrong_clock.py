"""A clock that is wrong in one process alone: none can set its own without setting the machine's."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any


def replacements(
    ahead: Callable[[], float], *, right: Collection[str] = ()
) -> Iterator[tuple[ModuleType, str, object]]:
    """Go through what every part of the gateway in this process is to be given, as module, name and value.

    `ahead` is by how many seconds the clock is ahead whenever it is looked at; the modules in `right` keep the right
    one.
    """
    now, now_ns = time.time, time.time_ns

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # it gives what the real one gives
            return datetime.now(tz) + timedelta(seconds=ahead())

    for name, module in list(sys.modules.items()):
        if name.startswith("app.") and name not in right and getattr(module, "datetime", None) is datetime:
            yield module, "datetime", Wrong
    yield time, "time", lambda: now() + ahead()
    yield time, "time_ns", lambda: now_ns() + int(ahead() * 1e9)
