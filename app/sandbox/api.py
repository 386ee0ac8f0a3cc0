"""The sandbox over HTTP: the provider's API under `/v1`, and the tester's view of it under `/sandbox`.

The tester's routes ask for no credentials: everything here is pretend, and belongs on a loopback or test network.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse

from app.providers.sandbox import NO_SUCH_MESSAGE
from app.sandbox.answers import SERVER_ERROR, refusal_answer, taken_answer
from app.sandbox.config import SandboxConfig
from app.sandbox.network import Network
from app.sandbox.page import page
from app.sandbox.records import RecordsQuery, is_told, page_of, record_of
from app.sandbox.script import Refusal
from app.sandbox.shapes import (
    Duplicate,
    DuplicateList,
    Inbox,
    InboxEntry,
    MessageBody,
    SubmissionEntry,
    SubmissionList,
)
from app.sandbox.webhooks import WebhookPoster
from app.transport import Transport

NO_SUCH: Final = Refusal(status=404, code=NO_SUCH_MESSAGE)
UNREADABLE: Final = Refusal(status=400, code=1005)
WRONG_CREDENTIALS: Final = Refusal(status=401, code=2001)
MOST_BODY_BYTES: Final = 65_536

router = APIRouter()  # its dependencies are async, since FastAPI sends each plain one to a thread of its own


class Unauthenticated(Exception):
    """A submission without the right Basic credentials."""


def create_sandbox(config: SandboxConfig) -> FastAPI:
    """Make one sandbox, with its own state; run it by `app.sandbox.server`, which ends held answers on a stop."""
    transport = Transport(
        deadline_seconds=config.webhook_deadline_seconds,
        connect_seconds=min(5.0, config.webhook_deadline_seconds),
        max_connections=config.webhooks_in_flight,
    )
    network = Network(config, WebhookPoster(transport, config))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        network.closing.set()
        await network.clear()
        await transport.aclose()

    app = FastAPI(title="SMS sandbox", lifespan=lifespan, docs_url=None, redoc_url=None, max_body_size=MOST_BODY_BYTES)
    app.state.network = network
    app.include_router(router)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(Unauthenticated, _unauthenticated)
    return app


async def network_of(request: Request) -> Network:
    """Give the network of the application that a request came to."""
    network = request.app.state.network
    assert isinstance(network, Network)  # noqa: S101 - narrows the untyped state, which create_sandbox sets
    return network


CurrentNetwork = Annotated[Network, Depends(network_of)]


async def authenticate(network: CurrentNetwork, authorization: Annotated[str, Header()] = "") -> None:
    """Let only the configured account in; raises `Unauthenticated`."""
    config = network.config
    expected = b"Basic " + base64.b64encode(f"{config.api_key}:{config.api_secret}".encode())
    if not hmac.compare_digest(expected, authorization.encode("utf-8", "surrogatepass")):
        raise Unauthenticated


async def handset(to: str | None = None) -> str | None:
    """Read `?to=` even where the plus was not escaped and so came as a blank."""
    return None if to is None else "+" + to.lstrip("+ ")


IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=255)]
Handset = Annotated[str | None, Depends(handset)]


@router.post("/v1/messages", dependencies=[Depends(authenticate)], status_code=202)
async def submit(network: CurrentNetwork, body: MessageBody, idempotency_key: IdempotencyKey = None) -> Response:
    """Take or refuse one message."""
    outcome = await network.submit(body.message(idempotency_key))
    return refusal_answer(outcome) if isinstance(outcome, Refusal) else taken_answer(outcome, network)


@router.get("/v1/messages/{message_id}", dependencies=[Depends(authenticate)])
async def message(network: CurrentNetwork, message_id: str) -> Response:
    """Show one message."""
    submission = network.submissions.taken_as(message_id)
    if submission is None:
        return refusal_answer(NO_SUCH)
    if not is_told(submission):
        return refusal_answer(SERVER_ERROR)
    return Response(orjson.dumps(record_of(submission, datetime.now(UTC))), media_type="application/json")


@router.get("/v1/messages", dependencies=[Depends(authenticate)])
async def messages(network: CurrentNetwork, query: Annotated[RecordsQuery, Query()]) -> Response:
    """Show one page of messages, the oldest first."""
    if query.is_about_one and not all(map(is_told, query.find(network.submissions))):
        return refusal_answer(SERVER_ERROR)
    return Response(page_of(query, network.submissions, datetime.now(UTC)), media_type="application/json")


@router.get("/sandbox/inbox")
async def inbox(network: CurrentNetwork, to: Handset, limit: Annotated[int, Query(ge=1, le=100_000)] = 100) -> Inbox:
    """What one handset, or all of them, received; the newest first."""
    arrived = network.submissions.inbox(recipient=to, now=datetime.now(UTC), limit=limit)
    return Inbox(messages=[InboxEntry.of(submission) for submission in arrived])


@router.get("/sandbox/submissions")
async def submissions(network: CurrentNetwork, to: Handset, reference: str | None = None) -> SubmissionList:
    """Every submission as the provider saw it; a reference without a dot gives all attempts of its message."""
    found = network.submissions.find(reference=reference, recipient=to)
    return SubmissionList(submissions=[SubmissionEntry.of(submission) for submission in found])


@router.get("/sandbox/submissions/duplicates")
async def duplicates(network: CurrentNetwork) -> DuplicateList:
    """Messages that were submitted and taken more than once."""
    counts = network.submissions.duplicates()
    return DuplicateList(duplicates=[Duplicate(message=message, taken=taken) for message, taken in counts.items()])


@router.delete("/sandbox/state", status_code=204)
async def clear(network: CurrentNetwork) -> None:
    """Forget everything, and post no more reports of what was sent before."""
    await network.clear()


@router.get("/", response_class=HTMLResponse)
async def magic_numbers() -> str:
    """Show the magic numbers to people."""
    return page()


async def _unreadable(_: Request, __: Exception) -> Response:
    return refusal_answer(UNREADABLE)


async def _unauthenticated(_: Request, __: Exception) -> Response:
    return refusal_answer(WRONG_CREDENTIALS)
