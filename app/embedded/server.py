"""One embedded PostgreSQL server: started, attached to, reached by its Unix socket, and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from app.embedded import sockets
from app.embedded.binaries import find_binaries
from app.embedded.child import launch, usable_identity
from app.embedded.data import PidFile, free, initialise, own, read_pid_file, running_server
from app.embedded.failure import EmbeddedPostgresError, explained
from app.embedded.lock import OwnerLock
from app.embedded.readiness import answers, refuse_inside_a_loop
from app.embedded.sockets import PORT

_POLL_SECONDS = 0.02
_SILENT_OWNER_SECONDS = 60.0
_LARGEST_LOG = 10_000_000  # bytes; a larger one becomes postgres.log.old at the next start
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """A PostgreSQL server below one directory, which holds data/, postgres.log and the owner's lock.

    The first to start is the owner: its server ends with it, cleanly on `stop()`, and within about a second by the
    kernel's signal if the process is killed (Linux; elsewhere the next start ends the left-over server). Whoever
    starts the same directory meanwhile is `attached`: it uses the running server and never stops it.

    All calls block and must not be made while an event loop runs in the same thread. `start` forks, and the server
    ends with the *thread* that forked it: call it from the main thread.

    `durable=False` (tests) gives up safety against power loss for speed; a killed process loses nothing either way.
    `settings` are server settings by name, such as `{"max_connections": "200"}`. Missing parents of `directory` are
    made as `mkdir -p` does; existing ones are never changed. The timezone of the server is UTC.
    """

    def __init__(
        self,
        *,
        directory: Path,
        binaries: Path | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = directory.resolve()
        self._data = self._directory / "data"
        self._log = self._directory / "postgres.log"
        self._binaries = binaries
        self._settings = {"timezone": "UTC", "log_timezone": "UTC"} | ({} if durable else _NOT_DURABLE)
        self._settings |= dict(settings or {})
        self._durable = durable
        self._lock: OwnerLock | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._attached: PidFile | None = None
        self._sockets: Path | None = None

    def start(self) -> None:
        """Have a server that takes connections: make, recover, or attach, as needed. Does nothing if it runs already.

        Waits without limit while the server lives, as a long recovery may last.

        Raises:
            EmbeddedPostgresError: it cannot; the text has the end of the log.
        """
        refuse_inside_a_loop()
        if self._is_running():
            return
        self._make_directory()
        if self._lock is None:
            self._lock = self._own_or_attach()
        if self._lock is None:
            return
        try:
            self._start_own()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Shut the server down and wait for it, if it is ours; an attached one is only let go of. Harmless if stopped.

        A server that does not end within 60 seconds is stopped without a checkpoint and recovers at its next start.
        """
        self._attached = None
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._lock is not None:
            if self._sockets is not None:
                sockets.remove(self._sockets)
            self._lock.release()
            self._lock = None
        self._sockets = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def attached(self) -> bool:
        """Whether the server belongs to another process, or to another object in this one."""
        return self._attached is not None

    @property
    def process_id(self) -> int:
        """The postmaster's process id.

        Raises:
            EmbeddedPostgresError: not started.
        """
        if self._process is not None:
            return self._process.pid
        if self._attached is not None and self._attached.process_id is not None:
            return self._attached.process_id
        raise EmbeddedPostgresError("the embedded PostgreSQL is not started")

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of `database` for asyncpg, through the Unix socket, as the superuser `postgres`.

        The database need not exist yet; `postgres` always does.

        Raises:
            EmbeddedPostgresError: not started.
        """
        if self._sockets is None:
            raise EmbeddedPostgresError("the embedded PostgreSQL is not started")
        host = quote(str(self._sockets), safe="")
        return f"postgresql+asyncpg://postgres@/{quote(database, safe='')}?host={host}&port={PORT}"

    @property
    def is_running(self) -> bool:
        """Whether the server lives, as far as this process can see; false before `start`."""
        return self._is_running()

    def _is_running(self) -> bool:
        if self._attached is not None:
            server = running_server(self._data)
            return server is not None and server.process_id == self._attached.process_id
        return self._process is not None and self._process.poll() is None

    def _make_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self._directory, os.R_OK | os.W_OK | os.X_OK):
            raise EmbeddedPostgresError(
                f"{self._directory} belongs to another account. Run as that account, or give a directory of your own."
            )

    def _own_or_attach(self) -> OwnerLock | None:
        """The lock of the owner, or None once attached to the owner's server, whichever comes first."""
        self._attached = None
        silent_until = time.monotonic() + _SILENT_OWNER_SECONDS
        while True:
            lock = OwnerLock.take(self._directory)
            if lock is not None:
                return lock
            server = running_server(self._data)
            if server is not None:
                silent_until = time.monotonic() + _SILENT_OWNER_SECONDS
                directory = server.socket_directory
                if server.status == "ready" and directory is not None and answers(directory):
                    self._attached, self._sockets = server, directory
                    return None
            if time.monotonic() > silent_until:
                raise EmbeddedPostgresError(
                    f"another process owns {self._directory} but runs no server. Find it with "
                    f"`fuser {self._directory / 'lock'}`, stop it, and start again."
                )
            time.sleep(_POLL_SECONDS)

    def _start_own(self) -> None:
        if self._log.exists() and self._log.stat().st_size > _LARGEST_LOG:
            self._log.replace(self._log.with_name("postgres.log.old"))
        with self._log.open("ab") as output:
            since = output.tell()
            binaries = self._binaries or find_binaries()
            identity = usable_identity(postgres=binaries / "postgres", directory=self._directory, output=output)
            own(self._directory, identity)
            self._sockets = sockets.socket_directory(self._data, identity=identity, environment=os.environ)
            sockets.make_private(self._sockets, identity)
            if self._data.exists():
                own(self._data, identity)
                free(self._data)
            else:
                initialise(self._data, binaries=binaries, identity=identity, durable=self._durable, log=self._log)
            self._process = launch(
                self._command(binaries / "postgres", self._sockets), identity=identity, output=output
            )
        self._wait_until_ready(self._process, self._sockets, since)

    def _command(self, postgres: Path, socket_directory: Path) -> list[str]:
        fixed = {"listen_addresses": "", "unix_socket_directories": str(socket_directory), "port": str(PORT)}
        # Terse: the detail of an error repeats the whole row that was refused, numbers and texts included.
        quiet = {"unix_socket_permissions": "0700", "log_error_verbosity": "terse"}
        settings = quiet | self._settings | fixed
        return [str(postgres), "-D", str(self._data)] + [
            part for name, value in settings.items() for part in ("-c", f"{name}={value}")
        ]

    def _wait_until_ready(self, process: subprocess.Popen[bytes], socket_directory: Path, since: int) -> None:
        while True:
            if process.poll() is not None:
                ended = f"PostgreSQL ended while starting, code {process.returncode}."
                raise explained(ended, log=self._log, since=since)
            pid_file = read_pid_file(self._data)
            # connecting earlier would fill the log with refusals while it recovers
            is_ready = pid_file is not None and pid_file.process_id == process.pid and pid_file.status == "ready"
            if is_ready and answers(socket_directory):
                return
            time.sleep(_POLL_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown, then without a checkpoint, then by force; waits for the end."""
    for number, patience in ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0)):
        process.send_signal(number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()
