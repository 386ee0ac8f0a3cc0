"""Whether the database keeps what it commits, and tells the time that this machine tells; else nothing is promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.store.engine import Connection
from app.store.soundness import DatabaseFacts, read_facts
from app.telemetry import get_logger

_log = get_logger(__name__)

_SOUND: Final = {
    "fsync": frozenset({"on"}),
    "full_page_writes": frozenset({"on"}),
    "synchronous_commit": frozenset({"on", "remote_apply"}),
}
"""The values with which a commit is kept, through a crash of the machine and, where one is named, by a standby."""

TOLERATED: Final = timedelta(seconds=2)
"""Difference of the clocks that is not spoken of."""

BEARABLE: Final = timedelta(seconds=60)
"""Difference beyond which signatures of webhooks and new ids are too far off to go on."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is to be said of a database."""

    hindrances: tuple[str, ...] = ()
    """Why nothing should be entrusted to it."""

    warnings: tuple[str, ...] = ()
    """What is not as it should be, though the gateway works."""


class Soundness:
    """Judges a database; says once in the log what is wrong, and again when that changes."""

    def __init__(self, *, allow_unsafe: bool) -> None:
        """Take whether the operator has chosen to live with settings that may lose a commit."""
        self._allow_unsafe = allow_unsafe
        self._said = Verdict()

    async def judge(self, connection: Connection) -> Verdict:
        """Ask the database and judge its answer."""
        verdict = judge(await read_facts(connection), allow_unsafe=self._allow_unsafe)
        if verdict != self._said:
            self._said = verdict
            _log.warning("database judged", hindrances=verdict.hindrances, warnings=verdict.warnings)
        return verdict


def judge(facts: DatabaseFacts, *, allow_unsafe: bool) -> Verdict:
    """Say what hinders, and what is only worth a warning."""
    unsafe = [
        f"{name} is {facts.settings[name]} in Postgres, so what was accepted may be lost in a crash"
        for name, sound in _SOUND.items()
        if facts.settings[name] not in sound
    ]
    hindrances = [] if allow_unsafe else [f"{what} (GATEWAY_DATABASE__ALLOW_UNSAFE accepts that)" for what in unsafe]
    warnings = unsafe if allow_unsafe else []
    if abs(facts.ahead) > BEARABLE:
        hindrances.append(_clock(facts.ahead))
    elif abs(facts.ahead) > TOLERATED:
        warnings.append(_clock(facts.ahead))
    return Verdict(hindrances=tuple(hindrances), warnings=tuple(warnings))


def _clock(ahead: timedelta) -> str:
    side = "ahead of" if ahead > timedelta(0) else "behind"
    bound = BEARABLE if abs(ahead) > BEARABLE else TOLERATED
    return f"this machine's clock is more than {bound.seconds} s {side} the database's; set both by NTP"
