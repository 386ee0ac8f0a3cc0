"""Several servers behind one URL: each gets its own time to answer, and the one that answered last is asked first.

The driver's own time limit covers all hosts together, so a mute one, listed first, would leave none for the others.
"""

from __future__ import annotations

from typing import Any

import asyncpg


class Hosts:
    """Connects one pool; with `target_session_attrs=read-write` in the URL, only to a server that takes writes."""

    def __init__(self) -> None:
        """Begin with the first host."""
        self._preferred = 0

    async def connect(self, **options: Any) -> Any:
        """Connect as `asyncpg.connect` does, but with the time limit for each host.

        Raises what the last one was refused with, as `OSError` where a server did not fit.
        """
        addresses = _addresses(options.get("host"), options.get("port"))
        failure: Exception = ConnectionError("no host is named")
        for step in range(len(addresses)):
            index = (self._preferred + step) % len(addresses)
            try:
                connection = await asyncpg.connect(**{**options, **addresses[index]})
            except (OSError, asyncpg.PostgresError) as error:
                failure = error
            except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                failure = ConnectionError(type(error).__name__)
            else:
                self._preferred = index
                return connection
        raise failure


def _addresses(hosts: Any, ports: Any) -> list[dict[str, Any]]:
    """Tell several hosts apart; where there is one, or none, the driver knows what to do."""
    if not isinstance(hosts, list) or not isinstance(ports, list):
        return [{}]
    return [{"host": host, "port": port} for host, port in zip(hosts, ports, strict=True)]
