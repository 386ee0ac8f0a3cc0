"""What a benchmark prints: the machine, a table of every round, medians, and one last line for other programs."""

from __future__ import annotations

import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from tests.bench.harness.measuring import Measured
from tests.bench.harness.usage import Memory, machine

_HEADINGS: Final = ("round", "what", "per second", "p50 ms", "p99 ms", "mean ms")

Round = tuple[int, Measured]
"""The number of the round, counted from 1, and what one kind gave in it."""


def say(line: str = "") -> None:
    """Write a line at once, so that whoever waits sees how far it is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def describe(settings: Mapping[str, str]) -> None:
    """Tell where this runs and what a commit costs there."""
    say(f"machine: {machine()}, Python {platform.python_version()}")
    say("postgres: " + ", ".join(f"{name}={value}" for name, value in settings.items()))


def print_rounds(rounds: Sequence[Round], *, parties: tuple[str, str], markdown: bool) -> None:
    """Print every round, then the median of each kind; `parties` are what is measured and who is on the other side."""
    gateway, peer = parties
    headings = (*_HEADINGS, f"{gateway} µs", "Postgres µs", f"{peer} µs", "count")
    rows = [(str(number), *_cells(one)) for number, one in rounds]
    rows += [("median", *_cells(one)) for one in medians([one for _, one in rounds]).values()]
    say()
    print_table([headings, *rows], markdown=markdown)
    say()


def print_table(rows: Sequence[Sequence[str]], *, markdown: bool) -> None:
    """Print cells below their headings, as text for a terminal or as a Markdown table."""
    if markdown:
        ruled = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
        lines = ["| " + " | ".join(row) + " |" for row in ruled]
    else:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    for line in lines:
        say(line.rstrip())


def print_memory(before: Memory, after: Memory) -> None:
    """Tell the API's resident memory."""
    after_warm_up, now, peak = (f"{figure:.0f} MB" for figure in (before.now_mb, after.now_mb, after.peak_mb))
    say(f"memory of the API: {after_warm_up} after the warm-up, {now} now, {peak} at its peak")


def medians(measured: Sequence[Measured]) -> dict[str, Measured]:
    """Give the median of each figure by kind; counts are summed up."""
    kinds = dict.fromkeys(one.what for one in measured)
    return {what: _median([one for one in measured if one.what == what]) for what in kinds}


def _median(same: Sequence[Measured]) -> Measured:
    return Measured(
        what=same[0].what,
        count=sum(one.count for one in same),
        per_second=statistics.median(one.per_second for one in same),
        p50_ms=_median_or_none([one.p50_ms for one in same]),
        p99_ms=_median_or_none([one.p99_ms for one in same]),
        mean_ms=_median_or_none([one.mean_ms for one in same]),
        gateway_us=_median_or_none([one.gateway_us for one in same]),
        postgres_us=_median_or_none([one.postgres_us for one in same]),
        peer_us=statistics.median(one.peer_us for one in same),
    )


def _median_or_none(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _cells(one: Measured) -> tuple[str, ...]:
    return (
        one.what,
        f"{one.per_second:,.0f}",
        *("" if figure is None else f"{figure:.1f}" for figure in (one.p50_ms, one.p99_ms, one.mean_ms)),
        *("" if figure is None else f"{figure:.0f}" for figure in (one.gateway_us, one.postgres_us, one.peer_us)),
        f"{one.count:,}",
    )
