"""Where a request that an adapter built differs from the one that a sample holds."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from app.conformance.samples import RequestSample
from app.domain.http import HttpRequest


def differences(request: HttpRequest, sample: RequestSample) -> Iterator[str]:
    """Name each difference, without what may be secret."""
    expected = sample.outgoing()
    if (request.method, request.url) != (expected.method, expected.url):
        yield f"built {request.method} {request.url}, not {expected.method} {expected.url}"
    # Headers may hold credentials, so they are named and never shown.
    names = {*request.headers, *expected.headers}
    for name in sorted(names):
        if request.headers.get(name) != expected.headers.get(name):
            yield f"built another header {name}"
    same = request.body == expected.body if isinstance(sample.body, str) else _same_json(request.body, sample.body)
    if not same:
        yield "built another body"


def _same_json(body: bytes, expected: object) -> bool:
    try:
        return bool(orjson.loads(body) == expected)
    except orjson.JSONDecodeError:
        return False
