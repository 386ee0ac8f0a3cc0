"""What an answer about a message says that stays true, to compare a repeated answer with the first."""

from __future__ import annotations

from typing import Any

import httpx


def lasting(answer: httpx.Response) -> dict[str, Any]:
    """Leave out the estimate: it is of its moment, and a repeat of the answer has none."""
    return {**answer.json(), "estimated_send_at": None}
