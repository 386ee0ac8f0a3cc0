"""The checks of secrecy: no credential and no personal data where a log, a trace or an error would show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel, SecretStr

from app.conformance.asking import answer_of, built_questions, readers
from app.conformance.calls import built, events_of, outcome_of, verified
from app.conformance.subject import STANDARD_CONTEXT, Subject
from app.conformance.trial import Raised, Returned
from app.domain.evidence import NoAnswer
from app.domain.http import HttpResponse, WebhookRequest

Breaches = Iterator[tuple[str, str]]

CANARY: Final = "canary-4f1d"
"""Stands in garbage for the personal data that a real webhook would hold."""

CANARY_BODIES: Final = (
    CANARY.encode(),
    f'{{"body": "{CANARY}", "to": "{CANARY}", "type": "{CANARY}"}}'.encode(),
    f'["{CANARY}"]'.encode(),
    f'"{CANARY}"'.encode(),
    f"Body={CANARY}&To={CANARY}".encode(),
)


def no_secret_is_shown(subject: Subject) -> Breaches:
    """No secret of the settings, and no token, is in a repr, an error or the request's URL."""
    secrets = [*_secrets(subject.adapter.config), ("the token", str(STANDARD_CONTEXT.token))]
    for where, text in (*_representations(subject), *_errors(subject)):
        for name, secret in secrets:
            if secret and secret in text:
                yield where, f"shows {name}"


def no_error_repeats_what_was_received(subject: Subject) -> Breaches:
    """An error about a webhook, or about an answer, does not quote it: it may hold numbers and texts."""
    for name, sample in subject.samples.webhooks.items():
        request = sample.request.incoming()
        for body in (*CANARY_BODIES, *_poisoned(request.body)):
            trial = events_of(subject, replace(request, body=body))
            if isinstance(trial, Raised) and CANARY in trial.text:
                yield name, f"{trial.kind} repeats the webhook's content"
    for status in (200, 400, 429, 500, 503):
        for body in CANARY_BODIES:
            outcome = outcome_of(subject, HttpResponse(status=status, body=body))
            if isinstance(outcome, Raised) and CANARY in outcome.text:
                yield f"{status}", f"{outcome.kind} repeats the answer's content"
            yield from _repeated_answers(subject, HttpResponse(status=status, body=body))


def _repeated_answers(subject: Subject, response: HttpResponse) -> Breaches:
    for reader, read in readers(subject):
        match answer_of(read, response):
            case Raised(text=text) if CANARY in text:
                yield f"{reader}, {response.status}", "an error repeats the answer's content"
            case Returned(value=NoAnswer(reason=reason)) if CANARY in reason:
                yield f"{reader}, {response.status}", "the reason of no answer repeats the answer's content"
            case _:
                pass


def _representations(subject: Subject) -> Iterator[tuple[str, str]]:
    adapter = subject.adapter
    yield "the adapter's repr", f"{adapter!r} {adapter!s}"
    yield "the settings' repr", f"{adapter.config!r} {adapter.config!s}"
    request = built(subject)
    yield "the request's repr", f"{request!r} {request!s}"
    yield "the request's URL", request.url
    for where, question in built_questions(subject):
        yield f"the question of {where}", f"{question!r} {question!s} {question.url}"
    for name, sample in subject.samples.sends.items():
        match outcome_of(subject, sample.response.answer()):
            case Returned(value=outcome):
                yield f"the outcome of {name}", repr(outcome)
            case Raised(text=text):
                yield f"the error of {name}", text


def _errors(subject: Subject) -> Iterator[tuple[str, str]]:
    for webhook in subject.signed_webhooks():
        forged = replace(webhook, request=replace(webhook.request, headers={}, body=b"x"))
        if isinstance(trial := verified(subject, forged), Raised):
            yield f"the refusal of {webhook.name}", trial.text
    garbage = WebhookRequest(method="POST", url="https://gateway.example/webhooks/acme/x", body=b"{")
    if isinstance(unread := events_of(subject, garbage), Raised):
        yield "the error of a garbage webhook", unread.text


def _secrets(config: BaseModel) -> Iterator[tuple[str, str]]:
    for name, value in config:
        yield from _secrets_in(name, value)


def _secrets_in(name: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case SecretStr():
            yield name, value.get_secret_value()
        case BaseModel():
            yield from _secrets(value)
        case Mapping():
            for key, each in value.items():
                yield from _secrets_in(f"{name}.{key}", each)
        case list() | tuple():
            for each in value:
                yield from _secrets_in(name, each)
        case _:
            return


def _poisoned(body: bytes) -> Iterator[bytes]:
    """Put the canary in place of each quoted string of a body, so that it lands where a parser looks."""
    parts = body.split(b'"')
    for place in range(1, len(parts), 2):
        yield b'"'.join([*parts[:place], CANARY.encode(), *parts[place + 1 :]])
