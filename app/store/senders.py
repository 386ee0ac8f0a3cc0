"""Senders, and the lanes that their messages are counted by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Double, Integer, Row, Text, Uuid, bindparam, insert, select, text, true, update
from sqlalchemy.exc import IntegrityError

from app.domain.limits import TEST_MESSAGES, Limits, LimitSource, UsualLimits, limits_in_force
from app.store.accounts import NotUnique
from app.store.engine import Connection
from app.store.sending_tables import sending_rates
from app.store.tables import senders


@dataclass(frozen=True, kw_only=True)
class Sender:
    """What an account sends from. A limit that is None is its number type's, or its campaign class's."""

    id: UUID
    account_id: UUID
    address: str
    number_type: str
    provider: str
    """The configured provider account that its messages go through."""

    rate: Decimal | None
    """Segments per second."""

    burst: int | None
    """Segments that may go at once after a pause."""

    daily_cap: int | None
    """Segments in a day, UTC."""

    priority: int
    """Of its messages that name none, as a rank."""

    weight: float
    """Its share beside the other senders of its account, where they cannot all go."""

    campaign_class: str
    """AT&T's class of its 10DLC campaign; empty where none is set."""

    countries: Sequence[str] | None
    """Where it may send to, ISO 3166; None where its number type alone decides."""

    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class LimitedSender:
    """A sender with what is in force for it."""

    sender: Sender
    limits: Limits


@dataclass(frozen=True, kw_only=True)
class SenderFilter:
    """Which senders are wanted; what is None does not matter."""

    account_id: UUID | None = None
    address: str | None = None


_USUAL: Final = (
    select(
        sending_rates.c.campaign_class.label("usual_class"),
        sending_rates.c.rate.label("usual_rate"),
        sending_rates.c.burst.label("usual_burst"),
        sending_rates.c.daily_cap.label("usual_daily_cap"),
    )
    .where(
        sending_rates.c.number_type == senders.c.number_type,
        sending_rates.c.campaign_class.in_((senders.c.campaign_class, "")),
    )
    .order_by(sending_rates.c.campaign_class.desc())
    .limit(1)
    .lateral("usual")
)
_LIMITED: Final[Any] = select(*senders.c, _USUAL).join(_USUAL, true())

# What a lane has sent ahead of its rate is paid off at the new one: the time that it still takes is stretched with it,
# and rounded up to what is stored, so that no number of changes wins anything.
_PAID_OFF: Final = """
    now() + make_interval(secs => ceil(
        greatest(extract(epoch FROM lane.arrival_at - now()), 0)::float8 * lane.rate / {rate} * 1000000 - 0.001
    ) / 1000000)
"""
_WRITE_LANES: Final = text(
    f"""
    INSERT INTO lanes AS lane (id, account_id, provider, rate, burst, daily_cap, weight)
    SELECT * FROM unnest(:ids, :account_ids, :providers, :rates, :bursts, :daily_caps, :weights)
    ON CONFLICT (id) DO UPDATE SET
        provider = excluded.provider, rate = excluded.rate, burst = excluded.burst, daily_cap = excluded.daily_cap,
        weight = excluded.weight,
        arrival_at = {_PAID_OFF.format(rate="excluded.rate")}
    """  # noqa: S608 - constants of this module
).bindparams(
    *(
        bindparam(name, type_=ARRAY(kind))
        for name, kind in {
            "ids": Uuid,
            "account_ids": Uuid,
            "providers": Text,
            "rates": Double,
            "bursts": Integer,
            "daily_caps": Integer,
            "weights": Double,
        }.items()
    )
)
_RERATE_TESTS: Final = text(
    f"""
    UPDATE lanes AS lane SET
        rate = usual.rate, burst = usual.burst, daily_cap = usual.daily_cap,
        arrival_at = {_PAID_OFF.format(rate="usual.rate::float8")}
    FROM sending_rates AS usual
    WHERE usual.number_type = :number_type AND usual.campaign_class = '' AND lane.id = lane.account_id
    """  # noqa: S608 - constants of this module
)


