"""A pid file is read as PostgreSQL writes it, and one that a server has left behind is no obstacle."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded.data import PidFile, read_pid_file, running_server
from tests.embedded.servers import LINUX, run, serves, start


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "81\n/data\n1700000000\n5432\n/run/x\n\n  123  456\nready   \n",
            PidFile(process_id=81, socket_directory=Path("/run/x"), status="ready"),
        ),
        ("-81\n/data\n", PidFile(process_id=None, socket_directory=None, status="")),
        ("", PidFile(process_id=None, socket_directory=None, status="")),
    ],
)
def test_a_pid_file_is_read_as_postgres_writes_it(tmp_path: Path, content: str, expected: PidFile) -> None:
    (tmp_path / "postmaster.pid").write_text(content)
    assert read_pid_file(tmp_path) == expected


@pytest.fixture
def stranger() -> Iterator[int]:
    """A live process that got the number of a server that is gone. It is no relative: those PostgreSQL tolerates."""
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize("first_line", ["{stranger}", "4194304", "", "12\n/torn"])
def test_a_stale_pid_file_is_no_obstacle(directory: Path, first_line: str, stranger: int) -> None:
    server = start(directory)
    lines = (directory / "data" / "postmaster.pid").read_text().splitlines()[1:]
    [(sockets,)] = run(server, "SELECT current_setting('unix_socket_directories')")
    server.stop()
    (directory / "data" / "postmaster.pid").write_text("\n".join([first_line.format(stranger=stranger), *lines]))
    Path(sockets).mkdir(mode=0o700)
    (Path(sockets) / ".s.PGSQL.5432").touch()
    (Path(sockets) / ".s.PGSQL.5432.lock").write_text(f"{stranger}\n")
    server.start()
    assert serves(server)
    server.stop()
    os.kill(stranger, 0)  # left alone


@pytest.fixture
def zombie() -> Iterator[int]:
    """A process that has ended and that nobody reaps while the test runs."""
    with subprocess.Popen(["/bin/true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid


@LINUX
def test_a_pid_file_of_a_zombie_is_no_obstacle(directory: Path, zombie: int) -> None:
    (directory / "data" / "postmaster.pid").write_text(f"{zombie}\n{directory / 'data'}\n0\n5432\n/tmp\n\n0\nready\n")
    server = start(directory)
    assert serves(server)
    server.stop()


def test_a_postgres_on_other_data_is_not_taken_for_ours(directory: Path, copied_directory: Path) -> None:
    other = start(copied_directory)
    shutil.copy(copied_directory / "data" / "postmaster.pid", directory / "data" / "postmaster.pid")
    assert running_server(directory / "data") is None
    server = start(directory)
    assert server.process_id != other.process_id
    assert serves(other)
    server.stop()
    other.stop()
