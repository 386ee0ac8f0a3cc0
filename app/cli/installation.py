"""A whole gateway on one machine: Postgres, schema, test key and the three processes, started and stopped together."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.cli.children import Child, Children
from app.domain.credentials import KeyMode
from app.domain.http import HttpRequest, HttpResponse
from app.embedded import EmbeddedPostgres, EmbeddedPostgresError, find_binaries, set_aside
from app.services.administration import SENDING_SCOPES, Administration
from app.store.databases import drop_database, ensure_database
from app.store.engine import Engine, create_engine, transaction
from app.store.schema import known_revisions, migrate, present_revision
from app.transport import Transport

_ACCOUNT: Final = "demo"
_READY_SECONDS: Final = 60

# A newcomer sees every outcome within seconds; whoever sets these variables gets what they ask for.
_HASTE: Final = {
    "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "3",
    "GATEWAY_DISPATCH__CONNECT_SECONDS": "2",
    "GATEWAY_DISPATCH__LEASE_SECONDS": "8",
    "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "8",
    "GATEWAY_DISPATCH__INQUIRY_DELAYS_SECONDS": "[1, 2, 3, 4]",
    "GATEWAY_DISPATCH__SIGHTINGS_APART_SECONDS": "2",
    "GATEWAY_DISPATCH__RECONCILE_DELAYS_SECONDS": "[8, 30, 120, 600]",
    "GATEWAY_DISPATCH__START_SPREAD_SECONDS": "0",
    "GATEWAY_API__NOTICE_SECONDS": "0",
}


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A running gateway and how to use it."""

    api_url: str
    sandbox_url: str
    api_key: str
    api_secret: str = field(repr=False)
    sandbox_key: str
    sandbox_secret: str = field(repr=False)
    database_url: str
    secret_key: str = field(repr=False)
    postgres: EmbeddedPostgres
    children: Children
    logs: Path
    directory: Path


@contextmanager
def install(
    directory: Path, *, port: int, sandbox_port: int, environment: Mapping[str, str], throwaway: bool = False
) -> Iterator[Installation]:
    """Start everything, telling the terminal what is being waited for; stop everything at the end.

    `throwaway` uses a database of its own and removes it afterwards. Raises `EmbeddedPostgresError`
    where Postgres, or one of the processes, does not start.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = f"gateway_once_{os.getpid()}" if throwaway else "gateway"
    binaries = find_binaries(environment.get("GATEWAY_PG_BIN") or None)
    _say("starting Postgres")
    with EmbeddedPostgres(directory=directory / "postgres", binaries=binaries) as postgres:
        if postgres.attached and not throwaway:
            # Two workers on one queue would send each other's messages to their own sandbox.
            raise EmbeddedPostgresError(f"gateway dev runs already on {directory}. Stop it, or set GATEWAY_DATA_DIR.")
        url = _prepared(postgres, directory, database)
        logs = directory / "logs" / "once" if throwaway else directory / "logs"
        try:
            yield from _run(
                postgres,
                logs,
                url,
                directory=directory,
                port=port,
                sandbox_port=sandbox_port,
                environment=environment,
            )
        finally:
            _say("stopping")
            if throwaway:
                asyncio.run(_drop(postgres.url("postgres"), database))


def _run(
    postgres: EmbeddedPostgres,
    logs: Path,
    url: str,
    *,
    directory: Path,
    port: int,
    sandbox_port: int,
    environment: Mapping[str, str],
) -> Iterator[Installation]:
    api_port, pretend_port = _free_port(port), _free_port(sandbox_port)
    key, secret = asyncio.run(_test_key(url))
    told = _told(url, directory, api_port, pretend_port)
    public = {"GATEWAY_PUBLIC_URL": f"http://127.0.0.1:{api_port}"}
    with Children(logs, {**_HASTE, **public, **environment, **told}) as children:
        installation = Installation(
            api_url=f"http://127.0.0.1:{api_port}",
            sandbox_url=f"http://127.0.0.1:{pretend_port}",
            api_key=key,
            api_secret=secret,
            sandbox_key=told["GATEWAY_SANDBOX__API_KEY"],
            sandbox_secret=told["GATEWAY_SANDBOX__API_SECRET"],
            database_url=url,
            secret_key=told["GATEWAY_SECRET_KEY"],
            postgres=postgres,
            children=children,
            logs=logs,
            directory=directory,
        )
        _say("starting sandbox, API and worker")
        started = [children.start(name) for name in ("sandbox", "api", "worker")]
        asyncio.run(_wait_until_ready(installation, started))
        yield installation


def _prepared(postgres: EmbeddedPostgres, directory: Path, database: str) -> str:
    """Have the database at the schema's head; data that this code does not know is set aside, not touched."""
    _say("preparing the database")
    if asyncio.run(_make_current(postgres, database)):
        return postgres.url(database)
    postgres.stop()
    aside = set_aside(directory / "postgres")
    _say(f"the data are of another version of the gateway: kept in {aside}, starting with none")
    postgres.start()
    asyncio.run(_make_current(postgres, database))
    return postgres.url(database)


