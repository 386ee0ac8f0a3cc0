"""What the sandbox pretends to charge."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

SEGMENT_PRICE: Final = Decimal("0.0075")
CURRENCY: Final = "USD"


def price_of(segments: int) -> dict[str, str]:
    """Give a message's price as the API shows it; all that was taken is billed, delivered or not."""
    return {"amount": str(SEGMENT_PRICE * segments), "currency": CURRENCY}
