"""The fake provider's answers as bytes on a connection, the proper ones and the others."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Final

import orjson

from tests.support.fake_provider.conduct import THROTTLED, Conduct
from tests.support.raw_server import reset_now

_PAGE: Final = b"<!doctype html><title>Welcome</title><h1>Not written by the API</h1>"
_ERRORS: Final = {Conduct.ERROR_500: 500, Conduct.ERROR_502: 502, Conduct.ERROR_504: 504}
_REFUSALS: Final = {Conduct.UNAVAILABLE: (503, 2902), Conduct.REFUSED: (422, 1001), Conduct.DISOWNED: (402, 2002)}
_WAITS: Final = {
    Conduct.THROTTLED_SECONDS: "2",
    Conduct.THROTTLED_NEGATIVE: "-1",
    Conduct.THROTTLED_ENORMOUS: "1000000000",
    Conduct.THROTTLED_TEXT: "soon",
}
_DATE_SECONDS: Final = 2
_THEN_CLOSED: Final = frozenset({Conduct.CUT, Conduct.LOST, Conduct.HALF, Conduct.HANG, Conduct.GARBAGE})


@dataclass(frozen=True, kw_only=True)
class Line:
    """One connection of a client."""

    reader: StreamReader
    writer: StreamWriter

    async def say(self, data: bytes) -> None:
        """Write it out."""
        self.writer.write(data)
        await self.writer.drain()


def written(status: int, body: bytes, *, kind: str = "application/json", **headers: str) -> bytes:
    """Write an answer; underscores in header names stand for dashes."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"content-type: {kind}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines.append(f"date: {format_datetime(datetime.now(UTC), usegmt=True)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def document(status: int, content: Any) -> bytes:
    """Write an answer of the API."""
    return written(status, orjson.dumps(content))


def refusal(status: int, code: int, **headers: str) -> bytes:
    """Write the API's error document."""
    return written(status, orjson.dumps({"error": {"code": code, "message": "See the manual."}}), **headers)


async def answer(conduct: Conduct, proper: bytes, line: Line, *, drip_seconds: float) -> None:
    """Say what the conduct has one say, where `proper` is right; a connection that is over is closed."""
    match conduct:
        case Conduct.RESET:
            reset_now(line.writer)
        case Conduct.HANG:
            await line.reader.read()  # until the client gives up
        case Conduct.DRIP:
            await _drip(proper, line, drip_seconds)
        case _:
            await line.say(_said(conduct, proper))
    if conduct in _THEN_CLOSED:
        line.writer.close()


def _said(conduct: Conduct, proper: bytes) -> bytes:
    if conduct in _ERRORS:
        return refusal(_ERRORS[conduct], 5000)
    if conduct in _REFUSALS:
        return refusal(*_REFUSALS[conduct])
    if conduct in THROTTLED:
        return refusal(429, 2901, retry_after=_wait(conduct))
    return {
        Conduct.CUT: b"",
        Conduct.LOST: b"",
        Conduct.HALF: proper[: len(proper) - 10],
        Conduct.HTML: written(200, _PAGE, kind="text/html"),
        Conduct.GARBAGE: b"\x15\x03\x01 what was that?\r\n\r\n",
    }.get(conduct, proper)


def _wait(conduct: Conduct) -> str:
    if conduct is Conduct.THROTTLED_DATE:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=_DATE_SECONDS), usegmt=True)
    return _WAITS[conduct]


async def _drip(proper: bytes, line: Line, seconds: float) -> None:
    for number in range(len(proper)):
        await line.say(proper[number : number + 1])
        await asyncio.sleep(seconds)
