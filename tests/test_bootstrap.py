"""`python3 -m app`: its decisions as values, and real environments made for a tiny project from a tiny lock."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import __main__ as entry
from tests.support.tiny_project import (
    EMPTY_LOCK,
    ENTRY,
    PYPROJECT,
    UNKNOWN_PACKAGE,
    Ended,
    begin,
    builds,
    finish,
    install_uv,
    tiny_project,
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The tiny project, without an environment."""
    return tiny_project(tmp_path / "project")


# Real environments


@dataclass(frozen=True, kw_only=True)
class FirstRuns:
    """The first runs of one project: making an environment is the slow part, so the tests share what was seen."""

    root: Path
    failed: Ended
    """Of a lock that cannot be installed."""

    at_once: list[Ended]
    """Of two that were begun together after that, with a lock that can be."""


@pytest.fixture(scope="module")
def first_runs(tmp_path_factory: pytest.TempPathFactory) -> FirstRuns:
    root = tiny_project(tmp_path_factory.mktemp("first-runs") / "project")
    (root / "requirements.lock").write_text(UNKNOWN_PACKAGE)
    failed = finish(begin(root))
    (root / "requirements.lock").write_text(EMPTY_LOCK)
    processes = [begin(root, PIP_USER="1", PYTHONPATH=str(root / "programs")) for _ in range(2)]
    return FirstRuns(root=root, failed=failed, at_once=[finish(process) for process in processes])


@pytest.mark.soak
def test_a_failed_install_ends_with_advice(first_runs: FirstRuns) -> None:
    failed = first_runs.failed
    assert (failed.code, failed.seen) == (1, {})
    assert "no-such-package-anywhere" in failed.said
    assert "Check the network and, behind a proxy, HTTPS_PROXY" in failed.said
    assert "Traceback" not in failed.said


@pytest.mark.soak
def test_after_a_failed_install_two_runs_at_once_start_over_and_make_one_environment(first_runs: FirstRuns) -> None:
    assert sorted(run.said for run in first_runs.at_once) == [
        "Making the environment in .venv with pip: once, takes about half a minute ...\n",
        "Waiting for another process that is making the environment ...\n",
    ]
    for run in first_runs.at_once:
        assert run.code == 7
        assert run.seen == {
            "prefix": str(first_runs.root / ".venv"),
            "arguments": ["dev", "--once"],
            "directory": str(first_runs.root),
            "process": run.process,
            "kept": "yes",
        }


@pytest.mark.soak
def test_a_finished_environment_is_used_from_anywhere_until_the_lock_changes(
    first_runs: FirstRuns, tmp_path: Path
) -> None:
    root = first_runs.root
    assert (root / ".venv" / "bin" / "gateway").exists()
    assert builds(root) == 1
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text("raise SystemExit('another app')")
    used = finish(begin(root, str(root / "app" / "__main__.py"), "status", cwd=tmp_path))
    assert (used.code, used.said) == (7, "")
    assert (used.seen["arguments"], used.seen["directory"]) == (["status"], str(tmp_path))
    assert builds(root) == 1

    install_uv(root)
    (root / ".venv" / "left-over").touch()
    (root / "requirements.lock").write_text("# a change that cannot be installed\n")
    failed = finish(begin(root, UV_EXIT_CODE="3"))
    assert (failed.code, failed.seen) == (1, {})
    assert "requirements.lock` ended with code 3.\n" in failed.said
    assert not (root / ".venv" / "left-over").exists()

    (root / "requirements.lock").write_text(EMPTY_LOCK)  # what was made from it before is gone
    anew = finish(begin(root))
    assert anew.said == "Making the environment in .venv with uv: once, takes a few seconds ...\n"
    assert (anew.code, anew.seen["prefix"], builds(root)) == (7, str(root / ".venv"), 2)


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
