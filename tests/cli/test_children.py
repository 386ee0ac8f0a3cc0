"""The processes of `gateway dev`: their logs outlive a restart, and their ends are told in words."""

from __future__ import annotations

import os
from pathlib import Path

from app.cli.children import Child, Children


def test_a_log_goes_on_where_the_last_run_ended_and_the_end_is_told(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("what the last run said\n")
    child = Child("api", log=log, environment={**os.environ, "GATEWAY_API__PORT": "http"})
    child.wait()
    assert child.ending == "exit code 1"
    assert log.read_text().startswith("what the last run said\n")
    assert "GATEWAY_API__PORT" in child.last_lines()


def test_a_log_that_has_grown_long_is_put_away(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_bytes(b"x" * 10_000_001)
    child = Child("api", log=log, environment={**os.environ, "GATEWAY_API__PORT": "http"})
    child.wait()
    assert log.stat().st_size < 10_000
    assert (tmp_path / "api.log.1").stat().st_size == 10_000_001


def test_a_child_that_ends_by_itself_is_noticed_and_a_kill_is_named(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "GATEWAY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "GATEWAY_SECRET_KEY": "k" * 32,
        "GATEWAY_SANDBOX__PORT": "0",
    }
    with Children(tmp_path, environment) as children:
        child = children.start("sandbox")
        assert children.ended() is None
        child.kill()
        child.wait()
        assert children.ended() is child
        assert child.ending == "SIGKILL"
