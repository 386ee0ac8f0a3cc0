"""Webhooks: verified and kept before they are acknowledged; read and applied afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.domain.attempt_token import read_token
from app.domain.errors import ErrorCode, Refusal
from app.domain.http import WebhookReply, WebhookRequest
from app.domain.provider import (
    AttemptRef,
    DocumentNeeded,
    ProviderAdapter,
    SignatureInvalid,
)
from app.services.identity import new_id
from app.store.engine import Engine, transaction
from app.store.webhooks import NewReceipt, keep_receipt
from app.telemetry import get_logger

_log = get_logger(__name__)
_STALE_DOCUMENT_RETRY_SECONDS: Final = 5
_INDISTINCT: Final = timedelta(minutes=10)
"""How long equal webhooks count as one where nothing in them would differ."""


Adapters = Mapping[str, ProviderAdapter[Any]]
"""The adapter of each configured provider account, by the account's name."""


class WebhookIntake:
    """The request path of a webhook: nothing here calls out, and nothing is acknowledged before its commit."""

    def __init__(self, engine: Engine, adapters: Adapters, *, secret: bytes, unique_for: timedelta) -> None:
        """Take the providers, the secret of the attempt tokens, and how long equal webhooks count as one."""
        self._engine = engine
        self._adapters = adapters
        self._secret = secret
        self._unique_for = unique_for

    async def receive(self, provider: str, request: WebhookRequest, token: str | None) -> WebhookReply:
        """Keep a webhook that proves where it comes from, and give the answer that its provider expects.

        Raises `not-found` for an account that is not configured, `webhook-signature-invalid` for a
        webhook or token that is not the provider's (nothing is kept), `temporarily-unavailable` while
        a signing certificate is not there yet.
        """
        adapter = self._adapters.get(provider)
        if adapter is None:
            raise Refusal(ErrorCode.NOT_FOUND, "No provider account of that name is configured.")
        if request.method not in adapter.capabilities.webhook_methods:
            raise Refusal(ErrorCode.METHOD_NOT_ALLOWED, "This provider's webhooks are not sent by this method.")
        attempt = self._attempt(provider, token)
        _verify(provider, adapter, request)
        receipt = NewReceipt(
            id=new_id(),
            provider=provider,
            request=request,
            attempt=attempt,
            digest=_digest(provider, request),
            unique_for=self._unique_for if adapter.capabilities.distinct_webhooks else _INDISTINCT,
        )
        async with transaction(self._engine) as connection:
            kept = await keep_receipt(connection, receipt)
        message_id = str(attempt.message_id) if attempt else None
        _log.info("webhook", provider=provider, receipt_id=str(receipt.id), message_id=message_id, repeat=not kept)
        return adapter.reply()

    def _attempt(self, provider: str, token: str | None) -> AttemptRef | None:
        if token is None:
            return None
        attempt = read_token(token, provider=provider, secret=self._secret)
        if attempt is None:
            raise _forged(provider, "the token in its URL is not ours")
        return attempt


def _verify(provider: str, adapter: ProviderAdapter[Any], request: WebhookRequest) -> None:
    try:
        adapter.verify_webhook(request, now=datetime.now(UTC), documents={})
    except SignatureInvalid as error:
        raise _forged(provider, str(error)) from error
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
    for part in (provider.encode(), request.path.encode(), request.query.encode(), request.body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
