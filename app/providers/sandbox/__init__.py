"""The sandbox: the pretend carrier network that comes with the gateway (`gateway sandbox`).

API: `app/sandbox/api.py` and `records.py`; its numbers that misbehave on purpose: `app/sandbox/magic.py`.
Settings: `url` is the sandbox's base URL (`http://127.0.0.1:8081`); `api_key` and `api_secret` go into Basic
authentication; `webhook_secret` signs what it posts to us. The webhook URL travels with each message. `evidence` says
by what an unknown outcome is resolved (`tables.py`); `records` lets messages be fetched and listed.

Send: `POST {url}/v1/messages` with JSON `{from, to, body, reference, status_callback_url, validity_seconds}`; 202 with
`{id, status}`. Errors are `{"error": {"code": <number>, "message": …}}`.

- 429 is not taken, and a 503 with code 2902 is documented as not taken: both are worth another try, after
  `Retry-After` (seconds, or an HTTP date counted from the answer's own `Date`).
- Any other 4xx with the error document above is a refusal. A 4xx *without* it was written by something between us and
  the sandbox, which may have passed the message on before it gave up: the outcome is unknown.
- A 2xx without an id, a redirect and every other 5xx leave the outcome unknown, whatever their body says.
- With an `Idempotency-Key` header a message is taken once: whoever comes with the key again is answered with the first
  one's id. A refusal is not kept under the key. The key with another message is 422 with code 1006, which says nothing
  of the first. The validity may differ, for it runs down.

Records: `GET {url}/v1/messages/{id}` shows one message, 404 with code 4001 says that there is none. `GET
{url}/v1/messages` lists by `reference`, `from`, `to`, `since` and `until` (ISO 8601 with a zone, `until` left out), at
most `limit` a page and fewer if they are long; `next_page` goes into `page`. `{id, reference, from, to, body, status,
error_code, created_at, segments, price: {amount, currency}}`. What was refused is not in them.

Webhooks are signed: `sandbox-signature: t=<unix seconds>,v1=<hex>`, where v1 is HMAC-SHA256 under the webhook secret
over `<t>.<url>.` and the raw body. More than one v1 may stand there while the secret rotates. A signature counts for
300 seconds before and after its time. The last one of a message has its `segments` and `price`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationError

from app.domain.delivery_errors import DeliveryError
from app.domain.evidence import FetchAnswer, SearchAnswer, SearchQuery
from app.domain.http import HttpRequest, HttpResponse, WebhookRequest
from app.domain.provider import (
    Accepted,
    AskContext,
    Deferred,
    Documents,
    InboundSms,
    NotOffered,
    ProviderAdapter,
    ProviderEvent,
    ProviderFailure,
    Rejected,
    SendContext,
    SendOutcome,
    SendRequest,
    StatusReport,
    Unknown,
    WebhookUnreadable,
)
from app.domain.references import AttemptRef
from app.domain.retry_after import read_retry_after
from app.domain.status import MessageStatus
from app.providers.sandbox import records
from app.providers.sandbox.documents import delivery_error, error_code, load, read_price, read_segments
from app.providers.sandbox.signature import SIGNATURE_HEADER, sign, verify
from app.providers.sandbox.tables import (
    CAPABILITIES,
    ERRORS,
    KEY_OF_ANOTHER,
    NO_SUCH_MESSAGE,
    NOT_TAKEN,
    REFUSALS,
    STATUSES,
    Evidence,
)

__all__ = [
    "ERRORS",
    "KEY_OF_ANOTHER",
    "NO_SUCH_MESSAGE",
    "SIGNATURE_HEADER",
    "Adapter",
    "Config",
    "Evidence",
    "sign",
]


class Config(BaseModel):
    """The settings of one sandbox account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HttpUrl
    api_key: Annotated[str, Field(pattern=r"^[!-9;-~]+$")]  # a colon would end the user name in Basic authentication
    api_secret: SecretStr
    webhook_secret: SecretStr
    evidence: Evidence = Evidence.WEBHOOK
    records: bool = False


class _Event(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)

    id: str
    timestamp: AwareDatetime


class _StatusEvent(_Event):
    reference: str | None
    status: str
    error_code: int | None
    # Read leniently: a figure that is wrong must not cost the report.
    segments: Any = None
    price: Any = None


class _InboundEvent(_Event):
    sender: Annotated[str, Field(alias="from")]
    to: str
    body: str


