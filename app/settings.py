"""Every setting: its name, default, unit and a sentence. Read once, at the top; nothing below reads any.

Names have the prefix `GATEWAY_` and two underscores between parts: `GATEWAY_API__PORT`. Files in the
secrets directory (`GATEWAY_SECRETS_DIR`, by default /run/secrets) named like the variables, in lower
case, are read as well; the environment goes before them.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic.networks import IPvAnyNetwork
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as SourceError

from app.api.request_log import LoggedRequests
from app.services.messages import SANDBOX

PREFIX: Final = "GATEWAY_"
DELIMITER: Final = "__"
OF_THE_PROCESS: Final[dict[str, str]] = {
    "GATEWAY_NO_BOOTSTRAP": "1 keeps `python3 -m app` from making its own environment",
    "GATEWAY_PG_BIN": "directory of PostgreSQL's programs for `gateway dev` and the tests",
    "GATEWAY_DATA_DIR": "where `gateway dev` keeps its database; by default .data in the repository",
    "GATEWAY_SECRETS_DIR": "directory of files that hold settings, by default /run/secrets",
    "GATEWAY_TEST_DATABASE_URL": "a Postgres server that the tests may make databases on",
    "GATEWAY_TEST_FULL": "1 makes the tests run every fault, soak, browser and contract test in full",
}
"""Variables that are read before, or outside of, the settings."""


class SettingsError(Exception):
    """A setting is missing, wrong or unknown; `args[0]` names each variable and what is wrong with it."""


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ApiSettings(_Group):
    """The API process."""

    host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port that the API listens on; 0 takes a free one.")
    body_seconds: float = Field(
        default=10, gt=0, le=300, description="How long a request's body may take to arrive, in seconds."
    )
    key_cache_seconds: float = Field(
        default=5, ge=0, le=5, description="How long a key counts as verified; so long may a revoked one live on."
    )
    requests_per_second: int = Field(
        default=500, ge=1, le=1_000_000, description="Requests of one key that each process takes in a second."
    )
    request_burst: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Requests of one key at once; by default those of two seconds."
    )
    bad_credentials_per_minute: int = Field(
        default=20, ge=1, le=1_000_000, description="Wrong API keys of one address before it has to wait."
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        default=(), description="Networks of proxies whose X-Forwarded-For tells the caller's address, as a JSON list."
    )


class DatabaseSettings(_Group):
    """The pool of each process."""

    pool_size: int = Field(default=10, ge=4, le=200, description="Connections of each process.")
    statement_seconds: float = Field(default=5, gt=0, description="Longest run of one statement, in seconds.")
    acquire_seconds: float = Field(default=2, gt=0, description="Longest wait for a connection, in seconds.")


class DispatchSettings(_Group):
    """The worker."""

    concurrency: int = Field(default=64, ge=1, le=1000, description="Sends in flight in each worker.")
    send_deadline_seconds: float = Field(default=20, gt=0, description="Total time of one provider call, in seconds.")
    connect_seconds: float = Field(default=5, gt=0, description="Longest wait for a connection to a provider.")
    lease_seconds: float = Field(default=45, gt=0, description="How long a worker may be silent about its claims.")
    evidence_wait_seconds: float = Field(
        default=120, gt=0, description="How long an unknown outcome waits for a status report, in seconds."
    )
    poll_seconds: float = Field(default=0.5, gt=0, description="How often the queue is looked at without being woken.")
    drain_seconds: float = Field(default=25, gt=0, description="How long a stopping worker waits for its sends.")
    retry_delays_seconds: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(1, 4, 15, 60, 300), min_length=1, description="Longest wait before each next try, as a JSON list."
    )
    max_tries: int = Field(default=6, ge=1, le=20, description="Tries of a message that was certainly not sent.")

    @model_validator(mode="after")
    def _lease_outlasts_the_send(self) -> DispatchSettings:
        if self.lease_seconds <= self.send_deadline_seconds:
            raise ValueError("lease_seconds must be longer than send_deadline_seconds, or workers are taken for dead")
        return self


class MessageSettings(_Group):
    """Messages."""

    validity_seconds: int = Field(
        default=36_000, ge=1, le=259_200, description="How long a message stays worth sending, if its caller is silent."
    )
    queued_per_account: int = Field(
        default=1_000_000, ge=1, description="Messages of one account that may wait; further ones are refused."
    )


class RetentionSettings(_Group):
    """How long things are kept."""

    idempotency_days: int = Field(default=7, ge=1, le=90, description="Days that an Idempotency-Key is remembered.")
    webhook_digest_days: int = Field(default=3, ge=1, description="Days in which an equal webhook is a repeat.")
    webhook_receipt_days: int = Field(default=30, ge=1, description="Days that processed webhooks are kept.")
    orphan_hours: int = Field(default=72, ge=1, description="Hours that a report waits for its attempt to be known.")
    inbound_reference_days: int = Field(default=30, ge=1, description="Days in which an inbound id is a repeat.")


class SandboxSettings(_Group):
    """The pretend carrier network, and how it is reached. Test keys reach nothing else."""

    url: str = Field(default="http://127.0.0.1:8081", description="Where the gateway reaches the sandbox.")
    host: str = Field(default="127.0.0.1", description="Address that `gateway sandbox` listens on.")
    port: int = Field(default=8081, ge=0, le=65535, description="Port that it listens on; 0 takes a free one.")
    api_key: str = Field(default="sandbox", description="User of the sandbox's API.")
    api_secret: SecretStr | None = Field(
        default=None, min_length=8, description="Its password; by default derived from GATEWAY_SECRET_KEY."
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        min_length=8,
        description="What the sandbox signs its webhooks with; by default derived from GATEWAY_SECRET_KEY.",
    )
    pace: float = Field(default=1, ge=0, le=100, description="Factor on all of the carriers' latencies.")


class ProviderSettings(BaseModel):
    """One configured upstream account: which adapter speaks for it, and that adapter's own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    adapter: str = Field(description="The adapter that speaks this account's API.")

    @property
    def config(self) -> dict[str, Any]:
        """The adapter's own settings, not yet checked."""
        return dict(self.model_extra or {})


