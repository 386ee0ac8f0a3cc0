"""The torture program for a moment, and that its judgement can fail."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from tests.faults.torture.program import torture
from tests.faults.torture.report import summary, table, write_histories
from tests.faults.torture.schedule import Fault, one_at_a_time, schedule
from tests.support.invariants import violations

SEED: Final = 20_266
SECONDS: Final = 6.0


@pytest.mark.fault
def test_everything_that_goes_wrong_at_once_breaks_no_promise_and_a_broken_one_would_be_seen(tmp_path: Path) -> None:
    outcome = torture(tmp_path, schedule(SEED, SECONDS), seconds=SECONDS, seed=SEED)
    assert outcome.wrong == []
    assert summary(outcome) == "No invariant fell."
    assert outcome.record.counts[Fault.KILL] >= 1
    assert outcome.record.counts[Fault.CRASH] == 1

    once = next(message for message in outcome.run.messages if message.provider == "key" and message.attempts)
    [taken] = [each for each in outcome.run.submissions if each.message == once.id and each.taken][:1]
    planted = replace(outcome.run, submissions=(*outcome.run.submissions, taken))
    found = violations(planted)
    assert any(sentence.startswith(f"{once.id}: taken 2 times under") for sentence in found)
    broken = replace(outcome, run=planted, wrong=found)
    write_histories(broken, tmp_path)
    assert "Submission(" in (tmp_path / f"{once.id}.txt").read_text()
    assert f"| **taken twice under `{once.guarantee}`** | 1 (1 key) |" in table(broken, "--seed 1")
    assert summary(broken).startswith(f"{len(found)} violations:")


def test_a_seed_draws_the_same_faults_again_and_another_one_others() -> None:
    assert schedule(1, 300) == schedule(1, 300) != schedule(2, 300)


def test_five_minutes_have_a_kill_each_second_and_three_crashes_and_nothing_lasts_beyond_them() -> None:
    drawn = schedule(7, 300)
    assert sum(injection.fault is Fault.KILL for injection in drawn) >= 295
    assert sum(injection.fault is Fault.CRASH for injection in drawn) == 3
    assert {injection.fault for injection in drawn} == {*Fault}
    assert all(injection.at + injection.seconds <= 300 for injection in drawn)


def test_one_at_a_time_they_do_not_overlap() -> None:
    drawn = one_at_a_time(7, 60)
    assert {injection.fault for injection in drawn} == {Fault.KILL, Fault.CRASH}
    assert all(later.at - one.at > one.seconds + 2 for one, later in pairwise(drawn))
