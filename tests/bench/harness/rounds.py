"""Interleaved rounds: every kind in turn, again and again, so that what happens to the machine happens to all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tests.bench.harness.measuring import Bench, Measured
from tests.bench.harness.options import Options
from tests.bench.harness.report import Round, medians, print_memory, print_rounds, say
from tests.bench.harness.usage import memory


def run_rounds(bench: Bench, steps: Sequence[Callable[[], Measured]], asked: Options) -> Mapping[str, Measured]:
    """Run rounds against the API, print all of them and its memory, and give the medians by what was measured."""
    before = memory(bench.servers.api_pid)
    middle = in_turn(steps, asked, parties=("API", "client"))
    print_memory(before, memory(bench.servers.api_pid))
    return middle


def in_turn(
    steps: Sequence[Callable[[], Measured]], asked: Options, *, parties: tuple[str, str]
) -> Mapping[str, Measured]:
    """Run every step in every round, print all of them, and give the medians by what was measured."""
    rounds: list[Round] = []
    for number in range(1, asked.rounds + 1):
        # Every other round runs backwards, so that a machine that slows down favours nobody.
        for step in steps if number % 2 else reversed(steps):
            one = step()
            rounds.append((number, one))
            say(f"round {number}: {one.what}, {one.per_second:,.0f}/s")
    print_rounds(rounds, parties=parties, markdown=asked.markdown)
    return medians([one for _, one in rounds])
