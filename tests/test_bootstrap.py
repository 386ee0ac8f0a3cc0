"""`python3 -m app`: its decisions as values, and real environments made for a tiny project from a tiny lock."""

from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import __main__ as entry

BASE_PYTHON = str(Path(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info)))
ENTRY = Path(entry.__file__)

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "tiny"
version = "1.0"
"""

BACKEND = '''
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

CLI = """
import json, os, sys
def run():
    print(json.dumps({"prefix": sys.prefix, "arguments": sys.argv[1:], "directory": os.getcwd(),
                      "process": os.getpid(), "kept": os.environ.get("KEPT")}))
    return 7
"""

EMPTY_LOCK = "# nothing is needed\n"
UNKNOWN_PACKAGE = f"no-such-package-anywhere==1.0 --hash=sha256:{'0' * 64}\n"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run of the tiny project's entry ended."""

    process: int
    code: int
    seen: dict[str, Any]
    """What the tiny command saw; empty if it was not reached."""

    said: str
    """What was said on the terminal."""


def tiny_project(root: Path) -> Path:
    (root / "app").mkdir(parents=True)
    shutil.copy(ENTRY, root / "app" / "__main__.py")
    (root / "app" / "__init__.py").touch()
    (root / "app" / "cli.py").write_text(CLI)
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "requirements.lock").write_text(EMPTY_LOCK)
    (root / "no-programs").mkdir()
    return root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The tiny project, without an environment."""
    return tiny_project(tmp_path / "project")


def begin(root: Path, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
    """Run the tiny project's entry with the system's Python, without uv and without an index."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "GATEWAY_"))}
    given = {"PATH": str(root / "no-programs"), "PIP_RETRIES": "0", "PIP_INDEX_URL": unreachable(), "KEPT": "yes"}
    return subprocess.Popen(  # noqa: S603 - the base Python and our own file
        [BASE_PYTHON, *(arguments or ("-m", "app", "dev", "--once"))],
        cwd=cwd or root,
        env=kept | given | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> Ended:
    out, said = process.communicate(timeout=120)
    return Ended(process=process.pid, code=process.returncode, seen=json.loads(out) if out else {}, said=said)


def unreachable() -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}/simple"


def builds(root: Path) -> int:
    return len((root / "builds.log").read_text().splitlines())


# Real environments


@pytest.fixture(scope="module")
def first_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Ended]]:
    """A project after two first runs at once: making an environment is the slow part, so the tests share one."""
    root = tiny_project(tmp_path_factory.mktemp("made") / "project")
    return root, [finish(process) for process in [begin(root), begin(root)]]


def test_two_first_runs_at_once_make_one_environment(first_runs: tuple[Path, list[Ended]]) -> None:
    root, ended = first_runs
    assert sorted(run.said for run in ended) == [
        "Making the environment in .venv with pip: once, takes about half a minute ...\n",
        "Waiting for another process that is making the environment ...\n",
    ]
    for run in ended:
        assert run.code == 7
        assert run.seen == {
            "prefix": str(root / ".venv"),
            "arguments": ["dev", "--once"],
            "directory": str(root),
            "process": run.process,
            "kept": "yes",
        }
    assert (root / ".venv" / "bin" / "gateway").exists()


def test_a_finished_environment_is_used_as_it_is_from_any_directory(
    first_runs: tuple[Path, list[Ended]], tmp_path: Path
) -> None:
    root, _ = first_runs
    made = builds(root)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text("raise SystemExit('another app')")
    run = finish(begin(root, str(root / "app" / "__main__.py"), "status", cwd=tmp_path))
    assert (run.code, run.said) == (7, "")
    assert (run.seen["arguments"], run.seen["directory"]) == (["status"], str(tmp_path))
    assert builds(root) == made


def test_a_changed_lock_makes_the_environment_anew_and_after_a_failed_install_the_next_run_starts_over(
    first_runs: tuple[Path, list[Ended]],
) -> None:
    root, _ = first_runs
    made = builds(root)
    (root / ".venv" / "left-over").touch()
    (root / "requirements.lock").write_text(UNKNOWN_PACKAGE)
    failed = finish(begin(root))
    assert (failed.code, failed.seen) == (1, {})
    assert "no-such-package-anywhere" in failed.said
    assert "Check the network and, behind a proxy, HTTPS_PROXY" in failed.said
    assert "Traceback" not in failed.said
    assert not (root / ".venv" / "left-over").exists()
    assert builds(root) == made

    (root / "requirements.lock").write_text("# nothing is needed yet\n")
    over = finish(begin(root, PIP_USER="1", PYTHONPATH=str(root / "no-programs")))
    assert over.said.startswith("Making the environment in .venv")
    assert (over.code, over.seen["prefix"], builds(root)) == (7, str(root / ".venv"), made + 1)


def test_without_bootstrap_the_python_at_hand_runs_the_command(project: Path) -> None:
    run = finish(begin(project, GATEWAY_NO_BOOTSTRAP="1"))
    assert (run.code, run.seen["arguments"], run.said) == (7, ["dev", "--once"], "")
    assert not (project / ".venv").exists()


def test_an_environment_that_somebody_else_made_is_left_alone(project: Path) -> None:
    (project / ".venv").mkdir()
    (project / ".venv" / "pyvenv.cfg").write_text("home = /opt/mine\n")
    run = finish(begin(project))
    assert run.code == 1
    assert "was not made by this command, so it is left alone" in run.said
    assert [path.name for path in (project / ".venv").iterdir()] == ["pyvenv.cfg"]


