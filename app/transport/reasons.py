"""Why a request failed, in one word; what its failure means hangs on none of them."""

from __future__ import annotations

import aiohttp


def why_not_connected(cause: BaseException) -> str:
    """Say why no connection was obtained."""
    match cause:
        case aiohttp.ClientConnectorDNSError():
            return "dns"
        case aiohttp.ClientSSLError():
            return "tls"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "refused"
        case aiohttp.ClientConnectorError(os_error=ConnectionResetError() | ConnectionAbortedError()):
            # TCP was open, so it was the handshake that the other side broke off.
            return "tls"
        case aiohttp.InvalidURL():
            return "invalid-request"
        case _:
            return "unreachable"


def why_cut(cause: BaseException) -> str:
    """Say why no answer came over the connection that was obtained."""
    return "garbage" if isinstance(cause, aiohttp.ClientResponseError) else "cut"
