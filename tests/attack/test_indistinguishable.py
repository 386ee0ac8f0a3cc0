"""Rows 2 and 3 of the attack plan: nobody learns whether a key exists, by what is said or by how long it takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine as AnyEngine

from app.domain.credentials import Credentials, _checksum
from tests.attack.asgi import MESSAGES
from tests.attack.gate import MESSAGE, Gate, get, post
from tests.attack.test_authentication import STRANGER, of
from tests.support.gateway import Tenant

SECRET: Final = "Zz0123456789abcdefghijklmnopqrst"


def with_another_secret(credentials: Credentials) -> Credentials:
    """Give a well-formed key of the same id that is not the right one."""
    checksum = _checksum(credentials.mode, credentials.key_id, SECRET)
    return Credentials(mode=credentials.mode, key_id=credentials.key_id, secret=SECRET + checksum)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Everything that any SQLAlchemy engine of this process sends to its database meanwhile."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(AnyEngine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(AnyEngine, "before_cursor_execute", note)


async def test_rows_02_and_03_an_unknown_key_and_a_wrong_secret_get_the_same_answer_for_the_same_work(
    gate: Gate, shop: Tenant
) -> None:
    work, answers = [], []
    for credentials in (STRANGER, with_another_secret(shop.test)):
        answer = await gate.refuses(post(MESSAGE, key=of(credentials)), 401, "unauthenticated")
        with statements() as seen:
            await gate.ask(get(MESSAGES, key=of(credentials)))
        work.append(seen)
        answers.append({**answer.document, "request_id": None})
    assert answers[0] == answers[1]
    assert work[0] == work[1]
    assert len(work[0]) > 0


async def median_ratio(gate: Gate, shop: Tenant, tries: int) -> float:
    """Compare how long both refusals take, tried in turn so that whatever else happens happens to both."""
    requests = [get(MESSAGES, key=of(each)) for each in (STRANGER, with_another_secret(shop.test))]
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(2 * tries):
        # First one, then the other, then the other way round: neither always follows the other.
        which = (number + number // 2) % 2
        started = time.perf_counter()
        answer = await gate.ask(requests[which])
        taken[which].append(time.perf_counter() - started)
        assert answer.status == 401
    low, high = sorted(statistics.median(each) for each in taken)
    return high / low


async def test_rows_02_and_03_an_unknown_key_takes_about_as_long_as_a_wrong_secret(gate: Gate, shop: Tenant) -> None:
    assert await median_ratio(gate, shop, 100) < 1.5


@pytest.mark.soak
async def test_rows_02_and_03_an_unknown_key_takes_as_long_as_a_wrong_secret(gate: Gate, shop: Tenant) -> None:
    assert await median_ratio(gate, shop, 2_000) < 1.1
