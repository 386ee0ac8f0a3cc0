"""Every discovered adapter keeps the provider contract, by the same checks, with the network switched off."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

import pytest

from app.conformance import Check, Subject, checks, load_subjects
from app.providers import discover

SAMPLES: Final = Path(__file__).parent / "samples"
ADAPTERS: Final = discover()
SUBJECTS: Final[dict[str, Subject]] = {
    f"{name} {configuration}".strip(): subject
    for name, adapter in ADAPTERS.items()
    for configuration, subject in load_subjects(adapter, SAMPLES / name).items()
}
"""Each adapter, in each configuration that there are samples of."""


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("an adapter reached for the network")

    with monkeypatch.context() as patch:
        for name in ("socket", "create_connection", "getaddrinfo", "gethostbyname"):
            patch.setattr(socket, name, refuse)
        yield


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.name)
@pytest.mark.parametrize("name", SUBJECTS)
def test_the_adapter_keeps_the_contract(name: str, check: Check) -> None:
    assert check.run(SUBJECTS[name]) == []


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_settings_are_frozen_refuse_strangers_and_hide_secrets(name: str) -> None:
    config_type = ADAPTERS[name].config_type
    assert config_type.model_config.get("extra") == "forbid"
    assert config_type.model_config.get("frozen") is True


def test_every_folder_of_samples_belongs_to_an_adapter() -> None:
    assert {folder.name for folder in SAMPLES.iterdir()} == set(ADAPTERS)


def test_the_network_is_off() -> None:
    with pytest.raises(AssertionError, match="reached for the network"):
        socket.create_connection(("127.0.0.1", 9))
