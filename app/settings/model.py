"""The settings of a process: the groups, and what stands by itself."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.api.request_log import LoggedRequests
from app.services.messages import SANDBOX
from app.settings.groups import (
    ApiSettings,
    DatabaseSettings,
    DispatchSettings,
    MessageSettings,
    RetentionSettings,
    SandboxSettings,
)

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


class ProviderSettings(BaseModel):
    """One configured upstream account: which adapter speaks for it, and that adapter's own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    adapter: str = Field(description="The adapter that speaks this account's API.")

    @property
    def config(self) -> dict[str, Any]:
        """The adapter's own settings, not yet checked."""
        return dict(self.model_extra or {})


def secrets_directory(environment: Mapping[str, str]) -> Path:
    """Name the directory that secrets are read from."""
    return Path(environment.get("GATEWAY_SECRETS_DIR", "/run/secrets"))


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
