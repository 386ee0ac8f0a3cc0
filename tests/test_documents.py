"""The documents against the code that they speak of: links, generated tables, layers, statuses and file names."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from app.domain.auditing import DifferenceKind
from app.domain.status import COMMANDS, RANKS, MessageStatus, is_legal_step
from tests.support.documents import (
    ROOT,
    anchors,
    arrows,
    blocks,
    code_names,
    generated_sections,
    links,
    markdown_files,
    table_rows,
)
from tests.support.reference_tables import WRITERS

DOCUMENTS: Final = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in markdown_files()}
README: Final = DOCUMENTS["README.md"]
MAP: Final = DOCUMENTS["app/README.md"]


def broken_links(document: str, text: str) -> list[str]:
    """The links that lead nowhere; those to other sites are not followed."""
    broken = []
    for link in links(text):
        target, _, anchor = link.partition("#")
        place = ((ROOT / document).parent / target).resolve() if target else ROOT / document
        if "://" in link or (place.exists() and not anchor):
            continue
        if not place.is_file() or anchor not in anchors(place.read_text(encoding="utf-8")):
            broken.append(link)
    return broken


def layers_of_the_map() -> list[set[str]]:
    """The numbered list below `Layers`: the names in backticks before each colon."""
    section = MAP.partition("\n## Layers\n")[2].partition("\n## ")[0]
    return [set(code_names(names)) for names in re.findall(r"^\d+\. (.*?):", section, flags=re.MULTILINE)]


def status_diagram(text: str) -> set[tuple[str, str]]:
    """The arrows of the diagram below `Statuses`."""
    [diagram] = [block for block in blocks(text) if str(block) == "mermaid in Statuses"]
    return arrows(diagram)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    assert broken_links(document, DOCUMENTS[document]) == []


@pytest.mark.parametrize("link", ["NOWHERE.md", "app/NOWHERE.md", "#nowhere", "app/README.md#nowhere", "app#layers"])
def test_a_link_that_leads_nowhere_is_noticed(link: str) -> None:
    assert broken_links("README.md", f"See [there]({link}).") == [link]


@pytest.mark.parametrize(("document", "name"), WRITERS, ids=str)
def test_the_generated_section_says_what_the_code_says(document: str, name: str) -> None:
    right = WRITERS[document, name]()
    assert generated_sections(DOCUMENTS[document])[name] == right, f"{document}, {name}: put this there\n{right}"


def test_every_generated_section_has_a_writer() -> None:
    sections = {(document, name) for document, text in DOCUMENTS.items() for name in generated_sections(text)}
    assert sections == set(WRITERS)


def test_the_map_lists_the_layers_of_the_contract() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [each for each in configuration["tool"]["importlinter"]["contracts"] if each["id"] == "layers"]
    assert layers_of_the_map() == [set(layer.split(" | ")) for layer in contract["layers"]]


def test_the_map_draws_every_command() -> None:
    commands = {(str(before), str(after)) for before, afters in COMMANDS.items() for after in afters}
    assert status_diagram(MAP) == commands


def test_the_map_gives_every_rank() -> None:
    rows = table_rows(MAP, "Statuses")
    named = {MessageStatus(status): int(row[0]) for row in rows for status in code_names(row[1])}
    assert named == RANKS


def test_the_readme_explains_every_kind_of_difference() -> None:
    assert [row[0] for row in table_rows(README, "Audits")] == [f"`{kind}`" for kind in DifferenceKind]


def test_the_readme_draws_legal_steps_alone() -> None:
    steps = status_diagram(README)
    assert len(steps) == 16
    assert [step for step in steps if not is_legal_step(MessageStatus(step[0]), MessageStatus(step[1]))] == []


@pytest.mark.parametrize("document", ["app/README.md", "app/providers/README.md", "migrations/README.md"])
def test_every_file_that_is_named_exists(document: str) -> None:
    places = (ROOT, ROOT / "app", (ROOT / document).parent)
    named = [name for name in code_names(DOCUMENTS[document]) if re.fullmatch(r"[\w/.]+\.(?:py|toml|lock)", name)]
    assert named
    assert [name for name in named if not any(Path(place, name).exists() for place in places)] == []
