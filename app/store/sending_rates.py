"""What senders may send where nothing else is said of them: one row for each number type, and for campaign classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row, func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.store.engine import Connection
from app.store.sending_tables import sending_rates

# Nobody who reads waits for this, and it is let go of with the transaction.
_HOLD: Final = text("LOCK TABLE sending_rates IN SHARE ROW EXCLUSIVE MODE")


@dataclass(frozen=True, kw_only=True)
class SendingRate:
    """What is usual for a number type, or for one campaign class of it."""

    number_type: str
    """As `SenderType` has it, or `test` for messages of test keys."""

    campaign_class: str
    """Empty for the number type itself, which holds where a class has no row."""

    rate: Decimal
    burst: int
    daily_cap: int | None
    source: str
    """Who says so."""

    dated: date
    """Of when the source is."""


async def hold_rates(connection: Connection) -> None:
    """Let nobody else change limits until the end of the transaction.

    A sender's lane is written from its own limits and the usual ones; two who change one each, and see the other as it
    was, would leave a lane that neither meant.
    """
    await connection.execute(_HOLD)


async def list_rates(connection: Connection) -> list[SendingRate]:
    """List all of them, by number type and campaign class."""
    query = select(sending_rates).order_by(sending_rates.c.number_type, sending_rates.c.campaign_class)
    return [_rate(row) for row in await connection.execute(query)]


async def put_rate(
    connection: Connection,
    *,
    number_type: str,
    campaign_class: str,
    rate: Decimal,
    burst: int,
    daily_cap: int | None,
    source: str,
    dated: date | None,
) -> SendingRate:
    """Set what is usual, in place of what was; a source without a date is of today, UTC."""
    told = {"rate": rate, "burst": burst, "daily_cap": daily_cap, "source": source}
    on = func.date(func.timezone("UTC", func.now())) if dated is None else dated
    statement = (
        insert(sending_rates)
        .values(number_type=number_type, campaign_class=campaign_class, dated=on, **told)
        .on_conflict_do_update(index_elements=["number_type", "campaign_class"], set_={**told, "dated": on})
        .returning(*sending_rates.c)
    )
    return _rate((await connection.execute(statement)).one())


async def classes_of(connection: Connection, number_type: str) -> Sequence[str]:
    """Name the campaign classes of a number type that have a row."""
    of_type = (sending_rates.c.number_type == number_type, sending_rates.c.campaign_class != "")
    query = select(sending_rates.c.campaign_class).where(*of_type).order_by(sending_rates.c.campaign_class)
    return (await connection.scalars(query)).all()


def _rate(row: Row[Any]) -> SendingRate:
    return SendingRate(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
