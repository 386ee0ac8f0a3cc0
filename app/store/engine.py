"""The way to Postgres: pool, session limits, transactions, and what counts as a lost database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.store.farewell import PromptConnection
from app.store.hosts import Hosts
from app.store.standby import Confirmations, watch

Connection = AsyncConnection
Engine = AsyncEngine

_LOST_DATABASE: Final = frozenset({"25006", "57P01", "57P02", "57P03"})
"""SQLSTATEs of a demoted, stopping or starting server; drivers keep such connections as if healthy."""

_REFUSED_FOR_NOW: Final = frozenset({"40001", "40P01", "53100", "53200", "53300", "55P03", "57014"})
"""SQLSTATEs after which the same work may well succeed a moment later, on a server that is as it was."""

_AWAY: Final = frozenset({"08000", "08003", "08006", *_LOST_DATABASE})
"""SQLSTATEs of a connection that is gone, or that will not be of use again."""


class StoreUnavailable(Exception):
    """Postgres cannot answer right now; nothing is known to be wrong with the request."""


class StoreRefused(StoreUnavailable):
    """Postgres refused this piece of work for now: a conflict, a limit of time or space. It is not away."""


class CommitUnconfirmed(StoreUnavailable):
    """What was written stands on this server, but a synchronous standby did not confirm it: a failover may lose it."""


class StoreSilent(StoreUnavailable):
    """Postgres gave no answer in the time that there was; to ask it again at once would take as long again."""


def create_engine(
    url: str,
    *,
    application: str,
    pool_size: int = 10,
    statement_seconds: float = 5,
    acquire_seconds: float = 2,
    lock_seconds: float = 2,
    silence_seconds: float | None = None,
) -> Engine:
    """Make the process's one engine. `url` is an SQLAlchemy URL with the asyncpg driver.

    Statements end after `statement_seconds`, lock waits and idle transactions sooner than a client
    gives up, so that one stuck session cannot hold the others. Postgres sees to that itself; where it
    says nothing even `silence_seconds` after a statement's limit, it is given up, with all connections
    that are open. None, for what may take long, waits for ever.
    """
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=acquire_seconds,
        pool_recycle=300,
        hide_parameters=True,
        connect_args={
            "timeout": acquire_seconds,
            "command_timeout": None if silence_seconds is None else statement_seconds + silence_seconds,
            "connection_class": PromptConnection,
            "async_creator_fn": Hosts().connect,
            "server_settings": {
                "application_name": f"gateway-{application}",
                "statement_timeout": f"{round(statement_seconds * 1000)}",
                "lock_timeout": f"{round(lock_seconds * 1000)}",
                "idle_in_transaction_session_timeout": "10000",
                "client_connection_check_interval": "5000",
                # A session whose client a partition has cut off would else keep its locks for two hours.
                "tcp_keepalives_idle": "10",
                "tcp_keepalives_interval": "5",
                "tcp_keepalives_count": "3",
                "timezone": "UTC",
            },
        },
    )
    event.listen(engine.sync_engine, "handle_error", _drop_lost_connections)
    event.listen(engine.sync_engine, "connect", watch)
    return engine


@asynccontextmanager
async def transaction(engine: Engine) -> AsyncIterator[Connection]:
    """Run one use case's transaction: committed at the end, rolled back by any exception.

    Raises `StoreUnavailable` where Postgres cannot be reached or refuses for now. When that comes
    from the commit itself, the outcome is not known.
    """
    with told_apart():
        async with engine.connect() as connection:
            with _confirmed(connection):
                async with connection.begin():
                    yield connection


class Autocommit:
    """The way to Postgres for whole use cases of one statement: no BEGIN, no COMMIT, one round trip."""

    def __init__(self, engine: Engine) -> None:
        """Use an engine's pool."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Lend a connection on which each statement is a transaction of its own, committed when it returns.

        Raises `StoreUnavailable` as `transaction` does.
        """
        with told_apart():
            async with self._engine.connect() as connection:
                with _confirmed(connection):
                    yield connection


@contextmanager
def _confirmed(connection: Connection) -> Iterator[None]:
    """Raise `CommitUnconfirmed` where a standby was not waited for, though Postgres speaks of a success."""
    confirmations = Confirmations(connection)
    try:
        yield
    finally:
        missing = confirmations.take_missing()
    if missing:
        raise CommitUnconfirmed("a synchronous standby did not confirm")


@contextmanager
def told_apart() -> Iterator[None]:
    """Tell what passes, as `StoreUnavailable`, from what is wrong; both ways to Postgres do so at their end."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or _sqlstate(error) in _AWAY:
            raise StoreUnavailable(_sqlstate(error) or type(error.orig).__name__) from error
        if _sqlstate(error) in _REFUSED_FOR_NOW or _lacks_partition(error):
            raise StoreRefused(_sqlstate(error)) from error
        raise
    except asyncpg.InternalClientError as error:
        # The driver is out of step with itself, as it is where a connection is lost between two of its messages.
        raise StoreUnavailable(type(error).__name__) from error
    except (asyncpg.InterfaceError, asyncpg.PostgresError) as error:
        # As the driver raised it: so it comes where a connection is lost while it is being set up.
        if "connection is closed" in str(error) or getattr(error, "sqlstate", None) in _REFUSED_FOR_NOW | _AWAY:
            raise StoreUnavailable(type(error).__name__) from error
        raise
    except (TimeoutError, PoolTimeout) as error:
        raise StoreSilent(type(error).__name__) from error
    except OSError as error:
        raise StoreUnavailable(type(error).__name__) from error


def _drop_lost_connections(context: ExceptionContext) -> None:
    """Have a lost connection replaced, and with it all that are older: they lead to the same server."""
    error = context.original_exception
    if isinstance(error, TimeoutError) or getattr(error, "sqlstate", None) in _LOST_DATABASE:
        context.is_disconnect = True
        # SQLAlchemy takes a time-out for the caller's own, and would leave the rest of the pool as it is.
        context.invalidate_pool_on_disconnect = True


def _lacks_partition(error: DBAPIError) -> bool:
    """Whether a month is missing, which the workers make: a violated check, by its SQLSTATE."""
    return _sqlstate(error) == "23514" and "no partition of relation" in str(error.orig)


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
