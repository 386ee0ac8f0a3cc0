"""The rules of the house that no linter checks, over every source file; each is shown to refuse what it forbids."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final, TypeAlias

import pytest

from tests.support.repository import ROOT, files_of_the_repository

SOURCES: Final = ("app/", "migrations/", "tests/")

Rule: TypeAlias = Callable[[str, str], Iterator[str]]
"""From a path in the repository and the text of its file to what is wrong there, as `line: words`."""


FILES: Final = files_of_the_repository()
PYTHON: Final = [path for path in FILES if path.endswith(".py") and path.startswith(SOURCES)]
SHELL_EDGE: Final = ("app/cli", "app/__main__.py")
"""Where the gateway talks to a terminal; `app/cli` is a module or a package."""


@cache
def tree(path: str, text: str) -> ast.Module:
    """A module's syntax; a text that is none raises `SyntaxError`, which names the path."""
    return ast.parse(text, path)


def strings(path: str, text: str) -> Iterator[tuple[int, str]]:
    """Every string of a module that is no docstring, with its line; the gaps of an f-string are question marks."""
    nodes = list(ast.walk(tree(path, text)))
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "?" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose | inside:
            yield node.lineno, node.value


def imports(path: str, text: str) -> Iterator[tuple[int, str]]:
    """Every module that a module imports, with its line; a name taken from a module is `module.name`."""
    for node in ast.walk(tree(path, text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def file_of_at_most_300_lines(path: str, text: str) -> Iterator[str]:
    """A longer file is usually two things under one name."""
    if path.endswith(".py") and (lines := len(text.splitlines())) > 300:
        yield f"{lines}: lines"


def function_of_at_most_40_lines(path: str, text: str) -> Iterator[str]:
    """Counted without decorators and docstring."""
    if not path.startswith("app/"):
        return
    for node in ast.walk(tree(path, text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node, clean=False) is not None
            prose = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            if (lines := (node.end_lineno or 0) - node.lineno + 1 - prose) > 40:
                yield f"{node.lineno}: {node.name} has {lines} lines"


def module_with_a_docstring(path: str, text: str) -> Iterator[str]:
    """A module says what it owns."""
    if not ast.get_docstring(tree(path, text)):
        yield "1: no docstring"


def nothing_left_undone(_: str, text: str) -> Iterator[str]:
    """What is committed is finished."""
    marks = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X|NotImplemented[E]rror)\b")
    for number, line in enumerate(text.splitlines(), 1):
        yield from (f"{number}: {mark}" for mark in marks.findall(line))


def exemption_with_a_reason(_: str, text: str) -> Iterator[str]:
    """A comment that silences a tool says why, in at least two words."""
    codes = r"[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*"
    directive = re.compile(rf"#\s*(?:noqa(?::\s*{codes})?|type:\s*ignore(?:\[.*?\])?|(?:ruff|mypy|pragma):\s*\S+)")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and directive.search(token.string):
            reason = directive.sub("", token.string)
            if len(re.findall(r"[A-Za-z]{2,}", reason)) < 2:
                yield f"{token.start[0]}: {token.string}"


def no_machine_and_no_registry(_: str, text: str) -> Iterator[str]:
    """A clone works anywhere: no path of somebody's machine, and no address that packages are fetched from."""
    folder = r"(?<![\w.~-])/(?:work/|home/|tmp/bash)"
    host = r"(?:pypi|pythonhosted|npmjs|rubygems|anaconda)[.]org|(?:npmjs|yarnpkg)[.]com|crates[.]io|proxy[.]golang"
    forbidden = re.compile(rf"{folder}|\b(?:{host})\b")
    for number, line in enumerate(text.splitlines(), 1):
        yield from (f"{number}: {match[0]}" for match in forbidden.finditer(line))


def sql_in_the_store_alone(path: str, text: str) -> Iterator[str]:
    """SQL and its library live in `app/store`; the embedded server may speak to itself before there is a store."""
    if not path.startswith("app/") or path.startswith("app/store/"):
        return
    yield from (f"{line}: imports {name}" for line, name in imports(path, text) if name.split(".")[0] == "sqlalchemy")
    statement = re.compile(
        r"\s*(?:SELECT|INSERT INTO|DELETE FROM|UPDATE \S+ SET|WITH \w+ AS|(?:CREATE|ALTER|DROP|TRUNCATE) [A-Z]+)\s"
    )
    if not path.startswith("app/embedded"):
        yield from (f"{line}: {string[:40]}" for line, string in strings(path, text) if statement.match(string))


def http_in_the_transport_alone(path: str, text: str) -> Iterator[str]:
    """`app/transport` is the only way out, with its time-outs and its guard."""
    if path.startswith("app/") and not path.startswith("app/transport/"):
        clients = {"httpx", "httpx_aiohttp", "aiohttp", "requests"}
        yield from (f"{line}: imports {name}" for line, name in imports(path, text) if name.split(".")[0] in clients)


def environment_at_the_top_alone(path: str, text: str) -> Iterator[str]:
    """Configuration is read once and passed down; `app/embedded` only hands the environment on to its server."""
    if not path.startswith("app/") or path.startswith(("app/settings", "app/embedded/", *SHELL_EDGE)):
        return
    readers = {"os.environ", "os.environb", "os.getenv", "os.getenvb"}
    yield from (f"{line}: imports {name}" for line, name in imports(path, text) if name in readers)
    for node in ast.walk(tree(path, text)):
        if isinstance(node, ast.Attribute) and (name := ast.unparse(node)) in readers:
            yield f"{node.lineno}: {name}"


def printing_at_the_terminal_alone(path: str, text: str) -> Iterator[str]:
    """Everything else writes to the log, which masks."""
    for node in ast.walk(tree(path, text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print" and not path.startswith(SHELL_EDGE):
            yield f"{node.lineno}: print"


def status_written_in_one_place(path: str, text: str) -> Iterator[str]:
    """`app/store/changes.py` applies decisions by compare-and-set; nothing else may touch a message's status."""
    if not path.startswith("app/") or path == "app/store/changes.py":
        return
    up_to = r"(?:(?!\b(?:WHERE|FROM|RETURNING)\b).)*?"
    raw = re.compile(rf"\bUPDATE\s+(?:ONLY\s+)?messages\b.*?\bSET\s{up_to}\bstatus\s*=", re.IGNORECASE | re.DOTALL)
    yield from (f"{line}: {string[:40]}" for line, string in strings(path, text) if raw.search(string))
    table = re.compile(r"\b(?:update\((?:\w+\.)*messages\b|messages\.update\()")
    for node in ast.walk(tree(path, text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values":
            keys = [ast.unparse(key) for given in node.args if isinstance(given, ast.Dict) for key in given.keys if key]
            columns = {
                *(str(keyword.arg) for keyword in node.keywords),
                *(key.strip("'").split(".")[-1] for key in keys),
            }
            if "status" in columns and table.search(ast.unparse(node.func)):
                yield f"{node.lineno}: writes status"


FOR_PYTHON: Final[tuple[Rule, ...]] = (
    file_of_at_most_300_lines,
    function_of_at_most_40_lines,
    module_with_a_docstring,
    nothing_left_undone,
    exemption_with_a_reason,
    sql_in_the_store_alone,
    http_in_the_transport_alone,
    environment_at_the_top_alone,
    printing_at_the_terminal_alone,
    status_written_in_one_place,
)
FORBIDDEN: Final[list[tuple[Rule, str, str]]] = [
    (file_of_at_most_300_lines, "tests/a.py", "a = 1\n" * 301),
    (function_of_at_most_40_lines, "app/a.py", "def f():\n" + "    a = 1\n" * 40),
    (function_of_at_most_40_lines, "app/a.py", "class A:\n    async def f():\n" + "        a = 1\n" * 40),
    (module_with_a_docstring, "tests/a.py", "a = 1"),
    (nothing_left_undone, "app/a.py", "a = 1  # TO@DO later"),
    (nothing_left_undone, "app/a.py", "raise NotImplemented@Error"),
    (exemption_with_a_reason, "app/a.py", "import os  # noqa"),
    (exemption_with_a_reason, "app/a.py", "import os  # noqa: F401, E402"),
    (exemption_with_a_reason, "app/a.py", "a = b  # type: ignore[attr-defined, no-any-return]"),
    (exemption_with_a_reason, "app/a.py", "a = b  # type: ignore[misc]  # noqa: F821"),
    (exemption_with_a_reason, "app/a.py", "if a:  # pragma: no cover\n    b = 1"),
    (no_machine_and_no_registry, "README.md", "cd /wo@rk/main"),
    (no_machine_and_no_registry, "README.md", "--index-url https://py@pi.o@rg/simple"),
    (no_machine_and_no_registry, "package-lock.json", '"resolved": "https://x.np@mjs.o@rg/a"'),
    (sql_in_the_store_alone, "app/services/a.py", "from sqlalchemy import text"),
    (sql_in_the_store_alone, "app/embedded/a.py", "import sqlalchemy.ext.asyncio"),
    (sql_in_the_store_alone, "app/services/a.py", "q = 'SELECT 1 '"),
    (sql_in_the_store_alone, "app/api/a.py", "q = f'UPDATE {table} SET body = NULL'"),
    (http_in_the_transport_alone, "app/services/a.py", "import httpx"),
    (http_in_the_transport_alone, "app/providers/a.py", "from httpx import AsyncClient"),
    (environment_at_the_top_alone, "app/worker.py", "import os\na = os.environ['A']"),
    (environment_at_the_top_alone, "app/worker.py", "from os import getenv"),
    (printing_at_the_terminal_alone, "app/worker.py", "print('a')"),
    (status_written_in_one_place, "app/store/a.py", "q = 'UPDATE messages SET body = NULL, status = $1 WHERE id = $2'"),
    (status_written_in_one_place, "app/store/a.py", "q = f'update only messages m\\nset status={a}'"),
    (status_written_in_one_place, "app/store/a.py", "update(messages).where(a == b).values(status=c)"),
    (status_written_in_one_place, "app/store/a.py", "tables.messages.update().values({m.c.status: c}).returning(d)"),
]
"""What each rule refuses; an @ is left out, so that this file does not offend itself."""

ALLOWED: Final[list[tuple[Rule, str, str]]] = [
    (file_of_at_most_300_lines, "tests/a.py", "a = 1\n" * 300),
    (function_of_at_most_40_lines, "app/a.py", "def f():\n" + "    a = 1\n" * 39),
    (function_of_at_most_40_lines, "app/a.py", 'def f():\n    """A\n\n    b.\n    """\n' + "    a = 1\n" * 39),
    (exemption_with_a_reason, "app/a.py", "import os  # noqa: F401 - read by alembic"),
    (exemption_with_a_reason, "app/a.py", "a = b  # type: ignore[misc]  # the stub is wrong"),
    (no_machine_and_no_registry, "README.md", "https://example.com/home/ and app/work/a.py"),
    (sql_in_the_store_alone, "app/store/a.py", "from sqlalchemy import text\nq = text('SELECT 1 ')"),
    (sql_in_the_store_alone, "app/embedded/a.py", "q = 'SELECT 1 '"),
    (sql_in_the_store_alone, "app/services/a.py", '"""SELECT is a word here."""'),
    (http_in_the_transport_alone, "app/transport/connections.py", "import httpx"),
    (environment_at_the_top_alone, "app/settings/model.py", "import os\na = os.environ['A']"),
    (environment_at_the_top_alone, "app/embedded/a.py", "import os\na = handed_on(os.environ)"),
    (printing_at_the_terminal_alone, "app/cli/keys.py", "print('a')"),
    (status_written_in_one_place, "app/store/changes.py", "q = 'UPDATE messages SET status = $1'"),
    (status_written_in_one_place, "app/store/a.py", "q = 'UPDATE messages SET body = NULL WHERE status = $1'"),
    (status_written_in_one_place, "app/store/a.py", "update(messages).values(body=None).where(messages.c.status == a)"),
    (status_written_in_one_place, "app/store/a.py", "insert(messages).values(status=a)"),
]


def title(value: object) -> str:
    """How a case is called in the output of the tests."""
    return getattr(value, "__name__", "")


@pytest.mark.parametrize("rule", FOR_PYTHON, ids=title)
def test_every_python_file_keeps_the_rule(rule: Rule) -> None:
    assert PYTHON
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in PYTHON}
    offences = [f"{path}:{wrong}" for path, text in texts.items() for wrong in rule(path, text)]
    assert offences == [], "\n".join(offences)


def test_no_file_names_a_path_of_a_machine_or_a_package_registry() -> None:
    texts = {path: (ROOT / path).read_text(encoding="utf-8", errors="replace") for path in FILES}
    offences = [f"{path}:{wrong}" for path, text in texts.items() for wrong in no_machine_and_no_registry(path, text)]
    assert offences == [], "\n".join(offences)


def test_every_rule_is_shown_to_refuse_something() -> None:
    assert {rule for rule, _, _ in FORBIDDEN} == {*FOR_PYTHON, no_machine_and_no_registry}


@pytest.mark.parametrize(("rule", "path", "text"), FORBIDDEN, ids=title)
def test_a_rule_refuses_what_it_forbids(rule: Rule, path: str, text: str) -> None:
    assert len(list(rule(path, text.replace("@", "")))) == 1


@pytest.mark.parametrize(("rule", "path", "text"), ALLOWED, ids=title)
def test_a_rule_lets_pass_what_it_allows(rule: Rule, path: str, text: str) -> None:
    assert list(rule(path, text)) == []


def test_every_rule_that_ruff_is_told_to_ignore_has_a_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    ignored = {*lint["ignore"], *(code for codes in lint["per-file-ignores"].values() for code in codes)}
    explained = re.findall(r'^ +"([A-Z]+\d*)", +# \S+ \S+', text, flags=re.MULTILINE)
    assert ignored - set(explained) == set()
    assert len(explained) == len(lint["ignore"]) + sum(map(len, lint["per-file-ignores"].values()))
