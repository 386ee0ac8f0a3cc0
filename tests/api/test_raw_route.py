"""The short way to raw routes: what they answer and raise comes out as if the application had done it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response

from app.api import problems
from app.api.raw_route import RawLane, RawRoute, install
from app.api.request_log import RequestLog
from app.domain.errors import ErrorCode, Refusal
from app.store.engine import StoreUnavailable

RAISED: Final = {
    "refusal": Refusal(ErrorCode.QUEUE_FULL, "Later.", retry_after_seconds=7),
    "away": StoreUnavailable("57P01"),
    "bug": ZeroDivisionError("a secret"),
}


def application() -> FastAPI:
    """An application with raw routes behind an ordinary one."""
    app = FastAPI()
    problems.install(app)
    router = APIRouter(route_class=RawRoute)

    @router.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(await request.body(), status_code=202)

    @router.get("/items/{name}")  # noqa: FAST003 - a raw route reads its path itself
    async def item(request: Request) -> Response:
        if request.path_params["name"] in RAISED:
            raise RAISED[request.path_params["name"]]
        return Response(f"{request.path_params['name']} of {request.app.title} by {request.scope['route'].path}")

    @app.get("/items")
    async def items() -> list[str]:
        return ["one"]

    install(app, router)
    return app


@pytest.fixture(params=["lane", "application"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """The same application by the short way and by the long one."""
    app = application()
    served = RequestLog(RawLane(app) if request.param == "lane" else app)
    transport = httpx.ASGITransport(app=served, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.example") as made:
        yield made


async def test_a_raw_route_gets_the_request_and_its_response_comes_back(client: httpx.AsyncClient) -> None:
    answer = await client.post("/echo", content=b"\x00bytes")
    assert (answer.status_code, answer.content) == (202, b"\x00bytes")


async def test_parameters_of_the_path_the_route_and_the_application_are_known(client: httpx.AsyncClient) -> None:
    assert (await client.get("/items/chair")).text == "chair of FastAPI by /items/{name}"


async def test_what_is_for_no_raw_route_is_the_applications(client: httpx.AsyncClient) -> None:
    assert (await client.get("/items")).json() == ["one"]
    missing = await client.get("/items/chair/legs")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    wrong = await client.put("/echo")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method-not-allowed", "POST")


@pytest.mark.parametrize(
    ("name", "status", "code", "retry_after"),
    [
        ("refusal", 429, "queue-full", "7"),
        ("away", 503, "temporarily-unavailable", "2"),
        ("bug", 500, "internal-error", None),
    ],
)
async def test_what_a_raw_route_raises_is_answered_as_a_problem(
    client: httpx.AsyncClient, name: str, status: int, code: str, retry_after: str | None
) -> None:
    answer = await client.get(f"/items/{name}")
    assert (answer.status_code, answer.json()["code"], answer.headers.get("retry-after")) == (status, code, retry_after)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
