"""Row 43 of the attack plan: whatever is posted as JSON is accepted or refused, and never an error of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from tests.attack.asgi import Headers, ask
from tests.attack.gate import MESSAGE, check_problem, post
from tests.conftest import FULL

AT_ONCE: Final = 10
"""Bodies posted in a row as one example, which makes them cheaper to think up."""

EXAMPLES: Final = 100_000 // AT_ONCE if FULL else 500 // AT_ONCE

FIELDS: Final = (
    *MESSAGE,
    "metadata",
    "send_at",
    "expires_at",
    "validity_seconds",
    "delivery_guarantee",
    "max_segments",
)
NASTY: Final = st.sampled_from(
    [
        "",
        "\x00",
        "a\x00b",
        "\ud800",
        "\u202e",
        "\ufeff",
        "+1",
        "x" * 2000,
        "9999-12-31T23:59:59+23:59",
        1e308,
        10**400,
        -1,
    ]
)
TEXTS: Final = st.text(st.characters(), max_size=12) | st.sampled_from(["+13125550143", "ACME", "at_least_once"])
SCALARS: Final = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS | NASTY
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES: Final = st.sampled_from(FIELDS) | TEXTS
RIGHT: Final[dict[str, Any]] = {
    **MESSAGE,
    "metadata": {"team": "billing"},
    "validity_seconds": 600,
    "delivery_guarantee": "at_least_once",
    "max_segments": 3,
}


def written(value: object) -> bytes:
    """Write JSON as a careless client does: lone surrogates escaped, NaN and Infinity as they are."""
    return json.dumps(value).encode()


def with_one_change(name: str, value: object) -> bytes:
    return written({**RIGHT, name: value})


def without(name: str) -> bytes:
    return written({field: value for field, value in RIGHT.items() if field != name})


def mangled(position: int, removed: int, inserted: bytes) -> bytes:
    whole = written(RIGHT)
    start = position % (len(whole) + 1)
    return whole[:start] + inserted + whole[start + removed :]


BODIES: Final = st.one_of(
    st.builds(with_one_change, NAMES, VALUES),
    st.builds(with_one_change, st.sampled_from(FIELDS), NASTY),
    st.builds(
        with_one_change, st.just("metadata"), st.dictionaries(TEXTS | st.just("\x00"), TEXTS | NASTY, max_size=2)
    ),
    st.builds(without, st.sampled_from(FIELDS)),
    st.builds(mangled, st.integers(0, 400), st.integers(0, 8), st.binary(max_size=8)),
    st.builds(
        mangled, st.integers(0, 400), st.just(1), st.sampled_from([b"\\u0000", b"\\ud800", b"\xff", b"1e400", b"{"])
    ),
    VALUES.map(written),
    st.binary(max_size=40),
)


@pytest.mark.soak
@pytest.mark.smoke
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(bodies=st.lists(BODIES, min_size=AT_ONCE, max_size=AT_ONCE), live=st.booleans())
async def test_row_43_every_body_is_accepted_or_refused_as_described(
    app: ASGIApp, test_key: Headers, live_key: Headers, logged: Callable[[], str], bodies: list[bytes], live: bool
) -> None:
    for body in bodies:
        answer = await ask(app, post(body, key=live_key if live else test_key))
        if answer.status == 202:
            assert answer.document["status"] in {"queued", "scheduled"}
        else:
            assert 400 <= answer.status < 500, answer.body
            check_problem(answer, answer.status, answer.document["code"])
    assert "Traceback" not in logged()
