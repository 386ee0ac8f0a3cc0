"""What operators change while it runs, at a terminal or over the API."""

from __future__ import annotations

from dataclasses import dataclass

from app.services.accounts import Accounts
from app.services.administration import Administration
from app.services.named_ways import NamedWays
from app.services.pausing import Pausing
from app.services.provider_accounts import ProviderAccounts
from app.services.sender_administration import SenderAdministration
from app.services.sending_rates import SendingRates


@dataclass(frozen=True, kw_only=True)
class Operators:
    """The use cases of operators, by what they are about."""

    administration: Administration
    """Accounts and keys by their names, for the terminal."""

    accounts: Accounts
    senders: SenderAdministration
    rates: SendingRates
    providers: ProviderAccounts
    ways: NamedWays
    pausing: Pausing
