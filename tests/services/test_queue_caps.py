"""Caps on queued messages: what counts, when figures are taken, and what happens without them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text

from app.domain.errors import ErrorCode, Refusal
from app.services.queue_caps import QueueCaps
from app.services.queue_figures import QueueFigures
from app.store.engine import Engine, create_engine


class Caps(QueueCaps):
    """Caps of two messages, with the figures that they go by."""

    def __init__(self, figures: QueueFigures, *, cap: int = 2) -> None:
        super().__init__(figures, cap=cap, horizon_seconds=36_000)
        self.figures = figures

    def stored(self, account_id: UUID, count: int = 1) -> None:
        """Note that messages of an account were stored, in the lane that `queue` uses."""
        for _ in range(count):
            self.figures.accepted(account_id, account_id, 1, 1)


MakeCaps = Callable[..., Caps]
SHOP, BANK = uuid4(), uuid4()


@pytest.fixture
async def caps(engine: Engine) -> AsyncIterator[MakeCaps]:
    """Make caps of two messages that count every 50 ms; they are stopped at the end."""
    made: list[Caps] = []

    def make(**given: float) -> Caps:
        made.append(Caps(QueueFigures(engine, **{"pause_seconds": 0.05, **given})))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


async def queue(engine: Engine, account_id: UUID, count: int, **columns: str) -> None:
    """Put rows into the queue, whose further columns are SQL."""
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", {value}" for value in columns.values())
    async with engine.begin() as connection:
        await connection.execute(
            text(
                f"INSERT INTO dispatch_queue (message_id, account_id, lane{names}) "
                f"SELECT gen_random_uuid(), :account, :account{values} FROM generate_series(1, :count)"
            ),
            {"account": account_id, "count": count},
        )


async def empty(engine: Engine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM dispatch_queue"))


def is_full(caps: Caps, account_id: UUID) -> bool:
    try:
        caps.check(account_id)
    except Refusal as refusal:
        return refusal.code is ErrorCode.QUEUE_FULL
    return False


async def becomes(caps: Caps, account_id: UUID, *, full: bool) -> None:
    await comes_true(lambda: is_full(caps, account_id) is full)


async def comes_true(fact: Callable[[], bool]) -> None:
    """Wait for it, and long: a count that is slow on a busy machine is followed by a pause of twenty times its time."""
    async with asyncio.timeout(60):
        while not fact():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)


@pytest.fixture
def scans(engine: Engine) -> Iterator[list[str]]:
    """The counts of the queue that were begun."""
    begun: list[str] = []

    def note(*given: object) -> None:
        if "GROUP BY account_id, lane, priority" in str(given[2]):
            begun.append(str(given[2]))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield begun
    event.remove(engine.sync_engine, "before_cursor_execute", note)


async def test_a_full_queue_is_refused_and_another_account_is_not(engine: Engine, caps: MakeCaps) -> None:
    await queue(engine, SHOP, 2)
    await queue(engine, BANK, 1)
    full = caps()
    await becomes(full, SHOP, full=True)
    full.check(BANK)
    with pytest.raises(Refusal) as refused:
        full.check(SHOP)
    assert (refused.value.code, refused.value.retry_after_seconds) == (ErrorCode.QUEUE_FULL, 60)
    assert refused.value.detail.startswith("2 messages of your account wait to be sent, and more may not.")


async def test_messages_of_a_later_time_count(engine: Engine, caps: MakeCaps) -> None:
    await queue(engine, SHOP, 2, due_at="now() + interval '1 day'")
    await becomes(caps(), SHOP, full=True)


async def test_nothing_is_refused_before_the_first_count(engine: Engine, caps: MakeCaps) -> None:
    await queue(engine, SHOP, 9)
    fresh = caps()
    fresh.stored(SHOP, 9)
    assert not is_full(fresh, SHOP)


async def test_what_was_accepted_since_the_count_counts_at_once(engine: Engine, caps: MakeCaps) -> None:
    await queue(engine, SHOP, 1)
    slow = caps(pause_seconds=60)
    slow.check(SHOP)
    await comes_true(lambda: slow.figures.newest() is not None)
    slow.check(SHOP)
    slow.stored(SHOP, 1)
    assert is_full(slow, SHOP)
    slow.check(BANK)
    slow.stored(BANK)
    slow.check(BANK)
    slow.stored(BANK)
    assert is_full(slow, BANK)


async def test_what_the_count_cannot_have_seen_is_added_to_it(engine: Engine, caps: MakeCaps, scans: list[str]) -> None:
    counting = caps(pause_seconds=60)
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE dispatch_queue"))
        counting.check(SHOP)
        await comes_true(lambda: len(scans) == 1)
        counting.stored(SHOP, 2)
    await becomes(counting, SHOP, full=True)


async def test_a_queue_that_empties_takes_messages_again(engine: Engine, caps: MakeCaps) -> None:
    await queue(engine, SHOP, 2)
    draining = caps()
    await becomes(draining, SHOP, full=True)
    await empty(engine)
    await becomes(draining, SHOP, full=False)


async def test_what_was_accepted_is_not_counted_twice_for_longer_than_a_count(
    engine: Engine, caps: MakeCaps, scans: list[str]
) -> None:
    counting = caps()
    counting.check(SHOP)
    await queue(engine, SHOP, 1)
    counting.stored(SHOP, 1)
    begun = len(scans)
    # When the second one begins, the first has ended.
    await comes_true(lambda: len(scans) >= begun + 2)
    counting.check(SHOP)


async def test_one_count_that_fails_leaves_the_figures_as_they_are(engine: Engine, caps: MakeCaps) -> None:
    await queue(engine, SHOP, 2)
    standing = caps()
    await becomes(standing, SHOP, full=True)
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE dispatch_queue"))
        cut = (
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'dispatch_queue'::regclass"
        )
        async with asyncio.timeout(60):
            # Another process of the gateway may be counting the same queue.
            while not (ended := (await connection.scalars(text(cut))).all()):  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.05)
        assert set(ended) == {True}
        await asyncio.sleep(0.2)
        assert is_full(standing, SHOP)
        await connection.execute(text("DELETE FROM dispatch_queue"))
    await becomes(standing, SHOP, full=False)


@pytest.fixture
def broken(engine: Engine) -> Iterator[list[bool]]:
    """Let counts fail, as if Postgres had no memory left, while this list is not empty."""
    failing: list[bool] = []

    def spoil(*given: object) -> tuple[object, object]:
        statement, parameters = given[2], given[3]
        if failing and "GROUP BY account_id, lane, priority" in str(statement):
            return "DO $$ BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = '53200'; END $$", ()
        return statement, parameters

    event.listen(engine.sync_engine, "before_cursor_execute", spoil, retval=True)
    yield failing
    event.remove(engine.sync_engine, "before_cursor_execute", spoil)


async def test_where_counts_go_on_failing_nothing_is_refused_until_one_works(
    engine: Engine, caps: MakeCaps, broken: list[bool]
) -> None:
    await queue(engine, SHOP, 2)
    blind = caps()
    await becomes(blind, SHOP, full=True)
    broken.append(True)
    await becomes(blind, SHOP, full=False)
    for _ in range(9):
        blind.stored(SHOP)
        assert not is_full(blind, SHOP)
    broken.clear()
    await becomes(blind, SHOP, full=True)


async def test_a_database_that_was_never_reached_refuses_nobody() -> None:
    nowhere = create_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none", application="tests", acquire_seconds=0.2)
    caps = Caps(QueueFigures(nowhere, pause_seconds=0.01), cap=1)
    for _ in range(10):
        caps.check(SHOP)
        caps.stored(SHOP)
        await asyncio.sleep(0.02)
    await caps.aclose()
    await nowhere.dispose()


async def test_counts_end_with_the_traffic_and_begin_again_with_it(
    engine: Engine, caps: MakeCaps, scans: list[str]
) -> None:
    await queue(engine, SHOP, 2)
    idle = caps(idle_seconds=0.2)
    await becomes(idle, SHOP, full=True)
    await comes_true(lambda: idle.figures._looking is None)  # noqa: SLF001 - there is nothing else to see
    before = len(scans)
    await asyncio.sleep(0.3)
    assert len(scans) == before
    assert not is_full(idle, SHOP), "figures from before the silence"
    await becomes(idle, SHOP, full=True)


async def test_traffic_does_not_make_counts_more_frequent(caps: MakeCaps, scans: list[str]) -> None:
    busy, started = caps(pause_seconds=0.2), time.monotonic()
    async with asyncio.timeout(60):
        while (elapsed := time.monotonic() - started) < 1 or len(scans) < 2:
            busy.check(SHOP)
            busy.stored(BANK)
            await asyncio.sleep(0)
    assert len(scans) <= 2 + elapsed / 0.2


async def test_a_long_count_is_followed_by_a_pause_of_twenty_times_its_time(
    engine: Engine, caps: MakeCaps, scans: list[str]
) -> None:
    await queue(engine, SHOP, 2)
    slow = caps()
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE dispatch_queue"))
        slow.check(SHOP)
        await comes_true(lambda: len(scans) == 1)
        await asyncio.sleep(0.3)
    await becomes(slow, SHOP, full=True)
    await empty(engine)
    await asyncio.sleep(1)
    with pytest.raises(Refusal) as refused:
        slow.check(SHOP)
    assert 6 <= (refused.value.retry_after_seconds or 0) <= 60


async def test_after_the_end_nothing_is_counted_and_nothing_refused(engine: Engine, caps: MakeCaps) -> None:
    await queue(engine, SHOP, 2)
    ended = caps()
    await becomes(ended, SHOP, full=True)
    await ended.aclose()
    await ended.aclose()
    assert not is_full(ended, SHOP)
    await asyncio.sleep(0.2)
    assert not is_full(ended, SHOP)


async def test_checking_costs_little_beside_a_line_of_python(caps: MakeCaps) -> None:
    cheap = caps()
    cheap.check(SHOP)
    await asyncio.sleep(0.2)
    started = time.process_time()
    for _ in range(20_000):
        cheap.check(SHOP)
    checking = time.process_time() - started
    started = time.process_time()
    for _ in range(20_000):
        uuid4()
    assert checking < 2 * (time.process_time() - started)
