"""`python3 -m app <command>`: makes the locked environment in .venv once, then hands over to app.cli inside it.

Standard library only, and no syntax newer than Python 3.8, so that an old Python can print what it lacks.
`GATEWAY_NO_BOOTSTRAP=1` runs in the Python at hand (container images, environments of one's own).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Mapping, NamedTuple, NoReturn, Sequence  # noqa: UP035 - Python 3.8 subscripts only these

if sys.platform != "win32":
    import fcntl

OLDEST_PYTHON = (3, 11)
MARKER = ".gateway-environment"
"""In .venv: who holds it locked is making the environment; its content is what the finished one was made from."""

TAIL_LINES = 20
UNWANTED = (
    "PYTHONHOME",
    "PYTHONPATH",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "UV_SYSTEM_PYTHON",
    "UV_TARGET",
    "UV_PREFIX",
)
"""Variables that would install elsewhere than into .venv, or take packages from elsewhere for installed."""

NETWORK = "Check the network and, behind a proxy, HTTPS_PROXY; for an index of your own PIP_INDEX_URL (UV_INDEX_URL)."
NETWORK_WORDS = (
    "connection, error sending request, name resolution, to resolve, timed out, proxy, certificate, dns error"
)
ADVICE = (
    ("no space left", "The disk is full: about 500 MB are needed."),
    ("do not match the hashes, hash mismatch", "The package index has other files than requirements.lock names."),
    ("ensurepip is not available", "Install Python's venv support: apt install python3-venv"),
    (NETWORK_WORDS, NETWORK),
    ("permission denied, read-only", "The repository's directory must be writable by you."),
)
"""What to do, by words of what was said, in lower case; the first row that matches counts."""

OTHER_ADVICE = (
    NETWORK + " Check the disk's space (about 500 MB). Or make an environment of your own from requirements.lock and "
    "run there with GATEWAY_NO_BOOTSTRAP=1."
)


class Refusal(Exception):
    """There is no environment to run in; the text says why and what to do."""


class Installer(NamedTuple):
    """The commands that make an environment, in order, and how to announce them."""

    name: str
    duration: str
    commands: Sequence[Sequence[str]]


def main(arguments: Sequence[str]) -> int:
    """Hand over to `app.cli.run`, in this process or, through exec, in the one of .venv."""
    root = Path(__file__).resolve().parent.parent
    problem = unsupported(sys.version_info[:2], sys.platform)
    if problem:
        return tell(problem)
    if runs_here(root, os.environ, sys.prefix):
        try:
            sys.exit(importlib.import_module("app.cli").run())
        except KeyboardInterrupt:
            return tell("Stopped.", code=130)
    try:
        python = environment(root)
    except Refusal as refusal:
        return tell(str(refusal))
    except OSError as error:
        return tell("The environment in {} cannot be made: {}.\n{}".format(root / ".venv", error, advice(str(error))))
    except KeyboardInterrupt:
        return tell("Stopped. The next run starts over.", code=130)
    return hand_over(python, arguments)


def hand_over(python: Path, arguments: Sequence[str]) -> NoReturn:
    """Become the environment's Python, with our process id, working directory and variables."""
    # -P: an `app` directory below the caller's own working directory is not ours
    command = [str(python), "-P", "-m", "app", *arguments]
    os.execve(command[0], command, without(os.environ, "PYTHONHOME"))  # noqa: S606 - no shell is wanted


def unsupported(version: Sequence[int], system: str) -> str | None:
    """The sentence for a Python or a system that cannot run the gateway, or None."""
    if system == "win32":
        return "Messaging Gateway runs on Linux and macOS. On Windows, run it in WSL."
    if tuple(version) < OLDEST_PYTHON:
        return (
            "Messaging Gateway needs Python 3.11 or newer; {} is Python {}.{}. "
            "Install a newer one and run, for example: python3.11 -m app".format(sys.executable, *version)
        )
    return None


def runs_here(root: Path, variables: Mapping[str, str], prefix: str) -> bool:
    """Whether this Python is the one to run in: told so, inside our .venv, or not in a checkout at all."""
    return (
        variables.get("GATEWAY_NO_BOOTSTRAP") == "1"
        or Path(prefix).resolve() == (root / ".venv").resolve()
        or not (root / "requirements.lock").exists()
    )


