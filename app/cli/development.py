"""`gateway dev` and `gateway test`: everything on one machine, with a Postgres of its own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer

from app.cli.demo import run_demo
from app.cli.installation import Installation, install
from app.settings import load_settings, refuse_unknown

_GLANCE_SECONDS: Final = 0.5
_INTERRUPTED: Final = 130


def register(cli: typer.Typer) -> None:
    """Add these commands."""
    cli.command()(dev)
    cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(test)


def dev(
    once: Annotated[bool, typer.Option("--once", help="Send a demo batch, print what became of it, and stop.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the API; a free one if it is taken.")] = 8080,
    sandbox_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the sandbox; a free one if it is taken.")
    ] = 8081,
) -> None:
    """Run the gateway on this machine: embedded Postgres, API, worker and sandbox."""
    raise typer.Exit(_dev(once=once, port=port, sandbox_port=sandbox_port))


def test(context: typer.Context) -> None:
    """Run the tests; arguments go to pytest."""
    command = [sys.executable, "-m", "pytest", *context.args]
    raise typer.Exit(subprocess.run(command, cwd=_root(), check=False).returncode)  # noqa: S603 - our own command


def _dev(*, once: bool, port: int, sandbox_port: int) -> int:
    refuse_unknown(os.environ)
    interrupts = Interrupts()
    interrupts.listen()
    directory = Path(os.environ.get("GATEWAY_DATA_DIR") or _root() / ".data").resolve()
    ports = (0, 0) if once else (port, sandbox_port)
    try:
        with install(
            directory, port=ports[0], sandbox_port=ports[1], environment=os.environ, throwaway=once
        ) as installation:
            interrupts.raise_dropped()
            return _demonstrate(installation) if once else _stay(installation, interrupts)
    except KeyboardInterrupt:
        # A demo that was cut off has shown nothing.
        return _INTERRUPTED if once else 0


class Interrupts:
    """Ctrl-C and SIGTERM, remembered: Python drops what is raised in the hooks of a fork or in a finaliser.

    An interrupt cuts whatever runs at that moment, such as an event loop in its own constructor. What Python has
    to say about such halves while all of it is torn down is noise to whoever pressed Ctrl-C.
    """

    def __init__(self) -> None:
        """None has come yet."""
        self._came = False

    def listen(self) -> None:
        """Take both signals from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupt)
        sys.unraisablehook = self._show_unraisable

    def raise_dropped(self) -> None:
        """Raise `KeyboardInterrupt` if one came that nobody felt."""
        if self._came:
            raise KeyboardInterrupt

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._came = True
        warnings.simplefilter("ignore")
        raise KeyboardInterrupt

    def _show_unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Show what was dropped, unless it is the interrupt itself, which is remembered, or comes of it."""
        if not self._came:
            sys.__unraisablehook__(unraisable)


def _stay(installation: Installation, interrupts: Interrupts) -> int:
    """Print how to use it and wait for Ctrl-C, or for a process that ends by itself."""
    print(_welcome(installation), flush=True)
    while (ended := installation.children.ended()) is None:
        interrupts.raise_dropped()
        if not installation.postgres.is_running:
            print("Postgres has ended; it recovers and starts again.", file=sys.stderr, flush=True)
            installation.postgres.start()
        time.sleep(_GLANCE_SECONDS)
    print(f"The {ended.name} process has ended ({ended.ending}). The end of its log:", file=sys.stderr)
    print(ended.last_lines(), file=sys.stderr)
    return 1


def _demonstrate(installation: Installation) -> int:
    """Run the demo, and judge it by the settings that the processes were started with."""
    settings = load_settings(database_url=installation.database_url, secret_key=installation.secret_key)
    return run_demo(installation, settings.sandbox)


def _welcome(installation: Installation) -> str:
    return f"""
Messaging Gateway is running.

  API       {installation.api_url}/v1   (described under {installation.api_url}/docs)
  sandbox   {installation.sandbox_url}   (magic numbers, handset inbox)
  logs      {installation.logs}

Send a first message; this test key reaches the sandbox only:

  export API_URL={installation.api_url} API_KEY={installation.api_key} API_SECRET={installation.api_secret}
  curl -X POST "$API_URL/v1/messages" -u "$API_KEY:$API_SECRET" -H "Content-Type: application/json" \\
    -d '{{"from": "+15551234567", "to": "+15559876543", "body": "Your order has shipped."}}'

Operate it from another terminal, with .venv/bin/gateway accounts, keys and senders:

  export GATEWAY_DATABASE_URL={shlex.quote(installation.database_url)}
  export GATEWAY_SECRET_KEY={shlex.quote(installation.secret_key)}

Ctrl-C stops all of it; the data stay in {installation.directory}.
"""


def _root() -> Path:
    return Path(__file__).resolve().parents[2]
