"""A gateway for tests as real processes on loopback: each can be killed, stopped and started again at any moment."""

from __future__ import annotations

import http.client
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from app.embedded import die_with_parent
from tests.support.gateway import SECRET_KEY, WEBHOOK_SECRET

ROOT: Final = Path(__file__).resolve().parents[2]
_READY_SECONDS: Final = 60
_TAIL_LINES: Final = 20
_OF_THE_MACHINE: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "GATEWAY_PG_BIN")
_PORTS: Final = range(20_000, 32_000)
"""Below what systems take for outgoing connections: a server that was down must find its port free."""

_untried = itertools.cycle(random.Random(os.getpid()).sample(_PORTS, len(_PORTS)))  # noqa: S311 - no secret

HASTE: Final = {
    "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "2.5",
    "GATEWAY_DISPATCH__CONNECT_SECONDS": "2",
    "GATEWAY_DISPATCH__LEASE_SECONDS": "5",
    "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "5",
    "GATEWAY_DATABASE__ALLOW_UNSAFE": "true",
    "GATEWAY_DISPATCH__START_SPREAD_SECONDS": "0",
    "GATEWAY_API__NOTICE_SECONDS": "0",
    "GATEWAY_SANDBOX__PACE": "0.2",
    "GATEWAY_SANDBOX__EVIDENCE": "webhook",
    "GATEWAY_SANDBOX__RECORDS": "false",
}
"""Every outcome within seconds, on a server of the tests, which waits for no disk; nobody is asked."""


def free_port() -> int:
    """Give a port of 127.0.0.1 that nobody listens on, and that was not given before."""
    for port in _untried:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError  # the cycle has no end


def environment(**given: str) -> dict[str, str]:
    """Give the environment of a child: the machine's few variables, no setting of ours but those given."""
    machine = {name: os.environ[name] for name in _OF_THE_MACHINE if name in os.environ}
    return {**machine, "GATEWAY_NO_BOOTSTRAP": "1", **given}


