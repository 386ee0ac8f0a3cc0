"""Statements over the rows that are due, which leave some of them alone or look at some of them only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, TextClause, Uuid, bindparam, text

from app.store.engine import Connection

IS_AMONG: Final = "{is_among}"
"""Follows the column of ids in a statement that is made for both."""


@dataclass(frozen=True, kw_only=True)
class Among:
    """Which rows are meant of those that are due."""

    ids: tuple[UUID, ...] = ()
    only: bool = False
    """Whether these are meant, and not all but these."""


ALL_DUE: Final = Among()
"""Whatever is due."""


class DueStatement:
    """One statement in two forms, for each has a plan of its own: what is named is looked up by its id."""

    def __init__(self, template: str, **types: Any) -> None:
        """Take the text, with `IS_AMONG` after the column of ids, and the types of parameters that need one."""
        typed = [bindparam("among", type_=ARRAY(Uuid)), *(bindparam(name, type_=kind) for name, kind in types.items())]
        self._besides: TextClause = text(template.replace(IS_AMONG, "<> ALL(:among)")).bindparams(*typed)
        self._only: TextClause = text(template.replace(IS_AMONG, "= ANY(:among)")).bindparams(*typed)

    async def rows(self, connection: Connection, among: Among, **parameters: Any) -> list[Any]:
        """Run it."""
        statement = self._only if among.only else self._besides
        return list((await connection.execute(statement, {"among": list(among.ids), **parameters})).all())
