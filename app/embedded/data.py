"""The data directory: made whole or not at all, set aside by a rename, and freed of whatever ran on it before.

The caller holds the owner's lock: only then is a server found here nobody's.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.embedded.child import AsAccount, Identity, launch
from app.embedded.failure import EmbeddedPostgresError, explained
from app.embedded.lock import OwnerLock

_POLL_SECONDS = 0.02
_LOCALE = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"  # macOS before 15 has no C.UTF-8


@dataclass(frozen=True, kw_only=True)
class PidFile:
    """What a postmaster writes about itself: lines 1, 5 and 8 of postmaster.pid (miscadmin.h, pidfile.h).

    `process_id` is None and `status` empty in a file that was cut short; `status` is `starting`, `ready` or
    `stopping`.
    """

    process_id: int | None
    socket_directory: Path | None
    status: str


def read_pid_file(data: Path) -> PidFile | None:
    """The postmaster.pid of `data`, or None where there is none. It may be left over from a server that is gone."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    fields = [line.strip() for line in lines] + [""] * 8
    return PidFile(
        process_id=int(fields[0]) if fields[0].isdecimal() else None,
        socket_directory=Path(fields[4]) if fields[4] else None,
        status=fields[7],
    )


def running_server(data: Path) -> PidFile | None:
    """The pid file, if its process lives, is no zombie, and is a postgres on this very data directory."""
    pid_file = read_pid_file(data)
    if pid_file is None or pid_file.process_id not in _processes(data):
        return None
    return pid_file


def free(data: Path) -> None:
    """End what still runs on `data` without an owner, wait until it is gone, and remove its stale pid file.

    A server whose owner was killed is already shutting down by itself on Linux; elsewhere it is told to here. Back
    ends that outlived their postmaster must be gone before its pid file is: that file is what PostgreSQL guards
    itself with. Lasts as long as a clean shutdown, at most about 35 seconds; one that is not clean
    by then is stopped hard, and recovers at its next start.

    Raises:
        EmbeddedPostgresError: a process does not end even by SIGKILL.
    """
    postmaster = running_server(data)
    if postmaster is not None and postmaster.process_id is not None:
        _send(signal.SIGINT, [postmaster.process_id])
    patience = 20.0 if postmaster is not None else 1.0
    if not _gone(data, patience):
        _send(signal.SIGQUIT, _processes(data))
        if not _gone(data, 10.0):
            _send(signal.SIGKILL, _processes(data))
            if not _gone(data, 5.0):
                raise EmbeddedPostgresError(f"processes {_processes(data)} on {data} do not end; kill them by hand")
    (data / "postmaster.pid").unlink(missing_ok=True)  # PostgreSQL refuses to start if its number was recycled


def initialise(data: Path, *, binaries: Path, identity: Identity, durable: bool, log: Path) -> None:
    """Make `data` by initdb into `data.tmp` and a rename, so that a killed first start leaves nothing half made.

    Raises:
        EmbeddedPostgresError: initdb failed, with the end of its words.
    """
    unfinished = data.with_name("data.tmp")
    if unfinished.exists():
        free(unfinished)
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    own(unfinished, identity)
    command = [str(binaries / "initdb"), "-D", str(unfinished), "-U", "postgres", "--auth=trust", "-E", "UTF8"]
    command += [f"--locale={_LOCALE}", "--no-instructions", *([] if durable else ["--no-sync"])]
    since = log.stat().st_size
    with log.open("ab") as output:
        # SIGKILL: initdb's own clean-up must not race with the next start
        process = launch(command, identity=identity, output=output, on_parent_death=signal.SIGKILL)
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
    if code != 0:
        raise explained(f"initdb failed with exit code {code}.", log=log, since=since)
    unfinished.rename(data)
    _sync(data.parent)


def set_aside(directory: Path) -> Path:
    """Rename the data directory below `directory` to data.<UTC time> and return it; the next start makes a new one.

    Raises:
        EmbeddedPostgresError: there is no data, or a running server uses it.
    """
    data = directory.resolve() / "data"
    if not data.is_dir():
        raise EmbeddedPostgresError(f"there is no data in {directory} to set aside")
    lock = OwnerLock.take(directory.resolve())
    if lock is None:
        raise EmbeddedPostgresError(f"the server on {directory} is running: stop it before its data is set aside")
    with lock:
        free(data)
        kept = data.with_name(f"data.{datetime.now(tz=UTC):%Y%m%dT%H%M%S.%fZ}")
        data.rename(kept)
        _sync(directory)
    return kept


def own(path: Path, identity: Identity) -> None:
    """Give `path` and all below it to who the server is, where we are root and it is not yet so.

    Inside a user namespace the server's files are root's: only then does it see them as its own.
    """
    if os.geteuid() != 0:
        return
    uid, gid = (identity.uid, identity.gid) if isinstance(identity, AsAccount) else (os.geteuid(), os.getegid())
    if path.stat().st_uid == uid:
        return
    for parent, directories, files in os.walk(path):
        for name in (*directories, *files):
            os.chown(Path(parent, name), uid, gid, follow_symlinks=False)
    os.chown(path, uid, gid)  # last: an interrupted change is seen and done again


def _processes(data: Path) -> Sequence[int]:
    """Ids of the live postgres processes that work in `data`: the postmaster, its children, orphans of both."""
    if sys.platform == "linux":
        processes = (entry for entry in Path("/proc").iterdir() if entry.name.isdecimal())
        return [int(process.name) for process in processes if _works_in(process, data)]
    pid_file = read_pid_file(data)
    if pid_file is None or pid_file.process_id is None:
        return []
    return [pid_file.process_id] if _is_listed(pid_file.process_id, data) else []


def _works_in(process: Path, data: Path) -> bool:
    """Every postgres process has its data directory as working directory; a zombie has none."""
    try:
        program = (process / "exe").readlink().name.removesuffix(" (deleted)")
        return program == "postgres" and (process / "cwd").samefile(data)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False  # it ended, is a zombie or a kernel thread, or is another user's and so not our server


def _is_listed(number: int, data: Path) -> bool:
    """Without /proc: what ps says. Left-over back ends are then found by PostgreSQL itself, by its shared memory."""
    listing = subprocess.run(  # noqa: S603 - a fixed system program and a number
        ["/bin/ps", "-o", "stat=,command=", "-p", str(number)], capture_output=True, text=True, check=False
    ).stdout
    return not listing.startswith("Z") and "postgres" in listing and str(data) in listing


def _gone(data: Path, patience: float) -> bool:
    end = time.monotonic() + patience
    while _processes(data):
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _send(number: signal.Signals, processes: Sequence[int]) -> None:
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue  # it ended by itself, which is what was wanted


def _sync(directory: Path) -> None:
    """Make a rename in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