def test_a_repository_that_cannot_be_written_is_told_without_a_traceback(project: Path) -> None:
    (project / ".venv").write_text("in the way")
    run = finish(begin(project))
    assert run.code == 1
    assert "cannot be made" in run.said
    assert "Traceback" not in run.said


# Decisions


def test_the_entry_parses_on_python_3_8() -> None:
    for path in (ENTRY, ENTRY.with_name("__init__.py")):
        ast.parse(path.read_text(), feature_version=(3, 8))


@pytest.mark.parametrize(
    ("version", "system", "expected"),
    [
        ((3, 8), "linux", "needs Python 3.11 or newer"),
        ((3, 10), "darwin", "is Python 3.10."),
        ((3, 11), "linux", None),
        ((3, 14), "darwin", None),
        ((4, 0), "linux", None),
        ((3, 14), "win32", "run it in WSL"),
    ],
)
def test_old_pythons_and_windows_are_told_what_to_do(
    version: tuple[int, int], system: str, expected: str | None
) -> None:
    problem = entry.unsupported(version, system)
    assert problem is None if expected is None else expected in (problem or "")


def test_the_python_at_hand_is_kept_inside_our_environment_when_told_so_and_outside_of_a_checkout(
    project: Path,
) -> None:
    assert not entry.runs_here(project, {}, "/usr")
    assert not entry.runs_here(project, {"GATEWAY_NO_BOOTSTRAP": "0"}, "/usr")
    assert entry.runs_here(project, {"GATEWAY_NO_BOOTSTRAP": "1"}, "/usr")
    assert entry.runs_here(project, {}, str(project / ".venv"))
    (project / "requirements.lock").unlink()
    assert entry.runs_here(project, {}, "/usr")


def test_a_fingerprint_changes_with_lock_project_python_and_place(project: Path) -> None:
    seen = {entry.fingerprint(project, "3.11.7"), entry.fingerprint(project, "3.11.8")}
    (project / "pyproject.toml").write_text(PYPROJECT + "# more\n")
    seen.add(entry.fingerprint(project, "3.11.7"))
    (project / "requirements.lock").write_text(UNKNOWN_PACKAGE)
    seen.add(entry.fingerprint(project, "3.11.7"))
    moved = project.rename(project.with_name("moved"))
    seen.add(entry.fingerprint(moved, "3.11.7"))
    assert len(seen) == 5
    assert entry.fingerprint(moved, "3.11.7") in seen


def test_pip_installs_the_lock_by_its_hashes_then_the_project_alone() -> None:
    chosen = entry.installer(Path("/repository"), None)
    python = "/repository/.venv/bin/python"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--no-user", "--disable-pip-version-check"]
    assert (chosen.name, [list(command) for command in chosen.commands]) == (
        "pip",
        [
            [sys.executable, "-m", "venv", "/repository/.venv"],
            [*pip, "--require-hashes", "-r", "/repository/requirements.lock"],
            [*pip, "--no-deps", "--no-build-isolation", "--no-index", "-e", "/repository"],
        ],
    )


def test_uv_is_preferred_and_installs_the_same() -> None:
    chosen = entry.installer(Path("/repository"), "/usr/bin/uv")
    install = ["/usr/bin/uv", "pip", "install", "--quiet", "--python", "/repository/.venv/bin/python"]
    assert (chosen.name, [list(command) for command in chosen.commands]) == (
        "uv",
        [
            ["/usr/bin/uv", "venv", "--quiet", "--allow-existing", "--python", sys.executable, "/repository/.venv"],
            [*install, "--require-hashes", "-r", "/repository/requirements.lock"],
            [*install, "--no-deps", "--no-build-isolation", "-e", "/repository"],
        ],
    )


def test_uv_is_taken_from_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert entry.find_uv() is None
    (tmp_path / "uv").touch(mode=0o755)
    assert entry.find_uv() == str(tmp_path / "uv")


def test_a_python_without_ensurepip_is_told_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "ensurepip", raising=False)
    with pytest.raises(entry.Refusal, match="apt install python3-venv"):
        entry.find_uv()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "other files than"),
        ("error: Hash mismatch for `httpx==0.28.1`", "other files than"),
        ("NewConnectionError('Connection refused')\nERROR: No matching distribution found", "Check the network"),
        ("[Errno -3] Temporary failure in name resolution", "Check the network"),
        ("error: Failed to fetch\n  Caused by: error sending request for url", "Check the network"),
        ("ProxyError('Cannot connect to proxy.')", "HTTPS_PROXY"),
        ("not created successfully because ensurepip is not available", "apt install python3-venv"),
        ("PermissionError: [Errno 13] Permission denied", "writable by you"),
        ("something never seen", "GATEWAY_NO_BOOTSTRAP=1"),
    ],
)
def test_advice_follows_what_the_installer_said(output: str, expected: str) -> None:
    assert expected in entry.advice(output)


def test_a_failure_shows_the_last_twenty_lines_and_the_command() -> None:
    said = entry.failure(["pip", "install"], 2, "\n".join(f"line {number}" for number in range(1, 31)))
    assert said.startswith("line 11\n")
    assert "line 30\n\nThe environment was not made: `pip install` ended with code 2.\n" in said
