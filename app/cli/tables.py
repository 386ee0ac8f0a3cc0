"""Tables on the terminal; wide enough for a file or a pipe, where nobody can make the window larger."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

_WIDTH_OF_A_FILE: Final = 160


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their columns."""
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        # What identifies a row is needed whole, to be copied; the rest may fold.
        table.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE).print(table)
