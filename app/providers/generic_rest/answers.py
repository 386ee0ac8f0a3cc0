"""What the answer to a send means. Total: any response gives an outcome, and in doubt it is `Unknown`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from app.domain.delivery_errors import DeliveryError
from app.domain.http import HttpResponse
from app.domain.provider import Accepted, Deferred, ProviderFailure, Rejected, SendOutcome, Unknown
from app.domain.retry_after import read_retry_after
from app.domain.status import MessageStatus
from app.providers.generic_rest.documents import first_flag, first_word, load_json
from app.providers.generic_rest.settings import Answer, Config

LOST: Final = frozenset({MessageStatus.FAILED, MessageStatus.UNDELIVERED, MessageStatus.EXPIRED})

REFUSALS: Final = {
    401: DeliveryError.PROVIDER_CREDENTIALS,
    402: DeliveryError.PROVIDER_BALANCE,
    403: DeliveryError.PROVIDER_CREDENTIALS,
}
"""What a refusal with a code that is not in the table means, by HTTP status; any other is `message-refused`."""

UNCLEAR: Final = frozenset({408, 409, 425})
"""Time ran out, it clashes with what was sent before, too early: an earlier copy may have been taken."""

TOO_MANY: Final = 429
NOT_AVAILABLE: Final = 503


@dataclass(frozen=True, kw_only=True)
class _Said:
    response: HttpResponse
    document: Any
    status: int
    """The HTTP status; the body's own, where that tells of an error inside a 2xx."""

    code: str | None
    owned: bool
    """The body has what only the provider's own error document has."""


def read_answer(config: Config, response: HttpResponse) -> SendOutcome:
    """Judge an answer by its status first, and then by what its document says at the paths of the settings."""
    said = _said(config.answer, response)
    if said.status == TOO_MANY:
        return _deferred(said, DeliveryError.RATE_LIMITED)
    if said.status // 100 == 2:  # noqa: PLR2004 - any status of success
        return _success(config, said)
    return _refusal(config, said)


def error_of(config: Config, code: str | None, otherwise: DeliveryError) -> DeliveryError:
    """Give what a code of the provider's means."""
    return otherwise if code is None else config.errors.get(code.casefold(), otherwise)


def error_code(document: Any, answer: Answer, paths: tuple[str, ...]) -> str | None:
    """Read an error code; None for one that means that there is no error."""
    code = first_word(document, paths)
    return None if code in answer.no_error else code


def _said(answer: Answer, response: HttpResponse) -> _Said:
    document = load_json(response.body)
    repeated = first_word(document, answer.body_status)
    inside = int(repeated) if repeated in _ERROR_STATUSES else None
    code = error_code(document, answer, answer.error_code)
    success = response.status // 100 == 2  # noqa: PLR2004 - any status of success
    return _Said(
        response=response,
        document=document,
        status=inside if success and inside is not None else response.status,
        code=code,
        owned=inside is not None or code is not None or first_word(document, answer.error_text) is not None,
    )


_ERROR_STATUSES: Final = frozenset(map(str, range(400, 600)))


def _success(config: Config, said: _Said) -> SendOutcome:
    answer, document = config.answer, said.document
    identifier = first_word(document, answer.id)
    word = first_word(document, answer.status)
    repeated = first_word(document, answer.body_status)
    if answer.success and (flag := first_flag(document, answer.success)) not in answer.success_values:
        return _failed_inside(config, said, certain=flag is not None)
    if config.statuses.get((word or "").casefold()) in LOST:
        return _failed_inside(config, said, certain=True)
    if said.code is not None:
        return _failed_inside(config, said, certain=False)
    proven = identifier is not None or (not answer.id_required and bool(answer.success or _is_success(repeated)))
    if not proven:
        return _unknown(said)
    return Accepted(provider_message_id=identifier, provider_status=word or repeated)


def _is_success(repeated: str | None) -> bool:
    return repeated in {"200", "201", "202"}


def _failed_inside(config: Config, said: _Said, *, certain: bool) -> SendOutcome:
    """Judge a 2xx that tells of an error: a refusal where it is said outright, or by a code that is known."""
    known = said.code is not None and said.code.casefold() in config.errors
    if said.code in config.answer.not_taken and said.code is not None:
        return _deferred(said, error_of(config, said.code, DeliveryError.PROVIDER_UNAVAILABLE))
    if known or (certain and said.owned) or _is_lost(config, said):
        return Rejected(failure=_failure(said, error_of(config, said.code, DeliveryError.MESSAGE_REFUSED)))
    return _unknown(said)


def _is_lost(config: Config, said: _Said) -> bool:
    word = first_word(said.document, config.answer.status)
    return config.statuses.get((word or "").casefold()) in LOST


def _refusal(config: Config, said: _Said) -> SendOutcome:
    meaning = config.http.get(said.status, "unknown" if said.status in UNCLEAR else None)
    refusable = said.status // 100 == 4  # noqa: PLR2004 - any status of refusal
    if not said.owned or not (refusable or said.status == NOT_AVAILABLE):
        return _unknown(said)
    if meaning == "deferred" or (said.code is not None and said.code in config.answer.not_taken):
        return _deferred(said, error_of(config, said.code, DeliveryError.PROVIDER_UNAVAILABLE))
    if not refusable or meaning == "unknown":
        return _unknown(said)
    usual = REFUSALS.get(said.status, DeliveryError.MESSAGE_REFUSED)
    return Rejected(failure=_failure(said, error_of(config, said.code, usual)))


def _deferred(said: _Said, error: DeliveryError) -> Deferred:
    return Deferred(failure=_failure(said, error), retry_after_seconds=read_retry_after(said.response.headers))


def _unknown(said: _Said) -> Unknown:
    return Unknown(failure=_failure(said, DeliveryError.OUTCOME_UNKNOWN))


def _failure(said: _Said, error: DeliveryError) -> ProviderFailure:
    inside = f", {said.status} inside" if said.status != said.response.status else ""
    return ProviderFailure(error=error, provider_status=f"HTTP {said.response.status}{inside}", provider_code=said.code)