class Adapter(ProviderAdapter[Config]):
    """Speaks the sandbox's API."""

    name = "sandbox"
    config_type = Config

    def __init__(self, config: Config) -> None:
        """Offer what the settings say."""
        super().__init__(config)
        pair = f"{config.api_key}:{config.api_secret.get_secret_value()}"
        self._basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._url = str(config.url).rstrip("/")
        offered = CAPABILITIES[config.evidence]
        self.capabilities = replace(offered, fetch=config.records, listing=config.records)

    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        """Write the POST, with what the account's kind of evidence needs in it."""
        evidence, key = self.config.evidence, str(context.attempt)
        headers = {"content-type": "application/json"}
        if evidence is Evidence.IDEMPOTENCY_KEY:
            headers["idempotency-key"] = key
        body = {
            "from": send.sender,
            "to": send.recipient,
            "body": send.body,
            "reference": None if evidence is Evidence.RECIPIENT_SEARCH else key,
            "status_callback_url": None if evidence is Evidence.NONE else context.status_url,
            "validity_seconds": send.validity_seconds,
        }
        return self._request("POST", "/v1/messages", headers=headers, body=orjson.dumps(body))

    def parse_send(self, response: HttpResponse) -> SendOutcome:
        """Read the answer by its HTTP status first: only a 2xx, a 4xx and the one 503 are listened to."""
        if response.status // 100 == 2:  # noqa: PLR2004 - any status of success
            return _read_acceptance(response)
        wait = read_retry_after(response.headers)
        match response.status // 100, response.status, error_code(response.body):
            case _, 429, code:
                failure = _failure(response, DeliveryError.RATE_LIMITED, code)
                return Deferred(failure=failure, retry_after_seconds=wait)
            case _, 503, code if code == NOT_TAKEN:
                failure = _failure(response, DeliveryError.PROVIDER_UNAVAILABLE, code)
                return Deferred(failure=failure, retry_after_seconds=wait)
            case 4, status, int(code) if code != KEY_OF_ANOTHER:
                error = ERRORS.get(code, REFUSALS.get(status, DeliveryError.MESSAGE_REFUSED))
                return Rejected(failure=_failure(response, error, code))
            case _, _, code:
                return Unknown(failure=_failure(response, DeliveryError.OUTCOME_UNKNOWN, code))

    def verify_webhook(self, request: WebhookRequest, *, now: datetime, documents: Documents) -> None:
        """Check the time and the HMAC; no document is needed."""
        del documents
        verify(self.config.webhook_secret.get_secret_value(), request, now=now)

    def parse_webhook(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        """Read a status or an inbound text; anything else that has a type is an empty list."""
        event = load(request.body)
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise WebhookUnreadable("the body is no JSON object with a type")
        try:
            match event["type"]:
                case "message.status":
                    body = _StatusEvent.model_validate_json(request.body)
                    status = STATUSES.get(body.status)
                    return [] if status is None else [_status_report(body, status)]
                case "message.inbound":
                    return [_inbound(_InboundEvent.model_validate_json(request.body))]
                case _:
                    return []
        except ValidationError as problem:
            fields = sorted({".".join(str(part) for part in error["loc"]) for error in problem.errors()})
            raise WebhookUnreadable(f"missing or of the wrong type: {', '.join(fields)}") from None

    def build_fetch(self, provider_message_id: str, context: AskContext) -> HttpRequest:
        """Ask for one message."""
        del context
        self._only_if(self.capabilities.fetch)
        return self._request("GET", records.fetch_path(provider_message_id))

    def parse_fetch(self, response: HttpResponse) -> FetchAnswer:
        """Read one message, or that there is none."""
        self._only_if(self.capabilities.fetch)
        return records.read_fetch(response)

    def build_search(self, query: SearchQuery, page: str | None, context: AskContext) -> HttpRequest:
        """Ask for one page of messages."""
        del context
        self._only_if(self.capabilities.answers(query))
        return self._request("GET", records.search_path(query, page))

    def parse_search(self, response: HttpResponse) -> SearchAnswer:
        """Read one page of messages."""
        self._only_if(self.capabilities.searches)
        return records.read_search(response)

    def _only_if(self, offered: bool) -> None:
        if not offered:
            raise NotOffered

    def _request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> HttpRequest:
        return HttpRequest(
            method=method,
            url=f"{self._url}{path}",
            headers={"authorization": self._basic, **(headers or {})},
            body=body,
        )


def _read_acceptance(response: HttpResponse) -> SendOutcome:
    match load(response.body):
        case {"id": str(provider_id), **rest} if provider_id:
            word = rest.get("status")
            return Accepted(provider_message_id=provider_id, provider_status=word if isinstance(word, str) else None)
        case _:
            return Unknown(failure=_failure(response, DeliveryError.OUTCOME_UNKNOWN, None))


def _failure(response: HttpResponse, error: DeliveryError, code: int | None) -> ProviderFailure:
    return ProviderFailure(
        error=error, provider_status=f"HTTP {response.status}", provider_code=None if code is None else str(code)
    )


def _status_report(body: _StatusEvent, status: MessageStatus) -> StatusReport:
    return StatusReport(
        status=status,
        provider_status=body.status,
        provider_message_id=body.id,
        # Whoever shares the sandbox account may write what he likes into the reference.
        attempt=AttemptRef.parse(body.reference or ""),
        error=delivery_error(status, body.error_code),
        provider_code=None if body.error_code is None else str(body.error_code),
        reported_at=body.timestamp,
        price=read_price(body.price),
        segments=read_segments(body.segments),
    )


def _inbound(body: _InboundEvent) -> InboundSms:
    return InboundSms(
        provider_message_id=body.id, sender=body.sender, recipient=body.to, body=body.body, sent_at=body.timestamp
    )
