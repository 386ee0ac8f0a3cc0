"""What one claim may take of the messages that it has locked: as long as lane, provider and places let them go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.allotment import Share
from app.domain.lanes import Allowance, Meter


@dataclass(kw_only=True, slots=True)
class ProviderLimits:
    """What bounds one provider account at a moment."""

    meter: Meter | None = None
    """None where nothing is counted."""

    calls: int | None = None
    """How many more calls it may have in flight; None for any number."""

    trial: bool = False
    """Whether the one call is to show if it works again."""

    def most(self, now: datetime) -> int | None:
        """Give how many messages it takes now at most; None for any number."""
        bounds = [] if self.calls is None else [self.calls]
        if self.meter is not None:
            bounds.append(self.meter.available(now))
        return min(bounds, default=None)


def bounded(shares: Sequence[Share], providers: Mapping[str, ProviderLimits], *, now: datetime) -> list[Share]:
    """Cut shares down to what their providers take now; what gets nothing is left out."""
    left = {name: most for name, limits in providers.items() if (most := limits.most(now)) is not None}
    kept: list[Share] = []
    for share in shares:
        provider = share.candidate.provider
        most = min(share.most, left.get(provider, share.most))
        if provider in left:
            left[provider] -= most
        if most:
            kept.append(Share(candidate=share.candidate, most=most))
    return kept


class Grants:
    """One claim's grants, all at one moment. A message that may not go keeps back what waits behind it in its lane.

    One for which its provider has too little left keeps back what else is to go there: it would never find enough.
    """

    def __init__(self, providers: Mapping[str, ProviderLimits], *, others: int, now: datetime) -> None:
        """Take what bounds providers, how many messages may go that are no one-time codes, and the database's time."""
        self._providers = providers
        self._others = others
        self._now = now
        self._lanes: dict[UUID, tuple[Meter, Allowance]] = {}
        self._allowances = {
            name: limits.meter.allowance(now) for name, limits in providers.items() if limits.meter is not None
        }
        self._calls = {name: limits.calls for name, limits in providers.items() if limits.calls is not None}
        self._kept_back: set[UUID] = set()
        self.used_up: set[str] = set()
        """Providers for which somebody's turn has come who needs more than is left."""

    def take(self, lane: UUID, meter: Meter, provider: str, *, rank: int, segments: int) -> bool:
        """Grant a message if it may go; `meter` is its lane's, as it is locked."""
        if lane in self._kept_back:
            return False
        _, own = self._lanes.setdefault(lane, (meter, meter.allowance(self._now)))
        if not own.fits(segments) or not self._has_place(provider, rank) or not self._has_enough(provider, segments):
            self._kept_back.add(lane)
            return False
        whole = self._allowances.get(provider)
        own.take(segments)
        if whole is not None:
            whole.take(segments)
        if provider in self._calls:
            self._calls[provider] -= 1
        if rank:
            self._others -= 1
        return True

    @property
    def others(self) -> int:
        """How many more may go that are no one-time codes."""
        return self._others

    def lanes(self) -> dict[UUID, Meter]:
        """Give the meters of the lanes that were granted something, charged with it."""
        return {
            lane: meter.charge(allowance.taken, self._now)
            for lane, (meter, allowance) in self._lanes.items()
            if allowance.taken
        }

    def providers(self) -> dict[str, Meter]:
        """Give the meters of the providers that were granted something, charged with it."""
        return {
            name: limits.meter.charge(self._allowances[name].taken, self._now)
            for name, limits in self._providers.items()
            if limits.meter is not None and self._allowances[name].taken
        }

    def _has_place(self, provider: str, rank: int) -> bool:
        return (not rank or self._others > 0) and self._calls.get(provider, 1) > 0

    def _has_enough(self, provider: str, segments: int) -> bool:
        whole = self._allowances.get(provider)
        if whole is not None and not whole.fits(segments):
            self.used_up.add(provider)
        return provider not in self.used_up
