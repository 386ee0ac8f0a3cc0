"""What the fake provider has taken, and what its records show of it when it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

PAGE_SIZE: Final = 25
"""Far less than clients ask for, so that a longer answer has pages."""


@dataclass(frozen=True, kw_only=True)
class Powers:
    """What this provider offers beyond taking messages."""

    folds_keys: bool = True
    """Whether it looks at the header Idempotency-Key."""

    answers_questions: bool = True
    """Whether messages can be fetched and searched for."""

    search_lag_seconds: float = 0
    """How long a message is missing from searches after it was taken."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A message that was taken."""

    id: str
    document: dict[str, Any] = field(repr=False)
    at: datetime


class Records:
    """The messages in the order in which they were taken, by id, by key, and by what they say."""

    def __init__(self, powers: Powers, *, end: str | None, over_after_seconds: float) -> None:
        """Take what may be asked, and as what and how soon a message ends, whether that is ever posted or not."""
        self._powers = powers
        self._end = end
        self._over_after_seconds = over_after_seconds
        self._messages: dict[str, Kept] = {}
        self._keys: dict[str, Kept] = {}

    def under(self, key: str | None) -> Kept | None:
        """Give what was taken under a key."""
        return None if key is None else self._keys.get(key)

    def take(self, content: dict[str, Any], key: str | None) -> Kept:
        """Keep a message."""
        kept = Kept(id=f"fake-{uuid4()}", document=content, at=datetime.now(UTC))
        self._messages[kept.id] = kept
        if key is not None:
            self._keys[key] = kept
        return kept

    def fetch(self, identifier: str) -> dict[str, Any] | None:
        """Show one message; None where there is none."""
        kept = self._messages.get(identifier)
        return None if kept is None else self._shown(kept)

    def page(self, query: dict[str, str]) -> dict[str, Any]:
        """Show one page of the messages that a query asks for."""
        now, lag = datetime.now(UTC), self._powers.search_lag_seconds
        seen = [kept for kept in self._messages.values() if (now - kept.at).total_seconds() >= lag]
        found = [kept for kept in seen if _fits(kept, query)]
        start, size = int(query.get("page", "0")), min(PAGE_SIZE, int(query.get("limit", PAGE_SIZE)))
        end = start + size
        return {
            "messages": [self._shown(kept) for kept in found[start:end]],
            "next_page": str(end) if end < len(found) else None,
        }

    def _shown(self, kept: Kept) -> dict[str, Any]:
        is_over = (datetime.now(UTC) - kept.at).total_seconds() > self._over_after_seconds
        names = ("from", "to", "body", "reference")
        return {
            "id": kept.id,
            "status": self._end if self._end is not None and is_over else "queued",
            "created_at": kept.at,
            "error_code": None,
            "segments": 1,
            "price": {"amount": "0.0075", "currency": "USD"},
            **{name: kept.document.get(name) for name in names},
        }


def same_message(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two requests ask for the same text to the same number; the validity may have run down between them."""
    return all(one.get(name) == other.get(name) for name in ("from", "to", "body", "reference"))


def _fits(kept: Kept, query: dict[str, str]) -> bool:
    same = all(kept.document.get(name) == query[name] for name in ("reference", "from", "to") if name in query)
    since, until = query.get("since"), query.get("until")
    return (
        same
        and (since is None or kept.at >= datetime.fromisoformat(since))
        and (until is None or kept.at < datetime.fromisoformat(until))
    )
