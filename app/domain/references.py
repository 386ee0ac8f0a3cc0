"""The reference that travels to a provider with each attempt and finds its way back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

_REFERENCE: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([1-9][0-9]{0,3})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class AttemptRef:
    """One attempt of one message: what travels to the provider and finds its way back."""

    message_id: UUID
    number: int
    """1 for the first attempt."""

    def __str__(self) -> str:
        """Write it as `<message id>.<number>`, the client reference and idempotency key that providers are given."""
        return f"{self.message_id}.{self.number}"

    @classmethod
    def parse(cls, text: str) -> AttemptRef | None:
        """Read a client reference back; None for one that we did not write."""
        match = _REFERENCE.fullmatch(text)
        return cls(message_id=UUID(match[1]), number=int(match[2])) if match else None
