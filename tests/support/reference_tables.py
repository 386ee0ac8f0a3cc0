"""The tables that documents repeat from the code, written from the code."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from app.cli.schema import settings_table
from app.conformance import checks
from app.domain import status as status_module
from app.domain.delivery_errors import CATALOGUE
from app.domain.status import FINAL, MessageStatus
from app.sandbox.magic_table import magic_table


def status_table() -> str:
    """Write each status with the docstring below it."""
    sentences = _docstrings_below_members("MessageStatus")
    rows = [
        f"| `{status}` | {sentences[status.name]} | {'yes' if status in FINAL else ''} |" for status in MessageStatus
    ]
    return "\n".join(["| status | what it means | final |", "|---|---|---|", *rows])


def delivery_error_table() -> str:
    """Write the catalogue of delivery errors."""
    rows = [
        f"| `{error}` | {facts.fault} | {facts.explanation} | {facts.remedy} |" for error, facts in CATALOGUE.items()
    ]
    return "\n".join(["| error_code | whose doing | what it means | what to do |", "|---|---|---|---|", *rows])


def check_table() -> str:
    """Write the checks of the conformance kit."""
    rows = [f"| {check.name} | {inspect.getdoc(check.look)} |" for check in checks()]
    return "\n".join(["| check | what it asks |", "|---|---|", *rows])


WRITERS: Final[dict[tuple[str, str], Callable[[], str]]] = {
    ("README.md", "statuses"): status_table,
    ("README.md", "delivery errors"): delivery_error_table,
    ("README.md", "magic numbers"): magic_table,
    ("README.md", "settings"): settings_table,
    ("app/providers/README.md", "checks"): check_table,
}
"""What writes each generated section, by the document and the section's name."""


def _docstrings_below_members(class_name: str) -> dict[str, str]:
    tree = ast.parse(inspect.getsource(status_module))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    sentences = {}
    for member, below in pairwise(body):
        match member, below:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(sentence))):
                sentences[name] = " ".join(sentence.split())
            case _:
                pass
    return sentences
