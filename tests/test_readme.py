"""README.md as its reader meets it: every example is run against `gateway dev` and prints what the page says."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from app.api.schemas import MessageView
from app.settings import unknown_variables
from tests.support.axios import node_with_axios
from tests.support.documents import ROOT, Block, blocks, code_names, table_rows
from tests.support.examples import Reader, differences, misfits, start_dev

README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
PROVIDERS: Final = (ROOT / "app" / "providers" / "README.md").read_text(encoding="utf-8")
BLOCKS: Final = blocks(README)
RUN: Final = ("bash", "python", "javascript")
OUTPUT: Final = ("json", "http", "text")
NOT_RUN: Final[dict[str, str]] = {
    "mermaid in Messaging Gateway": "a picture",
    "console in Start": "the first command is what these tests run against, the second is what runs them",
    "mermaid in Statuses": "a picture, compared with the lifecycle in test_documents.py",
    "console in Compose": "needs a Docker engine",
    "nginx in Reverse proxy": "needs nginx",
}
"""The blocks that are not run, each with the reason."""

SECTIONS: Final = list(dict.fromkeys(block.section for block in BLOCKS if block.language == "bash"))
LINE: Final[dict[str, Any]] = {"status": "sent", "applied": True, "attempt": 1, "at": "2026-11-22T19:16:43Z"}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Somebody who has run `gateway dev` and pasted its export lines."""
    dev, variables = start_dev(tmp_path_factory.mktemp("readme"))
    try:
        yield Reader(variables=variables)
        dev.send(signal.SIGTERM)
        assert dev.wait(60) == 0
    finally:
        dev.kill()


def the(language: str, text: str = README) -> Block:
    """The one example in a language."""
    [block] = [block for block in blocks(text) if block.language == language]
    return block


def examples(section: str) -> list[tuple[Block, Block | None]]:
    """The bash examples of a section, each with the output that is shown below it."""
    inside = [block for block in BLOCKS if block.section == section and block.language in RUN + OUTPUT]
    below = [*inside[1:], None]
    return [
        (block, after if after is not None and after.language in OUTPUT else None)
        for block, after in zip(inside, below, strict=True)
        if block.language == "bash"
    ]


def sent_message(reader: Reader, said: str) -> dict[str, Any]:
    """The message whose status code and id an example printed."""
    match = re.fullmatch(r"202 ([0-9a-f-]{36})\n", said)
    assert match, said
    credentials = f"{reader.variables['API_KEY']}:{reader.variables['API_SECRET']}"
    answer = reader.run("curl", "-s", "-u", credentials, f"{reader.variables['API_URL']}/v1/messages/{match[1]}")
    message: dict[str, Any] = json.loads(answer)
    return {name: message[name] for name in ("from", "to", "body", "test")}


QUICKSTART: Final = {
    "from": "+15551234567",
    "to": "+15559876543",
    "body": "Your order has shipped. Track: https://example.com/track/123",
    "test": True,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_examples_of_the_section_print_what_the_page_shows(reader: Reader, section: str) -> None:
    for example, printed in examples(section):
        reader.follow(example, printed)


def test_the_python_example_sends_the_message(reader: Reader) -> None:
    said = reader.run(sys.executable, "-c", the("python").text)
    assert sent_message(reader, said) == QUICKSTART


def test_the_node_example_sends_the_message(reader: Reader) -> None:
    node, directory = node_with_axios()
    said = reader.run(node, "--input-type=module", "--eval", the("javascript").text, directory=directory)
    assert sent_message(reader, said) == QUICKSTART


def test_the_example_of_the_conformance_kit_finds_nothing() -> None:
    assert Reader(variables={}).run(sys.executable, "-c", the("python", PROVIDERS).text) == "[]\n"


def test_every_block_is_run_or_shown_below_one_that_is_or_listed_with_a_reason() -> None:
    compared = [printed for section in SECTIONS for _, printed in examples(section) if printed is not None]
    left = [block for block in BLOCKS if block.language not in RUN and block not in compared]
    assert [str(block) for block in left] == list(NOT_RUN)


def test_the_table_of_fields_names_every_field_of_a_message_in_its_order() -> None:
    named = [name for row in table_rows(README, "The fields") for name in code_names(row[0])]
    fields = [info.serialization_alias or name for name, info in MessageView.model_fields.items()]
    assert sorted(named) == sorted(fields)


def test_every_setting_that_the_page_names_exists() -> None:
    named = set(re.findall(r"\bGATEWAY_[A-Z0-9_]+", README))
    assert unknown_variables(dict.fromkeys(named, "")) == []


@pytest.mark.parametrize(
    ("printed", "said", "problem"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, "/b is in one of them"),
        ({"a": 1}, {"a": 2}, "/a is 2, not 1"),
        ({"a": 1}, {"a": True}, "/a is True, not 1"),
        ({"a": None}, {"a": "x"}, "/a is 'x', not None"),
        ({"sent_at": None}, {"sent_at": "2026"}, "/sent_at is '2026', not None"),
        ({"errors": [{"code": "a"}]}, {"errors": [{"code": "b"}]}, "/errors/0/code is 'b', not 'a'"),
        ({"errors": []}, {"errors": [1]}, "/errors is [1], not []"),
        ({"data": [LINE]}, {"data": [{**LINE, "attempt": None}]}, "/data/0 has other keys or types"),
        ({"data": [LINE]}, {"data": [{**LINE, "status": "failed"}]}, "/data went ['failed'], not ['sent']"),
        ({"data": [LINE]}, {"data": [LINE, {**LINE, "applied": False}]}, "/data has 2 lines, not 1"),
    ],
)
def test_an_output_that_differs_is_noticed(printed: object, said: object, problem: str) -> None:
    assert misfits(printed, said) == [problem]


def test_ids_and_times_may_differ() -> None:
    assert misfits({"id": "a", "sent_at": "2026"}, {"id": "b", "sent_at": "2027"}) == []


@pytest.mark.parametrize(
    ("language", "printed", "said", "same"),
    [
        ("http", "HTTP/1.1 202 Accepted\na: 1\n", "HTTP/1.1 202 Accepted\r\nb: 2\r\na: 1\r\n\r\n{}", True),
        (
            "http",
            "HTTP/1.1 202 Accepted\na: 1\n",
            "HTTP/1.1 202 Accepted\r\na: 1\r\n\r\nHTTP/1.1 202 Accepted\r\n",
            False,
        ),
        ("http", "HTTP/1.1 202 Accepted\n", "HTTP/1.1 422 Unprocessable Entity\r\n", False),
        ("text", "key mgw_live_V1hh8v6SJnPb", "key mgw_live_000000000000\n", True),
        ("text", "key mgw_live_V1hh8v6SJnPb", "key mgw_test_000000000000\n", False),
        ("console", "a", "a", False),
    ],
)
def test_headers_and_texts_are_compared_without_ids_and_secrets(
    language: str, printed: str, said: str, same: bool
) -> None:
    block = Block(language=language, section="", heading="", text=printed)
    assert (differences(block, said) == []) is same
