"""`gateway migrate`, and what keeps the schema and the settings' description true."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import typer

from app.bootstrap import build_engine
from app.embedded import EmbeddedPostgres
from app.settings import OF_THE_PROCESS, described_settings, load_settings
from app.store.engine import Engine, create_engine
from app.store.schema import check, migrate


def register(cli: typer.Typer) -> None:
    """Add these commands."""
    cli.command(name="migrate")(run_migrations)
    cli.command(name="settings")(print_settings)
    group = typer.Typer(help="The database schema, for developers.", no_args_is_help=True)
    group.command(name="check")(check_schema)
    cli.add_typer(group, name="schema")


def run_migrations() -> None:
    """Bring the database's schema up to date and make its partitions."""
    engine = build_engine(load_settings(), "migrate", silence_seconds=None)
    asyncio.run(_migrate(engine))
    print("The schema is up to date.")


def check_schema() -> None:
    """Check, on an embedded Postgres, that the migrations make what the code expects."""
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedPostgres(directory=Path(directory) / "postgres", durable=False) as postgres,
    ):
        asyncio.run(_check(create_engine(postgres.url("postgres"), application="check")))
    print("The migrations and the tables agree.")


def print_settings() -> None:
    """Print every setting as a Markdown table."""
    print(settings_table())


def settings_table() -> str:
    """Write the settings as README.md shows them."""
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for variable, default, description in described_settings():
        shown = f"`{default}`" if default and not default.startswith("(") else default
        lines.append(f"| `{variable}` | {shown} | {description} |")
    lines += [f"| `{name}` | | {text[0].upper()}{text[1:]}. |" for name, text in OF_THE_PROCESS.items()]
    return "\n".join(lines)


async def _migrate(engine: Engine) -> None:
    await migrate(engine)
    await engine.dispose()


async def _check(engine: Engine) -> None:
    await migrate(engine)
    await check(engine)
    await engine.dispose()
