"""No canary leaves by any route, and every route still gives a line that is of use."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

from app import telemetry
from tests.support.repository import ROOT
from tests.telemetry.canaries import BARE_NUMBER, CANARIES, NUMBER
from tests.telemetry.output import Lines, the_event
from tests.telemetry.routes import ROUTES, log_broken_arguments, log_exception


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
def test_no_canary_gets_into_a_line_by_any_route(lines: Lines, route: Callable[[], None], as_json: bool) -> None:
    telemetry.configure(json=as_json, component="api")
    route()
    written = lines()
    assert written
    for line in written:
        plain = json.dumps(json.loads(line), ensure_ascii=False) if as_json else line
        assert [canary for canary in CANARIES if canary in plain.replace("\x1b", "")] == []


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_gives_one_line_of_json(lines: Lines, route: Callable[[], None]) -> None:
    telemetry.configure(json=True, component="api")
    route()
    assert the_event(lines)["level"]


def test_a_traceback_keeps_what_is_needed_to_find_the_fault(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    log_exception()
    text = str(the_event(lines)["exception"])
    assert "in refuse" in text
    assert "routes.py" in text
    assert "ValueError: +***00" in text


def test_a_line_that_cannot_be_written_is_reported_without_its_content(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    log_broken_arguments()
    event = the_event(lines)
    assert (event["level"], event["event"], event["error"]) == ("error", "log line lost", "TypeError")


def test_a_process_that_dies_says_so_in_one_masked_line() -> None:
    program = f"""
        from app import telemetry
        telemetry.configure(json=True, component="worker")
        raise RuntimeError("{NUMBER}")
    """
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    (line,) = ended.stderr.splitlines()
    event = json.loads(line)
    assert (ended.returncode, event["level"], event["event"]) == (1, "critical", "uncaught exception")
    assert "RuntimeError: +***00" in event["exception"]
    assert BARE_NUMBER not in line
