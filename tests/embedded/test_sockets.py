"""The directory of the Unix socket: private, short, and gone with its server."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from app.embedded import EmbeddedPostgresError
from app.embedded.child import Unchanged
from app.embedded.sockets import make_private, socket_directory
from tests.embedded.servers import run, start


def test_the_socket_directory_is_private_and_goes_with_the_server(directory: Path) -> None:
    server = start(directory)
    [(sockets,)] = run(server, "SELECT current_setting('unix_socket_directories')")
    assert stat.S_IMODE(Path(sockets).stat().st_mode) == 0o700
    server.stop()
    assert not Path(sockets).exists()


def test_a_socket_directory_that_somebody_else_prepared_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trap").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(EmbeddedPostgresError, match="trap"):
        make_private(tmp_path / "trap", Unchanged())


def test_the_socket_directory_is_short_and_below_the_runtime_directory_where_there_is_one(tmp_path: Path) -> None:
    def chosen(**environment: str) -> str:
        return str(socket_directory(Path("/srv/data"), identity=Unchanged(), environment=environment))

    long = tmp_path / ("x" * 100)
    long.mkdir()
    fallback = str(Path("/", "tmp", f"gateway-{os.geteuid()}-96b53e47"))
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        assert chosen(XDG_RUNTIME_DIR=short) == f"{short}/gateway-96b53e47"
    assert chosen() == fallback
    assert chosen(XDG_RUNTIME_DIR=str(long)) == fallback
    assert chosen(XDG_RUNTIME_DIR="/does/not/exist") == fallback
