"""The lines that hot paths leave, made and written fast: every message pays for one where it is accepted and sent.

As JSON they go past structlog, with the shape and the masking of all lines; otherwise they are ordinary lines.
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

_REQUEST: Final = "request"


class FastLines:
    """How this process writes them; their level is `info`. What is bound to the context is not in them."""

    def __init__(self) -> None:
        """Begin with ordinary lines."""
        self._component: str | None = None
        self._shown = True

    def configure(self, *, as_json: bool, level: str, component: str) -> None:
        """Say how lines are written; `level` is a name of the standard library's, in capitals."""
        self._component = component if as_json else None
        self._shown = logging.getLevelNamesMapping()[level] <= logging.INFO

    def write(self, logger: str, event: str, **fields: object) -> None:
        """Write one line; `event` is a word of ours, which is not masked."""
        if self._component is None:
            structlog.get_logger(logger).info(event, **fields)
        elif self._shown:
            self._write(logger, event, fields, {})

    def write_request(
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
            structlog.get_logger(logger).info(_REQUEST, request_id=request_id, **known, **fields)
        elif self._shown:
            masked = {"request_id": request_id, "method": method, **fields}
            self._write(logger, _REQUEST, masked, {"route": route, "status": status, "milliseconds": milliseconds})

    def _write(self, logger: str, event: str, masked: Mapping[str, object], plain: Mapping[str, object]) -> None:
        line = {
            "timestamp": datetime.now(UTC),
            "level": "info",
            "component": self._component,
            "logger": logger,
            "event": event,
            **mask_fields(masked),
            **plain,
        }
        GATHERED.add(to_json(line))


FAST_LINES: Final = FastLines()
"""Those of this process."""
