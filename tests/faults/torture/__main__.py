"""Mix every fault at random for some minutes, and say whether an invariant fell.

    python3 -m tests.faults.torture --minutes 5 --seed 1
    python3 -m tests.faults.torture --minutes 5 --seed 1 --one-at-a-time

The seed draws the faults, their times and victims, and how the providers treat each request; what meets what depends
on the machine besides. Prints a table and exits with 1 if an invariant fell; the histories of the messages concerned,
and the logs, are then in the directory that is named. It runs in the repository's own environment, which is made first
where it is missing, as for `python3 -m app`.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from app.__main__ import environment, runs_here

if __name__ == "__main__":
    root = Path(__file__).resolve().parents[3]
    if not runs_here(root, os.environ, sys.prefix):
        command = [str(environment(root)), "-m", "tests.faults.torture", *sys.argv[1:]]
        os.execve(command[0], command, dict(os.environ))  # noqa: S606 - no shell is wanted
    sys.exit(importlib.import_module("tests.faults.torture.program").main())
