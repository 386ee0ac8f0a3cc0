"""Nothing that is logged can break its line, colour it, or pass for another."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import telemetry
from tests.telemetry.output import Lines
from tests.telemetry.routes import refuse

INJECTED = 'a\r\n{"level":"info","event":"forged"}\n\x1b[31mred\x1b[0m\x00\x9b31m\u2028b'

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(event=st.text(), fields=st.dictionaries(st.text(min_size=1), ANYTHING, max_size=3))
def test_whatever_is_logged_gives_one_line(lines: Lines, as_json: bool, event: str, fields: dict[str, object]) -> None:
    telemetry.configure(json=as_json, component="api")
    telemetry.get_logger("app").info(event.replace("%", "%%"), seen=fields)
    (line,) = lines()
    if as_json:
        assert json.loads(line)["component"] == "api"


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
def test_nothing_that_is_logged_breaks_or_colours_its_line(lines: Lines, as_json: bool) -> None:
    telemetry.configure(json=as_json, component="api")
    telemetry.get_logger("app").info(INJECTED, seen=INJECTED, nested=[{INJECTED: INJECTED}])
    logging.getLogger(INJECTED).info("%s", INJECTED)
    written = lines()
    assert len(written) == 2
    for line in written:
        assert "\x1b[31mred" not in line
        assert not set(line) & {"\r", "\x00", "\x9b", "\u2028"}


def test_a_traceback_on_the_console_stays_behind_its_margin(lines: Lines) -> None:
    telemetry.configure(json=False, component="api")
    try:
        refuse(INJECTED)
    except ValueError:
        telemetry.get_logger("app").exception("failed")
    first, *rest = lines()
    assert "failed" in first
    assert rest
    assert [line for line in rest if not line.startswith("    | ")] == []
    assert "\x1b" not in "".join(rest)
