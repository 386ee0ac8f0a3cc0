"""Commits that a synchronous standby did not confirm: Postgres reports them as a success, with no more than a warning.

Where somebody cancels the wait for the standby, the commit stands on this server alone, and a failover would take it
back. So it is a commit of which nobody knows, and whoever waits for it has to be told so.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import ConnectionPoolEntry

_UNCONFIRMED: Final = "gateway_unconfirmed"
_WARNING: Final = "canceling wait for synchronous replication"
_ROUTINE: Final = "SyncRepWaitForLSN"
"""Where the server says it, in whatever language."""


def watch(_connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    """Mark each connection of a pool to which such a warning comes; a listener of the pool's `connect`.

    The mark is there before whoever waits for the commit goes on: the warning comes first, and the driver hands both
    to the event loop in the order in which they came.
    """

    def note(_driver: object, message: Any) -> None:
        if message.message.startswith(_WARNING) or message.server_source_function == _ROUTINE:
            entry.info[_UNCONFIRMED] = True

    driver: Any = entry.driver_connection
    driver.add_log_listener(note)


class Confirmations:
    """Tells of one connection on loan whether a standby was not waited for, also where it is lost meanwhile."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take a connection that has been obtained."""
        self._marks = connection.sync_connection.info if connection.sync_connection is not None else {}

    def take_missing(self) -> bool:
        """Whether a commit was not confirmed since this was last asked."""
        return bool(self._marks.pop(_UNCONFIRMED, False))
