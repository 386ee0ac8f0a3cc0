"""The requests of a benchmark as finished bytes: all of one length and no two alike.

Numbers, keys and ids are scattered over their range, as real ones are: rows that came in order would
make the indexes cheaper than they are in life.
"""

from __future__ import annotations

import base64
import itertools
import random
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, assert_never
from uuid import UUID

import orjson

from app.domain.attempt_token import write_token
from app.domain.ids import make_id
from app.domain.references import AttemptRef
from app.providers.sandbox import SIGNATURE_HEADER, sign

_NUMBERS: Final = 10**8
_STRIDE: Final = 61_803_399
"""Has no factor in common with 10**8, so that its multiples visit every number once, far from each other."""

_BODY: Final = b'{"from":"%b","to":"+49151%08d","body":"Your code is %08d. It is valid for ten minutes."}'
_ACCEPT_HEAD: Final = (
    b"POST /v1/messages HTTP/1.1\r\nhost: %b\r\nauthorization: %b\r\nuser-agent: bench/1\r\n"
    b"accept: application/json\r\ncontent-type: application/json\r\n"
)
_WEBHOOK: Final = (
    b"POST %b HTTP/1.1\r\nhost: %b\r\nuser-agent: bench/1\r\naccept: */*\r\ncontent-type: application/json\r\n"
    b"%b: %b\r\ncontent-length: %d\r\n\r\n%b"
)


class Kind(StrEnum):
    """Which request."""

    ACCEPT = "accept"
    ACCEPT_WITH_KEY = "accept_with_key"
    """With an Idempotency-Key of its own in each, a random UUID."""

    WEBHOOK = "webhook"
    """A status webhook of the sandbox, signed, for an attempt of its own."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What to write requests of."""

    kind: Kind
    url: str
    """Of the API, without a path; also what the signatures are made for."""

    user: str = ""
    password: str = ""
    """Of HTTP Basic, for accepts."""

    sender: str = ""
    first: int = 0
    """Numbers before this one were used by an earlier round."""

    ready: int = 0
    """How many webhooks are signed before the round begins; it ends early if they are used up."""

    secret_key: str = ""
    webhook_secret: str = ""

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Traffic:
        """Read what was written as JSON."""
        return cls(**{**told, "kind": Kind(told["kind"])})


def traffic(wanted: Traffic, *, limit: int | None) -> Iterator[bytes]:
    """Give requests, at most `limit` of them."""
    match wanted.kind:
        case Kind.ACCEPT:
            requests = _accepts(wanted, keyed=False)
        case Kind.ACCEPT_WITH_KEY:
            requests = _accepts(wanted, keyed=True)
        case Kind.WEBHOOK:
            requests = iter(_webhooks(wanted, wanted.ready if limit is None else limit))
        case unreachable:
            assert_never(unreachable)
    return requests if limit is None else itertools.islice(requests, limit)


def _accepts(wanted: Traffic, *, keyed: bool) -> Iterator[bytes]:
    pair = base64.b64encode(f"{wanted.user}:{wanted.password}".encode())
    head = _ACCEPT_HEAD % (_host(wanted), b"Basic " + pair)
    sender = wanted.sender.encode()
    template = b"content-length: %d\r\n\r\n%%b" % len(_BODY % (sender, 0, 0))
    keyless = head + template
    with_key = head + b"idempotency-key: %b\r\n" + template
    for number in itertools.count(wanted.first):
        scattered = number * _STRIDE % _NUMBERS
        body = _BODY % (sender, scattered, scattered)
        yield with_key % (_random_uuid(), body) if keyed else keyless % body


def _webhooks(wanted: Traffic, count: int) -> list[bytes]:
    """Sign them all now: a signature costs more than everything else that the client does for a request."""
    return [_webhook(wanted, wanted.first + number) for number in range(count)]


def _webhook(wanted: Traffic, number: int) -> bytes:
    now = datetime.now(UTC)
    attempt = AttemptRef(message_id=_message_id(), number=1)
    token = write_token(attempt, provider="sandbox", secret=wanted.secret_key.encode())
    path = f"/v1/webhooks/sandbox/status/{token}"
    body = orjson.dumps(
        {
            "type": "message.status",
            "id": f"sbx_{number:024d}",
            "reference": str(attempt),
            "status": "delivered",
            "error_code": None,
            "timestamp": now.replace(microsecond=0),
        }
    )
    signature = sign(wanted.webhook_secret, now=now, url=f"{wanted.url}{path}", body=body)
    fields = (SIGNATURE_HEADER.encode(), signature.encode(), len(body), body)
    return _WEBHOOK % (path.encode(), _host(wanted), *fields)


def _message_id() -> UUID:
    """An id as a message of the last hour has it."""
    age_ms = random.randrange(3_600_000)  # noqa: S311 - no secret
    return make_id(unix_ms=time.time_ns() // 1_000_000 - age_ms, placement=1234, random_bits=secrets.randbits(62))


def _random_uuid() -> bytes:
    digits = b"%032x" % random.getrandbits(128)
    return b"%b-%b-4%b-a%b-%b" % (digits[:8], digits[8:12], digits[13:16], digits[17:20], digits[20:])


def _host(wanted: Traffic) -> bytes:
    return wanted.url.partition("//")[2].encode()