class Process:
    """One running `gateway` command, in a session of its own, whose output goes to the end of a file."""

    def __init__(self, *command: str, log: Path, environment: Mapping[str, str], program: str = "app") -> None:
        """Start it; it is killed should the test's own process die. `program` is the module to run."""
        self.log = log
        self._written_before = log.stat().st_size if log.exists() else 0
        with ExitStack() as stack:
            output = stack.enter_context(log.open("ab"))
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", program, *command],
                env=dict(environment),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - calls prctl and nothing else
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Wait until it has ended and give its exit code; raises `subprocess.TimeoutExpired`."""
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End it by SIGKILL, which it cannot see coming, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def output(self) -> str:
        """Give what it has written so far, after what others wrote to the same file before."""
        return self.log.read_text(errors="replace")

    def own_output(self) -> str:
        """Give what this very process has written so far."""
        with self.log.open("rb") as log:
            log.seek(self._written_before)
            return log.read().decode(errors="replace")

    def last_lines(self) -> str:
        """Give the end of what it has written."""
        return "\n".join(self.output().splitlines()[-_TAIL_LINES:])


class Fleet:
    """API, workers and sandbox over one migrated database.

    Processes are named by their command, with a dash and a number where there are several: `api`, `worker-2`.
    """

    def __init__(self, database_url: str, directory: Path, program: str = "app", **settings: str) -> None:
        """Start nothing yet; `settings` are GATEWAY_ variables and go before the hasty ones."""
        self._program = program
        api_port, sandbox_port = free_port(), free_port()
        self.api_url = f"http://127.0.0.1:{api_port}"
        self.sandbox_url = f"http://127.0.0.1:{sandbox_port}"
        self.database_url = database_url
        self._directory = directory
        self._running: dict[str, Process] = {}
        told = {
            "GATEWAY_DATABASE_URL": database_url,
            "GATEWAY_SECRET_KEY": SECRET_KEY,
            "GATEWAY_PUBLIC_URL": self.api_url,
            "GATEWAY_API__PORT": str(api_port),
            "GATEWAY_SANDBOX__URL": self.sandbox_url,
            "GATEWAY_SANDBOX__PORT": str(sandbox_port),
            "GATEWAY_SANDBOX__WEBHOOK_SECRET": WEBHOOK_SECRET,
        }
        self._environment = environment(**{**HASTE, **told, **settings})

    def start(self, *names: str, **settings: str) -> None:
        """Start processes, without waiting for them; `settings` are GATEWAY_ variables of these alone."""
        for name in names:
            command, log = name.partition("-")[0], self._directory / f"{name}.log"
            self._running[name] = Process(
                command, log=log, environment=self._environment | settings, program=self._program
            )

    def process(self, name: str) -> Process:
        """Give a process that was started and not ended by us."""
        return self._running[name]

    def start_ended(self) -> list[str]:
        """Start again what has ended by itself, as whatever runs it in production would; give the names."""
        ended = [name for name, process in self._running.items() if process.exit_code is not None]
        self.start(*ended)
        return ended

    def kill(self, name: str) -> None:
        """End a process by SIGKILL."""
        self._running.pop(name).kill()

    def terminate(self, name: str, *, within_seconds: float = 30) -> int:
        """End a process by SIGTERM and give its exit code; raises `subprocess.TimeoutExpired`."""
        process = self._running.pop(name)  # meanwhile, it may end
        process.send(signal.SIGTERM)
        try:
            return process.wait(within_seconds)
        except BaseException:
            self._running[name] = process
            raise

    def wait_until_ready(self) -> None:
        """Wait until API and sandbox answer, as far as they were started; fails with the log of one that ended."""
        paths = {"api": f"{self.api_url}/readyz", "sandbox": f"{self.sandbox_url}/"}
        deadline = time.monotonic() + _READY_SECONDS
        for name in self._running.keys() & paths.keys():
            while not _answers(paths[name]):
                self.check_alive()
                assert time.monotonic() < deadline, f"{name} is not ready:\n{self._running[name].last_lines()}"
                time.sleep(0.05)

    def wait_until_live(self) -> None:
        """Wait until every worker shows that it lives; it claims soon then. Fails like `wait_until_ready`."""
        deadline = time.monotonic() + _READY_SECONDS
        for name in [name for name in self._running if name.startswith("worker")]:
            while "lock held" not in self._running[name].own_output():
                self.check_alive()
                assert time.monotonic() < deadline, f"{name} holds no lock:\n{self._running[name].last_lines()}"
                time.sleep(0.05)

    def check_alive(self) -> None:
        """Fail if a process has ended that nobody asked to."""
        for name, process in self._running.items():
            assert process.exit_code is None, f"{name} ended by itself ({process.exit_code}):\n{process.last_lines()}"

    def complaints(self) -> list[str]:
        """Give every line of the API's and the workers' logs that tells of a bug: an error, or an exception's trace.

        The sandbox is left out: its server calls it an error that a scenario cuts an answer.
        """
        logs = sorted(log for log in self._directory.glob("*.log") if not log.name.startswith("sandbox"))
        lines = (f"{log.stem}: {line}" for log in logs for line in log.read_text(errors="replace").splitlines())
        return [line for line in lines if '"level":"error"' in line.replace(" ", "") or "Traceback" in line]

    def __enter__(self) -> Self:
        """End whatever runs at the end of the block, gracelessly."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        try:
            if error is None:
                self.check_alive()
            else:
                for name, process in self._running.items():
                    error.add_note(f"{name}, exit code {process.exit_code}:\n{process.last_lines()}")
        finally:
            for process in self._running.values():
                process.kill()


def _answers(url: str) -> bool:
    """Whether this URL is answered with 200; without httpx, whose clients take longer to make than the question."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=2)
    try:
        connection.request("GET", address.path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
