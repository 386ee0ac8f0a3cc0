"""`gateway senders`, `rates`, `providers` and `accounts set`: what may be sent how fast, changed while it runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from app.cli.operators import NONE_HELP, do, read_limits, read_word
from app.cli.tables import print_table
from app.domain.countries import is_country
from app.domain.priority import PRIORITIES, Priority
from app.services.administration import AdministrationError
from app.services.editing import OPERATOR
from app.services.provider_accounts import ProviderAccount
from app.services.sending_rates import NewRate
from app.store.senders import LimitedSender

Rate = Annotated[str | None, typer.Option(help=f"Segments per second, such as 0.25. {NONE_HELP}")]
Burst = Annotated[str | None, typer.Option(help=f"Segments at once after a pause. {NONE_HELP}")]
DailyCap = Annotated[str | None, typer.Option(help=f"Segments in a day, UTC. {NONE_HELP}")]
Weight = Annotated[str | None, typer.Option(help=f"Its share beside the others. {NONE_HELP}")]
Class = Annotated[str | None, typer.Option(help=f"AT&T's class of its 10DLC campaign, A to Z. {NONE_HELP}")]
Countries = Annotated[str | None, typer.Option(help=f"Where it may send to, such as US,CA. {NONE_HELP}")]
Ranked = Annotated[Priority | None, typer.Option(help="Of its messages that name none.")]
Owner = Annotated[str, typer.Option("--account", help="Name of the account.")]


def register(cli: typer.Typer) -> None:
    """Add these commands."""
    senders = typer.Typer(help="Senders: the numbers and names that accounts send from.", no_args_is_help=True)
    senders.command(name="add")(add_sender)
    senders.command(name="list")(list_senders)
    senders.command(name="set")(set_sender)
    rates = typer.Typer(help="What senders may send that have no rate of their own.", no_args_is_help=True)
    rates.command(name="list")(list_rates)
    rates.command(name="set")(set_rate)
    providers = typer.Typer(help="Provider accounts: their limits and how they stand.", no_args_is_help=True)
    providers.command(name="list")(list_providers)
    providers.command(name="set")(set_provider)
    for name, group in (("senders", senders), ("rates", rates), ("providers", providers)):
        cli.add_typer(group, name=name)


def add_sender(
    address: Annotated[str, typer.Argument(help="A number in E.164, a short code, or a name.")],
    *,
    account: Owner,
    provider: Annotated[str, typer.Option(help="The provider account that its messages go through.")],
    rate: Rate = None,
    burst: Burst = None,
    daily_cap: DailyCap = None,
    campaign_class: Class = None,
) -> None:
    """Add a sender to an account; without limits of its own it has its type's usual ones."""
    values = {
        "provider": provider,
        **read_limits({"rate": rate, "burst": burst, "daily_cap": daily_cap}),
        **_words(campaign_class, None),
    }
    _show(do(lambda operators: operators.senders.add(OPERATOR, account, address, values)))


def set_sender(
    address: Annotated[str, typer.Argument(help="The sender.")],
    *,
    account: Owner,
    rate: Rate = None,
    burst: Burst = None,
    daily_cap: DailyCap = None,
    priority: Ranked = None,
    weight: Weight = None,
    campaign_class: Class = None,
    provider: Annotated[str | None, typer.Option(help="The provider account that its messages go through.")] = None,
    countries: Countries = None,
) -> None:
    """Change what a sender may do, from now on; what it has sent ahead of its old rate is not forgotten."""
    changes = {
        **read_limits({"rate": rate, "burst": burst, "daily_cap": daily_cap, "weight": weight}),
        **_words(campaign_class, countries),
        **({} if priority is None else {"priority": priority.rank}),
        **({} if provider is None else {"provider": provider}),
    }
    if "weight" in changes and changes["weight"] is None:
        changes["weight"] = 1.0
    _show(do(lambda operators: operators.senders.change_named(OPERATOR, account, address, changes)))


def list_senders(
    account: Annotated[str | None, typer.Option("--account", help="Name of the account; all without it.")] = None,
) -> None:
    """List senders with what is in force for each."""
    rows = do(lambda operators: operators.administration.list_senders(account))
    print_table(
        ("address", "type", "provider", "segments/s", "burst", "a day", "priority", "weight", "account id"),
        [_row(each) for each in rows],
    )


def list_rates() -> None:
    """List what is usual for number types and campaign classes, and who says so."""
    rows = do(lambda operators: operators.rates.list())
    print_table(
        ("type", "class", "segments/s", "burst", "a day", "source", "of"),
        [
            (
                r.number_type,
                r.campaign_class,
                f"{r.rate:f}",
                str(r.burst),
                _or_none(r.daily_cap),
                r.source,
                str(r.dated),
            )
            for r in rows
        ],
    )


