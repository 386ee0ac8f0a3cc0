"""The phone benchmark at its smallest size: it runs to its end, and its last line can be read."""

from __future__ import annotations

import re

import pytest

from tests.bench import phone


def test_the_cost_of_a_recipient_is_measured_beside_phonenumbers(capsys: pytest.CaptureFixture[str]) -> None:
    phone.main(["--rounds", "1", "--numbers", "2", "--calling-codes", "3", "--markdown"])
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"phone_us [0-9.]+ phone_ratio [0-9.]+", lines[-1])
    assert [line.split(" | ")[0] for line in lines[2:5]] == ["| US", "| CA", "| VI"]
