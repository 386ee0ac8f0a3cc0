"""What an adapter may ask of the webhook route: GET, a short memory for equal bodies, a certificate first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.errors import ErrorCode, Refusal
from app.domain.http import WebhookReply, WebhookRequest
from app.domain.provider import Capabilities, DocumentNeeded, Documents
from app.providers.sandbox import SIGNATURE_HEADER, Adapter, Config, sign
from app.services.webhooks import WebhookIntake
from app.store.engine import Engine
from tests.support.gateway import PUBLIC_URL, SECRET_KEY, WEBHOOK_SECRET

URL = f"{PUBLIC_URL}/v1/webhooks/acme"


class AdapterOfTerseWebhooks(Adapter):
    """Its provider calls by GET, and two of its webhooks may be equal to the letter."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.capabilities = Capabilities(webhook_methods=frozenset({"GET"}), distinct_webhooks=False)


class AdapterWithCertificate(Adapter):
    """Its provider signs with a certificate that is not there yet."""

    def verify_webhook(self, request: WebhookRequest, *, now: datetime, documents: Documents) -> None:
        del request, now, documents
        raise DocumentNeeded("https://provider.example/certificate.pem")


def intake(engine: Engine, kind: type[Adapter]) -> WebhookIntake:
    config = Config.model_validate(
        {"url": "http://127.0.0.1:1", "api_key": "k", "api_secret": "s", "webhook_secret": WEBHOOK_SECRET}
    )
    return WebhookIntake(engine, {"acme": kind(config)}, secret=SECRET_KEY.encode(), unique_for=timedelta(days=3))


def webhook(method: str) -> WebhookRequest:
    headers = {SIGNATURE_HEADER: sign(WEBHOOK_SECRET, now=datetime.now(UTC), url=URL, body=b"{}")}
    return WebhookRequest(method=method, url=URL, headers=headers, body=b"{}")


async def hear(intake: WebhookIntake, request: WebhookRequest) -> WebhookReply:
    sender = intake.recognise("acme", request.method, None)
    return (await intake.receive(sender, request)).reply


async def test_a_provider_is_heard_by_the_methods_that_it_uses_and_no_other(engine: Engine) -> None:
    terse = intake(engine, AdapterOfTerseWebhooks)
    assert (await hear(terse, webhook("GET"))).status == 200
    with pytest.raises(Refusal) as refused:
        await hear(terse, webhook("POST"))
    assert refused.value.code is ErrorCode.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    ("kind", "method", "minutes"), [(AdapterOfTerseWebhooks, "GET", 10), (Adapter, "POST", 3 * 24 * 60)]
)
async def test_an_equal_webhook_counts_as_a_repeat_for_as_long_as_it_can_be_one(
    engine: Engine, kind: type[Adapter], method: str, minutes: int
) -> None:
    await hear(intake(engine, kind), webhook(method))
    async with engine.connect() as connection:
        left = await connection.scalar(text("SELECT extract(epoch FROM expires_at - now()) FROM webhook_digests"))
    assert minutes * 60 - 60 < float(left or 0) <= minutes * 60


async def test_a_webhook_whose_certificate_is_missing_is_to_come_again_and_is_not_kept(engine: Engine) -> None:
    with pytest.raises(Refusal) as refused:
        await hear(intake(engine, AdapterWithCertificate), webhook("POST"))
    assert refused.value.code is ErrorCode.TEMPORARILY_UNAVAILABLE
    assert refused.value.retry_after_seconds
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM webhook_receipts")) == 0
