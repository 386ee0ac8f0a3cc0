"""The sandbox adapter's reading of records, against answers that nobody would write, and its questions read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.conformance.asking import STANDARD_ASK
from app.domain.evidence import (
    Absent,
    ByRecipient,
    ByReference,
    NoAnswer,
    ProviderMessage,
    SearchPage,
    TakenBetween,
)
from app.domain.http import HttpResponse
from app.domain.provider import NotOffered
from app.domain.references import AttemptRef
from app.providers.sandbox import Adapter, Config, Evidence

SETTINGS: Final = {
    "url": "http://127.0.0.1:8081",
    "api_key": "key",
    "api_secret": "secret",
    "webhook_secret": "whsec",
    "records": True,
}
RECORD: Final[dict[str, Any]] = {
    "id": "sbx_1",
    "reference": None,
    "from": "+12025550100",
    "to": "+12025550123",
    "body": "Hello",
    "status": "sent",
    "error_code": None,
    "created_at": "2026-01-02T03:04:05Z",
    "segments": 1,
    "price": {"amount": "0.0075", "currency": "USD"},
}
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MOMENTS: Final = st.datetimes(timezones=st.just(UTC))
STATUSES: Final = st.sampled_from([200, 404, 429, 500]) | st.integers(0, 999)


def asking(evidence: Evidence) -> Adapter:
    return Adapter(Config.model_validate(SETTINGS | {"evidence": evidence}))


BY_REFERENCE: Final = asking(Evidence.REFERENCE_SEARCH)
BY_RECIPIENT: Final = asking(Evidence.RECIPIENT_SEARCH)


def written(document: object) -> bytes:
    """Write JSON; what orjson does not write (a huge number, half a surrogate) is written as nothing."""
    try:
        return orjson.dumps(document)
    except TypeError:
        return b""


@given(STATUSES, st.binary())
def test_any_bytes_are_an_answer(status: int, body: bytes) -> None:
    response = HttpResponse(status=status, body=body)
    assert isinstance(BY_REFERENCE.parse_fetch(response), NoAnswer)
    assert isinstance(BY_REFERENCE.parse_search(response), NoAnswer)


@given(STATUSES, st.dictionaries(st.sampled_from(sorted(RECORD)), JSON, max_size=4))
def test_any_record_is_an_answer(status: int, changed: dict[str, Any]) -> None:
    record = RECORD | changed
    fetched = BY_REFERENCE.parse_fetch(HttpResponse(status=status, body=written(record)))
    page = BY_REFERENCE.parse_search(
        HttpResponse(status=status, body=written({"messages": [RECORD, record], "next_page": None}))
    )
    if status != 200:
        assert isinstance(fetched, NoAnswer)
        assert isinstance(page, NoAnswer)
    elif isinstance(fetched, ProviderMessage):
        assert isinstance(page, SearchPage)
        assert page.messages[1] == fetched
    else:
        assert page == NoAnswer(reason="unreadable")


@given(JSON, JSON)
def test_any_page_is_an_answer_and_an_unreadable_one_is_not_empty(messages: Any, next_page: Any) -> None:
    body = written({"messages": messages, "next_page": next_page})
    answer = BY_REFERENCE.parse_search(HttpResponse(status=200, body=body))
    assert answer == NoAnswer(reason="unreadable") or (
        messages == [] and answer == SearchPage(messages=(), next_page=next_page)
    )


@given(STATUSES, JSON)
def test_only_the_documented_answer_means_that_there_is_no_such_message(status: int, code: Any) -> None:
    answer = BY_REFERENCE.parse_fetch(HttpResponse(status=status, body=written({"error": {"code": code}})))
    assert (answer == Absent()) == (status == 404 and code == 4001)


def test_the_documented_answer_means_that_there_is_no_such_message() -> None:
    assert BY_REFERENCE.parse_fetch(HttpResponse(status=404, body=b'{"error":{"code":4001}}')) == Absent()


@given(st.text(min_size=1))
def test_any_id_is_asked_for_as_it_is(provider_message_id: str) -> None:
    asked = urlsplit(BY_REFERENCE.build_fetch(provider_message_id, STANDARD_ASK).url)
    assert (asked.query, asked.fragment) == ("", "")
    assert unquote(asked.path.removeprefix("/v1/messages/")) == provider_message_id
    assert asked.path.count("/") == 3


@given(st.text(), st.text(), MOMENTS, MOMENTS, st.none() | st.text())
def test_a_search_says_all_that_is_asked(
    sender: str, recipient: str, since: datetime, until: datetime, page: str | None
) -> None:
    query = ByRecipient(sender=sender, recipient=recipient, since=since, until=until)
    asked = dict(
        parse_qsl(urlsplit(BY_RECIPIENT.build_search(query, page, STANDARD_ASK).url).query, keep_blank_values=True)
    )
    spoken = {"from": sender, "to": recipient, "since": since.isoformat(), "until": until.isoformat(), "limit": "100"}
    assert asked == spoken | ({} if page is None else {"page": page})


NOW: Final = datetime(2026, 1, 2, tzinfo=UTC)
REFERENCE: Final = ByReference(attempt=AttemptRef.parse("0190f3a2-7d11-7cc3-98c4-dc0c0c07398f.1"))  # type: ignore[arg-type]  # it can be read
RECIPIENT: Final = ByRecipient(sender="+12025550100", recipient="+12025550123", since=NOW, until=NOW)
SPAN: Final = TakenBetween(since=NOW, until=NOW + timedelta(days=1))


@pytest.mark.parametrize("evidence", Evidence)
def test_what_an_account_is_not_set_to_use_is_not_asked(evidence: Evidence) -> None:
    adapter = Adapter(Config.model_validate(SETTINGS | {"evidence": evidence, "records": False}))
    offered = {
        Evidence.REFERENCE_SEARCH: REFERENCE,
        Evidence.RECIPIENT_SEARCH: RECIPIENT,
    }.get(evidence)
    for query in (REFERENCE, RECIPIENT, SPAN):
        if query == offered:
            assert adapter.build_search(query, None, STANDARD_ASK).method == "GET"
        else:
            with pytest.raises(NotOffered):
                adapter.build_search(query, None, STANDARD_ASK)
    with pytest.raises(NotOffered):
        adapter.build_fetch("sbx_1", STANDARD_ASK)
