"""`gateway audit`: a provider's list of a day's messages against ours, now and on the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from app import telemetry
from app.bootstrap import build_worker
from app.cli.tables import print_table
from app.domain.auditing import Difference, Sums
from app.services.administration import AdministrationError
from app.services.audits import Audit, AuditNotMade
from app.settings import load_settings


def register(cli: typer.Typer) -> None:
    """Add this command."""
    cli.command()(audit)


def audit(
    provider: Annotated[
        str | None, typer.Argument(help="A provider account; by default all that can be listed.")
    ] = None,
    day: Annotated[
        str | None, typer.Option("--date", help="A day in UTC, as 2026-11-22; by default yesterday.")
    ] = None,
) -> None:
    """Compare a provider's list of a day's messages with ours; exit code 1 where more differs than late statuses."""
    made, failures = asyncio.run(_make(provider, _day(day)))
    if made:
        print_table(
            ("provider", "day", "side", "messages", "segments", "prices"),
            [row for each in made for row in _rows(each)],
        )
    for each in made:
        _explain(each)
    if failures:
        raise AdministrationError(" ".join(failures))
    if not all(each.result.agrees for each in made):
        raise typer.Exit(1)


async def _make(provider: str | None, day: date) -> tuple[list[Audit], list[str]]:
    """Make what can be made, and say why the rest cannot."""
    settings = load_settings()
    telemetry.configure(json=settings.log_json, level="WARNING", component="audit")
    context = build_worker(settings)
    try:
        providers = [provider] if provider else context.auditor.providers
        if not providers:
            raise AdministrationError("No provider account offers a list of its messages.")
        made, failures = [], []
        for name in providers:
            try:
                made.append(await context.auditor.make(name, day))
            except AuditNotMade as error:
                failures.append(str(error))
        return made, failures
    finally:
        await context.transport.aclose()
        await context.engine.dispose()


def _day(text: str | None) -> date:
    if text is None:
        return datetime.now(UTC).date() - timedelta(days=1)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise AdministrationError("--date must be a day, such as 2026-11-22.") from error


def _rows(made: Audit) -> list[Sequence[str]]:
    day = made.day.isoformat()
    sides = (("ours", made.result.ours), ("theirs", made.result.theirs))
    return [(made.provider, day, side, str(sums.messages), str(sums.segments), _prices(sums)) for side, sums in sides]


def _prices(sums: Sums) -> str:
    return ", ".join(f"{amount:f} {currency}" for currency, amount in sums.prices.items())


def _explain(made: Audit) -> None:
    """Say what differs: each kind with its number, then the messages themselves."""
    result = made.result
    counts = ", ".join(f"{count} {kind}" for kind, count in result.differences.items()) or "no difference"
    print(f"\n{made.provider}: {result.matched} matched, {counts}.")
    if result.listed:
        columns = ("kind", "message", "attempt", "provider's id", "ours", "theirs")
        print_table(columns, [_told(each) for each in result.listed])
    if (left_out := sum(result.differences.values()) - len(result.listed)) > 0:
        print(f"… and {left_out} more.")


def _told(difference: Difference) -> Sequence[str]:
    each = difference
    words = (each.kind, each.message_id, each.attempt, each.provider_message_id, each.ours, each.theirs)
    return ["" if word is None else str(word) for word in words]
