"""Group commit: what shares a batch, what never waits, and what a failure costs whom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.services.flusher import BATCH, WAITING, Flusher
from app.store.engine import StoreSilent, StoreUnavailable


class Ledger:
    """Writes numbers down, batch by batch, when it is let; negative ones cannot be written."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.lost = 0

    async def write(self, batch: Sequence[int]) -> list[str]:
        self.batches.append(list(batch))
        await self.open.wait()
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("gone")
        if min(batch) < 0:
            raise ValueError("cannot be written")
        return [f"wrote {number}" for number in batch]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


async def submitted(flusher: Flusher[int, str], numbers: Sequence[int]) -> list[asyncio.Task[str]]:
    tasks = [asyncio.create_task(flusher.submit(number)) for number in numbers]
    await asyncio.sleep(0)
    return tasks


async def test_a_lone_item_is_written_without_waiting_for_company(ledger: Ledger) -> None:
    assert await Flusher(ledger.write).submit(1) == "wrote 1"
    assert ledger.batches == [[1]]


async def test_what_comes_together_shares_a_batch_and_each_gets_its_own_outcome(ledger: Ledger) -> None:
    flusher = Flusher(ledger.write)
    assert await asyncio.gather(*map(flusher.submit, [3, 1, 2])) == ["wrote 3", "wrote 1", "wrote 2"]
    assert ledger.batches == [[3, 1, 2]]


async def test_what_comes_while_a_batch_is_on_its_way_is_the_next_batch(ledger: Ledger) -> None:
    ledger.open.clear()
    flusher = Flusher(ledger.write)
    first = await submitted(flusher, [1])
    await asyncio.sleep(0)
    later = await submitted(flusher, [2, 3, 4])
    ledger.open.set()
    await asyncio.gather(*first, *later)
    assert ledger.batches == [[1], [2, 3, 4]]


async def test_a_batch_has_a_greatest_size(ledger: Ledger) -> None:
    flusher = Flusher(ledger.write)
    await asyncio.gather(*(flusher.submit(number) for number in range(BATCH + 1)))
    assert [len(batch) for batch in ledger.batches] == [BATCH, 1]


async def test_an_item_that_cannot_be_written_refuses_only_itself(ledger: Ledger) -> None:
    flusher = Flusher(ledger.write)
    outcomes = await asyncio.gather(*map(flusher.submit, [1, -2, 3]), return_exceptions=True)
    assert [outcomes[0], outcomes[2]] == ["wrote 1", "wrote 3"]
    assert isinstance(outcomes[1], ValueError)
    assert ledger.batches == [[1, -2, 3], [1], [-2], [3]]


async def test_a_batch_whose_answer_was_lost_is_written_again_item_by_item(ledger: Ledger) -> None:
    ledger.lost = 1
    flusher = Flusher(ledger.write)
    assert await asyncio.gather(*map(flusher.submit, [1, 2])) == ["wrote 1", "wrote 2"]
    assert ledger.batches == [[1, 2], [1], [2]]


async def test_while_the_database_is_away_nobody_waits_for_more_than_one_more_try(ledger: Ledger) -> None:
    ledger.lost = 2
    flusher = Flusher(ledger.write)
    outcomes = await asyncio.gather(*map(flusher.submit, [1, 2, 3]), return_exceptions=True)
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    assert ledger.batches == [[1, 2, 3], [1]]
    assert await flusher.submit(4) == "wrote 4"


async def test_a_database_that_says_nothing_in_time_is_not_asked_again_for_those_who_wait() -> None:
    tries: list[list[int]] = []
    silent = asyncio.Event()

    async def write(batch: Sequence[int]) -> list[str]:
        tries.append(list(batch))
        if len(tries) == 1:
            await silent.wait()
            raise StoreSilent("no answer")
        return [f"wrote {number}" for number in batch]

    flusher = Flusher(write)
    first = await submitted(flusher, [1, 2])
    await asyncio.sleep(0)
    behind = await submitted(flusher, [3])
    silent.set()
    outcomes = await asyncio.gather(*first, *behind, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreSilent] * 3
    assert tries == [[1, 2]]
    assert await flusher.submit(4) == "wrote 4"


async def test_a_flush_that_is_cut_off_leaves_nobody_waiting(ledger: Ledger) -> None:
    ledger.open.clear()
    flusher = Flusher(ledger.write)
    before = asyncio.all_tasks()
    waiting = await submitted(flusher, [1, 2])
    await asyncio.sleep(0)
    [flush] = asyncio.all_tasks() - before - set(waiting)
    flush.cancel()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 2
    ledger.open.set()
    assert await flusher.submit(3) == "wrote 3"


async def test_closing_waits_for_what_was_submitted(ledger: Ledger) -> None:
    flusher = Flusher(ledger.write)
    waiting = await submitted(flusher, range(BATCH + 1))
    await flusher.aclose()
    assert [len(batch) for batch in ledger.batches] == [BATCH, 1]
    assert await waiting[-1] == f"wrote {BATCH}"


async def test_a_batch_with_a_wrong_number_of_outcomes_leaves_nobody_waiting() -> None:
    async def forgetful(batch: Sequence[int]) -> list[str]:
        return ["one"] if len(batch) > 1 else [str(batch[0])]

    flusher: Flusher[int, str] = Flusher(forgetful)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*map(flusher.submit, [1, 2])) == ["one", "2"]


async def test_a_caller_that_gives_up_costs_the_others_nothing(ledger: Ledger) -> None:
    ledger.open.clear()
    flusher = Flusher(ledger.write)
    gone, stays = await submitted(flusher, [1, 2])
    await asyncio.sleep(0)
    gone.cancel()
    ledger.open.set()
    assert await stays == "wrote 2"
    assert ledger.batches == [[1, 2]]


async def test_more_than_can_be_written_in_time_is_refused_at_once(ledger: Ledger) -> None:
    ledger.open.clear()
    flusher = Flusher(ledger.write)
    first = await submitted(flusher, [0])
    await asyncio.sleep(0)
    waiting = await submitted(flusher, range(WAITING))
    with pytest.raises(StoreUnavailable):
        await flusher.submit(1)
    ledger.open.set()
    await asyncio.gather(*first, *waiting)
