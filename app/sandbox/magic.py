"""The magic numbers: recipients that always meet the same fate, so that every outcome can be tried on demand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.delivery_errors import DeliveryError
from app.domain.status import MessageStatus
from app.sandbox.script import (
    BROKEN,
    DELIVERED,
    ORDINARY,
    QUEUED,
    SENT,
    Answer,
    Hop,
    Refusal,
    Report,
    Script,
    Word,
    lost,
    refused,
)


class Scenario(StrEnum):
    """What a magic number stands for."""

    DELIVERED = "delivered"
    DELIVERED_ATT = "delivered-att"
    DELIVERED_T_MOBILE = "delivered-t-mobile"
    DELIVERED_VERIZON = "delivered-verizon"
    REFUSED_RECIPIENT = "refused-recipient"
    REFUSED_OPTED_OUT = "refused-opted-out"
    REFUSED_UNREGISTERED = "refused-unregistered"
    REFUSED_SENDER = "refused-sender"
    REFUSED_MESSAGE = "refused-message"
    REFUSED_CREDENTIALS = "refused-credentials"
    REFUSED_BALANCE = "refused-balance"
    LANDLINE = "landline"
    UNREACHABLE = "unreachable"
    CARRIER_BLOCKED = "carrier-blocked"
    CONTENT_FILTERED = "content-filtered"
    UNREGISTERED = "unregistered"
    UNEXPLAINED = "unexplained"
    FAILED_LATER = "failed-later"
    THROTTLED = "throttled"
    NOT_ACCEPTED = "not-accepted"
    ERROR_THEN_PROOF = "error-then-proof"
    ERROR_THEN_SILENCE = "error-then-silence"
    ERROR_THEN_SECRECY = "error-then-secrecy"
    LOST_AT_FIRST = "lost-at-first"
    HTML_THEN_PROOF = "html-then-proof"
    TIMEOUT_THEN_PROOF = "timeout-then-proof"
    TIMEOUT_THEN_SILENCE = "timeout-then-silence"
    CUT_THEN_PROOF = "cut-then-proof"
    SILENT = "silent"
    LATE = "late"
    DUPLICATED = "duplicated"
    OUT_OF_ORDER = "out-of-order"
    EARLY = "early"
    CONTRADICTING = "contradicting"


@dataclass(frozen=True, kw_only=True)
class MagicNumber:
    """One number and its fate."""

    number: str
    scenario: Scenario
    happens: str
    expected: MessageStatus
    """Where the gateway's message ends under `at_most_once`, if the gateway asks for the sandbox's records."""

    error: DeliveryError | None
    """The error that the gateway's message ends with."""

    script: Script
    unasked: MessageStatus
    """Where it ends if nothing but the webhooks tells."""

    def end(self, *, asked: bool, looked_up: bool, told: bool = True) -> tuple[MessageStatus, DeliveryError | None]:
        """Give where the gateway's message ends, and with which error.

        `asked` is whether it asks about unknown outcomes, `looked_up` whether about what stays `sent`, and
        `told` whether webhooks come.
        """
        match self.unasked if told else self._untold():
            case MessageStatus.SENT if not looked_up:
                return MessageStatus.SENT, None
            case MessageStatus.UNCONFIRMED if not asked:
                return MessageStatus.UNCONFIRMED, DeliveryError.OUTCOME_UNKNOWN
            case _:
                return self.expected, self.error

    def _untold(self) -> MessageStatus:
        """Give where it ends if nothing but the answer tells."""
        if self.script.answer is not Answer.ACCEPTED or self.unasked is MessageStatus.UNCONFIRMED:
            return MessageStatus.UNCONFIRMED
        return MessageStatus.SENT if self.script.reports else self.unasked


def _row(
    last_digits: str,
    scenario: Scenario,
    happens: str,
    script: Script,
    *,
    expected: MessageStatus = MessageStatus.DELIVERED,
    error: DeliveryError | None = None,
    unasked: MessageStatus | None = None,
) -> MagicNumber:
    return MagicNumber(
        number=f"+150055500{last_digits}",
        scenario=scenario,
        happens=happens,
        expected=expected,
        error=error,
        script=script,
        unasked=unasked or expected,
    )


