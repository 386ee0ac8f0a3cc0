"""What the API works with."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from app.api.context import ApiContext
from app.api.limits import Limits
from app.bootstrap.adapters import build_adapters
from app.bootstrap.engines import build_engine
from app.bootstrap.operators import build_operators
from app.bootstrap.secrets import secret_of
from app.services.authentication import Authenticator
from app.services.cancellation import Cancellation
from app.services.messages import Messages
from app.services.pausing import Pausing
from app.services.pools import Pools
from app.services.queue_caps import QueueCaps
from app.services.queue_figures import QueueFigures
from app.services.redriving import Redriving
from app.services.routes import Routes
from app.services.soundness import Soundness
from app.services.webhooks import WebhookIntake
from app.settings import Settings
from app.store.engine import Engine

API_CHECKING_CONNECTIONS: Final = 6
"""For keys, senders, pools, cancels, the keys of refused requests, and the figures of the queue."""

API_STATEMENT_SECONDS: Final = 2.0
"""What is acknowledged is one statement, and who sends it is another: a caller is refused before it gives up."""

API_WRITING_LOCK_SECONDS: Final = 0.5
"""Others wait behind a batch that waits for a lock."""

API_WRITING_CONNECTIONS: Final = 4
"""A batch of messages and one of webhooks on their way, and a notification for each kind."""


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
    figures = QueueFigures(checking)
    return ApiContext(
        engine=engine,
        checking=checking,
        writing=writing,
        soundness=Soundness(allow_unsafe=settings.database.allow_unsafe),
        authenticator=Authenticator(checking, remember_seconds=settings.api.key_cache_seconds),
        limits=_limits(settings),
        cancellation=Cancellation(checking),
        redriving=Redriving(checking),
        pools=Pools(checking),
        pausing=Pausing(checking, adapters.keys()),
        routes=Routes(checking),
        operators=build_operators(settings, engine),
        figures=figures,
        messages=_messages(settings, checking, writing, figures),
        webhooks=WebhookIntake(
            writing,
            adapters,
            secret=secret_of(settings),
            unique_for=timedelta(days=settings.retention.webhook_digest_days),
        ),
        listings={name: adapter.capabilities.listing for name, adapter in adapters.items()},
        public_url=settings.public_url,
        body_seconds=settings.api.body_seconds,
    )


def _messages(settings: Settings, checking: Engine, writing: Engine, figures: QueueFigures) -> Messages:
    asked = settings.messages
    return Messages(
        checking,
        writing,
        validity_seconds=asked.validity_seconds,
        caps=QueueCaps(figures, cap=asked.queued_per_account, horizon_seconds=asked.horizon_seconds),
    )


def _limits(settings: Settings) -> Limits:
    api = settings.api
    return Limits(
        requests_per_second=api.requests_per_second,
        request_burst=api.request_burst or 2 * api.requests_per_second,
        bad_credentials_per_minute=api.bad_credentials_per_minute,
        trusted_proxies=api.trusted_proxies,
    )
