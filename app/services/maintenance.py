"""What has to happen from time to time: partitions made ahead, spent rows removed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from app.store.engine import Engine, transaction
from app.store.partitions import ensure_partitions
from app.store.pruning import BATCH, prune
from app.telemetry import get_logger

_log = get_logger(__name__)


class Maintenance:
    """Housekeeping that any worker may do at any time, also several at once."""

    def __init__(self, engine: Engine, ages: Mapping[str, timedelta]) -> None:
        """Take the engine, and for each table how long its rows are kept."""
        self._engine = engine
        self._ages = ages

    async def make_partitions(self) -> None:
        """Make the partitions of the months ahead."""
        async with transaction(self._engine) as connection:
            made = await ensure_partitions(connection)
        if made:
            _log.info("partitions made", names=made)

    async def prune(self) -> None:
        """Remove what is older than its age, one batch a transaction until nothing is left."""
        for table, age in self._ages.items():
            removed = BATCH
            while removed == BATCH:
                async with transaction(self._engine) as connection:
                    removed = await prune(connection, table, age=age)
