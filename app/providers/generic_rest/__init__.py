"""Any simple REST SMS API, by settings alone: `GATEWAY_PROVIDERS__<NAME>__ADAPTER=generic_rest`.

Sends `POST {url}{path}` and reads a JSON answer and JSON or form webhooks at places that the settings name. A preset is
settings that are there already; each single one of them is overridden by the account's own, and an empty value takes it
away. What can be set, with what it means: `settings.py`. All below is prefixed by `GATEWAY_PROVIDERS__<NAME>__`.

- `PRESET=seed`: `POST /v1/messages`, JSON `from`, `to`, `body`. Needs `URL`, `AUTH__USER` and `AUTH__PASSWORD` (or
  `AUTH__KIND=bearer` and `AUTH__TOKEN`).
- `PRESET=signalmash`: `POST https://api.signalmash.com/messages`, form `FROM`, `TO`, `BODY`, ten-digit numbers. Needs
  `AUTH__TOKEN`. docs.signalmash.com (of 2023, read in October 2026) documents the raw token header and the envelope
  `{data, message, status}` alone. **Unverified**, from one or two third parties: the path (another uses `/sms` and
  `batch_id`: `PATH=/sms`), the places of the id, the delivery codes; guessed: the webhooks. Compare with your account's
  own Postman collection before you go live, and override what differs.
- None: name everything: `URL`, `AUTH__…`, `FIELDS__…`, `ANSWER__…`, `STATUSES`, `WEBHOOK__…`.

Request: `FIELDS__FROM|TO|BODY|REFERENCE|STATUS_URL|VALIDITY_SECONDS=<place>`, such as `messages.0.to`; `EXTRA` and
`HEADERS` are JSON objects of constants and templates, `{"campaign": "otp", "note": "{reference}"}`. (Names of
variables have no case, so what is upper and lower case at the provider stands in values.) `NUMBERS`: `e164`, `digits`
(no plus) or `nanp10`. `AUTH__KIND=query` puts the token into the URL, where logs may show it: only if there is no other
way.

Answer: places are tried in their order (`ANSWER__ID=data.id,messages.0.id`), and a list of one is entered by itself.
A 2xx is an acceptance if it holds an id (or says so: `ANSWER__ID_REQUIRED=false`), is not denied by
`ANSWER__SUCCESS` or `ANSWER__BODY_STATUS`, and has no error code. An error inside is a refusal where it is said
outright or its code is in `ERRORS`; else the outcome is unknown. A 4xx is a refusal where it has an error code or text
at its place, and unknown otherwise: somebody in between may have written it. 408, 409 and 425 are unknown, unless
`HTTP__409=rejected`. 429 is not taken; a 503 only where `ANSWER__NOT_TAKEN` names its code, or `HTTP__503=deferred`.

Webhooks: give the provider `{GATEWAY_PUBLIC_URL}/v1/webhooks/<name>/status` and `…/inbound` (or `…/webhooks/<name>` for
both, which are told apart by `WEBHOOK__TYPE` or by what they hold), and one proof, `WEBHOOK__VERIFICATION__KIND`:

- `url`: append `?secret=<WEBHOOK__VERIFICATION__SECRET>`; it covers neither the body nor the time, so whoever sees the
  URL can forge.
- `basic`: `…__USER` and `…__PASSWORD`.
- `hmac`: over the raw body; `…__SECRET`, `…__HEADER`, `…__ALGORITHM`, `…__ENCODING`, `…__PREFIX`. It has no time: a
  captured webhook may be repeated, which changes nothing, for reports never lead back.

If neither `FIELDS__REFERENCE` nor `FIELDS__STATUS_URL` is set, as in both presets, reports find their message by the
provider's id alone, and an unknown outcome has no evidence. Set one of them if the provider takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.domain.http import HttpRequest, HttpResponse, WebhookRequest
from app.domain.provider import (
    Capabilities,
    Documents,
    ProviderAdapter,
    ProviderEvent,
    SendContext,
    SendOutcome,
    SendRequest,
)
from app.providers.generic_rest import answers, requests, verification, webhooks
from app.providers.generic_rest.presets import SIGNALMASH_ERRORS as ERRORS
from app.providers.generic_rest.presets import STATUSES
from app.providers.generic_rest.settings import Config

__all__ = ["ERRORS", "STATUSES", "Adapter", "Config"]


class Adapter(ProviderAdapter[Config]):
    """Speaks whatever the settings describe."""

    name = "generic_rest"
    config_type = Config

    def __init__(self, config: Config) -> None:
        """Offer what the settings say that the API takes."""
        super().__init__(config)
        by_url, by_reference = config.sends("status_url"), config.sends("reference")
        self.capabilities = Capabilities(
            message_status_url=by_url,
            own_id=by_url or by_reference,
            webhook_methods=frozenset({config.webhook.method}),
        )

    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        """Write the POST."""
        return requests.build(self.config, send, context)

    def parse_send(self, response: HttpResponse) -> SendOutcome:
        """Read the answer."""
        return answers.read_answer(self.config, response)

    def verify_webhook(self, request: WebhookRequest, *, now: datetime, documents: Documents) -> None:
        """Check the one proof that the settings name; none of them has a time or needs a document."""
        del now, documents
        verification.verify(self.config.webhook.verification, request)

    def parse_webhook(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        """Read reports and inbound texts."""
        return webhooks.read_webhook(self.config, request)
