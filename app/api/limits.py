"""What one process grants: requests to each key, and wrong credentials to each address; its memory is bounded."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address
from typing import Final

from starlette.types import Scope

from app.api.client_address import Network, client_address
from app.domain.errors import ErrorCode, Refusal
from app.domain.token_bucket import SECOND, TokenBucket

BUCKETS: Final = 10_000
"""How many buckets of a kind are kept."""

_NETWORK_BYTES: Final = 8
"""The /64 that one subscriber of IPv6 has to himself (RFC 6177): throttling single addresses would stop nobody."""


class Buckets:
    """Buckets of one kind, by name; the one that was used longest ago is forgotten first."""

    def __init__(self, kind: TokenBucket, *, size: int = BUCKETS) -> None:
        """Keep at most `size` buckets."""
        self.kind = kind
        self._size = size
        self._full_at: OrderedDict[bytes | str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, name: bytes | str, now: int) -> int | None:
        """Take a token and give when the bucket will be full again; None where there is no token."""
        kept = self._full_at.get(name)
        full_at = self.kind.take(now if kept is None else kept, now)
        if full_at is not None:
            self._full_at[name] = full_at
        if kept is not None:
            self._full_at.move_to_end(name)
        elif len(self._full_at) > self._size:
            self._full_at.popitem(last=False)
        return full_at

    def has_token(self, name: bytes | str, now: int) -> bool:
        """Tell whether a token could be taken, and take none."""
        if name in self._full_at:
            self._full_at.move_to_end(name)
        return self.kind.wait(self.full_at(name, now), now) == 0

    def full_at(self, name: bytes | str, now: int) -> int:
        """Tell when a bucket is full; now where it is not known."""
        return self._full_at.get(name, now)

    def wait_seconds(self, name: bytes | str, now: int) -> int:
        """Tell in how many whole seconds a token may be had, at least one."""
        return max(1, _seconds(self.kind.wait(self.full_at(name, now), now)))


class Limits:
    """The limits of one process.

    Header fields as in draft-ietf-httpapi-ratelimit-headers-11 (May 2026): `RateLimit-Policy` gives the
    quota `q` and the window `w` in which an unused quota is whole again, `RateLimit` how much of it
    remains, `r`, and in how many seconds it will be whole, `t`.
    """

    def __init__(
        self,
        *,
        requests_per_second: int,
        request_burst: int,
        bad_credentials_per_minute: int,
        trusted_proxies: Sequence[Network] = (),
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Take the limits, the networks of proxies whose X-Forwarded-For counts, and a clock in nanoseconds."""
        requests = TokenBucket.refilled(times=requests_per_second, per_seconds=1, burst=request_burst)
        guesses = TokenBucket.refilled(
            times=bad_credentials_per_minute, per_seconds=60, burst=bad_credentials_per_minute
        )
        self._requests = Buckets(requests)
        self._guesses = Buckets(guesses)
        self._trusted = tuple(trusted_proxies)
        self._clock = clock
        self._per_second = requests_per_second
        self._policy = (b"ratelimit-policy", b'"key";q=%d;w=%d' % (requests.burst, requests.window_seconds))

    @property
    def kept(self) -> int:
        """How many buckets are kept, of keys and addresses together."""
        return len(self._requests) + len(self._guesses)

    def admit(self, scope: Scope, key_id: str) -> None:
        """Count a request of a key, and tell how many are left; raises `rate-limited` where none is."""
        now = self._clock()
        requests = self._requests
        full_at = requests.take(key_id, now)
        admitted = full_at is not None
        if full_at is None:
            full_at = requests.full_at(key_id, now)
        left = b'"key";r=%d;t=%d' % (requests.kind.left(full_at, now), _seconds(full_at - now))
        scope.setdefault("gateway.headers", []).extend((self._policy, (b"ratelimit", left)))
        if not admitted:
            raise Refusal(
                ErrorCode.RATE_LIMITED,
                f"This key may send {self._per_second} requests a second to each process of the gateway. "
                "Wait as long as Retry-After says, then send more slowly.",
                retry_after_seconds=requests.wait_seconds(key_id, now),
            )

    def charge(self, scope: Scope) -> None:
        """Count wrong credentials; raises `rate-limited` where too many came before them."""
        name, now = self._address(scope), self._clock()
        if self._guesses.take(name, now) is None:
            raise self._too_many_guesses(name, now)

    def require_guess(self, scope: Scope) -> None:
        """Let an address present a key that nobody knows yet, and count nothing; raises `rate-limited`."""
        name, now = self._address(scope), self._clock()
        if not self._guesses.has_token(name, now):
            raise self._too_many_guesses(name, now)

    def note(self, scope: Scope) -> None:
        """Count wrong credentials after the fact, as far as there is anything left to count down."""
        self._guesses.take(self._address(scope), self._clock())

    def _too_many_guesses(self, name: bytes, now: int) -> Refusal:
        return Refusal(
            ErrorCode.RATE_LIMITED,
            "Too many wrong API keys came from this address. Wait as long as Retry-After says, and check the key.",
            retry_after_seconds=self._guesses.wait_seconds(name, now),
        )

    def _address(self, scope: Scope) -> bytes:
        address = client_address(scope, self._trusted)
        if address is None:
            return b""
        return address.packed[:_NETWORK_BYTES] if isinstance(address, IPv6Address) else address.packed


def _seconds(nanoseconds: int) -> int:
    """Round up to whole seconds."""
    return -(-nanoseconds // SECOND)
