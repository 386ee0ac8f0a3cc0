"""The one npm package that a document's example needs: installed once, into the repository's ignored cache."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import ROOT

_VERSION: Final = "1.21.1"
_PLACE: Final = ROOT / ".cache" / f"axios-{_VERSION}"
_INSTALL_SECONDS: Final = 40
_OPTIONS: Final = (
    "--no-package-lock",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--ignore-scripts",
    "--fetch-retries=0",
    "--fetch-timeout=15000",
)
_UNREACHABLE: Final = (
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTCACHED",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
)
"""What npm says where it gets no answer; anything else is a failure."""


def node_with_axios() -> tuple[str, Path]:
    """Give node's path and a directory in which `axios` can be imported; skips where there can be none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    if not _PLACE.exists():
        _install(npm)
    return node, _PLACE


def _install(npm: str) -> None:
    """Install beside the place and move it there whole, so that no run meets half of it."""
    _PLACE.parent.mkdir(exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="axios-", dir=_PLACE.parent))
    try:
        said = _npm(npm, fresh)
        if any(word in said for word in _UNREACHABLE):
            pytest.skip("the npm registry cannot be reached")
        assert (fresh / "node_modules" / "axios" / "package.json").is_file(), said
        if not _PLACE.exists():
            fresh.rename(_PLACE)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _npm(npm: str, directory: Path) -> str:
    """Run the install; give what it said, or the word for no answer."""
    command = [npm, "install", "--prefix", str(directory), *_OPTIONS, f"axios@{_VERSION}"]
    try:
        done = subprocess.run(  # noqa: S603 - npm with arguments of this file
            command, cwd=directory, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "ETIMEDOUT"
    return "" if done.returncode == 0 else done.stdout + done.stderr
