"""What the product says about itself: structured log lines without personal data or secrets.

At the bottom of the layers, so that everything may log; it imports nothing of the product. The rules
of what is hidden are in `masking`, the lines and where they go in `logs`.
"""

from __future__ import annotations

from app.telemetry.logs import bind, configure, get_logger

__all__ = ["bind", "configure", "get_logger"]
