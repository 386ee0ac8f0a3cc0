"""How providers are found, and that a module which is none stops the start."""

from __future__ import annotations

from types import ModuleType

import pytest

from app.providers import ProviderModuleBroken, adapter_of, discover
from app.providers.sandbox import Adapter


def module(adapter: object, name: str = "app.providers.sandbox") -> ModuleType:
    made = ModuleType(name)
    if adapter is not None:
        made.__dict__["Adapter"] = adapter
    return made


def test_every_module_of_the_package_is_a_provider_by_its_own_name() -> None:
    found = discover()
    assert found["sandbox"] is Adapter
    assert all(adapter.name == name for name, adapter in found.items())


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (module(None), "holds no ProviderAdapter"),
        (module(object), "holds no ProviderAdapter"),
        (module("Adapter"), "holds no ProviderAdapter"),
        (module(Adapter, "app.providers.acme"), "must have the name 'acme'"),
    ],
)
def test_a_module_without_a_rightly_named_adapter_is_refused(broken: ModuleType, problem: str) -> None:
    with pytest.raises(ProviderModuleBroken, match=problem):
        adapter_of(broken)