def set_rate(
    number_type: Annotated[str, typer.Argument(help="Such as toll_free; `gateway rates list` shows them.")],
    campaign_class: Annotated[str, typer.Argument(help="A class of 10dlc, A to Z; the type itself without it.")] = "",
    *,
    rate: Annotated[str, typer.Option(help="Segments per second, such as 0.25.")],
    source: Annotated[str, typer.Option(help="Who says so.")],
    burst: Annotated[str | None, typer.Option(help="Segments at once after a pause; by default a second's.")] = None,
    daily_cap: Annotated[str | None, typer.Option(help="Segments in a day, UTC; by default without end.")] = None,
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Of the source; today by default.")
    ] = None,
) -> None:
    """Set what is usual; it takes effect at once for every sender without a limit of its own."""
    read = read_limits({"rate": rate, "burst": burst, "daily_cap": daily_cap})
    if read["rate"] is None:
        raise AdministrationError("--rate must be a number: there is nothing else that it could take.")
    if not source.strip() or not source.isprintable():
        raise AdministrationError("--source must say who publishes this rate.")
    new = NewRate(
        rate=read["rate"],
        burst=read.get("burst"),
        daily_cap=read.get("daily_cap"),
        source=source,
        dated=None if date is None else date.date(),
    )
    kept = do(lambda operators: operators.rates.put(OPERATOR, number_type, campaign_class, new))
    named = " ".join(filter(None, (kept.number_type, kept.campaign_class)))
    print(f"{named}: {_limits(kept)}")


def list_providers() -> None:
    """List the configured provider accounts with their limits, and whether they are in use."""
    rows = do(lambda operators: operators.providers.list())
    print_table(
        ("provider", "adapter", "segments/s", "burst", "in flight", "paused", "circuit"),
        [_provider_row(each) for each in rows],
    )


def set_provider(
    name: Annotated[str, typer.Argument(help="The provider account, as the settings name it.")],
    rate: Annotated[str | None, typer.Option(help="Segments per second over all of its senders, or none.")] = None,
    burst: Annotated[str | None, typer.Option(help="Segments at once after a pause, or none.")] = None,
    in_flight_cap: Annotated[str | None, typer.Option(help="Calls at one time over all workers, or none.")] = None,
) -> None:
    """Change the limits of a whole provider account, from now on."""
    changes = read_limits({"rate": rate, "burst": burst, "in_flight_cap": in_flight_cap})
    limits = do(lambda operators: operators.providers.change(OPERATOR, name, changes)).limits
    pace = "no rate of its own" if limits.rate is None else f"{limits.rate:g} segments/s"
    calls = "no cap on calls" if limits.in_flight_cap is None else f"at most {limits.in_flight_cap} calls at a time"
    print(f"provider {name}: {pace}, {calls}")


def _words(campaign_class: str | None, countries: str | None) -> dict[str, Any]:
    read: dict[str, Any] = {} if campaign_class is None else {"campaign_class": read_word(campaign_class) or ""}
    if countries is not None:
        named = None if read_word(countries) is None else countries.split(",")
        if named is not None and not all(map(is_country, named)):
            raise AdministrationError("--countries must be codes of ISO 3166 with commas between, such as US,CA.")
        read["countries"] = named
    return read


def _show(limited: LimitedSender) -> None:
    sender = limited.sender
    print(f"sender {sender.address} ({sender.number_type}) through {sender.provider}, {_limits(limited.limits)}")


def _limits(limits: Any) -> str:
    day = "" if limits.daily_cap is None else f", {limits.daily_cap} a day"
    return f"{limits.rate:f} segments/s, {limits.burst} at once{day}"


def _row(limited: LimitedSender) -> tuple[str, ...]:
    sender, limits = limited.sender, limited.limits
    return (
        sender.address,
        sender.number_type,
        sender.provider,
        f"{limits.rate:f}",
        str(limits.burst),
        _or_none(limits.daily_cap),
        PRIORITIES[sender.priority],
        f"{sender.weight:g}",
        str(sender.account_id),
    )


def _provider_row(account: ProviderAccount) -> tuple[str, ...]:
    limits = account.limits
    return (
        account.name,
        account.adapter,
        "" if limits.rate is None else f"{limits.rate:g}",
        _or_none(limits.burst),
        _or_none(limits.in_flight_cap),
        "" if limits.paused_at is None else f"since {limits.paused_at:%Y-%m-%d %H:%M}Z",
        account.circuit.state,
    )


def _or_none(number: int | None) -> str:
    return "" if number is None else str(number)
