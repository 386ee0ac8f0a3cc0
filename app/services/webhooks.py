"""Webhooks: verified and kept before they are acknowledged; read and applied afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app.domain.attempt_token import read_token
from app.domain.errors import ErrorCode, Refusal
from app.domain.http import WebhookReply, WebhookRequest
from app.domain.provider import Capabilities, DocumentNeeded, ProviderAdapter, SignatureInvalid
from app.domain.references import AttemptRef
from app.services.flusher import Flusher
from app.services.identity import new_id
from app.store.engine import Autocommit, Engine
from app.store.intake import WAKE_CHANNEL, NewReceipt, keep_receipts
from app.store.notifications import Notifier
from app.telemetry import get_logger

_log = get_logger(__name__)
_STALE_DOCUMENT_RETRY_SECONDS: Final = 5
_INDISTINCT: Final = timedelta(minutes=10)
"""How long equal webhooks count as one where nothing in them would differ."""


Adapters = Mapping[str, ProviderAdapter[Any]]
"""The adapter of each configured provider account, by the account's name."""


def capabilities_of(adapters: Adapters, provider: str) -> Capabilities:
    """Give what a provider account offers; nothing for one that is no longer configured."""
    adapter = adapters.get(provider)
    return Capabilities() if adapter is None else adapter.capabilities


def resenders_of(adapters: Adapters) -> frozenset[str]:
    """Name the provider accounts that may be asked by a resend, which is a send like any other."""
    return frozenset(name for name, each in adapters.items() if each.capabilities.idempotency_window is not None)


@dataclass(kw_only=True, slots=True)
class WebhookSource:
    """Who a webhook says it comes from, as far as its URL tells; its body has not been looked at.

    Nobody changes it; like the next one it is not frozen because one is made for each webhook.
    """

    provider: str
    adapter: ProviderAdapter[Any] = field(repr=False)
    attempt: AttemptRef | None
    """Whose status it tells, where the URL says so."""


@dataclass(kw_only=True, slots=True)
class KeptWebhook:
    """What became of a webhook, and the answer that its provider expects."""

    reply: WebhookReply
    receipt_id: UUID
    repeat: bool
    """It had been kept before."""


class WebhookIntake:
    """The request path of a webhook: nothing here calls out, and nothing is acknowledged before its commit."""

    def __init__(self, engine: Engine, adapters: Adapters, *, secret: bytes, unique_for: timedelta) -> None:
        """Take the providers, the secret of the attempt tokens, and how long equal webhooks count as one."""
        self._writing = Autocommit(engine)
        self._adapters = adapters
        self._secret = secret
        self._unique_for = unique_for
        self._notifier = Notifier(self._writing, WAKE_CHANNEL)
        self._flusher = Flusher(self._keep)

    def recognise(self, provider: str, method: str, token: str | None) -> WebhookSource:
        """Judge what is known before a body is read.

        Raises `not-found` for an account that is not configured, `method-not-allowed`, and
        `webhook-signature-invalid` for a token that is not ours.
        """
        adapter = self._adapters.get(provider)
        if adapter is None:
            raise Refusal(ErrorCode.NOT_FOUND, "No provider account of that name is configured.")
        if method not in adapter.capabilities.webhook_methods:
            raise Refusal(ErrorCode.METHOD_NOT_ALLOWED, "This provider's webhooks are not sent by this method.")
        return WebhookSource(provider=provider, adapter=adapter, attempt=self._attempt(provider, token))

    async def receive(self, source: WebhookSource, request: WebhookRequest) -> KeptWebhook:
        """Keep a webhook that proves where it comes from.

        Raises `webhook-signature-invalid` for one that does not (nothing is kept), and
        `temporarily-unavailable` while a signing certificate is not there yet.
        """
        _verify(source, request)
        distinct = source.adapter.capabilities.distinct_webhooks
        receipt = NewReceipt(
            id=new_id(),
            provider=source.provider,
            request=request,
            attempt=source.attempt,
            digest=_digest(source.provider, request),
            unique_for=self._unique_for if distinct else _INDISTINCT,
        )
        kept = await self._flusher.submit(receipt)
        return KeptWebhook(reply=source.adapter.reply(), receipt_id=receipt.id, repeat=not kept)

    async def aclose(self) -> None:
        """Keep what is waiting, and wake the workers for it."""
        await self._flusher.aclose()
        await self._notifier.aclose()

    async def _keep(self, batch: Sequence[NewReceipt]) -> list[bool]:
        kept = await keep_receipts(self._writing, batch)
        if any(kept):
            self._notifier.wake()
        return kept

    def _attempt(self, provider: str, token: str | None) -> AttemptRef | None:
        if token is None:
            return None
        attempt = read_token(token, provider=provider, secret=self._secret)
        if attempt is None:
            raise _forged(provider, "the token in its URL is not ours")
        return attempt


def _verify(source: WebhookSource, request: WebhookRequest) -> None:
    try:
        source.adapter.verify_webhook(request, now=datetime.now(UTC), documents={})
    except SignatureInvalid as error:
        raise _forged(source.provider, str(error)) from error
    except DocumentNeeded as error:
        raise Refusal(
            ErrorCode.TEMPORARILY_UNAVAILABLE,
            "The certificate that this signature needs is not here yet. Send the webhook again.",
            retry_after_seconds=_STALE_DOCUMENT_RETRY_SECONDS,
        ) from error


def _forged(provider: str, reason: str) -> Refusal:
    _log.warning("webhook refused", provider=provider, reason=reason)
    return Refusal(
        ErrorCode.WEBHOOK_SIGNATURE_INVALID,
        "The signature does not fit this provider account, URL and body, or is too old. "
        "Check the account's webhook secret and GATEWAY_PUBLIC_URL.",
    )


def _digest(provider: str, request: WebhookRequest) -> bytes:
    digest = hashlib.sha256()
    for part in (provider.encode(), request.url.encode("utf-8", "surrogatepass"), request.body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
