"""The webhook routes: one handler for every provider, raw bytes in, the provider's own reply out."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from app.api.body import WEBHOOK_LIMIT, read_bytes
from app.api.context import context
from app.api.description import problems
from app.domain.http import WebhookRequest

router: Final = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
_PATHS: Final = (
    ("/{provider}", "receive_webhook"),
    ("/{provider}/status", "receive_status_webhook"),
    ("/{provider}/inbound", "receive_inbound_webhook"),
    ("/{provider}/status/{token}", "receive_attempt_webhook"),
)


async def receive(request: Request) -> Response:
    """Keep a provider's webhook and acknowledge it; it is applied afterwards."""
    body = await read_bytes(request, limit=WEBHOOK_LIMIT)
    reply = await context(request).webhooks.receive(
        request.path_params["provider"], _as_signed(request, body), request.path_params.get("token")
    )
    return Response(reply.body, status_code=reply.status, media_type=reply.content_type)


for path, operation_id in _PATHS:
    router.add_api_route(
        path,
        receive,
        methods=["POST"],
        operation_id=operation_id,
        summary="A provider's webhook",
        responses=problems(401, 404, 413, 503),
    )
    router.add_api_route(path, receive, methods=["GET"], include_in_schema=False)


def _as_signed(request: Request, body: bytes) -> WebhookRequest:
    """Give the webhook with the URL that its provider called, whatever a proxy made of it on the way."""
    raw_path = request.scope.get("raw_path", request.scope["path"].encode()).decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    url = f"{context(request).public_url}{raw_path}" + (f"?{query}" if query else "")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return WebhookRequest(method=request.method, url=url, headers=headers, body=body)
