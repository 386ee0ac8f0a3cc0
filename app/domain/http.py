"""HTTP as values: what an adapter builds, what the transport performs, what a webhook brings.

Nothing here performs I/O. Header names are lower case throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """One outbound request, complete: the transport adds nothing but the Host and length headers.

    `headers` may hold credentials and `body` personal data, so both stay out of the repr.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """One complete answer; `body` is the raw bytes, at most the transport's cap."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class FailurePhase(StrEnum):
    """How far a request without an answer had come: the only thing that decides what it means."""

    NOT_CONNECTED = "not_connected"
    """No connection was obtained (refused, DNS, TLS, pool): certainly not sent."""

    CONNECTED = "connected"
    """A connection was obtained: the other side may have taken the request."""


@dataclass(frozen=True, kw_only=True)
class TransportFailure:
    """A request that got no complete answer.

    `reason` is a short stable word such as `refused`, `dns`, `tls`, `connect-timeout`, `deadline`,
    `cut`, `garbage`, `too-large`, for logs and events. It decides nothing but for `too-late`: no connection
    was had before the moment that the request was given.
    """

    phase: FailurePhase
    reason: str


@dataclass(frozen=True, kw_only=True)
class WebhookRequest:
    """A webhook exactly as it came, with the URL that the provider called.

    `url` is the public URL (behind a proxy the one that signatures are made over), with its query.
    `headers` are lower-cased; `body` is the raw bytes.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The path of the public URL, without the query."""
        return urlsplit(self.url).path

    @property
    def query(self) -> str:
        """The raw query string, without the question mark."""
        return urlsplit(self.url).query


@dataclass(frozen=True, kw_only=True)
class WebhookReply:
    """What a provider wants to hear after its webhook was stored."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
