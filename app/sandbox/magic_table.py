"""The magic numbers as README.md shows them."""

from __future__ import annotations

from app.sandbox.magic import MAGIC_NUMBERS, MagicNumber


def magic_table() -> str:
    """Write the magic numbers as a Markdown table."""
    rows = [_row(magic) for magic in MAGIC_NUMBERS]
    return "\n".join(["| to | what happens | ends as | error_code | if nobody asks |", "|---|---|---|---|---|", *rows])


def _row(magic: MagicNumber) -> str:
    error = f"`{magic.error}`" if magic.error else ""
    unasked = "" if magic.unasked is magic.expected else f"`{magic.unasked}`"
    return f"| `{magic.number}` | {magic.happens} | `{magic.expected}` | {error} | {unasked} |"
