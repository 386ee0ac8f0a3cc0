"""Runs the examples of a document as its reader would, and compares what they print with what the document prints."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.documents import ROOT, Block
from tests.support.processes import Process, environment

_READY_SECONDS: Final = 90
_RUN_SECONDS: Final = 30
_PATIENCE_SECONDS: Final = 20
_OF_ITS_OWN: Final = frozenset({"id", "request_id", "at"})
"""Keys whose values differ each time, with all that end in `_at`."""

_MASKS: Final = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b(mgw_(?:live|test)_)[0-9A-Za-z]{12}"), r"\1<key>"),
    (re.compile(r"(?<=[_ ])[0-9A-Za-z]{38}\b"), "<secret>"),
)


@dataclass(kw_only=True)
class Reader:
    """Somebody who follows the document in a terminal of theirs."""

    variables: dict[str, str] = field(repr=False)

    def run(self, *command: str | Path, directory: Path = ROOT) -> str:
        """Run a command and give what it printed; any exit code but 0 fails."""
        done = subprocess.run(  # noqa: S603 - the commands are those of the document under test
            command,
            cwd=directory,
            env=environment(**self.variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=_RUN_SECONDS,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def follow(self, example: Block, printed: Block | None) -> None:
        """Run a bash example; one that only reads, again and again until it prints what the document says."""
        reads = example.text.startswith("curl ") and "POST" not in example.text
        deadline = time.monotonic() + (_PATIENCE_SECONDS if reads else 0)
        while True:
            said = self.run("bash", "-e", "-c", example.text)
            problems = [] if printed is None else differences(printed, said)
            if not problems or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert problems == [], f"{example.text}\nprinted\n{said}"
        if printed is not None and printed.language == "json" and "id" in (document := json.loads(said)):
            self.variables["MESSAGE_ID"] = document["id"]


def start_dev(directory: Path) -> tuple[Process, dict[str, str]]:
    """Start `gateway dev` on free ports; give it with the variables of the `export` lines that it prints."""
    told = environment(GATEWAY_DATA_DIR=str(directory / "data"))
    dev = Process("dev", "--port", "0", "--sandbox-port", "0", log=directory / "dev.log", environment=told)
    deadline = time.monotonic() + _READY_SECONDS
    while "Ctrl-C" not in dev.output():
        assert dev.exit_code is None, dev.output()
        assert time.monotonic() < deadline, dev.output()
        time.sleep(0.1)
    lines = [line.strip() for line in dev.output().splitlines() if line.strip().startswith("export ")]
    pairs = [word.partition("=") for line in lines for word in shlex.split(line)[1:]]
    variables = {name: value for name, _, value in pairs}
    # `python3` is to be the one that runs the tests, as it is for a reader whose environment is made.
    path = f"{Path(sys.executable).parent}:{environment().get('PATH', '')}"
    return dev, {**variables, "PATH": path, "COLUMNS": "200"}


def differences(printed: Block, said: str) -> list[str]:
    """Say in what an output differs from the block that shows it; ids, times and secrets may."""
    match printed.language:
        case "json":
            return list(misfits(json.loads(printed.text), json.loads(said)))
        case "http":
            last = set(_masked(said.replace("\r", "")).rpartition("HTTP/1.1 ")[2].splitlines())
            wanted = _masked(printed.text).removeprefix("HTTP/1.1 ").splitlines()
            return [f"no line {line!r}" for line in wanted if line not in last]
        case "text":
            return [] if _masked(printed.text).strip() == _masked(said).strip() else ["another text"]
        case language:
            return [f"a block in {language} is no output"]


def misfits(printed: Any, said: Any, where: str = "") -> list[str]:
    """Compare two JSON values: the same keys and types, the same values where they are the same each time.

    The lines of a history may come in another order, so in a list with `applied` only those that
    changed something are compared by value.
    """
    match printed, said:
        case dict(), dict():
            wrong = [f"{where}/{key} is in one of them" for key in sorted(printed.keys() ^ said.keys())]
            return wrong + [
                problem
                for key in sorted(printed.keys() & said.keys())
                for problem in _value_misfits(key, printed[key], said[key], f"{where}/{key}")
            ]
        case list(), list() if printed and isinstance(printed[0], dict) and "applied" in printed[0]:
            return _history_misfits(printed, said, where)
        case list(), list() if len(printed) == len(said):
            pairs = enumerate(zip(printed, said, strict=True))
            return [problem for index, (one, other) in pairs for problem in misfits(one, other, f"{where}/{index}")]
        case _:
            same = type(printed) is type(said) and printed == said
            return [] if same else [f"{where} is {said!r}, not {printed!r}"]


def _value_misfits(key: str, printed: Any, said: Any, where: str) -> list[str]:
    if (key in _OF_ITS_OWN or key.endswith("_at")) and type(printed) is type(said):
        return []
    return misfits(printed, said, where)


def _history_misfits(printed: list[dict[str, Any]], said: list[dict[str, Any]], where: str) -> list[str]:
    kinds = {key: {type(line[key]) for line in printed} for key in printed[0]}
    wrong = [
        f"{where}/{index} has other keys or types"
        for index, line in enumerate(said)
        if line.keys() != kinds.keys() or any(type(value) not in kinds[key] for key, value in line.items())
    ]
    changes, shown = ([line["status"] for line in lines if line["applied"]] for lines in (said, printed))
    wrong += [] if changes == shown else [f"{where} went {changes}, not {shown}"]
    return wrong + ([] if len(printed) == len(said) else [f"{where} has {len(said)} lines, not {len(printed)}"])


def _masked(text: str) -> str:
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text
