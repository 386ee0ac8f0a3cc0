"""What the transport's tests share."""

from __future__ import annotations

import pytest

from tests.transport.authority import Authority, issue


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Certificates, made once: that takes a while."""
    return issue()
