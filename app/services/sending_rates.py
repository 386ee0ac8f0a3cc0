"""Changing what senders may send where nothing else is said of them; every lane it holds for follows at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from app.domain.errors import ErrorCode, Refusal
from app.domain.limits import TEST_MESSAGES, usual_burst
from app.domain.sender import SenderType
from app.services.editing import Editor, note
from app.store.engine import Engine, transaction
from app.store.senders import rerate_like
from app.store.sending_rates import SendingRate, hold_rates, list_rates, put_rate

NUMBER_TYPES: Final = (*(each.value for each in SenderType), TEST_MESSAGES)
"""What a rate can be usual for."""


@dataclass(frozen=True, kw_only=True)
class NewRate:
    """What is to be usual from now on."""

    rate: Decimal
    burst: int | None
    """None for what goes with the rate."""

    daily_cap: int | None
    source: str
    dated: date | None
    """None for today."""


class SendingRates:
    """The table of usual rates. Who may change it is asked before; each raises `StoreUnavailable`."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine."""
        self._engine = engine

    async def list(self) -> list[SendingRate]:
        """List what is usual, by number type and campaign class."""
        async with transaction(self._engine) as connection:
            return await list_rates(connection)

    async def put(self, editor: Editor, number_type: str, campaign_class: str, new: NewRate) -> SendingRate:
        """Set what is usual for a number type, or for a campaign class of ten-digit numbers.

        Raises `not-found` for another number type, and for a class that is no letter or is none of 10DLC.
        """
        if number_type not in NUMBER_TYPES or not _is_class_of(number_type, campaign_class):
            raise Refusal(
                ErrorCode.NOT_FOUND,
                f"Rates are kept for {', '.join(NUMBER_TYPES)}, and for campaign classes of 10dlc, which are letters.",
            )
        async with transaction(self._engine) as connection:
            await hold_rates(connection)
            kept = await put_rate(
                connection,
                number_type=number_type,
                campaign_class=campaign_class,
                rate=new.rate,
                burst=usual_burst(new.rate) if new.burst is None else new.burst,
                daily_cap=new.daily_cap,
                source=new.source,
                dated=new.dated,
            )
            await rerate_like(connection, number_type)
            told = {"rate": float(kept.rate), "burst": kept.burst, "daily_cap": kept.daily_cap, "source": kept.source}
            place = {"number_type": number_type, "campaign_class": campaign_class or None}
            await note(connection, editor, "sending_rates.put", {**place, **told})
        return kept


def _is_class_of(number_type: str, campaign_class: str) -> bool:
    is_letter = len(campaign_class) == 1 and "A" <= campaign_class <= "Z"
    return campaign_class == "" or (number_type == SenderType.TEN_DLC and is_letter)
