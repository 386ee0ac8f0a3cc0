"""One run of the torture, as its command line says."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.faults.torture.accounts import calm
from tests.faults.torture.injector import Injector
from tests.faults.torture.judgement import Outcome, judged
from tests.faults.torture.report import summary, table, write_histories
from tests.faults.torture.schedule import Injection, one_at_a_time, schedule
from tests.faults.torture.site import site

_PATIENCE_SECONDS: Final = 90.0


def torture(directory: Path, injections: list[Injection], *, seconds: float, seed: int) -> Outcome:
    """Run one in a directory of its own, and say what came of it."""
    with site(directory, seed) as running:
        running.wait_until_up()
        injector = Injector(running, seed)
        sending = running.backstage.start(running.send(seconds))
        injector.run(injections, seconds)
        calm(running.accounts)
        injector.record.calm_at = datetime.now(UTC)
        sending.result(_PATIENCE_SECONDS)
        return judged(running, injector.record)


def say(line: str) -> None:
    """Print one line at once, for whoever waits."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run one as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.faults.torture",
        description="Mix every fault at random, and say whether an invariant fell.",
    )
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="by default a random one")
    parser.add_argument("--one-at-a-time", action="store_true", help="kill workers, then crash Postgres, and no more")
    given = parser.parse_args()
    say(f"seed {given.seed}")
    directory = Path(tempfile.mkdtemp(prefix="torture-"))
    seconds = 60 * given.minutes
    injections = (one_at_a_time if given.one_at_a_time else schedule)(given.seed, seconds)
    outcome = torture(directory, injections, seconds=seconds, seed=given.seed)
    title = f"--minutes {given.minutes:g} --seed {given.seed}" + " --one-at-a-time" * given.one_at_a_time
    say(table(outcome, title))
    say(summary(outcome))
    if outcome.wrong:
        write_histories(outcome, directory)
        say(f"Histories and logs are in {directory}.")
        return 1
    shutil.rmtree(directory)
    return 0
