"""`gateway dev` as a newcomer meets it: what it prints works as printed, and however it ends, nothing stays behind.

Three runs on one data directory: the first is killed, the second is stopped by Ctrl-C, the third finds foreign data.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import text

from app.cli.children import Children
from app.cli.demo import run_demo
from app.cli.installation import Installation
from app.embedded import EmbeddedPostgres, find_binaries
from app.settings import SandboxSettings
from app.store.engine import create_engine, transaction
from tests.support.development import Development, Member, Welcome, commands, family, survivors
from tests.support.processes import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who is left behind is read from /proc")

_SECONDS_TO_END: Final = 30


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the command, over."""

    welcome: Welcome
    members: set[Member]
    """Its processes while it ran."""

    exit_code: int | None
    left: set[Member]
    """Its processes that did not end."""

    output: str


@dataclass(frozen=True, kw_only=True)
class FirstRun(Run):
    """The run that a newcomer makes."""

    taken_port: int
    sandbox_port: int
    curl: subprocess.CompletedProcess[str]
    """The printed lines, executed; the output is the answer's body and, on a line of its own, its status."""

    demo_code: int
    demo_output: str

    @property
    def message(self) -> dict[str, Any]:
        """The message that the printed lines have sent."""
        document: dict[str, Any] = json.loads(self.curl.stdout.rpartition("\n")[0])
        return document


@dataclass(frozen=True, kw_only=True)
class LaterRun(Run):
    """A run on the data of an earlier one."""

    message: httpx.Response
    """What a key of this run is answered about the newcomer's message."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dev")


@pytest.fixture(scope="module")
def taken_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def first(directory: Path, taken_port: int) -> FirstRun:
    """A first run that is killed by SIGKILL."""
    sandbox_port = free_port()
    ports = ("--port", str(taken_port), "--sandbox-port", str(sandbox_port))
    with Development(directory / "data", *ports, log=directory / "first.log") as dev:
        welcome = dev.welcome()
        curl = execute(welcome.first_message, directory)
        wait_until_delivered(welcome, json.loads(curl.stdout.rpartition("\n")[0])["id"])
        demo_code, demo_output = demo_with_a_wrong_secret(welcome, directory)
        members = family(dev.process.pid)
        dev.process.kill()
        return FirstRun(
            welcome=welcome,
            members=members,
            exit_code=dev.process.exit_code,
            left=survivors(members, within_seconds=_SECONDS_TO_END),
            output=dev.process.output(),
            taken_port=taken_port,
            sandbox_port=sandbox_port,
            curl=curl,
            demo_code=demo_code,
            demo_output=demo_output,
        )


@pytest.fixture(scope="module")
def second(directory: Path, first: FirstRun) -> LaterRun:
    """A run on the data of the one that was killed."""
    return later_run(directory, "second.log", first)


@pytest.fixture(scope="module")
def third(directory: Path, first: FirstRun, second: LaterRun) -> LaterRun:
    """A run on data of a schema revision that this code does not know."""
    assert second.exit_code == 0
    binaries = find_binaries(os.environ.get("GATEWAY_PG_BIN"))
    with EmbeddedPostgres(directory=directory / "data" / "postgres", binaries=binaries) as postgres:
        asyncio.run(write_foreign_revision(postgres.url("gateway")))
    return later_run(directory, "third.log", first)


def later_run(directory: Path, log: str, first: FirstRun) -> LaterRun:
    """Start on the same data, ask for the newcomer's message, and press Ctrl-C."""
    with Development(directory / "data", "--port", "0", "--sandbox-port", "0", log=directory / log) as dev:
        welcome = dev.welcome()
        message = read_message(welcome, first.message["id"])
        members = family(dev.process.pid)
        code = dev.interrupt()
        return LaterRun(
            welcome=welcome,
            members=members,
            exit_code=code,
            left=survivors(members, within_seconds=_SECONDS_TO_END),
            output=dev.process.output(),
            message=message,
        )


def read_message(welcome: Welcome, message_id: str) -> httpx.Response:
    """Ask for a message with the key that was printed."""
    url = f"{welcome.api_url}/v1/messages/{message_id}"
    return httpx.get(url, auth=(welcome.api_key, welcome.api_secret), trust_env=False)


