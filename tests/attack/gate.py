"""The one judge of refusals: the right problem in our shape, nothing stored, nothing of the input said or logged."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.api.problems import STATUSES
from app.domain.errors import TITLES, ErrorCode
from tests.attack.asgi import JSON, MESSAGES, Answer, Asked, Headers

CANARY: Final = "kumquat-0f3a9c"
"""Stands in every text that the attacks send."""

MESSAGE: Final[dict[str, Any]] = {
    "from": "+12065550188",
    "to": "+13125550143",
    "body": f"Your code is {CANARY}.",
    "client_reference": f"order-{CANARY}",
}
"""Accepted with a test key, and with a live key whose account owns the sender."""

GENEROUS: Final[dict[str, Any]] = {"bad_credentials_per_minute": 1_000_000, "requests_per_second": 100_000}
"""Most attacks are not about the limits: these must not hide what lies behind them."""

SHAPE: Final = ["type", "title", "status", "detail", "code", "errors", "request_id"]
_STORED: Final = (
    "messages",
    "attempts",
    "status_events",
    "dispatch_queue",
    "idempotency_keys",
    "webhook_digests",
    "inbound_references",
    "webhook_receipts",
    "orphan_reports",
    "audit_events",
)
COUNT: Final = "SELECT " + " + ".join(f"(SELECT count(*) FROM {table})" for table in _STORED)
"""A query for the number of all rows that a request could make."""

_PIECE: Final = re.compile(rb"[^\x00-\x20\x7f\"'\\{}\[\]()<>:,;/?&=]{8,}")
_DATE: Final = re.compile(rb"20\d\d-\d\d-\d\dT\d\d")
"""Each log line has one of its own."""

_OF_THE_PROTOCOL: Final = {"host", "content-type", "content-encoding", "content-length", "accept"}


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Judges each refusal whole, with a view of the API's database and of its log."""

    stored: Callable[[], Awaitable[int]]
    """Counts every row that a request could make."""

    logged: Callable[[], str]
    """What was logged since the last call."""

    async def refusal(self, asking: Awaitable[Answer], status: int, code: str, canaries: Iterable[str] = ()) -> Answer:
        """Judge the refusal that comes when this is awaited; `canaries` are what was sent."""
        before = await self.stored()
        answer = await asking
        check_problem(answer, status, code)
        secrets = [CANARY, *canaries]
        echoed = [secret for secret in secrets if secret.encode("latin-1", "replace") in _without_suggestions(answer)]
        assert echoed == [], "the input is repeated in the answer"
        assert await self.stored() == before, "something was stored"
        log = self.logged()
        assert log, "nothing was logged"
        assert [secret for secret in secrets if secret in log] == [], "the input is in the log"
        assert "Traceback" not in log
        return answer


@dataclass(frozen=True, kw_only=True)
class Gate(Judge):
    """The API in this process, under attack."""

    ask: Callable[[Asked], Awaitable[Answer]]
    described: bytes
    """The API's own description: a word of it that is sent and comes back is no echo."""

    async def refuses(self, asked: Asked, status: int, code: str, *canaries: str) -> Answer:
        """Send what has to be refused, and judge the refusal whole."""
        sent = [piece.decode("latin-1") for piece in _pieces(asked) if piece not in self.described]
        try:
            return await self.refusal(self.ask(asked), status, code, [*canaries, *sent])
        except AssertionError as error:
            error.add_note(f"{asked.method} {asked.target[:200]} {asked.body[:500]!r}")
            raise

    async def accepts(self, asked: Asked) -> dict[str, Any]:
        """Send what has to be accepted, and give the message; of its text nothing is in the log."""
        answer = await self.ask(asked)
        await asyncio.sleep(0)  # lines are written in the loop's next turn
        assert answer.status == 202, answer.body
        assert CANARY not in self.logged()
        return answer.document


def check_problem(answer: Answer, status: int, code: str) -> None:
    """Check that an answer is exactly this problem, in our one shape (RFC 9457)."""
    document = answer.document
    shown = {name: document.get(name) for name in ("status", "code", "type", "title")}
    assert (answer.status, shown) == (
        status,
        {"status": status, "code": code, "type": f"/problems/{code}", "title": TITLES[ErrorCode(code)]},
    ), document
    assert answer.header("content-type") == "application/problem+json"
    assert STATUSES[ErrorCode(code)] == status
    shape = [*SHAPE[:-1], "message_status", SHAPE[-1]] if code in {"not-cancelable", "not-redrivable"} else SHAPE
    assert list(document) == shape
    assert isinstance(document["detail"], str)
    assert document["detail"]
    assert isinstance(document["request_id"], str)
    assert document["request_id"] == answer.header("x-request-id")
    for error in document["errors"]:
        assert error.keys() - {"suggestion"} == {"pointer", "code", "detail"}
        assert all(isinstance(value, str) for value in error.values())


def write(document: object) -> bytes:
    """Write JSON as careful clients do."""
    return orjson.dumps(document)


def near(**fragments: str | bytes) -> bytes:
    """Write the message with some of its values written as given, which need not be JSON."""
    written = {name: write(value) for name, value in MESSAGE.items()}
    written |= {name: text if isinstance(text, bytes) else text.encode() for name, text in fragments.items()}
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in written.items()) + b"}"


def post(body: object, *more: tuple[str, str | bytes], key: Headers, target: str = MESSAGES) -> Asked:
    """Ask for a message: bytes go as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else write(body)
    return Asked(target=target, headers=(*JSON, *key, *more), chunks=(content,))


def get(target: str, *more: tuple[str, str | bytes], key: Headers) -> Asked:
    """Ask for something to read."""
    return Asked(method="GET", target=target, headers=(*key, *more))


def _pieces(asked: Asked) -> list[bytes]:
    """Everything distinctive in a request: each run of eight or more characters between what only separates."""
    values = [value for name, value in asked.headers if name.lower() not in _OF_THE_PROTOCOL]
    texts = [value if isinstance(value, bytes) else value.encode("latin-1") for value in values]
    found = _PIECE.findall(b" ".join([asked.body, asked.target.encode("latin-1"), *texts]))
    return [piece for piece in dict.fromkeys(found) if not _DATE.fullmatch(piece)][:50]


def _without_suggestions(answer: Answer) -> bytes:
    """Leave out the corrected forms of numbers, which are the one thing that a refusal may give back."""
    body = answer.body
    for error in answer.document["errors"]:
        if suggestion := error.get("suggestion"):
            body = body.replace(suggestion.encode(), b"")
    return body
