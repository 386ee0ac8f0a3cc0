"""`gateway dev` where it does not come to its welcome, and where its demo does not end as it must."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
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


class HalfMade:
    """Breaks when it is finalised, as an event loop does that was cut in its constructor."""

    def __del__(self) -> None:
        warnings.warn("unclosed", ResourceWarning, stacklevel=1)
        raise AttributeError("_debug")


@contextmanager
def listening() -> Iterator[Interrupts]:
    before, hook = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)], sys.unraisablehook
    interrupts = Interrupts()
    with warnings.catch_warnings():
        interrupts.listen()
        try:
            yield interrupts
        finally:
            for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
                signal.signal(number, handler)
            sys.unraisablehook = hook


def test_an_interrupt_that_python_drops_is_remembered() -> None:
    with listening() as interrupts:
        interrupts.raise_dropped()
        finalised = Finalised()
        del finalised
        with pytest.raises(KeyboardInterrupt):
            interrupts.raise_dropped()


def test_what_an_interrupt_cut_in_half_is_torn_down_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    with listening():
        broken = HalfMade()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        del broken
    assert capfd.readouterr().err == ""


def test_what_breaks_without_an_interrupt_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with listening():
        warnings.simplefilter("ignore")
        broken = HalfMade()
        del broken
    assert "AttributeError: _debug" in capfd.readouterr().err


def test_a_variable_that_is_no_setting_stops_the_start_and_is_named(tmp_path: Path) -> None:
    with Development(tmp_path / "data", log=tmp_path / "dev.log", GATEWAY_DISPACH__CONCURRENCY="4") as dev:
        assert dev.process.wait(60) == 1
        assert "GATEWAY_DISPACH__CONCURRENCY" in dev.process.output()
        assert "Traceback" not in dev.process.output()
    assert not (tmp_path / "data").exists()


@pytest.mark.soak
@pytest.mark.skipif(not FULL, reason="it waits a minute for outcomes that stay open")
def test_a_demo_whose_outcomes_stay_open_exits_non_zero(tmp_path: Path) -> None:
    patience = {"GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "600"}
    with Development(tmp_path / "data", "--once", log=tmp_path / "dev.log", **patience) as dev:
        assert dev.process.wait(180) == 1
        assert "EXPECTED unconfirmed" in dev.process.output()


@pytest.mark.fault
@pytest.mark.skipif(sys.platform != "linux", reason="the postmaster is read from /proc")
def test_a_killed_postgres_comes_back_and_a_second_run_on_the_same_data_is_refused(tmp_path: Path) -> None:
    data, ports = tmp_path / "data", ("--port", "0", "--sandbox-port", "0")
    with Development(data, *ports, log=tmp_path / "dev.log") as dev:
        api_url = dev.welcome().api_url
        with Development(data, *ports, log=tmp_path / "second.log") as second:
            assert second.process.wait(60) == 1
            assert "gateway dev runs already on" in second.process.output()
        [postmaster] = [m for m in family(dev.process.pid) if m.parent == dev.process.pid and "postgres" in m.command]
        os.kill(postmaster.pid, signal.SIGKILL)
        dev.wait_for("Postgres has ended; it recovers and starts again.")
        deadline = time.monotonic() + 60
        while httpx.get(f"{api_url}/readyz", trust_env=False, timeout=10).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert dev.interrupt() == 0


@pytest.mark.soak
def test_a_demo_that_is_cut_off_has_not_succeeded(tmp_path: Path) -> None:
    with Development(tmp_path / "data", "--once", log=tmp_path / "dev.log") as dev:
        dev.wait_for("sending")
        assert dev.interrupt() == 130
