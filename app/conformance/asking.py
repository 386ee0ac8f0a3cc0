"""The questions that an adapter is asked to write, and its answers as trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from app.conformance.subject import STANDARD_CONTEXT, STANDARD_NOW, STANDARD_SEND, Subject
from app.conformance.trial import Trial, tried
from app.domain.evidence import (
    ByRecipient,
    ByReference,
    FetchAnswer,
    NoAnswer,
    SearchAnswer,
    SearchQuery,
    TakenBetween,
)
from app.domain.http import HttpRequest, HttpResponse
from app.domain.provider import AskContext

STANDARD_ASK: Final = AskContext(now=STANDARD_NOW, nonce=STANDARD_CONTEXT.nonce, token=STANDARD_CONTEXT.token)
STANDARD_ID: Final = "message-1"
_AN_HOUR: Final = timedelta(hours=1)
_SPAN: Final = (STANDARD_NOW - _AN_HOUR, STANDARD_NOW + _AN_HOUR)

SEARCHES: Final[Mapping[str, SearchQuery]] = {
    "reference": ByReference(attempt=STANDARD_CONTEXT.attempt),
    "recipient": ByRecipient(
        sender=STANDARD_SEND.sender, recipient=STANDARD_SEND.recipient, since=_SPAN[0], until=_SPAN[1]
    ),
    "time": TakenBetween(since=_SPAN[0], until=_SPAN[1]),
}
"""What each search of a sample is for: the standard send, one hour before and after the standard time."""

Read = Callable[[HttpResponse], FetchAnswer | SearchAnswer]


def declared_searches(subject: Subject) -> Mapping[str, SearchQuery]:
    """Give the searches that the adapter declares, by the words of the samples."""
    return {name: query for name, query in SEARCHES.items() if subject.adapter.capabilities.answers(query)}


def built_questions(subject: Subject) -> Iterator[tuple[str, HttpRequest]]:
    """Write each declared question; what the adapter raises becomes the check's finding."""
    if subject.adapter.capabilities.fetch:
        yield "build_fetch", subject.adapter.build_fetch(STANDARD_ID, STANDARD_ASK)
    for name, query in declared_searches(subject).items():
        yield f"build_search by {name}", subject.adapter.build_search(query, None, STANDARD_ASK)


def readers(subject: Subject) -> Iterator[tuple[str, Read]]:
    """Give the methods that read answers to declared questions."""
    capabilities = subject.adapter.capabilities
    if capabilities.fetch:
        yield "parse_fetch", subject.adapter.parse_fetch
    if capabilities.searches:
        yield "parse_search", subject.adapter.parse_search


def stored_answers(subject: Subject, reader: str) -> Mapping[str, HttpResponse]:
    """Give the answers of the samples that a reader is for, by their names; only those of declared questions."""
    if reader == "parse_fetch":
        return {name: sample.response.answer() for name, sample in subject.samples.fetches.items()}
    searches = declared_searches(subject)
    samples = subject.samples.searches.items()
    return {name: sample.response.answer() for name, sample in samples if sample.query in searches}


def answer_of(read: Read, response: HttpResponse) -> Trial[FetchAnswer | SearchAnswer]:
    """Let the adapter read an answer."""
    return tried(lambda: read(response))


def why_it_tells(answer: FetchAnswer | SearchAnswer) -> str | None:
    """Say what an answer claims to know; None for one that tells nothing."""
    return None if isinstance(answer, NoAnswer) else f"gave {type(answer).__name__}, not NoAnswer"
