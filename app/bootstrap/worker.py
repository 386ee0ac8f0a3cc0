"""What the worker works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.bootstrap.adapters import build_adapters
from app.bootstrap.engines import build_engine
from app.bootstrap.secrets import secret_of
from app.domain.inquiry import InquiryPolicy
from app.domain.policy import LifecyclePolicy
from app.domain.routing import RetryPolicy
from app.services.audits import Auditor
from app.services.circuits import Circuits
from app.services.dispatch import Dispatcher
from app.services.liveness import Liveness
from app.services.maintenance import Maintenance
from app.services.moving import Moving
from app.services.reconciler import LOOKS, Reconciler
from app.services.records import ProviderRecords
from app.services.reports import Reports
from app.services.rescue import Rescue
from app.services.resolver import Resolver
from app.services.soundness import Soundness
from app.services.staleness import Staleness
from app.services.submitting import DispatchConfig, Submitter
from app.settings import DispatchSettings, Settings
from app.store.engine import Engine
from app.transport import Transport

QUESTIONS: Final = 32
"""Questions about unknown outcomes that a worker has under way at once, beside its sends."""


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """The services behind the worker."""

    engine: Engine
    transport: Transport
    circuits: Circuits
    dispatcher: Dispatcher
    liveness: Liveness
    rescue: Rescue
    resolver: Resolver
    reconciler: Reconciler
    auditor: Auditor
    reports: Reports
    moving: Moving
    maintenance: Maintenance
    soundness: Soundness
    staleness: Staleness

    @property
    def loops(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What goes on beside dispatch until the worker stops, each as a loop of its own that never ends by itself."""
        services = (self.circuits, self.reconciler, self.auditor, self.moving, self.staleness)
        return tuple(service.work for service in services)


def build_worker(settings: Settings) -> WorkerContext:
    """Put together what the worker works with."""
    engine = build_engine(settings, "worker")
    adapters = build_adapters(settings)
    dispatch = settings.dispatch
    transport = Transport(
        deadline_seconds=dispatch.send_deadline_seconds,
        connect_seconds=dispatch.connect_seconds,
        # As many calls again may hang at a provider that is left alone, and there is one audit at a time.
        max_connections=2 * dispatch.concurrency + QUESTIONS + LOOKS + 1,
    )
    policy = _policy(dispatch)
    config = DispatchConfig(
        public_url=settings.public_url,
        secret=secret_of(settings),
        lease=timedelta(seconds=dispatch.lease_seconds),
        send_deadline=timedelta(seconds=dispatch.send_deadline_seconds),
        policy=policy,
    )
    circuits = Circuits(engine)
    submitter = Submitter(adapters, transport, config, watch=circuits.watch)
    liveness = Liveness(engine, enabled=dispatch.liveness_locks)
    records = ProviderRecords(adapters, transport)
    return WorkerContext(
        engine=engine,
        transport=transport,
        circuits=circuits,
        dispatcher=Dispatcher(engine, adapters, submitter, config, worker=lambda: liveness.worker),
        liveness=liveness,
        rescue=Rescue(engine, adapters, liveness, policy),
        resolver=Resolver(engine, adapters, submitter, records, config, worker=lambda: liveness.worker),
        reconciler=Reconciler(engine, adapters, records, policy, lease=config.lease),
        auditor=Auditor(engine, adapters, records, policy, lag=timedelta(seconds=dispatch.audit_lag_seconds)),
        reports=Reports(engine, adapters, policy),
        moving=Moving(engine),
        maintenance=Maintenance(engine, settings.retention.ages),
        soundness=Soundness(allow_unsafe=settings.database.allow_unsafe),
        staleness=Staleness(engine),
    )


def _policy(dispatch: DispatchSettings) -> LifecyclePolicy:
    return LifecyclePolicy(
        retry=RetryPolicy(delays_seconds=dispatch.retry_delays_seconds, max_tries=dispatch.max_tries),
        inquiry=InquiryPolicy(
            delays_seconds=dispatch.inquiry_delays_seconds,
            on_its_way=timedelta(seconds=dispatch.lease_seconds),
            sightings_apart=timedelta(seconds=dispatch.sightings_apart_seconds),
            crashes=dispatch.poison_crashes,
        ),
        evidence_wait=timedelta(seconds=dispatch.evidence_wait_seconds),
        reconcile_delays=tuple(timedelta(seconds=each) for each in dispatch.reconcile_delays_seconds),
        poison_crashes=dispatch.poison_crashes,
    )
