"""What the demo batch expects: it follows from what the sandbox tells, and whether it is asked."""

from __future__ import annotations

import pytest

from app.cli.demo import plan
from app.domain.delivery_errors import DeliveryError
from app.domain.status import MessageStatus
from app.providers.sandbox import Evidence
from app.sandbox.magic import Scenario
from app.settings import SandboxSettings

UNKNOWN = (MessageStatus.UNCONFIRMED, DeliveryError.OUTCOME_UNKNOWN)
SENT = (MessageStatus.SENT, None)
DELIVERED = (MessageStatus.DELIVERED, None)
UNANSWERED = {
    Scenario.ERROR_THEN_PROOF,
    Scenario.ERROR_THEN_SILENCE,
    Scenario.ERROR_THEN_SECRECY,
    Scenario.LOST_AT_FIRST,
    Scenario.HTML_THEN_PROOF,
    Scenario.TIMEOUT_THEN_PROOF,
    Scenario.TIMEOUT_THEN_SILENCE,
    Scenario.CUT_THEN_PROOF,
}
REFUSED = {scenario for scenario in Scenario if scenario.value.startswith("refused-")}


def ends(evidence: Evidence, *, records: bool) -> dict[str, tuple[MessageStatus, str | None]]:
    """Give where each kind of message is to end."""
    batch = plan(SandboxSettings(evidence=evidence, records=records))
    return {planned.name: (planned.expected, planned.error) for planned in batch}


def ending(expected: dict[str, tuple[MessageStatus, str | None]], end: tuple[MessageStatus, str | None]) -> set[str]:
    """Name the kinds that end so."""
    return {name for name, other in expected.items() if other == end}


@pytest.mark.parametrize("records", [True, False])
def test_without_evidence_whatever_was_not_acknowledged_ends_unconfirmed(records: bool) -> None:
    assert ending(ends(Evidence.NONE, records=records), UNKNOWN) == UNANSWERED


def test_without_evidence_what_was_acknowledged_is_looked_up() -> None:
    looked_up, told = ends(Evidence.NONE, records=True), ends(Evidence.REFERENCE_SEARCH, records=True)
    assert {name: end for name, end in looked_up.items() if name not in UNANSWERED} == {
        name: end for name, end in told.items() if name not in UNANSWERED
    }


def test_without_evidence_and_records_nothing_is_known_but_refusals() -> None:
    expected = ends(Evidence.NONE, records=False)
    assert ending(expected, SENT) == set(expected) - UNANSWERED - REFUSED
    assert {expected[name][0] for name in REFUSED} == {MessageStatus.FAILED}


def test_where_webhooks_alone_tell_what_they_do_not_mention_is_not_known() -> None:
    expected = ends(Evidence.WEBHOOK, records=False)
    assert ending(expected, UNKNOWN) == {
        Scenario.ERROR_THEN_SILENCE,
        Scenario.ERROR_THEN_SECRECY,
        Scenario.LOST_AT_FIRST,
        Scenario.TIMEOUT_THEN_SILENCE,
    }
    assert ending(expected, SENT) == {Scenario.SILENT}
    assert expected["ordinary"] == DELIVERED


@pytest.mark.parametrize("evidence", [Evidence.IDEMPOTENCY_KEY, Evidence.REFERENCE_SEARCH, Evidence.RECIPIENT_SEARCH])
def test_where_the_sandbox_is_asked_only_what_it_keeps_to_itself_is_not_known(evidence: Evidence) -> None:
    expected = ends(evidence, records=True)
    assert ending(expected, UNKNOWN) == {Scenario.ERROR_THEN_SECRECY}
    assert ending(expected, SENT) == set()
