"""Starting and stopping a server: what it is like, what it keeps, and what the caller cannot move."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from app.embedded import EmbeddedPostgres, EmbeddedPostgresError
from tests.embedded.servers import run, start


def test_a_first_start_makes_its_directory_and_a_server_of_version_18_in_utc(tmp_path: Path) -> None:
    directory = tmp_path / "not" / "yet" / "there"
    with EmbeddedPostgres(directory=directory, durable=True) as server:
        assert not server.attached
        assert run(
            server, "SELECT current_setting('server_version_num')::int / 10000, current_setting('TimeZone')"
        ) == [(18, "UTC")]
        assert run(server, "SELECT current_setting('fsync'), current_setting('server_encoding')") == [("on", "UTF8")]
        number = server.process_id
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    assert sorted(path.name for path in directory.iterdir()) == ["data", "lock", "postgres.log"]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {path.stat().st_uid for path in directory.rglob("*")} == {os.geteuid()}


def test_a_warm_start_keeps_databases_whatever_their_names(directory: Path) -> None:
    server = start(directory)
    run(server, 'CREATE DATABASE "a b/ü"')
    run(server, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)", database="a b/ü")
    server.stop()
    server.start()
    assert run(server, "SELECT n FROM kept", database="a b/ü") == [(7,)]
    server.stop()


def test_settings_reach_the_server(directory: Path) -> None:
    server = start(directory, max_connections="17", timezone="Asia/Tokyo")
    assert run(server, "SELECT current_setting('max_connections'), current_setting('TimeZone')") == [
        ("17", "Asia/Tokyo")
    ]
    assert run(server, "SELECT current_setting('fsync'), current_setting('listen_addresses')") == [("off", "")]
    server.stop()


def test_starting_and_stopping_twice_changes_nothing(directory: Path) -> None:
    server = start(directory)
    number = server.process_id
    server.start()
    assert server.process_id == number
    server.stop()
    server.stop()


def test_the_environment_of_the_caller_moves_neither_port_nor_data(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere", "PGSSLMODE": "require"}.items():
        monkeypatch.setenv(name, value)
    server = start(directory)
    assert run(server, "SELECT current_setting('port')") == [("5432",)]
    server.stop()


def test_ctrl_c_on_our_terminal_does_not_reach_the_server(directory: Path) -> None:
    server = start(directory)
    assert os.getsid(server.process_id) == server.process_id
    server.stop()


def test_a_server_that_is_not_started_has_neither_url_nor_process(tmp_path: Path) -> None:
    server = EmbeddedPostgres(directory=tmp_path)
    with pytest.raises(EmbeddedPostgresError, match="not started"):
        server.url("postgres")
    with pytest.raises(EmbeddedPostgresError, match="not started"):
        assert server.process_id


def test_a_large_log_is_put_beside(directory: Path) -> None:
    with (directory / "postgres.log").open("wb") as log:
        log.truncate(10_000_001)
    start(directory).stop()
    assert (directory / "postgres.log.old").stat().st_size == 10_000_001
    assert (directory / "postgres.log").stat().st_size < 10_000