def _refused(last_digits: str, scenario: Scenario, why: str, script: Script, error: DeliveryError) -> MagicNumber:
    happens = f"Refused at once: {why}."
    return _row(last_digits, scenario, happens, script, expected=MessageStatus.FAILED, error=error)


def _lost(last_digits: str, scenario: Scenario, why: str, code: int, error: DeliveryError) -> MagicNumber:
    happens, script = f"Taken, then reported undelivered: {why}.", lost(Word.UNDELIVERED, code)
    return _row(last_digits, scenario, happens, script, expected=MessageStatus.UNDELIVERED, error=error)


def _found(last_digits: str, scenario: Scenario, happens: str, script: Script) -> MagicNumber:
    return _row(last_digits, scenario, happens, script, unasked=MessageStatus.UNCONFIRMED)


MAGIC_NUMBERS: Final = (
    _row("00", Scenario.DELIVERED, "Taken, handed over and delivered.", ORDINARY),
    _row("01", Scenario.DELIVERED_ATT, "Delivered, as fast as AT&T is.", ORDINARY),
    _row("02", Scenario.DELIVERED_T_MOBILE, "Delivered, as fast as T-Mobile is.", ORDINARY),
    _row("03", Scenario.DELIVERED_VERIZON, "Delivered, as fast as Verizon is.", ORDINARY),
    _refused("10", Scenario.REFUSED_RECIPIENT, "no such number", refused(1001), DeliveryError.INVALID_RECIPIENT),
    _refused("11", Scenario.REFUSED_OPTED_OUT, "on the provider's own list", refused(1002), DeliveryError.OPTED_OUT),
    _refused("12", Scenario.REFUSED_UNREGISTERED, "no campaign", refused(1003), DeliveryError.UNREGISTERED_SENDER),
    _refused("13", Scenario.REFUSED_SENDER, "not our sender", refused(1004), DeliveryError.SENDER_NOT_ALLOWED),
    _refused("14", Scenario.REFUSED_MESSAGE, "unacceptable text", refused(1005), DeliveryError.MESSAGE_REFUSED),
    _refused(
        "15",
        Scenario.REFUSED_CREDENTIALS,
        "401, as if the API key were wrong",
        refused(2001, status=401),
        DeliveryError.PROVIDER_CREDENTIALS,
    ),
    _refused(
        "16",
        Scenario.REFUSED_BALANCE,
        "402, no credit left",
        refused(2002, status=402),
        DeliveryError.PROVIDER_BALANCE,
    ),
    _lost("20", Scenario.LANDLINE, "a landline", 3001, DeliveryError.LANDLINE),
    _lost("21", Scenario.UNREACHABLE, "the handset is switched off", 3002, DeliveryError.UNREACHABLE),
    _lost("22", Scenario.CARRIER_BLOCKED, "the carrier blocks it", 3003, DeliveryError.CARRIER_BLOCKED),
    _lost("23", Scenario.CONTENT_FILTERED, "a spam filter stopped it", 3004, DeliveryError.CONTENT_FILTERED),
    _lost("24", Scenario.UNREGISTERED, "a 10DLC without a campaign", 3005, DeliveryError.UNREGISTERED_SENDER),
    _lost("25", Scenario.UNEXPLAINED, "no useful reason", 3099, DeliveryError.UNKNOWN),
    _row(
        "26",
        Scenario.FAILED_LATER,
        "Taken, then reported failed: the sender was suspended meanwhile.",
        lost(Word.FAILED, 3006),
        expected=MessageStatus.FAILED,
        error=DeliveryError.SENDER_NOT_ALLOWED,
    ),
    _row(
        "30",
        Scenario.THROTTLED,
        "Refused with 429 and Retry-After 1 twice for each message, then delivered.",
        Script(refusal=Refusal(status=429, code=2901, times=2, retry_after_seconds=1)),
    ),
    _row(
        "31",
        Scenario.NOT_ACCEPTED,
        "Refused once for each message with a 503 that is documented as not accepted, then delivered.",
        Script(refusal=Refusal(status=503, code=2902, times=1)),
    ),
    _row(
        "40",
        Scenario.ERROR_THEN_PROOF,
        "Taken, but answered with 500; the webhooks prove that it was taken.",
        Script(answer=Answer.SERVER_ERROR),
    ),
    _found(
        "41",
        Scenario.ERROR_THEN_SILENCE,
        "Taken, but answered with 500, and no webhook ever comes; the sandbox's records show it.",
        Script(answer=Answer.SERVER_ERROR, reports=()),
    ),
    _row(
        "42",
        Scenario.HTML_THEN_PROOF,
        "Taken, but answered with 200 and an HTML page; the webhooks prove that it was taken.",
        Script(answer=Answer.HTML),
    ),
    _row(
        "43",
        Scenario.TIMEOUT_THEN_PROOF,
        "Taken, but not answered until the client gives up; the webhooks prove that it was taken.",
        Script(answer=Answer.HELD),
    ),
    _found(
        "44",
        Scenario.TIMEOUT_THEN_SILENCE,
        "Taken, but not answered until the client gives up, and no webhook ever comes; the records show it.",
        Script(answer=Answer.HELD, reports=()),
    ),
    _row(
        "45",
        Scenario.CUT_THEN_PROOF,
        "Taken, but the connection is cut in the answer; the webhooks prove that it was taken.",
        Script(answer=Answer.CUT),
    ),
    _row(
        "46",
        Scenario.ERROR_THEN_SECRECY,
        "Taken, but answered with 500; no webhook ever comes, and questions about it are answered with 500, too.",
        Script(answer=Answer.SERVER_ERROR, reports=(), can_be_asked=False),
        expected=MessageStatus.UNCONFIRMED,
        error=DeliveryError.OUTCOME_UNKNOWN,
    ),
    _found(
        "47",
        Scenario.LOST_AT_FIRST,
        "Lost once for each message and answered with 500; the records prove that it was not taken, "
        "and it is sent again.",
        Script(refusal=Refusal(status=500, code=BROKEN, times=1)),
    ),
    _row(
        "50",
        Scenario.SILENT,
        "Taken and answered, but no webhook ever comes; once it is looked up, the records show that it arrived.",
        Script(reports=()),
        unasked=MessageStatus.SENT,
    ),
    _row(
        "51",
        Scenario.LATE,
        "Delivered, with the last webhook five seconds late.",
        Script(reports=(QUEUED, SENT, Report(word=Word.DELIVERED, hop=Hop.HANDSET, wait_seconds=5.0))),
    ),
    _row(
        "52",
        Scenario.DUPLICATED,
        "Delivered, with each webhook posted three times.",
        Script(
            reports=(
                Report(word=Word.QUEUED, copies=3),
                Report(word=Word.SENT, hop=Hop.HANDOVER, copies=3),
                Report(word=Word.DELIVERED, hop=Hop.HANDSET, copies=3),
            )
        ),
    ),
    _row(
        "53",
        Scenario.OUT_OF_ORDER,
        "Delivered, with the webhooks in the order delivered, sent, queued.",
        Script(
            reports=(
                Report(word=Word.DELIVERED, hop=Hop.HANDSET),
                Report(word=Word.SENT, hop=Hop.HANDOVER),
                Report(word=Word.QUEUED, hop=Hop.HANDOVER),
            )
        ),
    ),
    _row(
        "54",
        Scenario.EARLY,
        "Delivered, with the first two webhooks posted before the submission is answered.",
        Script(reports=(QUEUED, SENT, DELIVERED), reports_before_answer=2),
    ),
    _row(
        "55",
        Scenario.CONTRADICTING,
        "Delivered, then reported undelivered: delivered stands.",
        Script(reports=(QUEUED, SENT, DELIVERED, Report(word=Word.UNDELIVERED, hop=Hop.HANDOVER, code=3002))),
    ),
)
"""Every magic number. +15005550000 to +15005550099 are kept for them; any other number is delivered."""

SCRIPTS: Final[dict[str, Script]] = {magic.number: magic.script for magic in MAGIC_NUMBERS}


def script_for(recipient: str) -> Script:
    """Give what happens to a message for this recipient."""
    return SCRIPTS.get(recipient, ORDINARY)
