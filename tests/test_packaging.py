"""What is shipped beside the code: the image, the compose file, the lock, the licence and the layout of the repository.

No Docker engine is needed; what an image does when it runs is not proved here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from app.settings import OF_THE_PROCESS, described_settings
from tests.support.repository import ROOT, files_of_the_repository

SCRIPTS: Final = Path(sysconfig.get_path("scripts"))

TOP_LEVEL: Final = {
    "Dockerfile",
    "LICENSE",
    "README.md",
    "alembic.ini",
    "app",
    "docker-compose.yml",
    "migrations",
    "pyproject.toml",
    "requirements.lock",
    "tests",
}
"""Everything at the top but dot-files: a new name there is a decision, not an accident."""

GATEWAY_SERVICES: Final = ["api", "migrate", "sandbox", "worker"]
"""The services that run the gateway's own image, each under the command of its name."""

DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE_TEXT: Final = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: Final[dict[str, Any]] = YAML(typ="safe").load(COMPOSE_TEXT)
PYPROJECT_TEXT: Final = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PYPROJECT: Final = tomllib.loads(PYPROJECT_TEXT)
LOCK: Final = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def known_settings() -> set[str]:
    """The environment variables that the gateway reads; it refuses to start with any other of its prefix."""
    return {*OF_THE_PROCESS, *(variable for variable, _, _ in described_settings())}


