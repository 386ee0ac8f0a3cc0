"""One server for whoever starts the same directory: the first owns it, the others attach."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.embedded import EmbeddedPostgresError, set_aside
from tests.embedded.servers import announced, owner_process, run, serves, start


def test_a_second_starter_attaches_and_never_stops_the_server(directory: Path) -> None:
    owner = start(directory)
    second = start(directory)
    assert second.attached
    assert (second.process_id, second.url("x")) == (owner.process_id, owner.url("x"))
    second.stop()
    assert serves(owner)
    owner.stop()


def test_an_attached_starter_whose_server_has_gone_becomes_the_owner_at_its_next_start(directory: Path) -> None:
    owner = start(directory)
    second = start(directory)
    owner.stop()
    second.start()
    assert not second.attached
    assert serves(second)
    second.stop()


def test_two_first_starts_at_once_share_one_server(tmp_path: Path) -> None:
    with owner_process(tmp_path / "postgres") as one, owner_process(tmp_path / "postgres") as two:
        first, second = announced(one), announced(two)
    assert first[0] == second[0]
    assert {first[1], second[1]} == {False, True}
    start(tmp_path / "postgres").stop()


def test_data_is_set_aside_only_while_no_server_uses_it(copied_directory: Path) -> None:
    server = start(copied_directory)
    run(server, "CREATE TABLE old (n int)")
    with pytest.raises(EmbeddedPostgresError, match="running"):
        set_aside(copied_directory)
    server.stop()
    kept = set_aside(copied_directory)
    assert kept.parent == copied_directory
    assert kept.name.startswith("data.2")
    assert (kept / "PG_VERSION").read_text() == "18\n"
    server.start()
    assert run(server, "SELECT to_regclass('old')") == [(None,)]
    server.stop()
    set_aside(copied_directory)
    with pytest.raises(EmbeddedPostgresError, match="no data"):
        set_aside(copied_directory)
