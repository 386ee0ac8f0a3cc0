"""What must never leave the process in a log line: pretend numbers, keys and texts that the tests look for."""

from __future__ import annotations

from typing import Final

NUMBER: Final = "+15555550100"
BARE_NUMBER: Final = "5555550100"
"""The same as somebody in its country dials it: what is left of it if only the country's code is masked."""

KEY: Final = "mgw_live_0aB1cD2eF3gH"
KEY_SECRET: Final = "Zz0123456789abcdefghijklmnopqrstuvwxyz"
BODY: Final = "your code is kumquat"
HIDDEN: Final = "[hidden]"

CANARIES: Final = ("5550100", "kumquat", KEY, KEY_SECRET, "hunter2", "dXNlcjpwYXNz")
"""Of the number its end alone: a sign without width may stand before it."""

LOADED: Final = (
    f"{NUMBER} 15555550100 {KEY}_{KEY_SECRET} postgresql://gateway:hunter2@db/x Basic dXNlcjpwYXNz body='{BODY}'"
)
"""All canaries in one text."""