def run(*command: str | Path, **environment: str) -> tuple[int, str]:
    """Run a command at the top of the repository: its exit code, and all it said."""
    done = subprocess.run(  # noqa: S603 - the commands are written out in this file
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def names_at_the_top() -> set[str]:
    """The names at the top of the repository, without dot-files."""
    tops = {path.split("/")[0] for path in files_of_the_repository()}
    return {name for name in tops if not name.startswith(".")}


def declared_requirements() -> list[str]:
    """Every requirement of pyproject.toml: at run time, of the extras, and of the groups."""
    project = PYPROJECT["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    groups = [line for lines in PYPROJECT["dependency-groups"].values() for line in lines]
    return [*project["dependencies"], *extras, *groups]


def locked_requirements() -> list[str]:
    """The entries of the lock, each with its hashes on one line."""
    joined = LOCK.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_the_top_level_holds_the_agreed_names_and_dot_files_alone() -> None:
    assert names_at_the_top() == TOP_LEVEL


def test_the_licence_is_apache_2() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    assert re.search(r"Apache License\s+Version 2\.0, January 2004", licence)
    assert "APPENDIX: How to apply the Apache License to your work." in licence


def test_the_dockerfile_passes_hadolint() -> None:
    assert run(SCRIPTS / "hadolint", "Dockerfile") == (0, "")


def test_the_compose_file_meets_the_schema_of_the_compose_specification() -> None:
    code, said = run(SCRIPTS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    assert code == 0, said


@pytest.mark.parametrize("text", [DOCKERFILE, COMPOSE_TEXT], ids=["Dockerfile", "docker-compose.yml"])
def test_only_settings_that_the_gateway_knows_are_set(text: str) -> None:
    named = set(re.findall(r"\bGATEWAY_[A-Z0-9_]+", text))
    assert named
    assert named - known_settings() == set()


def test_the_image_runs_the_api_as_an_unprivileged_user_and_stops_on_sigterm() -> None:
    last_stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    for instruction in (
        "USER 10001:10001",
        "STOPSIGNAL SIGTERM",
        'ENTRYPOINT ["gateway"]',
        'CMD ["api"]',
        "PYTHONDONTWRITEBYTECODE=1",
    ):
        assert instruction in last_stage


@contextmanager
def serving(livez: int) -> Iterator[int]:
    """An HTTP server whose `/livez` answers with a status, and everything else with 404: its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(livez if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def image_health(port: int) -> int:
    """The exit code of the image's own health check, told that the API listens on a port."""
    found = re.search(r"^HEALTHCHECK [^\[]*CMD (\[.*\])$", DOCKERFILE, flags=re.MULTILINE)
    assert found
    python, *arguments = json.loads(found[1])
    assert python == "python"
    return run(sys.executable, *arguments, GATEWAY_API__PORT=str(port))[0]


@pytest.mark.parametrize(("livez", "exit_code"), [(200, 0), (404, 1), (500, 1), (503, 1)])
def test_the_image_is_healthy_while_livez_answers_200(livez: int, exit_code: int) -> None:
    with serving(livez) as port:
        assert image_health(port) == exit_code


def test_the_image_is_unhealthy_when_nothing_listens() -> None:
    with serving(200) as port:
        pass
    assert image_health(port) == 1


def test_everything_that_the_image_copies_is_let_into_the_build() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE)
    copied = {name for line in copies for name in line.split()[:-1]}
    ignore_rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignore_rules[1] == "*"
    assert {rule.removeprefix("!") for rule in ignore_rules if rule.startswith("!")} == copied


def test_compose_runs_postgres_and_each_role_under_its_own_command() -> None:
    commands = {name: service.get("command") for name, service in COMPOSE["services"].items()}
    assert commands == {
        "postgres": None,
        "migrate": ["migrate"],
        "api": ["api"],
        "worker": ["worker"],
        "sandbox": ["sandbox"],
    }


def test_postgres_keeps_its_data_where_version_18_looks_for_it() -> None:
    postgres = COMPOSE["services"]["postgres"]
    assert postgres["image"] == "postgres:18"
    assert postgres["volumes"] == ["postgres:/var/lib/postgresql"]


@pytest.mark.parametrize("name", ["postgres", *GATEWAY_SERVICES])
def test_each_container_is_read_only_and_without_privileges(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service["tmpfs"]  # noqa: S108 - a mount point inside the container, no file of ours


@pytest.mark.parametrize("name", GATEWAY_SERVICES)
def test_each_role_gets_thirty_seconds_to_drain(name: str) -> None:
    assert COMPOSE["services"][name]["stop_grace_period"] == "30s"


@pytest.mark.parametrize("name", ["api", "sandbox", "worker"])
def test_the_roles_start_after_postgres_is_ready_and_the_schema_is_migrated(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["restart"] == "unless-stopped"
    assert service["depends_on"]["postgres"] == {"condition": "service_healthy"}
    assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_migrations_run_once() -> None:
    migrate = COMPOSE["services"]["migrate"]
    assert migrate["restart"] == "no"
    assert migrate["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_ports_are_published_on_the_loopback_address_alone() -> None:
    published = {name: service.get("ports", []) for name, service in COMPOSE["services"].items()}
    assert published == {
        "postgres": [],
        "migrate": [],
        "api": ["127.0.0.1:8080:8080"],
        "worker": [],
        "sandbox": ["127.0.0.1:8081:8081"],
    }


def test_a_secret_of_the_compose_file_has_no_default_and_says_what_is_wanted() -> None:
    substitutions = re.findall(r"\$\{(\w*(?:KEY|PASSWORD|SECRET)\w*)([^}]*)\}", COMPOSE_TEXT)
    assert {name for name, _ in substitutions} == {
        "GATEWAY_SECRET_KEY",
        "POSTGRES_PASSWORD",
    }
    assert [name for name, rest in substitutions if not re.match(r":\?\w+ \w+", rest)] == []


def test_the_script_of_all_checks_is_executable_and_valid_bash() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert run("bash", "-n", script) == (0, "")


def test_every_locked_requirement_is_one_version_with_hashes() -> None:
    wanted = re.compile(r"[a-z0-9._-]+==\S+(?: ; [^#]+?)?(?:\s+--hash=sha256:[0-9a-f]{64})+\s*")
    locked = locked_requirements()
    assert len(locked) > len(declared_requirements())
    assert [line[:60] for line in locked if not wanted.fullmatch(line)] == []


@pytest.mark.parametrize("trace", ["://", " @ ", "--index-url", "--extra-index-url", "--find-links", "--trusted-host"])
def test_the_lock_names_no_address_and_no_index(trace: str) -> None:
    assert [line[:60] for line in LOCK.splitlines() if trace in line] == []


def test_the_lock_satisfies_every_declared_requirement() -> None:
    locked = {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", LOCK, flags=re.MULTILINE)
    }
    wanted = [Requirement(line) for line in declared_requirements()]
    unmet = [
        str(requirement)
        for requirement in wanted
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert unmet == []


def test_every_dependency_says_what_it_is_for() -> None:
    explained = set(re.findall(r'"([^"]+)",?\s*\]? +# \S+ \S+', PYPROJECT_TEXT))
    assert [requirement for requirement in declared_requirements() if requirement not in explained] == []
