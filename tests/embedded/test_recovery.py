"""What a killed server, a killed owner or a killed initdb leaves is recovered by the next start."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.embedded.servers import (
    LINUX,
    announced,
    is_gone,
    kill,
    next_line,
    owner_process,
    python,
    run,
    serves,
    start,
    wait_until,
)

BUSY_CLIENT = """
import asyncio, sys
import asyncpg
async def loop_for_ever():
    connection = await asyncpg.connect(sys.argv[1].replace("+asyncpg", ""))
    print(await connection.fetchval("SELECT pg_backend_pid()"), flush=True)
    try:
        await connection.execute("DO $$ BEGIN LOOP END LOOP; END $$")
    except (OSError, asyncpg.PostgresError):
        print("cut off", flush=True)
asyncio.run(loop_for_ever())
"""


def log_of_the_last_start(directory: Path) -> str:
    return (directory / "postgres.log").read_text().split("starting PostgreSQL")[-1]


def test_rows_acknowledged_before_the_postmaster_is_killed_are_there_after_the_next_start(directory: Path) -> None:
    server = start(directory)
    run(server, "CREATE TABLE acknowledged (n int)")
    run(server, *["INSERT INTO acknowledged VALUES (1)"] * 100)
    kill(server)
    server.start()
    assert run(server, "SELECT count(*) FROM acknowledged") == [(100,)]
    server.stop()


def test_another_process_recovers_what_a_killed_postmaster_left(directory: Path) -> None:
    killed = start(directory)
    run(killed, "CREATE TABLE left_behind (n int)", "INSERT INTO left_behind VALUES (1)")
    kill(killed)
    killed.stop()
    recovered = start(directory)
    assert run(recovered, "SELECT n FROM left_behind") == [(1,)]
    recovered.stop()


@LINUX
def test_a_busy_back_end_that_outlives_its_postmaster_is_ended_before_the_next_start(directory: Path) -> None:
    server = start(directory)
    with python(BUSY_CLIENT, server.url("postgres")) as client:
        back_end = int(next_line(client))
        wait_until(lambda: run(server, "SELECT pid FROM pg_stat_activity WHERE query LIKE 'DO %'") == [(back_end,)])
        kill(server)
        assert not is_gone(back_end)
        server.start()
        assert is_gone(back_end)
        assert serves(server)
        assert next_line(client) == "cut off"
    server.stop()


@LINUX
def test_a_killed_owner_leaves_no_server_behind_and_the_next_start_works(directory: Path) -> None:
    with owner_process(directory) as owner:
        number, _ = announced(owner)
        owner.kill()
        wait_until(lambda: is_gone(number))
    server = start(directory)
    assert serves(server)
    assert "database system was shut down at" in log_of_the_last_start(directory)
    server.stop()


@LINUX
def test_a_start_waits_for_a_server_that_is_still_shutting_down(directory: Path) -> None:
    log = directory / "postgres.log"
    with owner_process(directory) as owner:
        number, _ = announced(owner)
        os.kill(number, signal.SIGSTOP)
        owner.kill()
        owner.wait()
        written = log.stat().st_size
        with owner_process(directory) as successor:
            wait_until(lambda: log.stat().st_size > written)  # it has tried the programs, and comes to the data
            os.kill(number, signal.SIGCONT)
            new_number, attached = announced(successor)
            assert not attached
            assert new_number != number
            assert is_gone(number)
    assert "database system was shut down at" in log_of_the_last_start(directory)
    server = start(directory)
    assert serves(server)
    server.stop()


def test_an_owner_killed_during_initdb_is_followed_by_a_whole_server(tmp_path: Path) -> None:
    directory = tmp_path / "postgres"
    with owner_process(directory) as owner:
        wait_until((directory / "data.tmp" / "global").exists)
        owner.kill()
    assert not (directory / "data").exists()
    server = start(directory)
    assert serves(server)
    assert not (directory / "data.tmp").exists()
    server.stop()