async def _make_current(postgres: EmbeddedPostgres, database: str) -> bool:
    server = create_engine(postgres.url("postgres"), application="dev")
    await ensure_database(server, database)
    await server.dispose()
    engine = create_engine(postgres.url(database), application="dev")
    async with transaction(engine) as connection:
        revision = await present_revision(connection)
    known = revision is None or revision in known_revisions()
    if known:
        await migrate(engine)
    await engine.dispose()
    return known


async def _drop(server_url: str, database: str) -> None:
    server = create_engine(server_url, application="dev")
    await drop_database(server, database)
    await server.dispose()


async def _test_key(url: str) -> tuple[str, str]:
    """Make a test key of the demo account for this run; those of earlier runs go on working."""
    engine: Engine = create_engine(url, application="dev")
    admin = Administration(engine, ())
    if _ACCOUNT not in {account.name for account in await admin.list_accounts()}:
        await admin.create_account(_ACCOUNT)
    made = await admin.create_key(
        account=_ACCOUNT, mode=KeyMode.TEST, scopes=SENDING_SCOPES, name="made by gateway dev"
    )
    await engine.dispose()
    return made.credentials.user, made.credentials.secret


def _told(url: str, directory: Path, api_port: int, sandbox_port: int) -> dict[str, str]:
    """Name the settings that this command decides, whatever the environment says: what runs where, and its secrets."""
    kept = _kept_secrets(directory / "secrets.json")
    return {
        "GATEWAY_DATABASE_URL": url,
        "GATEWAY_SECRET_KEY": kept["secret_key"],
        "GATEWAY_API__HOST": "127.0.0.1",
        "GATEWAY_API__PORT": str(api_port),
        "GATEWAY_SANDBOX__URL": f"http://127.0.0.1:{sandbox_port}",
        "GATEWAY_SANDBOX__HOST": "127.0.0.1",
        "GATEWAY_SANDBOX__PORT": str(sandbox_port),
        "GATEWAY_SANDBOX__API_KEY": "sandbox",
        "GATEWAY_SANDBOX__API_SECRET": kept["sandbox_api_secret"],
        "GATEWAY_SANDBOX__WEBHOOK_SECRET": kept["sandbox_webhook_secret"],
    }


def _kept_secrets(file: Path) -> dict[str, str]:
    """Read this installation's secrets, or make them: webhooks of the last run are still believed in the next."""
    names = ("secret_key", "sandbox_api_secret", "sandbox_webhook_secret")
    if not file.exists():
        new = file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps({name: secrets.token_urlsafe(32) for name in names}))
        new.replace(file)
    try:
        kept: dict[str, str] = json.loads(file.read_text())
        return {name: kept[name] for name in names}
    except (ValueError, KeyError) as error:
        raise EmbeddedPostgresError(f"{file} is damaged. Remove it, and new secrets are made.") from error


async def _wait_until_ready(installation: Installation, started: list[Child]) -> None:
    urls = [f"{installation.sandbox_url}/", f"{installation.api_url}/readyz"]
    deadline = time.monotonic() + _READY_SECONDS
    async with Transport(deadline_seconds=2, connect_seconds=1) as transport:
        while urls:
            answer = await transport.perform(HttpRequest(method="GET", url=urls[0]))
            if isinstance(answer, HttpResponse) and answer.status == 200:  # noqa: PLR2004 - OK is 200
                urls.pop(0)
                continue
            for child in started:
                if child.exit_code is not None:
                    raise EmbeddedPostgresError(f"The {child.name} process did not start:\n{child.last_lines()}")
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"{urls[0]} did not answer within {_READY_SECONDS} s.")
            await asyncio.sleep(0.1)


def _free_port(wanted: int) -> int:
    """Give the wanted port, or a free one where it is taken; 0 asks for a free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                raise EmbeddedPostgresError(f"Port {port} cannot be listened on: {error.strerror}.") from error
            taken: int = probe.getsockname()[1]
            if wanted not in {0, taken}:
                _say(f"port {wanted} is taken, using {taken}")
            return taken
    raise EmbeddedPostgresError("There is no free port on 127.0.0.1.")


def _say(text: str) -> None:
    print(f"· {text}", flush=True)
