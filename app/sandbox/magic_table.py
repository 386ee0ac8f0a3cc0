"""The magic numbers as README.md shows them."""

from __future__ import annotations

from app.sandbox.magic import MAGIC_NUMBERS


def magic_table() -> str:
    """Write the magic numbers as a Markdown table."""
    rows = [
        f"| `{magic.number}` | {magic.happens} | `{magic.expected}` | {f'`{magic.error}`' if magic.error else ''} |"
        for magic in MAGIC_NUMBERS
    ]
    return "\n".join(["| to | what happens | ends as | error_code |", "|---|---|---|---|", *rows])
