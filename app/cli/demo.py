"""The demo batch of `gateway dev --once`: every magic number and some ordinary ones, sent and followed to the end."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from app.cli.installation import Installation
from app.cli.tables import print_table
from app.domain.http import HttpRequest, HttpResponse
from app.domain.status import MessageStatus
from app.providers.sandbox import Evidence
from app.sandbox.magic import MAGIC_NUMBERS
from app.settings import SandboxSettings
from app.transport import Transport

_USUAL: Final = "ordinary"
_USUAL_COUNT: Final = 20
_CONNECTIONS: Final = 16
_PATIENCE_SECONDS: Final = 60
_AFTERMATH_SECONDS: Final = 2
_ACCEPTED: Final = 202
_OK: Final = 200


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One message of the batch and where it has to end."""

    name: str
    recipient: str
    expected: MessageStatus
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What became of it."""

    planned: Planned
    message_id: str
    status: str
    error: str | None
    seconds: float
    on_handset: int
    """How often the handset received it."""

    @property
    def as_expected(self) -> bool:
        """Whether it ended as planned, and the handset has it at most once."""
        return (
            self.status == self.planned.expected
            and self.error == self.planned.error
            and self.on_handset <= 1
            and (self.on_handset == 1 or self.planned.expected is not MessageStatus.DELIVERED)
        )


class _Client:
    """The few calls that the demo makes, over real HTTP like any other client."""

    def __init__(self, transport: Transport, url: str, user: str, password: str) -> None:
        self._transport = transport
        self._url = url
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"authorization": f"Basic {basic}", "content-type": "application/json"}

    async def call(self, method: str, path: str, document: dict[str, Any] | None = None) -> tuple[int, Any]:
        body = b"" if document is None else orjson.dumps(document)
        request = HttpRequest(method=method, url=f"{self._url}{path}", headers=self._headers, body=body)
        answer = await self._transport.perform(request)
        return (answer.status, orjson.loads(answer.body)) if isinstance(answer, HttpResponse) else (0, None)


def plan(sandbox: SandboxSettings) -> list[Planned]:
    """List the batch: each magic number once, and ordinary numbers; the settings say what is asked about them."""
    asked, looked_up = sandbox.evidence not in {Evidence.WEBHOOK, Evidence.NONE}, sandbox.records
    told = sandbox.evidence is not Evidence.NONE
    magic = []
    for row in MAGIC_NUMBERS:
        expected, error = row.end(asked=asked, looked_up=looked_up, told=told)
        magic.append(Planned(name=row.scenario.value, recipient=row.number, expected=expected, error=error))
    usual = MessageStatus.DELIVERED if told or looked_up else MessageStatus.SENT
    ordinary = [
        Planned(name=_USUAL, recipient=f"+1555987{n:04}", expected=usual, error=None) for n in range(_USUAL_COUNT)
    ]
    return magic + ordinary


def run_demo(installation: Installation, sandbox: SandboxSettings) -> int:
    """Send the batch, wait for every final status, print a table; return 1 if anything fell short."""
    ended = asyncio.run(_demonstrate(installation, plan(sandbox)))
    _print(ended)
    return 0 if all(item.as_expected for item in ended) else 1


async def _demonstrate(installation: Installation, batch: Sequence[Planned]) -> list[Ended]:
    print(f"· sending {len(batch)} messages", flush=True)
    async with Transport(deadline_seconds=10, max_connections=_CONNECTIONS, max_response_bytes=4_000_000) as transport:
        gateway = _Client(transport, installation.api_url, installation.api_key, installation.api_secret)
        sandbox = _Client(transport, installation.sandbox_url, installation.sandbox_key, installation.sandbox_secret)
        limit = asyncio.Semaphore(_CONNECTIONS)

        async def follow(planned: Planned) -> Ended:
            async with limit:
                status, message = await gateway.call("POST", "/v1/messages", _document(planned))
            if status != _ACCEPTED:
                code = message["code"] if message else "no-answer"
                return _ended(planned, {"id": "", "status": f"refused ({status})", "error_code": code}, 0)
            return await _until_final(installation, gateway, planned, message["id"], limit)

        reached = await asyncio.gather(*(follow(planned) for planned in batch))
        # What comes after the expected status must not change it.
        await asyncio.sleep(_AFTERMATH_SECONDS)
        ended = [await _read_again(gateway, item) for item in reached]
        _, inbox = await sandbox.call("GET", f"/sandbox/inbox?limit={10 * len(batch)}")
        texts = inbox["messages"] if inbox else []
        received = Counter(text["to"] for text in texts)
    return [
        _ended(
            item.planned,
            {"id": item.message_id, "status": item.status, "error_code": item.error},
            item.seconds,
            received[item.planned.recipient],
        )
        for item in ended
    ]


async def _until_final(
    installation: Installation, gateway: _Client, planned: Planned, message_id: str, limit: asyncio.Semaphore
) -> Ended:
    started = time.monotonic()
    while True:
        async with limit:
            status, message = await gateway.call("GET", f"/v1/messages/{message_id}")
        seconds = time.monotonic() - started
        reached = status == _OK and message["status"] == planned.expected
        if reached or seconds > _PATIENCE_SECONDS or installation.children.ended():
            message = message or {"id": message_id, "status": "no answer", "error_code": None}
            return _ended(planned, message, seconds)
        await asyncio.sleep(0.2)


async def _read_again(gateway: _Client, item: Ended) -> Ended:
    status, message = await gateway.call("GET", f"/v1/messages/{item.message_id}")
    if status != _OK:
        return item
    return replace(item, status=message["status"], error=message["error_code"])


def _document(planned: Planned) -> dict[str, Any]:
    return {
        "from": "+15551234567",
        "to": planned.recipient,
        "body": f"Your order has shipped ({planned.name}). Track: https://example.com/track/123",
    }


def _ended(planned: Planned, message: dict[str, Any], seconds: float, on_handset: int = 0) -> Ended:
    return Ended(
        planned=planned,
        message_id=message["id"],
        status=message["status"],
        error=message["error_code"],
        seconds=seconds,
        on_handset=on_handset,
    )


def _print(ended: Sequence[Ended]) -> None:
    """Show every magic number and whatever fell short; ordinary numbers that ended as planned are one line."""
    usual = [item for item in ended if item.planned.name == _USUAL and item.as_expected]
    rows = [_row(item) for item in ended if item not in usual]
    if usual:
        on_handset = sum(item.on_handset for item in usual)
        rows.append((f"{len(usual)} others", _USUAL, usual[0].status, "", "", str(on_handset), ""))
    print_table(("recipient", "stands for", "status", "error", "seconds", "on handset", ""), rows)
    print(f"{sum(item.as_expected for item in ended)} of {len(ended)} messages ended as expected.")


def _row(item: Ended) -> tuple[str, ...]:
    planned = item.planned
    return (
        planned.recipient,
        planned.name,
        item.status,
        item.error or "",
        f"{item.seconds:.1f}",
        str(item.on_handset),
        "" if item.as_expected else f"EXPECTED {planned.expected} {planned.error or ''}",
    )
