"""The composition root: from settings to engine, adapters and services. Nothing else knows of all of them."""

from __future__ import annotations

import gc
import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from app.api.context import ApiContext
from app.api.limits import Limits
from app.domain.inquiry import InquiryPolicy
from app.domain.policy import LifecyclePolicy
from app.domain.provider import ProviderAdapter
from app.domain.routing import RetryPolicy
from app.providers import discover
from app.sandbox.config import SandboxConfig
from app.services.administration import Administration
from app.services.audits import Auditor
from app.services.authentication import Authenticator
from app.services.cancellation import Cancellation
from app.services.dispatch import Dispatcher
from app.services.liveness import Liveness
from app.services.maintenance import Maintenance
from app.services.messages import SANDBOX, Messages
from app.services.queue_caps import QueueCaps
from app.services.reconciler import LOOKS, Reconciler
from app.services.records import ProviderRecords
from app.services.redriving import Redriving
from app.services.reports import Reports
from app.services.rescue import Rescue
from app.services.resolver import Resolver
from app.services.soundness import Soundness
from app.services.submitting import DispatchConfig, Submitter
from app.services.webhooks import WebhookIntake
from app.settings import DELIMITER, PREFIX, DispatchSettings, Settings, SettingsError
from app.store.engine import Engine, create_engine
from app.transport import Transport

API_CHECKING_CONNECTIONS: Final = 6
"""For keys, senders, cancels, the keys of refused requests, and the count of the queue."""

API_STATEMENT_SECONDS: Final = 2.0
"""What is acknowledged is one statement, and who sends it is another: a caller is refused before it gives up."""

API_WRITING_LOCK_SECONDS: Final = 0.5
"""Others wait behind a batch that waits for a lock."""

API_WRITING_CONNECTIONS: Final = 4
"""A batch of messages and one of webhooks on their way, and a notification for each kind."""

SILENCE_SECONDS: Final = 0.25
"""Beyond a statement's limit, which Postgres keeps by itself unless it is out of reach or stands still."""

QUESTIONS: Final = 32
"""Questions about unknown outcomes that a worker has under way at once, beside its sends."""

Adapters = dict[str, ProviderAdapter[Any]]


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """The services behind the worker."""

    engine: Engine
    transport: Transport
    dispatcher: Dispatcher
    liveness: Liveness
    rescue: Rescue
    resolver: Resolver
    reconciler: Reconciler
    auditor: Auditor
    reports: Reports
    maintenance: Maintenance
    soundness: Soundness


def build_engine(
    settings: Settings,
    application: str,
    *,
    pool_size: int | None = None,
    statement_seconds: float | None = None,
    lock_seconds: float = 2,
    silence_seconds: float | None = SILENCE_SECONDS,
) -> Engine:
    """Make an engine of the process, with as many connections and as much time as the settings say at most."""
    url = settings.database_url.get_secret_value()
    scheme, separator, rest = url.partition("://")
    if separator and scheme in {"postgres", "postgresql"}:
        url = f"postgresql+asyncpg://{rest}"
    database = settings.database
    return create_engine(
        url,
        application=application,
        pool_size=pool_size or database.pool_size,
        statement_seconds=min(database.statement_seconds, statement_seconds or database.statement_seconds),
        acquire_seconds=database.acquire_seconds,
        lock_seconds=lock_seconds,
        silence_seconds=silence_seconds,
    )


def build_adapters(settings: Settings) -> Adapters:
    """Make the adapter of each configured provider account, and of the sandbox.

    Raises `SettingsError` naming each variable that an adapter misses or does not understand.
    """
    known = discover()
    sandbox = settings.sandbox
    configured: dict[str, tuple[str, dict[str, Any]]] = {
        name: (account.adapter, account.config) for name, account in settings.providers.items()
    }
    configured[SANDBOX] = (
        "sandbox",
        {
            "url": sandbox.url,
            "api_key": sandbox.api_key,
            "api_secret": _sandbox_secret(settings, "api_secret"),
            "webhook_secret": _sandbox_secret(settings, "webhook_secret"),
            "evidence": sandbox.evidence,
            "records": sandbox.records,
        },
    )
    return {name: _adapter(known, name, adapter, config) for name, (adapter, config) in configured.items()}


