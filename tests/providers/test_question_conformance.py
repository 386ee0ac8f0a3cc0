"""The checks of questions and records: each catches the adapter that breaks its rule, and wants samples to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson
import pytest

from app.conformance import examine, load_subject
from app.conformance.samples import KeyPlace
from app.domain.http import HttpRequest
from app.providers.sandbox import Adapter
from tests.providers import broken_askers

SAMPLES: Final = Path(__file__).parent / "samples" / "sandbox"


@pytest.mark.parametrize(("adapter", "folder", "name"), broken_askers.BREACHES)
def test_an_adapter_that_asks_or_reads_wrongly_is_caught_by_the_check_of_that_name(
    adapter: type[Adapter], folder: str, name: str
) -> None:
    findings = examine(load_subject(adapter, SAMPLES / folder, below=SAMPLES))
    assert name in {finding.check for finding in findings}


@pytest.mark.parametrize(
    ("folder", "missing"),
    [
        (
            "reference-search",
            {
                "no sample of the kind fetch has a request",
                "no sample of a search by reference has a request",
                "no sample of a search by time has a request",
                "there is no sample of a fetch that gives ProviderMessage",
                "there is no sample of a fetch that gives Absent",
                "there is no sample of a search by reference that finds something",
                "there is no sample of a search by time that finds something",
                "there is no sample of a search that finds nothing",
                "there is no sample of a search by time that has a next page, and of the request for that page",
            },
        ),
        (
            "recipient-search",
            {
                "no sample of a search by recipient has a request",
                "there is no sample of a search by recipient that finds something",
                "there is no sample of a search that finds nothing",
            },
        ),
    ],
)
def test_a_subject_without_samples_of_what_it_declares_is_not_passed(
    tmp_path: Path, folder: str, missing: set[str]
) -> None:
    for name in {"config.json", "send_accepted.json"} & {path.name for path in (SAMPLES / folder).iterdir()}:
        (tmp_path / name).write_bytes((SAMPLES / folder / name).read_bytes())
    findings = examine(load_subject(Adapter, tmp_path, below=SAMPLES))
    assert {finding.problem for finding in findings} == missing


def test_a_key_whose_place_the_samples_do_not_name_is_not_passed(tmp_path: Path) -> None:
    sample = orjson.loads((SAMPLES / "idempotency-key" / "config.json").read_bytes())
    del sample["idempotency_key"]
    (tmp_path / "config.json").write_bytes(orjson.dumps(sample))
    findings = examine(load_subject(Adapter, tmp_path, below=SAMPLES))
    assert "does not say where the idempotency key stands" in {finding.problem for finding in findings}


@pytest.mark.parametrize(
    ("place", "key"),
    [
        (KeyPlace(header="x-key"), "in-the-header"),
        (KeyPlace(header="x-other"), None),
        (KeyPlace(field="token"), "in-the-body"),
        (KeyPlace(field="number"), None),
        (KeyPlace(field="other"), None),
    ],
)
def test_a_key_is_found_where_the_samples_say(place: KeyPlace, key: str | None) -> None:
    body = b'{"token": "in-the-body", "number": 7}'
    request = HttpRequest(method="POST", url="https://a", headers={"x-key": "in-the-header"}, body=body)
    assert place.key_of(request) == key


@pytest.mark.parametrize("body", [b"", b"[]", b"token=1"])
def test_a_body_that_is_no_object_holds_no_key(body: bytes) -> None:
    assert KeyPlace(field="token").key_of(HttpRequest(method="POST", url="https://a", body=body)) is None
