"""The workers of a run: generators that may die, freeze or be taken for dead between any two of their steps."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tests.simulation.faults import Chances, Fault
from tests.simulation.scenario import Scenario
from tests.simulation.timeline import Timeline


class Step(Enum):
    """Where a worker is when it waits, and what it is to die there."""

    CLAIMED = Fault.DIED_CLAIMED
    IN_FLIGHT = Fault.DIED_IN_FLIGHT
    SETTLED = Fault.DIED_SETTLED
    ASKED = Fault.DIED_ASKED
    ASKING = Fault.DIED_ASKING
    LOOKING = Fault.DIED_LOOKING
    STORE_AWAY = None
    """It waits for the database, to try once more."""


Labour = Generator[tuple[Step, float], None, None]
"""One piece of work: gives where it is and how many seconds it waits there."""


@dataclass(kw_only=True, eq=False)
class Worker:
    """One process."""

    number: int
    lives: bool = True
    holds_lock: bool = True
    frozen_until: float = 0.0

    @property
    def shown(self) -> int | None:
        """The number that its claims name."""
        return self.number if self.holds_lock else None


_FREEZES: Final = (5.0, 25.0, 100.0, 3_000.0)


class Crew:
    """All workers. `on_dead` is called whenever others have come to see one as dead."""

    def __init__(self, scenario: Scenario, timeline: Timeline, chances: Chances, on_dead: Callable[[], None]) -> None:
        self.dead: set[int] = set()
        """Numbers whose lock was free for long enough, whether or not the worker lives."""

        self.workers = [Worker(number=number) for number in range(1, scenario.workers + 1)]
        self._hired = scenario.workers
        self._scenario = scenario
        self._timeline = timeline
        self._chances = chances
        self._on_dead = on_dead

    def pick(self) -> Worker | None:
        """Choose one that runs; None if there is none now."""
        now = self._timeline.seconds
        running = [worker for worker in self.workers if worker.frozen_until <= now]
        return self._chances.random.choice(running) if running else None

    def free_in(self) -> float:
        """How many seconds it takes until one runs again, or so long as a new one needs to begin."""
        ends = [worker.frozen_until for worker in self.workers]
        return max(0.0, min(ends) - self._timeline.seconds) if ends else 5.0

    def give(self, worker: Worker, labour: Labour) -> None:
        """Let a worker go on with its work, from now on."""
        if not worker.lives:
            return
        if worker.frozen_until > self._timeline.seconds:
            self._timeline.at(worker.frozen_until, lambda: self.give(worker, labour))
            return
        step = next(labour, None)
        if step is None:
            return
        where, wait = step
        self._befall(worker, where, wait)
        self._timeline.after(wait, lambda: self.give(worker, labour))

    def _befall(self, worker: Worker, where: Step, wait: float) -> None:
        chances = self._chances
        if where.value is not None and chances.strikes(where.value):
            self._timeline.after(wait * chances.random.random(), lambda: self._die(worker))
            return
        if chances.strikes(Fault.FROZEN):
            worker.frozen_until = self._timeline.seconds + chances.between(0, chances.random.choice(_FREEZES))
            if chances.random.random() < 0.5:
                self._lose_lock(worker, regained_at=worker.frozen_until)
        if chances.strikes(Fault.LOCK_LOST):
            self._lose_lock(worker, regained_at=self._timeline.seconds + chances.between(0.5, 30))

    def _die(self, worker: Worker) -> None:
        if not worker.lives:
            return
        worker.lives = False
        self.workers.remove(worker)
        self._hired += 1
        successor = Worker(number=self._hired)
        self._timeline.after(self._chances.between(0.1, 5), lambda: self.workers.append(successor))
        self._seen_free(worker)

    def _lose_lock(self, worker: Worker, *, regained_at: float) -> None:
        worker.holds_lock = False
        self._seen_free(worker)
        self._timeline.at(regained_at, lambda: self._regain(worker))

    def _regain(self, worker: Worker) -> None:
        worker.holds_lock = True
        if worker.lives:
            self.dead.discard(worker.number)

    def _seen_free(self, worker: Worker) -> None:
        if self._scenario.lock_is_watched:
            self._timeline.after(self._chances.between(0.5, 2), lambda: self._count_as_dead(worker))

    def _count_as_dead(self, worker: Worker) -> None:
        if not worker.lives or not worker.holds_lock:
            self.dead.add(worker.number)
            self._on_dead()
