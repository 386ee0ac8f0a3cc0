"""The adapter of each configured provider account."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from app.bootstrap.secrets import sandbox_secret
from app.domain.provider import ProviderAdapter
from app.providers import discover
from app.services.messages import SANDBOX
from app.settings import DELIMITER, PREFIX, Settings, SettingsError

Adapters = dict[str, ProviderAdapter[Any]]


def build_adapters(settings: Settings) -> Adapters:
    """Make the adapter of each configured provider account, and of the sandbox.

    Raises `SettingsError` naming each variable that an adapter misses or does not understand.
    """
    known = discover()
    sandbox = settings.sandbox
    configured: dict[str, tuple[str, dict[str, Any]]] = {
        name: (account.adapter, account.config) for name, account in settings.providers.items()
    }
    configured[SANDBOX] = (
        "sandbox",
        {
            "url": sandbox.url,
            "api_key": sandbox.api_key,
            "api_secret": sandbox_secret(settings, "api_secret"),
            "webhook_secret": sandbox_secret(settings, "webhook_secret"),
            "evidence": sandbox.evidence,
            "records": sandbox.records,
        },
    )
    return {name: _adapter(known, name, adapter, config) for name, (adapter, config) in configured.items()}


def _adapter(
    known: dict[str, type[ProviderAdapter[Any]]], name: str, adapter: str, config: dict[str, Any]
) -> ProviderAdapter[Any]:
    variable = f"{PREFIX}PROVIDERS{DELIMITER}{name.upper()}{DELIMITER}"
    kind = known.get(adapter)
    if kind is None:
        raise SettingsError(f"{variable}ADAPTER: there is no such adapter; there are {', '.join(sorted(known))}.")
    try:
        return kind(kind.config_type.model_validate(config))
    except ValidationError as error:
        lines = [
            f"{variable}{DELIMITER.join(str(part).upper() for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_input=False)
        ]
        raise SettingsError("\n".join(lines)) from error
