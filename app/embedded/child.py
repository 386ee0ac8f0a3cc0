"""How a child process is started: bound to its parent's life, in its own session, and never as root for PostgreSQL.

On Linux a child is told by the kernel when its parent is gone (PR_SET_PDEATHSIG). The kernel means the *thread* that
forked: start children from the main thread, or from one that outlives them.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias, assert_never

from app.embedded.failure import EmbeddedPostgresError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PREFERRED_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """The server runs as who we are, an ordinary user."""


@dataclass(frozen=True, kw_only=True)
class InUserNamespace:
    """We are root: the server sees itself as `uid` while its files stay root's and closed directories stay closed."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class AsAccount:
    """We are root without user namespaces: the server runs as this account, which must own and reach its files."""

    name: str
    uid: int
    gid: int


Identity: TypeAlias = Unchanged | InUserNamespace | AsAccount
"""Who the server is: PostgreSQL refuses to run as root."""


def die_with_parent(signal_number: int = signal.SIGTERM) -> Callable[[], None] | None:
    """A `preexec_fn` that has the kernel send `signal_number` to the child when its parent is gone.

    Call it in the parent: the child ends at once if that process is already gone when it looks. The promise ends with
    the *thread* that forks, so fork from the main thread. None where the system has no such thing (macOS).
    """
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl
    parent = os.getpid()

    def bind() -> None:
        if prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != parent:
            os._exit(1)  # the parent died before the kernel was asked

    return bind


def launch(
    command: Sequence[str], *, identity: Identity, output: IO[bytes], on_parent_death: int = signal.SIGINT
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, so that Ctrl-C reaches only us, with its words going to `output`."""
    account = identity if isinstance(identity, AsAccount) else None
    bind = die_with_parent(on_parent_death)

    def prepare() -> None:
        _become(identity)
        if bind is not None:
            bind()  # last: the kernel forgets the wish when credentials change

    return subprocess.Popen(  # noqa: S603 - the programs of find_binaries with our own arguments
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",  # ours may be closed to the account
        env=_environment(os.environ),
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=prepare,  # noqa: PLW1509 - forked before any loop or thread runs, and it only makes system calls
    )


def usable_identity(*, postgres: Path, directory: Path, output: IO[bytes]) -> Identity:
    """The first identity under which `postgres` runs and `directory` can be reached.

    Raises:
        EmbeddedPostgresError: none does, with what to do.
    """
    for identity in identities(effective_uid=os.geteuid(), platform=sys.platform):
        if isinstance(identity, AsAccount) and closed_ancestor(directory) is not None:
            continue
        try:
            process = launch([str(postgres), "--version"], identity=identity, output=output)
        except (OSError, subprocess.SubprocessError) as refusal:
            output.write(f"not started as {identity}: {refusal}\n".encode())
            output.flush()
            continue
        if process.wait() == 0:
            return identity
    raise EmbeddedPostgresError(_no_identity(postgres, directory))


def identities(*, effective_uid: int, platform: str) -> Sequence[Identity]:
    """Who the server may be, best first."""
    if effective_uid != 0:
        return (Unchanged(),)
    account = _account()
    switched = AsAccount(name=account.pw_name, uid=account.pw_uid, gid=account.pw_gid)
    if platform != "linux":
        return (switched,)
    return (InUserNamespace(uid=account.pw_uid, gid=account.pw_gid), switched)


def closed_ancestor(directory: Path) -> Path | None:
    """The uppermost directory above `directory` that other accounts cannot pass, or None."""
    return next((path for path in reversed(directory.parents) if not path.stat().st_mode & 0o001), None)


def _become(identity: Identity) -> None:
    """Run in the child before exec. The account switch is Popen's own and has happened by now."""
    match identity:
        case Unchanged() | AsAccount():
            return
        case InUserNamespace(uid=uid, gid=gid):
            outer_uid, outer_gid = os.geteuid(), os.getegid()
            if _LIBC is None or _LIBC.unshare(_CLONE_NEWUSER) != 0:
                raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
            # user_namespaces(7): a process maps itself, one line each, and gives up setgroups before its group.
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1", encoding="ascii")
        case _:
            assert_never(identity)


def _account() -> pwd.struct_passwd:
    """An account that is not root: initdb wants its name to exist."""
    accounts = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in _PREFERRED_ACCOUNTS:
        if name in accounts:
            return accounts[name]
    if not accounts:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and this system has no other account: add one (useradd postgres)."
        )
    return next(iter(accounts.values()))


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Ours without PG*, which would move the port and the data; messages in plain English, wherever it runs."""
    kept = {name: value for name, value in inherited.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


def _no_identity(postgres: Path, directory: Path) -> str:
    if os.geteuid() != 0:
        return (
            f"{postgres} does not run on this machine. Set GATEWAY_PG_BIN to the bin directory of a PostgreSQL 18 "
            "that does."
        )
    closed = closed_ancestor(directory)
    where = f"; {closed} is closed to other accounts" if closed else ""
    return (
        f"PostgreSQL does not run as root, and neither a user namespace nor another account works for {postgres} "
        f"with {directory}{where}. Run as an ordinary user, or keep the data outside closed directories "
        "(GATEWAY_DATA_DIR)."
    )
