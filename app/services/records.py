"""Asking providers what their records say: one search with all its pages, or one message; holds no connection."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from app.domain.evidence import FetchAnswer, NoAnswer, ProviderMessage, SearchAnswer, SearchPage, SearchQuery
from app.domain.http import HttpRequest, HttpResponse, TransportFailure
from app.domain.provider import AskContext, ProviderAdapter
from app.services.webhooks import Adapters
from app.telemetry import get_logger
from app.transport import Transport

_log = get_logger(__name__)
_AnswerT = TypeVar("_AnswerT")
MOST_PAGES: Final = 10
TOO_MANY_PAGES: Final = "too many pages"
"""The reason of no answer where there is more than was asked for."""


class ProviderRecords:
    """The providers' own records, as far as their adapters can ask for them."""

    def __init__(self, adapters: Adapters, transport: Transport) -> None:
        """Take the providers and the way out."""
        self._adapters = adapters
        self._transport = transport

    async def search(self, provider: str, query: SearchQuery, *, most_pages: int = MOST_PAGES) -> SearchAnswer:
        """Give everything that a search finds, as one page; no answer where there are more than `most_pages`."""
        found: list[ProviderMessage] = []
        page: str | None = None
        for _ in range(most_pages):
            answer = await self._search_page(provider, query, page)
            if isinstance(answer, NoAnswer):
                return answer
            found += answer.messages
            page = answer.next_page
            if page is None:
                return SearchPage(messages=tuple(found))
        return NoAnswer(reason=TOO_MANY_PAGES)

    async def fetch(self, provider: str, provider_message_id: str) -> FetchAnswer:
        """Give one message by the provider's id."""

        def build(adapter: ProviderAdapter[Any], context: AskContext) -> HttpRequest:
            return adapter.build_fetch(provider_message_id, context)

        return await self._ask(provider, build, lambda adapter, response: adapter.parse_fetch(response))

    async def _search_page(self, provider: str, query: SearchQuery, page: str | None) -> SearchAnswer:
        def build(adapter: ProviderAdapter[Any], context: AskContext) -> HttpRequest:
            return adapter.build_search(query, page, context)

        return await self._ask(provider, build, lambda adapter, response: adapter.parse_search(response))

    async def _ask(
        self,
        provider: str,
        build: Callable[[ProviderAdapter[Any], AskContext], HttpRequest],
        parse: Callable[[ProviderAdapter[Any], HttpResponse], _AnswerT],
    ) -> _AnswerT | NoAnswer:
        adapter = self._adapters.get(provider)
        if adapter is None:
            return NoAnswer(reason="provider-missing")
        try:
            request = build(adapter, AskContext(now=datetime.now(UTC), nonce=secrets.token_hex(16)))
            response = await self._transport.perform(request)
            return (
                NoAnswer(reason=response.reason) if isinstance(response, TransportFailure) else parse(adapter, response)
            )
        except Exception:  # noqa: BLE001 - whatever a provider's file does wrong, it tells nothing
            _log.exception("adapter error", step="records", provider=provider)
            return NoAnswer(reason="adapter-error")