def _postgres_only(url: SecretStr) -> SecretStr:
    if not re.match(r"(postgres|postgresql|postgresql\+asyncpg)://", url.get_secret_value()):
        raise ValueError("must begin with postgresql://")
    return url


class Settings(BaseSettings):
    """All settings of all processes."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: Annotated[SecretStr, AfterValidator(_postgres_only)] = Field(
        description="The Postgres database, `postgresql+asyncpg://user:password@host/name`."
    )
    secret_key: SecretStr = Field(
        min_length=32, description="At least 32 random characters: signs the ids in status webhook URLs."
    )
    public_url: str = Field(
        default="http://127.0.0.1:8080",
        pattern=r"^https?://[^/?#\s]+(/[^?#\s]*[^/?#\s])?$",
        description="The address at which providers reach the API, without a slash at its end.",
    )
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR."
    )
    log_json: bool | None = Field(default=None, description="Log as JSON; by default where there is no terminal.")
    log_requests: LoggedRequests = Field(
        default=LoggedRequests.ALL,
        description="Requests that leave a log line: `all`, or `failures` (from status 400).",
    )
    api: ApiSettings = ApiSettings()
    database: DatabaseSettings = DatabaseSettings()
    dispatch: DispatchSettings = DispatchSettings()
    messages: MessageSettings = MessageSettings()
    retention: RetentionSettings = RetentionSettings()
    sandbox: SandboxSettings = SandboxSettings()
    providers: dict[str, ProviderSettings] = Field(
        default_factory=dict,
        description="Provider accounts: `GATEWAY_PROVIDERS__<name>__ADAPTER`, and what its adapter needs.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments, then the environment, then the secrets directory, nested names included."""
        secrets = NestedSecretsSettingsSource(
            file_secret_settings,
            secrets_dir=secrets_directory(os.environ),
            secrets_dir_missing="ok",
            secrets_nested_delimiter=DELIMITER,
        )
        return init_settings, env_settings, secrets

    @model_validator(mode="after")
    def _sandbox_is_not_redefined(self) -> Settings:
        if SANDBOX in self.providers:
            raise ValueError(f"the provider account `{SANDBOX}` is built in: set GATEWAY_SANDBOX__… instead")
        return self


def load_settings(**given: Any) -> Settings:
    """Read all settings; raises `SettingsError` with one line for each variable that is not right.

    `given` goes before the environment, for whoever has the values already.
    """
    directory = secrets_directory(os.environ)
    files = {file.name: "" for file in directory.iterdir()} if directory.is_dir() else {}
    refuse_unknown({**files, **os.environ})
    try:
        return Settings(**given)
    except SourceError as error:
        raise SettingsError(_unreadable_line(error)) from error
    except ValidationError as error:
        lines = [_line(item["loc"], item["msg"]) for item in error.errors(include_input=False)]
        raise SettingsError("\n".join(lines)) from error


def secrets_directory(environment: Mapping[str, str]) -> Path:
    """Name the directory that secrets are read from."""
    return Path(environment.get("GATEWAY_SECRETS_DIR", "/run/secrets"))


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raise `SettingsError`, naming each variable with our prefix that means nothing to us."""
    unknown = unknown_variables(environment)
    if unknown:
        raise SettingsError("\n".join(_unknown_line(name) for name in unknown))


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """List the variables with our prefix that mean nothing to us."""
    known = {name for name, _, _ in described_settings()}
    return sorted(
        name
        for name in environment
        if name.upper().startswith(PREFIX)
        and name.upper() not in known
        and name not in OF_THE_PROCESS
        and not name.upper().startswith(f"{PREFIX}PROVIDERS{DELIMITER}")
    )


def described_settings() -> Iterator[tuple[str, str, str]]:
    """Give (variable, default, description) of each setting, in the order of declaration."""
    yield from _described(Settings, PREFIX)


def _described(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, _Group):
            yield from _described(field.annotation, f"{variable}{DELIMITER}")
        else:
            yield variable, _default(field.is_required(), field.default), field.description or ""


def _default(required: bool, value: Any) -> str:
    if required:
        return "(required)"
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if value is None or not isinstance(value, (str, int, float, tuple)):
        return ""
    # Lists are read as JSON, so they are shown as such.
    return f"[{', '.join(f'{part:g}' for part in value)}]" if isinstance(value, tuple) else str(value)


def _line(location: tuple[int | str, ...], message: str) -> str:
    if not location:
        return f"Settings: {message}"
    variable = PREFIX + DELIMITER.join(str(part).upper() for part in location)
    # A secret's length is counted in characters, whatever the library calls them.
    return f"{variable}: {message.removeprefix('Value error, ').replace(' items ', ' characters ')}"


def _unreadable_line(error: SourceError) -> str:
    """Name the variables among which one is not JSON: the library names their field only."""
    prefix = PREFIX + str(error).partition('"')[2].partition('"')[0].upper()
    names = sorted(name for name in os.environ if name.upper().startswith(prefix))
    return f"{', '.join(names)}: cannot be read; a list is written as JSON, such as [1, 4, 15]."


def _unknown_line(name: str) -> str:
    near = difflib.get_close_matches(name, [known for known, _, _ in described_settings()], n=1, cutoff=0.7)
    return f"{name}: there is no such setting." + (f" Did you mean {near[0]}?" if near else "")
