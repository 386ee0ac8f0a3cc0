"""Random runs in virtual time: whatever goes wrong, nothing is lost, doubled or claimed that is not known."""

from __future__ import annotations

import pytest

from tests.simulation.faults import Fault
from tests.simulation.run import Tally, play
from tests.simulation.simulation import simulate


@pytest.fixture(scope="module")
def tally() -> Tally:
    return play(0, 250)


def test_nothing_is_wrong_after_any_run(tally: Tally) -> None:
    assert {outcome.seed: outcome.findings for outcome in tally.failed} == {}


def test_nearly_every_kind_of_fault_strikes_within_a_few_runs(tally: Tally) -> None:
    assert len(tally.missing) < len(Fault) / 10


def test_a_seed_gives_the_same_run_again() -> None:
    runs: list[list[str]] = [[], []]
    outcomes = [simulate(7, say=lines.append) for lines in runs]
    assert outcomes[0] == outcomes[1]
    assert runs[0] == runs[1]
    assert runs[0] != []
