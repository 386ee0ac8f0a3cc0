"""Every refusal is explained, in sentences, with an example of its own."""

from __future__ import annotations

import pytest

from app.api.remedies import REMEDIES
from app.domain.errors import TITLES, ErrorCode


def test_every_refusal_has_a_remedy() -> None:
    assert list(REMEDIES) == list(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode)
def test_cause_and_remedy_are_sentences_of_their_own(code: ErrorCode) -> None:
    remedy = REMEDIES[code]
    assert remedy.cause.endswith(".")
    assert remedy.remedy.endswith(".")
    assert len({remedy.cause, remedy.remedy, TITLES[code], remedy.example.detail}) == 4


@pytest.mark.parametrize("code", ErrorCode)
def test_an_example_is_of_its_own_refusal(code: ErrorCode) -> None:
    example = REMEDIES[code].example
    assert example.code is code
    assert (example.message_status is not None) == (code in {ErrorCode.NOT_CANCELABLE, ErrorCode.NOT_REDRIVABLE})
    waits = {ErrorCode.RATE_LIMITED, ErrorCode.QUEUE_FULL, ErrorCode.TEMPORARILY_UNAVAILABLE}
    assert (example.retry_after_seconds is not None) == (code in waits)
