"""What a webhook says, by the paths of the settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Final

from app.domain.delivery_errors import DeliveryError
from app.domain.http import WebhookRequest
from app.domain.provider import InboundSms, ProviderEvent, StatusReport, WebhookUnreadable
from app.domain.references import AttemptRef
from app.providers.generic_rest.answers import LOST, error_code, error_of
from app.providers.generic_rest.documents import find, first_text, first_time, first_word, load_form, load_json
from app.providers.generic_rest.numbers import as_ours
from app.providers.generic_rest.settings import Config

_BY_PATH: Final = re.compile(r"/webhooks/[^/]+/(status|inbound)(?:/|$)")


class _Kind(Enum):
    STATUS = auto()
    INBOUND = auto()
    OF_NO_USE = auto()


def read_webhook(config: Config, request: WebhookRequest) -> Sequence[ProviderEvent]:
    """Read each event; one that cannot be read costs the others nothing, but alone it is `WebhookUnreadable`."""
    events: list[ProviderEvent] = []
    problem: WebhookUnreadable | None = None
    for item in _items(config, request):
        try:
            events += _read(config, request, item)
        except WebhookUnreadable as unreadable:
            problem = unreadable
    if problem is not None and not events:
        raise problem
    return events


def _items(config: Config, request: WebhookRequest) -> list[Any]:
    document = _document(config, request)
    for path in config.webhook.items:
        if (inside := find(document, path)) is not None:
            document = inside
            break
    return document if isinstance(document, list) else [document]


def _document(config: Config, request: WebhookRequest) -> Any:
    if config.webhook.method == "GET":
        return load_form(request.query)
    document = load_json(request.body)
    return load_form(request.body.decode("utf-8", "replace")) if document is None else document


def _read(config: Config, request: WebhookRequest, item: Any) -> Sequence[ProviderEvent]:
    if not isinstance(item, dict):
        raise WebhookUnreadable("it is neither an object nor a list of them")
    match _kind(config, request, item):
        case _Kind.STATUS:
            return _status(config, item)
        case _Kind.INBOUND:
            return [_inbound(config, item)]
        case _Kind.OF_NO_USE:
            return []


def _kind(config: Config, request: WebhookRequest, item: Any) -> _Kind:
    """Tell by the type first, then by the path that was called, then by what is there."""
    settings = config.webhook
    named = first_word(item, settings.type)
    if named is not None and (settings.status_types or settings.inbound_types):
        known = dict.fromkeys(settings.status_types, _Kind.STATUS)
        known |= dict.fromkeys(settings.inbound_types, _Kind.INBOUND)
        return known.get(named, _Kind.OF_NO_USE)
    by_path = _BY_PATH.search(request.path)
    if by_path is not None:
        return _Kind.STATUS if by_path[1] == "status" else _Kind.INBOUND
    if first_word(item, settings.status) is not None:
        return _Kind.STATUS
    if first_word(item, settings.inbound.sender) is not None:
        return _Kind.INBOUND
    raise WebhookUnreadable("it has neither a status nor a sender at the places that the settings name")


def _status(config: Config, item: Any) -> Sequence[StatusReport]:
    settings = config.webhook
    word = first_word(item, settings.status)
    if word is None:
        raise WebhookUnreadable("there is no status at the places of WEBHOOK__STATUS")
    status = config.statuses.get(word.casefold())
    if status is None:
        return []
    code = error_code(item, config.answer, settings.error_code)
    return [
        StatusReport(
            status=status,
            provider_status=word,
            provider_message_id=first_word(item, settings.id),
            # Whoever shares the provider account may write what he likes into the reference.
            attempt=AttemptRef.parse(first_word(item, settings.reference) or ""),
            error=error_of(config, code, DeliveryError.UNKNOWN) if status in LOST else None,
            provider_code=code,
            reported_at=first_time(item, settings.time),
        )
    ]


def _inbound(config: Config, item: Any) -> InboundSms:
    settings = config.webhook.inbound
    sender, body = first_word(item, settings.sender), first_text(item, settings.body)
    recipient = first_word(item, settings.to) or settings.our_number
    missing = [
        name
        for name, value in (("FROM", sender), ("TO", recipient), ("BODY", body))
        if value is None or (name != "BODY" and not value)
    ]
    if sender is None or body is None or missing:
        raise WebhookUnreadable(f"nothing at the places of WEBHOOK__INBOUND__ {', '.join(missing)}")
    return InboundSms(
        provider_message_id=first_word(item, settings.id),
        sender=as_ours(sender, config.numbers),
        recipient=as_ours(recipient, config.numbers),
        body=body,
        sent_at=first_time(item, settings.time),
    )
