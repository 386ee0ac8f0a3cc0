"""Reads a directory of samples: what a provider's API says and posts, and what the adapter is to make of it.

Every `*.json` file is one document with a `kind`.

`config` (exactly one; call it `config.json`): `settings` for the adapter, with which the other samples were made, and
`signature`: the `headers` that prove a webhook's origin (empty where its URL does), and whether the proof covers the
`body`, the `url` and the `time` (each true unless said otherwise; false only where the provider's scheme is so). Where
the provider takes an idempotency key, also `idempotency_key`: its `header`, or its `field` of a JSON body.

A folder in the directory holds samples of the same adapter with other settings: its own files, and all of those above
it that it has no file of the same name for.

`send`: a `response` (`status`, `headers`, body) and the `expected` outcome. With a `request` (`method`, `url`,
`headers`, body) also what `build_send` writes for `STANDARD_SEND` in `STANDARD_CONTEXT` (`app/conformance/subject.py`).

`fetch`: a `response` to a question for `provider_message_id`, and the `expected` answer. `search`: a `response` to a
search by `reference`, by `recipient` or by `time` (its `query`), and the `expected` answer; `page` where a further
page is asked for. With a `request` also what `build_fetch` or `build_search` writes; what is searched for stands in
`SEARCHES` (`app/conformance/asking.py`).

`webhook`: a `request` (`method`, `url`, `headers`, body), `received_at` if its signature is to be verified at that time
(leave it out to have it signed by the subject's `sign`), `documents` by URL if the signature needs any, and `expected`:
a list of events, or `"unreadable"`.

A body is `body` (text exactly as it came, or an object or array, written as compact JSON) or `body_base64`. Outcomes
and events are objects of their fields that are not null, and `is`: `{"is": "Accepted", "provider_message_id": "…"}`;
times are ISO 8601 in UTC, an attempt is `<message id>.<number>`. Header names are lower case.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import orjson
from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.domain.http import HttpRequest, HttpResponse, WebhookRequest


class SampleBroken(Exception):
    """A sample cannot be read. `args[0]` names the file and what is wrong."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Bodied(_Shape):
    headers: Mapping[str, str] = {}
    body: str | dict[str, Any] | list[Any] = ""
    body_base64: Base64Bytes | None = None

    def content(self) -> bytes:
        """The body's bytes."""
        if self.body_base64 is not None:
            return self.body_base64
        return self.body.encode() if isinstance(self.body, str) else orjson.dumps(self.body)


class RequestSample(_Bodied):
    """A request of ours or of the provider's."""

    method: str = "POST"
    url: str

    def outgoing(self) -> HttpRequest:
        """Read it as a request of ours."""
        return HttpRequest(method=self.method, url=self.url, headers=self.headers, body=self.content())

    def incoming(self) -> WebhookRequest:
        """Read it as a webhook."""
        return WebhookRequest(method=self.method, url=self.url, headers=self.headers, body=self.content())


class ResponseSample(_Bodied):
    """An answer of the provider's."""

    status: int

    def answer(self) -> HttpResponse:
        """Read it as a value."""
        return HttpResponse(status=self.status, headers=self.headers, body=self.content())


class Signature(_Shape):
    """What proves a webhook's origin."""

    headers: tuple[str, ...] = ()
    body: bool = True
    url: bool = True
    time: bool = True


class KeyPlace(_Shape):
    """Where a send carries its idempotency key: one of the two."""

    header: str | None = None
    field: str | None = None

    def key_of(self, request: HttpRequest) -> str | None:
        """Read the key of a send; None where there is none."""
        if self.header is not None:
            return request.headers.get(self.header)
        try:
            found = orjson.loads(request.body)[self.field]
        except (orjson.JSONDecodeError, LookupError, TypeError):
            return None
        return found if isinstance(found, str) else None


class ConfigSample(_Shape):
    """The settings that the other samples were made with."""

    kind: Literal["config"]
    settings: dict[str, Any] = Field(repr=False)
    signature: Signature
    idempotency_key: KeyPlace | None = None


class SendSample(_Shape):
    """One answer to a send, and optionally the request."""

    kind: Literal["send"]
    request: RequestSample | None = None
    response: ResponseSample
    expected: dict[str, Any]


class FetchSample(_Shape):
    """One answer to a question for one message, and optionally the request."""

    kind: Literal["fetch"]
    provider_message_id: str
    request: RequestSample | None = None
    response: ResponseSample
    expected: dict[str, Any]


class SearchSample(_Shape):
    """One answer to a search, and optionally the request."""

    kind: Literal["search"]
    query: Literal["reference", "recipient", "time"]
    page: str | None = None
    request: RequestSample | None = None
    response: ResponseSample
    expected: dict[str, Any]


class WebhookSample(_Shape):
    """One webhook."""

    kind: Literal["webhook"]
    request: RequestSample
    received_at: AwareDatetime | None = None
    documents: Mapping[str, str] = {}
    expected: list[dict[str, Any]] | Literal["unreadable"]


class Samples(_Shape):
    """All samples of one adapter, by file name."""

    config: ConfigSample
    sends: Mapping[str, SendSample]
    webhooks: Mapping[str, WebhookSample]
    fetches: Mapping[str, FetchSample]
    searches: Mapping[str, SearchSample]


_Sample: TypeAlias = ConfigSample | SendSample | FetchSample | SearchSample | WebhookSample
_SampleT = TypeVar("_SampleT", bound=_Shape)
_SAMPLE: TypeAdapter[_Sample] = TypeAdapter(Annotated[_Sample, Field(discriminator="kind")])


def load_samples(directory: Path, *, below: Path | None = None) -> Samples:
    """Read every sample of a directory, and of the one that it lies `below` where it has none of the same name.

    Raises `SampleBroken`, also where there is not exactly one config.
    """
    folders = [directory] if below is None else [below, directory]
    found = {path.stem: _read(path) for folder in folders for path in sorted(folder.glob("*.json"))}
    configs = _of(ConfigSample, found)
    if len(configs) != 1:
        raise SampleBroken(f"{directory.name}: {len(configs)} samples of the kind config, not one")
    return Samples(
        config=next(iter(configs.values())),
        sends=_of(SendSample, found),
        webhooks=_of(WebhookSample, found),
        fetches=_of(FetchSample, found),
        searches=_of(SearchSample, found),
    )


def _of(kind: type[_SampleT], found: Mapping[str, _Shape]) -> dict[str, _SampleT]:
    return {name: sample for name, sample in found.items() if isinstance(sample, kind)}


def _read(path: Path) -> _Sample:
    try:
        return _SAMPLE.validate_json(path.read_bytes())
    except ValidationError as problem:
        raise SampleBroken(f"{path.parent.name}/{path.name}: {problem}") from problem
