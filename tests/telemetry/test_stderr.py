"""Lines of requests are gathered for a turn of the event loop: none is lost, none is late, none breaks anything."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import textwrap
import threading

import pytest

from app import telemetry
from tests.support.repository import ROOT
from tests.telemetry.output import Lines


class Counting(io.StringIO):
    """Text in memory that counts how often it is written to."""

    writes = 0

    def write(self, text: str, /) -> int:
        self.writes += 1
        return super().write(text)


def log_request(request_id: str) -> None:
    telemetry.FAST_LINES.write_request(
        "app", request_id=request_id, method="GET", route="/", status=200, milliseconds=1.5, fields={}
    )


def ids(lines: list[str]) -> list[object]:
    return [json.loads(line).get("request_id") for line in lines]


async def test_the_requests_of_one_turn_are_written_together_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry.configure(json=True, component="api")
    monkeypatch.setattr(sys, "stderr", stderr := Counting())
    for number in range(100):
        log_request(f"r{number}")
    await asyncio.sleep(0)
    assert ids(stderr.getvalue().splitlines()) == [f"r{number}" for number in range(100)]
    assert stderr.writes == 1


async def test_very_many_requests_of_one_turn_do_not_wait_for_the_next(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    for number in range(2500):
        log_request(f"r{number}")
    assert len(lines()) == 2000
    await asyncio.sleep(0)
    assert len(lines()) == 500


async def test_lines_come_in_the_order_in_which_they_were_logged(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    for number in range(3):
        log_request(f"r{number}")
        telemetry.get_logger("app").info("between", request_id=f"b{number}")
    log_request("last")
    await asyncio.sleep(0)
    assert ids(lines()) == ["r0", "b0", "r1", "b1", "r2", "b2", "last"]


def test_without_an_event_loop_a_line_is_written_at_once(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    log_request("r1")
    assert ids(lines()) == ["r1"]


def test_a_loop_that_ended_before_its_next_turn_does_not_keep_lines_of_the_next_loop(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    abandoned = asyncio.new_event_loop()
    abandoned.call_soon(log_request, "r1")
    abandoned.call_soon(abandoned.stop)
    abandoned.run_forever()
    abandoned.close()

    async def second() -> None:
        log_request("r2")
        await asyncio.sleep(0)

    asyncio.run(second())
    assert ids(lines()) == ["r1", "r2"]


async def test_no_line_is_lost_where_a_thread_logs_meanwhile(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    done = threading.Event()

    def chatter() -> None:
        while not done.is_set():
            telemetry.get_logger("thread").info("said")

    thread = threading.Thread(target=chatter)
    thread.start()
    try:
        for number in range(3000):
            log_request(f"r{number}")
            if number % 50 == 0:
                await asyncio.sleep(0)
    finally:
        done.set()
        await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)
    written = [found for found in ids(lines()) if found is not None]
    assert sorted(map(str, written)) == sorted(f"r{number}" for number in range(3000))


@pytest.mark.parametrize("stderr", [None, "closed"])
async def test_a_broken_stderr_breaks_no_request(stderr: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry.configure(json=True, component="api")
    closed = io.StringIO()
    closed.close()
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    monkeypatch.setattr(sys, "stderr", closed if stderr else None)
    log_request("r1")
    await asyncio.sleep(0)
    asyncio.get_running_loop().set_exception_handler(None)
    assert failures == []


def test_a_process_that_ends_within_a_turn_writes_what_it_logged() -> None:
    program = """
        import asyncio, sys
        from app import telemetry
        telemetry.configure(json=True, component="api")

        async def answer():
            telemetry.FAST_LINES.write_request(
                "app", request_id="r1", method="GET", route="/", status=200, milliseconds=1.5, fields={}
            )
            sys.exit(3)

        asyncio.new_event_loop().run_until_complete(answer())
    """
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 3
    assert ids([line for line in ended.stderr.splitlines() if line.startswith("{")]) == ["r1"]