def build_api(settings: Settings) -> ApiContext:
    """Put together what the API works with."""
    engine, adapters = build_engine(settings, "api"), build_adapters(settings)
    # Slow lists must not keep keys and senders from being looked up, nor either of them what is acknowledged.
    checking = build_engine(
        settings, "api-checking", pool_size=API_CHECKING_CONNECTIONS, statement_seconds=API_STATEMENT_SECONDS
    )
    writing = build_engine(
        settings,
        "api-writing",
        pool_size=API_WRITING_CONNECTIONS,
        statement_seconds=API_STATEMENT_SECONDS,
        lock_seconds=API_WRITING_LOCK_SECONDS,
    )
    return ApiContext(
        engine=engine,
        checking=checking,
        writing=writing,
        soundness=Soundness(allow_unsafe=settings.database.allow_unsafe),
        authenticator=Authenticator(checking, remember_seconds=settings.api.key_cache_seconds),
        limits=_limits(settings),
        cancellation=Cancellation(checking),
        redriving=Redriving(checking),
        messages=Messages(
            checking,
            writing,
            validity_seconds=settings.messages.validity_seconds,
            caps=QueueCaps(checking, cap=settings.messages.queued_per_account),
        ),
        webhooks=WebhookIntake(
            writing,
            adapters,
            secret=_secret(settings),
            unique_for=timedelta(days=settings.retention.webhook_digest_days),
        ),
        listings={name: adapter.capabilities.listing for name, adapter in adapters.items()},
        public_url=settings.public_url,
        body_seconds=settings.api.body_seconds,
    )


def build_worker(settings: Settings) -> WorkerContext:
    """Put together what the worker works with."""
    engine = build_engine(settings, "worker")
    adapters = build_adapters(settings)
    dispatch = settings.dispatch
    transport = Transport(
        deadline_seconds=dispatch.send_deadline_seconds,
        connect_seconds=dispatch.connect_seconds,
        max_connections=dispatch.concurrency + QUESTIONS + LOOKS + 1,  # one audit at a time
    )
    policy = _policy(dispatch)
    config = DispatchConfig(
        public_url=settings.public_url,
        secret=_secret(settings),
        lease=timedelta(seconds=dispatch.lease_seconds),
        send_deadline=timedelta(seconds=dispatch.send_deadline_seconds),
        policy=policy,
    )
    submitter = Submitter(adapters, transport, config)
    liveness = Liveness(engine, enabled=dispatch.liveness_locks)
    records = ProviderRecords(adapters, transport)
    return WorkerContext(
        engine=engine,
        transport=transport,
        dispatcher=Dispatcher(engine, adapters, submitter, config, worker=lambda: liveness.worker),
        liveness=liveness,
        rescue=Rescue(engine, adapters, liveness, policy),
        resolver=Resolver(engine, adapters, submitter, records, config, worker=lambda: liveness.worker),
        reconciler=Reconciler(engine, adapters, records, policy, lease=config.lease),
        auditor=Auditor(engine, adapters, records, policy, lag=timedelta(seconds=dispatch.audit_lag_seconds)),
        reports=Reports(engine, adapters, policy),
        maintenance=Maintenance(engine, settings.retention.ages),
        soundness=Soundness(allow_unsafe=settings.database.allow_unsafe),
    )


def build_administration(settings: Settings, engine: Engine) -> Administration:
    """Put together what operators work with."""
    return Administration(engine, {*settings.providers, SANDBOX})


def build_sandbox(settings: Settings) -> SandboxConfig:
    """Tell the sandbox what it has to know."""
    sandbox = settings.sandbox
    return SandboxConfig(
        api_key=sandbox.api_key,
        api_secret=_sandbox_secret(settings, "api_secret"),
        webhook_secret=_sandbox_secret(settings, "webhook_secret"),
        pace=sandbox.pace,
    )


def spare_the_collector() -> None:
    """Take what lives as long as the process out of the collector's sight, and let it look less often.

    Routes, models and tables are hundreds of thousands of objects that are never garbage. Looking through them
    again and again took a fifth of the API's time and a tenth of the worker's; neither a request nor a send
    leaves many cycles behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _adapter(
    known: dict[str, type[ProviderAdapter[Any]]], name: str, adapter: str, config: dict[str, Any]
) -> ProviderAdapter[Any]:
    variable = f"{PREFIX}PROVIDERS{DELIMITER}{name.upper()}{DELIMITER}"
    kind = known.get(adapter)
    if kind is None:
        raise SettingsError(f"{variable}ADAPTER: there is no such adapter; there are {', '.join(sorted(known))}.")
    try:
        return kind(kind.config_type.model_validate(config))
    except ValidationError as error:
        lines = [
            f"{variable}{DELIMITER.join(str(part).upper() for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_input=False)
        ]
        raise SettingsError("\n".join(lines)) from error


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


def _limits(settings: Settings) -> Limits:
    api = settings.api
    return Limits(
        requests_per_second=api.requests_per_second,
        request_burst=api.request_burst or 2 * api.requests_per_second,
        bad_credentials_per_minute=api.bad_credentials_per_minute,
        trusted_proxies=api.trusted_proxies,
    )


def _secret(settings: Settings) -> bytes:
    return settings.secret_key.get_secret_value().encode()


def _sandbox_secret(settings: Settings, name: str) -> str:
    """Give a secret that the gateway and its sandbox share; none that everybody knows stands in for it."""
    given: SecretStr | None = getattr(settings.sandbox, name)
    if given is not None:
        return given.get_secret_value()
    return hmac.new(_secret(settings), f"sandbox:{name}".encode(), hashlib.sha256).hexdigest()
