"""Reading and changing what each configured provider account is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.domain.errors import ErrorCode, Refusal
from app.services.editing import Editor, note
from app.store.engine import Engine, transaction
from app.store.provider_accounts import (
    CircuitState,
    ProviderLimits,
    change_provider_limits,
    list_circuits,
    list_provider_limits,
)


@dataclass(frozen=True, kw_only=True)
class ProviderAccount:
    """A configured provider account as it stands."""

    name: str
    adapter: str
    """The name of the adapter that speaks its API."""

    limits: ProviderLimits
    circuit: CircuitState


class ProviderAccounts:
    """The configured provider accounts. Who may is asked before; each raises `StoreUnavailable`."""

    def __init__(self, engine: Engine, adapters: Mapping[str, str]) -> None:
        """Take the engine, and the name of each configured account's adapter."""
        self._engine = engine
        self._adapters = adapters

    async def list(self) -> list[ProviderAccount]:
        """List all that are configured, by name; what is kept of others is left out."""
        async with transaction(self._engine) as connection:
            limits, circuits = await list_provider_limits(connection), await list_circuits(connection)
        return [
            ProviderAccount(
                name=name,
                adapter=adapter,
                limits=limits.get(name, ProviderLimits()),
                circuit=circuits.get(name, CircuitState()),
            )
            for name, adapter in sorted(self._adapters.items())
        ]

    async def change(self, editor: Editor, name: str, changes: Mapping[str, Any]) -> ProviderAccount:
        """Change limits of one; raises `not-found` for one that is not configured."""
        if name not in self._adapters:
            raise Refusal(ErrorCode.NOT_FOUND, "No provider account of that name is configured.")
        async with transaction(self._engine) as connection:
            await change_provider_limits(connection, name, changes)
            told = {key: float(value) if isinstance(value, Decimal) else value for key, value in changes.items()}
            await note(connection, editor, "providers.change", {"provider": name, **told})
        [changed] = [each for each in await self.list() if each.name == name]
        return changed
