"""One seed, one run: drawn, played to its end, and looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from app.domain.status import MessageStatus
from tests.simulation.decisions import REAL, Decisions
from tests.simulation.faults import Chances, Fault
from tests.simulation.findings import Finished, findings
from tests.simulation.gateway import Gateway
from tests.simulation.scenario import Scenario, scenario
from tests.simulation.store import Broken
from tests.simulation.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one seed."""

    seed: int
    messages: int
    faults: Counter[Fault]
    statuses: Counter[MessageStatus]
    doubled: Counter[str]
    """How many messages were taken twice, by guarantee and what their provider offers."""

    findings: tuple[str, ...]


def simulate(seed: int, *, decisions: Decisions = REAL, say: Callable[[str], None] | None = None) -> Outcome:
    """Play a seed; `say` is given a line for everything that is written, if anybody wants to read it."""
    random = Random(seed)  # noqa: S311 - the same seed is to give the same run
    drawn = scenario(random)
    timeline, chances = Timeline(), Chances(random, drawn.rates)

    def timed(words: str) -> None:
        if say is not None:
            say(f"{timeline.seconds:12.3f}  {words}")

    gateway = Gateway(drawn, decisions, timeline, chances, timed if say else None)
    gateway.start()
    try:
        timeline.run()
        found = findings(Finished(scenario=drawn, database=gateway.database, provider=gateway.provider))
    except Broken as broken:
        found = [str(broken)]
    except Exception as error:  # noqa: BLE001 - a decision that raises is a finding like any other, with its seed
        found = [repr(error)]
    statuses = Counter(message.status for message in gateway.database.store.messages.values())
    return Outcome(
        seed=seed,
        messages=len(drawn.texts),
        faults=_counted(drawn, chances, statuses),
        statuses=statuses,
        doubled=_doubled(drawn, gateway),
        findings=tuple(found),
    )


def _doubled(drawn: Scenario, gateway: Gateway) -> Counter[str]:
    """Count what was taken twice; equal texts to one recipient may be taken for each other, and are left out."""
    taken = Counter(copy.ref.message_id for copy in gateway.provider.copies)
    doubled = [text.state for text in drawn.texts if taken[text.state.id] > 1 and not text.twin]
    return Counter(f"{state.delivery_guarantee} with {drawn.kind}" for state in doubled)


def _counted(drawn: Scenario, chances: Chances, statuses: Counter[MessageStatus]) -> Counter[Fault]:
    """Add what is no throw of the dice to what was counted."""
    counts = chances.counts
    recipients = Counter(text.recipient for text in drawn.texts)
    counts[Fault.SAME_RECIPIENT] = sum(times - 1 for times in recipients.values())
    counts[Fault.TWIN] = sum(text.twin for text in drawn.texts)
    counts[Fault.CLOCK_APART] = int(bool(drawn.clock_apart))
    counts[Fault.CANCELED] = statuses[MessageStatus.CANCELED]
    counts[Fault.STALE] = statuses[MessageStatus.EXPIRED]
    return counts
