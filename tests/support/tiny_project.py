"""A project of one command, in which `python3 -m app` makes real environments within seconds."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app import __main__ as entry

ENTRY: Final = Path(entry.__file__)
BASE_PYTHON: Final = str(Path(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info)))

PYPROJECT: Final = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "tiny"
version = "1.0"
"""

_BACKEND = '''
"""The smallest editable install: a wheel with a path and a command. Each build adds a line to builds.log."""
import zipfile
from pathlib import Path

WHEEL = "tiny-1.0-py3-none-any.whl"
INFO = "tiny-1.0.dist-info"


def build_editable(directory, config_settings=None, metadata_directory=None):
    with Path("builds.log").open("a") as log:
        log.write("built\\n")
    with zipfile.ZipFile(Path(directory, WHEEL), "w") as wheel:
        wheel.writestr("tiny.pth", str(Path.cwd()) + "\\n")
        wheel.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{INFO}/entry_points.txt", "[console_scripts]\\ngateway = app.cli:run\\n")
        wheel.writestr(f"{INFO}/RECORD", "")
    return WHEEL
'''

_CLI = """
import json, os, sys
def run():
    print(json.dumps({"prefix": sys.prefix, "arguments": sys.argv[1:], "directory": os.getcwd(),
                      "process": os.getpid(), "kept": os.environ.get("KEPT")}))
    return 7
"""

# The smallest uv: an environment without pip, no package, and the project; the lock ends as UV_EXIT_CODE says.
_UV = rf"""#!/bin/sh
for last; do :; done
case "$*" in
  venv\ *) exec "{BASE_PYTHON}" -m venv --without-pip "$last" ;;
  pip\ install\ *\ -r\ *) exit "${{UV_EXIT_CODE:-0}}" ;;
  pip\ install\ *\ -e\ *) pwd > "$(echo .venv/lib/python*/site-packages)/tiny.pth"; echo built >> builds.log ;;
esac
"""

EMPTY_LOCK: Final = "# nothing is needed\n"
UNKNOWN_PACKAGE: Final = f"no-such-package-anywhere==1.0 --hash=sha256:{'0' * 64}\n"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run of the entry ended."""

    process: int
    code: int
    seen: dict[str, Any]
    """What the project's command saw; empty if it was not reached."""

    said: str
    """What was said on the terminal."""


def tiny_project(root: Path) -> Path:
    """Make the project in a new directory, with a lock that asks for nothing and no environment."""
    (root / "app").mkdir(parents=True)
    shutil.copy(ENTRY, root / "app" / "__main__.py")
    (root / "app" / "__init__.py").touch()
    (root / "app" / "cli.py").write_text(_CLI)
    (root / "backend.py").write_text(_BACKEND)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "requirements.lock").write_text(EMPTY_LOCK)
    (root / "programs").mkdir()
    return root


def install_uv(root: Path) -> None:
    """Have a stand-in for uv on the path of whatever begins from now on."""
    (root / "programs" / "uv").write_text(_UV)
    (root / "programs" / "uv").chmod(0o755)


def begin(root: Path, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
    """Run the entry with the system's Python, without an index and with the project's programs alone on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "GATEWAY_"))}
    given = {"PATH": str(root / "programs"), "PIP_RETRIES": "0", "PIP_INDEX_URL": _unreachable(), "KEPT": "yes"}
    return subprocess.Popen(  # noqa: S603 - the base Python and our own file
        [BASE_PYTHON, *(arguments or ("-m", "app", "dev", "--once"))],
        cwd=cwd or root,
        env=kept | given | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> Ended:
    """Wait for a run's end, two minutes at the most."""
    out, said = process.communicate(timeout=120)
    return Ended(process=process.pid, code=process.returncode, seen=json.loads(out) if out else {}, said=said)


def builds(root: Path) -> int:
    """How often the project was installed."""
    return len((root / "builds.log").read_text().splitlines())


def _unreachable() -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}/simple"
