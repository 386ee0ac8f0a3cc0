"""`gateway pools` and `gateway routes`: senders that share traffic, and where messages go that name none."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.operators import do
from app.cli.tables import print_table
from app.domain.routes import MOST_WEIGHT
from app.store.pools import StoredPool

AccountName = Annotated[str, typer.Option("--account", help="Name of the account.")]
MaybeAccount = Annotated[str | None, typer.Option("--account", help="Name of the account; all without it.")]
PoolName = Annotated[str, typer.Argument(help="The pool's name.")]
Address = Annotated[str, typer.Argument(help="A sender of the account.")]
Prefix = Annotated[str, typer.Argument(help="How recipients begin, such as +1 or +44.")]


def register(cli: typer.Typer) -> None:
    """Add these commands."""
    pools = typer.Typer(help="Sender pools: senders that share an account's traffic.", no_args_is_help=True)
    pools.command(name="create")(create_pool)
    pools.command(name="list")(list_pools)
    pools.command(name="add")(add_member)
    pools.command(name="remove")(remove_member)
    pools.command(name="delete")(delete_pool)
    routes = typer.Typer(help="Routes: where messages go that name no sender.", no_args_is_help=True)
    routes.command(name="set")(set_route)
    routes.command(name="list")(list_routes)
    routes.command(name="remove")(remove_route)
    for name, group in (("pools", pools), ("routes", routes)):
        cli.add_typer(group, name=name)


def create_pool(
    name: Annotated[str, typer.Argument(help="Small letters, digits and hyphens.")],
    account: AccountName,
    *,
    match_area: Annotated[
        bool, typer.Option(help="Whether a sender of the recipient's area code (+1 alone) comes first.")
    ] = False,
) -> None:
    """Make a pool; `pools add` adds senders to it."""
    pool = do(lambda operators: operators.ways.create_pool(account, name, match_area=match_area))
    print(f"pool {pool.name} {pool.id}")


def list_pools(account: MaybeAccount = None) -> None:
    """List pools with their senders."""
    rows = do(lambda operators: operators.ways.list_pools(account))
    columns = ("pool", "account", "match area", "sender", "type", "provider", "weight")
    print_table(columns, [row for owner, pool in rows for row in _rows(owner, pool)])


def add_member(
    pool: PoolName,
    sender: Address,
    account: AccountName,
    weight: Annotated[
        float, typer.Option(help=f"Its share beside the others, up to {MOST_WEIGHT}; 0 gives it no new messages.")
    ] = 1,
) -> None:
    """Add a sender to a pool, or change its weight."""
    do(lambda operators: operators.ways.put_member(account, pool, sender, weight=weight))
    print(f"pool {pool}: {sender} with weight {weight:g}")


def remove_member(pool: PoolName, sender: Address, account: AccountName) -> None:
    """Take a sender out of a pool; what waits for it still goes out from it."""
    do(lambda operators: operators.ways.remove_member(account, pool, sender))
    print("removed")


def delete_pool(pool: PoolName, account: AccountName) -> None:
    """Delete a pool that no route leads to; its senders stay."""
    do(lambda operators: operators.ways.delete_pool(account, pool))
    print("deleted")


def set_route(
    prefix: Prefix,
    target: Annotated[str, typer.Argument(help="A sender of the account, or pool:<name>.")],
    account: AccountName,
) -> None:
    """Lead messages that name no sender, by how their recipient begins; one route for each prefix."""
    route = do(lambda operators: operators.ways.set_route(account, prefix, target))
    print(f"route {route.prefix} to {route.target}")


def list_routes(account: MaybeAccount = None) -> None:
    """List routes; the longest prefix that fits counts."""
    rows = do(lambda operators: operators.ways.list_routes(account))
    print_table(("prefix", "account", "target"), [(route.prefix, owner, route.target) for owner, route in rows])


def remove_route(prefix: Prefix, account: AccountName) -> None:
    """Remove the route of a prefix."""
    do(lambda operators: operators.ways.remove_route(account, prefix))
    print("removed")


def _rows(owner: str, pool: StoredPool) -> list[tuple[str, ...]]:
    """Give a row for each member, or one for a pool without any."""
    head = (pool.name, owner, "yes" if pool.match_area else "")
    return [
        (*head, member.address, member.number_type, member.provider, f"{member.weight:g}") for member in pool.members
    ] or [(*head, "", "", "", "")]
