"""The whole suite: every rule of the provider contract, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.conformance import secrecy_checks, send_checks, webhook_checks
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
    secrecy_checks.no_secret_is_shown,
    secrecy_checks.no_error_repeats_what_was_received,
)


def checks() -> Sequence[Check]:
    """Give every check; a check's name is its function's, in words."""
    return [Check(name=look.__name__.replace("_", " "), look=look) for look in _CHECKS]


def examine(subject: Subject) -> Sequence[Finding]:
    """Run every check on one adapter; an empty result means that it keeps the contract."""
    return [finding for check in checks() for finding in check.run(subject)]
