"""Status reports that wait until their attempt is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Text, Uuid, bindparam, text

from app.store.among import ALL_DUE, IS_AMONG, Among, DueStatement
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

# Exactly one: an id that two attempts share will never be evidence, and must not stand in the others' way.
_KNOWN_BY_NOW: Final = DueStatement(
    f"""
    SELECT o.id, o.receipt_id, o.provider, o.provider_message_id, o.report
    FROM orphan_reports AS o
    WHERE 1 = (SELECT count(*) FROM attempts AS a
               WHERE a.provider = o.provider AND a.provider_message_id = o.provider_message_id
               AND a.message_id >= :oldest)
    AND o.id {IS_AMONG}
    ORDER BY o.id LIMIT :limit FOR UPDATE SKIP LOCKED
    """,  # noqa: S608 - constants of this module
    oldest=Uuid,
)


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


async def lock_known_orphans(
    connection: Connection, *, oldest: UUID, limit: int, among: Among = ALL_DUE
) -> list[OrphanReport]:
    """Lock kept reports whose attempt, of a message not before `oldest`, has become known."""
    rows = await _KNOWN_BY_NOW.rows(connection, among, oldest=oldest, limit=limit)
    return [OrphanReport(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented name


async def remove_orphans(connection: Connection, ids: Sequence[UUID]) -> None:
    """Remove kept reports that were applied."""
    await connection.execute(
        text("DELETE FROM orphan_reports WHERE id = ANY(:ids)").bindparams(bindparam("ids", type_=ARRAY(Uuid))),
        {"ids": list(ids)},
    )
