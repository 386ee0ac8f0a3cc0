"""A Postgres server for the tests: GATEWAY_TEST_DATABASE_URL, else Docker by testcontainers, else the embedded one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import docker
from docker.errors import DockerException
from testcontainers.community.postgres import PostgresContainer

from app.embedded import EmbeddedPostgres, find_binaries

_CONNECTIONS: Final = 300
"""Several workers and APIs at once, each with its pools, are more than Postgres allows by default."""


@contextmanager
def running_server(directory: Path) -> Iterator[str]:
    """Give the URL of the server's `postgres` database."""
    given = os.environ.get("GATEWAY_TEST_DATABASE_URL")
    if given:
        yield given
    elif docker_answers():
        container = PostgresContainer("postgres:18", driver="asyncpg", dbname="postgres")
        with container.with_command(f"postgres -c max_connections={_CONNECTIONS}"):
            yield container.get_connection_url()
    else:
        binaries = find_binaries(os.environ.get("GATEWAY_PG_BIN"))
        settings = {"max_connections": str(_CONNECTIONS)}
        with EmbeddedPostgres(directory=directory, binaries=binaries, durable=False, settings=settings) as postgres:
            yield postgres.url("postgres")


def docker_answers() -> bool:
    """Whether a Docker engine answers here; without its socket it is not asked, for the client leaks on failure."""
    if "DOCKER_HOST" not in os.environ and not Path("/var/run/docker.sock").exists():
        return False
    try:
        client = docker.from_env(timeout=2)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except DockerException:
        return False
