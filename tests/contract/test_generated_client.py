"""A client that openapi-python-client makes of the served description, as a team would that writes none itself."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from tests.support.gateway import Tenant
from tests.support.processes import Fleet, environment

GENERATOR: Final = Path(sys.executable).with_name("openapi-python-client")
PACKAGE: Final = "generated_gateway_client"
TEXT: Final = {"from": "+15551234567", "to": "+15559876543", "body": "Your order has shipped."}


@dataclass(frozen=True, kw_only=True)
class GeneratedClient:
    """The generated package with a session of its own."""

    session: Any

    def call(self, tag: str, operation: str, *path: Any, **given: Any) -> Any:
        """Call an operation by its tag and id, and give its answer as the type that the description promises."""
        return part(f"api.{tag}.{operation}").sync(*path, client=self.session, **given)


def generate(url: str, package: Path) -> str:
    """Generate a package and give what the generator said."""
    done = subprocess.run(  # noqa: S603 - the generator of this environment, over our own API
        [GENERATOR, "generate", "--url", url, "--meta", "none", "--output-path", package],
        cwd=package.parent,
        env=environment(PATH=str(GENERATOR.parent), NO_COLOR="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def part(name: str) -> ModuleType:
    """Import a module of the generated package."""
    return importlib.import_module(f"{PACKAGE}.{name}")


@pytest.fixture
def client(fleet: Fleet, shop: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GeneratedClient]:
    said = generate(f"{fleet.api_url}/openapi.json", tmp_path / PACKAGE)
    assert "Warning" not in said, said
    monkeypatch.syspath_prepend(tmp_path)
    with part("client").AuthenticatedClient(base_url=fleet.api_url, token=shop.test.bearer) as session:
        yield GeneratedClient(session=session)


@pytest.mark.contract
@pytest.mark.smoke
def test_a_generated_client_sends_reads_and_understands_refusals(client: GeneratedClient) -> None:
    models = part("models")
    sent = client.call("messages", "send_message", body=models.MessageRequest.from_dict(TEXT), idempotency_key="one")
    assert isinstance(sent, models.MessageView)
    assert (sent.from_, sent.to, sent.body) == (TEXT["from"], TEXT["to"], TEXT["body"])
    assert (sent.status, sent.test) == (models.MessageStatus.QUEUED, True)

    read = client.call("messages", "get_message", sent.id)
    assert isinstance(read, models.MessageView)
    assert (read.id, read.body, read.created_at) == (sent.id, sent.body, sent.created_at)
    page = client.call("messages", "list_messages", status=models.MessageStatus.QUEUED)
    assert isinstance(page, models.MessagePage)
    assert [message.id for message in page.data] == [sent.id]
    history = client.call("messages", "list_message_events", sent.id)
    assert isinstance(history, models.EventList)
    assert [(event.source, event.status) for event in history.data] == [
        (models.EventSource.API, models.MessageStatus.QUEUED)
    ]

    wrong = models.MessageRequest.from_dict({**TEXT, "to": "(555) 987-6543"})
    refused = client.call("messages", "send_message", body=wrong)
    assert isinstance(refused, models.Problem)
    assert (refused.status, refused.code) == (422, models.ErrorCode.RECIPIENT_INVALID)
    assert [(error.pointer, error.suggestion) for error in refused.errors] == [("/to", "+15559876543")]

    explained = client.call("errors", "get_error", models.AnyErrorCode(refused.code.value))
    assert isinstance(explained, models.ErrorList)
    assert [(error.kind, error.status) for error in explained.data] == [("refusal", 422)]

    canceled = client.call("messages", "cancel_message", sent.id)
    assert isinstance(canceled, models.MessageView)
    assert canceled.status is models.MessageStatus.CANCELED
    again = client.call("messages", "cancel_message", sent.id)
    assert isinstance(again, models.Problem)
    assert (again.code, again.message_status) == (models.ErrorCode.NOT_CANCELABLE, models.MessageStatus.CANCELED)
