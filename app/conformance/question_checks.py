"""The checks of questions: which may be asked, what they say, and what a resend says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from app.conformance.asking import SEARCHES, STANDARD_ASK, STANDARD_ID, built_questions, declared_searches
from app.conformance.comparison import differences
from app.conformance.samples import FetchSample, SearchSample
from app.conformance.subject import STANDARD_CONTEXT, STANDARD_SEND, Subject
from app.conformance.trial import Raised, Returned, tried
from app.domain.evidence import ByRecipient, ByReference, SearchQuery, TakenBetween
from app.domain.http import HttpRequest, HttpResponse
from app.domain.provider import NotOffered, SendContext, SendRequest
from app.domain.references import AttemptRef

Breaches = Iterator[tuple[str, str]]

_LATER: Final = timedelta(minutes=1)
_ATTEMPT: Final = STANDARD_CONTEXT.attempt
_ANOTHER_ATTEMPT: Final = replace(_ATTEMPT, number=_ATTEMPT.number + 1)
_ANOTHER_MESSAGE: Final = AttemptRef(
    message_id=UUID("0190f3a2-7d11-7cc3-98c4-dc0c0c073990"), number=STANDARD_CONTEXT.attempt.number
)
_RESENT: Final = replace(STANDARD_SEND, validity_seconds=STANDARD_SEND.validity_seconds - 60)
_RESENDING: Final = replace(
    STANDARD_CONTEXT,
    now=STANDARD_CONTEXT.now + _LATER,
    nonce="0" * 32,
    token="another-token",  # noqa: S106 - a pretend token, newer than the first
)


def what_is_not_declared_is_not_offered(subject: Subject) -> Breaches:
    """What `capabilities` does not name raises NotOffered, and nothing else: neither asked nor read by mistake."""
    for where, call in _undeclared(subject):
        match tried(call):
            case Raised(error=NotOffered()):
                pass
            case Raised(kind=kind):
                yield where, f"raised {kind} instead of NotOffered"
            case Returned():
                yield where, "is not declared, and was offered"


def questions_are_built_as_stored(subject: Subject) -> Breaches:
    """Each declared question has a sample with its `request`, and is built like it."""
    asked = {name: sample for name, sample in _asked(subject) if sample.request is not None}
    queries = {sample.query for sample in asked.values() if isinstance(sample, SearchSample)}
    if subject.adapter.capabilities.fetch and not any(isinstance(each, FetchSample) for each in asked.values()):
        yield "samples", "no sample of the kind fetch has a request"
    for name in declared_searches(subject).keys() - queries:
        yield "samples", f"no sample of a search by {name} has a request"
    for name, sample in asked.items():
        if sample.request is not None:
            yield from ((name, problem) for problem in differences(_question(subject, sample), sample.request))


def a_question_says_what_it_asks_for(subject: Subject) -> Breaches:
    """The same question gives the same request; another id, reference, recipient, span or page gives another one."""
    again = dict(built_questions(subject))
    for where, request in built_questions(subject):
        if request != again[where]:
            yield where, "gave two different requests for the same question"
        if [name for name in request.headers if name != name.lower()]:
            yield where, "wrote a header name that is not in lower case"
    for where, one, other in _different_questions(subject):
        if one == other:
            yield where, "is not in the request"


def the_key_belongs_to_the_attempt(subject: Subject) -> Breaches:
    """A resend of an attempt carries the key of the first send, though later and shorter valid; no other send does."""
    if subject.adapter.capabilities.idempotency_window is None:
        return
    place = subject.samples.config.idempotency_key
    if place is None:
        yield "config", "does not say where the idempotency key stands"
        return

    def key_of(send: SendRequest, context: SendContext) -> str | None:
        return place.key_of(subject.adapter.build_send(send, context))

    key = key_of(STANDARD_SEND, STANDARD_CONTEXT)
    if not key:
        yield "build_send", "carries no idempotency key"
    if key_of(_RESENT, _RESENDING) != key:
        yield "build_send", "gave a resend of the attempt another key"
    for what, attempt in (("attempt", _ANOTHER_ATTEMPT), ("message", _ANOTHER_MESSAGE)):
        if key_of(STANDARD_SEND, replace(STANDARD_CONTEXT, attempt=attempt)) == key:
            yield "build_send", f"gave another {what} the same key"


def _undeclared(subject: Subject) -> Iterator[tuple[str, Callable[[], object]]]:
    adapter, nothing = subject.adapter, HttpResponse(status=200)
    if not adapter.capabilities.fetch:
        yield "build_fetch", partial(adapter.build_fetch, STANDARD_ID, STANDARD_ASK)
        yield "parse_fetch", partial(adapter.parse_fetch, nothing)
    if not adapter.capabilities.searches:
        yield "parse_search", partial(adapter.parse_search, nothing)
    for name, query in SEARCHES.items():
        if not adapter.capabilities.answers(query):
            yield f"build_search by {name}", partial(adapter.build_search, query, None, STANDARD_ASK)


def _asked(subject: Subject) -> Iterator[tuple[str, FetchSample | SearchSample]]:
    if subject.adapter.capabilities.fetch:
        yield from subject.samples.fetches.items()
    searches = declared_searches(subject)
    yield from ((name, sample) for name, sample in subject.samples.searches.items() if sample.query in searches)


def _question(subject: Subject, sample: FetchSample | SearchSample) -> HttpRequest:
    if isinstance(sample, FetchSample):
        return subject.adapter.build_fetch(sample.provider_message_id, STANDARD_ASK)
    return subject.adapter.build_search(SEARCHES[sample.query], sample.page, STANDARD_ASK)


def _different_questions(subject: Subject) -> Iterator[tuple[str, HttpRequest, HttpRequest]]:
    """Give pairs of requests that must differ, and what alone tells them apart."""
    adapter = subject.adapter
    if adapter.capabilities.fetch:
        first, second = (adapter.build_fetch(each, STANDARD_ASK) for each in (STANDARD_ID, "message-2"))
        yield "the provider's id", first, second
    for query in declared_searches(subject).values():
        what, other = _another(query)
        first, second = (adapter.build_search(each, None, STANDARD_ASK) for each in (query, other))
        yield what, first, second
    for name, sample in subject.samples.searches.items():
        query = SEARCHES[sample.query]
        page = sample.expected.get("next_page")
        if adapter.capabilities.answers(query) and page is not None:
            first, second = (adapter.build_search(query, each, STANDARD_ASK) for each in (None, page))
            yield f"the next page of {name}", first, second


def _another(query: SearchQuery) -> tuple[str, SearchQuery]:
    match query:
        case ByReference():
            return "the reference", replace(query, attempt=_ANOTHER_ATTEMPT)
        case ByRecipient():
            return "the recipient", replace(query, recipient="+12025550124")
        case TakenBetween():
            return "the span", replace(query, since=query.since + _LATER, until=query.until + _LATER)
