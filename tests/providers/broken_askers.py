"""Adapters whose questions are wrong, or who read too much into the answers; each breaks one rule of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Final

import orjson

from app.domain.evidence import (
    Absent,
    FetchAnswer,
    NoAnswer,
    ProviderMessage,
    SearchAnswer,
    SearchPage,
    SearchQuery,
)
from app.domain.http import HttpRequest, HttpResponse
from app.domain.provider import AskContext, SendContext, SendRequest
from app.providers.sandbox import Adapter, records

NONE_FOUND: Final = SearchPage(messages=())


def with_header(request: HttpRequest, name: str, value: str) -> HttpRequest:
    headers: Mapping[str, str] = {**request.headers, name: value}
    return replace(request, headers=headers)


class OffersWhatItDoesNotDeclare(Adapter):
    def parse_fetch(self, response: HttpResponse) -> FetchAnswer:
        return records.read_fetch(response)


class HasAnotherWordForNotOffered(Adapter):
    def build_search(self, query: SearchQuery, page: str | None, context: AskContext) -> HttpRequest:
        if not self.capabilities.answers(query):
            raise ValueError("not declared")
        return super().build_search(query, page, context)


class AsksUnderAnotherName(Adapter):
    def build_fetch(self, provider_message_id: str, context: AskContext) -> HttpRequest:
        return with_header(super().build_fetch(provider_message_id, context), "accept", "text/html")


class AsksForTheSameEachTime(Adapter):
    def build_fetch(self, provider_message_id: str, context: AskContext) -> HttpRequest:
        del provider_message_id
        return super().build_fetch("sbx_5f0c4a1e", context)


class AsksForTheFirstPageAgain(Adapter):
    def build_search(self, query: SearchQuery, page: str | None, context: AskContext) -> HttpRequest:
        del page
        return super().build_search(query, None, context)


class AsksDifferentlyEachTime(Adapter):
    counter = count()

    def build_search(self, query: SearchQuery, page: str | None, context: AskContext) -> HttpRequest:
        return with_header(super().build_search(query, page, context), "x-request-id", str(next(self.counter)))


class PutsItsSecretIntoTheQuestion(Adapter):
    def build_fetch(self, provider_message_id: str, context: AskContext) -> HttpRequest:
        request = super().build_fetch(provider_message_id, context)
        return replace(request, url=f"{request.url}?secret={self.config.api_secret.get_secret_value()}")


class ForgetsTheKey(Adapter):
    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        return with_header(super().build_send(send, context), "idempotency-key", "")


class GivesEachSendAKey(Adapter):
    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        return with_header(super().build_send(send, context), "idempotency-key", context.nonce)


class GivesEachMessageAKey(Adapter):
    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        return with_header(super().build_send(send, context), "idempotency-key", str(context.attempt.message_id))


class ForgetsWhyItWasLost(Adapter):
    def parse_fetch(self, response: HttpResponse) -> FetchAnswer:
        answer = super().parse_fetch(response)
        return replace(answer, error=None) if isinstance(answer, ProviderMessage) else answer


class HidesTheReference(Adapter):
    def parse_search(self, response: HttpResponse) -> SearchAnswer:
        answer = super().parse_search(response)
        if isinstance(answer, NoAnswer):
            return answer
        return replace(answer, messages=tuple(replace(message, attempt=None) for message in answer.messages))


class HidesTheText(Adapter):
    def parse_search(self, response: HttpResponse) -> SearchAnswer:
        answer = super().parse_search(response)
        if isinstance(answer, NoAnswer):
            return answer
        return replace(answer, messages=tuple(replace(message, body=None) for message in answer.messages))


class FindsNothingWhereItIsRefused(Adapter):
    def parse_search(self, response: HttpResponse) -> SearchAnswer:
        return NONE_FOUND if response.status in {401, 429} else super().parse_search(response)


class ListensToServerErrors(Adapter):
    def parse_fetch(self, response: HttpResponse) -> FetchAnswer:
        return super().parse_fetch(replace(response, status=200) if response.status == 500 else response)


class WaitsForeverToAskAgain(Adapter):
    def parse_search(self, response: HttpResponse) -> SearchAnswer:
        answer = super().parse_search(response)
        return replace(answer, retry_after_seconds=float("inf")) if isinstance(answer, NoAnswer) else answer


class TakesEvery404ForAbsence(Adapter):
    def parse_fetch(self, response: HttpResponse) -> FetchAnswer:
        return Absent() if response.status == 404 else super().parse_fetch(response)


class FindsNothingInWhatItCannotRead(Adapter):
    def parse_search(self, response: HttpResponse) -> SearchAnswer:
        answer = super().parse_search(response)
        return NONE_FOUND if answer == NoAnswer(reason="unreadable") else answer


class SkipsWhatItCannotRead(Adapter):
    def parse_search(self, response: HttpResponse) -> SearchAnswer:
        answer = super().parse_search(response)
        if answer != NoAnswer(reason="unreadable") or b'"messages":[{' not in response.body:
            return answer
        rest = orjson.loads(response.body)["messages"][1:]
        body = orjson.dumps({"messages": rest, "next_page": None})
        return super().parse_search(replace(response, body=body))


class StumblesOverAMissingPrice(Adapter):
    def parse_fetch(self, response: HttpResponse) -> FetchAnswer:
        answer = super().parse_fetch(response)
        if isinstance(answer, ProviderMessage):
            orjson.loads(response.body)["price"]
        return answer


class QuotesTheAnswer(Adapter):
    def parse_fetch(self, response: HttpResponse) -> FetchAnswer:
        answer = super().parse_fetch(response)
        return NoAnswer(reason=response.body.decode("utf-8", "replace")) if isinstance(answer, NoAnswer) else answer


KEY: Final = "idempotency-key"
REFERENCE: Final = "reference-search"
RECIPIENT: Final = "recipient-search"

BREACHES: Final[list[tuple[type[Adapter], str, str]]] = [
    (OffersWhatItDoesNotDeclare, "none", "what is not declared is not offered"),
    (HasAnotherWordForNotOffered, REFERENCE, "what is not declared is not offered"),
    (AsksUnderAnotherName, REFERENCE, "questions are built as stored"),
    (AsksForTheSameEachTime, REFERENCE, "a question says what it asks for"),
    (AsksForTheFirstPageAgain, REFERENCE, "a question says what it asks for"),
    (AsksDifferentlyEachTime, RECIPIENT, "a question says what it asks for"),
    (PutsItsSecretIntoTheQuestion, REFERENCE, "no secret is shown"),
    (ForgetsTheKey, KEY, "the key belongs to the attempt"),
    (GivesEachSendAKey, KEY, "the key belongs to the attempt"),
    (GivesEachMessageAKey, KEY, "the key belongs to the attempt"),
    (ForgetsWhyItWasLost, REFERENCE, "records read as stored"),
    (HidesTheReference, REFERENCE, "a found message shows what it is judged by"),
    (HidesTheText, RECIPIENT, "a found message shows what it is judged by"),
    (FindsNothingWhereItIsRefused, RECIPIENT, "a failed question tells nothing"),
    (ListensToServerErrors, REFERENCE, "a failed question tells nothing"),
    (WaitsForeverToAskAgain, REFERENCE, "a failed question tells nothing"),
    (TakesEvery404ForAbsence, REFERENCE, "an unreadable answer tells nothing"),
    (FindsNothingInWhatItCannotRead, RECIPIENT, "an unreadable answer tells nothing"),
    (SkipsWhatItCannotRead, REFERENCE, "a damaged answer hides no message"),
    (StumblesOverAMissingPrice, REFERENCE, "a damaged answer hides no message"),
    (QuotesTheAnswer, REFERENCE, "no error repeats what was received"),
]
"""A broken adapter, the folder of samples that it is asked by, and the check that notices."""
