"""The settings of a generic account, checked at the start: whatever is missing or misspelt has a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, SecretStr, model_validator

from app.domain.delivery_errors import DeliveryError
from app.domain.status import MessageStatus
from app.providers.generic_rest.documents import written
from app.providers.generic_rest.presets import PRESETS, merged

VARIABLE: Final = re.compile(r"\{([a-z_]+)\}")
VARIABLES: Final = frozenset({"from", "to", "body", "reference", "status_url", "validity_seconds"})
_IN_HEADERS: Final = VARIABLES - {"body"}
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+", re.ASCII)
_PRINTABLE: Final = re.compile(r"[ -~]*", re.ASCII)
_OURS: Final = frozenset({DeliveryError.POISON, DeliveryError.PROVIDER_MISSING})


def _listed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _decoded(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _decoded(value: Any) -> Any:
    try:
        return orjson.loads(value) if isinstance(value, str) and value.lstrip()[:1] in {"{", "["} else value
    except orjson.JSONDecodeError:
        return value


def _without_empty(value: Any) -> Any:
    found = _decoded(value)
    return (
        {str(key).casefold(): each for key, each in found.items() if each != ""}
        if isinstance(found, Mapping)
        else found
    )


Paths = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""Places in a document, the best first; written with commas between them, or as a JSON list."""

Words = Annotated[frozenset[str], BeforeValidator(_listed)]
Place = Annotated[str | None, BeforeValidator(lambda value: None if value == "" else value)]
"""Where a value of ours goes in the request's body; empty for nowhere."""

ReportedStatus = Literal[
    MessageStatus.QUEUED,
    MessageStatus.SENDING,
    MessageStatus.SENT,
    MessageStatus.DELIVERED,
    MessageStatus.UNDELIVERED,
    MessageStatus.FAILED,
    MessageStatus.EXPIRED,
]
Meaning = Literal["rejected", "deferred", "unknown"]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Auth(_Group):
    """How requests prove whose they are."""

    kind: Literal["basic", "bearer", "header", "query"] = "basic"
    user: str = ""
    password: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    name: str = ""
    """The header's or the query parameter's."""

    prefix: str = ""
    """Before the token in the header, with its space: `AccessKey `."""

    @model_validator(mode="after")
    def _complete(self) -> Auth:
        needed = {"basic": ("user", "password"), "bearer": ("token",)}.get(self.kind, ("name", "token"))
        missing = [name.upper() for name in needed if not _plain(getattr(self, name))]
        if missing:
            raise ValueError(f"the kind {self.kind} needs {' and '.join(missing)}")
        if ":" in self.user:
            raise ValueError("a colon would end the USER in Basic authentication")
        if self.kind == "header" and not _HEADER_NAME.fullmatch(self.name.lower()):
            raise ValueError("NAME is no name of a header")
        if not all(_PRINTABLE.fullmatch(each) for each in (self.prefix, _plain(self.token))):
            raise ValueError("PREFIX and TOKEN may hold printable ASCII only")
        return self


class Fields(_Group):
    """Where in the request's body each of our values goes."""

    sender: Place = Field(default=None, alias="from")
    to: Place = None
    body: Place = None
    reference: Place = None
    status_url: Place = None
    validity_seconds: Place = None

    def places(self) -> dict[str, str]:
        """Give the place of each of our values that has one."""
        named = self.model_dump(by_alias=True)
        return {variable: place for variable, place in named.items() if place is not None}


class Answer(_Group):
    """Where the answer to a send says what."""

    id: Paths = ()
    id_required: bool = True
    """Whether a success must hold an id; without it BODY_STATUS or SUCCESS has to say that it is one."""

    status: Paths = ()
    body_status: Paths = ()
    """An HTTP status that the body repeats: from 400 on it goes before the real one of a 2xx."""

    success: Paths = ()
    """A field without which, and without one of SUCCESS_VALUES in which, nothing was accepted."""

    success_values: Words = frozenset({"true", "1", "ok", "success"})
    error_code: Paths = ()
    error_text: Paths = ()
    no_error: Words = frozenset({"0"})
    """Values of the error code that mean that there is none."""

    not_taken: Words = frozenset()
    """Error codes of a 4xx or 503 that are documented as not taken and worth another try."""


class Verification(_Group):
    """What proves that a webhook comes from the provider. There is no way to ask for nothing."""

    kind: Literal["url", "basic", "hmac"] = "url"
    secret: SecretStr = SecretStr("")
    previous_secret: SecretStr = SecretStr("")
    """Counts as well, while the provider is still told of the new one."""

    parameter: str = Field(default="secret", pattern=r"^[A-Za-z0-9_-]+$")
    """Where the URL holds the secret: `?secret=…`."""

    user: str = ""
    password: SecretStr = SecretStr("")
    header: str = ""
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    """Before the digest in the header, such as `sha256=`."""

    @model_validator(mode="after")
    def _complete(self) -> Verification:
        needed = {"url": ("secret",), "basic": ("user", "password"), "hmac": ("secret", "header")}[self.kind]
        missing = [name.upper() for name in needed if not _plain(getattr(self, name))]
        if missing:
            raise ValueError(f"the kind {self.kind} needs {' and '.join(missing)}: no webhook is taken unverified")
        least = 16
        if self.kind == "url" and any(0 < len(_plain(each)) < least for each in (self.secret, self.previous_secret)):
            raise ValueError(f"a secret in a URL needs at least {least} characters")
        return self


