"""Many seeds in virtual time: `python -m tests.simulation.run --seeds 10000`, and one of them again with `--seed`.

Prints what was injected and how often; a fault that never occurred is an error, for then nothing was shown about it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from app.domain.status import MessageStatus
from tests.simulation.faults import Fault
from tests.simulation.simulation import Outcome, simulate
from tests.support.repository import ROOT

_PROCESSES: Final = 2
_CHUNK: Final = 125
_SHOWN: Final = 20
_ENOUGH_FOR_EVERY_FAULT: Final = 1_000


@dataclass(kw_only=True)
class Tally:
    """What came of a number of seeds."""

    runs: int = 0
    messages: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    statuses: Counter[MessageStatus] = field(default_factory=Counter)
    doubled: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one seed."""
        self.runs += 1
        self.messages += outcome.messages
        self.faults += outcome.faults
        self.statuses += outcome.statuses
        self.doubled += outcome.doubled
        if outcome.findings:
            self.failed.append(outcome)

    def join(self, other: Tally) -> None:
        """Count what somebody else has counted."""
        self.runs += other.runs
        self.messages += other.messages
        self.faults += other.faults
        self.statuses += other.statuses
        self.doubled += other.doubled
        self.failed += other.failed

    @property
    def missing(self) -> list[Fault]:
        """Faults that never occurred."""
        return [fault for fault in Fault if not self.faults[fault]]


def play(first: int, last: int) -> Tally:
    """Play the seeds from the first up to and without the last."""
    tally = Tally()
    for seed in range(first, last):
        tally.add(simulate(seed))
    return tally


def play_all(first: int, seeds: int) -> Tally:
    """Play them in several processes; what is counted does not depend on how they are shared out."""
    starts = range(first, first + seeds, _CHUNK)
    tally = Tally()
    with ProcessPoolExecutor(_PROCESSES) as pool:
        for part in pool.map(play, starts, [min(start + _CHUNK, first + seeds) for start in starts]):
            tally.join(part)
    return tally


def revision() -> str:
    """Name the commit that this runs from; a seed means something there alone."""
    git = shutil.which("git")
    if git is None:
        return "unknown revision"
    done = subprocess.run(  # noqa: S603 - a command without foreign input
        [git, "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout.strip() or "unknown revision"


def report(tally: Tally, *, seconds: float) -> Iterator[str]:
    """Tell in lines what was done and what was found."""
    per_seed = 1_000 * seconds / max(1, tally.runs)
    yield f"{tally.runs:,} runs, {tally.messages:,} messages in {seconds:.1f} s ({per_seed:.1f} ms a seed)"
    yield from (f"{tally.faults[fault]:9,}  {fault}" for fault in Fault)
    yield "ends: " + ", ".join(f"{status} {count:,}" for status, count in tally.statuses.most_common())
    yield "taken twice: " + (
        ", ".join(f"{where} {count:,}" for where, count in sorted(tally.doubled.items())) or "none"
    )
    for outcome in tally.failed[:_SHOWN]:
        yield f"seed {outcome.seed} at {revision()}: {'; '.join(outcome.findings)}"
        yield f"  python -m tests.simulation.run --seed {outcome.seed} --trace"
    yield f"{len(tally.failed)} seeds failed"


def arguments() -> ArgumentParser:
    """Give what may be asked for on the command line."""
    made = ArgumentParser(prog="python -m tests.simulation.run", description=__doc__)
    made.add_argument("--seeds", type=int, default=1_000, help="how many seeds")
    made.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    made.add_argument("--seed", type=int, help="this one alone")
    made.add_argument("--trace", action="store_true", help="with --seed: tell everything that happens")
    return made


def main(told: Namespace) -> int:
    """Play what was asked for; 0 if nothing is wrong."""
    if told.seed is not None:
        outcome = simulate(told.seed, say=say if told.trace else None)
        say(f"seed {outcome.seed} at {revision()}: {'; '.join(outcome.findings) or 'nothing wrong'}")
        return int(bool(outcome.findings))
    began = time.perf_counter()
    tally = play_all(told.first, told.seeds)
    for line in report(tally, seconds=time.perf_counter() - began):
        say(line)
    missing = tally.missing if told.seeds >= _ENOUGH_FOR_EVERY_FAULT else []
    if missing:
        say(f"never occurred: {', '.join(missing)}")
    return int(bool(tally.failed or missing))


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(arguments().parse_args()))
