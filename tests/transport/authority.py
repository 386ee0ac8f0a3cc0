"""Certificates for the TLS tests."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import trustme


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate authority with a server certificate for 127.0.0.1 and one for somebody else."""

    trusting: ssl.SSLContext
    server: ssl.SSLContext
    wrong_name: ssl.SSLContext


def issue() -> Authority:
    """Make an authority that nobody else trusts."""
    issuer = trustme.CA()
    trusting = ssl.create_default_context()
    issuer.configure_trust(trusting)
    contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2)]
    for context, name in zip(contexts, ["127.0.0.1", "provider.example"], strict=True):
        issuer.issue_cert(name).configure_cert(context)
    return Authority(trusting=trusting, server=contexts[0], wrong_name=contexts[1])
