"""The only outbound HTTP of the product: performs one `HttpRequest` and says what is known if no answer came.

It decides, retries and logs nothing. It speaks httpx's transport interface directly, without
`httpx.AsyncClient`: a client would add headers, keep cookies and log every URL, and halve the throughput.
What a failure means is told in `flight`, and what becomes of a request that is given up in `sockets`.
"""

from __future__ import annotations

from app.transport.client import Transport
from app.transport.flight import TOO_LATE

__all__ = ["TOO_LATE", "Transport"]
