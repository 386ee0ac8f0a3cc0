"""What the product says about itself: structured log lines without personal data or secrets.

At the bottom of the layers, so that everything may log; it imports nothing of the product. The rules
of what is hidden are in `masking` and `patterns`, the form of a line in `shape`, ordinary lines in `logs`,
the lines of hot paths in `fast_lines`, and the way out in `stderr`.
"""

from __future__ import annotations

from app.telemetry.fast_lines import FAST_LINES
from app.telemetry.logs import bind, configure, get_logger, request_id

__all__ = ["FAST_LINES", "bind", "configure", "get_logger", "request_id"]
