"""The parts of a Markdown document that tests look at: fenced blocks, generated sections, links and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_FENCE: Final = re.compile(r"```(\S*)\s*")
_HEADING: Final = re.compile(r"(#{1,6}) (.+)")
_GENERATED: Final = re.compile(r"<!-- generated: ([a-z ]+) -->\n(.*?)<!-- end -->", re.DOTALL)
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block and where it stands."""

    language: str
    section: str
    """The heading of level 1 or 2 above it: what a reader works through in one go."""

    heading: str
    """The nearest heading above it."""

    text: str

    def __str__(self) -> str:
        """Name it, for the output of the tests."""
        return f"{self.language} in {self.heading}"


def markdown_files() -> list[Path]:
    """Give every Markdown file of the repository."""
    places = (ROOT.glob("*.md"), *((ROOT / name).rglob("*.md") for name in (".github", "app", "migrations", "tests")))
    return sorted(path for place in places for path in place)


def blocks(text: str) -> list[Block]:
    """Give the fenced blocks in order."""
    found: list[Block] = []
    section = heading = language = ""
    inside: list[str] | None = None
    for line in text.splitlines():
        if inside is not None and line == "```":
            content = "".join(f"{each}\n" for each in inside)
            found.append(Block(language=language, section=section, heading=heading, text=content))
            inside = None
        elif inside is not None:
            inside.append(line)
        elif fence := _FENCE.fullmatch(line):
            language, inside = fence[1], []
        elif title := _HEADING.fullmatch(line):
            heading = title[2]
            section = heading if len(title[1]) <= 2 else section
    assert inside is None, f"the last block of {heading} has no end"
    return found


def generated_sections(text: str) -> dict[str, str]:
    """Give what stands between the markers, by the name in the first one."""
    return {match[1]: match[2].strip("\n") for match in _GENERATED.finditer(text)}


def prose(text: str) -> str:
    """Give a document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def links(text: str) -> list[str]:
    """Give the target of every link outside of fenced blocks."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """Give the anchors that GitHub makes of the headings."""
    titles = (match[2] for line in prose(text).splitlines() if (match := _HEADING.fullmatch(line)))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def table_rows(text: str, heading: str) -> list[list[str]]:
    """Give the cells of the first table below a heading, without its head."""
    below = text.partition(f"# {heading}\n")[2]
    rows = list(_first_table(below))
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def arrows(block: Block) -> set[tuple[str, str]]:
    """Give the (from, to) pairs of a state diagram, without its beginning."""
    return set(re.findall(r"^ *(\w+) --> (\w+)(?=:|$)", block.text, flags=re.MULTILINE))


def code_names(text: str) -> list[str]:
    """Give what stands in backticks outside of fenced blocks."""
    return re.findall(r"`([^`]+)`", prose(text))


def _first_table(text: str) -> Iterator[str]:
    begun = False
    for line in text.splitlines():
        if line.startswith("|"):
            begun = True
            yield line
        elif begun:
            return
