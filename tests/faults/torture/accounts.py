"""The providers of a run: one account for each kind of evidence, and each of them bad at its trade."""

from __future__ import annotations

import random
from typing import Final

from app.providers.sandbox import Evidence
from tests.support.fake_provider.conduct import UNCLEAR, Conduct, always, seeded
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_provider.webhooks import Habits
from tests.support.upstreams import Upstream

FAULTY: Final = {
    **dict.fromkeys(UNCLEAR, 0.015),
    **dict.fromkeys(
        (
            Conduct.THROTTLED_SECONDS,
            Conduct.THROTTLED_DATE,
            Conduct.THROTTLED_NEGATIVE,
            Conduct.THROTTLED_TEXT,
        ),
        0.0075,
    ),
    Conduct.LOST: 0.03,
    Conduct.HANG: 0.02,
    Conduct.DRIP: 0.02,
    Conduct.UNAVAILABLE: 0.02,
    Conduct.REFUSED: 0.01,
}
"""A quarter of all answers. One that asks for patience without end is left out: its message would outlast the run."""

_SILENT: Final = {**dict.fromkeys(UNCLEAR, 0.02), Conduct.HANG: 0.045, Conduct.DRIP: 0.045}
"""The same share of the answers to questions."""

_UNTIDY: Final = Habits(
    statuses=("sending", "sent", "delivered"),
    delay_seconds=(0.0, 1.0),
    shuffled=True,
    doubled=0.3,
    dropped=0.1,
    early=0.1,
    strangers=0.03,
)
_LATENCY_SECONDS: Final = (0.02, 0.3)


def make_provider(evidence: Evidence, seed: int) -> FakeProvider:
    """Make the provider of one account; what it does follows from the seed and the order in which it is asked."""
    number = random.Random(f"{seed} {evidence.value}").getrandbits(32)  # noqa: S311 - so that a run can be repeated
    return FakeProvider(
        seeded(number, FAULTY),
        questions=seeded(number + 1, _SILENT),
        habits=_UNTIDY,
        seed=number,
        latency_seconds=_LATENCY_SECONDS,
    )


def calm(accounts: list[Upstream]) -> None:
    """Have every provider answer as it should from now on; reports still come in any order."""
    for account in accounts:
        account.provider.script = account.provider.questions = always(Conduct.PROPER)
