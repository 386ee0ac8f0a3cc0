"""A scenario as data: what the HTTP answer is, and which reports follow after which delay. Nothing here acts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from app.sandbox.carriers import Journey


class Word(StrEnum):
    """The status words in the sandbox's API."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"


FINAL: Final = frozenset({Word.DELIVERED, Word.UNDELIVERED, Word.FAILED})
"""Words after which nothing more becomes of a message."""


class Answer(StrEnum):
    """How a submission is answered once it was taken."""

    ACCEPTED = "202 with an id"
    SERVER_ERROR = "500"
    HTML = "200 with an HTML page"
    HELD = "none: held until the client gives up"
    CUT = "none: the connection is cut"


class Hop(StrEnum):
    """Which of the carrier's latencies a report waits for."""

    NONE = "none"
    HANDOVER = "handover"
    HANDSET = "handset"


BROKEN: Final = 5000
"""The code of a 500, which says nothing of whether the message was taken."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A request that is answered with the sandbox's own error document; a submission is not taken then."""

    status: int
    code: int
    times: int | None = None
    """How often the same message is refused before it is taken; None for always."""

    retry_after_seconds: int | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """One status webhook, counted from the report before it."""

    word: Word
    hop: Hop = Hop.NONE
    wait_seconds: float = 0.0
    """How late the report itself is, on top of the hop; both are multiplied by the pace."""

    code: int | None = None
    copies: int = 1
    """How often exactly the same webhook is posted."""


QUEUED: Final = Report(word=Word.QUEUED)
SENT: Final = Report(word=Word.SENT, hop=Hop.HANDOVER)
DELIVERED: Final = Report(word=Word.DELIVERED, hop=Hop.HANDSET)


@dataclass(frozen=True, kw_only=True)
class Script:
    """What happens to a message that is sent to one number."""

    refusal: Refusal | None = None
    answer: Answer = Answer.ACCEPTED
    reports: tuple[Report, ...] = (QUEUED, SENT, DELIVERED)
    """Posted in this order, each only after the one before it was taken or given up."""

    reports_before_answer: int = 0
    """How many of the reports are posted before the submission is answered."""

    can_be_asked: bool = True
    """Whether the records tell of it; questions about a message that they do not tell of are answered with 500."""

    arrives: bool = True
    """Whether the handset receives the text, reported or not."""

    @property
    def end(self) -> Report:
        """What truly becomes of the message once it is taken, whatever is reported, and in whichever order."""
        return self.reports[-1] if self.reports and not self.arrives else DELIVERED


ORDINARY: Final = Script()
"""Any number that is not magic: taken, handed over, delivered."""


def refused(code: int, *, status: int = 400) -> Script:
    """Write the script of a number that is refused for good, at once."""
    return Script(refusal=Refusal(status=status, code=code), reports=(), arrives=False)


def lost(word: Word, code: int) -> Script:
    """Write the script of a message that is taken and then reported as not delivered."""
    return Script(reports=(QUEUED, SENT, Report(word=word, hop=Hop.HANDSET, code=code)), arrives=False)


def delay_of(report: Report, journey: Journey) -> float:
    """Give the seconds from the report before to this one, at pace 1."""
    return _hop_seconds(report.hop, journey) + report.wait_seconds


def end_of(script: Script, journey: Journey) -> float:
    """Give the seconds from the taking to the handset, or to the carrier giving up, at pace 1."""
    elapsed = 0.0
    for report in script.reports:
        elapsed += _hop_seconds(report.hop, journey)
        if report.word is script.end.word:
            return elapsed
    return journey.handover + journey.handset


def _hop_seconds(hop: Hop, journey: Journey) -> float:
    match hop:
        case Hop.NONE:
            return 0.0
        case Hop.HANDOVER:
            return journey.handover
        case Hop.HANDSET:
            return journey.handset
        case _:
            assert_never(hop)
