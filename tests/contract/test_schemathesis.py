"""The running API against its own description: whatever the description allows or forbids, as Schemathesis asks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import FULL
from tests.support.gateway import Tenant
from tests.support.processes import Fleet, environment

SCHEMATHESIS: Final = Path(sys.executable).with_name("schemathesis")
CONFIGURATION: Final = Path(__file__).with_name("schemathesis.toml")
SIZE: Final = ("--max-time", "60") if FULL else ("--max-examples", "4", "--generation-deterministic")
"""In full, fuzzing and stateful testing go on until the seconds are over, with another seed each time."""

PHASES: Final = ("Examples", "Coverage", "Fuzzing", "Stateful")


@pytest.mark.contract
@pytest.mark.smoke
def test_the_api_does_what_its_description_says_and_nothing_else(fleet: Fleet, shop: Tenant, tmp_path: Path) -> None:
    told = {"GATEWAY_CONTRACT_KEY_ID": shop.test.user, "GATEWAY_CONTRACT_KEY_SECRET": shop.test.secret}
    done = subprocess.run(  # noqa: S603 - the tool of this environment, over our own API
        [
            SCHEMATHESIS,
            f"--config-file={CONFIGURATION}",
            "run",
            f"{fleet.api_url}/openapi.json",
            "--no-color",
            *SIZE,
        ],
        cwd=tmp_path,
        env=environment(**told),
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for phase in PHASES:
        assert f"✅ {phase}" in done.stdout, done.stdout
