"""Where the API spends its time: stacks sampled by py-spy, if it is there, summed up by function and by library."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.bench.harness.measuring import Bench
from tests.bench.harness.options import Options
from tests.bench.harness.report import print_table, say
from tests.bench.harness.traffic import Kind

_RATE: Final = 250
_WAITING: Final = re.compile(r"_*(epoll_p?wait|poll|select)\b")
_START_SECONDS: Final = 2
"""Until py-spy has read the symbols and the client has connected."""

_SHOWN: Final = 15
_FRAME: Final = re.compile(r"(?P<function>.+) \((?P<file>[^()]*?)(?::(?P<line>[0-9]+))?\)")


class ProfilerMissing(Exception):
    """py-spy is not on the path; `pip install py-spy` puts it there."""


def find_py_spy() -> str:
    """Give py-spy's path; raises `ProfilerMissing`."""
    path = shutil.which("py-spy")
    if path is None:
        raise ProfilerMissing("py-spy is not on the path: pip install py-spy")
    return path


@contextmanager
def sampled(pid: int, *, seconds: float, file: Path) -> Iterator[None]:
    """Sample a process while the block runs, which should be a little longer than these seconds.

    Functions in C are told by their own names.
    """
    how = ["--native", "--duration", str(max(1, round(seconds))), "--rate", str(_RATE), "--format", "raw"]
    with subprocess.Popen(  # noqa: S603 - a program that whoever asked for it has installed
        [find_py_spy(), "record", "--pid", str(pid), *how, "--output", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield
            _, errors = process.communicate(timeout=60)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise ProfilerMissing(errors.decode(errors="replace"))


def profile(bench: Bench, kind: Kind, asked: Options) -> None:
    """Sample the API in one more round, which counts for nothing: being sampled costs time."""
    assert asked.profile is not None
    with sampled(bench.servers.api_pid, seconds=asked.seconds, file=asked.profile):
        bench.load(kind, seconds=asked.seconds + _START_SECONDS)
    print_summary(asked.profile, markdown=asked.markdown)


def print_summary(file: Path, *, markdown: bool) -> None:
    """Print the largest shares by the function on top of the stack, and by the library that called it."""
    stacks = list(_stacks(file.read_text(encoding="utf-8")))
    busy = [(frames, count) for frames, count in stacks if not _WAITING.match(frames[-1])]
    every, total = (sum(count for _, count in some) for some in (stacks, busy))
    say()
    say(f"samples: {every:,}, of which {1 - total / every:.0%} waited for work; shares are of the others")
    for heading, key in (("function on top", _function), ("library below it", _library)):
        shares: Counter[str] = Counter()
        for frames, count in busy:
            shares[key(frames)] += count
        say()
        rows = [[f"{count / total:.1%}", name] for name, count in shares.most_common(_SHOWN)]
        print_table([["share", heading], *rows], markdown=markdown)


def _stacks(text: str) -> Iterator[tuple[list[str], int]]:
    """Read folded stacks: frames from the outermost on, joined by semicolons, and how often they were seen."""
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        yield frames.split(";"), int(count)


def _function(frames: list[str]) -> str:
    """The function that ran, without its line."""
    found = _FRAME.fullmatch(frames[-1])
    return f"{found['function']} ({found['file']})" if found else frames[-1]


def _library(frames: list[str]) -> str:
    """The library of the innermost function whose file py-spy names with its directory: C that it calls is its own."""
    places = (found["file"] for frame in reversed(frames) if (found := _FRAME.fullmatch(frame)))
    return next((place.partition("/")[0] for place in places if "/" in place), "other")
