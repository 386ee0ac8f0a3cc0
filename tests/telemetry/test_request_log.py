"""Around each request: its id, the headers and log fields that were lent to it, and its one line."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
import subprocess
import sys
import textwrap
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app import telemetry
from app.api.request_log import LoggedRequests, RequestLog
from app.telemetry.masking import Logged
from tests.support.repository import ROOT
from tests.telemetry.canaries import BARE_NUMBER, NUMBER
from tests.telemetry.output import Lines


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the status that the path names, and use what is lent."""
    if scope["path"] == "/broken":
        raise RuntimeError("a bug")
    scope["gateway.headers"].append((b"ratelimit-remaining", b"7"))
    scope["gateway.log"].update(message_id="0192f7c4-5b6a-7def-8123-456789abcdef", segments=2, to=NUMBER)
    status = int(scope["path"][1:]) if scope["path"][1:].isdigit() else 200
    await PlainTextResponse(telemetry.request_id(), status_code=status)(scope, receive, send)


async def ask(app: ASGIApp, path: str, **given: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answer = await client.get(path, **given)
    await asyncio.sleep(0)
    return answer


@pytest.fixture(autouse=True)
def _only_our_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("httpx"), "disabled", True)


def events(lines: Lines) -> list[dict[str, Logged]]:
    return [json.loads(line) for line in lines()]


async def test_a_request_leaves_one_line_with_the_fields_that_were_added(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    answer = await ask(RequestLog(application), "/202")
    [event] = events(lines)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", str(event.pop("timestamp")))
    assert 0 <= float(str(event.pop("milliseconds"))) < 1000
    assert event == {
        "level": "info",
        "component": "api",
        "logger": "app.api.request_log",
        "event": "request",
        "request_id": answer.headers["x-request-id"],
        "method": "GET",
        "route": None,
        "status": 202,
        "message_id": "0192f7c4-5b6a-7def-8123-456789abcdef",
        "segments": 2,
        "to": "+***00",
    }


async def test_the_line_has_the_shape_of_every_line(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    await ask(RequestLog(application), "/")
    telemetry.get_logger("app").info("ordinary")
    request, ordinary = events(lines)
    assert list(request)[:5] == list(ordinary)[:5] == ["timestamp", "level", "component", "logger", "event"]


async def test_on_the_console_the_line_can_be_read(lines: Lines) -> None:
    telemetry.configure(json=False, component="api")
    await ask(RequestLog(application), "/202", headers={"x-request-id": "abc-1"})
    [line] = lines()
    plain = re.sub("\x1b\\[[0-9;]*m", "", line)
    for part in ("request", "request_id=abc-1", "status=202", "method=GET", "segments=2", "to=+***00"):
        assert part in plain


async def test_headers_that_were_added_go_out_with_the_answer() -> None:
    answer = await ask(RequestLog(application), "/")
    assert (answer.headers["ratelimit-remaining"], answer.headers["content-type"]) == ("7", "text/plain; charset=utf-8")


async def test_a_usable_id_is_kept_and_another_is_replaced() -> None:
    app = RequestLog(application)
    kept = await ask(app, "/", headers={"x-request-id": "abc-1"})
    assert kept.headers["x-request-id"] == kept.text == "abc-1"
    for given in ({}, {"x-request-id": ""}, {"x-request-id": "a b"}, {"x-request-id": "x" * 65}):
        made = await ask(app, "/", headers=given)
        assert re.fullmatch("[0-9a-f]{32}", made.headers["x-request-id"])
        assert made.text == made.headers["x-request-id"]


async def test_ids_that_are_made_differ() -> None:
    app = RequestLog(application)
    assert len({(await ask(app, "/")).text for _ in range(50)}) == 50


async def test_a_number_given_as_an_id_comes_back_and_is_not_logged(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")

    async def talkative(scope: Scope, receive: Receive, send: Send) -> None:
        telemetry.get_logger("app").info("within")
        await application(scope, receive, send)

    answer = await ask(RequestLog(talkative), "/", headers={"x-request-id": f"sms-{BARE_NUMBER}"})
    assert answer.text == f"sms-{BARE_NUMBER}"
    assert [(event["event"], event["request_id"]) for event in events(lines)] == [
        ("within", "sms-***00"),
        ("request", "sms-***00"),
    ]


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
async def test_only_failures_are_logged_where_that_is_asked_for(lines: Lines, as_json: bool) -> None:
    telemetry.configure(json=as_json, component="api")
    app = RequestLog(application, logged=LoggedRequests.FAILURES)
    for path in ("/200", "/202", "/304"):
        await ask(app, path)
    assert lines() == []
    for path in ("/400", "/429", "/503", "/broken"):
        await ask(app, path)
    assert len(lines()) == 4


async def test_a_crash_is_logged_as_500_and_passed_on(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    with pytest.raises(RuntimeError, match="a bug"):
        await RequestLog(application)({"type": "http", "method": "GET", "path": "/broken", "headers": []}, None, None)  # type: ignore[arg-type]  # not reached
    telemetry.get_logger("app").info("after")
    crash, after = events(lines)
    assert (crash["status"], crash["route"]) == (500, None)
    assert "request_id" not in after


async def test_probes_leave_no_line(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    for path in ("/livez", "/readyz", "/healthz"):
        assert (await ask(RequestLog(application), path)).status_code == 200
    assert lines() == []


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
async def test_a_level_above_info_leaves_no_line(lines: Lines, as_json: bool) -> None:
    telemetry.configure(json=as_json, level="WARNING", component="api")
    await ask(RequestLog(application), "/503")
    telemetry.get_logger("app").warning("loud")
    assert len(lines()) == 1


async def test_what_is_no_request_passes_untouched() -> None:
    seen: list[Scope] = []

    async def lifespan(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(dict(scope))

    await RequestLog(lifespan)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # not called
    assert seen == [{"type": "lifespan"}]


SERVER = """
    import uvicorn
    from app import telemetry
    from app.api.request_log import RequestLog

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    telemetry.configure(json=True, component="api")
    uvicorn.run(RequestLog(application), port=0, lifespan="off", log_config=None, access_log=False)
"""


def test_a_server_that_is_stopped_has_logged_every_request() -> None:
    server = subprocess.Popen(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", textwrap.dedent(SERVER)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    with server:
        assert server.stderr is not None
        try:
            announced = next(line for line in server.stderr if "running on" in line)
            url = re.search(r"http://[0-9.:]+", announced)
            assert url is not None
            with httpx.Client(base_url=url[0], trust_env=False) as client:
                made = [client.get("/").headers["x-request-id"] for _ in range(30)]
        finally:
            server.send_signal(signal.SIGTERM)
        logged = [json.loads(line).get("request_id") for line in server.stderr]
    assert [found for found in logged if found] == made
