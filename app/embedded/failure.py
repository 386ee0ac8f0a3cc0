"""The one refusal of the embedded PostgreSQL, and the part of a log that explains it."""

from __future__ import annotations

from pathlib import Path

_TAIL_BYTES = 4_000


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot do what was asked; the text says why and what to do."""


def explained(message: str, *, log: Path, since: int) -> EmbeddedPostgresError:
    """The refusal with the tail of what `log` received since byte `since`, at most 4,000 bytes of it."""
    written = log.read_bytes()[since:] if log.exists() else b""
    tail = written[-_TAIL_BYTES:].decode(errors="replace").strip()
    return EmbeddedPostgresError(f"{message}\nEnd of {log}:\n{tail or '(nothing was written)'}")
