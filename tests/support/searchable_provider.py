"""An adapter of the fake provider that offers one way to find out what became of a message."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from app.domain.evidence import (
    ByRecipient,
    ByReference,
    NoAnswer,
    ProviderMessage,
    SearchAnswer,
    SearchPage,
    SearchQuery,
)
from app.domain.http import HttpRequest, HttpResponse
from app.domain.provider import AskContext, Capabilities, SendContext, SendRequest
from app.domain.references import AttemptRef
from app.providers.sandbox import Adapter, Config

_SENDING: Final = SendContext(
    attempt=AttemptRef.parse("00000000-0000-7000-8000-000000000000.1"),  # type: ignore[arg-type]  # it can be read
    now=datetime.fromisoformat("2026-01-01T00:00:00+00:00"),
    status_url="https://gateway.example/status",
    nonce="",
)


class SearchableAdapter(Adapter):
    """Speaks the sandbox's API as it is, and asks as its capabilities say."""

    def __init__(self, config: Config, capabilities: Capabilities) -> None:
        super().__init__(config)
        self.capabilities = capabilities

    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        request = super().build_send(send, context)
        if self.capabilities.idempotency_window is None:
            return request
        return replace(request, headers={**request.headers, "idempotency-key": str(context.attempt)})

    def build_search(self, query: SearchQuery, page: str | None, context: AskContext) -> HttpRequest:
        del page, context
        match query:
            case ByReference(attempt=attempt):
                asked = {"reference": str(attempt)}
            case ByRecipient(sender=sender, recipient=recipient, since=since, until=until):
                asked = {"from": sender, "to": recipient, "since": since.isoformat(), "until": until.isoformat()}
            case _:
                asked = {"since": query.since.isoformat(), "until": query.until.isoformat()}
        sent = super().build_send(
            SendRequest(sender="", recipient="", body="", segments=1, validity_seconds=1), _SENDING
        )
        headers = {"authorization": sent.headers["authorization"]}
        return HttpRequest(method="GET", url=f"{sent.url}?{urlencode(asked)}", headers=headers)

    def parse_search(self, response: HttpResponse) -> SearchAnswer:
        if response.status != 200:
            return NoAnswer(reason=f"HTTP {response.status}")
        found = orjson.loads(response.body)["messages"]
        return SearchPage(messages=tuple(self._shown(each) for each in found))

    def _shown(self, each: dict[str, Any]) -> ProviderMessage:
        by_reference = self.capabilities.reference_search
        return ProviderMessage(
            provider_message_id=each["id"],
            provider_status=each["status"],
            attempt=AttemptRef.parse(each["reference"]) if by_reference else None,
            sender=each["from"],
            recipient=each["to"],
            body=each["body"],
            taken_at=datetime.fromisoformat(each["created_at"]),
        )
