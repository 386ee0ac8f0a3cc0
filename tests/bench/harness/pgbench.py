"""The yardstick: pgbench storing the rows of one accept, one transaction for each, on the same server."""

from __future__ import annotations

import re
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

_THREADS: Final = 2

_SCRIPT: Final = r"""
\set number random(10000000, 99999999)
WITH message AS (
    INSERT INTO messages (id, account_id, direction, status, event_sequence, sender, recipient, body, encoding,
                          segments, metadata, test, delivery_guarantee, provider, priority, expires_at)
    VALUES (uuidv7(), '{account}', 'outbound', 'queued', 1, '{sender}', '+49151' || cast(:number AS text),
            'Your code is ' || cast(:number AS text) || '. It is valid for ten minutes.', 'gsm-7', 1, '{{}}', false,
            'at_most_once', 'sandbox', 1, now() + make_interval(secs => 36000))
    RETURNING id, expires_at
), {key}event AS (
    INSERT INTO status_events (message_id, sequence, source, status, applied)
    SELECT id, 1, 'api', 'queued', true FROM message
)
INSERT INTO dispatch_queue (message_id, account_id, lane, priority, segments, expires_at)
SELECT id, '{account}', '{lane}', 1, 1, expires_at FROM message;
"""
"""As `app/store/acceptance.py` writes them; the benchmark compares the rows and stops if they differ."""

_KEY: Final = """key AS (
    INSERT INTO idempotency_keys (account_id, test, key, fingerprint, message_id)
    SELECT '{account}', false, cast(gen_random_uuid() AS text), sha256(uuid_send(id)), id FROM message
), """


class PgbenchFailed(Exception):
    """pgbench ended with an error, or a transaction of it failed; `args[0]` is what it wrote."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Whose message it is."""

    account: UUID
    sender: str
    lane: UUID


@dataclass(frozen=True, kw_only=True)
class PgbenchRun:
    """What it did."""

    transactions: int
    per_second: float
    """Without the time that connecting took."""

    mean_ms: float
    cpu_seconds: float
    """Of pgbench itself."""


def script(rows: Rows, *, keyed: bool) -> str:
    """Write pgbench's script: one statement, one transaction, the rows of one accept."""
    account = str(rows.account)
    key = _KEY.format(account=account) if keyed else ""
    return _SCRIPT.format(account=account, sender=rows.sender, lane=rows.lane, key=key)


def run_pgbench(binaries: Path, *, sockets: str, database: str, file: Path, clients: int, seconds: int) -> PgbenchRun:
    """Run a script for some seconds; raises `PgbenchFailed`."""
    where = ["-h", sockets, "-U", "postgres", database]
    how = ["-n", "-M", "prepared", "-j", str(_THREADS), "-c", str(clients), "-T", str(seconds), "-f", str(file)]
    before = _cpu_of_children()
    done = subprocess.run(  # noqa: S603 - the embedded server's own program
        [str(binaries / "pgbench"), *how, *where], capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    report = done.stdout + done.stderr
    if done.returncode != 0 or _number(r"number of failed transactions: ([0-9]+)", report):
        raise PgbenchFailed(report)
    return PgbenchRun(
        transactions=int(_number(r"transactions actually processed: ([0-9]+)", report)),
        per_second=_number(r"tps = ([0-9.]+)", report),
        mean_ms=_number(r"latency average = ([0-9.]+) ms", report),
        cpu_seconds=_cpu_of_children() - before,
    )


def _number(pattern: str, report: str) -> float:
    found = re.search(pattern, report)
    if found is None:
        raise PgbenchFailed(report)
    return float(found[1])


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
