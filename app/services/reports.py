"""Reading kept webhooks and applying what they say: each report once, whenever its attempt becomes known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from pydantic import TypeAdapter

from app.domain.change import Change
from app.domain.conclusions import after_acceptance
from app.domain.foreign import storable_report
from app.domain.ids import lowest_id
from app.domain.lifecycle import report
from app.domain.message import AttemptState, MessageState
from app.domain.policy import LifecyclePolicy
from app.domain.provider import ProviderEvent, StatusReport, WebhookUnreadable
from app.domain.references import AttemptRef
from app.services.identity import new_id
from app.services.sparing import Sparing
from app.services.webhooks import Adapters, capabilities_of
from app.store.among import Among
from app.store.changes import apply_changes
from app.store.engine import Autocommit, Connection, Engine, StoreUnavailable, told_apart, transaction
from app.store.orphans import FROM_THE_FIRST, OrphanReport, add_orphans, lock_orphans, remove_orphans, sweep_orphans
from app.store.queue import lock_attempts
from app.store.webhooks import PendingReceipt, find_attempts, lock_pending, mark_receipts
from app.telemetry import get_logger

_log = get_logger(__name__)
_SEARCH_BACK: Final = timedelta(days=80)
_REPORT: Final = TypeAdapter(StatusReport)


class ReceiptState(StrEnum):
    """What came of a kept webhook."""

    PROCESSED = "processed"
    KEPT = "kept"
    """It holds an event that nothing here handles; it stays."""

    UNREADABLE = "unreadable"
    """It could not be parsed; it stays, and can be read again after a fix."""


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """One status report with where it came from and whom it speaks of, as far as known."""

    receipt_id: UUID
    provider: str
    report: StatusReport
    attempt: AttemptRef | None
    proven: bool = False
    """The attempt comes from our own token. One from a body is believed unless the provider's id speaks against it."""

    def speaks_of(self, attempt: AttemptState) -> bool:
        """Whether this can be a report on that attempt."""
        if attempt.provider != self.provider:
            return False
        theirs, ours = self.report.provider_message_id, attempt.provider_message_id
        return self.proven or theirs is None or ours is None or theirs == ours


@dataclass(frozen=True, kw_only=True)
class _Read:
    """One receipt, read."""

    state: ReceiptState
    note: str | None
    heard: tuple[_Heard, ...] = ()


class Reports:
    """The worker's side of webhooks."""

    def __init__(self, engine: Engine, adapters: Adapters, policy: LifecyclePolicy) -> None:
        """Take the engine, the adapter of each provider account, and the times."""
        self._engine = engine
        self._adapters = adapters
        self._policy = policy
        self._autocommit = Autocommit(engine)
        self._sparing = Sparing("orphans")
        self._swept = FROM_THE_FIRST
        """Up to where the orphans have had their turn."""

    async def process_receipts(self, *, limit: int) -> int:
        """Read up to `limit` receipts and apply their reports, in one transaction; return how many.

        Where that fails for another reason than a lost database, each is processed by itself, and one
        that cannot be is marked, so that it does not hold up the others. Raises `StoreUnavailable`; what
        Postgres refuses for now stays to be read.
        """
        try:
            return await self._process(limit=limit)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - whatever one of them holds, the others are to be read
            _log.exception("batch of receipts not processed")
            return await self._process_one_by_one(limit)

    async def _process(self, *, limit: int) -> int:
        async with transaction(self._engine) as connection:
            receipts = await lock_pending(connection, limit=limit)
            if receipts:
                await self._read_and_apply(connection, receipts)
        return len(receipts)

    async def _process_one_by_one(self, limit: int) -> int:
        for count in range(limit):
            async with transaction(self._engine) as connection:
                receipts = await lock_pending(connection, limit=1)
                if not receipts:
                    return count
                try:
                    with told_apart():
                        async with connection.begin_nested():
                            await self._read_and_apply(connection, receipts)
                except StoreUnavailable:
                    raise
                except Exception:  # noqa: BLE001 - kept and marked, for somebody to look at
                    _log.exception("receipt not processed", receipt_id=str(receipts[0].id))
                    note = "it cannot be stored; the log says why"
                    await mark_receipts(connection, [(receipts[0].id, ReceiptState.UNREADABLE.value, note)])
        return limit

    async def _read_and_apply(self, connection: Connection, receipts: Sequence[PendingReceipt]) -> None:
        read = [self._read(receipt) for receipt in receipts]
        heard = [item for result in read for item in result.heard]
        known = await self._apply(connection, heard)
        orphans = [_orphan(item) for item, is_known in zip(heard, known, strict=True) if not is_known]
        waiting = [orphan for orphan in orphans if orphan is not None]
        if waiting:
            await add_orphans(connection, waiting)
        done = [(receipt.id, result.state.value, result.note) for receipt, result in zip(receipts, read, strict=True)]
        await mark_receipts(connection, done)

    async def apply_orphans(self) -> int:
        """Apply reports whose attempt has become known since they came, as far as this sweep sees; return how many.

        Each sweep looks at the newest, whose attempt is most likely to become known, and at a part of all others, so
        that every one has its turn. One that cannot be applied is logged and left alone for a while.
        """
        async with self._autocommit.connect() as connection:
            sweep = await sweep_orphans(connection, after=self._swept, oldest=_oldest())

        async def find(among: Among) -> list[UUID]:
            return [key for key in sweep.known if key not in among.ids]

        async def take(among: Among) -> list[UUID]:
            return await self._apply_orphans(among.ids if among.only else await find(among))

        applied = await self._sparing.do(take, find) if sweep.known else []
        self._swept = sweep.reached
        return len(applied)

    async def _apply_orphans(self, ids: Sequence[UUID]) -> list[UUID]:
        async with transaction(self._engine) as connection:
            orphans = await lock_orphans(connection, ids)
            known = await self._apply(connection, [_from_orphan(orphan) for orphan in orphans])
            applied = [orphan.id for orphan, is_known in zip(orphans, known, strict=True) if is_known]
            await remove_orphans(connection, applied)
        return applied

    async def _apply(self, connection: Connection, heard: Sequence[_Heard]) -> list[bool]:
        """Apply reports in order; say of each whether its attempt is known."""
        found = await _find(connection, heard)
        wanted = sorted({(ref.message_id, ref.number) for ref in found if ref is not None})
        work = await lock_attempts(connection, wanted) if wanted else []
        messages: dict[UUID, MessageState] = {item.state.id: item.state for item in work}
        attempts: dict[tuple[UUID, int], AttemptState] = {(w.state.id, w.attempt.number): w.attempt for w in work}
        changes: list[Change] = []
        known: list[bool] = []
        for item, ref in zip(heard, found, strict=True):
            key = (ref.message_id, ref.number) if ref else None
            attempt = attempts.get(key) if key else None
            known.append(attempt is not None and item.speaks_of(attempt))
            if key is None or attempt is None or not known[-1]:
                continue
            capabilities = capabilities_of(self._adapters, item.provider)
            follow_up = after_acceptance(capabilities, now=work[0].now, policy=self._policy)
            change = report(messages[key[0]], attempt, item.report, follow_up=follow_up)
            messages[key[0]] = change.apply_to(messages[key[0]])
            attempts[key] = change.attempt or attempt
            changes.append(change)
            _log_change(change)
        await apply_changes(connection, changes)
        return known

    def _read(self, receipt: PendingReceipt) -> _Read:
        adapter = self._adapters.get(receipt.provider)
        if adapter is None:
            return _Read(state=ReceiptState.UNREADABLE, note="the provider account is not configured any more")
        try:
            events = adapter.parse_webhook(receipt.request)
        except WebhookUnreadable as error:
            _log.warning("webhook unreadable", receipt_id=str(receipt.id), reason=str(error))
            return _Read(state=ReceiptState.UNREADABLE, note=str(error))
        except Exception:  # noqa: BLE001 - whatever a provider's file does wrong, the other receipts go on
            _log.exception("adapter error", step="parse_webhook", receipt_id=str(receipt.id))
            return _Read(state=ReceiptState.UNREADABLE, note="the adapter failed; the log says how")
        return _sort(receipt, events)


