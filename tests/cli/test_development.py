"""`gateway dev` where it does not come to its welcome, and where its demo does not end as it must."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from app.cli.development import Interrupts
from tests.conftest import FULL
from tests.support.development import Development, commands, family, survivors


@pytest.mark.skipif(sys.platform != "linux", reason="who is left behind is read from /proc")
def test_ctrl_c_during_the_start_stops_everything_with_exit_code_0(tmp_path: Path) -> None:
    with Development(tmp_path / "data", "--port", "0", "--sandbox-port", "0", log=tmp_path / "dev.log") as dev:
        dev.wait_for("starting sandbox, API and worker")
        members = family(dev.process.pid)
        assert "postgres" in commands(members)
        assert dev.interrupt() == 0
        assert survivors(members, within_seconds=30) == set()
        assert "Traceback" not in dev.process.output()


class Finalised:
    """Is interrupted where Python drops what is raised."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # which is the point
def test_an_interrupt_that_python_drops_is_remembered() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    interrupts = Interrupts()
    interrupts.listen()
    try:
        interrupts.raise_dropped()
        finalised = Finalised()
        del finalised
        with pytest.raises(KeyboardInterrupt):
            interrupts.raise_dropped()
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def test_a_variable_that_is_no_setting_stops_the_start_and_is_named(tmp_path: Path) -> None:
    with Development(tmp_path / "data", log=tmp_path / "dev.log", GATEWAY_DISPACH__CONCURRENCY="4") as dev:
        assert dev.process.wait(60) == 1
        assert "GATEWAY_DISPACH__CONCURRENCY" in dev.process.output()
        assert len(dev.process.output().splitlines()) == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.soak
@pytest.mark.skipif(not FULL, reason="it waits a minute for outcomes that stay open")
def test_a_demo_whose_outcomes_stay_open_exits_non_zero(tmp_path: Path) -> None:
    patience = {"GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "600"}
    with Development(tmp_path / "data", "--once", log=tmp_path / "dev.log", **patience) as dev:
        assert dev.process.wait(180) == 1
        assert "EXPECTED unconfirmed" in dev.process.output()
