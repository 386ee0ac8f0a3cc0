"""The `gateway` command: the processes, and what operators do from a terminal."""

from __future__ import annotations

import sys

import typer

from app.cli import administration, auditing, development, limits, pausing, processes, schema, ways
from app.domain.errors import Refusal
from app.embedded import EmbeddedPostgresError
from app.services.administration import AdministrationError
from app.settings import SettingsError
from app.store.engine import StoreUnavailable

cli = typer.Typer(
    name="gateway",
    help="Messaging Gateway: one service between your applications and their SMS providers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (development, processes, administration, limits, pausing, ways, auditing, schema):
    module.register(cli)


def run() -> int:
    """Run the command line; expected failures are one clear text on stderr and exit code 1."""
    try:
        cli()
    except SettingsError as error:
        return _fail(f"The settings are not right:\n{error}")
    except (AdministrationError, EmbeddedPostgresError) as error:
        return _fail(str(error))
    except StoreUnavailable as error:
        return _fail(f"The database cannot be reached ({error}). Is GATEWAY_DATABASE_URL right, and Postgres up?")
    except Refusal as error:
        return _fail(error.detail)
    except OSError as error:
        return _fail(f"{error.filename or 'The system'}: {error.strerror or error}.")
    return 0


def _fail(text: str) -> int:
    print(text, file=sys.stderr)
    return 1
