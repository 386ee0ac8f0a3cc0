"""The sandbox: the pretend carrier network that comes with the gateway (`gateway sandbox`).

API: `app/sandbox/api.py`; its numbers that misbehave on purpose: `app/sandbox/magic.py`.
Settings: `url` is the sandbox's base URL (`http://127.0.0.1:8081`); `api_key` and `api_secret` go into Basic
authentication; `webhook_secret` signs what it posts to us. The webhook URL travels with each message.

Send: `POST {url}/v1/messages` with JSON `{from, to, body, reference, status_callback_url, validity_seconds}`; 202 with
`{id, status}`. Errors are `{"error": {"code": <number>, "message": …}}`.

- 429 is not taken, and a 503 with code 2902 is documented as not taken: both are worth another try, after
  `Retry-After` (seconds, or an HTTP date counted from the answer's own `Date`).
- Any other 4xx with the error document above is a refusal. A 4xx *without* it was written by something between us and
  the sandbox, which may have passed the message on before it gave up: the outcome is unknown.
- A 2xx without an id, a redirect and every other 5xx leave the outcome unknown, whatever their body says.

Webhooks are signed: `sandbox-signature: t=<unix seconds>,v1=<hex>`, where v1 is HMAC-SHA256 under the webhook secret
over `<t>.<url>.` and the raw body. More than one v1 may stand there while the secret rotates. A signature counts for
300 seconds before and after its time.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationError

from app.domain.delivery_errors import DeliveryError
from app.domain.http import HttpRequest, HttpResponse, WebhookRequest
from app.domain.provider import (
    Accepted,
    Capabilities,
    Deferred,
    Documents,
    InboundSms,
    ProviderAdapter,
    ProviderEvent,
    ProviderFailure,
    Rejected,
    SendContext,
    SendOutcome,
    SendRequest,
    SignatureInvalid,
    StatusReport,
    Unknown,
    WebhookUnreadable,
)
from app.domain.references import AttemptRef
from app.domain.retry_after import read_retry_after
from app.domain.status import MessageStatus

STATUSES: Final[Mapping[str, MessageStatus]] = {
    "queued": MessageStatus.QUEUED,
    "sending": MessageStatus.SENDING,
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "undelivered": MessageStatus.UNDELIVERED,
    "failed": MessageStatus.FAILED,
}

ERRORS: Final[Mapping[int, DeliveryError]] = {
    1001: DeliveryError.INVALID_RECIPIENT,
    1002: DeliveryError.OPTED_OUT,
    1003: DeliveryError.UNREGISTERED_SENDER,
    1004: DeliveryError.SENDER_NOT_ALLOWED,
    1005: DeliveryError.MESSAGE_REFUSED,
    2001: DeliveryError.PROVIDER_CREDENTIALS,
    2002: DeliveryError.PROVIDER_BALANCE,
    2901: DeliveryError.RATE_LIMITED,
    2902: DeliveryError.PROVIDER_UNAVAILABLE,
    3001: DeliveryError.LANDLINE,
    3002: DeliveryError.UNREACHABLE,
    3003: DeliveryError.CARRIER_BLOCKED,
    3004: DeliveryError.CONTENT_FILTERED,
    3005: DeliveryError.UNREGISTERED_SENDER,
    3006: DeliveryError.SENDER_NOT_ALLOWED,
    3099: DeliveryError.UNKNOWN,
}

NOT_TAKEN: Final = 2902  # the one code with which a 503 is documented as not accepted
REFUSALS: Final[Mapping[int, DeliveryError]] = {
    401: DeliveryError.PROVIDER_CREDENTIALS,
    402: DeliveryError.PROVIDER_BALANCE,
    403: DeliveryError.PROVIDER_CREDENTIALS,
}
"""What a refusal with a code that is not in the table means, by HTTP status; any other is `message-refused`."""

SIGNATURE_HEADER: Final = "sandbox-signature"
TOLERANCE_SECONDS: Final = 300
MOST_SIGNATURES: Final = 8
_TIME: Final = re.compile(r"[0-9]{1,12}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


class Config(BaseModel):
    """The settings of one sandbox account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HttpUrl
    api_key: Annotated[str, Field(pattern=r"^[!-9;-~]+$")]  # a colon would end the user name in Basic authentication
    api_secret: SecretStr
    webhook_secret: SecretStr


class _Event(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)

    id: str
    timestamp: AwareDatetime


class _StatusEvent(_Event):
    reference: str | None
    status: str
    error_code: int | None


class _InboundEvent(_Event):
    sender: Annotated[str, Field(alias="from")]
    to: str
    body: str


