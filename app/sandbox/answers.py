"""What a client of the sandbox is answered: the acceptance, the error document, and the answers that are none."""

from __future__ import annotations

import asyncio
from typing import Final, assert_never

from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.types import Receive, Scope, Send

from app.providers.sandbox import ERRORS, KEY_OF_ANOTHER, NO_SUCH_MESSAGE
from app.sandbox.network import Network, Taken
from app.sandbox.script import BROKEN, Answer, Refusal
from app.sandbox.submissions import Submission

EXPLANATIONS: Final = {
    **{code: error.facts.explanation for code, error in ERRORS.items()},
    KEY_OF_ANOTHER: "This idempotency key came with another message before.",
    NO_SUCH_MESSAGE: "There is no message of this id.",
    BROKEN: "Something broke. Your message may or may not be on its way.",
}
"""The text of each error document, by its code."""

SERVER_ERROR: Final = Refusal(status=500, code=BROKEN)
PROXY_PAGE: Final = "<!doctype html><title>Welcome</title><h1>This page was not written by the API</h1>"


def refusal_answer(refusal: Refusal) -> Response:
    """Write the error document of a refusal."""
    wait = refusal.retry_after_seconds
    return JSONResponse(
        {"error": {"code": refusal.code, "message": EXPLANATIONS[refusal.code]}},
        status_code=refusal.status,
        headers={} if wait is None else {"retry-after": str(wait)},
    )


def taken_answer(taken: Taken, network: Network) -> Response:
    """Write what the script asks for once a message was taken."""
    match taken.answer:
        case Answer.ACCEPTED:
            return _acceptance(taken.submission)
        case Answer.SERVER_ERROR:
            return refusal_answer(SERVER_ERROR)
        case Answer.HTML:
            return HTMLResponse(PROXY_PAGE)
        case Answer.HELD:
            return HeldAnswer(network)
        case Answer.CUT:
            return CutAnswer(_acceptance(taken.submission))
        case _:
            assert_never(taken.answer)


def _acceptance(submission: Submission) -> JSONResponse:
    return JSONResponse(
        {
            "id": submission.id,
            "status": "queued",
            "from": submission.sender,
            "to": submission.recipient,
            "reference": submission.reference,
            "carrier": submission.carrier,
            "created_at": submission.received_at.isoformat(),
        },
        status_code=202,
    )


class HeldAnswer(Response):
    """No answer until the client gives up; a 504 if it never does, or if the sandbox stops."""

    def __init__(self, network: Network) -> None:
        """Hold for as long as the network's settings say."""
        super().__init__("", status_code=504)
        self._network = network

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, and answer only those who are still there."""
        gone = asyncio.create_task(_client_gone(receive))
        closing = asyncio.create_task(self._network.closing.wait())
        limit = self._network.config.hold_seconds
        try:
            await asyncio.wait({gone, closing}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                await super().__call__(scope, receive, send)
        finally:
            gone.cancel()
            closing.cancel()


class CutAnswer(Response):
    """The head of an answer and nothing more: the server closes the connection of an answer that ends too early."""

    def __init__(self, whole: Response) -> None:
        """Cut off the body of an answer that would otherwise have been right."""
        super().__init__()
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Announce a body that never comes."""
        del scope, receive
        await send(
            {"type": "http.response.start", "status": self._whole.status_code, "headers": self._whole.raw_headers}
        )


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
