"""`gateway api`, `worker` and `sandbox`: the processes of an installation."""

from __future__ import annotations

import typer

from app import main, telemetry, worker
from app.bootstrap import build_sandbox
from app.sandbox.server import SandboxServer
from app.settings import load_settings


def register(cli: typer.Typer) -> None:
    """Add these commands."""
    cli.command()(api)
    cli.command(name="worker")(run_worker)
    cli.command()(sandbox)


def api() -> None:
    """Run the HTTP API."""
    main.serve(load_settings())


def run_worker() -> None:
    """Run a worker: it sends, reads webhooks and cleans up. Start as many as you like."""
    worker.serve(load_settings())


def sandbox() -> None:
    """Run the pretend carrier network that test keys reach."""
    settings = load_settings()
    telemetry.configure(json=settings.log_json, level=settings.log_level, component="sandbox")
    SandboxServer(build_sandbox(settings), host=settings.sandbox.host, port=settings.sandbox.port).run()
