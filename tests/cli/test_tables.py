"""Tables on the terminal: what identifies a row is never cut."""

from __future__ import annotations

import pytest

from app.cli import tables

ROW = (
    "mgw_test_0123456789AB",
    "messages:read messages:write",
    "made for the nightly run",
    "2026-11-22 12:00Z",
    "x" * 40,
)


@pytest.mark.parametrize("columns", ["60", "80", "400"])
def test_the_first_column_is_whole_however_narrow_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    tables.print_table(("key", "scopes", "note", "created", "rest"), [ROW])
    shown = capsys.readouterr().out
    assert ROW[0] in shown
    assert "…" not in shown
