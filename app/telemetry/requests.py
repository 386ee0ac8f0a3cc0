"""The one line that each request leaves, made and written fast: every accepted message pays for it.

As JSON it goes past structlog, with the shape and the masking of all lines; otherwise it is an ordinary line.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import structlog

from app.telemetry.masking import mask_fields
from app.telemetry.shape import to_json
from app.telemetry.stderr import GATHERED

_EVENT: Final = "request"


class RequestLines:
    """How this process writes the lines of its requests, whose level is `info`."""

    def __init__(self) -> None:
        """Begin with ordinary lines."""
        self._component: str | None = None
        self._shown = True

    def configure(self, *, as_json: bool, level: str, component: str) -> None:
        """Say how lines are written; `level` is a name of the standard library's, in capitals."""
        self._component = component if as_json else None
        self._shown = logging.getLevelNamesMapping()[level] <= logging.INFO

    def write(
        self,
        logger: str,
        *,
        request_id: str,
        method: str,
        route: str | None,
        status: int,
        milliseconds: float,
        fields: Mapping[str, object],
    ) -> None:
        """Write the line of one request, with `fields` besides, which have names of their own.

        `route` is the path with its parameters' names, as we wrote it; it alone is not masked.
        """
        if self._component is None:
            known = {"method": method, "route": route, "status": status, "milliseconds": milliseconds}
            structlog.get_logger(logger).info(_EVENT, request_id=request_id, **known, **fields)
        elif self._shown:
            line = {
                "timestamp": datetime.now(UTC),
                "level": "info",
                "component": self._component,
                "logger": logger,
                "event": _EVENT,
                **mask_fields({"request_id": request_id, "method": method, **fields}),
                "route": route,
                "status": status,
                "milliseconds": milliseconds,
            }
            GATHERED.add(to_json(line))


REQUESTS: Final = RequestLines()
"""The lines of this process's requests."""
