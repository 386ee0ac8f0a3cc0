"""What a run prints: what was done to it, what came of it, and what must not have been."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from app.domain.message import DeliveryGuarantee
from app.domain.status import MessageStatus
from tests.faults.torture.accounts import FAULTY
from tests.faults.torture.judgement import Outcome, taken_twice
from tests.faults.torture.schedule import Fault
from tests.support.upstreams import NAMES

_MOST_WRONG: Final = 40
"""So many sentences are printed; the rest is in the directory."""


_OF_A_HISTORY: Final = re.compile(r"^[-0-9a-f]{36}: (event |its history)")


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that this share of all do not exceed; not a number where there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def table(outcome: Outcome, title: str) -> str:
    """Write the figures as a table."""
    rows: list[tuple[str, object]] = [*_injected(outcome), *_ended(outcome), *_times(outcome)]
    lines = [f"| `{title}` | |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {value} |" for name, value in rows])


def summary(outcome: Outcome) -> str:
    """Say whether an invariant fell, and which."""
    if not outcome.wrong:
        return "No invariant fell."
    shown = outcome.wrong[:_MOST_WRONG]
    more = len(outcome.wrong) - len(shown)
    return "\n".join([f"{len(outcome.wrong)} violations:", *shown, *([f"and {more} more"] if more else [])])


def write_histories(outcome: Outcome, directory: Path) -> None:
    """Write what is known of each message that a violation names, and all that was done, into files."""
    (directory / "violations.txt").write_text("\n".join(outcome.wrong) + "\n")
    (directory / "injected.txt").write_text("\n".join(outcome.record.lines) + "\n")
    named = {sentence.partition(":")[0] for sentence in outcome.wrong}
    for message in outcome.run.messages:
        if message.id in named:
            seen = [submission for submission in outcome.run.submissions if submission.message == message.id]
            told = [webhook for webhook in outcome.run.webhooks if webhook.message == message.id]
            lines = [repr(message).partition(", events=")[0], *map(repr, (*message.events, *seen, *told))]
            (directory / f"{message.id}.txt").write_text("\n".join(lines) + "\n")


def _injected(outcome: Outcome) -> Iterator[tuple[str, object]]:
    counts, killed = outcome.record.counts, outcome.record.killed
    yield Fault.KILL, f"{counts[Fault.KILL]} ({killed['worker']} workers, {killed['api']} APIs)"
    yield from ((fault, counts[fault]) for fault in Fault if fault is not Fault.KILL)
    faulty = sum(times for conduct, times in outcome.conducts.items() if conduct in FAULTY)
    asked = outcome.conducts.total()
    yield "faulty answers of providers to sends", f"{faulty} of {asked} ({faulty / max(1, asked):.0%})"
    yield "webhooks acknowledged, repeats included", outcome.webhooks["acknowledged"]
    yield "answers to clients", ", ".join(f"{_answer(status)}: {times}" for status, times in _sorted(outcome.answers))


def _ended(outcome: Outcome) -> Iterator[tuple[str, object]]:
    run = outcome.run
    known = {message.id for message in run.messages}
    statuses = Counter(message.status.value for message in run.messages)
    unsure = Counter(m.provider for m in run.messages if m.status is MessageStatus.UNCONFIRMED)
    yield "messages acknowledged", len(run.acknowledged)
    yield "**lost**", len(run.acknowledged - known)
    doubled = taken_twice(run)
    for guarantee in DeliveryGuarantee:
        counts = {name: doubled[name, guarantee] for name in NAMES.values()}
        yield f"**taken twice under `{guarantee}`**", _by_account(counts)
    yield "flagged `possible_duplicate`", _by_account(Counter(m.provider for m in run.messages if m.possible_duplicate))
    yield "`unconfirmed`", _by_account(unsure)
    yield "ends", ", ".join(f"{times} {status}" for status, times in statuses.most_common())
    yield "open at the end", sum("at the end" in line or ": still " in line for line in outcome.wrong)
    yield "illegal or missing transitions", sum(bool(_OF_A_HISTORY.search(line)) for line in outcome.wrong)
    yield "processes that ended by themselves", len(outcome.record.exits)


def _times(outcome: Outcome) -> Iterator[tuple[str, object]]:
    taken = outcome.takeovers
    yield (
        "from a worker's kill to its messages' takeover, p50 / p99",
        f"{percentile(taken, 0.5):.2f} s / {percentile(taken, 0.99):.2f} s ({len(taken)} messages)",
    )
    back = outcome.returns
    yield (
        "from Postgres' return to the first 202, p50 / longest",
        f"{percentile(back, 0.5):.2f} s / {percentile(back, 1):.2f} s",
    )


def _by_account(counts: Counter[str] | dict[str, int]) -> str:
    parts = [f"{counts.get(name, 0)} {name}" for name in NAMES.values() if counts.get(name, 0)]
    return f"{sum(counts.values())}" + (f" ({', '.join(parts)})" if parts else "")


def _answer(status: int) -> str:
    return {0: "none", 502: "502 by the proxy"}.get(status, str(status))


def _sorted(counts: Counter[int]) -> Iterable[tuple[int, int]]:
    return sorted(counts.items())
