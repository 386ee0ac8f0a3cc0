"""Where the repository is, and which files belong to it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


def files_of_the_repository() -> list[str]:
    """Every file that is or would be committed, as a path from the top.

    Outside a git checkout it is every file that is no byte code and in no directory whose name begins with a dot.
    """
    return _listed_by_git() or sorted(_lying_about())


def _listed_by_git() -> list[str]:
    git = shutil.which("git")
    if git is None:
        return []
    done = subprocess.run(  # noqa: S603 - a command without foreign input
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # What is listed and no longer there was removed without a commit so far.
    return [path for path in done.stdout.split("\0") if path and (ROOT / path).is_file()]


def _lying_about() -> Iterator[str]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        yield from (Path(folder, name).relative_to(ROOT).as_posix() for name in names)
