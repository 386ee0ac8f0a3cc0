"""Rows 22, 24 and 25 of the attack plan in this process: bodies too large, of other media, and packed."""

from __future__ import annotations

import gzip
import zlib
from typing import Final

import pytest

from tests.attack.asgi import JSON, Asked, Headers
from tests.attack.gate import MESSAGE, Gate, near, post, write

LIMIT: Final = 65_536


def filled(size: int) -> bytes:
    """Write the message with spaces around it, up to a size in bytes."""
    return near().ljust(size)


def chunked(body: bytes, size: int, key: Headers) -> Asked:
    chunks = tuple(body[start : start + size] for start in range(0, len(body), size))
    return Asked(headers=(*JSON, *key), chunks=chunks, announced=False)


async def test_row_22_a_body_may_have_64_kib_and_not_one_byte_more(gate: Gate, test_key: Headers) -> None:
    await gate.accepts(post(filled(LIMIT), key=test_key))
    await gate.accepts(chunked(filled(LIMIT), 1_000, test_key))
    for asked in (
        post(filled(LIMIT + 1), key=test_key),
        post(b"\x00" * (LIMIT + 1), key=test_key),
        post(b"[" * 100_000, key=test_key),
        chunked(filled(LIMIT + 1), LIMIT + 1, test_key),
        chunked(filled(LIMIT + 1), 1_000, test_key),
        chunked(filled(LIMIT + 1), LIMIT, test_key),
        chunked(b"\xff" * 1_000_000, 50_000, test_key),
    ):
        answer = await gate.refuses(asked, 413, "payload-too-large")
        assert answer.header("connection") == "close"


@pytest.mark.parametrize("length", ["65537", "1073741824", "9" * 30, "00065537"])
async def test_row_22_a_size_announced_as_too_large_is_believed(gate: Gate, test_key: Headers, length: str) -> None:
    asked = Asked(headers=(*JSON, *test_key, ("content-length", length)))
    await gate.refuses(asked, 413, "payload-too-large")


OTHER_MEDIA: Final = [
    "text/plain",
    "text/plain;charset=UTF-8",
    "text/json",
    "text/html",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
    "application/xml",
    "application/jsonp",
    "application/json5",
    "application/jsonl",
    "application/problem+json",
    "application/ld+json",
    "application/*",
    "*/*",
    "json",
    "application/",
    "application /json",
    "application/json, text/plain",
    "text/plain, application/json",
    "application/json; charset=utf-16",
    'application/json; charset="utf-16"',
    "application/json;charset=UTF-16LE",
    "application/json; charset=iso-8859-1",
    "application/json; charset=us-ascii",
    "application/json; charset=utf-7",
    "application/json; version=1; charset=utf-32",
    "application/json\x00",
    "application/json\u00a0",
    "",
    " ",
]


@pytest.mark.parametrize("media_type", OTHER_MEDIA)
async def test_row_24_only_json_in_utf_8_is_read(gate: Gate, test_key: Headers, media_type: str) -> None:
    asked = Asked(headers=(("content-type", media_type), *test_key), chunks=(write(MESSAGE),))
    await gate.refuses(asked, 415, "unsupported-media-type")


async def test_row_24_a_body_of_no_or_of_two_types_is_not_read(gate: Gate, test_key: Headers) -> None:
    body = (write(MESSAGE),)
    two = (("content-type", "text/plain"), ("content-type", "application/json"))
    for headers in (test_key, (*test_key, *two), (*test_key, *reversed(two))):
        await gate.refuses(Asked(headers=headers, chunks=body), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "Application/Json; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json ; charset=utf-8",
        "application/json;",
    ],
)
async def test_row_24_json_is_known_however_it_is_written(gate: Gate, test_key: Headers, media_type: str) -> None:
    asked = Asked(headers=(("content-type", media_type), *test_key), chunks=(write(MESSAGE),))
    await gate.accepts(asked)


PACKED: Final[list[tuple[str, bytes]]] = [
    ("gzip", gzip.compress(near())),
    ("gzip", gzip.compress(b" " * 40_000_000 + near())),
    ("x-gzip", gzip.compress(near())),
    ("GZIP", gzip.compress(near())),
    ("gzip, gzip", gzip.compress(gzip.compress(near()))),
    ("deflate", zlib.compress(near())),
    ("br", b"\x0b\x02\x80{}\x03"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
    ("compress", b"\x1f\x9d"),
    ("aws-chunked", near()),
    ("kumquat-0f3a9c", near()),
    ("gzip", near()),
]


@pytest.mark.parametrize(("coding", "body"), PACKED)
async def test_row_25_nothing_packed_is_unpacked(gate: Gate, test_key: Headers, coding: str, body: bytes) -> None:
    await gate.refuses(post(body, ("content-encoding", coding), key=test_key), 415, "unsupported-media-type")


async def test_row_25_a_packed_body_that_says_nothing_of_it_is_no_json(gate: Gate, test_key: Headers) -> None:
    for body in (gzip.compress(near()), zlib.compress(near())):
        await gate.refuses(post(body, key=test_key), 400, "invalid-json")
