"""The embedded PostgreSQL of `gateway dev` and of the tests: finds the binaries, starts, supervises and stops a server.

Nothing outside the given directory and one short socket directory is created, chowned or chmodded.
"""

from __future__ import annotations

from app.embedded.binaries import find_binaries
from app.embedded.child import die_with_parent
from app.embedded.data import set_aside
from app.embedded.failure import EmbeddedPostgresError
from app.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "die_with_parent", "find_binaries", "set_aside"]