def wait_until_delivered(welcome: Welcome, message_id: str) -> None:
    """Give the newcomer's message the time that it takes."""
    deadline = time.monotonic() + 30
    while (status := read_message(welcome, message_id).json()["status"]) != "delivered":
        assert time.monotonic() < deadline, status
        time.sleep(0.1)


def execute(lines: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run lines of shell as they are; curl's own settings file has it tell the status."""
    bash, curl = shutil.which("bash"), shutil.which("curl")
    assert bash, "bash is needed"
    assert curl, "curl is needed"
    (directory / ".curlrc").write_text('silent\nnoproxy = "*"\nwrite-out = "\\n%{http_code}"\n')
    surroundings = {"PATH": os.environ["PATH"], "CURL_HOME": str(directory)}
    return subprocess.run(  # noqa: S603 - what our own command has printed
        [bash, "-c", lines], env=surroundings, capture_output=True, text=True, check=True, timeout=60
    )


def demo_with_a_wrong_secret(welcome: Welcome, directory: Path) -> tuple[int, str]:
    """Run the demo of `--once` against a gateway that refuses all of it."""
    installation = Installation(
        api_url=welcome.api_url,
        sandbox_url=welcome.sandbox_url,
        api_key=welcome.api_key,
        api_secret="wrong",
        sandbox_key="sandbox",
        sandbox_secret="unused",
        database_url="unused",
        secret_key="unused",
        postgres=EmbeddedPostgres(directory=directory / "no-postgres"),
        children=Children(directory / "no-logs", {}),
        logs=directory / "no-logs",
        directory=directory,
    )
    with redirect_stdout(io.StringIO()) as output:
        code = run_demo(installation, SandboxSettings())
    return code, output.getvalue()


async def write_foreign_revision(url: str) -> None:
    """Make the data look as if another version of the gateway had written them."""
    engine = create_engine(url, application="tests")
    async with transaction(engine) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'ffff'"))
    await engine.dispose()


def test_the_printed_lines_send_a_first_message_as_they_are(first: FirstRun) -> None:
    assert first.curl.stdout.rpartition("\n")[2] == "202"
    assert first.message["status"] == "queued"
    assert first.message["test"] is True


def test_the_welcome_names_the_urls_and_a_test_key(first: FirstRun) -> None:
    assert "Messaging Gateway is running." in first.output
    assert f"API       {first.welcome.api_url}/v1" in first.output
    assert first.welcome.sandbox_url == f"http://127.0.0.1:{first.sandbox_port}"
    assert len(first.welcome.api_key) >= 12
    assert len(first.welcome.api_secret) >= 20


def test_a_taken_port_is_replaced_by_a_free_one_and_said_so(first: FirstRun) -> None:
    port = first.welcome.api_url.rpartition(":")[2]
    assert port != str(first.taken_port)
    assert f"port {first.taken_port} is taken, using {port}" in first.output


def test_everything_that_runs_is_a_process_of_the_command(first: FirstRun) -> None:
    assert {"api", "worker", "sandbox", "postgres"} <= commands(first.members)


def test_a_kill_of_the_command_leaves_no_process_behind(first: FirstRun) -> None:
    assert first.exit_code == -9
    assert first.left == set()


def test_data_outlive_a_kill_and_a_key_of_the_next_run_reads_them(first: FirstRun, second: LaterRun) -> None:
    assert second.message.status_code == 200
    assert second.message.json()["id"] == first.message["id"]
    assert second.message.json()["status"] == "delivered"
    assert second.welcome.api_key != first.welcome.api_key


def test_ctrl_c_stops_everything_with_exit_code_0(second: LaterRun) -> None:
    assert {"api", "worker", "sandbox", "postgres"} <= commands(second.members)
    assert second.exit_code == 0
    assert second.left == set()
    assert "Traceback" not in second.output


def test_data_of_another_version_are_set_aside_and_the_run_starts_with_none(directory: Path, third: LaterRun) -> None:
    [aside] = (directory / "data" / "postgres").glob("data.2*")
    assert f"the data are of another version of the gateway: kept in {aside}, starting with none" in third.output
    assert (aside / "PG_VERSION").exists()
    assert third.message.status_code == 404
    assert (third.exit_code, third.left) == (0, set())


def test_a_demo_that_falls_short_says_what_was_expected_and_exits_non_zero(first: FirstRun) -> None:
    assert first.demo_code == 1
    assert "refused (401)" in first.demo_output
    assert "EXPECTED delivered" in first.demo_output
