"""Each benchmark at its smallest size: it runs to its end, its counts agree, and its last line can be read."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import accept, dispatch, memory, rates, webhooks
from tests.bench.harness.servers import Servers, running_servers
from tests.support.processes import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc and use epoll")

SMALLEST = ["--rounds", "1", "--seconds", "0.4", "--warm-up-seconds", "0.4"]
PEAK_MB = 150
GROWTH_MB = 4
SOAK_SECONDS = 600


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running_servers(tmp_path_factory.mktemp("bench")) as running:
        yield running


def curve_of(lines: list[str]) -> list[float]:
    return [float(found[1]) for line in lines if (found := re.fullmatch(r"[0-9]+ +([0-9.]+) +[0-9.]+", line))]


@pytest.mark.soak
def test_accepts_are_measured_beside_pgbench(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    accept.run(servers, accept.arguments().parse_args([*SMALLEST, "--idempotency-keys", "with", "--markdown"]))
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"accept_ratio [0-9]+\.[0-9]{2}", lines[-1])
    assert [line.split(" | ")[:2] for line in lines if line.startswith("| 1 ")] == [
        ["| 1", "accept with key"],
        ["| 1", "pgbench -c 16 with key"],
        ["| 1", "pgbench -c 32 with key"],
    ]
    assert lines[1].startswith("postgres: fsync=on, synchronous_commit=on, full_page_writes=on,")


def test_webhooks_are_measured_beside_accepts(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    webhooks.run(servers, webhooks.arguments().parse_args(SMALLEST))
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"webhooks_ratio [0-9]+\.[0-9]{2}", lines[-1])
    assert [line.split()[1] for line in lines if line.startswith("1 ")] == ["accept", "webhook"]


@pytest.mark.soak
def test_dispatch_is_measured_beside_the_bare_loop(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    smallest = ["--rounds", "1", "--seconds", "0.4", "--warm-up-seconds", "0", "--concurrency", "64"]
    dispatch.run(servers, dispatch.arguments().parse_args([*smallest, "--markdown"]))
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"dispatch_ratio [0-9]+\.[0-9]{2}", lines[-1])
    assert [line.split(" | ")[1] for line in lines if line.startswith("| 1 ")] == ["dispatch 64", "bare 64"]


@pytest.mark.soak
def test_a_slow_provider_lone_messages_and_a_backlog_are_measured_too(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--beside", "--lone-messages", "3", "--backlog", "3000", "--history", "500"]
    dispatch.run(servers, dispatch.arguments().parse_args([*SMALLEST, *more, "--concurrency", "64"]))
    lines = capsys.readouterr().out.splitlines()
    told = [line.split()[0] for line in lines if re.match(r"(dispatch|backlog)_ratio|lone", line)]
    assert told == ["dispatch_ratio_slow", "lone", "backlog_ratio", "dispatch_ratio"]


def test_a_queue_spread_over_lanes_is_measured_beside_one_lane(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    smallest = ["--rounds", "1", "--seconds", "0.4", "--warm-up-seconds", "0", "--concurrency", "64", "--lanes", "50"]
    dispatch.run(servers, dispatch.arguments().parse_args(smallest))
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"lanes_ratio [0-9]+\.[0-9]{2}", lines[-1])
    assert [line.partition(":")[0] for line in lines if line.startswith("round 1: ")] == ["round 1", "round 1"]


@pytest.mark.soak
def test_memory_is_sampled_from_the_start_to_the_last_request(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    memory.run(servers, memory.arguments().parse_args(["--requests", "1200", "--samples", "3"]))
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"memory_mb [0-9]+\.[0-9] growth_mb -?[0-9]+\.[0-9]", lines[-1])
    assert len(curve_of(lines)) == 4


@pytest.mark.soak
def test_the_limits_of_twenty_senders_are_held_against_what_the_provider_saw(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    rates.run(servers, rates.arguments().parse_args(["--minutes", "0.1", "--faster", "3"]))
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("+1202555") for line in lines) == 20
    assert re.match(r"worst_window [01]\.[0-9]{3}: ", lines[-2])
    assert re.fullmatch(r"rates_used [01]\.[0-9]{3}", lines[-1])


@pytest.mark.soak
def test_the_api_keeps_its_memory_over_two_hundred_thousand_requests(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "tests.bench.memory", "--requests", "200000", "--directory", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SOAK_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    curve = curve_of(lines)
    assert float(lines[-1].split()[1]) <= PEAK_MB, lines
    assert curve[-1] - curve[4] < GROWTH_MB, lines
