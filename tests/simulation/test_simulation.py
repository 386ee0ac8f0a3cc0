"""Random runs in virtual time: whatever goes wrong, nothing is lost, doubled or claimed that is not known."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.simulation.decisions import REAL
from tests.simulation.faults import Fault
from tests.simulation.run import Tally, play, report
from tests.simulation.simulation import simulate
from tests.simulation.test_broken_decisions import resent_without_a_flag
from tests.support.repository import ROOT


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


def test_a_seed_that_fails_is_named_with_the_command_that_plays_it_again_and_fails_alike() -> None:
    broken = replace(REAL, resolve=resent_without_a_flag)
    tally = Tally()
    for seed in range(250):
        tally.add(simulate(seed, decisions=broken))
    first = tally.failed[0]
    lines = list(report(tally, seconds=1.5))
    assert lines[0].startswith("250 runs, ")
    assert " in 1.5 s " in lines[0]
    assert f"  python -m tests.simulation.run --seed {first.seed} --trace" in lines
    assert any(line.startswith(f"seed {first.seed} at ") and first.findings[0] in line for line in lines)
    assert lines[-1] == f"{len(tally.failed)} seeds failed"
    assert simulate(first.seed, decisions=broken) == first


def test_the_command_gives_the_same_run_in_every_process() -> None:
    command = [sys.executable, "-m", "tests.simulation.run", "--seed", "7", "--trace"]

    def played(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(  # noqa: S603 - a command without foreign input
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    told: list[str] = []
    simulate(7, say=told.append)
    *lines, last = played("1").splitlines()
    assert lines == told
    assert last.endswith(": nothing wrong")
    assert played("2").splitlines()[:-1] == told
