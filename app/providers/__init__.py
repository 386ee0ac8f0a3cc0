"""The upstream APIs: one module or package each, found by looking, so that adding a provider edits no list.

Each holds one class named `Adapter`, whose `name` is the module's name.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from app.domain.provider import ProviderAdapter


class ProviderModuleBroken(Exception):
    """A module of this package is no provider: a bug that stops the start-up. `args[0]` says what is missing."""


def discover() -> dict[str, type[ProviderAdapter[Any]]]:
    """Import every provider module and give its adapter by name; raises `ProviderModuleBroken`."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: adapter_of(importlib.import_module(f"{__name__}.{name}")) for name in names}


def adapter_of(module: ModuleType) -> type[ProviderAdapter[Any]]:
    """Give the module's `Adapter`; raises `ProviderModuleBroken` where it is missing or misnamed."""
    adapter = getattr(module, "Adapter", None)
    if not (isinstance(adapter, type) and issubclass(adapter, ProviderAdapter)):
        raise ProviderModuleBroken(f"{module.__name__} holds no ProviderAdapter named Adapter")
    expected = module.__name__.rpartition(".")[2]
    if getattr(adapter, "name", None) != expected:
        raise ProviderModuleBroken(f"the Adapter of {module.__name__} must have the name {expected!r}")
    return adapter
