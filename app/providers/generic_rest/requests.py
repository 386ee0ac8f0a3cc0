"""Writes the request that sends one message, from the account's settings."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from app.domain.http import HttpRequest
from app.domain.provider import SendContext, SendRequest
from app.providers.generic_rest.documents import written
from app.providers.generic_rest.numbers import as_theirs
from app.providers.generic_rest.settings import VARIABLE, Auth, Config

CONTENT_TYPES: Final = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


def build(config: Config, send: SendRequest, context: SendContext) -> HttpRequest:
    """Write the POST."""
    values = {
        "from": as_theirs(send.sender, config.numbers),
        "to": as_theirs(send.recipient, config.numbers),
        "body": send.body,
        "reference": str(context.attempt),
        "status_url": with_secret(config, context.status_url),
        "validity_seconds": send.validity_seconds,
    }
    mapped = {place: values[variable] for variable, place in config.fields_.places().items()}
    extra = {place: _filled(value, values) for place, value in config.extra.items()}
    headers = {name.lower(): str(_filled(template, values)) for name, template in config.headers.items()}
    return HttpRequest(
        method="POST",
        url=_url(config),
        headers={"content-type": CONTENT_TYPES[config.format]} | headers | _proof(config.auth),
        body=_body(config, mapped | extra),
    )


def with_secret(config: Config, status_url: str) -> str:
    """Add the secret to a status URL, where it is what will prove the webhook."""
    verification = config.webhook.verification
    if verification.kind != "url":
        return status_url
    return f"{status_url}?{verification.parameter}={quote(verification.secret.get_secret_value(), safe='')}"


def _body(config: Config, values: Mapping[str, Any]) -> bytes:
    if config.format == "json":
        return orjson.dumps(written(values))
    return urlencode(
        [(name, str(value).lower() if isinstance(value, bool) else value) for name, value in values.items()]
    ).encode()


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """Fill a template in one pass, so that a text which looks like a variable stays what it is."""
    if not isinstance(template, str):
        return template
    return re.sub(VARIABLE, lambda match: str(values[match[1]]), template)


def _url(config: Config) -> str:
    url = f"{str(config.url).rstrip('/')}/{config.path.lstrip('/')}" if config.path else str(config.url)
    if config.auth.kind != "query":
        return url
    pair = urlencode({config.auth.name: config.auth.token.get_secret_value()})
    return f"{url}{'&' if '?' in url else '?'}{pair}"


def _proof(auth: Auth) -> dict[str, str]:
    token = auth.token.get_secret_value()
    match auth.kind:
        case "basic":
            pair = f"{auth.user}:{auth.password.get_secret_value()}"
            return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        case "bearer":
            return {"authorization": f"Bearer {token}"}
        case "header":
            return {auth.name.lower(): f"{auth.prefix}{token}"}
        case "query":
            return {}
