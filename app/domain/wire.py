"""What can be put on the wire as it stands: methods, header lines and host names. It changes nothing to make it fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_HOST: Final = re.compile(r"(?:[0-9A-Za-z_-]{1,63}\.)*[0-9A-Za-z_-]{1,63}\.?|[0-9A-Fa-f:.]+")
_FRAMING: Final = frozenset({"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"})
"""Headers that say how the request is framed: the transport's alone."""


def is_writable(method: str, headers: Mapping[str, str]) -> bool:
    """Whether the method is one of ours, and each header (lower-cased) the caller's to set and kept to its line."""
    return method in _METHODS and all(
        name not in _FRAMING and _HEADER_NAME.fullmatch(name) is not None and _HEADER_VALUE.fullmatch(value) is not None
        for name, value in headers.items()
    )


def is_host(name: str) -> bool:
    """Whether this is a name that a resolver takes without raising, or an IPv6 address."""
    return _HOST.fullmatch(name) is not None
