"""A request that a stop does not wait for: it is told to come again, unless its answer has begun, and is logged."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import textwrap

import pytest
from starlette.types import Message, Receive, Scope, Send

from app import telemetry
from app.api.request_log import RequestLog
from tests.support.repository import ROOT
from tests.telemetry.output import Lines

SERVER = """
    import asyncio
    import uvicorn
    from app import telemetry
    from app.api.protocol import GatewayProtocol
    from app.api.request_log import RequestLog
    from app.api.server import GatewayServer, Notice

    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        print("asked", flush=True)
        await asyncio.sleep(60)

    telemetry.configure(json=True, component="api")
    config = uvicorn.Config(
        RequestLog(application), http=GatewayProtocol, ws="none", port=0, lifespan="on", log_config=None,
        access_log=False, timeout_graceful_shutdown=1,
    )
    GatewayServer(config, notice=Notice(), notice_seconds=0).run()
"""


async def canceled(path: str) -> list[Message]:
    """Cancel a request that is under way; gives what was sent for it."""
    sent: list[Message] = []
    under_way = asyncio.Event()

    async def endless(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] == "/begun":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        under_way.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"x-request-id", b"abc-1")]}
    task = asyncio.ensure_future(RequestLog(endless)(scope, receive, send))
    await under_way.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return sent


async def test_a_request_that_is_canceled_is_told_to_come_again(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    start, body = await canceled("/waiting")
    headers = dict(start["headers"])
    assert (start["status"], headers[b"content-type"]) == (503, b"application/problem+json")
    assert (headers[b"retry-after"], headers[b"connection"], headers[b"x-request-id"]) == (b"2", b"close", b"abc-1")
    document = json.loads(body["body"])
    assert (document["code"], document["request_id"]) == ("temporarily-unavailable", "abc-1")
    assert document["detail"] == (
        "The gateway is stopping. Send the request again in a moment, with the same Idempotency-Key; "
        "without one, it may be accepted twice."
    )
    assert [json.loads(line)["status"] for line in lines()] == [503]


async def test_an_answer_that_has_begun_is_not_followed_by_another(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    assert [message["type"] for message in await canceled("/begun")] == ["http.response.start"]
    assert [json.loads(line)["status"] for line in lines()] == [200]


def test_a_server_that_is_stopped_answers_what_it_does_not_finish() -> None:
    server = subprocess.Popen(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", textwrap.dedent(SERVER)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            announced = next(line for line in server.stderr if "running on" in line)
            found = re.search(r"127\.0\.0\.1:([0-9]+)", announced)
            assert found is not None
            with socket.create_connection(("127.0.0.1", int(found[1])), timeout=10) as caller:
                caller.sendall(b"GET /waiting HTTP/1.1\r\nHost: gateway\r\n\r\n")
                assert server.stdout.readline() == "asked\n"
                server.send_signal(signal.SIGTERM)
                answer = b"".join(iter(lambda: caller.recv(65536), b""))
        finally:
            server.send_signal(signal.SIGTERM)
        server.communicate()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert head.lower().count(b"\r\nconnection: close") == 1
    assert json.loads(body)["code"] == "temporarily-unavailable"
