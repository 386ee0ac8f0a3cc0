"""Who the server is: never root, and nothing outside its directory is opened to it."""

from __future__ import annotations

import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from app.embedded import EmbeddedPostgres, find_binaries
from app.embedded.child import AsAccount, InUserNamespace, Unchanged, closed_ancestor, identities
from tests.embedded.servers import LINUX_ROOT, next_line, python, serves, start


@LINUX_ROOT
def test_root_starts_a_server_in_a_closed_tree_and_nothing_there_changes(directory: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(directory, closed / "postgres")
    folders = [closed / "postgres", closed, *closed.parents]
    before = [(path.stat().st_mode, path.stat().st_uid) for path in folders]
    server = start(closed / "postgres")
    assert serves(server)
    server.stop()
    assert [(path.stat().st_mode, path.stat().st_uid) for path in folders] == before
    assert {path.stat().st_uid for path in (closed / "postgres").rglob("*")} == {0}


WITHOUT_NAMESPACES = """
import ctypes, os, sys
from pathlib import Path
from app.embedded import EmbeddedPostgres, EmbeddedPostgresError
unshared, mapped = os.pipe(), os.pipe()
child = os.fork()
if child:
    os.read(unshared[0], 1)
    Path(f"/proc/{child}/uid_map").write_text("0 0 65536")
    Path(f"/proc/{child}/gid_map").write_text("0 0 65536")
    os.write(mapped[1], b"x")
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
assert ctypes.CDLL(None).unshare(0x10000000) == 0
os.write(unshared[1], b"x")
os.read(mapped[0], 1)
Path("/proc/sys/user/max_user_namespaces").write_text("0")
try:
    with EmbeddedPostgres(directory=Path(sys.argv[1]), durable=False) as server:
        print(Path(f"/proc/{server.process_id}").stat().st_uid, flush=True)
except EmbeddedPostgresError as refusal:
    print(refusal, flush=True)
"""
"""A container's usual state: root, with other accounts, but no user namespace to be had."""


def start_without_namespaces(directory: Path) -> str:
    if closed_ancestor(find_binaries()) is not None:
        pytest.skip("the binaries are below a closed directory, which no other account can pass")
    with python(WITHOUT_NAMESPACES, directory) as process:
        said = next_line(process)
        assert process.wait() == 0
    return said


@LINUX_ROOT
def test_root_without_user_namespaces_runs_the_server_as_another_account() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        account = identities(effective_uid=0, platform="linux")[1]
        assert isinstance(account, AsAccount)
        assert start_without_namespaces(Path(place, "postgres")) == str(account.uid)
        assert stat.S_IMODE(Path(place).stat().st_mode) == 0o755
        assert Path(place).stat().st_uid == 0
        with EmbeddedPostgres(directory=Path(place, "postgres"), durable=False) as server:  # and back again
            assert serves(server)


@LINUX_ROOT
def test_root_without_user_namespaces_is_told_which_closed_directory_is_in_the_way(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    refusal = start_without_namespaces(tmp_path / "postgres")
    assert "is closed to other accounts" in refusal
    assert "Run as an ordinary user" in refusal


def test_identities_are_tried_best_first() -> None:
    assert identities(effective_uid=1000, platform="linux") == (Unchanged(),)
    linux, mac = identities(effective_uid=0, platform="linux"), identities(effective_uid=0, platform="darwin")
    assert [type(identity) for identity in linux] == [InUserNamespace, AsAccount]
    assert [type(identity) for identity in mac] == [AsAccount]
