"""What operators work with, and the sandbox."""

from __future__ import annotations

from app.bootstrap.secrets import sandbox_secret
from app.sandbox.config import SandboxConfig
from app.services.accounts import Accounts
from app.services.administration import Administration
from app.services.messages import SANDBOX
from app.services.named_ways import NamedWays
from app.services.operators import Operators
from app.services.pausing import Pausing
from app.services.provider_accounts import ProviderAccounts
from app.services.sender_administration import SenderAdministration
from app.services.sending_rates import SendingRates
from app.settings import Settings
from app.store.engine import Engine


def build_operators(settings: Settings, engine: Engine) -> Operators:
    """Put together what operators work with."""
    adapters = {SANDBOX: SANDBOX, **{name: account.adapter for name, account in settings.providers.items()}}
    return Operators(
        administration=build_administration(settings, engine),
        accounts=Accounts(engine),
        senders=SenderAdministration(engine, adapters),
        rates=SendingRates(engine),
        providers=ProviderAccounts(engine, adapters),
        ways=NamedWays(engine),
        pausing=Pausing(engine, adapters),
    )


def build_administration(settings: Settings, engine: Engine) -> Administration:
    """Put together what makes accounts and keys."""
    return Administration(engine, {*settings.providers, SANDBOX})


def build_sandbox(settings: Settings) -> SandboxConfig:
    """Tell the sandbox what it has to know."""
    sandbox = settings.sandbox
    return SandboxConfig(
        api_key=sandbox.api_key,
        api_secret=sandbox_secret(settings, "api_secret"),
        webhook_secret=sandbox_secret(settings, "webhook_secret"),
        pace=sandbox.pace,
    )
