"""The checks of records: what an answer about messages may be taken to mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.conformance.asking import Read, answer_of, declared_searches, readers, stored_answers, why_it_tells
from app.conformance.description import described
from app.conformance.garbage import GARBAGE, damaged_inside, mutilated, of_wrong_types, truncated
from app.conformance.samples import FetchSample, SearchSample
from app.conformance.send_checks import RETRY_AFTERS, SERVER_ERRORS
from app.conformance.subject import STANDARD_CONTEXT, Subject
from app.conformance.trial import Raised, Returned
from app.domain.evidence import Absent, NoAnswer, ProviderMessage, SearchPage
from app.domain.http import HttpResponse

Breaches = Iterator[tuple[str, str]]

FAILURES: Final = (*SERVER_ERRORS, 429, 401, 402, 403, 407, 408, 301, 302, 307, 100, 0, 999)
"""Whatever is written below such a status, it is no answer to the question."""

OF_SOMEBODY_ELSE: Final = (200, 201, 204, 400, 404, 405, 410, 422)
"""Statuses that a provider may use, and whoever stands in between as well: only its own document counts."""


def records_read_as_stored(subject: Subject) -> Breaches:
    """Each fetch and search sample gives its stored answer, and there are samples of found, not found and paged."""
    yield from (("samples", f"there is no sample of {missing}") for missing in _missing(subject))
    samples: Mapping[str, FetchSample | SearchSample] = {**subject.samples.fetches, **subject.samples.searches}
    for reader, read in readers(subject):
        for name, response in stored_answers(subject, reader).items():
            match answer_of(read, response):
                case Raised(kind=kind):
                    yield name, f"{reader} raised {kind}"
                case Returned(value=answer) if described(answer) != samples[name].expected:
                    yield name, f"gave {described(answer)}, not {samples[name].expected}"
                case Returned():
                    pass


def a_found_message_shows_what_it_is_judged_by(subject: Subject) -> Breaches:
    """A search by reference gives the reference back; one by recipient shows numbers, text and time of each message."""
    for name, sample in _found(subject):
        match answer_of(subject.adapter.parse_search, sample.response.answer()):
            case Returned(value=SearchPage(messages=messages)) if sample.query == "reference":
                if STANDARD_CONTEXT.attempt not in [message.attempt for message in messages]:
                    yield name, "shows no message with the reference that was searched for"
            case Returned(value=SearchPage(messages=messages)) if sample.query == "recipient":
                for message in messages:
                    yield from ((name, f"shows a message without its {what}") for what in _hidden(message))
            case _:
                pass


def a_failed_question_tells_nothing(subject: Subject) -> Breaches:
    """A refusal, a 429, any 5xx or a redirect is NoAnswer, whatever its body says; its wait is None or a number."""
    for reader, read in readers(subject):
        bodies = {**GARBAGE, **{name: each.body for name, each in stored_answers(subject, reader).items()}}
        for status in FAILURES:
            for where, body in bodies.items():
                response = HttpResponse(status=status, body=body)
                yield from _tells_nothing(read, response, f"{reader}, {status}, {where}")
        for value in RETRY_AFTERS:
            response = HttpResponse(status=429, headers={"retry-after": value})
            yield from _waits(read, response, f"{reader}, retry-after: {value[:40]}")


def an_unreadable_answer_tells_nothing(subject: Subject) -> Breaches:
    """Garbage, a page by somebody in between, half a document or wrong types are NoAnswer, and not: none found."""
    for reader, read in readers(subject):
        stored = stored_answers(subject, reader)
        documented = {(each.status, each.body) for each in stored.values()}
        damaged = {
            f"{name}, {how}": body
            for name, each in stored.items()
            for how, damage in (("truncated", truncated), ("of wrong types", of_wrong_types))
            if _holds_something(each.body) and (body := damage(each.body)) is not None
        }
        for status in OF_SOMEBODY_ELSE:
            for where, body in {**GARBAGE, **damaged}.items():
                if (status, body) not in documented:
                    response = HttpResponse(status=status, body=body)
                    yield from _tells_nothing(read, response, f"{reader}, {status}, {where}")


def a_damaged_answer_hides_no_message(subject: Subject) -> Breaches:
    """Damage at one place never raises, and makes no message absent: a page that cannot be read whole is NoAnswer."""
    for reader, read in readers(subject):
        for name, response in stored_answers(subject, reader).items():
            before = answer_of(read, response)
            for where, body in _damaged(response.body):
                after = answer_of(read, HttpResponse(status=response.status, headers=response.headers, body=body))
                if (problem := _why_worse(before, after)) is not None:
                    yield f"{name}, {where}", f"{reader} {problem}"


def _damaged(body: bytes) -> Iterator[tuple[str, bytes]]:
    # An empty list in place of the messages is no damage: it says that there are none.
    yield from ((where, damaged) for where, damaged in mutilated(body) if not where.endswith("= []"))
    yield from damaged_inside(body)


def _hidden(message: ProviderMessage) -> Iterator[str]:
    yield from (what for what in ("sender", "recipient", "body", "taken_at") if getattr(message, what) is None)


def _why_worse(before: object, after: object) -> str | None:
    match before, after:
        case _, Raised(kind=kind):
            return f"raised {kind}"
        case Returned(value=ProviderMessage()), Returned(value=Absent()):
            return "gave Absent"
        case Returned(value=SearchPage(messages=all_of_them)), Returned(value=SearchPage(messages=rest)):
            return f"left out {len(all_of_them) - len(rest)} of the messages" if len(rest) < len(all_of_them) else None
        case _:
            return None


def _tells_nothing(read: Read, response: HttpResponse, where: str) -> Breaches:
    match answer_of(read, response):
        case Raised(kind=kind):
            yield where, f"raised {kind}"
        case Returned(value=answer) if (problem := why_it_tells(answer)) is not None:
            yield where, problem
        case Returned():
            pass


def _waits(read: Read, response: HttpResponse, where: str) -> Breaches:
    yield from _tells_nothing(read, response, where)
    match answer_of(read, response):
        case Returned(value=NoAnswer(retry_after_seconds=float() | int() as wait)) if not 0 <= wait < math.inf:
            yield where, f"gave a wait of {wait} seconds"
        case _:
            pass


def _missing(subject: Subject) -> Iterator[str]:
    fetched = [sample.expected.get("is") for sample in subject.samples.fetches.values()]
    if subject.adapter.capabilities.fetch:
        yield from (f"a fetch that gives {kind}" for kind in ("ProviderMessage", "Absent") if kind not in fetched)
    searches = declared_searches(subject)
    found = {sample.query for _, sample in _found(subject)}
    yield from (f"a search by {name} that finds something" for name in searches if name not in found)
    samples = [sample for sample in subject.samples.searches.values() if sample.query in searches]
    if searches and not any(_messages(sample.expected) == [] for sample in samples):
        yield "a search that finds nothing"
    if "time" in searches:
        pages = [sample.expected.get("next_page") for sample in samples if sample.query == "time"]
        asked = [sample.page for sample in samples if sample.query == "time" and sample.request is not None]
        if not any(page is not None and page in asked for page in pages):
            yield "a search by time that has a next page, and of the request for that page"


def _found(subject: Subject) -> Iterator[tuple[str, SearchSample]]:
    searches = declared_searches(subject)
    for name, sample in subject.samples.searches.items():
        if sample.query in searches and _messages(sample.expected):
            yield name, sample


def _messages(expected: Mapping[str, Any]) -> Any:
    return expected.get("messages") if expected.get("is") == "SearchPage" else None


def _holds_something(body: bytes) -> bool:
    """Whether a body has enough in it to be damaged; half of `[]` may be as good as the whole."""
    return len(body) > len("[]")
