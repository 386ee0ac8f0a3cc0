"""The load generator's process: started once, given one plan after the other, ended with the block that uses it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Final

from tests.bench.harness.client import Plan, Tally, plan_as_json, tally_from_json
from tests.support.processes import ROOT

_PATIENCE_SECONDS: Final = 10


class ClientEnded(Exception):
    """The load generator has failed; what it said is on standard error."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """A running load generator."""

    _plans: IO[str]
    _tallies: IO[str]

    def run(self, plan: Plan) -> Tally:
        """Do what the plan says; raises `ClientEnded`."""
        self._plans.write(f"{plan_as_json(plan)}\n")
        self._plans.flush()
        line = self._tallies.readline()
        if not line:
            raise ClientEnded("the load generator ended; its words are above")
        return tally_from_json(line)


@contextmanager
def running_client() -> Iterator[Client]:
    """Start the load generator, and end it with the block."""
    with running_python("tests.bench.harness.client") as (plans, tallies):
        yield Client(_plans=plans, _tallies=tallies)


def client_limit(client: Client, plan: Plan) -> tuple[float, float]:
    """Give what the load generator itself can do, against a peer that answers at once.

    Requests per second, and the client's processor time for each in microseconds.
    """
    with running_python("tests.bench.harness.canned") as (_, port):
        tally = client.run(replace(plan, port=int(port.readline())))
    answered = sum(tally.statuses.values())
    return answered / tally.seconds, tally.cpu_seconds / answered * 1e6


@contextmanager
def running_python(module: str) -> Iterator[tuple[IO[str], IO[str]]]:
    """Run a module that ends with its standard input; give its standard input and output."""
    with subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", module], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdin, process.stdout
            process.stdin.close()
            process.wait(_PATIENCE_SECONDS)
        finally:
            process.kill()
