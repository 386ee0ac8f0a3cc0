"""`gateway dev` as its user meets it: started, read from its terminal, stopped, and what it leaves behind."""

from __future__ import annotations

import re
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from tests.support.processes import Process, environment

_PATIENCE_SECONDS: Final = 90
_WELCOMED: Final = "Ctrl-C stops all of it"


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """What is printed once everything runs."""

    text: str

    @property
    def api_url(self) -> str:
        """Where the API is."""
        return self._found(r"API_URL=(\S+)")

    @property
    def sandbox_url(self) -> str:
        """Where the sandbox is."""
        return self._found(r"sandbox +(\S+)")

    @property
    def api_key(self) -> str:
        """The id of the test key that was made."""
        return self._found(r"API_KEY=(\S+)")

    @property
    def api_secret(self) -> str:
        """The secret of the test key that was made."""
        return self._found(r"API_SECRET=(\S+)")

    @property
    def first_message(self) -> str:
        """The lines that send a first message, as printed: the export and the curl command."""
        return self._found(r"(?ms)^( +export API_URL=.*?^ +curl.*?)\n\n")

    def _found(self, pattern: str) -> str:
        match = re.search(pattern, self.text)
        assert match is not None, self.text
        return match[1]


class Development:
    """One `gateway dev`, started."""

    def __init__(self, data: Path, *options: str, log: Path, **settings: str) -> None:
        """Start it on a data directory; its terminal is a file."""
        told = environment(GATEWAY_DATA_DIR=str(data), **settings)
        self.process = Process("dev", *options, log=log, environment=told)

    def welcome(self) -> Welcome:
        """Wait until it says that everything runs."""
        self.wait_for(_WELCOMED)
        return Welcome(text=self.process.output())

    def wait_for(self, words: str) -> None:
        """Wait until it has said this; fails if it ends before."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while words not in self.process.output():
            assert self.process.exit_code is None, f"it ended ({self.process.exit_code}):\n{self.process.output()}"
            assert time.monotonic() < deadline, self.process.output()
            time.sleep(0.05)

    def __enter__(self) -> Self:
        """Kill it at the end of the block if it still runs."""
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.exit_code is None:
            self.process.kill()

    def interrupt(self) -> int:
        """Press Ctrl-C and give the exit code."""
        self.process.send(signal.SIGINT)
        return self.process.wait(_PATIENCE_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Member:
    """One process of a family; its start tells it from a later one with the same number."""

    pid: int
    started: str
    parent: int = field(compare=False)
    command: str = field(compare=False)
    state: str = field(compare=False)


def family(ancestor: int) -> set[Member]:
    """Give the descendants of a process that run now (Linux)."""
    everybody = _everybody()
    found: set[Member] = set()
    generation = {ancestor}
    while generation:
        children = {member for member in everybody if member.parent in generation}
        found |= children
        generation = {member.pid for member in children}
    return found


def commands(members: set[Member]) -> set[str]:
    """Name what runs: the gateway's processes by their command, others by their program."""
    words = [member.command.split() for member in members if member.command]
    return {line[-1] if "app" in line else Path(line[0]).name for line in words}


def survivors(members: set[Member], *, within_seconds: float = 20) -> set[Member]:
    """Wait for processes to end, and give those that have not; one that nobody has buried yet has ended."""
    deadline = time.monotonic() + within_seconds
    while (left := members & _everybody()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _everybody() -> set[Member]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (member := _member(entry)) is not None and member.state != "Z":
            found.add(member)
    return found


def _member(entry: Path) -> Member | None:
    """Read proc(5) `stat`: the name in parentheses may hold anything, so what counts begins after the last one."""
    try:
        stat = (entry / "stat").read_text()
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    rest = stat.rpartition(")")[2].split()
    return Member(pid=int(entry.name), state=rest[0], parent=int(rest[1]), started=rest[19], command=command)
