"""The checks of sending: what a request says, and what each answer may be taken to mean."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_plus

from app.conformance.calls import built, outcome_of
from app.conformance.comparison import differences
from app.conformance.description import described
from app.conformance.garbage import GARBAGE, of_wrong_types, truncated
from app.conformance.subject import STANDARD_CONTEXT, STANDARD_SEND, Subject
from app.conformance.trial import Raised, Returned
from app.domain.http import HttpResponse
from app.domain.provider import Accepted, Deferred, Rejected, SendOutcome, Unknown

Breaches = Iterator[tuple[str, str]]

SERVER_ERRORS: Final = (500, 501, 502, 503, 504, 505, 507, 508, 520, 522, 524, 529, 598, 599)
SUCCESSES: Final = (200, 201, 202, 204, 207)
RETRY_AFTERS: Final = ("", "0", "7", "-1", "1.5", "soon", "9" * 5_000, "Wed, 21 Oct 2026 07:28:00 GMT", "\u0667", "inf")


def samples_read_as_stored(subject: Subject) -> Breaches:
    """Each send sample gives its stored outcome, and its stored request where it has one."""
    if not subject.samples.sends:
        yield "samples", "there is no sample of the kind send"
    for name, sample in subject.samples.sends.items():
        match outcome_of(subject, sample.response.answer()):
            case Raised(kind=kind):
                yield name, f"parse_send raised {kind}"
            case Returned(value=outcome) if described(outcome) != sample.expected:
                yield name, f"gave {described(outcome)}, not {sample.expected}"
            case Returned():
                pass
        if sample.request is not None:
            yield from ((name, problem) for problem in differences(built(subject), sample.request))


def a_429_is_deferred(subject: Subject) -> Breaches:
    """A 429 was not taken, whatever it says; a strange Retry-After is None or a number, and never an error."""
    for where, body in _bodies(subject):
        yield from _expect(subject, HttpResponse(status=429, body=body), (Deferred,), where)
    for value in RETRY_AFTERS:
        response = HttpResponse(status=429, headers={"retry-after": value})
        where = f"retry-after: {value[:40]}"
        yield from _expect(subject, response, (Deferred,), where)
        match outcome_of(subject, response):
            case Returned(value=Deferred(retry_after_seconds=float() | int() as wait)) if not 0 <= wait < math.inf:
                yield where, f"gave a wait of {wait} seconds"
            case _:
                pass


def a_server_error_is_unknown(subject: Subject) -> Breaches:
    """Any 5xx may have been taken, whatever its body says, but for a 503 that a sample documents as not accepted."""
    documented = {
        (sample.response.status, sample.response.content())
        for sample in subject.samples.sends.values()
        if sample.expected.get("is") == "Deferred"
    }
    for status in SERVER_ERRORS:
        for where, body in _bodies(subject):
            if (status, body) not in documented or status != 503:  # noqa: PLR2004 - the one status with a way out
                yield from _expect(subject, HttpResponse(status=status, body=body), (Unknown,), f"{status}, {where}")


def an_unreadable_success_is_unknown(subject: Subject) -> Breaches:
    """A 2xx that does not hold what the provider's own acceptance holds may have been written by anybody."""
    stored = {(sample.response.status, sample.response.content()) for sample in subject.samples.sends.values()}
    damaged = [
        (f"{name}, {how}", body)
        for name, sample in subject.samples.sends.items()
        for how, damage in (("truncated", truncated), ("of wrong types", of_wrong_types))
        if (body := damage(sample.response.content())) is not None
    ]
    for status in SUCCESSES:
        for where, body in (*GARBAGE.items(), *damaged):
            if (status, body) not in stored:
                yield from _expect(subject, HttpResponse(status=status, body=body), (Unknown,), f"{status}, {where}")


def an_answer_by_somebody_else_is_no_acceptance(subject: Subject) -> Breaches:
    """A redirect, an informational status or a 4xx with a foreign body neither accepts nor defers."""
    for status in (100, 101, 301, 302, 307, 308, 400, 401, 403, 404, 405, 407, 408, 413, 421, 499, 0, 999):
        for where, body in GARBAGE.items():
            response = HttpResponse(status=status, body=body)
            yield from _expect(subject, response, (Rejected, Unknown), f"{status}, {where}")


def a_request_is_built_from_its_arguments_alone(subject: Subject) -> Breaches:
    """The same message in the same context gives the same request, and nothing that was given is changed."""
    before = copy.deepcopy((STANDARD_SEND, STANDARD_CONTEXT, subject.adapter.config))
    first, second = built(subject), built(subject)
    if first != second:
        yield "build_send", "gave two different requests for the same message in the same context"
    if before != (STANDARD_SEND, STANDARD_CONTEXT, subject.adapter.config):
        yield "build_send", "changed what it was given"
    if [name for name in first.headers if name != name.lower()]:
        yield "build_send", "wrote a header name that is not in lower case"


def our_own_id_travels(subject: Subject) -> Breaches:
    """The status URL travels where the adapter says so; else our reference must, unless the API takes neither."""
    if not subject.adapter.capabilities.own_id:
        return
    request = built(subject)
    text = "\n".join((request.url, *request.headers.values(), request.body.decode("utf-8", "replace")))
    readings = (text, unquote_plus(text), text.replace("\\/", "/"))
    if subject.adapter.capabilities.message_status_url:
        if not any(STANDARD_CONTEXT.status_url in reading for reading in readings):
            yield "build_send", "declares message_status_url, but the status URL is not in the request"
    elif not any(str(STANDARD_CONTEXT.attempt) in reading for reading in readings):
        yield "build_send", "neither our reference nor the status URL is in the request"


def _bodies(subject: Subject) -> Iterator[tuple[str, bytes]]:
    yield from GARBAGE.items()
    for name, sample in subject.samples.sends.items():
        yield f"the body of {name}", sample.response.content()


def _expect(subject: Subject, response: HttpResponse, outcomes: tuple[type[SendOutcome], ...], where: str) -> Breaches:
    match outcome_of(subject, response):
        case Raised(kind=kind):
            yield where, f"parse_send raised {kind}"
        case Returned(value=outcome) if not isinstance(outcome, outcomes):
            wanted = " or ".join(each.__name__ for each in outcomes)
            yield where, f"gave {type(outcome).__name__}, not {wanted}"
        case Returned(value=Accepted(provider_message_id="")):
            yield where, "accepted under an empty id"
        case Returned():
            pass
