"""The short directory of the server's Unix socket: private, checked before it is trusted, and removed afterwards."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from app.embedded.child import AsAccount, Identity
from app.embedded.failure import EmbeddedPostgresError

PORT = 5432
"""Only part of the socket's file name: the server does not listen on TCP."""

_LONGEST_PATH = 103  # bytes, sun_path without its final zero: 103 on macOS, 107 on Linux
_SHORT = Path("/tmp")  # noqa: S108 - socket paths must be short; the directory in it is checked for owner and mode


def socket_directory(data: Path, *, identity: Identity, environment: Mapping[str, str]) -> Path:
    """Where the socket for `data` is: below XDG_RUNTIME_DIR if that is usable, else below /tmp."""
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:8]
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and os.access(runtime, os.W_OK | os.X_OK) and not isinstance(identity, AsAccount):
        directory = Path(runtime, f"gateway-{digest}")
        if len(os.fsencode(_files(directory)[0])) <= _LONGEST_PATH:
            return directory
    return _SHORT / f"gateway-{os.geteuid()}-{digest}"


def make_private(directory: Path, identity: Identity) -> None:
    """Make `directory` with mode 0700 for who the server is, or check one that is there and clear what a server left.

    Raises:
        EmbeddedPostgresError: it is a link or another account's, so somebody else may be waiting in it.
    """
    ours = {os.geteuid(), identity.uid if isinstance(identity, AsAccount) else os.geteuid()}
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:
        raise EmbeddedPostgresError(f"{directory} is not a directory of ours: remove it, it may be a trap")
    directory.chmod(0o700)
    if isinstance(identity, AsAccount):
        os.chown(directory, identity.uid, identity.gid)
    _clear(directory)


def remove(directory: Path) -> None:
    """Remove the directory of a server that is gone; what others put into it stays."""
    _clear(directory)
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()


def _clear(directory: Path) -> None:
    for path in _files(directory):
        path.unlink(missing_ok=True)


def _files(directory: Path) -> tuple[Path, Path]:
    """The lock file of the server's socket, and the socket."""
    return directory / f".s.PGSQL.{PORT}.lock", directory / f".s.PGSQL.{PORT}"
