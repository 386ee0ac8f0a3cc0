"""Which moments a caller may name, to the second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.schedule import check_expires_at, check_send_at

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("send_at", "code"),
    [
        (NOW - 61 * SECOND, "in-the-past"),
        (NOW - 60 * SECOND, None),
        (NOW, None),
        (NOW + 35 * DAY, None),
        (NOW + 35 * DAY + SECOND, "too-far-ahead"),
    ],
)
def test_a_message_is_scheduled_from_a_minute_ago_to_35_days_ahead(send_at: datetime, code: str | None) -> None:
    objection = check_send_at(send_at, now=NOW)
    assert (objection and objection.code) == code


@pytest.mark.parametrize(
    ("expires_at", "send_at", "code"),
    [
        (NOW, None, "in-the-past"),
        (NOW + SECOND, None, None),
        (NOW + 3 * DAY, None, None),
        (NOW + 3 * DAY + SECOND, None, "too-far-ahead"),
        (NOW + HOUR, NOW + HOUR, "before-send-at"),
        (NOW + HOUR + SECOND, NOW + HOUR, None),
        (NOW + 10 * DAY, NOW + 7 * DAY, None),
        (NOW + 10 * DAY + SECOND, NOW + 7 * DAY, "too-far-ahead"),
        (NOW - SECOND, NOW - 30 * SECOND, "in-the-past"),
        (NOW + 3 * DAY, NOW - 30 * SECOND, None),
    ],
)
def test_a_message_is_worth_sending_until_three_days_after_its_time(
    expires_at: datetime, send_at: datetime | None, code: str | None
) -> None:
    objection = check_expires_at(expires_at, send_at=send_at, now=NOW)
    assert (objection and objection.code) == code
