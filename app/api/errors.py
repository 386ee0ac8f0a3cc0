"""The catalogue of everything that can go wrong: why a request was refused, and why a message was not delivered."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.api.problems import STATUSES, Problem, problem_document, problem_type
from app.api.remedies import REMEDIES
from app.domain.delivery_errors import CATALOGUE, DeliveryError, Fault
from app.domain.errors import TITLES, ErrorCode, Refusal

router: Final = APIRouter(prefix="/v1/errors", tags=["errors"])
EXAMPLE_REQUEST_ID: Final = "33cc90e195f04853838661a780c31a19"


class ExplainedRefusal(BaseModel):
    """Why a request was refused: the `code` of a problem document, explained."""

    kind: Literal["refusal"] = Field(description="A request was refused, and nothing was stored.")
    code: ErrorCode = Field(description="The stable code.", examples=[ErrorCode.RECIPIENT_INVALID])
    type: str = Field(
        description="The problem's `type`: a reference to its page.",
        json_schema_extra={"format": "uri-reference"},
        examples=["/problems/recipient-invalid"],
    )
    title: str = Field(
        description="The problem in a few words.", examples=["The recipient is not a number that can be texted"]
    )
    status: int = Field(ge=400, le=599, description="The HTTP status of the refusal.", examples=[422])
    cause: str = Field(
        description="What happened.", examples=["`to` is not a telephone number in E.164, or none of its country."]
    )
    remedy: str = Field(
        description="What to do about it.", examples=["Write a plus, the country code and the number, digits only."]
    )
    example: Problem = Field(description="A problem document with this code.")


class ExplainedDeliveryError(BaseModel):
    """Why a message was not delivered: its `error_code`, explained."""

    kind: Literal["delivery"] = Field(description="A message was accepted and did not arrive.")
    code: DeliveryError = Field(description="The stable code.", examples=[DeliveryError.LANDLINE])
    cause: str = Field(
        description="What happened.", examples=["The number is a landline, or its carrier takes no text messages."]
    )
    remedy: str = Field(
        description="What to do about it.",
        examples=["Reach this person by voice or e-mail, or ask for a mobile number."],
    )
    fault: Fault = Field(description="Whose doing it is.", examples=[Fault.RECIPIENT])
    retryable: bool = Field(
        description="Whether the gateway tries again by itself while the message is valid.", examples=[False]
    )


Explained = Annotated[ExplainedRefusal | ExplainedDeliveryError, Field(discriminator="kind")]


class ErrorList(BaseModel):
    """Errors with their explanations: refusals first, then delivery errors."""

    data: list[Explained] = Field(description="A code may stand for a refusal and for a delivery error; then twice.")


def explain_refusal(code: ErrorCode) -> dict[str, Any]:
    """Give what is to be known of a refusal, as its JSON document."""
    remedy = REMEDIES[code]
    return {
        "kind": "refusal",
        "code": code,
        "type": problem_type(code),
        "title": TITLES[code],
        "status": STATUSES[code],
        "cause": remedy.cause,
        "remedy": remedy.remedy,
        "example": problem_document(remedy.example, request_id=EXAMPLE_REQUEST_ID),
    }


def explain_delivery_error(code: DeliveryError) -> dict[str, Any]:
    """Give what is to be known of a delivery error, as its JSON document."""
    facts = CATALOGUE[code]
    return {
        "kind": "delivery",
        "code": code,
        "cause": facts.explanation,
        "remedy": facts.remedy,
        "fault": facts.fault,
        "retryable": facts.retryable,
    }


_ALL: Final = (*map(explain_refusal, ErrorCode), *map(explain_delivery_error, DeliveryError))


@router.get("", operation_id="list_errors", summary="List all errors", response_model=ErrorList)
async def index() -> Response:
    """List every code that a refusal or an undelivered message may carry, with its cause and its remedy."""
    return _json({"data": _ALL})


@router.get("/{code}", operation_id="get_error", summary="Explain an error", response_model=ErrorList)
async def show(code: str) -> Response:
    """Explain one code: one entry, or two where a refusal and a delivery error share it."""
    found = [entry for entry in _ALL if entry["code"] == code]
    if not found:
        raise Refusal(ErrorCode.NOT_FOUND, "There is no error with this code. GET /v1/errors lists all.")
    return _json({"data": found})


def _json(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
