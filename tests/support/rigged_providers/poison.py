"""A provider whose adapter goes wrong over certain texts; otherwise it speaks the sandbox's API."""

from __future__ import annotations

import os
import time
from typing import Final

from app.domain.http import HttpRequest
from app.domain.provider import SendContext, SendRequest
from app.providers import sandbox

__all__ = ["Adapter"]

RAISES: Final = "This text has the adapter raise."
BLOCKS: Final = "This text has the adapter block its whole worker."
EXITS: Final = "This text has the adapter end its worker."
BLOCKED_SECONDS: Final = 3.0
"""Longer than the lease of whoever runs it."""


class Adapter(sandbox.Adapter):
    """Goes wrong while it writes a request, so that nothing of it ever leaves."""

    name = "poison"

    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        """Write the request, but not for these texts."""
        match send.body:
            case body if body == RAISES:
                raise RuntimeError("the adapter has a bug")
            case body if body == BLOCKS:
                time.sleep(BLOCKED_SECONDS)
            case body if body == EXITS:
                os._exit(1)
        return super().build_send(send, context)