class Inbound(_Group):
    """Where a webhook about a text to us says what."""

    id: Paths = ()
    sender: Paths = Field(default=(), alias="from")
    to: Paths = ()
    body: Paths = ()
    time: Paths = ()
    our_number: str = Field(default="", repr=False)
    """Who was written to, where the webhook does not say it (E.164)."""


class Webhook(_Group):
    """How webhooks come, and where they say what."""

    verification: Verification
    method: Literal["POST", "GET"] = "POST"
    items: Paths = ()
    """Where the list of events stands, if not one event is the document, or a list the whole of it."""

    type: Paths = ()
    status_types: Words = frozenset()
    inbound_types: Words = frozenset()
    id: Paths = ()
    reference: Paths = ()
    status: Paths = ()
    error_code: Paths = ()
    time: Paths = ()
    inbound: Inbound = Inbound()

    @model_validator(mode="after")
    def _signed_bytes(self) -> Webhook:
        if self.method == "GET" and self.verification.kind == "hmac":
            raise ValueError("an HMAC over the body proves nothing of a GET, which has none")
        return self


class Config(_Group):
    """The settings of one generic account."""

    preset: Literal["seed", "signalmash"] | None = None
    url: HttpUrl
    path: str = ""
    auth: Auth
    format: Literal["json", "form"] = "json"
    numbers: Literal["e164", "digits", "nanp10"] = "e164"
    fields_: Fields = Field(alias="fields")
    extra: dict[str, str | int | float | bool] = Field(default_factory=dict, repr=False)
    """Further fields of the body by their place: constants, or templates such as `{from}/{reference}`."""

    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    answer: Answer
    statuses: Annotated[dict[str, ReportedStatus], BeforeValidator(_without_empty)] = Field(default_factory=dict)
    errors: Annotated[dict[str, DeliveryError], BeforeValidator(_without_empty)] = Field(default_factory=dict)
    http: Annotated[dict[int, Meaning], BeforeValidator(_without_empty)] = Field(default_factory=dict)
    """What a status with the provider's own error document means, where it is not what is usual."""

    webhook: Webhook

    @model_validator(mode="before")
    @classmethod
    def _over_its_preset(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        read = {name: _decoded(value) for name, value in given.items()}
        return merged(PRESETS.get(str(read.get("preset")), {}), read)

    @model_validator(mode="after")
    def _sensible(self) -> Config:
        places = self.fields_.places()
        if missing := [name.upper() for name in ("to", "body") if name not in places and not self._uses(name)]:
            raise ValueError(f"the request would not hold {' and '.join(missing)}: see FIELDS")
        _no_collision([*places.values(), *self.extra])
        if self.format == "form" and any("." in place for place in places.values()):
            raise ValueError("FIELDS: a form has no nested fields")
        _known_variables("EXTRA", self.extra.values(), VARIABLES)
        _known_variables("HEADERS", self.headers.values(), _IN_HEADERS)
        for name, value in self.headers.items():
            if not (_HEADER_NAME.fullmatch(name.lower()) and _PRINTABLE.fullmatch(value)):
                raise ValueError("HEADERS: a name or value that no header can have")
        _possible_meanings(self.http)
        if _OURS & set(self.errors.values()):
            raise ValueError(f"ERRORS: {' and '.join(sorted(_OURS))} are never a provider's")
        if not self.answer.id and self.answer.id_required:
            raise ValueError("ANSWER: needs ID, or ID_REQUIRED=false")
        return self

    def _uses(self, variable: str) -> bool:
        texts = [*self.extra.values(), *self.headers.values()]
        return any(f"{{{variable}}}" in text for text in texts if isinstance(text, str))

    def sends(self, variable: str) -> bool:
        """Whether the request holds this one of our values."""
        return variable in self.fields_.places() or self._uses(variable)


def _known_variables(where: str, templates: Any, known: frozenset[str]) -> None:
    used = {name for text in templates if isinstance(text, str) for name in VARIABLE.findall(text)}
    if strangers := sorted(used - known):
        raise ValueError(f"{where}: there is no {{{strangers[0]}}}; there are {', '.join(sorted(known))}")


def _no_collision(places: list[str]) -> None:
    twice = sorted({place for place in places if places.count(place) > 1})
    if twice:
        raise ValueError(f"FIELDS and EXTRA: {twice[0]} is written twice")
    written(dict.fromkeys(places, ""))


def _possible_meanings(http: Mapping[int, Meaning]) -> None:
    for status, meaning in http.items():
        refusal = 400 <= status < 500 and status != 429  # noqa: PLR2004 - 4xx, but 429 is always deferred
        if not refusal and (status, meaning) != (503, "deferred"):
            raise ValueError("HTTP: tells what a 4xx but 429 means, or that a 503 is deferred; the rest is settled")


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
