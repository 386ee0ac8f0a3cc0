"""The whole suite: every rule of the provider contract, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.conformance import question_checks, record_checks, secrecy_checks, send_checks, webhook_checks
from app.conformance.subject import Check, Finding, Subject

_CHECKS: Final = (
    send_checks.samples_read_as_stored,
    send_checks.a_429_is_deferred,
    send_checks.a_server_error_is_unknown,
    send_checks.an_unreadable_success_is_unknown,
    send_checks.an_answer_by_somebody_else_is_no_acceptance,
    send_checks.a_request_is_built_from_its_arguments_alone,
    send_checks.our_own_id_travels,
    webhook_checks.samples_verify_and_read_as_stored,
    webhook_checks.an_unknown_event_is_an_empty_list,
    webhook_checks.a_garbage_webhook_is_unreadable_or_empty,
    webhook_checks.a_tampered_webhook_is_refused,
    webhook_checks.a_wrong_signature_is_refused,
    webhook_checks.a_stale_webhook_is_refused,
    question_checks.what_is_not_declared_is_not_offered,
    question_checks.questions_are_built_as_stored,
    question_checks.a_question_says_what_it_asks_for,
    question_checks.the_key_belongs_to_the_attempt,
    record_checks.records_read_as_stored,
    record_checks.a_found_message_shows_what_it_is_judged_by,
    record_checks.a_failed_question_tells_nothing,
    record_checks.an_unreadable_answer_tells_nothing,
    record_checks.a_damaged_answer_hides_no_message,
    secrecy_checks.no_secret_is_shown,
    secrecy_checks.no_error_repeats_what_was_received,
)


def checks() -> Sequence[Check]:
    """Give every check; a check's name is its function's, in words."""
    return [Check(name=look.__name__.replace("_", " "), look=look) for look in _CHECKS]


def examine(subject: Subject) -> Sequence[Finding]:
    """Run every check on one adapter; an empty result means that it keeps the contract."""
    return [finding for check in checks() for finding in check.run(subject)]