class Adapter(ProviderAdapter[Config]):
    """Speaks the sandbox's API."""

    name = "sandbox"
    config_type = Config
    capabilities = Capabilities(message_status_url=True)

    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        """Write the POST, with our reference and this attempt's status URL in it."""
        pair = f"{self.config.api_key}:{self.config.api_secret.get_secret_value()}"
        basic = base64.b64encode(pair.encode()).decode()
        return HttpRequest(
            method="POST",
            url=f"{str(self.config.url).rstrip('/')}/v1/messages",
            headers={"authorization": f"Basic {basic}", "content-type": "application/json"},
            body=orjson.dumps(
                {
                    "from": send.sender,
                    "to": send.recipient,
                    "body": send.body,
                    "reference": str(context.attempt),
                    "status_callback_url": context.status_url,
                    "validity_seconds": send.validity_seconds,
                }
            ),
        )

    def parse_send(self, response: HttpResponse) -> SendOutcome:
        """Read the answer by its HTTP status first: only a 2xx, a 4xx and the one 503 are listened to."""
        wait = read_retry_after(response.headers)
        match response.status // 100, response.status, _error_code(response.body):
            case 2, _, _:
                return _read_acceptance(response)
            case _, 429, code:
                failure = _failure(response, DeliveryError.RATE_LIMITED, code)
                return Deferred(failure=failure, retry_after_seconds=wait)
            case _, 503, code if code == NOT_TAKEN:
                failure = _failure(response, DeliveryError.PROVIDER_UNAVAILABLE, code)
                return Deferred(failure=failure, retry_after_seconds=wait)
            case 4, status, int(code):
                error = ERRORS.get(code, REFUSALS.get(status, DeliveryError.MESSAGE_REFUSED))
                return Rejected(failure=_failure(response, error, code))
            case _, _, code:
                return Unknown(failure=_failure(response, DeliveryError.OUTCOME_UNKNOWN, code))

    def verify_webhook(self, request: WebhookRequest, *, now: datetime, documents: Documents) -> None:
        """Check the time and the HMAC; no document is needed."""
        del documents
        signed_at, signatures = _read_signature(request.headers.get(SIGNATURE_HEADER, ""))
        if abs(now.timestamp() - int(signed_at)) > TOLERANCE_SECONDS:
            raise SignatureInvalid("the signature's time is more than 300 seconds away")
        expected = _digest(self.config.webhook_secret.get_secret_value(), signed_at, request.url, request.body)
        if not any(hmac.compare_digest(expected, signature) for signature in signatures):
            raise SignatureInvalid("no v1 signature matches")

    def parse_webhook(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        """Read a status or an inbound text; anything else that has a type is an empty list."""
        event = _load(request.body)
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


def sign(secret: str, *, now: datetime, url: str, body: bytes) -> str:
    """Give the value of the `sandbox-signature` header for a webhook posted to `url` at `now`."""
    signed_at = str(int(now.timestamp()))
    return f"t={signed_at},v1={_digest(secret, signed_at, url, body)}"


def _digest(secret: str, signed_at: str, url: str, body: bytes) -> str:
    # surrogatepass keeps this total: a URL that no provider could have called must not raise, only not match.
    signed = f"{signed_at}.{url}.".encode("utf-8", "surrogatepass") + body
    return hmac.digest(secret.encode(), signed, "sha256").hex()


def _read_signature(header: str) -> tuple[str, list[str]]:
    entries = [entry.strip().partition("=") for entry in header.split(",", 2 * MOST_SIGNATURES)]
    times = [value for key, _, value in entries if key == "t" and _TIME.fullmatch(value)]
    signatures = [value for key, _, value in entries if key == "v1" and _SIGNATURE.fullmatch(value)]
    if len(times) != 1:
        raise SignatureInvalid(f"{SIGNATURE_HEADER} is missing or has no single time")
    if not 1 <= len(signatures) <= MOST_SIGNATURES:
        raise SignatureInvalid(f"{SIGNATURE_HEADER} has no v1 signature, or too many")
    return times[0], signatures


def _load(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _error_code(body: bytes) -> int | None:
    match _load(body):
        case {"error": {"code": int(code)}} if not isinstance(code, bool):
            return code
        case _:
            return None


def _read_acceptance(response: HttpResponse) -> SendOutcome:
    match _load(response.body):
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
    lost = status in {MessageStatus.UNDELIVERED, MessageStatus.FAILED}
    return StatusReport(
        status=status,
        provider_status=body.status,
        provider_message_id=body.id,
        # Whoever shares the sandbox account may write what he likes into the reference.
        attempt=AttemptRef.parse(body.reference or ""),
        error=ERRORS.get(body.error_code or 0, DeliveryError.UNKNOWN) if lost else None,
        provider_code=None if body.error_code is None else str(body.error_code),
        reported_at=body.timestamp,
    )


def _inbound(body: _InboundEvent) -> InboundSms:
    return InboundSms(
        provider_message_id=body.id, sender=body.sender, recipient=body.to, body=body.body, sent_at=body.timestamp
    )
