"""Settings: read once, refused with the variable's name, and described truly."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.bootstrap import build_adapters
from app.domain.provider import Capabilities
from app.settings import SettingsError, described_settings, load_settings

REQUIRED = {"GATEWAY_DATABASE_URL": "postgresql+asyncpg://localhost/x", "GATEWAY_SECRET_KEY": "k" * 32}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {**REQUIRED, "GATEWAY_SECRETS_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)


def test_everything_but_two_settings_has_a_default() -> None:
    settings = load_settings()
    assert (settings.api.port, settings.dispatch.evidence_wait_seconds) == (8080, 120)
    required = [name for name, default, _ in described_settings() if default == "(required)"]
    assert required == ["GATEWAY_DATABASE_URL", "GATEWAY_SECRET_KEY"]


def test_every_setting_has_a_sentence() -> None:
    for name, _, description in described_settings():
        assert description.endswith("."), name


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("GATEWAY_API__PORT", "http", "GATEWAY_API__PORT: Input should be a valid integer"),
        ("GATEWAY_SECRET_KEY", "short", "GATEWAY_SECRET_KEY: Value should have at least 32 characters"),
        ("GATEWAY_PUBLIC_URL", "ftp://x", "GATEWAY_PUBLIC_URL: String should match pattern"),
        ("GATEWAY_API__PROT", "1", "GATEWAY_API__PROT: there is no such setting. Did you mean GATEWAY_API__PORT?"),
        ("GATEWAY_DISPATCH__RETRY_DELAYS_SECONDS", "1, 4", "GATEWAY_DISPATCH__RETRY_DELAYS_SECONDS: cannot be read"),
        ("GATEWAY_DISPATCH__RETRY_DELAYS_SECONDS", "[-1]", "GATEWAY_DISPATCH__RETRY_DELAYS_SECONDS__0: Input should"),
        ("GATEWAY_DISPATCH__LEASE_SECONDS", "inf", "GATEWAY_DISPATCH__LEASE_SECONDS: Input should be a finite"),
        ("GATEWAY_API", "foo", "GATEWAY_API: there is no such setting"),
        ("GATEWAY_DATABASE_URL", "mysql://x", "GATEWAY_DATABASE_URL: must begin with postgresql://"),
        ("GATEWAY_COLOUR", "red", "GATEWAY_COLOUR: there is no such setting."),
        ("GATEWAY_DISPATCH__LEASE_SECONDS", "5", "GATEWAY_DISPATCH: lease_seconds must be longer"),
        (
            "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS",
            "44",
            "GATEWAY_DISPATCH: evidence_wait_seconds must not be shorter",
        ),
        ("GATEWAY_DISPATCH__LEASE_SECONDS", "121", "GATEWAY_DISPATCH: evidence_wait_seconds must not be shorter"),
        ("GATEWAY_SANDBOX__EVIDENCE", "hearsay", "GATEWAY_SANDBOX__EVIDENCE: Input should be 'webhook', "),
        ("GATEWAY_PROVIDERS__SANDBOX__ADAPTER", "sandbox", "the provider account `sandbox` is built in"),
        ("GATEWAY_PROVIDERS__ACME__URL", "https://x", "GATEWAY_PROVIDERS__ACME__ADAPTER: Field required"),
    ],
)
def test_a_wrong_or_unknown_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert told in str(refused.value)


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_DATABASE_URL")
    with pytest.raises(SettingsError, match="GATEWAY_DATABASE_URL: Field required"):
        load_settings()


def test_no_secret_shows_in_an_error_or_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "postgresql+asyncpg://u:canary-1@h/x")
    monkeypatch.setenv("GATEWAY_SANDBOX__API_SECRET", "canary-2")
    assert "canary" not in repr(load_settings())
    monkeypatch.setenv("GATEWAY_SECRET_KEY", "canary-3")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["GATEWAY_NO_BOOTSTRAP", "GATEWAY_PG_BIN", "GATEWAY_TEST_DATABASE_URL", "GATEWAY_TEST_FULL"]
)
def test_the_processes_own_variables_are_known(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    load_settings()


def test_a_secrets_directory_holds_settings_too_and_the_environment_goes_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GATEWAY_SECRET_KEY")
    (tmp_path / "gateway_secret_key").write_text("s" * 40)
    (tmp_path / "gateway_sandbox__api_secret").write_text("from-a-file")
    (tmp_path / "somebody_elses_secret").write_text("x")
    settings = load_settings()
    assert settings.secret_key.get_secret_value() == "s" * 40
    assert settings.sandbox.api_secret is not None
    assert settings.sandbox.api_secret.get_secret_value() == "from-a-file"
    (tmp_path / "gateway_tpyo").write_text("x")
    with pytest.raises(SettingsError, match="gateway_tpyo: there is no such setting"):
        load_settings()
    (tmp_path / "gateway_tpyo").unlink()
    monkeypatch.setenv("GATEWAY_SANDBOX__API_SECRET", "from-the-environment")
    changed = load_settings().sandbox.api_secret
    assert changed is not None
    assert changed.get_secret_value() == "from-the-environment"


def test_a_provider_account_is_configured_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = "GATEWAY_PROVIDERS__ACME__"
    for name, value in {
        "ADAPTER": "sandbox",
        "URL": "https://sms.example",
        "API_KEY": "key",
        "API_SECRET": "secret",
        "WEBHOOK_SECRET": "webhook-secret",
    }.items():
        monkeypatch.setenv(prefix + name, value)
    assert set(build_adapters(load_settings())) == {"acme", "sandbox"}
    monkeypatch.delenv(f"{prefix}API_SECRET")
    with pytest.raises(SettingsError, match="GATEWAY_PROVIDERS__ACME__API_SECRET: Field required"):
        build_adapters(load_settings())
    monkeypatch.setenv(f"{prefix}ADAPTER", "carrier-pigeon")
    with pytest.raises(SettingsError, match="GATEWAY_PROVIDERS__ACME__ADAPTER: there is no such adapter"):
        build_adapters(load_settings())


def test_the_sandbox_can_be_asked_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = build_adapters(load_settings())["sandbox"].capabilities
    assert (asked.reference_search, asked.idempotency_window, asked.fetch, asked.listing) == (True, None, True, True)
    monkeypatch.setenv("GATEWAY_SANDBOX__EVIDENCE", "webhook")
    monkeypatch.setenv("GATEWAY_SANDBOX__RECORDS", "false")
    assert build_adapters(load_settings())["sandbox"].capabilities == Capabilities(message_status_url=True)