async def add_sender(
    connection: Connection,
    *,
    sender_id: UUID,
    account_id: UUID,
    address: str,
    number_type: str,
    provider: str,
    rate: Decimal | None = None,
    **more: Any,
) -> LimitedSender:
    """Add a sender and its lane; `more` are further columns of it, which have defaults.

    Raises `NotUnique` if the account has it, or another account has the number. The caller holds the rates.
    """
    statement = insert(senders).values(
        id=sender_id,
        account_id=account_id,
        address=address,
        number_type=number_type,
        provider=provider,
        rate=rate,
        **more,
    )
    try:
        await connection.execute(statement)
    except IntegrityError as error:
        raise NotUnique from error
    [added] = await rerate(connection, [sender_id])
    return added


async def change_sender(connection: Connection, sender_id: UUID, changes: Mapping[str, Any]) -> LimitedSender:
    """Change columns of a sender that is there, and its lane with them; the caller holds the rates."""
    if changes:
        await connection.execute(update(senders).where(senders.c.id == sender_id).values(**changes))
    [changed] = await rerate(connection, [sender_id])
    return changed


async def rerate(connection: Connection, ids: Sequence[UUID]) -> list[LimitedSender]:
    """Write the limits that are in force for these senders into their lanes, which are made where there are none."""
    return await _write_lanes(connection, _LIMITED.where(senders.c.id.in_(ids)))


async def rerate_like(connection: Connection, number_type: str) -> None:
    """Do so for all senders of a number type, or for all lanes of test messages; the caller holds the rates."""
    if number_type == TEST_MESSAGES:
        await connection.execute(_RERATE_TESTS, {"number_type": number_type})
    else:
        await _write_lanes(connection, _LIMITED.where(senders.c.number_type == number_type))


async def list_senders(connection: Connection, account_id: UUID | None = None) -> list[LimitedSender]:
    """List the senders of one account, or all, by account and address."""
    query = _LIMITED.order_by(senders.c.account_id, senders.c.address)
    if account_id is not None:
        query = query.where(senders.c.account_id == account_id)
    return [_limited(row) for row in await connection.execute(query)]


async def page_of_senders(
    connection: Connection, wanted: SenderFilter, *, before: UUID | None, limit: int
) -> list[LimitedSender]:
    """Read the senders that match and were added before the sender `before`, those added last first."""
    equal = {senders.c.account_id: wanted.account_id, senders.c.address: wanted.address}
    query = _LIMITED.where(*(column == value for column, value in equal.items() if value is not None))
    if before is not None:
        query = query.where(senders.c.id < before)
    return [_limited(row) for row in await connection.execute(query.order_by(senders.c.id.desc()).limit(limit))]


async def get_sender(
    connection: Connection, sender_id: UUID, *, account_id: UUID | None = None
) -> LimitedSender | None:
    """Read a sender; None if there is none, or another account owns it."""
    query = _LIMITED.where(senders.c.id == sender_id)
    if account_id is not None:
        query = query.where(senders.c.account_id == account_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _limited(row)


async def find_sender(connection: Connection, account_id: UUID, address: str) -> Sender | None:
    """Find one of an account's senders."""
    query = select(senders).where(senders.c.account_id == account_id, senders.c.address == address)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _sender(row)


async def _write_lanes(connection: Connection, query: Any) -> list[LimitedSender]:
    limited = [_limited(row) for row in await connection.execute(query.order_by(senders.c.id))]
    parameters = {
        "ids": [each.sender.id for each in limited],
        "account_ids": [each.sender.account_id for each in limited],
        "providers": [each.sender.provider for each in limited],
        "rates": [float(each.limits.rate) for each in limited],
        "bursts": [each.limits.burst for each in limited],
        "daily_caps": [each.limits.daily_cap for each in limited],
        "weights": [each.sender.weight for each in limited],
    }
    await connection.execute(_WRITE_LANES, parameters)
    return limited


def _limited(row: Row[Any]) -> LimitedSender:
    sender = _sender(row)
    usual = UsualLimits(
        rate=row.usual_rate,
        burst=row.usual_burst,
        daily_cap=row.usual_daily_cap,
        source=LimitSource.CAMPAIGN_CLASS if row.usual_class else LimitSource.NUMBER_TYPE,
    )
    limits = limits_in_force(rate=sender.rate, burst=sender.burst, daily_cap=sender.daily_cap, usual=usual)
    return LimitedSender(sender=sender, limits=limits)


def _sender(row: Row[Any]) -> Sender:
    return Sender(**{column.name: row._mapping[column.name] for column in senders.c})  # noqa: SLF001 - SQLAlchemy's documented name
