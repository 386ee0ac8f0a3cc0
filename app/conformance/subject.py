"""What the checks look at, and what they say: the adapter with its samples, a check, a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

from app.conformance.samples import Samples, load_samples
from app.conformance.trial import Raised, Returned, tried
from app.domain.http import WebhookRequest
from app.domain.provider import ProviderAdapter, SendContext, SendRequest
from app.domain.references import AttemptRef

STANDARD_NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STANDARD_SEND: Final = SendRequest(
    sender="+12025550100", recipient="+12025550123", body="Grüße & 100% ✓", segments=1, validity_seconds=3600
)
STANDARD_CONTEXT: Final = SendContext(
    attempt=AttemptRef(message_id=UUID("0190f3a2-7d11-7cc3-98c4-dc0c0c07398f"), number=2),
    now=STANDARD_NOW,
    status_url="https://gateway.example/webhooks/acme/0190f3a2.2.c2lnbmVk",
    nonce="c0ffee00c0ffee00c0ffee00c0ffee00",
    token="conformance-token",  # noqa: S106 - pretend, and looked for wherever it must not appear
)

Sign: TypeAlias = Callable[[WebhookRequest, datetime], WebhookRequest]
"""Gives a webhook the signature that the provider would give it at that time."""


@dataclass(frozen=True, kw_only=True)
class SignedWebhook:
    """A webhook that verifies at `now`."""

    name: str
    request: WebhookRequest
    now: datetime
    documents: Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One adapter, configured by its own samples."""

    adapter: ProviderAdapter[Any] = field(repr=False)
    samples: Samples = field(repr=False)
    sign: Sign | None = None
    """Signs the webhook samples that carry no captured signature; not needed where enough of them do."""

    def signed_webhooks(self) -> Iterator[SignedWebhook]:
        """Give every webhook sample that is or can be signed."""
        for name, sample in self.samples.webhooks.items():
            documents = {url: text.encode() for url, text in sample.documents.items()}
            request = sample.request.incoming()
            if sample.received_at is not None:
                yield SignedWebhook(name=name, request=request, now=sample.received_at, documents=documents)
            elif self.sign is not None:
                signed = self.sign(request, STANDARD_NOW)
                yield SignedWebhook(name=name, request=signed, now=STANDARD_NOW, documents=documents)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One way in which the adapter breaks the contract."""

    check: str
    where: str
    """The sample or the case."""

    problem: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """One rule of the contract. `look` yields (where, problem) for each breach."""

    name: str
    look: Callable[[Subject], Iterator[tuple[str, str]]]

    def run(self, subject: Subject) -> Sequence[Finding]:
        """Look at one adapter; whatever it raises where nothing may be raised is a finding, too."""
        match tried(lambda: list(self.look(subject))):
            case Returned(value=breaches):
                return [Finding(check=self.name, where=where, problem=problem) for where, problem in breaches]
            case Raised(kind=kind):
                return [Finding(check=self.name, where="the adapter", problem=f"raised {kind}")]


def load_subjects(
    adapter_type: type[ProviderAdapter[Any]], directory: Path, *, sign: Sign | None = None
) -> Mapping[str, Subject]:
    """Configure an adapter in each way that its samples know: the directory's own, named by nothing, and each folder's.

    Raises what `load_subject` raises.
    """
    folders = sorted(path for path in directory.iterdir() if path.is_dir())
    others = {path.name: load_subject(adapter_type, path, below=directory, sign=sign) for path in folders}
    return {"": load_subject(adapter_type, directory, sign=sign)} | others


def load_subject(
    adapter_type: type[ProviderAdapter[Any]], directory: Path, *, below: Path | None = None, sign: Sign | None = None
) -> Subject:
    """Configure an adapter by its samples; raises `SampleBroken`, or pydantic's error for settings that do not fit.

    A folder lies `below` the directory whose samples it shares.
    """
    samples = load_samples(directory, below=below)
    config = adapter_type.config_type.model_validate(samples.config.settings)
    return Subject(adapter=adapter_type(config), samples=samples, sign=sign)
