"""Data directories for the embedded servers: one that all tests share, and copies of it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded.data import running_server
from tests.embedded.servers import start


@pytest.fixture(scope="session")
def initialised() -> list[Path]:
    """The directory whose server has started and stopped well: initdb is the slow part, so the tests share one."""
    return []


@pytest.fixture
def directory(initialised: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with data that some earlier run has left."""
    if not initialised:
        initialised.append(tmp_path_factory.mktemp("initialised") / "postgres")
        start(initialised[0]).stop()
    yield initialised[0]
    left = running_server(initialised[0] / "data")
    if left is not None and left.process_id is not None:  # the test failed: the next one begins with another directory
        os.kill(left.process_id, signal.SIGKILL)
        initialised.clear()


@pytest.fixture
def copied_directory(directory: Path, tmp_path: Path) -> Path:
    """The like of `directory`, for one test alone."""
    return Path(shutil.copytree(directory, tmp_path / "copied"))
