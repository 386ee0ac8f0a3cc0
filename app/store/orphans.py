"""Status reports that wait until their attempt is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Text, Uuid, bindparam, text

from app.store.engine import Connection


@dataclass(frozen=True, kw_only=True)
class OrphanReport:
    """A status report whose attempt was not known when it came."""

    id: UUID
    receipt_id: UUID
    provider: str
    provider_message_id: str
    report: dict[str, Any]


_ADD_ORPHANS: Final = text(
    """
    INSERT INTO orphan_reports (id, receipt_id, provider, provider_message_id, report)
    SELECT id, receipt_id, provider, provider_message_id, report::jsonb
    FROM unnest(:ids, :receipt_ids, :providers, :provider_message_ids, :reports)
        AS o (id, receipt_id, provider, provider_message_id, report)
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("receipt_ids", type_=ARRAY(Uuid)),
    bindparam("providers", type_=ARRAY(Text)),
    bindparam("provider_message_ids", type_=ARRAY(Text)),
    bindparam("reports", type_=ARRAY(Text)),
)

FROM_THE_FIRST: Final = UUID(int=0)
"""After this the first of the orphans follows."""

LOOKED_AT: Final = 256
"""How many a sweep looks at of the newest, and of the others in turn."""

# Exactly one: an id that two attempts share will never be evidence, and must not stand in the others' way.
# The limits are part of the text, or its plan would be made for a tenth of the table.
_SWEEP: Final = text(
    f"""
    WITH turn AS MATERIALIZED (
        SELECT id, provider, provider_message_id FROM orphan_reports WHERE id > :after ORDER BY id LIMIT {LOOKED_AT}
    ), newest AS MATERIALIZED (
        SELECT id, provider, provider_message_id FROM orphan_reports ORDER BY id DESC LIMIT {LOOKED_AT}
    )
    SELECT
        (SELECT id FROM turn ORDER BY id OFFSET {LOOKED_AT - 1}) AS reached,
        ARRAY(
            SELECT o.id FROM (TABLE turn UNION TABLE newest) AS o
            WHERE 1 = (SELECT count(*) FROM attempts AS a
                       WHERE a.provider = o.provider AND a.provider_message_id = o.provider_message_id
                       AND a.message_id >= :oldest)
            ORDER BY o.id
        ) AS known
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("after", type_=Uuid), bindparam("oldest", type_=Uuid))

_LOCK: Final = text(
    """
    SELECT id, receipt_id, provider, provider_message_id, report FROM orphan_reports
    WHERE id = ANY(:ids) ORDER BY id FOR UPDATE SKIP LOCKED
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What one look at a part of the orphans has shown."""

    known: tuple[UUID, ...]
    """Those whose attempt has become known."""

    reached: UUID
    """After which the next part begins; nil where this one was the last."""


async def add_orphans(connection: Connection, orphans: Sequence[OrphanReport]) -> None:
    """Keep reports until their attempt becomes known."""
    await connection.execute(
        _ADD_ORPHANS,
        {
            "ids": [o.id for o in orphans],
            "receipt_ids": [o.receipt_id for o in orphans],
            "providers": [o.provider for o in orphans],
            "provider_message_ids": [o.provider_message_id for o in orphans],
            "reports": [orjson.dumps(o.report).decode() for o in orphans],
        },
    )


async def sweep_orphans(connection: Connection, *, after: UUID, oldest: UUID) -> Sweep:
    """Look which of the newest, and of those that follow `after`, have an attempt of a message not before `oldest`."""
    row = (await connection.execute(_SWEEP, {"after": after, "oldest": oldest})).one()
    return Sweep(known=tuple(row.known), reached=row.reached or FROM_THE_FIRST)


async def lock_orphans(connection: Connection, ids: Sequence[UUID]) -> list[OrphanReport]:
    """Lock kept reports; those that somebody else has locked or removed are left out."""
    rows = (await connection.execute(_LOCK, {"ids": list(ids)})).all()
    return [OrphanReport(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented name


async def remove_orphans(connection: Connection, ids: Sequence[UUID]) -> None:
    """Remove kept reports that were applied."""
    await connection.execute(
        text("DELETE FROM orphan_reports WHERE id = ANY(:ids)").bindparams(bindparam("ids", type_=ARRAY(Uuid))),
        {"ids": list(ids)},
    )
