"""What is sent to a socket that is no request at all, or one that nobody may send: raw bytes by the answer they get."""

from __future__ import annotations

from typing import Final

from tests.attack.gate import CANARY

_PATH: Final = f"/v1/messages/{CANARY}".encode()
_HOST: Final = b"Host: gateway.example\r\n"
_GET: Final = b"GET " + _PATH + b" HTTP/1.1\r\n" + _HOST


def _line(line: bytes) -> bytes:
    return line + b"\r\n" + _HOST + b"\r\n"


def _header(*lines: bytes) -> bytes:
    return _GET + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


NO_HTTP: Final = [
    CANARY.encode() + b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"\x00\x00\x00\x00\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"EHLO kumquat\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"\x04\x01\x00\x16\x7f\x00\x00\x01\x00",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + _GET + b"\r\n",
    b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a" + _GET + b"\r\n",
    _line(b" GET " + _PATH + b" HTTP/1.1"),
    _line(b"GET " + _PATH + b" HTTP/9.9"),
    _line(b"GET " + _PATH + b" HTTX/1.1"),
    _line(b"GET " + _PATH + b" HTTP/1.1 x"),
    _line(b"GET " + _PATH + b" x HTTP/1.1"),
    _line(b"GET " + _PATH + b"\xff\xfe HTTP/1.1"),
    _line(b"GET " + _PATH + b"\x00 HTTP/1.1"),
    _line(b"GET \xe2\x82\xac" + _PATH + b" HTTP/1.1"),
    _line(b"GET " + _PATH[1:] + b" HTTP/1.1"),
    _line(b"GET ?" + _PATH + b" HTTP/1.1"),
    _line(b"get " + _PATH + b" HTTP/1.1"),
    _line(b"FOO " + _PATH + b" HTTP/1.1"),
    _line(b"GETX " + _PATH + b" HTTP/1.1"),
    _line(b"\xe9 " + _PATH + b" HTTP/1.1"),
    b"GET " + _PATH + b" HTTP/1.1\nHost: x\n\n",
    b"GET " + _PATH + b" HTTP/1.1\rHost: x\r\r",
    b"GET " + _PATH + b" HTTP/1.1\r\n\r\n",
    _header(CANARY.encode()),
    _header(b"X y: " + CANARY.encode()),
    _header(b"X\x00: " + CANARY.encode()),
    _header(b"X: " + CANARY.encode() + b"\x00"),
    _header(b"X: " + CANARY.encode() + b"\x7f"),
    _header(b"X: a\rb"),
    _header(b"X: a", b" folded: " + CANARY.encode()),
    _header(b"\tX: y"),
    _header(b": y"),
    _header(b"X : y"),
    _header(b"(x): y"),
    _header(b"X\xe9: y"),
    _header(b"Host: evil.example"),
    _header(b"Content-Length: -1"),
    _header(b"Content-Length: +10"),
    _header(b"Content-Length: 1e1"),
    _header(b"Content-Length: 0x10"),
    _header(b"Content-Length: 1 0"),
    _header(b"Content-Length: 10, 10"),
    _header(b"Content-Length:"),
    _header(b"Content-Length: " + b"9" * 26),
    _header(b"Content-Length: \xb2"),
    _header(b"Content-Length: 5", b"Content-Length: 5"),
    _header(b"Content-Length: 5", b"Content-Length: 6"),
    _header(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    _header(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    _header(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    _header(b"Transfer-Encoding: xchunked"),
    _header(b"Transfer-Encoding: chunked, chunked"),
    _header(b"Transfer-Encoding: gzip, chunked"),
    _header(b"Transfer-Encoding: chunked, gzip"),
    _header(b"Transfer-Encoding: identity"),
    _header(b"Transfer-Encoding: \x0bchunked"),
    _header(b"Transfer-Encoding : chunked"),
    _header(b"Transfer-Encoding:"),
]
"""Answered by 400 `bad-request`, and the connection is closed: nobody knows where the next request would begin."""

NO_CHUNKS: Final = [
    b"ZZ\r\n",
    b"-1\r\n",
    b"+5\r\nabcde\r\n0\r\n\r\n",
    b"0x5\r\nabcde\r\n0\r\n\r\n",
    b"5 \r\nabcde\r\n0\r\n\r\n",
    b"5\nabcde\n0\n\n",
    b"5\r\nabcdefgh\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\n",
    b"\r\n",
]
"""Bodies that say that they are chunked and are not; answered by 400 `bad-request`, and the connection is closed."""

TOO_LARGE: Final = [
    _line(b"GET " + _PATH + b"/" + b"a" * 10_240 + b" HTTP/1.1"),
    _line(b"GET " + _PATH + b"/" + b"a" * 70_000 + b" HTTP/1.1"),
    _line(b"GET " + _PATH + b"?" + b"a=b&" * 25_000 + b" HTTP/1.1"),
    _header(b"X: " + b"y" * 20_000),
    _header(b"X: " + b"y" * 70_000),
    _header(b"y" * 70_000 + b": X"),
    _header(*(b"X-%d: y" % number for number in range(101))),
    _header(*(b"X-%d: y" % number for number in range(1_000))),
    _header(*(b"Cookie: " + b"y" * 1_000 for _ in range(20))),
    _GET + b"X: " + b"y" * 200_000,
    b"GET /" + b"a" * 200_000,
]
"""Answered by 431 `headers-too-large`, even where they have no end."""

NOT_OFFERED: Final = [
    "TRACE", "CONNECT", "PROPFIND", "PATCH", "PUT", "DELETE", "OPTIONS", "MKCOL", "LOCK", "PURGE", "SEARCH", "QUERY",
]  # fmt: skip
"""Methods that a server knows and this API does not take; answered by 405 `method-not-allowed`."""