def environment(root: Path) -> Path:
    """The Python of the finished environment, which is made first where it is missing, half made or out of date.

    Raises:
        Refusal: it cannot be made, or .venv is somebody else's.
    """
    venv = root / ".venv"
    python = venv / "bin" / "python"
    wanted = fingerprint(root, platform.python_version())
    if python.exists() and content(venv / MARKER) == wanted:
        return python
    if (venv / "pyvenv.cfg").exists() and not (venv / MARKER).exists():
        raise Refusal(
            f"{venv} was not made by this command, so it is left alone. Run with GATEWAY_NO_BOOTSTRAP=1 inside it, "
            "or move it away."
        )
    venv.mkdir(exist_ok=True)
    with (venv / MARKER).open("a+", encoding="ascii") as marker:
        wait_for_turn(marker)
        marker.seek(0)
        if python.exists() and marker.read() == wanted:
            return python  # somebody else has just made it
        marker.truncate(0)
        empty(venv)
        install(root, installer(root, find_uv()))
        marker.write(wanted)
    return python


def fingerprint(root: Path, version: str) -> str:
    """What an environment is made from: the lock, the project, the Python, and the place, which scripts contain."""
    parts = [(root / name).read_bytes() for name in ("requirements.lock", "pyproject.toml")]
    parts += [version.encode(), os.fsencode(root)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def installer(root: Path, uv: str | None) -> Installer:
    """The commands to make .venv: uv's if there is one, else venv's and pip's."""
    lock, venv = str(root / "requirements.lock"), str(root / ".venv")
    python = str(root / ".venv" / "bin" / "python")
    if uv:
        install_command = [uv, "pip", "install", "--quiet", "--python", python]
        return Installer(
            "uv",
            "a few seconds",
            (
                (uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, venv),
                (*install_command, "--require-hashes", "-r", lock),
                (*install_command, "--no-deps", "--no-build-isolation", "-e", str(root)),
            ),
        )
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--no-user", "--disable-pip-version-check"]
    return Installer(
        "pip",
        "about half a minute",
        (
            (sys.executable, "-m", "venv", venv),
            (*pip, "--require-hashes", "-r", lock),
            (*pip, "--no-deps", "--no-build-isolation", "--no-index", "-e", str(root)),
        ),
    )


def find_uv() -> str | None:
    """The path of uv; without one there must be ensurepip, which Debian packages apart."""
    uv = shutil.which("uv")
    if uv is None and importlib.util.find_spec("ensurepip") is None:
        raise Refusal(
            f"{sys.executable} has no ensurepip, which makes environments. On Debian and Ubuntu: "
            "apt install python3-venv. Or install uv."
        )
    return uv


def install(root: Path, chosen: Installer) -> None:
    """Run the installer's commands without a prompt, with one line to the terminal.

    Raises:
        Refusal: one failed, with the end of its output and what to do.
    """
    tell(f"Making the environment in .venv with {chosen.name}: once, takes {chosen.duration} ...")
    for command in chosen.commands:
        done = subprocess.run(  # noqa: S603 - fixed programs and paths of this repository
            command,
            cwd=str(root),
            env=dict(without(os.environ, *UNWANTED), PYTHONNOUSERSITE="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise Refusal(failure(command, done.returncode, done.stdout))


def failure(command: Sequence[str], code: int, output: str) -> str:
    """What failed, the end of what it said, and what to do."""
    tail = "\n".join(output.strip().splitlines()[-TAIL_LINES:])
    return "{}\n\nThe environment was not made: `{}` ended with code {}.\n{}".format(
        tail, " ".join(command), code, advice(output)
    )


def advice(output: str) -> str:
    """What to do about an installer that said `output`."""
    said = output.lower()
    return next((what for words, what in ADVICE if any(word in said for word in words.split(", "))), OTHER_ADVICE)


def empty(venv: Path) -> None:
    """Remove all of a half-made or outdated environment but its marker, which holds our turn."""
    for path in venv.iterdir():
        if path.name == MARKER:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(str(path))
        else:
            path.unlink()


def wait_for_turn(marker: IO[str]) -> None:
    """Lock the marker until it is closed, or our process ends."""
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        tell("Waiting for another process that is making the environment ...")
        fcntl.flock(marker, fcntl.LOCK_EX)


def content(marker: Path) -> str:
    """What the marker says, or nothing where there is none."""
    return marker.read_text(encoding="ascii") if marker.exists() else ""


def without(variables: Mapping[str, str], *names: str) -> dict[str, str]:
    """A copy of the environment variables without some."""
    return {name: value for name, value in variables.items() if name not in names}


def tell(text: str, code: int = 1) -> int:
    """Say something to whoever started us; gives back an exit code."""
    print(text, file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
