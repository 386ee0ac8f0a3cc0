"""What the routes work with, put together once by the composition root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request

from app.api.limits import Limits
from app.api.server import Notice
from app.services.authentication import Authenticator
from app.services.cancellation import Cancellation
from app.services.messages import Messages
from app.services.operators import Operators
from app.services.pausing import Pausing
from app.services.pools import Pools
from app.services.queue_figures import QueueFigures
from app.services.redriving import Redriving
from app.services.routes import Routes
from app.services.soundness import Soundness
from app.services.webhooks import WebhookIntake
from app.store.engine import Engine


@dataclass(frozen=True, kw_only=True)
class ApiContext:
    """The services behind the API, and its public address."""

    engine: Engine
    """To read messages with."""

    checking: Engine
    """To look up with what every request needs."""

    writing: Engine
    """To write with what is acknowledged, each statement by itself."""

    soundness: Soundness
    authenticator: Authenticator
    limits: Limits
    messages: Messages
    cancellation: Cancellation
    redriving: Redriving
    pools: Pools
    pausing: Pausing
    routes: Routes
    operators: Operators
    figures: QueueFigures
    webhooks: WebhookIntake
    listings: Mapping[str, bool]
    """The configured provider accounts, and whether the messages of each can be listed."""

    public_url: str
    body_seconds: float
    """How long a whole body may take to arrive."""

    notice: Notice = field(default_factory=Notice)

    async def aclose(self) -> None:
        """Say what is left to be said, and let the connections go."""
        await self.messages.aclose()
        await self.figures.aclose()
        await self.webhooks.aclose()
        for engine in (self.engine, self.checking, self.writing):
            await engine.dispose()


def context(request: Request) -> ApiContext:
    """Give the context that the application was started with."""
    found: ApiContext = request.app.state.context
    return found
