"""The webhook routes: one handler for every provider, raw bytes in, the provider's own reply out."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from app.api.body import WEBHOOK_LIMIT, read_bytes
from app.api.context import context
from app.api.raw_route import RawResponse, RawRoute
from app.domain.http import WebhookRequest

router: Final = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=RawRoute)
# The most frequent first: they are looked through in this order.
_PATHS: Final = (
    ("/{provider}/status/{token}", "receive_attempt_webhook", "A provider's report on one attempt"),
    ("/{provider}/status", "receive_status_webhook", "A provider's status report"),
    ("/{provider}/inbound", "receive_inbound_webhook", "A provider's inbound message"),
    ("/{provider}", "receive_webhook", "A provider's webhook of any kind"),
)


async def receive(request: Request) -> Response:
    """Keep a provider's webhook and acknowledge it; it is applied afterwards."""
    intake = context(request).webhooks
    asked = request.path_params
    source = intake.recognise(asked["provider"], request.method, asked.get("token"))
    body = await read_bytes(request, limit=WEBHOOK_LIMIT)
    kept = await intake.receive(source, _as_signed(request, body))
    fields = request.scope["gateway.log"]
    fields.update(provider=source.provider, receipt_id=str(kept.receipt_id), repeat=kept.repeat)
    if source.attempt is not None:
        fields["message_id"] = str(source.attempt.message_id)
    return RawResponse(kept.reply.body, status=kept.reply.status, content_type=kept.reply.content_type)


for path, operation_id, summary in _PATHS:
    router.add_api_route(
        path,
        receive,
        methods=["POST"],
        operation_id=operation_id,
        summary=summary,
    )
    router.add_api_route(path, receive, methods=["GET"], include_in_schema=False)


def _as_signed(request: Request, body: bytes) -> WebhookRequest:
    """Give the webhook with the URL that its provider called, whatever a proxy made of it on the way."""
    raw_path = request.scope.get("raw_path", request.scope["path"].encode()).decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    url = f"{context(request).public_url}{raw_path}" + (f"?{query}" if query else "")
    # ASGI's names are in lower case.
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
    return WebhookRequest(method=request.method, url=url, headers=headers, body=body)