def _sort(receipt: PendingReceipt, events: Sequence[ProviderEvent]) -> _Read:
    reports = [event for event in events if isinstance(event, StatusReport)]
    others = sorted({type(event).__name__ for event in events if not isinstance(event, StatusReport)})
    heard = tuple(
        _Heard(
            receipt_id=receipt.id,
            provider=receipt.provider,
            report=storable_report(said),
            attempt=receipt.attempt or said.attempt,
            proven=receipt.attempt is not None,
        )
        for said in reports
    )
    if others:
        return _Read(state=ReceiptState.KEPT, note=f"not handled yet: {', '.join(others)}", heard=heard)
    note = None if reports else "no event that is known"
    return _Read(state=ReceiptState.PROCESSED, note=note, heard=heard)


async def _find(connection: Connection, heard: Sequence[_Heard]) -> list[AttemptRef | None]:
    """Name each report's attempt: by our own id where one came back, else by the provider's."""
    nameless = {
        (item.provider, item.report.provider_message_id)
        for item in heard
        if item.attempt is None and item.report.provider_message_id is not None
    }
    by_provider_id = await find_attempts(connection, sorted(nameless), oldest=_oldest()) if nameless else {}
    return [
        item.attempt or by_provider_id.get((item.provider, item.report.provider_message_id or "")) for item in heard
    ]


def _oldest() -> UUID:
    return lowest_id(datetime.now(UTC) - _SEARCH_BACK)


def _orphan(item: _Heard) -> OrphanReport | None:
    """Keep a report by the provider's id; one without can never find its attempt."""
    _log.warning("report without attempt", provider=item.provider, receipt_id=str(item.receipt_id))
    if item.report.provider_message_id is None:
        return None
    return OrphanReport(
        id=new_id(),
        receipt_id=item.receipt_id,
        provider=item.provider,
        provider_message_id=item.report.provider_message_id,
        report=_REPORT.dump_python(replace(item.report, attempt=None), mode="json"),
    )


def _from_orphan(orphan: OrphanReport) -> _Heard:
    said: StatusReport = _REPORT.validate_python(orphan.report)
    return _Heard(receipt_id=orphan.receipt_id, provider=orphan.provider, report=said, attempt=None)


def _log_change(change: Change) -> None:
    event = change.event
    _log.info(
        "status report",
        message_id=str(change.message_id),
        status=event.status.value,
        applied=event.applied,
        reason=event.reason,
    )
