"""The shape of a log line, whoever logs: its fields, their order, its level, its form at a terminal and elsewhere."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime, timedelta

import pytest

from app import telemetry
from tests.telemetry.canaries import NUMBER
from tests.telemetry.output import Lines, the_event


def test_a_line_of_our_own_has_its_fields_in_order(lines: Lines) -> None:
    telemetry.configure(json=True, component="worker")
    with telemetry.bind(request_id="r1"):
        telemetry.get_logger("app.worker").info("message sent", segments=2)
    event = the_event(lines)
    assert list(event)[:5] == ["timestamp", "level", "component", "logger", "event"]
    moment = datetime.fromisoformat(str(event.pop("timestamp")))
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert event == {
        "level": "info",
        "component": "worker",
        "logger": "app.worker",
        "event": "message sent",
        "segments": 2,
        "request_id": "r1",
    }


@pytest.mark.parametrize("as_json", [True, False])
def test_a_fast_line_is_masked_and_has_the_shape_of_any_other(lines: Lines, *, as_json: bool) -> None:
    telemetry.configure(json=as_json, component="worker")
    told = {"message_id": "0192f7c4-5b6a-7def-8123-456789abcdef", "attempt": 2, "to": NUMBER}
    telemetry.FAST_LINES.write("app.worker", "attempt", **told)
    telemetry.get_logger("app.worker").info("attempt", **told)
    fast, ordinary = lines()
    assert NUMBER not in fast
    if not as_json:
        assert fast.partition("Z")[2] == ordinary.partition("Z")[2]
        return
    assert list(json.loads(fast)) == list(json.loads(ordinary))
    assert {**json.loads(fast), "timestamp": ""} == {**json.loads(ordinary), "timestamp": ""}


def test_a_fast_line_is_written_only_where_its_level_is(lines: Lines) -> None:
    telemetry.configure(json=True, level="warning", component="worker")
    telemetry.FAST_LINES.write("app.worker", "attempt")
    assert lines() == []


@pytest.mark.parametrize("name", ["uvicorn.error", "alembic.runtime", "asyncio", "sqlalchemy.pool", "aiohttp.client"])
def test_a_library_s_line_has_the_same_shape(lines: Lines, name: str) -> None:
    telemetry.configure(json=True, component="api")
    with telemetry.bind(request_id="r1"):
        logging.getLogger(name).warning("seen %s by %d", NUMBER, 3, extra={"recipient": NUMBER, "color_message": "x"})
    event = the_event(lines)
    assert list(event)[:5] == ["timestamp", "level", "component", "logger", "event"]
    assert (event["level"], event["component"], event["logger"]) == ("warning", "api", name)
    assert (event["event"], event["recipient"], event["request_id"]) == ("seen +***00 by 3", "+***00", "r1")
    assert "color_message" not in event


def test_access_lines_are_silenced_and_levels_are_kept(lines: Lines) -> None:
    telemetry.configure(json=True, level="warning", component="api")
    logging.getLogger("uvicorn.access").error("GET /v1/messages?to=%s", NUMBER)
    logging.getLogger("uvicorn.error").info("started")
    telemetry.get_logger("app").info("quiet")
    telemetry.get_logger("app").warning("loud")
    assert the_event(lines)["event"] == "loud"


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="CHATTY"):
        telemetry.configure(json=True, level="chatty", component="api")


def test_configuring_again_does_not_double_the_lines(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    telemetry.configure(json=True, component="worker")
    telemetry.get_logger("app").info("once")
    assert the_event(lines)["component"] == "worker"


def test_fields_are_bound_for_the_block_only(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    with telemetry.bind(request_id="r1", message_id="m1"), telemetry.bind(message_id="m2"):
        telemetry.get_logger("app").info("inside")
    telemetry.get_logger("app").info("outside")
    inside, outside = (json.loads(line) for line in lines())
    assert (inside["request_id"], inside["message_id"]) == ("r1", "m2")
    assert "request_id" not in outside
    assert "message_id" not in outside


def test_without_a_terminal_lines_are_json(lines: Lines) -> None:
    telemetry.configure(component="api")
    telemetry.get_logger("app").info("hello")
    assert the_event(lines)["event"] == "hello"


def test_at_a_terminal_lines_are_coloured(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    telemetry.configure(component="api")
    telemetry.get_logger("app").info("hello", to=NUMBER)
    (line,) = lines()
    assert "\x1b[" in line
    assert "hello" in line
    assert "+***00" in line
