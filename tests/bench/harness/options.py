"""The options that benchmarks share."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a benchmark of rounds is run and printed."""

    rounds: int
    seconds: float
    """Of each kind in each round; pgbench takes whole seconds, and at least one."""

    warm_up_seconds: float
    connections: int
    markdown: bool
    profile: Path | None
    """Where the samples of the API's stack go, if they are wanted."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """Give a parser of what every benchmark may be asked, to which it adds its own."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--connections", type=int, default=64, help="of the load generator")
    made.add_argument("--markdown", action="store_true", help="print the tables for a document")
    made.add_argument("--directory", type=Path, help="where the database is made, on the disk that is to be measured")
    return made


def parser_of_rounds(description: str | None) -> argparse.ArgumentParser:
    """Give a parser for a benchmark that compares two things in rounds."""
    made = parser(description)
    made.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    made.add_argument("--seconds", type=float, default=6, help="of each kind in each round")
    made.add_argument("--warm-up-seconds", type=float, default=2, help="of each kind before the first round")
    made.add_argument("--at-least", type=float, default=0, help="end with an error where the ratio is less")
    made.add_argument("--profile", type=Path, help="sample the API with py-spy and write the folded stacks there")
    return made


def require(name: str, ratio: float, *, at_least: float) -> None:
    """End with an error where a ratio is less than was asked for."""
    if ratio < at_least:
        raise SystemExit(f"{name} is {ratio:.2f}, less than {at_least:g}")


def options(told: argparse.Namespace) -> Options:
    """Read what such a benchmark was asked."""
    return Options(
        rounds=told.rounds,
        seconds=told.seconds,
        warm_up_seconds=told.warm_up_seconds,
        connections=told.connections,
        markdown=told.markdown,
        profile=told.profile,
    )
